//! The clients: many requests over many connections. Each answer is read to its end and compared with the answer that
//! its target must give. Everything is bounded in count and time.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use rustls::client::Resumption;
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::{CipherSuite, ClientConfig, DigitallySignedStruct, HandshakeKind, NamedGroup, SignatureScheme};
use rustls_pki_types::{CertificateDer, ServerName, UnixTime};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use crate::Failure;

/// The longest time for a batch.
const PATIENCE: Duration = Duration::from_secs(120);
/// The size of a read. It is large, because the client is not measured.
const ROOM: usize = 256 * 1024;

/// One request, and its right answer.
#[derive(Debug)]
pub(crate) struct Request {
    bytes: Vec<u8>,
    expected: Expected,
    /// The proxy must close the connection after its answer.
    closes: bool,
}

/// The right answer.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Expected {
    /// Exactly these octets.
    Body(&'static [u8]),
    /// This many octets.
    Length(u64),
}

impl Request {
    /// A GET as curl sends it.
    pub(crate) fn get(host: &str, path: &str, expected: Expected) -> Self {
        let text =
            format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n");
        Self { bytes: text.into_bytes(), expected, closes: false }
    }

    /// The same with `Connection: close`.
    pub(crate) fn closing(mut self) -> Self {
        self.bytes.truncate(self.bytes.len() - 2);
        self.bytes.extend(b"Connection: close\r\n\r\n");
        self.closes = true;
        self
    }
}

/// Plain or TLS, and whether a later connection may resume an earlier session.
#[derive(Clone)]
pub(crate) enum Way {
    Plain,
    Tls(TlsConnector, ServerName<'static>),
}

impl Way {
    /// TLS 1.3 with X25519 and AES-128-GCM, the same for every proxy. The certificate is not checked.
    pub(crate) fn tls(host: &str, resumes: bool) -> Result<Self, Failure> {
        let mut provider = (*portward::tls::provider()).clone();
        provider.cipher_suites.retain(|suite| suite.suite() == CipherSuite::TLS13_AES_128_GCM_SHA256);
        provider.kx_groups.retain(|group| group.name() == NamedGroup::X25519);
        let mut config = ClientConfig::builder_with_provider(Arc::new(provider))
            .with_protocol_versions(&[&rustls::version::TLS13])?
            .dangerous()
            .with_custom_certificate_verifier(Arc::new(Anybody))
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption =
            if resumes { Resumption::in_memory_sessions(1024) } else { Resumption::disabled() };
        Ok(Self::Tls(TlsConnector::from(Arc::new(config)), ServerName::try_from(host.to_owned())?))
    }
}

/// The work of the clients.
#[derive(Clone)]
pub(crate) struct Plan {
    /// The proxy's port.
    pub(crate) port: u16,
    /// One for each client in turn. Each client that resumes has its own session memory, because one memory holds eight
    /// tickets only.
    pub(crate) ways: Arc<[Way]>,
    /// The requests, which are sent in turn.
    pub(crate) requests: Arc<[Request]>,
    /// The number of simultaneous connections.
    pub(crate) connections: usize,
    /// The number of all requests.
    pub(crate) total: usize,
    /// After this many requests a connection is closed and another one is opened. `usize::MAX`: it is kept.
    pub(crate) per_connection: usize,
}

/// The result of a batch.
#[derive(Debug, Default)]
pub(crate) struct Done {
    /// Connections opened.
    pub(crate) connections: usize,
    /// How many of them resumed a TLS session.
    pub(crate) resumed: usize,
    /// The time of each request, without opening its connection.
    pub(crate) times: Vec<Duration>,
}

/// Any stream.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin {}
impl<S: AsyncRead + AsyncWrite + Unpin> Stream for S {}

/// An open connection.
pub(crate) type Connection = Box<dyn Stream + Send>;

/// Does the work. A single wrong answer is an error. It uses the connections in `kept` first, and leaves there those
/// that it did not close.
pub(crate) async fn run(plan: &Plan, kept: &mut Vec<Connection>) -> Result<Done, Failure> {
    let tasks: Vec<_> = (0..plan.connections)
        .map(|number| {
            let (plan, stream) = (plan.clone(), kept.pop());
            tokio::spawn(async move { one(&plan, number, stream).await.map_err(|error| error.to_string()) })
        })
        .collect();
    let mut all = Done::default();
    let joined = async {
        for task in tasks {
            let (done, stream) = task.await??;
            all.connections += done.connections;
            all.resumed += done.resumed;
            all.times.extend(done.times);
            kept.extend(stream);
        }
        Ok::<(), Failure>(())
    };
    tokio::time::timeout(PATIENCE, joined).await.map_err(|_| "the requests took too long")??;
    Ok(all)
}

/// One client: its share of the requests, over one connection after the other.
async fn one(
    plan: &Plan,
    number: usize,
    mut stream: Option<Connection>,
) -> Result<(Done, Option<Connection>), Failure> {
    let part = plan.total / plan.connections + usize::from(number < plan.total % plan.connections);
    let mut done = Done { times: Vec::with_capacity(part), ..Done::default() };
    let mut buffer = Vec::with_capacity(ROOM);
    let way = plan.ways.get(number % plan.ways.len()).ok_or("no way")?;
    // Each client begins at another place of the list.
    let mut requests = plan.requests.iter().cycle().skip(number * 7919 % plan.requests.len());
    while done.times.len() < part {
        let mut connection = match stream.take() {
            Some(kept) => kept,
            None => {
                let (opened, resumed) = open(plan.port, way).await?;
                done.connections += 1;
                done.resumed += usize::from(resumed);
                opened
            }
        };
        for _ in 0..plan.per_connection.min(part - done.times.len()) {
            let request = requests.next().ok_or("no request")?;
            let begun = Instant::now();
            ask(&mut *connection, request, &mut buffer).await?;
            done.times.push(begun.elapsed());
        }
        if plan.per_connection == usize::MAX {
            stream = Some(connection);
        } else {
            let _ = connection.shutdown().await;
        }
    }
    Ok((done, stream))
}

/// Opens a connection. Returns also whether it resumed an earlier session.
pub(crate) async fn open(port: u16, way: &Way) -> Result<(Connection, bool), Failure> {
    let tcp = TcpStream::connect(("127.0.0.1", port)).await?;
    tcp.set_nodelay(true)?;
    over(tcp, way).await
}

/// The same on an existing stream.
pub(crate) async fn over(
    tcp: impl Stream + Send + 'static,
    way: &Way,
) -> Result<(Connection, bool), Failure> {
    match way {
        Way::Plain => Ok((Box::new(tcp), false)),
        Way::Tls(connector, name) => {
            let tls = connector.connect(name.clone(), tcp).await?;
            let resumed = tls.get_ref().1.handshake_kind() == Some(HandshakeKind::Resumed);
            Ok((Box::new(tls), resumed))
        }
    }
}

/// Sends a request and reads its answer to the end, and the end of the connection if the request asks for it.
pub(crate) async fn ask(
    stream: &mut (impl Stream + ?Sized),
    request: &Request,
    buffer: &mut Vec<u8>,
) -> Result<(), Failure> {
    stream.write_all(&request.bytes).await?;
    stream.flush().await?;
    let (head, length) = read_head(stream, buffer).await?;
    let status = buffer.get(9..12).unwrap_or_default();
    if status != b"200" {
        return Err(format!("status {}", String::from_utf8_lossy(status)).into());
    }
    match request.expected {
        Expected::Body(body) => {
            while buffer.len() - head < length && read(stream, buffer).await? > 0 {}
            if buffer.get(head..) != Some(body) {
                let got = String::from_utf8_lossy(buffer.get(head..).unwrap_or_default());
                return Err(format!("{got:?} instead of {:?}", String::from_utf8_lossy(body)).into());
            }
        }
        Expected::Length(expected) => {
            let mut seen = (buffer.len() - head) as u64;
            while seen < length as u64 {
                buffer.clear();
                seen += match read(stream, buffer).await? {
                    0 => return Err("the body ended early".into()),
                    count => count as u64,
                };
            }
            if seen != expected {
                return Err(format!("{seen} bytes instead of {expected}").into());
            }
        }
    }
    if request.closes && read(stream, buffer).await? > 0 {
        return Err("more than the answer".into());
    }
    Ok(())
}

/// A proxy's answer to a request: the status, and the body if there is one. `None`: it only closed the connection.
pub(crate) async fn look(
    port: u16,
    way: &Way,
    host: &str,
    path: &str,
) -> Result<Option<(String, String)>, Failure> {
    let (mut stream, _) = open(port, way).await?;
    stream.write_all(&Request::get(host, path, Expected::Length(0)).bytes).await?;
    stream.flush().await?;
    let mut buffer = Vec::new();
    let Ok((head, length)) = read_head(&mut *stream, &mut buffer).await else { return Ok(None) };
    while buffer.len() - head < length && read(&mut *stream, &mut buffer).await? > 0 {}
    let text = |part: Option<&[u8]>| String::from_utf8_lossy(part.unwrap_or_default()).into_owned();
    Ok(Some((text(buffer.get(9..12)), text(buffer.get(head..)))))
}

/// Reads the complete head. Returns its length, and the length of the body.
async fn read_head(
    stream: &mut (impl Stream + ?Sized),
    buffer: &mut Vec<u8>,
) -> Result<(usize, usize), Failure> {
    buffer.clear();
    loop {
        if let Some(end) = memchr::memmem::find(buffer, b"\r\n\r\n") {
            let head = std::str::from_utf8(buffer.get(..end).unwrap_or_default())?;
            let length = head.lines().find_map(|line| {
                let (name, value) = line.split_once(':')?;
                name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse().ok())?
            });
            return Ok((end + 4, length.ok_or("no Content-Length")?));
        }
        if read(stream, buffer).await? == 0 {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
    }
}

async fn read(stream: &mut (impl Stream + ?Sized), buffer: &mut Vec<u8>) -> io::Result<usize> {
    if buffer.capacity() - buffer.len() < 4096 {
        buffer.reserve(ROOM);
    }
    stream.read_buf(buffer).await
}

/// Accepts every certificate.
#[derive(Debug)]
struct Anybody;

impl ServerCertVerifier for Anybody {
    fn verify_server_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &CertificateDer<'_>,
        _: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        Ok(HandshakeSignatureValid::assertion())
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        vec![SignatureScheme::ECDSA_NISTP256_SHA256]
    }
}
