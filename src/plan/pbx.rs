//! The settings of each PBX to which telephones come through Portward (contract section 5, and the reference).

use super::inside::{Inside, InsideTarget, is_loopback};
use super::{ADDRESS, Certificates, Said, own_address};
use crate::config::Config;
use crate::rules::Address;
use crate::service::Service;

/// What to do with the check-mark *Assume TLS*.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum AssumeTls {
    /// Tick it: every connection that arrives by TLS has been checked.
    Tick,
    /// Leave it empty: hosts lead there by TLS without Check Certificate.
    LeaveEmpty,
    /// It does not matter: no connection arrives by TLS.
    NoMatter,
    /// There is nothing to tick: `assume_tls = false` says that this PBX has no such setting.
    Absent,
}

impl AssumeTls {
    /// The name for programs, one word.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tick => "tick",
            Self::LeaveEmpty => "leave_empty",
            Self::NoMatter => "no_matter",
            Self::Absent => "absent",
        }
    }
}

/// One PBX.
#[derive(Debug, PartialEq, Eq)]
pub struct Pbx {
    /// The address, as in the rules.
    pub address: String,
    /// The hosts whose telephones it serves.
    pub hosts: Vec<String>,
    /// *Reverse Proxy Addresses*: Portward's address as the PBX sees it.
    pub reverse_proxy_address: Said,
    /// The common name of Portward's certificate, which belongs there as well.
    pub reverse_proxy_name: Option<String>,
    /// *Assume TLS*.
    pub assume_tls: AssumeTls,
    /// The hosts that lead there by TLS without Check Certificate.
    pub unchecked: Vec<String>,
    /// The ports on which it must listen for Portward.
    pub ports: Vec<u16>,
}

/// Every PBX.
#[derive(Debug)]
pub struct Pbxs {
    /// The PBXs, in the order of the rules.
    pub list: Vec<Pbx>,
    /// Further settings.
    pub notes: Vec<String>,
}

impl Pbxs {
    pub(super) fn new(config: &Config, inside: &Inside, certificates: &Certificates) -> Self {
        let with_phones = inside.targets.iter().filter(|target| !target.phones.is_empty());
        let list: Vec<Pbx> = with_phones.map(|target| pbx(config, target, certificates)).collect();
        let mut notes = Vec::new();
        if list.is_empty() {
            return Self { list, notes };
        }
        let own = own_address(config);
        // What follows are settings of PBXs that have Assume TLS.
        if list.iter().any(|pbx| pbx.assume_tls != AssumeTls::Absent) {
            notes.push(format!(
                "tick Reverse Proxy in the Device entry of every object that registers from {own} without coming through \
                 Portward, as an SBC or a trunk on that machine does: the PBX refuses it otherwise"
            ));
        }
        let by_tls = |pbx: &Pbx| matches!(pbx.assume_tls, AssumeTls::Tick | AssumeTls::LeaveEmpty);
        if list.iter().any(by_tls) && certificates.presented.is_none() {
            notes.push(
                "upstream.certificate is not set, or cannot be read: a PBX that knows its reverse proxy by the name in a \
                 certificate cannot know Portward"
                    .to_owned(),
            );
        }
        notes.extend(public_address(config, inside));
        Self { list, notes }
    }
}

/// A note about the reference's *Public NAT router address*. Portward has that setting itself.
fn public_address(config: &Config, inside: &Inside) -> Option<String> {
    let is_set = config.sip.public_address_tcp.is_some() || config.sip.public_address_tls.is_some();
    let by_sip = inside.targets.iter().any(|target| target.services().any(|one| one == Service::Sip));
    let address = Said::of(&config.outside.address, ADDRESS.key);
    (by_sip && !is_set).then(|| {
        format!(
            "sip.public_address in portward.toml is not set: SIP telephones outside then send what belongs to a call to the \
             address that the PBX names. Set it to {address}, or have the PBX name that address"
        )
    })
}

fn pbx(config: &Config, target: &InsideTarget, certificates: &Certificates) -> Pbx {
    let assume_tls = match (target.by_tls, target.unchecked.is_empty()) {
        _ if target.lacks_assume_tls => AssumeTls::Absent,
        (false, _) => AssumeTls::NoMatter,
        (true, true) => AssumeTls::Tick,
        (true, false) => AssumeTls::LeaveEmpty,
    };
    Pbx {
        address: target.address.to_string(),
        hosts: target.phones.clone(),
        reverse_proxy_address: seen(config, &target.address),
        reverse_proxy_name: certificates.presented.clone(),
        assume_tls,
        unchecked: target.unchecked.clone(),
        ports: target.all_ports(),
    }
}

/// The address from which Portward connects to `target`.
fn seen(config: &Config, target: &Address) -> Said {
    let Address::Ip(ip) = target else {
        return if is_loopback(target) { Said::Is("127.0.0.1".to_owned()) } else { own_address(config) };
    };
    if ip.is_loopback() {
        return Said::Is(ip.to_string());
    }
    let own: Option<std::net::IpAddr> = config.outside.own_address.parse().ok();
    match own {
        Some(own) if own.is_ipv4() != ip.is_ipv4() && ip.is_ipv6() => {
            Said::Missing("Portward's IPv6 address inside")
        }
        Some(own) if own.is_ipv4() != ip.is_ipv4() => Said::Missing("Portward's IPv4 address inside"),
        _ => own_address(config),
    }
}
