//! Opens a connection to one address: TCP, PROXY header and TLS, all under one deadline.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::net::TcpStream;

use crate::cause::Cause;
use crate::inspect::proxy;
use crate::io::{Leg, Stream, Tls};
use crate::rules::{Endpoint, ProxyVersion, is_of_this_machine};
use crate::service::Service;
use crate::tls::{self, Profile, UpstreamTls};
use crate::upstream::here::is_here;
use crate::upstream::unreached;

/// The settings for a new connection to one address.
#[derive(Debug, Clone, Copy)]
pub(in crate::upstream) struct Opening<'a> {
    pub(in crate::upstream) tls: &'a UpstreamTls,
    /// Our own listening sockets.
    pub(in crate::upstream) listeners: &'a [SocketAddr],
    /// The time for TCP alone.
    pub(in crate::upstream) tcp_timeout: Duration,
    /// The time for TCP, PROXY header and TLS together.
    pub(in crate::upstream) timeout: Duration,
    pub(in crate::upstream) service: Service,
    pub(in crate::upstream) endpoint: &'a Endpoint,
    /// The host that is asked for. It may become the server's name.
    pub(in crate::upstream) host: &'a str,
    /// The TLS profile. `None`: the connection is plain.
    pub(in crate::upstream) profile: Option<&'a Profile>,
    /// The client and the address that it has connected to, for the PROXY header. `None`: Portward speaks for itself.
    pub(in crate::upstream) speaks_for: Option<(SocketAddr, SocketAddr)>,
}

/// Opens a connection: TCP, PROXY header, TLS.
///
/// # Errors
/// Why there is none.
pub(in crate::upstream) async fn open(to: Opening<'_>, address: SocketAddr) -> Result<Stream, Cause> {
    let mut too_late = Cause::TimedOut;
    let opening = async {
        // This is checked before a connection is tried. Otherwise the result would show which ports are open here.
        let ip = address.ip().to_canonical();
        let may_be_here = !to.endpoint.options.elsewhere_only;
        if is_own(to.listeners, address) || !may_be_here && (is_of_this_machine(ip) || is_here(ip)) {
            return Err(Cause::Loop);
        }
        let connecting = tokio::time::timeout(to.tcp_timeout, TcpStream::connect(address));
        let connected = connecting.await.map_err(|_| Cause::TimedOut)?;
        let tcp = connected.map_err(|error| unreached::cause(&error))?;
        let _ = tcp.set_nodelay(true);
        let stream = Stream::Plain(tcp);
        if to.service == Service::Http {
            stream.watch_requests();
        }
        let mut leg = Leg::new(stream);
        if let Some(version) = to.endpoint.options.proxy_protocol {
            let is_2 = version == ProxyVersion::V2;
            let header = match to.speaks_for {
                Some((client, local)) => proxy::encode(is_2, client, local),
                None => proxy::encode_own(is_2),
            };
            leg.write_all(&header).await.map_err(|error| unreached::cause(&error))?;
        }
        let (profile, tcp) = match (to.profile, leg.stream) {
            (Some(profile), Stream::Plain(tcp)) => (profile, tcp),
            (_, stream) => return Ok(stream),
        };
        too_late = Cause::TlsTimedOut;
        let name = to.tls.server_name(&to.endpoint.options, &to.endpoint.address, to.host);
        let name = name.ok_or(Cause::NoName)?;
        let connecting = Tls::connect(tcp.into(), profile.config.clone(), name);
        let tls = Box::pin(tls::shaken(connecting)).await?;
        Ok(Stream::Tls(Box::new(tls)))
    };
    tokio::time::timeout(to.timeout, opening).await.unwrap_or(Err(too_late))
}

/// Whether the address is one of our own sockets (contract section 7, split-DNS loops).
fn is_own(listeners: &[SocketAddr], address: SocketAddr) -> bool {
    listeners.iter().filter(|own| own.port() == address.port()).any(|own| {
        let (own, ip) = (own.ip().to_canonical(), address.ip().to_canonical());
        own == ip || own.is_unspecified() && is_here(ip)
    })
}
