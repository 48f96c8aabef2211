//! This machine's own sources of names: /etc/hosts, and the name servers of /etc/resolv.conf (resolv.conf(5)).
//!
//! Both files are read again when they have changed. If they are gone, their old contents stay. An invalid line is
//! skipped, as in the C library.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, UdpSocket};
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use hickory_resolver::config::{
    NameServerConfig, ResolveHosts, ResolverConfig, ResolverOpts, ServerOrderingStrategy,
};
use hickory_resolver::net::runtime::TokioRuntimeProvider;
use hickory_resolver::proto::rr::{Name, RecordType};
use hickory_resolver::{Resolver, TokioResolver};

use crate::files;

const HOSTS: &str = "/etc/hosts";
const RESOLV: &str = "/etc/resolv.conf";
/// The longest file that is read, in octets.
const LONGEST: u64 = 16 << 20;
/// How many name servers are used, as resolv.conf(5) says (MAXNS).
const SERVERS: usize = 3;
/// How long the second of the two queries for a name, A and AAAA, may take after the first was answered. Some name
/// servers never answer one of them.
const OTHER: Duration = Duration::from_secs(1);
/// How long one look-up may take in all.
const PATIENCE: Duration = Duration::from_secs(10);
/// How long an entry of a file is valid.
const FROM_FILE: Duration = Duration::from_secs(3600);

/// The result of a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The addresses, in the order in which they are tried. Empty: the name does not resolve.
    pub(super) addresses: Vec<IpAddr>,
    /// How long they are valid.
    pub(super) lasts: Duration,
    /// The server was silent about the other family of addresses. Known addresses of that family stay.
    pub(super) is_half: bool,
}

/// The two files, as they were read last.
#[derive(Debug)]
pub(super) struct System {
    hosts: Watched,
    resolv: Watched,
    known: HashMap<String, Vec<IpAddr>>,
    servers: Option<Servers>,
}

/// A file, and its state when it was read.
#[derive(Debug)]
struct Watched {
    path: PathBuf,
    look: Option<(u64, u64, i64, i64)>,
}

impl Watched {
    fn new(path: &str) -> Self {
        Self { path: path.into(), look: None }
    }

    /// The file's text, if the file has changed.
    fn changed(&mut self) -> Option<String> {
        let there = std::fs::metadata(&self.path).ok()?;
        let look = Some((there.ino(), there.len(), there.mtime(), there.mtime_nsec()));
        if self.look == look {
            return None;
        }
        let text = files::read(&self.path, LONGEST).ok()?;
        self.look = look;
        Some(String::from_utf8_lossy(&text).into_owned())
    }
}

impl System {
    /// The files of this machine.
    pub(super) fn new() -> Self {
        Self {
            hosts: Watched::new(HOSTS),
            resolv: Watched::new(RESOLV),
            known: HashMap::new(),
            servers: Servers::of(""),
        }
    }

    /// Reads the files that have changed. Returns whether any has.
    pub(super) fn refresh(&mut self) -> bool {
        let (hosts, resolv) = (self.hosts.changed(), self.resolv.changed());
        let has_changed = hosts.is_some() || resolv.is_some();
        if let Some(text) = hosts {
            self.known = known(&text);
        }
        if let Some(servers) = resolv.and_then(|text| Servers::of(&text)) {
            self.servers = Some(servers);
        }
        has_changed
    }

    /// A look-up. It ends within [`PATIENCE`], and leaves nothing behind when it is dropped. `None`: there was no
    /// answer.
    pub(super) fn ask(&self, name: &str) -> impl Future<Output = Option<Found>> + Send + 'static {
        let key = name.trim_end_matches('.').to_ascii_lowercase();
        let at_hand = self
            .known
            .get(&key)
            .cloned()
            .or_else(|| is_local(&key).then(|| vec![Ipv4Addr::LOCALHOST.into()]));
        let (servers, name) = (self.servers.clone(), name.to_owned());
        async move {
            if let Some(addresses) = at_hand {
                return Some(Found { addresses: ordered(addresses), lasts: FROM_FILE, is_half: false });
            }
            tokio::time::timeout(PATIENCE, servers?.ask(&name)).await.ok().flatten()
        }
    }
}

/// Whether a name is always local (RFC 6761 section 6.3).
fn is_local(name: &str) -> bool {
    name == "localhost" || name.ends_with(".localhost")
}

/// A name server's reply to one query.
enum Reply {
    Addresses(Vec<IpAddr>, Duration),
    /// The name has no record of this type.
    Nothing,
    /// The name does not exist.
    NoName,
    /// The server does not answer, or cannot.
    Silence,
}

/// The name servers of /etc/resolv.conf, and the search list.
#[derive(Debug, Clone)]
struct Servers {
    resolver: TokioResolver,
    search: Arc<[String]>,
    ndots: usize,
}

impl Servers {
    /// Reads the text of resolv.conf(5). If it names no server, the server on this machine is used.
    fn of(text: &str) -> Option<Self> {
        let mut options = ResolverOpts::default();
        options.cache_size = 0;
        // As in the C library, the next server is asked after the earlier one was silent, not at the same time. This
        // matters if only the first one knows the names of the inside.
        options.num_concurrent_reqs = 1;
        options.server_ordering_strategy = ServerOrderingStrategy::UserProvidedOrder;
        options.use_hosts_file = ResolveHosts::Never;
        let (mut addresses, mut search, mut ndots, mut tcp_only) = (Vec::new(), None, 1, false);
        for line in text.lines().map(|line| line.split(['#', ';']).next().unwrap_or_default()) {
            let mut words = line.split_whitespace();
            match words.next() {
                Some("nameserver") => {
                    addresses.extend(words.next().and_then(|word| word.parse::<IpAddr>().ok()))
                }
                Some("search") => search = Some(words.map(str::to_owned).collect()),
                Some("domain") => search = Some(words.take(1).map(str::to_owned).collect()),
                Some("options") => {
                    for word in words {
                        let (key, value) = word.split_once(':').unwrap_or((word, ""));
                        let number = value.parse::<usize>().ok();
                        match (key, number) {
                            ("ndots", Some(number)) => ndots = number.min(15),
                            ("timeout", Some(number)) => {
                                options.timeout = Duration::from_secs(number.clamp(1, 30) as u64);
                            }
                            ("attempts", Some(number)) => options.attempts = number.clamp(1, 5),
                            ("edns0", None) => options.edns0 = true,
                            ("rotate", None) => {
                                options.server_ordering_strategy = ServerOrderingStrategy::RoundRobin;
                            }
                            ("use-vc", None) => tcp_only = true,
                            _ => {}
                        }
                    }
                }
                _ => {}
            }
        }
        if addresses.is_empty() {
            addresses.push(Ipv4Addr::LOCALHOST.into());
        }
        let server = if tcp_only { NameServerConfig::tcp } else { NameServerConfig::udp_and_tcp };
        let servers = addresses.into_iter().take(SERVERS).map(server).collect();
        let config = ResolverConfig::from_parts(None, Vec::new(), servers);
        let resolver = Resolver::builder_with_config(config, TokioRuntimeProvider::default())
            .with_options(options)
            .build()
            .ok()?;
        let search: Vec<String> = search.unwrap_or_else(|| own_domain().into_iter().collect());
        Some(Self { resolver, search: search.into(), ndots })
    }

    /// The complete names for which `name` may stand, in the order in which they are tried.
    fn candidates(&self, name: &str) -> Vec<String> {
        let bare = name.trim_end_matches('.');
        let itself = format!("{bare}.");
        if name.ends_with('.') {
            return vec![itself];
        }
        let below = self.search.iter().map(|domain| format!("{bare}.{}.", domain.trim_matches('.')));
        match bare.matches('.').count() >= self.ndots {
            true => std::iter::once(itself).chain(below).collect(),
            false => below.chain(std::iter::once(itself.clone())).collect(),
        }
    }

    /// The addresses of the first candidate that has any. If a server is silent about a candidate, the look-up ends.
    async fn ask(&self, name: &str) -> Option<Found> {
        for candidate in self.candidates(name) {
            let Ok(candidate) = Name::from_str_relaxed(&candidate) else { continue };
            let found = self.both(candidate).await?;
            if !found.addresses.is_empty() {
                return Some(found);
            }
        }
        Some(Found { addresses: Vec::new(), lasts: Duration::ZERO, is_half: false })
    }

    /// Queries both families of addresses of a complete name at the same time.
    async fn both(&self, name: Name) -> Option<Found> {
        let v4 = self.query(name.clone(), RecordType::A);
        let v6 = self.query(name, RecordType::AAAA);
        tokio::pin!(v4, v6);
        let (first, second) = tokio::select! {
            first = &mut v4 => { let second = after(&first, v6).await; (first, second) }
            first = &mut v6 => { let second = after(&first, v4).await; (first, second) }
        };
        let is_answered = |reply: &Reply| matches!(reply, Reply::Nothing);
        match (first, second) {
            (Reply::Addresses(mut addresses, lasts), Reply::Addresses(more, other)) => {
                addresses.extend(more);
                Some(Found { addresses: ordered(addresses), lasts: lasts.min(other), is_half: false })
            }
            (Reply::Addresses(addresses, lasts), other) | (other, Reply::Addresses(addresses, lasts)) => {
                let is_half = matches!(other, Reply::Silence);
                Some(Found { addresses: ordered(addresses), lasts, is_half })
            }
            (Reply::NoName, _) | (_, Reply::NoName) => {
                Some(Found { addresses: Vec::new(), lasts: Duration::ZERO, is_half: false })
            }
            (first, second) => (is_answered(&first) && is_answered(&second)).then_some(Found {
                addresses: Vec::new(),
                lasts: Duration::ZERO,
                is_half: false,
            }),
        }
    }

    async fn query(&self, name: Name, kind: RecordType) -> Reply {
        match self.resolver.lookup(name, kind).await {
            Ok(lookup) => {
                let lasts = lookup.valid_until().saturating_duration_since(Instant::now());
                let addresses: Vec<_> =
                    lookup.answers().iter().filter_map(|record| record.data.ip_addr()).collect();
                if addresses.is_empty() { Reply::Nothing } else { Reply::Addresses(addresses, lasts) }
            }
            Err(error) if error.is_nx_domain() => Reply::NoName,
            Err(error) if error.is_no_records_found() => Reply::Nothing,
            Err(_) => Reply::Silence,
        }
    }
}

/// The second reply. It is waited for as long as the first reply makes it worthwhile.
async fn after(first: &Reply, second: impl Future<Output = Reply>) -> Reply {
    match first {
        Reply::Addresses(..) => tokio::time::timeout(OTHER, second).await.unwrap_or(Reply::Silence),
        Reply::NoName => Reply::NoName,
        Reply::Nothing | Reply::Silence => second.await,
    }
}

/// This machine's domain: the part of its name after the first dot. It is searched if resolv.conf names no other
/// domain.
fn own_domain() -> Option<String> {
    let name = files::read(Path::new("/proc/sys/kernel/hostname"), 1024).ok()?;
    let name = String::from_utf8(name).ok()?;
    name.trim().split_once('.').map(|(_, domain)| domain.to_owned()).filter(|domain| !domain.is_empty())
}

/// The names of hosts(5), in lower case.
fn known(text: &str) -> HashMap<String, Vec<IpAddr>> {
    let mut known: HashMap<String, Vec<IpAddr>> = HashMap::new();
    for line in text.lines().map(|line| line.split('#').next().unwrap_or_default()) {
        let mut words = line.split_whitespace();
        let Some(address) = words.next().and_then(|word| word.parse::<IpAddr>().ok()) else { continue };
        for name in words {
            let addresses = known.entry(name.trim_end_matches('.').to_ascii_lowercase()).or_default();
            if !addresses.contains(&address) {
                addresses.push(address);
            }
        }
    }
    known
}

/// The addresses in the order in which they are tried. Reachable ones come first, and IPv6 before IPv4 (RFC 6724
/// section 6, rules 1 and 6). Otherwise the order stays.
pub(super) fn ordered(addresses: Vec<IpAddr>) -> Vec<IpAddr> {
    let mut addresses: Vec<IpAddr> = addresses.into_iter().map(|address| address.to_canonical()).collect();
    addresses.sort_by_cached_key(|address| (!is_reachable(*address), address.is_ipv4()));
    addresses.dedup();
    addresses
}

/// Whether the kernel has a route to the address. Nothing is sent.
fn is_reachable(address: IpAddr) -> bool {
    let here: IpAddr = match address {
        IpAddr::V4(_) => Ipv4Addr::UNSPECIFIED.into(),
        IpAddr::V6(_) => Ipv6Addr::UNSPECIFIED.into(),
    };
    UdpSocket::bind((here, 0)).and_then(|socket| socket.connect((address, 9))).is_ok()
}

#[cfg(test)]
mod tests;
