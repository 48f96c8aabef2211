//! The contents of the rules, host by host: valid by type, not compiled yet.
//!
//! `config` makes these values from the rules files, and [`super::Builder`] compiles them into the immutable
//! [`super::Table`]. Names are normalised ([`super::name`]). Paths are as the administrator wrote them.

use std::fmt;
use std::net::IpAddr;
use std::num::{NonZeroU16, NonZeroU32};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use super::check::Check;
use super::websocket::Onward;
use crate::credentials::{Logins, Secret};
use crate::service::PerService;

mod http;

pub use self::http::{
    HttpRule, Login, Naming, PathPattern, ResponseField, ResponseFields, Segment, SetField, Treatment,
    ValuePart,
};

/// A place in the rules files, for errors, `check` and `explain`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub struct Source {
    /// Index into the list of files that [`super::Builder`] was given.
    pub file: u16,
    /// Line, from 1.
    pub line: u32,
    /// Column, from 1, in characters.
    pub column: u32,
}

/// One address of a target list.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum Address {
    /// An IP address; never a mapped IPv4 one.
    Ip(IpAddr),
    /// A DNS name, resolved in the background (contract section 7). Lower case, ASCII form.
    Name(Box<str>),
}

/// Whether an address is this machine itself, or is valid only on its own link: loopback, unspecified, link-local (RFC
/// 1122 section 3.2.1.3, RFC 3927, RFC 4291 sections 2.5.2, 2.5.3 and 2.5.6). All forms of an IPv4 address in IPv6 are
/// recognised (RFC 4291 section 2.5.5, RFC 6052, RFC 2765).
pub fn is_of_this_machine(address: IpAddr) -> bool {
    /// Prefixes of 96 bits that are followed by an IPv4 address: compatible, translated, 64:ff9b::/96.
    const PREFIXES: [u128; 3] = [0, 0xffff_0000, 0x0064_ff9b_0000_0000_0000_0000];
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.is_loopback() || v4.octets().starts_with(&[0]) || v4.is_link_local(),
        IpAddr::V6(v6) if v6.is_loopback() || v6.is_unspecified() || v6.is_unicast_link_local() => true,
        IpAddr::V6(v6) => {
            let (prefix, rest) = (v6.to_bits() >> 32, v6.to_bits() & u128::from(u32::MAX));
            let inner = u32::try_from(rest).ok().filter(|_| PREFIXES.contains(&prefix));
            inner.is_some_and(|v4| is_of_this_machine(IpAddr::V4(v4.into())))
        }
    }
}

/// The form that an administrator writes.
impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Ip(ip) => ip.fmt(f),
            Self::Name(name) => f.write_str(name),
        }
    }
}

impl Address {
    /// The DNS name, if the address is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Ip(_) => None,
            Self::Name(name) => Some(name),
        }
    }
}

/// How the certificate of a TLS target is checked (contract section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verify {
    /// Against `upstream.trust`, with the name of contract section 4.
    Ca,
    /// Not at all.
    None,
}

/// Whether clients share connections to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Reuse {
    /// Connections are kept and reused for any client.
    #[default]
    Shared,
    /// A connection is kept for the client connection that opened it, and closed with it.
    Client,
}

/// The PROXY protocol sent to a target.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum ProxyVersion {
    /// The line of version 1.
    V1,
    /// The binary header of version 2.
    V2,
}

/// The settings of one address: `[target."ADDRESS"]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct TargetOptions {
    /// The name to check and to send as SNI. It replaces the default of contract section 4.
    pub server_name: Option<Box<str>>,
    /// SHA-256 of the certificate (DER). If it is set, it alone decides.
    pub pin: Option<[u8; 32]>,
    /// How the certificate is checked. `None`: as `upstream.verify` says.
    pub verify: Option<Verify>,
    /// Whether clients share connections.
    pub reuse: Reuse,
    /// PROXY protocol toward the target; `None`: not sent.
    pub proxy_protocol: Option<ProxyVersion>,
    /// Portward presents its own certificate to HTTP and LDAP targets, too.
    pub present_certificate: bool,
    /// `assume_tls = false`: the PBX has no *Assume TLS*, so nothing is proven to it by the port alone (contract section 5).
    pub lacks_assume_tls: bool,
    /// The longest SIP message toward the target, in octets; `None`: as the host's presets or `sip.max_message` say.
    pub max_message: Option<u32>,
    /// The lowest rate of a request's body toward the target, in octets a second. 0: any rate. `None`:
    /// `limits.min_rate`.
    pub min_rate: Option<u32>,
    /// A name that resolves to this machine ([`is_of_this_machine`]) is not dialled. This holds for targets of hosts
    /// that were made over the API, unless `admin.hosts = "any"` (contract section 8).
    pub elsewhere_only: bool,
    /// How the address is checked. `None`: only connections for clients show its state.
    pub check: Option<Check>,
    /// How long SIP and H.323 wait before they return to it after it was down. `None`: [`super::FAILBACK`].
    pub failback: Option<Duration>,
}

/// One address of a target with its settings.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// The address.
    pub address: Address,
    /// The settings of the address.
    pub options: Arc<TargetOptions>,
}

/// The ports of a target. At least one is defined. They are the same for every address of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ports {
    /// The plain port.
    pub tcp: Option<NonZeroU16>,
    /// The TLS port.
    pub tls: Option<NonZeroU16>,
}

/// Addresses, which are tried in order, and ports. Equal address lists share one allocation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// Never empty.
    pub endpoints: Arc<[Endpoint]>,
    /// The ports.
    pub ports: Ports,
}

/// The users who may log in as a tenant (contract section 9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// The users of these lines.
    Lines(Arc<Logins>),
    /// The users of an htpasswd file.
    File(Arc<Path>),
}

/// One path of a preset. It has ports, but no target, because the host has the target.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PresetPath {
    /// The path. It matches as a head.
    pub path: Box<str>,
    /// Ports on the host's own target.
    pub ports: Ports,
    /// `redirect = "https"`: plain requests get a 308 to the outside HTTPS port.
    pub redirect_https: bool,
    /// Where the path stands in the preset's file.
    pub source: Source,
}

/// A named set of paths, shared by the hosts that use it.
#[derive(Debug, PartialEq, Eq)]
pub struct Preset {
    /// The file's name without `.toml`.
    pub name: Box<str>,
    /// Its paths.
    pub paths: Vec<PresetPath>,
    /// The longest SIP message toward the host's target, in octets, where the target does not say itself.
    pub max_message: Option<u32>,
}

/// What happens if the certificate check fails (contract section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnFailedCheck {
    /// The registration goes out by plain TCP.
    #[default]
    Plain,
    /// The registration is refused.
    Reject,
}

/// The meaning of an H.323 number that is registered beside a proven name, if the certificate does not have the number.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Numbers {
    /// The check fails.
    #[default]
    Never,
    /// The number is registered with the name. This is for devices that have an extension beside their hardware ID.
    WithName,
}

/// The ports of a target, with or without Check Certificate. With the check both ports are defined.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckedPorts {
    /// No check; the table of contract section 5 chooses the port.
    Unchecked(Ports),
    /// `check_certificate`: TLS only for proven names.
    Checked {
        /// The plain port, for names that are not proven.
        tcp: NonZeroU16,
        /// The TLS port, for proven names.
        tls: NonZeroU16,
        /// What happens to a registration that is not proven.
        on_failed: OnFailedCheck,
        /// H.323: the meaning of numbers beside a proven name.
        numbers: Numbers,
    },
}

impl CheckedPorts {
    /// The ports that are defined.
    pub fn ports(self) -> Ports {
        match self {
            Self::Unchecked(ports) => ports,
            Self::Checked { tcp, tls, .. } => Ports { tcp: Some(tcp), tls: Some(tls) },
        }
    }

    /// Whether the certificate is checked.
    pub fn is_checked(self) -> bool {
        matches!(self, Self::Checked { .. })
    }
}

/// The users for whom a client may speak after it has proven itself with an ephemeral credential (contract section 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CredentialUser {
    /// Only the user of the credential.
    #[default]
    Named,
    /// Every user of the host: `credential_user = "any"`.
    Any,
}

impl CredentialUser {
    /// The word in the rules.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Named => "named",
            Self::Any => "any",
        }
    }
}

/// The rule of a service that is decided once a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServiceRule {
    /// Addresses, tried in order; never empty.
    pub endpoints: Arc<[Endpoint]>,
    /// The ports. Only services that request client certificates have the check.
    pub ports: CheckedPorts,
    /// SIP only: Via and Contact of a TLS client that goes out by plain TCP are rewritten (contract section 3).
    pub rewrite_transport: bool,
    /// SIP only: the longest message toward a target that does not say itself, in octets, as the host's presets have it.
    pub max_message: Option<NonZeroU32>,
    /// SIP only: a client that came by WebSocket is passed on by WebSocket.
    pub websocket: Option<Arc<Onward>>,
    /// SIP only: `credentials = "ephemeral"`, and the users for whom a proven client may speak.
    pub credentials: Option<CredentialUser>,
    /// Where the rule stands.
    pub source: Source,
}

/// A name or an alias of a host, normalised, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NameDef {
    /// As [`super::name::normalise`] gives it.
    pub name: Box<str>,
    /// Where it stands.
    pub source: Source,
}

/// One whole `[[host]]`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostDef {
    /// The name by which the host is called in logs.
    pub name: NameDef,
    /// Other names of the same host.
    pub aliases: Vec<NameDef>,
    /// A disabled host refuses with `disabled`.
    pub enabled: bool,
    /// The id of the host's tenant. An unknown id stands for no tenant.
    pub tenant: Option<Box<str>>,
    /// CA certificates and CRLs for this host's clients. They replace `tls.client_trust`.
    pub client_trust: Option<Arc<Path>>,
    /// The host's own target. It is required if the host has a preset.
    pub endpoints: Option<Arc<[Endpoint]>>,
    /// The rules of the services that are decided once, for those that are served. HTTP has no rule here: it has paths.
    pub rules: PerService<Option<ServiceRule>>,
    /// The host's own HTTP paths.
    pub http: Vec<HttpRule>,
    /// Presets, in the order in which they are named. If two have the same path, the first one wins.
    pub presets: Vec<Arc<Preset>>,
}

/// One whole `[tenant.ID]` (contract section 9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantDef {
    /// The id.
    pub id: Box<str>,
    /// The friendly name.
    pub name: Option<Box<str>>,
    /// A disabled tenant refuses with `disabled`, as does every tenant below it.
    pub enabled: bool,
    /// The id of the parent tenant.
    pub parent: Option<Box<str>>,
    /// The target of its hosts and captured paths. `None`: the parent's target.
    pub endpoints: Option<Arc<[Endpoint]>>,
    /// The secrets of its ephemeral credentials, the newest first. Tenants below it do not inherit them.
    pub secrets: Arc<[Secret]>,
    /// The users who may log in as the tenant. `None`: there are none.
    pub users: Option<Users>,
    /// Where its id stands.
    pub source: Source,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_1_this_machine_however_it_is_written() {
        for here in [
            "127.0.0.1",
            "127.255.255.255",
            "0.0.0.0",
            "0.1.2.3",
            "169.254.0.1",
            "::",
            "::1",
            "fe80::1",
            "febf::1",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "::ffff:0:127.0.0.1",
            "64:ff9b::127.0.0.1",
            "::ffff:169.254.1.1",
        ] {
            assert!(is_of_this_machine(here.parse().unwrap()), "{here}");
        }
        for elsewhere in [
            "192.0.2.1",
            "10.0.0.1",
            "128.0.0.1",
            "169.253.0.1",
            "fec0::1",
            "fc00::1",
            "2001:db8::1",
            "::192.0.2.1",
            "::ffff:192.0.2.1",
            "64:ff9b::192.0.2.1",
            "64:ff9b:1::127.0.0.1",
        ] {
            assert!(!is_of_this_machine(elsewhere.parse().unwrap()), "{elsewhere}");
        }
    }
}
