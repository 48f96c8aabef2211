//! Connections to targets that wait for their next request (contract section 3, last paragraph of HTTP).
//!
//! The key has address, port, TLS, server name, verification and certificate. The last two are in the TLS profile.
//! Hosts that may not lead to this machine have connections of their own. Each worker has its own pool, so that no
//! worker waits for another core. The connection that was put in last is taken first. So the busy ones stay warm, and
//! the others grow old and are closed.
//!
//! The server name is in the key, and under a wildcard rule clients choose it. So one bound holds for an IP address,
//! over all its ports and names. Each worker has its share of it. Beyond the bound the oldest connection to that
//! address is closed. So names that are used once do not push out names in use.

use std::collections::HashSet;
use std::hash::{Hash, Hasher};
use std::net::{IpAddr, SocketAddr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::task::{Context, Waker};
use std::time::{Duration, Instant};

use foldhash::fast::RandomState;
use hashbrown::{Equivalent, HashMap};

use crate::io::{BUFFER, Leg, clock};
use crate::stats::OpenAtTarget;

/// How long a connection waits for its next request. It is shorter than the limits of common servers (60 s to 75 s), so
/// that Portward closes first.
const KEPT: Duration = Duration::from_secs(50);
/// How many connections may wait for one IP address, over all workers.
const PER_ADDRESS: usize = 256;
/// How many connections may wait in one worker.
const IN_ALL: usize = 2048;

/// The properties that interchangeable connections share.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Key {
    /// Address and port.
    pub address: SocketAddr,
    /// TLS profile and server name, if the connection is TLS.
    pub tls: Option<(u64, Box<str>)>,
    /// It was opened for a host that may not lead to this machine ([`crate::rules::TargetOptions::elsewhere_only`]).
    /// Such a host uses no other connections, because their address may be this machine's.
    pub elsewhere_only: bool,
}

/// A borrowed [`Key`] for look-ups.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct KeyRef<'a> {
    /// Address and port.
    pub address: SocketAddr,
    /// TLS profile and server name, if the connection is TLS.
    pub tls: Option<(u64, &'a str)>,
    /// As [`Key::elsewhere_only`].
    pub elsewhere_only: bool,
}

impl Key {
    /// The key, borrowed.
    pub fn as_ref(&self) -> KeyRef<'_> {
        KeyRef {
            address: self.address,
            tls: self.tls.as_ref().map(|(profile, name)| (*profile, name.as_ref())),
            elsewhere_only: self.elsewhere_only,
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
    /// The key, owned.
    pub fn to_key(self) -> Key {
        let Self { address, tls, elsewhere_only } = self;
        Key { address, tls: tls.map(|(profile, name)| (profile, name.into())), elsewhere_only }
    }
}

/// A connection to a target.
#[derive(Debug)]
pub struct Connection {
    /// Stream and buffer.
    pub leg: Leg,
    /// The key.
    pub key: Key,
    /// It was opened for the present request.
    pub fresh: bool,
    /// It belongs to one client connection and is closed with it. Either the target showed a login that holds for the
    /// whole connection, or the rules demand it.
    pub bound: bool,
    /// The index of its address among the wanted ones. A kept connection may have been opened for another list.
    pub endpoint: usize,
    /// The client that used it last. A bound connection is bound to this client (contract section 3, the believed
    /// client).
    pub owner: IpAddr,
    /// [`crate::rules::TargetOptions::max_message`] of the address.
    pub max_message: Option<u32>,
    /// [`crate::rules::TargetOptions::min_rate`] of the address.
    pub min_rate: Option<u32>,
    /// Counts the connection as open at its address, for as long as it lives.
    pub reached: Option<OpenAtTarget>,
    /// Since when it waits.
    since: Instant,
}

impl Connection {
    /// A new connection.
    pub fn new(leg: Leg, key: Key, bound: bool, owner: IpAddr) -> Self {
        let since = clock::now();
        let (max_message, min_rate, reached) = (None, None, None);
        Self { leg, key, fresh: true, bound, endpoint: 0, owner, max_message, min_rate, reached, since }
    }

    /// Whether the target has neither closed it nor sent unrequested octets.
    pub fn is_alive(&mut self) -> bool {
        let mut cx = Context::from_waker(Waker::noop());
        self.leg.buffer.is_empty() && self.leg.poll_fill(&mut cx, BUFFER).is_pending()
    }
}

/// The waiting connections of one worker.
#[derive(Debug)]
pub struct Pool {
    waiting: Mutex<Waiting>,
    /// How many connections may wait for one IP address.
    per_address: usize,
}

#[derive(Debug, Default)]
struct Waiting {
    by_key: HashMap<Key, Vec<Connection>, RandomState>,
    by_address: HashMap<IpAddr, usize, RandomState>,
    count: usize,
}

impl Pool {
    /// The pool of one of `workers` workers.
    pub fn of_one_of(workers: usize) -> Self {
        Self { waiting: Mutex::default(), per_address: (PER_ADDRESS / workers.max(1)).max(1) }
    }

    /// Takes a waiting connection that is alive.
    pub fn take(&self, key: KeyRef<'_>) -> Option<Connection> {
        loop {
            let mut connection = self.lock().take(key)?;
            if connection.is_alive() {
                connection.fresh = false;
                return Some(connection);
            }
        }
    }

    /// Keeps a connection for the next request. If the bound of its address is reached, the connection that has waited
    /// longest is closed. If the bound of the worker is reached, this one is closed.
    pub fn put(&self, mut connection: Connection) {
        connection.since = clock::now();
        connection.leg.buffer.release();
        let mut waiting = self.lock();
        let closed = if waiting.waiting_for(connection.key.address.ip()) >= self.per_address {
            waiting.take_oldest(connection.key.address.ip())
        } else {
            None
        };
        let refused = if waiting.count < IN_ALL {
            waiting.put(connection);
            None
        } else {
            Some(connection)
        };
        drop(waiting);
        // They are closed after the lock is released, because closing is a system call.
        drop((closed, refused));
    }

    /// Closes all connections to an address that has vanished.
    pub fn forget(&self, address: SocketAddr) {
        self.keep(|connection| connection.key.address != address);
    }

    /// Closes waiting connections to addresses that their target's name has lost.
    pub fn drain(&self, left: &HashSet<IpAddr>) {
        if !left.is_empty() {
            self.keep(|connection| !left.contains(&connection.key.address.ip()));
        }
    }

    /// Closes connections that have waited too long, or that their target has closed.
    pub fn sweep(&self) {
        self.keep(|connection| connection.since.elapsed() < KEPT && connection.is_alive());
    }

    /// Closes all.
    pub fn clear(&self) {
        self.keep(|_| false);
    }

    /// The number of waiting connections.
    pub fn len(&self) -> usize {
        self.lock().count
    }

    /// Whether no connection waits.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn keep(&self, mut keeps: impl FnMut(&mut Connection) -> bool) {
        let waiting = &mut *self.lock();
        waiting.by_address.clear();
        waiting.count = 0;
        waiting.by_key.retain(|key, same| {
            same.retain_mut(&mut keeps);
            if !same.is_empty() {
                *waiting.by_address.entry(key.address.ip()).or_default() += same.len();
                waiting.count += same.len();
            }
            !same.is_empty()
        });
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Waiting {
    fn waiting_for(&self, address: IpAddr) -> usize {
        self.by_address.get(&address).copied().unwrap_or_default()
    }

    /// Takes the youngest connection of a key.
    fn take(&mut self, key: KeyRef<'_>) -> Option<Connection> {
        let connection = self.by_key.get_mut(&key)?.pop()?;
        self.removed(&connection);
        Some(connection)
    }

    /// Takes the oldest connection to an address: the first one of some list.
    fn take_oldest(&mut self, address: IpAddr) -> Option<Connection> {
        let lists =
            self.by_key.iter_mut().filter(|(key, same)| key.address.ip() == address && !same.is_empty());
        let (_, oldest) = lists.min_by_key(|(_, same)| same.first().map(|connection| connection.since))?;
        let connection = oldest.remove(0);
        if oldest.is_empty() {
            self.by_key.remove(&connection.key.as_ref());
        }
        self.removed(&connection);
        Some(connection)
    }

    fn put(&mut self, connection: Connection) {
        *self.by_address.entry(connection.key.address.ip()).or_default() += 1;
        self.count += 1;
        match self.by_key.get_mut(&connection.key) {
            Some(same) => same.push(connection),
            None => self.by_key.entry(connection.key.clone()).or_default().push(connection),
        }
    }

    fn removed(&mut self, connection: &Connection) {
        self.count -= 1;
        if let Some(count) = self.by_address.get_mut(&connection.key.address.ip()) {
            *count = count.saturating_sub(1);
        }
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
        let key = Key { address, tls: None, elsewhere_only: false };
        (Connection::new(Leg::new(Stream::Plain(stream)), key, false, address.ip()), peer)
    }

    #[tokio::test]
    async fn only_the_living_come_back() {
        let pool = Pool::of_one_of(1);
        let (alive, _peer) = pair().await;
        let key = alive.key.clone();
        pool.put(alive);
        assert!(pool.take(KeyRef { tls: Some((1, "x")), ..key.as_ref() }).is_none());
        let of_the_api = KeyRef { elsewhere_only: true, ..key.as_ref() };
        assert!(
            pool.take(of_the_api).is_none(),
            "issue 19: it was not checked whether this connection leads to this machine"
        );
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
    /// Item 32: clients choose server names under a wildcard rule.
    #[tokio::test]
    async fn an_address_has_one_bound_over_all_names_and_the_oldest_goes() {
        let pool = Pool::of_one_of(64);
        assert_eq!(pool.per_address, 4);
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let other = TcpListener::bind("127.0.0.2:0").await.unwrap();
        let mut peers = Vec::new();
        let mut make = async |listener: &TcpListener, name: &str| {
            let address = listener.local_addr().unwrap();
            let stream = TcpStream::connect(address).await.unwrap();
            peers.push(listener.accept().await.unwrap().0);
            let key = Key { address, tls: Some((1, name.into())), elsewhere_only: false };
            Connection::new(Leg::new(Stream::Plain(stream)), key, false, address.ip())
        };
        pool.put(make(&other, "elsewhere").await);
        pool.put(make(&listener, "used").await);
        let address = listener.local_addr().unwrap();
        let used = Key { address, tls: Some((1, "used".into())), elsewhere_only: false };
        for number in 0..20 {
            pool.put(make(&listener, &number.to_string()).await);
            // A connection in use stays.
            let connection = pool.take(used.as_ref()).unwrap();
            pool.put(connection);
        }
        assert_eq!(pool.len(), 5);
        let names: Vec<_> = pool.lock().by_key.keys().map(|key| key.tls.clone().unwrap().1).collect();
        assert_eq!(names.len(), 5, "no name is remembered without a connection: {names:?}");
        for name in ["used", "19", "18", "17"] {
            assert!(names.iter().any(|known| **known == *name), "{name}: {names:?}");
        }
        pool.forget(listener.local_addr().unwrap());
        assert_eq!(pool.len(), 1);
        pool.sweep();
        assert_eq!((pool.len(), pool.lock().by_address.len()), (1, 1));
    }
}
