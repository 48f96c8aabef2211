//! Streams of server-sent events (WHATWG HTML, section 9.2) for followers.
//!
//! A resource provides a [`Feed`]. `serve` asks it for news every [`PAUSE`], but only while the follower reads. So a
//! follower that does not read costs nothing: no news is fetched for it, and after a while its connection ends
//! ([`super::patient`]). There are at most [`FOLLOWERS`] followers.

use std::convert::Infallible;
use std::fmt::{Display, Write as _};
use std::sync::Arc;
use std::time::Duration;

use futures_util::stream;
use http_body_util::{BodyExt as _, StreamBody};
use hyper::body::{Bytes, Frame};
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::access::Admitted;
use super::answer::Body;
use crate::state::tokens::TokenRights;
use crate::stats::GLANCE;

/// The greatest number of followers, over the socket and the port together (contract section 8).
const FOLLOWERS: usize = 32;
/// How many of them may have a right that only reads. The other places are reserved for followers with the right to
/// change, so that programs with the reading token cannot take every place.
const READING: usize = 24;
/// The pause between two questions for news.
const PAUSE: Duration = GLANCE;
/// A stream without news sends a sign of life after this time, so that both sides see that the connection works.
pub(super) const QUIET: Duration = Duration::from_secs(15);
/// How many octets of text are written at a time. Further text waits for the reader.
const ROOM: usize = 64 * 1024;

/// A source of news.
pub(super) trait Feed: Send + 'static {
    /// Writes the news, as long as there is [room](Events::has_room).
    fn news(&mut self, events: &mut Events) -> Then;
}

/// What follows after news.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Then {
    /// There may be more news later.
    Later,
    /// There was more news than room.
    AtOnce,
    /// The feed has ended.
    End,
}

/// Events as text.
#[derive(Debug, Default)]
pub(super) struct Events(String);

impl Events {
    /// Writes one event of this kind. `data` is JSON or other text. Each line of it becomes a line of the event,
    /// whatever its line end is (WHATWG HTML, section 9.2.6).
    pub(super) fn write(&mut self, kind: &'static str, data: impl Display) {
        let _ = writeln!(self.0, "event: {kind}");
        let text = data.to_string();
        text.lines().flat_map(|line| line.split('\r')).for_each(|line| {
            let _ = writeln!(self.0, "data: {line}");
        });
        self.0.push('\n');
    }

    /// Whether there is room for more events.
    pub(super) fn has_room(&self) -> bool {
        self.0.len() < ROOM
    }

    fn comment(&mut self, text: &str) {
        let _ = write!(self.0, ": {text}\n\n");
    }
}

/// The places for followers.
#[derive(Debug, Clone)]
pub(super) struct Followers {
    all: Arc<Semaphore>,
    reading: Arc<Semaphore>,
}

/// A place for a follower, taken until it is dropped.
#[derive(Debug)]
pub(super) struct Followed {
    _of_all: OwnedSemaphorePermit,
    _of_reading: Option<OwnedSemaphorePermit>,
}

impl Default for Followers {
    fn default() -> Self {
        let places = |count| Arc::new(Semaphore::new(count));
        Self { all: places(FOLLOWERS), reading: places(READING) }
    }
}

impl Followers {
    /// Takes a place for a follower with this right (`None`: with no right). The place is given back when it is
    /// dropped.
    ///
    /// # Errors
    /// All places are taken. The text says which.
    pub(super) fn place(&self, rights: Option<TokenRights>) -> Result<Followed, String> {
        let taken = |places: &Arc<Semaphore>| Arc::clone(places).try_acquire_owned();
        let of_reading = match rights {
            Some(TokenRights::Change) => None,
            Some(TokenRights::Read) | None => Some(taken(&self.reading).map_err(|_| {
                format!("{READING} programs that only read follow already, which is the most; try again when one has gone")
            })?),
        };
        let of_all = taken(&self.all).map_err(|_| {
            format!("{FOLLOWERS} programs follow already, which is the most; try again when one has gone")
        })?;
        Ok(Followed { _of_all: of_all, _of_reading: of_reading })
    }
}

/// A running stream.
struct Stream {
    feed: Box<dyn Feed>,
    then: Then,
    /// When something was last sent.
    sent: Instant,
    _place: Followed,
    ends: CancellationToken,
    until: Option<Instant>,
}

impl Stream {
    /// The next piece. `None`: the stream has ended.
    async fn next(&mut self) -> Option<Bytes> {
        let mut events = Events::default();
        loop {
            match self.then {
                Then::End => return None,
                Then::AtOnce => tokio::task::yield_now().await,
                Then::Later => tokio::select! {
                    () = self.ends.cancelled() => return None,
                    () = sleep(PAUSE) => {}
                },
            }
            if self.ends.is_cancelled() || self.until.is_some_and(|until| until <= Instant::now()) {
                return None;
            }
            self.then = self.feed.news(&mut events);
            if events.0.is_empty() && self.sent.elapsed() >= QUIET {
                events.comment("nothing new");
            }
            if !events.0.is_empty() {
                self.sent = Instant::now();
                return Some(events.0.into());
            }
        }
    }
}

/// A body that sends the news of `feed`. It ends when the reader goes, when the feed ends, or when the reader's token
/// or session is no longer valid.
pub(super) fn body(feed: impl Feed, place: Followed, admitted: &Admitted) -> Body {
    let (ends, until) = (admitted.ends.clone(), admitted.until);
    let stream =
        Stream { feed: Box::new(feed), then: Then::Later, sent: Instant::now(), _place: place, ends, until };
    // The first piece is sent with the head, so that the reader knows that the stream has begun.
    let first = Bytes::from_static(b": portward\n\n");
    let pieces = stream::unfold((Some(first), stream), |(first, mut stream)| async move {
        let piece = match first {
            Some(first) => first,
            None => stream.next().await?,
        };
        Some((Ok::<_, Infallible>(Frame::data(piece)), (None, stream)))
    });
    StreamBody::new(pieces).boxed_unsync()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::access::Caller;

    const CHANGE: Option<TokenRights> = Some(TokenRights::Change);

    fn admitted() -> Admitted {
        let caller = Caller::Socket { user: None };
        Admitted { caller, rights: None, ends: CancellationToken::new(), until: None }
    }

    /// A feed that counts.
    struct Numbers {
        next: u32,
        asked: Arc<std::sync::atomic::AtomicU32>,
    }

    impl Feed for Numbers {
        fn news(&mut self, events: &mut Events) -> Then {
            self.asked.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            self.next += 1;
            events.write("number", format_args!("{}\n{{}}", self.next));
            if self.next == 3 { Then::End } else { Then::Later }
        }
    }

    async fn next_text(body: &mut Body) -> Option<String> {
        let frame = body.frame().await?.unwrap();
        Some(String::from_utf8(frame.into_data().unwrap().to_vec()).unwrap())
    }

    #[tokio::test(start_paused = true)]
    async fn news_is_taken_when_the_reader_takes_it_and_no_sooner() {
        let (followers, asked) = (Followers::default(), Arc::default());
        let feed = Numbers { next: 0, asked: Arc::clone(&asked) };
        let mut body = body(feed, followers.place(CHANGE).unwrap(), &admitted());
        assert_eq!(next_text(&mut body).await.unwrap(), ": portward\n\n");
        sleep(Duration::from_secs(60)).await;
        assert_eq!(asked.load(std::sync::atomic::Ordering::Relaxed), 0);
        assert_eq!(next_text(&mut body).await.unwrap(), "event: number\ndata: 1\ndata: {}\n\n");
        next_text(&mut body).await.unwrap();
        next_text(&mut body).await.unwrap();
        assert_eq!(next_text(&mut body).await, None);
    }

    struct Silence;

    impl Feed for Silence {
        fn news(&mut self, _: &mut Events) -> Then {
            Then::Later
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_quiet_stream_says_that_it_is_alive_and_ends_when_it_is_told() {
        let (followers, admitted) = (Followers::default(), admitted());
        let mut body = body(Silence, followers.place(CHANGE).unwrap(), &admitted);
        next_text(&mut body).await.unwrap();
        let begin = Instant::now();
        assert_eq!(next_text(&mut body).await.unwrap(), ": nothing new\n\n");
        assert!((QUIET..QUIET + 2 * PAUSE).contains(&begin.elapsed()));
        admitted.ends.cancel();
        assert_eq!(next_text(&mut body).await, None);
    }

    #[test]
    fn issue_19_what_is_in_an_event_cannot_begin_another() {
        let mut events = Events::default();
        events.write("decision", "a\r\nb\rdata: c\revent: end");
        assert_eq!(events.0, "event: decision\ndata: a\ndata: b\ndata: data: c\ndata: event: end\n\n");
    }

    #[tokio::test]
    async fn a_follower_gives_its_place_back() {
        let followers = Followers::default();
        let taken: Vec<_> = (0..FOLLOWERS).map(|_| followers.place(CHANGE).unwrap()).collect();
        assert!(followers.place(CHANGE).is_err());
        let one = taken.into_iter().next().unwrap();
        let body = body(Silence, one, &admitted());
        drop(body);
        assert!(followers.place(CHANGE).is_ok());
    }

    #[test]
    fn issue_23_item_3_those_who_only_read_leave_places_for_those_who_may_change() {
        let followers = Followers::default();
        let readers: Vec<_> =
            (0..FOLLOWERS).filter_map(|_| followers.place(Some(TokenRights::Read)).ok()).collect();
        assert_eq!(readers.len(), READING);
        assert!(followers.place(None).is_err());
        let changers: Vec<_> = (0..FOLLOWERS).filter_map(|_| followers.place(CHANGE).ok()).collect();
        assert_eq!(readers.len() + changers.len(), FOLLOWERS);
        // Readers cannot get a place that followers with the right to change have taken.
        drop(readers);
        let more: Vec<_> = (0..FOLLOWERS).filter_map(|_| followers.place(CHANGE).ok()).collect();
        assert_eq!(more.len(), READING);
        assert!(followers.place(Some(TokenRights::Read)).is_err());
        drop((changers, more));
        assert!(
            followers.place(Some(TokenRights::Read)).is_ok(),
            "a refused follower takes no place for readers"
        );
    }
}
