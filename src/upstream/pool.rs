//! Connections to targets that wait for their next request (SPEC section 3, last paragraph of HTTP).
//!
//! Keyed by address, port, TLS, server name, verification and certificate: the last three are what a TLS profile is.
//! One pool a worker, so that nobody waits for another core. Last in, first out: what is used most stays warm, the
//! rest grows old and is closed.

use std::hash::{Hash, Hasher};
use std::net::SocketAddr;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use hashbrown::{Equivalent, HashMap};

use crate::io::{BUFFER, Leg};

/// How long a connection waits for its next request. Below what common servers allow (60 s to 75 s), so that we
/// close first.
const KEPT: Duration = Duration::from_secs(50);
/// How many wait for one target.
const PER_TARGET: usize = 256;
/// How many wait in all.
const IN_ALL: usize = 2048;

/// What connections of one kind have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Address and port.
    pub address: SocketAddr,
    /// TLS profile and server name, if TLS is spoken.
    pub tls: Option<(u64, Box<str>)>,
}

/// A [`Key`] to look up with, which owns nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyRef<'a> {
    /// Address and port.
    pub address: SocketAddr,
    /// TLS profile and server name, if TLS is spoken.
    pub tls: Option<(u64, &'a str)>,
}

impl Key {
    /// The key as one to look up with.
    pub fn as_ref(&self) -> KeyRef<'_> {
        KeyRef {
            address: self.address,
            tls: self.tls.as_ref().map(|(profile, name)| (*profile, name.as_ref())),
        }
    }
}

impl Hash for Key {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.as_ref().hash(state);
    }
}

impl Equivalent<Key> for KeyRef<'_> {
    fn equivalent(&self, key: &Key) -> bool {
        *self == key.as_ref()
    }
}

impl KeyRef<'_> {
    /// The key as one to keep.
    pub fn to_key(self) -> Key {
        Key { address: self.address, tls: self.tls.map(|(profile, name)| (profile, name.into())) }
    }
}

/// A connection to a target.
#[derive(Debug)]
pub struct Connection {
    /// Stream and buffer.
    pub leg: Leg,
    /// What it is one of.
    pub key: Key,
    /// It was opened for the request at hand.
    pub fresh: bool,
    /// It belongs to one client connection and dies with it: a login of the connection was seen on it, or the rules
    /// say so.
    pub bound: bool,
    /// What [`crate::rules::TargetOptions::max_message`] says of the address.
    pub max_message: Option<u32>,
    /// Since when it waits.
    since: Instant,
}

impl Connection {
    /// A new one.
    pub fn new(leg: Leg, key: Key, bound: bool) -> Self {
        Self { leg, key, fresh: true, bound, max_message: None, since: Instant::now() }
    }

    /// Whether the target has neither closed it nor sent something that nobody asked for.
    pub fn is_alive(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.leg.buffer.is_empty() && self.leg.poll_fill(&mut cx, BUFFER).is_pending()
    }
}

/// The connections of one worker that wait.
#[derive(Debug, Default)]
pub struct Pool {
    waiting: Mutex<Waiting>,
}

#[derive(Debug, Default)]
struct Waiting {
    by_key: HashMap<Key, Vec<Connection>, RandomState>,
    count: usize,
}

impl Pool {
    /// A connection that waits and is alive.
    pub fn take(&self, key: KeyRef<'_>) -> Option<Connection> {
        loop {
            let mut waiting = self.lock();
            let mut connection = waiting.by_key.get_mut(&key)?.pop()?;
            waiting.count -= 1;
            drop(waiting);
            if connection.is_alive() {
                connection.fresh = false;
                return Some(connection);
            }
        }
    }

    /// Keeps a connection for the next request, unless enough wait already.
    pub fn put(&self, mut connection: Connection) {
        connection.since = Instant::now();
        connection.leg.buffer.release();
        let mut waiting = self.lock();
        if waiting.count >= IN_ALL {
            return;
        }
        let same = match waiting.by_key.get_mut(&connection.key) {
            Some(same) => same,
            None => waiting.by_key.entry(connection.key.clone()).or_default(),
        };
        if same.len() < PER_TARGET {
            same.push(connection);
            waiting.count += 1;
        }
    }

    /// Closes what has waited too long or was closed by its target.
    pub fn sweep(&self) {
        self.keep(|connection| connection.since.elapsed() < KEPT && connection.is_alive());
    }

    /// Closes all.
    pub fn clear(&self) {
        self.keep(|_| false);
    }

    /// How many wait.
    pub fn len(&self) -> usize {
        self.lock().count
    }

    /// Whether none waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn keep(&self, mut keeps: impl FnMut(&mut Connection) -> bool) {
        let mut waiting = self.lock();
        let mut count = 0;
        waiting.by_key.retain(|_, same| {
            same.retain_mut(&mut keeps);
            count += same.len();
            !same.is_empty()
        });
        waiting.count = count;
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::io::Stream;
    use tokio::io::AsyncWriteExt as _;
    use tokio::net::{TcpListener, TcpStream};

    async fn pair() -> (Connection, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let stream = TcpStream::connect(address).await.unwrap();
        let (peer, _) = listener.accept().await.unwrap();
        let key = Key { address, tls: None };
        (Connection::new(Leg::new(Stream::Plain(stream)), key, false), peer)
    }

    #[tokio::test]
    async fn only_the_living_come_back() {
        let pool = Pool::default();
        let (alive, _peer) = pair().await;
        let key = alive.key.clone();
        pool.put(alive);
        assert!(pool.take(KeyRef { tls: Some((1, "x")), ..key.as_ref() }).is_none());
        assert!(!pool.take(key.as_ref()).unwrap().fresh);
        assert!(pool.take(key.as_ref()).is_none());

        let (closed, peer) = pair().await;
        let (talking, mut peer_2) = pair().await;
        let keys = [closed.key.clone(), talking.key.clone()];
        drop(peer);
        peer_2.write_all(b"HTTP/1.1 200 OK\r\n").await.unwrap();
        closed.leg.stream.tcp().unwrap().readable().await.unwrap();
        talking.leg.stream.tcp().unwrap().readable().await.unwrap();
        pool.put(closed);
        pool.put(talking);
        assert!(keys.iter().all(|key| pool.take(key.as_ref()).is_none()));
        assert!(pool.is_empty());
    }
}
