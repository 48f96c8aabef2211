//! A stand-in for a PBX's or an app platform's web server: it says who it is and what it was asked for, echoes
//! WebSocket messages, and counts what reaches it.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::SinkExt as _;
use rustls::ServerConfig;
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::{TlsAcceptor, TlsStream};
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;
use tokio_tungstenite::tungstenite::protocol::Role;

use crate::inspect::Inspect;
use crate::inspect::http::{HEAD_LIMIT, Inspector, Request};
use crate::io::{Leg, Stream};
use crate::tls::Issued;

/// How long it waits for anything.
const PATIENCE: Duration = Duration::from_secs(300);

/// A machine inside.
pub(super) struct StandIn {
    /// What it is.
    pub(super) role: &'static str,
    /// Its address in the seed's network.
    pub(super) original: Ipv4Addr,
    /// Its plain port.
    pub(super) plain: SocketAddr,
    /// Its TLS port.
    pub(super) tls: SocketAddr,
    /// Requests that reached it.
    requests: Arc<AtomicUsize>,
}

impl StandIn {
    /// Opens both ports on `address` and serves them in the background.
    pub(super) async fn start(
        address: Ipv4Addr,
        original: Ipv4Addr,
        role: &'static str,
        name: &'static str,
        issued: &Issued,
    ) -> io::Result<Self> {
        let plain = TcpListener::bind((address, 0)).await?;
        let tls = TcpListener::bind((address, 0)).await?;
        let requests = Arc::new(AtomicUsize::new(0));
        let machine = Self {
            role,
            original,
            plain: plain.local_addr()?,
            tls: tls.local_addr()?,
            requests: requests.clone(),
        };
        let acceptor = acceptor(issued)?;
        let says = format!("{role} {name} ({original})");
        tokio::spawn(serve(plain, None, says.clone(), requests.clone()));
        tokio::spawn(serve(tls, Some(acceptor), says, requests));
        Ok(machine)
    }

    /// How many requests reached it.
    pub(super) fn requests(&self) -> usize {
        self.requests.load(Ordering::Relaxed)
    }

    /// Where it is.
    pub(super) fn place(&self) -> String {
        format!("{} plain, {} TLS (for {})", self.plain, self.tls, self.original)
    }
}

fn acceptor(issued: &Issued) -> io::Result<TlsAcceptor> {
    let chain = CertificateDer::pem_slice_iter(issued.cert_pem.as_bytes()).collect::<Result<_, _>>();
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes());
    let (Ok(chain), Ok(key)) = (chain, key) else { return Err(io::Error::other("no PEM")) };
    let config = ServerConfig::builder_with_provider(crate::tls::provider())
        .with_safe_default_protocol_versions()
        .and_then(|builder| builder.with_no_client_auth().with_single_cert(chain, key))
        .map_err(io::Error::other)?;
    Ok(Arc::new(config).into())
}

async fn serve(listener: TcpListener, tls: Option<TlsAcceptor>, says: String, requests: Arc<AtomicUsize>) {
    while let Ok((tcp, _)) = listener.accept().await {
        let (tls, says, requests) = (tls.clone(), says.clone(), requests.clone());
        tokio::spawn(tokio::time::timeout(PATIENCE, async move {
            let _ = visit(tcp, tls, &says, &requests).await;
        }));
    }
}

/// One connection, request after request.
async fn visit(
    tcp: TcpStream,
    tls: Option<TlsAcceptor>,
    says: &str,
    requests: &AtomicUsize,
) -> io::Result<()> {
    let stream = match &tls {
        Some(acceptor) => Stream::Tls(Box::new(TlsStream::Server(acceptor.accept(tcp).await?))),
        None => Stream::Plain(tcp),
    };
    let mut leg = Leg::new(stream);
    loop {
        let mut inspector = Inspector::default();
        let (request, len) = loop {
            match inspector.inspect(leg.buffer.filled()) {
                Inspect::Found { ask, len } => break (ask, len),
                Inspect::Reject(_) => return Ok(()),
                Inspect::NeedMore => {}
            }
            if std::future::poll_fn(|cx| leg.poll_fill(cx, HEAD_LIMIT)).await? == 0 {
                return Ok(());
            }
        };
        requests.fetch_add(1, Ordering::Relaxed);
        let head = leg.buffer.filled();
        if request.websocket {
            let answer = switching(&request, head);
            leg.write_all(answer.as_bytes()).await?;
            return echo(leg.stream).await;
        }
        let line = |span: crate::inspect::Span| String::from_utf8_lossy(span.of_input(head)).into_owned();
        let body =
            format!("This is the {says}. You asked for {} {}\n", line(request.method), line(request.target));
        leg.buffer.consume(len);
        let answer = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        );
        leg.write_all(answer.as_bytes()).await?;
    }
}

/// RFC 6455 §4.2.2.
fn switching(request: &Request, head: &[u8]) -> String {
    let key = request
        .fields
        .iter()
        .find(|field| field.name.of_input(head).eq_ignore_ascii_case(b"sec-websocket-key"))
        .map_or(b"".as_slice(), |field| field.value.of_input(head));
    let accept = derive_accept_key(key);
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
    )
}

async fn echo(stream: Stream) -> io::Result<()> {
    let mut socket = WebSocketStream::from_raw_socket(stream, Role::Server, None).await;
    while let Some(message) = super::visitor::receive(&mut socket).await {
        if socket.send(message).await.is_err() {
            break;
        }
    }
    Ok(())
}
