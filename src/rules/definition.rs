//! What the rules say, host by host: valid by type, not compiled yet.
//!
//! `config` makes these from the rules files, [`super::Builder`] compiles them into the immutable
//! [`super::Table`]. Names are normalised ([`super::name`]), paths are as the administrator wrote them.

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

/// Where in the rules something was said, for errors, `check` and `explain`.
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

/// Whether an address is this machine itself, or one that only its own link knows: loopback, unspecified, link-local (RFC 1122
/// section 3.2.1.3, RFC 3927, RFC 4291 sections 2.5.2, 2.5.3 and 2.5.6), however IPv4 is written in IPv6 (RFC 4291 section
/// 2.5.5, RFC 6052, RFC 2765).
pub fn is_of_this_machine(address: IpAddr) -> bool {
    /// Prefixes of 96 bits behind which an IPv4 address stands: compatible, translated, 64:ff9b::/96.
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

impl Address {
    /// The DNS name, if it is one.
    pub fn name(&self) -> Option<&str> {
        match self {
            Self::Ip(_) => None,
            Self::Name(name) => Some(name),
        }
    }
}

/// How the certificate of a TLS target is judged (contract section 4).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Verify {
    /// Against `upstream.trust`, with the name of contract section 4.
    Ca,
    /// Not at all.
    None,
}

/// How connections to a target are shared between clients.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Reuse {
    /// Kept and reused for any client.
    #[default]
    Shared,
    /// Kept for the client connection that opened it, closed with it.
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

/// What is true of an address, said once: `[target."ADDRESS"]`.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct TargetOptions {
    /// The name to check and to send as SNI, instead of the default of contract section 4.
    pub server_name: Option<Box<str>>,
    /// SHA-256 of the certificate (DER); when set, it alone decides.
    pub pin: Option<[u8; 32]>,
    /// How to judge the certificate; `None`: as `upstream.verify` says.
    pub verify: Option<Verify>,
    /// Sharing of kept connections.
    pub reuse: Reuse,
    /// PROXY protocol toward the target; `None`: not sent.
    pub proxy_protocol: Option<ProxyVersion>,
    /// Present Portward's own certificate to HTTP and LDAP targets, too.
    pub present_certificate: bool,
    /// The longest SIP message toward the target, in octets; `None`: as the host's presets or `sip.max_message` say.
    pub max_message: Option<u32>,
    /// Octets a second of a request's body toward the target; 0: any number; `None`: as `limits.min_rate` says.
    pub min_rate: Option<u32>,
    /// What the name resolves to is not dialled where it is this machine ([`is_of_this_machine`]): of hosts that were made over
    /// the API, unless `admin.hosts = "any"` (contract section 8).
    pub elsewhere_only: bool,
    /// How the address is checked; `None`: only connections that are opened for clients say how it is.
    pub check: Option<Check>,
    /// How long SIP and H.323 wait until they return to it after it was down; `None`: for [`super::FAILBACK`].
    pub failback: Option<Duration>,
}

/// One address of a target with what is true of it.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Where to connect.
    pub address: Address,
    /// What is true of that address.
    pub options: Arc<TargetOptions>,
}

/// The ports of a target; at least one is defined. They are tried on every address of the list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Ports {
    /// The plain port.
    pub tcp: Option<NonZeroU16>,
    /// The TLS port.
    pub tls: Option<NonZeroU16>,
}

/// Addresses, tried in order, and ports. Equal address lists share one allocation.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Target {
    /// Never empty.
    pub endpoints: Arc<[Endpoint]>,
    /// Where to knock.
    pub ports: Ports,
}

/// Who may log in as a tenant (contract section 9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Users {
    /// Those of these lines.
    Lines(Arc<Logins>),
    /// Those of an htpasswd file.
    File(Arc<Path>),
}

/// One path of a preset: ports, no target (that is the host's).
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct PresetPath {
    /// The path, head match.
    pub path: Box<str>,
    /// Ports on the host's own target.
    pub ports: Ports,
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

/// What to do when the certificate check fails (contract section 5).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum OnFailedCheck {
    /// Send the registration out by plain TCP.
    #[default]
    Plain,
    /// Refuse it.
    Reject,
}

/// What an H.323 number means that is registered beside a proven name and that the certificate does not have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Numbers {
    /// The check fails.
    #[default]
    Never,
    /// It is registered with the name: for devices that have an extension beside their hardware ID.
    WithName,
}

/// The ports of a target, with or without Check Certificate. With the check both ports are there, by type.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CheckedPorts {
    /// No check; the table of contract section 5 chooses the port.
    Unchecked(Ports),
    /// `check_certificate`: TLS only for proven names.
    Checked {
        /// The plain port, for what is not proven.
        tcp: NonZeroU16,
        /// The TLS port, for what is.
        tls: NonZeroU16,
        /// What happens to what is not proven.
        on_failed: OnFailedCheck,
        /// H.323: numbers beside a proven name.
        numbers: Numbers,
    },
}

impl CheckedPorts {
    /// Which ports there are.
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

/// For whom a client may speak after it has proven itself with an ephemeral credential (contract section 9).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum CredentialUser {
    /// For the user of the credential.
    #[default]
    Named,
    /// For every user of the host: `credential_user = "any"`.
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
    /// Where to knock. Only services that ask for certificates have the check.
    pub ports: CheckedPorts,
    /// SIP only: Via and Contact of a TLS client that goes out by plain TCP are rewritten (contract section 3).
    pub rewrite_transport: bool,
    /// SIP only: the longest message toward a target that does not say itself, in octets, as the host's presets have it.
    pub max_message: Option<NonZeroU32>,
    /// SIP only: a client that came by WebSocket goes on by WebSocket.
    pub websocket: Option<Arc<Onward>>,
    /// SIP only: `credentials = "ephemeral"`, and for whom a client may speak that has proven itself.
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

/// One `[[host]]`, complete.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostDef {
    /// The name by which the host is called in logs.
    pub name: NameDef,
    /// Other names of the same host.
    pub aliases: Vec<NameDef>,
    /// A disabled host refuses with `disabled`.
    pub enabled: bool,
    /// The id of the tenant that it belongs to. One that no tenant has belongs to none.
    pub tenant: Option<Box<str>>,
    /// CA certificates and CRLs that judge this host's clients in place of `tls.client_trust`.
    pub client_trust: Option<Arc<Path>>,
    /// The host's own target, for its presets; required if there is one.
    pub endpoints: Option<Arc<[Endpoint]>>,
    /// The rules of services that are decided once, where they are served. HTTP has none here: it has paths.
    pub rules: PerService<Option<ServiceRule>>,
    /// The host's own HTTP paths.
    pub http: Vec<HttpRule>,
    /// Presets, in the order in which they are named; the first that has a path wins it.
    pub presets: Vec<Arc<Preset>>,
}

/// One `[tenant.ID]`, complete (contract section 9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TenantDef {
    /// The id.
    pub id: Box<str>,
    /// The friendly name.
    pub name: Option<Box<str>>,
    /// A disabled tenant refuses with `disabled`, as does every tenant below it.
    pub enabled: bool,
    /// The id of the tenant that it belongs to.
    pub parent: Option<Box<str>>,
    /// Where its hosts and its captured paths go; `None`: where its parent's go.
    pub endpoints: Option<Arc<[Endpoint]>>,
    /// The secrets of its credentials for a limited time, the newest first. No tenant below it has them.
    pub secrets: Arc<[Secret]>,
    /// Who may log in as the tenant; `None`: no one.
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
