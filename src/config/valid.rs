//! The configuration as the rest of the house sees it: complete, with defaults, valid by type (contract section 7).
//!
//! Made once by [`super::load()`] from the file form; nothing here can be wrong any more, so nothing here has
//! a reason to fail.

use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use ipnet::IpNet;

use crate::credentials::Secret;
use crate::credentials::digest::Algorithm;
use crate::guard::Policy;
use crate::route::identity::Identify;
use crate::rules::{Endpoint, Verify};
use crate::service::{PerService, Service, ServiceSet, Transport};

/// `portward.toml`, valid.
#[derive(Debug, Clone, PartialEq)]
pub struct Config {
    /// The file it came from.
    pub file: PathBuf,
    /// The rules: a directory of `*.toml`, or one file. Absolute, or relative to the working directory.
    pub rules: PathBuf,
    /// Where state lives (blacklist, keys of tokens).
    pub state: PathBuf,
    /// What a refused client gets.
    pub reject: Reject,
    /// Ports to listen on.
    pub listen: Listen,
    /// What the router shows the world.
    pub outside: Outside,
    /// Server certificates and client trust.
    pub tls: Tls,
    /// TLS and timing toward targets.
    pub upstream: Upstream,
    /// SIP settings.
    pub sip: Sip,
    /// `ldap.root_dse`: a search of the root DSE before a bind is answered.
    pub ldap_root_dse: bool,
    /// `default_host` of the services that are decided once, normalised: where goes what names no host.
    pub default_hosts: PerService<Option<Box<str>>>,
    /// What the guard goes by: `[blacklist]`, and whatever counts connections.
    pub guard: Policy,
    /// Deadlines, and how fast a body has to come.
    pub limits: Limits,
    /// What is logged, and how.
    pub log: Log,
    /// Administration.
    pub admin: Admin,
}

/// `reject`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reject {
    /// Close the connection and say nothing.
    #[default]
    Close,
    /// The protocol's own refusal.
    Answer,
}

/// One socket to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Listener {
    /// What is spoken there.
    pub service: Service,
    /// Whether it comes by TLS.
    pub transport: Transport,
    /// A port alone gives one listener a family with the unspecified address.
    pub address: SocketAddr,
}

/// `[listen]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Listen {
    /// Every socket, after `ipv4` and `ipv6` have been applied.
    pub listeners: Vec<Listener>,
    /// Networks that must send a PROXY protocol header.
    pub proxy_protocol_from: Vec<IpNet>,
    /// Networks whose X-Forwarded-For is believed.
    pub forwarded_from: Vec<IpNet>,
}

/// `[outside]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Outside {
    /// Public address or DNS name; empty if not said.
    pub address: String,
    /// Portward's own address inside; empty if not said.
    pub own_address: String,
    /// The router's DNS name, in normal form; empty if not said.
    pub name: String,
    /// The TURN server inside, an IP address or a DNS name; empty if not said.
    pub turn: String,
    /// The outside ports of each service, plain and TLS, see [`Outside::port`].
    pub ports: PerService<[u16; 2]>,
}

impl Outside {
    /// The port under which the world sees `service` over `transport`.
    pub fn port(&self, service: Service, transport: Transport) -> u16 {
        let [plain, tls] = self.ports[service];
        match transport {
            Transport::Plain => plain,
            Transport::Tls => tls,
        }
    }
}

/// Where a certificate and its key stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// PEM, the leaf first.
    pub cert: PathBuf,
    /// PEM: PKCS#8, SEC1 or PKCS#1.
    pub key: PathBuf,
}

/// `tls.certificates`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateSource {
    /// A folder of NAME.crt with NAME.key, by name.
    Folder(PathBuf),
    /// A list, in order.
    List(Vec<CertificateFiles>),
}

/// The oldest TLS version that is accepted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TlsVersion {
    /// TLS 1.2 and 1.3.
    #[default]
    V1_2,
    /// TLS 1.3 only.
    V1_3,
}

/// `[tls]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Tls {
    /// Server certificates.
    pub certificates: CertificateSource,
    /// The NAME of the one for clients without or with an unknown SNI; empty: the first.
    pub default: String,
    /// CA certificates and CRLs that judge clients: a folder or a file; need not exist.
    pub client_trust: PathBuf,
    /// Oldest version.
    pub min_version: TlsVersion,
    /// Who answers ACME's HTTP-01 challenges; `None`: they are requests like others.
    pub acme: Option<Acme>,
}

/// Who answers `/.well-known/acme-challenge/` on the plain HTTP port (RFC 8555 §8.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acme {
    /// Portward, from a folder in which an ACME client puts them.
    Webroot(PathBuf),
    /// An ACME client that listens itself.
    Target {
        /// One address.
        endpoints: Arc<[Endpoint]>,
        /// Its port.
        port: NonZeroU16,
    },
}

/// `upstream.trust`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// The operating system's store.
    System,
    /// A folder of PEM files, or one file; need not exist.
    Path(PathBuf),
}

/// `[upstream]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Upstream {
    /// Portward's own client certificate.
    pub certificate: Option<CertificateFiles>,
    /// Who may sign a target's certificate.
    pub trust: Trust,
    /// How targets are judged where `[target]` says nothing.
    pub verify: Verify,
    /// For TCP and TLS together, an address.
    pub connect_timeout: Duration,
}

/// `[sip]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Sip {
    /// What clients that came by TCP are told: `host[:port]`.
    pub public_address_tcp: Option<Box<str>>,
    /// What clients that came by TLS are told: `host[:port]`.
    pub public_address_tls: Option<Box<str>>,
    /// Methods that may come first, upper case.
    pub methods: Vec<Box<str>>,
    /// The longest message toward a target of which nothing else is said, in octets.
    pub max_message: u32,
    /// What in a request names its host.
    pub identify: Identify,
    /// Whether requests by TCP and TLS that are not sound are answered; those by WebSocket always are.
    pub sanity: bool,
    /// Words in the User-Agent of scanners.
    pub scanners: Vec<Box<str>>,
    /// Secrets of credentials for a limited time at hosts whose tenant has none, the newest first.
    pub secrets: Arc<[Secret]>,
    /// With which hashes a digest login may be made, in the order in which they are offered. Not empty.
    pub digest: Vec<Algorithm>,
    /// How long a credential may be good from now.
    pub max_lifetime: Duration,
}

/// How long a connection may rest, by service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdleTimeouts {
    /// HTTP: between requests, and while a client stalls in a body. LDAP: without a message. Others: without a byte.
    pub services: PerService<Duration>,
    /// WebSocket tunnels, without a byte.
    pub tunnel: Duration,
}

/// `[limits]`, but for the counts of connections, which are the guard's.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// PROXY header and TLS handshake together.
    pub handshake_timeout: Duration,
    /// From the first byte wanted to the decision.
    pub inspect_timeout: Duration,
    /// See [`IdleTimeouts`].
    pub idle_timeout: IdleTimeouts,
    /// Waiting for an HTTP target.
    pub response_timeout: Duration,
    /// From SIGTERM to the end.
    pub drain_timeout: Duration,
    /// Octets a second of a request's body, after the first ten seconds; 0: any number.
    pub min_rate: u32,
}

/// `log.format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// The reference's manner.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    /// Services whose forwarded requests are logged.
    pub forwarded: ServiceSet,
    /// Services whose rejected requests are logged.
    pub rejected: ServiceSet,
    /// Services whose ends are logged.
    pub ended: ServiceSet,
    /// Whether a URL's query is written.
    pub query: bool,
    /// Text or JSON.
    pub format: LogFormat,
}

/// `[admin]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Admin {
    /// Path of the socket.
    pub socket: PathBuf,
    /// API, metrics and dashboard for those who have a token; `None`: only the socket.
    pub listen: Option<SocketAddr>,
    /// Further names by which `listen` may be called, in normal form; addresses without brackets.
    pub names: Vec<Box<str>>,
    /// The name of the certificate of `tls.certificates` that is shown there; `None`: no TLS.
    pub certificate: Option<Box<str>>,
    /// What a token is needed for.
    pub token: TokenFor,
    /// What hosts over the API may be.
    pub hosts: AdminHosts,
    /// Whether the newest decisions are kept.
    pub decisions: bool,
}

/// `admin.token`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum TokenFor {
    /// Everything.
    #[default]
    Always,
    /// Everything but metrics, status, targets and certificates, which are open to loopback.
    Changes,
}

/// `admin.hosts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AdminHosts {
    /// They name no file, no target on this machine, and switch off no check.
    #[default]
    Safe,
    /// Whatever a rules file may say.
    Any,
}

impl Config {
    /// Whether `address` is one that must send a PROXY protocol header.
    pub fn proxy_protocol_from(&self, address: IpAddr) -> bool {
        self.listen.proxy_protocol_from.iter().any(|net| net.contains(&address))
    }

    /// Whether the X-Forwarded-For of `address` is believed.
    pub fn forwarded_from(&self, address: IpAddr) -> bool {
        self.listen.forwarded_from.iter().any(|net| net.contains(&address))
    }
}
