//! The configuration for the rest of the program: complete, with defaults, valid by type (contract section 7).
//!
//! [`super::load()`] makes it once from the file form. It is always valid, so nothing here can fail.

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
    /// The file that it was read from.
    pub file: PathBuf,
    /// The rules: a directory of `*.toml`, or one file. The path is absolute, or relative to the working directory.
    pub rules: PathBuf,
    /// The folder for state (blacklist, keys of tokens).
    pub state: PathBuf,
    /// How a refused client is answered.
    pub reject: Reject,
    /// Ports to listen on.
    pub listen: Listen,
    /// The public side of the router.
    pub outside: Outside,
    /// Server certificates and client trust.
    pub tls: Tls,
    /// TLS and timing toward targets.
    pub upstream: Upstream,
    /// SIP settings.
    pub sip: Sip,
    /// `ldap.root_dse`: whether a search of the root DSE before a bind is answered.
    pub ldap_root_dse: bool,
    /// `default_host` of the services that are decided once a connection, in normal form. Messages without a host go
    /// there.
    pub default_hosts: PerService<Option<Box<str>>>,
    /// The guard's settings: `[blacklist]`, and all limits of connections.
    pub guard: Policy,
    /// Deadlines, and the minimum rate of a body.
    pub limits: Limits,
    /// The settings of the log.
    pub log: Log,
    /// Administration.
    pub admin: Admin,
}

/// `reject`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Reject {
    /// Close the connection without an answer.
    #[default]
    Close,
    /// Send the protocol's own refusal.
    Answer,
}

/// One socket to listen on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Listener {
    /// The service that is spoken there.
    pub service: Service,
    /// Whether clients come by TLS.
    pub transport: Transport,
    /// The address and port. A port alone in the file gives one listener for each address family, with the unspecified
    /// address.
    pub address: SocketAddr,
}

/// `[listen]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Listen {
    /// Every socket, after `ipv4` and `ipv6` have been applied.
    pub listeners: Vec<Listener>,
    /// Networks that must send a PROXY protocol header.
    pub proxy_protocol_from: Vec<IpNet>,
    /// Networks whose X-Forwarded-For is trusted.
    pub forwarded_from: Vec<IpNet>,
}

/// `[outside]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Outside {
    /// The public address or DNS name. Empty: not set.
    pub address: String,
    /// Portward's own address in the internal network. Empty: not set.
    pub own_address: String,
    /// The router's DNS name, in normal form. Empty: not set.
    pub name: String,
    /// The TURN server in the internal network, an IP address or a DNS name. Empty: not set.
    pub turn: String,
    /// The public ports of each service, plain and TLS. See [`Outside::port`].
    pub ports: PerService<[u16; 2]>,
}

impl Outside {
    /// The public port of `service` over `transport`.
    pub fn port(&self, service: Service, transport: Transport) -> u16 {
        let [plain, tls] = self.ports[service];
        match transport {
            Transport::Plain => plain,
            Transport::Tls => tls,
        }
    }
}

/// The files of a certificate and its key.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CertificateFiles {
    /// A PEM file, the leaf first.
    pub cert: PathBuf,
    /// A PEM file: PKCS#8, SEC1 or PKCS#1.
    pub key: PathBuf,
}

/// `tls.certificates`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateSource {
    /// A folder with NAME.crt and NAME.key, sorted by name.
    Folder(PathBuf),
    /// A list, in its order.
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
    /// The NAME of the certificate for clients with no SNI or an unknown one. Empty: the first certificate.
    pub default: String,
    /// CA certificates and CRLs for clients' certificates: a folder or a file. It need not exist.
    pub client_trust: PathBuf,
    /// The oldest version that is accepted.
    pub min_version: TlsVersion,
    /// How ACME's HTTP-01 challenges are answered. `None`: they are requests like others.
    pub acme: Option<Acme>,
}

/// The source of answers to `/.well-known/acme-challenge/` on the plain HTTP port (RFC 8555 §8.3).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Acme {
    /// Portward answers from a folder into which an ACME client puts the answers.
    Webroot(PathBuf),
    /// An ACME client that listens itself answers.
    Target {
        /// The client's address, as a list of one.
        endpoints: Arc<[Endpoint]>,
        /// The client's port.
        port: NonZeroU16,
    },
}

/// `upstream.trust`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Trust {
    /// The operating system's store.
    System,
    /// A folder of PEM files, or one file. It need not exist.
    Path(PathBuf),
}

/// `[upstream]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Upstream {
    /// Portward's own client certificate.
    pub certificate: Option<CertificateFiles>,
    /// The CAs that may sign a target's certificate.
    pub trust: Trust,
    /// How targets' certificates are verified if `[target]` does not say so.
    pub verify: Verify,
    /// The time for TCP and TLS together, for each address.
    pub connect_timeout: Duration,
}

/// `[sip]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Sip {
    /// The address that clients which came by TCP are told: `host[:port]`.
    pub public_address_tcp: Option<Box<str>>,
    /// The address that clients which came by TLS are told: `host[:port]`.
    pub public_address_tls: Option<Box<str>>,
    /// Methods that may be the first request, in upper case.
    pub methods: Vec<Box<str>>,
    /// The longest message in octets toward a target without a limit of its own.
    pub max_message: u32,
    /// The field of a request that names its host.
    pub identify: Identify,
    /// Whether requests by TCP and TLS that are not sound are answered. Such requests by WebSocket are always answered.
    pub sanity: bool,
    /// Words in the User-Agent of scanners.
    pub scanners: Vec<Box<str>>,
    /// Secrets of credentials for a limited time, the newest first. They are for hosts whose tenant has none.
    pub secrets: Arc<[Secret]>,
    /// The hash algorithms of a digest login, in the order in which they are offered. The list is not empty.
    pub digest: Vec<Algorithm>,
    /// The longest remaining lifetime of a credential.
    pub max_lifetime: Duration,
}

/// How long a connection may be idle, by service.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdleTimeouts {
    /// HTTP: between requests, and while a client stalls in a body. LDAP: without a message. Other services: without a
    /// byte.
    pub services: PerService<Duration>,
    /// WebSocket tunnels: without a byte.
    pub tunnel: Duration,
}

/// `[limits]`, without the limits of connections, which belong to the guard.
#[derive(Debug, Clone, PartialEq)]
pub struct Limits {
    /// The time for PROXY header and TLS handshake together.
    pub handshake_timeout: Duration,
    /// The time from the first wait for a byte to the decision.
    pub inspect_timeout: Duration,
    /// The idle times.
    pub idle_timeout: IdleTimeouts,
    /// How long an HTTP target may take to answer.
    pub response_timeout: Duration,
    /// The time from SIGTERM to the end of the last connection.
    pub drain_timeout: Duration,
    /// The minimum rate of a request's body in octets a second, after the first ten seconds. 0: any rate.
    pub min_rate: u32,
}

/// `log.format`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum LogFormat {
    /// The text form of the reference implementation.
    #[default]
    Text,
    /// One JSON object for each line.
    Json,
}

/// `[log]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Log {
    /// Services whose forwarded requests are logged.
    pub forwarded: ServiceSet,
    /// Services whose rejected requests are logged.
    pub rejected: ServiceSet,
    /// Services for which the end of each connection or request is logged.
    pub ended: ServiceSet,
    /// Whether a URL's query is written.
    pub query: bool,
    /// Text or JSON.
    pub format: LogFormat,
}

/// `[admin]`.
#[derive(Debug, Clone, PartialEq)]
pub struct Admin {
    /// The path of the socket.
    pub socket: PathBuf,
    /// The address for API, metrics and dashboard, for clients with a token. `None`: only the socket is open.
    pub listen: Option<SocketAddr>,
    /// Further names by which `listen` may be called, in normal form. Addresses have no brackets.
    pub names: Vec<Box<str>>,
    /// The name of the certificate in `tls.certificates` for `listen`. `None`: no TLS.
    pub certificate: Option<Box<str>>,
    /// The requests that need a token.
    pub token: TokenFor,
    /// What hosts of the API may contain.
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
    /// Everything except metrics, status, targets and certificates, which are open to loopback.
    Changes,
}

/// `admin.hosts`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum AdminHosts {
    /// Hosts of the API may not name a file or a target on this machine, and may not switch off a check.
    #[default]
    Safe,
    /// Hosts of the API may contain everything that a rules file may contain.
    Any,
}

impl Config {
    /// Whether `address` must send a PROXY protocol header.
    pub fn proxy_protocol_from(&self, address: IpAddr) -> bool {
        self.listen.proxy_protocol_from.iter().any(|net| net.contains(&address))
    }

    /// Whether the X-Forwarded-For of `address` is trusted.
    pub fn forwarded_from(&self, address: IpAddr) -> bool {
        self.listen.forwarded_from.iter().any(|net| net.contains(&address))
    }
}
