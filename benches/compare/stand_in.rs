//! Targets in this process. They are for protocols without a suitable program, and for measurements in which a target
//! must wait for the proxy.

use std::io;
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;

use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tokio_rustls::TlsAcceptor;

use crate::Failure;
use crate::load::Connection;
use crate::origin::Ports;
use crate::steps::Steps;

/// A target's work on one connection.
pub(crate) type Visit =
    Arc<dyn Fn(Connection) -> Pin<Box<dyn Future<Output = io::Result<()>> + Send>> + Send + Sync>;

/// A target on both ports. It runs on the caller's runtime.
pub(crate) async fn spawn(folder: &Path, steps: Option<Steps>, visit: Visit) -> Result<Ports, Failure> {
    let acceptor = acceptor(folder)?;
    let plain = TcpListener::bind("127.0.0.1:0").await?;
    let tls = TcpListener::bind("127.0.0.1:0").await?;
    let ports = Ports { plain: plain.local_addr()?.port(), tls: tls.local_addr()?.port() };
    for (listener, acceptor) in [(plain, None), (tls, Some(acceptor))] {
        tokio::spawn(accept(listener, acceptor, steps.clone(), Arc::clone(&visit)));
    }
    Ok(ports)
}

/// The same in a thread of its own. It ends when the returned value is dropped.
pub(crate) fn start(folder: &Path, visit: Visit) -> Result<(Ports, oneshot::Sender<()>), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let ports = runtime.block_on(spawn(folder, None, visit))?;
    let (stop, stopped) = oneshot::channel();
    std::thread::spawn(move || {
        let _ = runtime.block_on(stopped);
    });
    Ok((ports, stop))
}

async fn accept(listener: TcpListener, acceptor: Option<TlsAcceptor>, steps: Option<Steps>, visit: Visit) {
    while let Ok((tcp, _)) = listener.accept().await {
        let (acceptor, steps, visit) = (acceptor.clone(), steps.clone(), Arc::clone(&visit));
        tokio::spawn(async move {
            let _ = tcp.set_nodelay(true);
            let tcp: Connection = match steps {
                Some(steps) => Box::new(steps.stream(tcp)),
                None => Box::new(tcp),
            };
            let _ = match acceptor {
                Some(acceptor) => match acceptor.accept(tcp).await {
                    Ok(tls) => visit(Box::new(tls)).await,
                    Err(error) => Err(error),
                },
                None => visit(tcp).await,
            };
        });
    }
}

/// TLS 1.3 with the common certificate.
fn acceptor(folder: &Path) -> Result<TlsAcceptor, Failure> {
    let chain = CertificateDer::pem_file_iter(folder.join("all.crt"))?.collect::<Result<Vec<_>, _>>()?;
    let key = PrivateKeyDer::from_pem_file(folder.join("all.key"))?;
    let config = rustls::ServerConfig::builder_with_provider(portward::tls::provider())
        .with_protocol_versions(&[&rustls::version::TLS13])?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
