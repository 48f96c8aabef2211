//! DNS: the records that the names of the rules need, outside and inside.
//!
//! Names with HTTP get records, because browsers and apps connect to the name that they ask for. Of a name without HTTP
//! the rules know only that telephones send it. The telephones may connect to another name.

use std::collections::HashMap;
use std::net::IpAddr;

use super::inside::is_loopback;
use super::{ADDRESS, Said, own_address, some};
use crate::config::Config;
use crate::rules::{Address, Endpoint, Host, Table};
use crate::service::{Service, Transport};

/// For one target the plan lists at most this many names that a telephone can dial.
const MOST_DIALLED: usize = 10;

/// The type of a record (RFC 1035 section 3.2.2, RFC 3596).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RecordType {
    /// An IPv4 address.
    A,
    /// An alias of another name.
    Aaaa,
    /// Another name.
    Cname,
}

impl RecordType {
    /// The name of the type, as in a zone file.
    pub const fn name(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Cname => "CNAME",
        }
    }

    fn of(ip: IpAddr) -> Self {
        if ip.is_ipv4() { Self::A } else { Self::Aaaa }
    }
}

/// A record of a DNS server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// The name. A wildcard looks like `*.example.net`.
    pub name: String,
    /// Its type.
    pub kind: RecordType,
    /// The value of the record.
    pub value: Said,
}

/// A name without HTTP.
#[derive(Debug, PartialEq, Eq)]
pub struct NameOfOthers {
    /// The name, as in the rules.
    pub name: String,
    /// The services that it has.
    pub services: Vec<Service>,
    /// Names with records that lead to the same target. Telephones can dial them.
    pub dial: Vec<String>,
    /// The official records that the name needs if `dial` is empty. Empty: the name cannot be a DNS name, or it is the
    /// router's own name.
    pub records: Vec<Record>,
}

/// The records that the DNS servers must have.
#[derive(Debug, Default)]
pub struct Names {
    /// The records of the official DNS server.
    pub official: Vec<Record>,
    /// The records of the internal DNS server.
    pub internal: Vec<Record>,
    /// Names without HTTP.
    pub others: Vec<NameOfOthers>,
    /// The names that telephones and apps can use for the TURN server. Empty: no name leads there yet, or there is no
    /// TURN server.
    pub turn: Vec<String>,
    /// Further notes for the administrator.
    pub notes: Vec<String>,
}

impl Names {
    pub(super) fn new(config: &Config, table: &Table) -> Self {
        let mut names = Self::default();
        let router = Router::of(config);
        names.official.extend(router.own_record());
        // For each target the names that get records.
        let mut dialled: HashMap<&Address, Vec<&str>> = HashMap::new();
        let enabled = || table.iter().filter(|host| host.enabled());
        for host in enabled().filter(|host| host.serves(Service::Http)) {
            let Some((endpoints, notes)) = at_home(host) else { continue };
            names.notes.extend(notes);
            for name in names_of(host).filter(|name| can_be_dns(name)) {
                names.official.extend(router.record(name));
                names.internal.extend(internal(config, name, endpoints, &mut names.notes));
                for endpoint in endpoints.iter().filter(|_| !name.starts_with('*')) {
                    dialled.entry(&endpoint.address).or_default().push(name);
                }
            }
        }
        for host in enabled() {
            let has_http = host.serves(Service::Http);
            for name in names_of(host).filter(|name| !has_http || !can_be_dns(name)) {
                names.others.push(other(host, name, &dialled, &router));
            }
        }
        names.of_the_top();
        names.of_turn(config, &dialled, &router);
        names
    }

    /// Whether a record leads to the router's address, which portward.toml does not give.
    pub(super) fn needs_address(&self) -> bool {
        let suggested = self.others.iter().flat_map(|one| &one.records);
        self.official.iter().chain(suggested).any(|record| record.value == Said::Missing(ADDRESS.key))
    }

    /// Notes CNAME records that may be at the top of a zone. A name with a CNAME can have no other records, and the top
    /// of a zone always has some (RFC 1034 section 3.6.2).
    fn of_the_top(&mut self) {
        let is_short = |record: &&Record| {
            record.kind == RecordType::Cname && record.name.bytes().filter(|b| *b == b'.').count() < 2
        };
        let tops: Vec<&str> = self.official.iter().filter(is_short).map(|one| one.name.as_str()).collect();
        if !tops.is_empty() {
            self.notes.push(format!(
                "a CNAME cannot stand at the top of a zone (RFC 1034 section 3.6.2): if that is so for {}, make it an A \
                 record with the router's address",
                some(&tops)
            ));
        }
    }

    fn of_turn(&mut self, config: &Config, dialled: &HashMap<&Address, Vec<&str>>, router: &Router<'_>) {
        let turn = &config.outside.turn;
        if turn.is_empty() {
            return;
        }
        let address = turn.parse().map_or_else(|_| Address::Name(turn.as_str().into()), Address::Ip);
        let names = dialled.get(&address).map(Vec::as_slice).unwrap_or_default();
        self.turn = names.iter().map(|name| (*name).to_owned()).collect();
        if names.is_empty() {
            let to = router.points_to();
            self.notes.push(format!(
                "no name leads to the TURN server {turn} yet. Give it one, as turn.example.net: to {to} in the official \
                 DNS, to {turn} in the internal one"
            ));
        }
    }
}

fn names_of(host: Host<'_>) -> impl Iterator<Item = &str> {
    std::iter::once(host.name()).chain(host.aliases().map(|(alias, _)| alias))
}

/// Whether `name` can be a DNS name. An address cannot, and a name with a registration location cannot.
fn can_be_dns(name: &str) -> bool {
    !name.contains('/') && name.parse::<IpAddr>().is_err()
}

/// The router's name and address in the official DNS.
struct Router<'c> {
    name: &'c str,
    address: &'c str,
}

impl<'c> Router<'c> {
    fn of(config: &'c Config) -> Self {
        Self { name: &config.outside.name, address: &config.outside.address }
    }

    /// The record of the router itself, if it has a name of its own.
    fn own_record(&self) -> Option<Record> {
        (!self.name.is_empty() && self.name != self.address).then(|| self.to_address(self.name))
    }

    /// The record of a host. The router's own name has one already.
    fn record(&self, name: &str) -> Option<Record> {
        if name == self.name || name == self.address {
            return None;
        }
        if self.name.is_empty() {
            return Some(self.to_address(name));
        }
        let value = Said::Is(self.name.to_owned());
        Some(Record { name: name.to_owned(), kind: RecordType::Cname, value })
    }

    fn to_address(&self, name: &str) -> Record {
        let value = Said::of(self.address, ADDRESS.key);
        let kind = match value.known().map(str::parse) {
            Some(Ok(ip)) => RecordType::of(ip),
            Some(Err(_)) => RecordType::Cname,
            None => RecordType::A,
        };
        Record { name: name.to_owned(), kind, value }
    }

    fn points_to(&self) -> Said {
        let text = if self.name.is_empty() { self.address } else { self.name };
        Said::of(text, ADDRESS.key)
    }
}

/// The target to which the internal DNS leads for a host: the host's own target, else the target of its broadest path.
/// The notes say what differs for a client that connects there directly from inside.
fn at_home(host: Host<'_>) -> Option<(&[Endpoint], Vec<String>)> {
    // No record can say where a path with a captured tenant leads.
    let rules = || host.http_rules().filter(|rule| !rule.endpoints.is_empty());
    let broadest = || rules().min_by_key(|rule| (rule.default, rule.path.len())).map(|rule| rule.endpoints);
    let used = host.target().filter(|own| rules().any(|rule| rule.endpoints == *own));
    let home = used.or_else(broadest)?;
    let mut notes = Vec::new();
    let elsewhere = |rule: &crate::rules::HttpMatch<'_>| rule.endpoints != home;
    let paths: Vec<&str> = rules().filter(elsewhere).map(|rule| shown(rule.path)).collect();
    if !paths.is_empty() {
        notes.push(format!(
            "{}: clients inside ask {} for {}, which Portward sends to another target. What they need of it must be there, \
             or they go by Portward",
            host.name(),
            addresses(home),
            some(&paths)
        ));
    }
    for transport in Transport::ALL {
        let port = |rule: crate::rules::HttpMatch<'_>| match transport {
            Transport::Plain => rule.ports.tcp,
            Transport::Tls => rule.ports.tls,
        };
        let standard = Service::Http.standard_port(transport);
        let own = rules().filter(|rule| rule.endpoints == home).filter_map(port);
        let other = own.map(|port| port.get()).find(|port| *port != standard);
        if let Some(port) = other {
            notes.push(format!(
                "{}: clients inside must name the port {port} where clients outside use {}",
                host.name(),
                standard
            ));
        }
    }
    Some((home, notes))
}

fn shown(path: &str) -> &str {
    if path.is_empty() { "every path" } else { path }
}

fn addresses(endpoints: &[Endpoint]) -> String {
    let all: Vec<String> = endpoints.iter().map(|endpoint| endpoint.address.to_string()).collect();
    all.join(", ")
}

/// The internal records of a name: they give the target's own address.
fn internal(config: &Config, name: &str, endpoints: &[Endpoint], notes: &mut Vec<String>) -> Vec<Record> {
    let record = |kind, value| Record { name: name.to_owned(), kind, value };
    if endpoints.len() > 1 {
        notes.push(format!(
            "{name} has several targets, which Portward tries in their order. DNS gives them in any order: leave out the \
             records of those that only stand by"
        ));
    }
    let mut records: Vec<Record> = Vec::new();
    for Endpoint { address, .. } in endpoints {
        let new = match address {
            _ if is_loopback(address) => {
                notes.push(format!(
                    "{name}: the target {} is on this machine. Clients inside reach it if it listens on {} as well",
                    address,
                    own_address(config)
                ));
                let own = config.outside.own_address.parse();
                record(own.map_or(RecordType::A, RecordType::of), own_address(config))
            }
            Address::Ip(ip) => record(RecordType::of(*ip), Said::Is(ip.to_string())),
            Address::Name(target) if **target == *name => {
                notes.push(format!(
                    "{name} is its own target: the DNS server that Portward asks must give the address inside, never the \
                     router's"
                ));
                record(RecordType::A, Said::Missing("the target's address inside"))
            }
            Address::Name(target) => record(RecordType::Cname, Said::Is(target.to_string())),
        };
        // A CNAME stands alone (RFC 1034 section 3.6.2).
        let alone = new.kind == RecordType::Cname || records.iter().any(|one| one.kind == RecordType::Cname);
        if records.is_empty() || (!alone && !records.contains(&new)) {
            records.push(new);
        }
    }
    records
}

fn other(
    host: Host<'_>,
    name: &str,
    dialled: &HashMap<&Address, Vec<&str>>,
    router: &Router<'_>,
) -> NameOfOthers {
    let mut dial: Vec<String> = Vec::new();
    let endpoints = host.rules().flat_map(|(_, rule)| rule.endpoints.iter());
    for known in endpoints.filter_map(|endpoint| dialled.get(&endpoint.address)).flatten().take(MOST_DIALLED)
    {
        if !dial.iter().any(|one| one == known) {
            dial.push((*known).to_owned());
        }
    }
    let can_be = dial.is_empty() && can_be_dns(name) && !name.starts_with('*');
    let records = if can_be { router.record(name).into_iter().collect() } else { Vec::new() };
    let services = Service::ALL.into_iter().filter(|service| host.serves(*service)).collect();
    NameOfOthers { name: name.to_owned(), services, dial, records }
}
