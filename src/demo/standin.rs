//! Stand-ins for the machines inside, one for each service. Each of them identifies itself in its answers and counts
//! the requests that reach it.

mod counter;
mod h323;
mod http;
mod ldap;
mod sip;

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;

use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};

use crate::io::{Leg, Stream, Tls};
use crate::service::Service;
use crate::tls::Issued;
use counter::Counter;

/// How long a stand-in waits for anything.
const PATIENCE: Duration = Duration::from_secs(300);

/// A machine inside.
pub(super) struct StandIn {
    /// Its role.
    pub(super) role: &'static str,
    /// The service that it speaks.
    pub(super) service: Service,
    /// Its address in the reference network.
    pub(super) original: Ipv4Addr,
    /// Its plain port.
    pub(super) plain: SocketAddr,
    /// Its TLS port.
    pub(super) tls: SocketAddr,
    /// The requests that have reached it.
    requests: Counter,
}

impl StandIn {
    /// Opens both ports on `address` (0: a free port) and serves them in the background.
    pub(super) async fn start(
        (address, [plain, tls]): (Ipv4Addr, [u16; 2]),
        original: Ipv4Addr,
        role: &'static str,
        service: Service,
        issued: &Issued,
    ) -> io::Result<Self> {
        let plain = TcpListener::bind((address, plain)).await?;
        let tls = TcpListener::bind((address, tls)).await?;
        let requests = Counter::default();
        let machine = Self {
            role,
            service,
            original,
            plain: plain.local_addr()?,
            tls: tls.local_addr()?,
            requests: requests.clone(),
        };
        let config = configured(issued)?;
        // Registrars report the transport of a registration, because the certificate check decides it.
        let says = |way: &str| {
            if service.asks_for_certificate() {
                format!("{role}, {way} ({original})")
            } else {
                format!("{role} ({original})")
            }
        };
        tokio::spawn(serve(plain, None, service, says("plain"), requests.clone()));
        tokio::spawn(serve(tls, Some(config), service, says("TLS"), requests));
        Ok(machine)
    }

    /// How many requests have reached it.
    pub(super) fn requests(&self) -> usize {
        self.requests.so_far()
    }

    /// Its address.
    pub(super) fn place(&self) -> String {
        format!("{:<5} {} plain, {} TLS (for {})", self.service, self.plain, self.tls, self.original)
    }
}

fn configured(issued: &Issued) -> io::Result<Arc<ServerConfig>> {
    let chain = CertificateDer::pem_slice_iter(issued.cert_pem.as_bytes()).collect::<Result<_, _>>();
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes());
    let (Ok(chain), Ok(key)) = (chain, key) else { return Err(io::Error::other("no PEM")) };
    let config = ServerConfig::builder_with_provider(crate::tls::provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(io::Error::other)?;
    Ok(Arc::new(config))
}

async fn serve(
    listener: TcpListener,
    tls: Option<Arc<ServerConfig>>,
    service: Service,
    says: String,
    requests: Counter,
) {
    while let Ok((tcp, _)) = listener.accept().await {
        let (tls, says, requests) = (tls.clone(), says.clone(), requests.clone());
        tokio::spawn(tokio::time::timeout(PATIENCE, async move {
            let _ = visit(tcp, tls, service, &says, &requests).await;
        }));
    }
}

/// Serves one connection.
async fn visit(
    tcp: TcpStream,
    tls: Option<Arc<ServerConfig>>,
    service: Service,
    says: &str,
    requests: &Counter,
) -> io::Result<()> {
    let stream = match &tls {
        Some(config) => Stream::Tls(Box::new(Tls::accept(tcp.into(), Arc::clone(config)).await?)),
        None => Stream::Plain(tcp),
    };
    let leg = Leg::new(stream);
    match service {
        Service::Http => http::visit(leg, says, requests).await,
        Service::Sip => sip::visit(leg, says, requests).await,
        Service::Ldap => ldap::visit(leg, says, requests).await,
        Service::H323 => h323::visit(leg, says, requests).await,
    }
}
