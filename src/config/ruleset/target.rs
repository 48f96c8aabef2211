//! Targets: their addresses, and the options of each in `[target."ADDRESS"]`.

use std::collections::{HashMap, HashSet};
use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;
use std::sync::Arc;

use smallvec::SmallVec;

use super::super::report::Fault;
use super::super::scalar::{self, Host};
use super::super::tree::Node;
use super::super::values::{VERIFY, empty_or, max_message, min_rate, warn_of_none};
use super::super::walk::Value;
use super::check;
use super::files::Position;
use super::keys::{elsewhere, unquoted};
use crate::rules::{Address, Endpoint, ProxyVersion, Reuse, Table, TargetOptions};
use crate::service::Service;

/// A list of addresses of a rule.
pub(super) type Endpoints = Arc<[Endpoint]>;

/// All known targets.
#[derive(Debug, Default)]
pub(super) struct Targets {
    said: HashMap<Address, Said, foldhash::fast::RandomState>,
    /// All sets of options that occur.
    options: HashSet<Arc<TargetOptions>, foldhash::fast::RandomState>,
    /// The options of an address without a `[target]` table.
    nothing_said: Arc<TargetOptions>,
    /// `assume_tls` is said of some address.
    asks_for_tls: bool,
    /// The targets of the rules files, if this is for hosts of the API.
    base: Option<Arc<Targets>>,
}

/// The content of one `[target."ADDRESS"]`.
#[derive(Debug)]
struct Said {
    options: Arc<TargetOptions>,
    position: Position,
    /// The place of `check`, if it is set.
    check: Option<Position>,
    /// Where `assume_tls` stands, if it does.
    assume_tls: Option<Position>,
    used: bool,
    /// A SIP or H.323 rule leads there by TLS.
    by_tls: bool,
}

impl Targets {
    /// Targets for hosts of the API, which also use those of the rules files.
    pub(super) fn beyond(base: Arc<Self>) -> Self {
        Self { nothing_said: Arc::clone(&base.nothing_said), base: Some(base), ..Self::default() }
    }

    /// Reads the `[target]` tables of a file.
    pub(super) fn define(&mut self, file: u16, targets: &Value<'_>, names: &[PathBuf]) {
        let Some(mut section) = targets.section("[target]", "written as [target.\"ADDRESS\"]") else {
            return;
        };
        for entry in section.entries() {
            let without_quotes = unquoted(&entry);
            for (name, span) in &without_quotes {
                let fault = Fault::new("a name with dots must stand in quotes");
                let fault = fault.help(format!("write [target.\"{name}\"]"));
                entry.report.add(super::Severity::Error, span.clone(), fault);
            }
            if !without_quotes.is_empty() {
                continue;
            }
            let Some(address) = self.defined_address(&entry, names) else { continue };
            let Some(options) = options(&entry) else { continue };
            let position = position_of_key(file, &entry);
            let (check, assume_tls) = (position_of_check(file, &entry), position_of_assume_tls(file, &entry));
            let options = self.shared(options);
            self.asks_for_tls |= assume_tls.is_some();
            let said = Said { options, position, check, assume_tls, used: false, by_tls: false };
            self.said.insert(address, said);
        }
        section.finish(|_| None);
    }

    /// Equal options share one allocation.
    fn shared(&mut self, options: TargetOptions) -> Arc<TargetOptions> {
        if let Some(known) = self.options.get(&options) {
            return Arc::clone(known);
        }
        let options = Arc::new(options);
        self.options.insert(Arc::clone(&options));
        options
    }

    fn defined_address(&self, entry: &Value<'_>, names: &[PathBuf]) -> Option<Address> {
        let address = match scalar::host(entry.key) {
            Ok(host) => address_of(host),
            Err(fault) => {
                entry.error_at_key(fault.help("write [target.\"172.31.31.3\"], with the address in quotes"));
                return None;
            }
        };
        if let Some(first) = self.said.get(&address) {
            let file = names.get(usize::from(first.position.file)).map_or(entry.report.file, |name| name);
            entry.error_at_key(
                Fault::new(format!("the target {} is described twice", address))
                    .label("described again")
                    .related(first.position.place(file), "first described here"),
            );
            return None;
        }
        Some(address)
    }

    /// The addresses of a `target` value, in order. `None`: they are wrong. The builder later stores equal lists once.
    pub(super) fn endpoints(&mut self, value: &Value<'_>) -> Option<Endpoints> {
        let wanted = "an IP address, a DNS name, or a list of them";
        let Node::Array(list) = value.node else {
            let address = value.parsed(wanted, target_address)?;
            return Some(Arc::from([self.endpoint(address)]));
        };
        if list.is_empty() {
            value.error(Fault::new("the list of targets is empty"));
            return None;
        }
        let mut addresses: SmallVec<[Address; 4]> = SmallVec::new();
        let mut good = true;
        for element in value.one_or_more() {
            match element.parsed(wanted, target_address) {
                Some(address) if addresses.contains(&address) => {
                    element.error(Fault::new(format!("{} is in the list twice", address)));
                    good = false;
                }
                Some(address) => addresses.push(address),
                None => good = false,
            }
        }
        good.then(|| addresses.into_iter().map(|address| self.endpoint(address)).collect())
    }

    /// A substitute for a wrong target, so that rules with that target are not reported as rules without one.
    pub(super) fn stand_in(&self) -> Endpoints {
        let address = Address::Name("invalid".into());
        Arc::from([Endpoint { address, options: Arc::clone(&self.nothing_said) }])
    }

    fn endpoint(&mut self, address: Address) -> Endpoint {
        // Most large tables have no `[target]` at all. Then nothing needs to be looked up.
        let said = if self.said.is_empty() { None } else { self.said.get_mut(&address) };
        let options = match said {
            Some(said) => {
                said.used = true;
                Arc::clone(&said.options)
            }
            None => {
                let said = self.base.as_ref().and_then(|base| base.said.get(&address));
                said.map_or(Arc::clone(&self.nothing_said), |said| Arc::clone(&said.options))
            }
        };
        Endpoint { address, options }
    }

    /// Checks without an effect, because no rule of `table` uses their service at their address. An example is
    /// `check = "sip"` at an address that has rules, but none for SIP. They are in the order of the files.
    pub(super) fn idle_checks(&self, table: &Table) -> Vec<(Position, Service)> {
        let probes = |said: &Said| {
            let service = said.options.check.as_ref().and_then(|check| check.probe.service());
            service.filter(|_| said.used)
        };
        let mut idle: HashMap<_, _> = self
            .said
            .iter()
            .filter_map(|(address, said)| Some((address, (said.check?, probes(said)?))))
            .collect();
        // Most large tables have no such check. Then no rule needs to be examined.
        if idle.is_empty() {
            return Vec::new();
        }
        let judged =
            |service: Service, endpoints: &[Endpoint], idle: &mut HashMap<&Address, (Position, Service)>| {
                for endpoint in endpoints {
                    if idle.get(&endpoint.address).is_some_and(|(_, of)| *of == service) {
                        idle.remove(&endpoint.address);
                    }
                }
            };
        for host in table.iter() {
            host.ways().for_each(|way| judged(way.service, way.endpoints, &mut idle));
        }
        let mut idle: Vec<_> = idle.into_values().collect();
        idle.sort_by_key(|(position, _)| position.order());
        idle
    }

    /// Notes that a SIP or H.323 rule leads to these addresses by TLS.
    pub(super) fn note_tls(&mut self, endpoints: &[Endpoint]) {
        for endpoint in endpoints.iter().filter(|_| self.asks_for_tls) {
            if let Some(said) = self.said.get_mut(&endpoint.address) {
                said.by_tls = true;
            }
        }
    }

    /// Each `assume_tls` without an effect: rules lead to its target, but none for SIP or H.323 by TLS. In the order of the
    /// files.
    pub(super) fn idle_assume_tls(&self) -> Vec<Position> {
        let idle =
            self.said.values().filter(|said| said.used && !said.by_tls).filter_map(|said| said.assume_tls);
        let mut idle: Vec<_> = idle.collect();
        idle.sort_by_key(|position| position.order());
        idle
    }

    /// The `[target]` tables without any rule, in the order of the files.
    pub(super) fn unused(&self) -> Vec<Position> {
        let unused = self.said.values().filter(|said| !said.used).map(|said| said.position);
        let mut unused: Vec<_> = unused.collect();
        unused.sort_by_key(|position| position.order());
        unused
    }
}

/// Reports that a rule has no target.
pub(super) fn no_target(value: &Value<'_>) -> Option<Endpoints> {
    value.error(
        Fault::new("there is no target for this")
            .help("give the host a target = \"ADDRESS\", or its tenant, or the rule one of its own")
            .absence(),
    );
    None
}

fn position_of_key(file: u16, entry: &Value<'_>) -> Position {
    let base = entry.report.base;
    Position::new(file, &(base + entry.key_span.start..base + entry.key_span.end))
}

/// The place of the value of `check`.
fn position_of_check(file: u16, entry: &Value<'_>) -> Option<Position> {
    let Node::Table(table) = entry.node else { return None };
    let span = table.get("check")?.span();
    let base = entry.report.base;
    // The value without its quotes.
    Some(Position::new(file, &(base + span.start + 1..base + span.end.saturating_sub(1))))
}

/// The key `assume_tls`.
fn position_of_assume_tls(file: u16, entry: &Value<'_>) -> Option<Position> {
    let Node::Table(table) = entry.node else { return None };
    let span = table.get_key_value("assume_tls")?.0.span();
    let base = entry.report.base;
    Some(Position::new(file, &(base + span.start..base + span.end)))
}

/// The warning about an `assume_tls` without an effect. It is no error, so that the last rule for telephones can be removed
/// by a command that does not know of this table.
pub(super) fn idle_assume_tls() -> Fault {
    Fault::new("`assume_tls` has no effect: no SIP or H.323 rule leads to a TLS port of this target")
        .help("it says whether the PBX takes for proven what comes by TLS; leave it out, or define the TLS port in such a rule")
}

fn target_address(text: &str) -> Result<Address, Fault> {
    let host = scalar::host(text).map_err(|fault| {
        let with_port = text.rsplit_once(':').filter(|(_, port)| scalar::port(port).is_some());
        match with_port {
            Some(_) => fault.help("ports are given beside the target, as tcp = … and tls = …"),
            None => fault,
        }
    })?;
    let address = address_of(host);
    if let Address::Ip(ip) = address
        && (ip.is_unspecified() || ip.is_multicast() || ip == IpAddr::V4(Ipv4Addr::BROADCAST))
    {
        return Err(Fault::new(format!("{ip} is not the address of a machine")));
    }
    Ok(address)
}

fn address_of(host: Host) -> Address {
    match host {
        Host::Ip(ip) => Address::Ip(ip),
        Host::Name(name) => Address::Name(name),
    }
}

fn options(entry: &Value<'_>) -> Option<TargetOptions> {
    let mut section = entry.section("a [target.\"ADDRESS\"] table", "a table")?;
    let options = TargetOptions {
        server_name: section.read("server_name", None, |value| empty_or(value, "a DNS name", server_name)),
        pin: section.read("pin", None, |value| value.parsed("a fingerprint as \"sha256:…\"", pin)),
        verify: section.read("verify", None, |value| {
            value.choice(&VERIFY).inspect(|verify| warn_of_none(value, *verify)).map(Some)
        }),
        reuse: section.read("reuse", Reuse::Shared, |value| {
            value.choice(&[("shared", Reuse::Shared), ("client", Reuse::Client)])
        }),
        proxy_protocol: section.read("proxy_protocol", None, |value| {
            value.choice(&[("", None), ("v1", Some(ProxyVersion::V1)), ("v2", Some(ProxyVersion::V2))])
        }),
        present_certificate: section.read("present_certificate", false, Value::boolean),
        lacks_assume_tls: !section.read("assume_tls", true, Value::boolean),
        max_message: section.read("max_message", None, |value| max_message(value).map(Some)),
        min_rate: section.read("min_rate", None, |value| min_rate(value).map(Some)),
        elsewhere_only: false,
        check: check::read(&mut section),
        failback: section.read("failback", None, |value| check::failback(value).map(Some)),
    };
    section.finish(elsewhere);
    Some(options)
}

fn server_name(text: &str) -> Result<Option<Box<str>>, Fault> {
    let mut name = String::new();
    match scalar::host(text)? {
        Host::Ip(ip) => drop(write!(name, "{ip}")),
        Host::Name(text) => name.push_str(&text),
    }
    Ok(Some(name.into()))
}

/// `sha256:` and 64 hex digits. Colons between them are allowed, as openssl prints them. An empty text means no pin.
fn pin(text: &str) -> Result<Option<[u8; 32]>, Fault> {
    const HELP: &str = "write sha256: and 64 hex digits, as `portward cert show ADDRESS:PORT` prints them";
    if text.is_empty() {
        return Ok(None);
    }
    let Some(digits) = text.strip_prefix("sha256:") else {
        return Err(Fault::new("the pin does not start with sha256:").help(HELP));
    };
    let digits: Vec<u8> = digits.bytes().filter(|b| *b != b':').collect();
    let mut pin = [0; 32];
    if digits.len() != 2 * pin.len() {
        let message = format!("the pin has {} hex digits instead of 64", digits.len());
        return Err(Fault::new(message).help(HELP));
    }
    for (byte, pair) in pin.iter_mut().zip(digits.chunks(2)) {
        let text = std::str::from_utf8(pair).unwrap_or_default();
        let hex = pair.iter().all(u8::is_ascii_hexdigit);
        *byte = u8::from_str_radix(text, 16)
            .ok()
            .filter(|_| hex)
            .ok_or_else(|| Fault::new("the pin has something else than hex digits").help(HELP))?;
    }
    Ok(Some(pin))
}
