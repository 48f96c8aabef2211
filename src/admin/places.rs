//! Places for connections of one kind, of the socket or of the port. Their number is bounded. A client that makes
//! Portward wait cannot keep others out: when all places are taken, the connection that has made Portward wait longest
//! is closed. A quick client cannot keep others out either: while a connection waits for a place, every other
//! connection ends after its next answer.

use std::collections::BTreeMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, watch};
use tokio::time::{Instant, timeout_at};
use tokio_util::sync::CancellationToken;

/// The number of connections of one kind.
pub(super) const PLACES: usize = 128;
/// How long a connection may make Portward wait while another one waits for its place.
const GRACE: Duration = Duration::from_secs(1);
/// The same for a connection on which no request has come yet. A client with a request sends it at once. With this
/// short time many silent connections are closed quickly. An administrator may wait behind them in the kernel's queue.
const FIRST_GRACE: Duration = Duration::from_millis(250);
/// How long a client may take to send a request, and how long to close.
const REQUEST: Duration = Duration::from_secs(10);
/// How long a client may take to read an answer.
const ANSWER: Duration = Duration::from_secs(30);
/// How long Portward may take to make an answer.
const WORK: Duration = Duration::from_secs(30);

/// Which side's turn it is on a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Turn {
    /// The client's turn: it has connected and has to send its first request.
    First,
    /// The client's turn: it has to send the rest of a request, or another one.
    Asks,
    /// Portward's turn: it makes an answer.
    Answers,
    /// The client's turn: it has to read the answer.
    Takes,
    /// The client follows a stream, as long as it reads.
    Follows,
}

impl Turn {
    const fn patience(self) -> Option<Duration> {
        match self {
            Self::First | Self::Asks => Some(REQUEST),
            Self::Answers => Some(WORK),
            Self::Takes => Some(ANSWER),
            Self::Follows => None,
        }
    }

    /// How long the client may make Portward wait while another connection waits for its place. `None`: Portward does
    /// not wait for the client.
    const fn grace(self) -> Option<Duration> {
        match self {
            Self::First => Some(FIRST_GRACE),
            Self::Asks | Self::Takes => Some(GRACE),
            Self::Answers | Self::Follows => None,
        }
    }
}

#[derive(Debug)]
struct Guest {
    turn: watch::Receiver<(Turn, Instant)>,
    out: CancellationToken,
}

impl Guest {
    /// Until when the client may make Portward wait while another connection waits for its place.
    fn may_wait_until(&self) -> Option<Instant> {
        let (turn, since) = *self.turn.borrow();
        let grace = turn.grace().filter(|_| !self.out.is_cancelled())?;
        Some(since + grace)
    }
}

#[derive(Debug)]
struct Inside {
    guests: BTreeMap<u64, Guest>,
    next: u64,
}

impl Inside {
    /// Asks the connection that has made Portward wait longest to leave, if it has waited too long. Otherwise returns
    /// when to look again.
    fn relieve(&self) -> Option<Instant> {
        let waiting = self.guests.values().filter_map(|guest| Some((guest.may_wait_until()?, guest)));
        let Some((end, guest)) = waiting.min_by_key(|(end, _)| *end) else {
            return Some(Instant::now() + GRACE);
        };
        if end > Instant::now() {
            return Some(end);
        }
        guest.out.cancel();
        None
    }
}

/// The places.
#[derive(Debug)]
pub(super) struct Places {
    most: usize,
    inside: Mutex<Inside>,
    freed: Notify,
    /// Whether a connection waits for a place.
    is_wanted: AtomicBool,
}

/// A place, taken until it is dropped.
#[derive(Debug)]
pub(super) struct ConnectionSlot {
    places: Arc<Places>,
    number: u64,
    turn: watch::Sender<(Turn, Instant)>,
    out: CancellationToken,
}

impl Places {
    /// This number of places.
    pub(super) fn new(most: usize) -> Arc<Self> {
        let inside = Inside { guests: BTreeMap::new(), next: 0 };
        let is_wanted = AtomicBool::new(false);
        Arc::new(Self { most, inside: Mutex::new(inside), freed: Notify::new(), is_wanted })
    }

    fn inside(&self) -> MutexGuard<'_, Inside> {
        self.inside.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the next place, for a connection that has come.
    pub(super) async fn take(self: &Arc<Self>) -> ConnectionSlot {
        loop {
            let freed = self.freed.notified();
            let taken = self.try_take();
            self.is_wanted.store(taken.is_err(), Ordering::Relaxed);
            match taken {
                Ok(place) => return place,
                Err(Some(soon)) => drop(timeout_at(soon, freed).await),
                Err(None) => freed.await,
            }
        }
    }

    /// Asks the connection that has made Portward wait too long to leave. This is for cases in which no further
    /// connection can be accepted for another reason, such as a lack of descriptors.
    pub(super) fn relieve(&self) {
        self.inside().relieve();
    }

    /// Takes a place. If there is none, the connection that has made Portward wait too long is asked to leave. The
    /// error says when to look again if no connection leaves before.
    fn try_take(self: &Arc<Self>) -> Result<ConnectionSlot, Option<Instant>> {
        let mut inside = self.inside();
        if inside.guests.len() >= self.most {
            return Err(inside.relieve());
        }
        let number = inside.next;
        inside.next += 1;
        let (turn, seen) = watch::channel((Turn::First, Instant::now()));
        let out = CancellationToken::new();
        inside.guests.insert(number, Guest { turn: seen, out: out.clone() });
        Ok(ConnectionSlot { places: Arc::clone(self), number, turn, out })
    }
}

impl ConnectionSlot {
    /// Sets whose turn it is from now on.
    pub(super) fn set(&self, turn: Turn) {
        self.turn.send_replace((turn, Instant::now()));
    }

    /// Whether another connection waits for a place. If so, this connection has to end after its answer.
    pub(super) fn is_wanted(&self) -> bool {
        self.places.is_wanted.load(Ordering::Relaxed)
    }

    /// Ready when the connection has to end: a turn takes too long, or the place is needed.
    pub(super) async fn overdue(&self) {
        let mut turns = self.turn.subscribe();
        let late = async {
            loop {
                let (turn, since) = *turns.borrow_and_update();
                let changed = turns.changed();
                match turn.patience() {
                    Some(patience) => match timeout_at(since + patience, changed).await {
                        Ok(_) => {}
                        Err(_) => return,
                    },
                    None => drop(changed.await),
                }
            }
        };
        tokio::select! {
            () = late => {}
            () = self.out.cancelled() => {}
        }
    }
}

impl Drop for ConnectionSlot {
    fn drop(&mut self) {
        self.places.inside().guests.remove(&self.number);
        self.places.freed.notify_one();
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::{sleep, timeout};

    async fn is_full(places: &Arc<Places>) -> bool {
        timeout(Duration::from_millis(1), places.take()).await.is_err()
    }

    #[tokio::test(start_paused = true)]
    async fn the_client_that_keeps_us_waiting_for_the_longest_goes_first() {
        let places = Places::new(3);
        let (follower, idle, busy) = (places.take().await, places.take().await, places.take().await);
        follower.set(Turn::Follows);
        busy.set(Turn::Answers);
        assert!(is_full(&places).await, "an honest client has a second");
        let newcomer = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.take().await }
        });
        idle.overdue().await;
        drop(idle);
        let newcomer = newcomer.await.unwrap();
        newcomer.set(Turn::Answers);
        sleep(Duration::from_secs(20)).await;
        assert!(is_full(&places).await, "a connection that follows, or gets an answer, stays");
        drop(busy);
        assert!(!is_full(&places).await);
    }

    #[tokio::test(start_paused = true)]
    async fn issue_19_without_descriptors_the_slowest_goes_before_all_places_are_taken() {
        let places = Places::new(3);
        let (slow, busy) = (places.take().await, places.take().await);
        busy.set(Turn::Answers);
        places.relieve();
        assert!(!slow.out.is_cancelled(), "an honest client has a second");
        sleep(GRACE).await;
        places.relieve();
        slow.overdue().await;
        assert!(slow.out.is_cancelled() && !busy.out.is_cancelled());
    }

    /// Many silent connections that come again and again have each place for a quarter of a second, and not for a
    /// second.
    #[tokio::test(start_paused = true)]
    async fn issue_23_a_silent_crowd_does_not_hold_up_an_administrator() {
        let places = Places::new(4);
        let crowd = || async {
            let place = places.take().await;
            place.overdue().await;
        };
        let begin = Instant::now();
        // 40 connections are before the administrator in the queue of the kernel.
        let before = futures_util::future::join_all((0..40).map(|_| crowd()));
        let administrator = async {
            sleep(Duration::from_millis(1)).await;
            drop(places.take().await);
            begin.elapsed()
        };
        let (_, waited) = tokio::join!(before, administrator);
        assert!(waited < 12 * FIRST_GRACE, "{waited:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn issue_23_a_client_whose_request_has_come_has_a_second() {
        let places = Places::new(1);
        let place = places.take().await;
        place.set(Turn::Takes);
        let newcomer = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.take().await }
        });
        sleep(GRACE - Duration::from_millis(1)).await;
        assert!(!place.out.is_cancelled());
        place.overdue().await;
        drop(place);
        newcomer.await.unwrap();
    }

    #[tokio::test(start_paused = true)]
    async fn issue_19_a_place_is_wanted_while_somebody_waits_for_one() {
        let places = Places::new(1);
        let place = places.take().await;
        assert!(!place.is_wanted());
        let newcomer = tokio::spawn({
            let places = Arc::clone(&places);
            async move { places.take().await }
        });
        // A client that is never late is not asked to leave, however many requests it sends.
        for turn in [Turn::Answers, Turn::Takes].repeat(20) {
            place.set(turn);
            sleep(GRACE / 2).await;
            assert!(place.is_wanted() && !place.out.is_cancelled());
        }
        drop(place);
        assert!(!newcomer.await.unwrap().is_wanted());
    }

    #[tokio::test(start_paused = true)]
    async fn every_turn_but_following_has_an_end() {
        let places = Places::new(1);
        let place = places.take().await;
        for (turn, patience) in [(Turn::Asks, REQUEST), (Turn::Answers, WORK), (Turn::Takes, ANSWER)] {
            place.set(turn);
            let begin = Instant::now();
            place.overdue().await;
            assert_eq!(begin.elapsed().as_secs(), patience.as_secs());
        }
        place.set(Turn::Follows);
        assert!(timeout(Duration::from_secs(100_000), place.overdue()).await.is_err());
    }
}
