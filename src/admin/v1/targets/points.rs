//! The targets of the rules: addresses and ports in order, one page of them. Only one page is held in memory, however
//! many hosts there are.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{IpAddr, SocketAddr};

use crate::rules::{Address, Endpoint, Host};
use crate::service::{Carrier, Service, ServiceSet, Transport};
use crate::upstream::Resolver;

/// How many hosts are named for a target.
pub(super) const HOSTS: usize = 10;
/// How many DNS names are named for a target.
const NAMES: usize = 10;

/// A destination of connections. Addresses come first, in numerical order.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Point {
    /// An address and port.
    Address(SocketAddr),
    /// A DNS name that has no address, and the port.
    Name(Box<str>, u16),
}

impl fmt::Display for Point {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

impl Point {
    /// Parses the text of a point.
    pub(super) fn parse(text: &str) -> Option<Self> {
        if let Ok(address) = text.parse() {
            return Some(Self::Address(address));
        }
        let (name, port) = text.rsplit_once(':')?;
        Some(Self::Name(name.into(), port.parse().ok()?))
    }

    /// The point's port.
    pub(super) fn port(&self) -> u16 {
        match self {
            Self::Address(address) => address.port(),
            Self::Name(_, port) => *port,
        }
    }
}

/// The statements of the rules about a point.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct PointUse {
    /// DNS names of the point in the rules.
    pub(super) names: Vec<Box<str>>,
    /// The services that are spoken to it.
    pub(super) services: ServiceSet,
    /// Whether they are spoken in the clear, and by TLS.
    transports: [bool; 2],
    /// The first hosts that lead to the point.
    pub(super) hosts: Vec<Box<str>>,
    pub(super) host_count: u64,
    /// The address in memory of the last host's name. Each host has its own, so a host is not counted twice.
    last_host: usize,
}

impl PointUse {
    /// The carriers of connections to the point.
    pub(super) fn carriers(&self) -> Vec<&'static str> {
        let [plain, tls] = self.transports;
        let carriers = [(plain, Carrier::Tcp), (tls, Carrier::Tls)];
        carriers.into_iter().filter(|(is_used, _)| *is_used).map(|(_, carrier)| carrier.name()).collect()
    }
}

/// A page of points.
pub(super) struct Points<'r> {
    resolver: &'r Resolver,
    limit: usize,
    /// The points of the page, and one more, which shows that there is a further page.
    found: BTreeMap<Point, PointUse>,
}

impl<'r> Points<'r> {
    /// A page of at most `limit` points.
    pub(super) fn new(resolver: &'r Resolver, limit: usize) -> Self {
        Self { resolver, limit, found: BTreeMap::new() }
    }

    /// Takes the first wanted points to which these hosts lead.
    pub(super) fn take<'t>(
        &mut self,
        hosts: impl Iterator<Item = Host<'t>>,
        is_wanted: impl Fn(&Point) -> bool,
    ) {
        self.go(hosts, |found, limit, point| admit(found, limit, point, &is_wanted));
    }

    /// Takes the points of a target that belongs to no host, in the same way.
    pub(super) fn take_also(
        &mut self,
        endpoints: &[Endpoint],
        port: u16,
        is_wanted: impl Fn(&Point) -> bool,
    ) {
        for endpoint in endpoints {
            self.points(&endpoint.address, port, |found, limit, point| {
                admit(found, limit, &point, &is_wanted);
            });
        }
    }

    /// Collects what all these hosts say about the points on the page. Earlier statements are discarded.
    pub(super) fn describe<'t>(&mut self, hosts: impl Iterator<Item = Host<'t>>) {
        self.found.values_mut().for_each(|point_use| *point_use = PointUse::default());
        self.go(hosts, |_, _, _| {});
    }

    fn go<'t>(
        &mut self,
        hosts: impl Iterator<Item = Host<'t>>,
        mut admit: impl FnMut(&mut BTreeMap<Point, PointUse>, usize, &Point),
    ) {
        for host in hosts {
            for way in host.ways() {
                for (transport, port) in way.ports.each() {
                    for endpoint in way.endpoints.iter() {
                        self.points(&endpoint.address, port.get(), |found, limit, point| {
                            admit(found, limit, &point);
                            if let Some(point_use) = found.get_mut(&point) {
                                note(point_use, host, (way.service, transport), &endpoint.address);
                            }
                        });
                    }
                }
            }
        }
    }

    /// Calls `each` with every point of an address, by the last answer of the DNS.
    fn points(
        &mut self,
        address: &Address,
        port: u16,
        mut each: impl FnMut(&mut BTreeMap<Point, PointUse>, usize, Point),
    ) {
        let mut at =
            |ip: IpAddr| each(&mut self.found, self.limit, Point::Address(SocketAddr::new(ip, port)));
        match address {
            Address::Ip(ip) => at(*ip),
            Address::Name(name) => match self.resolver.last(name) {
                Some(Ok(addresses)) => addresses.iter().for_each(|ip| at(*ip)),
                _ => each(&mut self.found, self.limit, Point::Name((&**name).into(), port)),
            },
        }
    }

    /// The page, and the point after which the next page begins.
    pub(super) fn finish(mut self) -> (Vec<(Point, PointUse)>, Option<Point>) {
        let has_more = self.found.len() > self.limit;
        if has_more {
            self.found.pop_last();
        }
        let next = self.found.last_key_value().map(|(point, _)| point.clone()).filter(|_| has_more);
        (self.found.into_iter().collect(), next)
    }
}

/// Adds a point, if it is wanted and belongs on the page.
fn admit(
    found: &mut BTreeMap<Point, PointUse>,
    limit: usize,
    point: &Point,
    is_wanted: impl Fn(&Point) -> bool,
) {
    let is_beyond = found.len() > limit && found.last_key_value().is_some_and(|(last, _)| point > last);
    if is_beyond || found.contains_key(point) || !is_wanted(point) {
        return;
    }
    found.insert(point.clone(), PointUse::default());
    if found.len() > limit + 1 {
        found.pop_last();
    }
}

fn note(
    point_use: &mut PointUse,
    host: Host<'_>,
    (service, transport): (Service, Transport),
    address: &Address,
) {
    point_use.services.insert(service);
    let [plain, tls] = &mut point_use.transports;
    *(if transport == Transport::Tls { tls } else { plain }) = true;
    if let Some(name) = address.name()
        && point_use.names.len() < NAMES
        && !point_use.names.iter().any(|known| **known == *name)
    {
        point_use.names.push(name.into());
    }
    // A host that leads there in several ways does so in a row, so only the last host is compared.
    let name = host.name();
    let place_of_name = name.as_ptr() as usize;
    if point_use.last_host != place_of_name {
        (point_use.host_count, point_use.last_host) = (point_use.host_count + 1, place_of_name);
        if point_use.hosts.len() < HOSTS {
            point_use.hosts.push(name.into());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, load_rules};
    use crate::rules::Table;

    fn table(rules: &str) -> Table {
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("rules.toml"), rules).unwrap();
        let config = Config::defaults(&folder.path().join("portward.toml"));
        load_rules(folder.path(), &config).table.unwrap()
    }

    const RULES: &str = r#"
        [[host]]
        name = "one.example"
        target = ["192.0.2.2", "192.0.2.1"]
        preset = ["innovaphone-pbx"]
        sip = { tcp = 5060, tls = false }

        [[host]]
        name = "two.example"
        target = "pbx.example"
        http = ["/a", { path = "/b", target = "192.0.2.1", tcp = 80, tls = false }]
    "#;

    fn shown(places: Points<'_>) -> (Vec<String>, Option<String>) {
        let (points, next) = places.finish();
        let shown = points.iter().map(|(point, point_use)| {
            let (names, hosts) = (point_use.names.join(" "), point_use.hosts.join(" "));
            format!("{point} {} [{names}] {hosts} {}", point_use.carriers().join("+"), point_use.host_count)
        });
        (shown.collect(), next.map(|point| point.to_string()))
    }

    #[test]
    fn every_address_and_port_stands_there_once_in_pages() {
        let (table, resolver) = (table(RULES), Resolver::default());
        let all = [
            "192.0.2.1:80 tcp [] one.example two.example 2",
            "192.0.2.1:443 tls [] one.example 1",
            "192.0.2.1:5060 tcp [] one.example 1",
            "192.0.2.2:80 tcp [] one.example 1",
            "192.0.2.2:443 tls [] one.example 1",
            "192.0.2.2:5060 tcp [] one.example 1",
            "pbx.example:80 tcp [pbx.example] two.example 1",
            "pbx.example:443 tls [pbx.example] two.example 1",
        ];
        for limit in 1..=9 {
            let (mut found, mut after) = (Vec::new(), None::<Point>);
            loop {
                let mut places = Points::new(&resolver, limit);
                places.take(table.iter(), |point| after.as_ref().is_none_or(|after| point > after));
                let (page, next) = shown(places);
                assert!(page.len() <= limit && !page.is_empty());
                found.extend(page);
                let Some(next) = next else { break };
                after = Some(Point::parse(&next).unwrap());
            }
            assert_eq!(found, all, "{limit}");
        }
    }

    #[test]
    fn the_targets_of_a_host_are_described_by_all_hosts() {
        let (table, resolver) = (table(RULES), Resolver::default());
        let mut places = Points::new(&resolver, 1);
        places.take(table.host("two.example").into_iter(), |_| true);
        places.describe(table.iter());
        let (page, next) = shown(places);
        assert_eq!(page, ["192.0.2.1:80 tcp [] one.example two.example 2"]);
        assert_eq!(next.as_deref(), Some("192.0.2.1:80"));
        assert_eq!(Point::parse("[2001:db8::1]:5061").map(|point| point.port()), Some(5061));
        assert_eq!((Point::parse("x"), Point::parse("x:y")), (None, None));
    }
}
