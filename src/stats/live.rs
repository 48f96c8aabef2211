//! The table of live connections (contract section 8, `/v1/connections`).
//!
//! Each worker has a part of the table for its own connections. It locks the part when a connection begins or ends.
//! While a connection lives only its own entry is written, which no other connection uses. A reader goes through the
//! parts in pieces, so that no worker waits long for it.
//!
//! The entry of an idle connection and its place take at most [`MEMORY`] octets.

mod table;

use std::future::poll_fn;
use std::net::{IpAddr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Poll, Waker};
use std::time::Duration;

pub(super) use table::Shard;
pub use table::{AtTarget, Filter, Page};

use super::route::Route;
use super::targets::OpenAtTarget;
use super::{Direction, Moment, Stats, TICK_BITS};
use crate::cause::Cause;
use crate::io::Meter;
use crate::service::{Carrier, Service};

/// The memory of a connection in the table, in octets, with names of usual length (tested in tests/stats_memory.rs).
pub const MEMORY: usize = 256;

/// The facts about a connection when it begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Opening {
    /// The connection's number.
    pub id: u64,
    /// The client: the peer, or the address in a PROXY header.
    pub client: SocketAddr,
    /// The service.
    pub service: Service,
    /// The carrier.
    pub carrier: Carrier,
}

/// One connection.
#[derive(Debug)]
struct Entry {
    stats: Arc<Stats>,
    bytes: [AtomicU64; 2],
    id: u64,
    rest: Mutex<Rest>,
    /// When it began, by [`Stats::seconds`].
    since: u32,
    /// When bytes were sent last.
    moved: AtomicU32,
    /// When the target could be asked a request that it has not answered yet, by [`Stats::ticks`]. 0: never.
    asked: AtomicU32,
    requests: AtomicU32,
    place: u32,
    worker: u16,
    service: Service,
    /// The first carrier, under which the connection is counted.
    carrier: Carrier,
    is_ended: AtomicBool,
    /// Why the client's certificate proves nothing: one more than the number of the cause. 0: no cause.
    unproven: AtomicU8,
}

/// The fields that seldom change.
#[derive(Debug)]
struct Rest {
    client: Client,
    /// The present carrier. StartTLS changes it.
    carrier: Carrier,
    route: Route,
    /// The task of the connection.
    waker: Option<Waker>,
}

/// An address without the fields that only IPv6 sockets have. It is smaller.
#[derive(Debug, Clone, Copy)]
struct Client {
    address: IpAddr,
    port: u16,
}

impl From<SocketAddr> for Client {
    fn from(client: SocketAddr) -> Self {
        Self { address: client.ip().to_canonical(), port: client.port() }
    }
}

/// A connection's handle on its entry. The entry leaves the table when the handle is dropped.
#[derive(Debug)]
pub struct Registered(Arc<Entry>);

/// A live connection for a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Connection {
    /// Number, client, service and carrier.
    pub opening: Opening,
    /// The age of the connection, in seconds.
    pub age: u32,
    /// How long no byte was sent, in seconds.
    pub idle: u32,
    /// Requests that were decided (HTTP).
    pub requests: u32,
    /// Bytes to the target and to the client.
    pub bytes: [u64; 2],
    /// The connection's route. Empty before the decision.
    pub route: Route,
    /// Why the client's certificate does not prove the name. `None`: it does, or nothing had to be proven.
    pub unproven: Option<Cause>,
    /// An administrator has ended it.
    pub is_ended: bool,
}

impl Entry {
    fn rest(&self) -> MutexGuard<'_, Rest> {
        self.rest.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn bytes(&self) -> [u64; 2] {
        let [up, down] = &self.bytes;
        [up.load(Ordering::Relaxed), down.load(Ordering::Relaxed)]
    }

    /// Only the connection's own task may call this. It runs on the connection's worker. Returns whether bytes were
    /// sent to the client since the last call.
    fn set(&self, bytes: [u64; 2]) -> bool {
        let [old_up, old_down] = self.bytes();
        let [up, down] = bytes;
        if (up, down) == (old_up, old_down) {
            return false;
        }
        let counters = self.stats.worker(self.worker);
        counters.moved(self.service, Direction::Up, up.wrapping_sub(old_up));
        counters.moved(self.service, Direction::Down, down.wrapping_sub(old_down));
        let [up_place, down_place] = &self.bytes;
        up_place.store(up, Ordering::Relaxed);
        down_place.store(down, Ordering::Relaxed);
        self.moved.store(self.stats.seconds(), Ordering::Relaxed);
        down > old_down
    }

    fn answered(&self, by: Option<&OpenAtTarget>) {
        let asked = self.asked.swap(0, Ordering::Relaxed);
        let ticks = Stats::ticks(self.stats.now()).wrapping_sub(asked);
        let time = Duration::from_nanos(u64::from(ticks) << TICK_BITS);
        self.stats.worker(self.worker).answered(self.service, time);
        if let Some(target) = by {
            target.answered(time, self.stats.seconds());
        }
    }

    fn shown(&self) -> Connection {
        let now = self.stats.seconds();
        let (client, carrier, route) = {
            let rest = self.rest();
            let client = SocketAddr::new(rest.client.address, rest.client.port);
            (client, rest.carrier, rest.route.clone())
        };
        Connection {
            opening: Opening { id: self.id, client, service: self.service, carrier },
            age: now.saturating_sub(self.since),
            idle: now.saturating_sub(self.moved.load(Ordering::Relaxed)),
            requests: self.requests.load(Ordering::Relaxed),
            bytes: self.bytes(),
            route,
            unproven: self.unproven(),
            is_ended: self.is_ended.load(Ordering::Relaxed),
        }
    }

    fn unproven(&self) -> Option<Cause> {
        let number = usize::from(self.unproven.load(Ordering::Relaxed));
        Cause::ALL.get(number.checked_sub(1)?).copied()
    }

    fn end(&self) -> bool {
        let news = !self.is_ended.swap(true, Ordering::Release);
        if news {
            self.wake();
        }
        news
    }

    fn wake(&self) {
        if let Some(waker) = &self.rest().waker {
            waker.wake_by_ref();
        }
    }
}

impl Registered {
    /// Counts bytes that were sent to one side outside of a relay.
    pub fn add(&self, direction: Direction, count: u64) {
        let [up, down] = self.0.bytes();
        self.0.set(match direction {
            Direction::Up => [up + count, down],
            Direction::Down => [up, down + count],
        });
    }

    /// Counts a request that was decided.
    pub fn count_request(&self) {
        let requests = self.requests().wrapping_add(1);
        self.0.requests.store(requests, Ordering::Relaxed);
    }

    /// Requests that were decided.
    pub fn requests(&self) -> u32 {
        self.0.requests.load(Ordering::Relaxed)
    }

    /// Sets the connection's route.
    pub fn set_route(&self, identity: [&[u8]; 2], host: &str, verdict: &str, target: SocketAddr) {
        self.0.rest().route.set(identity, host, verdict, target);
    }

    /// Sets why the client's certificate does not prove the name in the request.
    pub fn set_unproven(&self, cause: Option<Cause>) {
        let number = cause.map_or(0, |cause| cause as u8 + 1);
        self.0.unproven.store(number, Ordering::Relaxed);
    }

    /// The present target of the connection, or the last one.
    pub fn target(&self) -> Option<SocketAddr> {
        self.0.rest().route.target()
    }

    /// Sets the client that a PROXY header has named.
    pub fn set_client(&self, client: SocketAddr) {
        self.0.rest().client = client.into();
    }

    /// Sets the present carrier. Counts by carrier keep the first one.
    pub fn set_carrier(&self, carrier: Carrier) {
        self.0.rest().carrier = carrier;
    }

    /// Notes that the target can be asked from `now` on. The time until its first byte is counted.
    pub fn asked(&self, now: Moment) {
        self.0.asked.store(Stats::ticks(now).max(1), Ordering::Relaxed);
    }

    /// Notes that the target has answered. `by` is the connection to it.
    pub fn answered(&self, by: Option<&OpenAtTarget>) {
        if self.0.asked.load(Ordering::Relaxed) != 0 {
            self.0.answered(by);
        }
    }

    /// Counts the bytes of a relay to this target.
    pub fn toward<'a>(&'a self, target: Option<&'a OpenAtTarget>) -> Relayed<'a> {
        Relayed { live: self, target }
    }

    /// Lets the calling task, which serves the connection, be polled when an administrator ends the connection, and by
    /// [`Stats::wake_all`].
    pub async fn attend(&self) {
        poll_fn(|cx| {
            self.0.rest().waker = Some(cx.waker().clone());
            Poll::Ready(())
        })
        .await;
    }

    /// Whether an administrator has ended the connection.
    pub fn is_ended(&self) -> bool {
        self.0.is_ended.load(Ordering::Acquire)
    }

    /// Ready when an administrator ends the connection. The task that called [`Self::attend`] is polled then.
    pub fn poll_ended(&self) -> Poll<()> {
        if self.is_ended() { Poll::Ready(()) } else { Poll::Pending }
    }

    /// Bytes to the target and to the client.
    pub fn bytes(&self) -> [u64; 2] {
        self.0.bytes()
    }
}

/// Counts the bytes of a relay. The first byte from the target counts as its answer.
#[derive(Debug, Clone, Copy)]
pub struct Relayed<'a> {
    live: &'a Registered,
    target: Option<&'a OpenAtTarget>,
}

impl Meter for Relayed<'_> {
    fn bytes(&self) -> [u64; 2] {
        self.live.0.bytes()
    }

    fn set(&mut self, bytes: [u64; 2]) {
        if self.live.0.set(bytes) {
            self.live.answered(self.target);
        }
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        let Entry { stats, worker, place, service, carrier, .. } = &*self.0;
        stats.worker(*worker).closed(*service, *carrier);
        // The waker holds the task, and the task holds the entry. This ends that circle.
        self.0.rest().waker = None;
        stats.shard(*worker).remove(*place);
    }
}

impl Stats {
    /// Enters a connection into the table. `worker` is the number of the worker that serves it.
    pub fn register(self: &Arc<Self>, worker: u16, opening: Opening) -> Registered {
        let Opening { id, client, service, carrier } = opening;
        self.worker(worker).opened(service, carrier);
        let now = self.seconds();
        let entry = |place| {
            Arc::new(Entry {
                stats: self.clone(),
                bytes: Default::default(),
                id,
                rest: Mutex::new(Rest {
                    client: client.into(),
                    carrier,
                    route: Route::default(),
                    waker: None,
                }),
                since: now,
                moved: AtomicU32::new(now),
                asked: AtomicU32::new(0),
                requests: AtomicU32::new(0),
                place,
                worker,
                service,
                carrier,
                is_ended: AtomicBool::new(false),
                unproven: AtomicU8::new(0),
            })
        };
        let entry = self.shard(worker).put(entry);
        Registered(entry)
    }
}

/// How often [`Stats::tick`] is to be called.
pub const TICK: Duration = Duration::from_secs(1);

#[cfg(test)]
mod tests;
