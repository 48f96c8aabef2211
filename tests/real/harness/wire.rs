//! One end of a connection that sends exact octets and reads HTTP messages. The raw client and the targets use it.

use std::fmt;
use std::io::{self, ErrorKind, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpStream};
use std::sync::Arc;
use std::thread;
use std::time::Duration;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, ServerConnection, StreamOwned};
use socket2::{Domain, Protocol, Socket, Type};

use super::{PATIENCE, client_config};

enum Stream {
    Plain(TcpStream),
    Client(Box<StreamOwned<ClientConnection, TcpStream>>),
    Server(Box<StreamOwned<ServerConnection, TcpStream>>),
}

impl Stream {
    fn tcp(&self) -> &TcpStream {
        match self {
            Self::Plain(tcp) => tcp,
            Self::Client(tls) => &tls.sock,
            Self::Server(tls) => &tls.sock,
        }
    }
}

/// A request or a response as it was received.
#[derive(Clone, PartialEq, Eq)]
pub struct Message {
    /// The request line or the status line.
    pub start: String,
    /// Name and value, in order, as they came.
    pub headers: Vec<(String, String)>,
    /// The body without its framing.
    pub body: Vec<u8>,
    /// The trailers after a chunked body.
    pub trailers: Vec<(String, String)>,
}

impl Message {
    /// The status code of a response.
    pub fn status(&self) -> u16 {
        self.start.split(' ').nth(1).and_then(|code| code.parse().ok()).expect("a status line")
    }

    /// The method of a request.
    pub fn method(&self) -> &str {
        self.start.split(' ').next().unwrap_or_default()
    }

    /// The target of a request.
    pub fn target(&self) -> &str {
        self.start.split(' ').nth(1).unwrap_or_default()
    }

    /// The first header of that name.
    pub fn header(&self, name: &str) -> Option<&str> {
        self.all(name).first().copied()
    }

    /// Every header of that name.
    pub fn all(&self, name: &str) -> Vec<&str> {
        self.headers
            .iter()
            .filter(|(other, _)| other.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
            .collect()
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }
}

impl fmt::Debug for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(f, "{}", self.start)?;
        for (name, value) in &self.headers {
            writeln!(f, "{name}: {value}")?;
        }
        let body = self.text();
        write!(f, "\n{}", body.chars().take(400).collect::<String>())
    }
}

/// Is called with received octets.
pub(super) type Tap = Box<dyn FnMut(&[u8]) + Send>;

/// One end of a connection.
pub struct Wire {
    stream: Stream,
    buffered: Vec<u8>,
    /// Called with everything that is received.
    pub(super) tap: Option<Tap>,
}

impl Wire {
    /// A plain connection to a port on 127.0.0.1.
    pub fn plain(port: u16) -> Self {
        Self::over(connect(port, None).unwrap())
    }

    /// A plain connection from another loopback address.
    pub fn plain_from(source: IpAddr, port: u16) -> Self {
        Self::over(connect(port, Some(source)).unwrap())
    }

    /// A TLS connection that asks for `name` and trusts the shared test CA.
    pub fn tls(port: u16, name: &str) -> Self {
        Self::plain(port).into_tls(name)
    }

    /// Begins TLS, as a client.
    pub fn into_tls(self, name: &str) -> Self {
        let config = client_config(rustls::DEFAULT_VERSIONS);
        self.try_into_tls(config, name).unwrap_or_else(|error| panic!("no TLS as {name}: {error}"))
    }

    /// Begins TLS, as a client, if the server accepts it.
    pub fn try_into_tls(self, config: Arc<rustls::ClientConfig>, name: &str) -> io::Result<Self> {
        let Stream::Plain(mut tcp) = self.stream else { panic!("TLS already") };
        let mut tls = ClientConnection::new(config, ServerName::try_from(name.to_owned()).unwrap()).unwrap();
        while tls.is_handshaking() {
            tls.complete_io(&mut tcp)?;
        }
        Ok(Self {
            stream: Stream::Client(Box::new(StreamOwned::new(tls, tcp))),
            buffered: Vec::new(),
            tap: self.tap,
        })
    }

    /// Takes over a connected stream.
    pub fn over(tcp: TcpStream) -> Self {
        tcp.set_read_timeout(Some(PATIENCE)).unwrap();
        tcp.set_write_timeout(Some(PATIENCE)).unwrap();
        tcp.set_nodelay(true).unwrap();
        Self { stream: Stream::Plain(tcp), buffered: Vec::new(), tap: None }
    }

    /// Takes over an accepted stream and begins TLS.
    pub fn serve_tls(tcp: TcpStream, tls: ServerConnection) -> Self {
        let mut wire = Self::over(tcp);
        let Stream::Plain(tcp) = wire.stream else { panic!() };
        wire.stream = Stream::Server(Box::new(StreamOwned::new(tls, tcp)));
        wire
    }

    /// Begins TLS, as a server. Octets that have been read already are the beginning of the ClientHello.
    pub fn speak_tls(&mut self, mut tls: ServerConnection) {
        let Stream::Plain(tcp) = &self.stream else { panic!("TLS already") };
        let tcp = tcp.try_clone().unwrap();
        let mut early = std::mem::take(&mut self.buffered);
        while !early.is_empty() {
            let taken = tls.read_tls(&mut early.as_slice()).unwrap();
            early.drain(..taken);
            tls.process_new_packets().unwrap();
        }
        self.stream = Stream::Server(Box::new(StreamOwned::new(tls, tcp)));
    }

    /// The certificate that the server showed, DER.
    pub fn server_certificate(&self) -> Vec<u8> {
        let Stream::Client(tls) = &self.stream else { panic!("not a TLS client") };
        tls.conn.peer_certificates().unwrap()[0].to_vec()
    }

    /// Whether the handshake resumed a session, on the client's side.
    pub fn is_resumed(&self) -> bool {
        let Stream::Client(tls) = &self.stream else { panic!("not a TLS client") };
        tls.conn.handshake_kind() == Some(rustls::HandshakeKind::Resumed)
    }

    /// The name that the client asked for by SNI.
    pub fn asked_name(&self) -> Option<String> {
        let Stream::Server(tls) = &self.stream else { return None };
        tls.conn.server_name().map(str::to_owned)
    }

    /// Whether the client showed a certificate.
    pub fn was_shown_a_certificate(&self) -> bool {
        matches!(&self.stream, Stream::Server(tls) if tls.conn.peer_certificates().is_some())
    }

    /// The protocol that ALPN has chosen, on the client's side.
    pub fn alpn(&self) -> Option<Vec<u8>> {
        let Stream::Client(tls) = &self.stream else { return None };
        tls.conn.alpn_protocol().map(<[u8]>::to_vec)
    }

    /// The address of the other side.
    pub fn peer(&self) -> IpAddr {
        self.stream.tcp().peer_addr().unwrap().ip()
    }

    /// The port of this end.
    pub fn local_port(&self) -> u16 {
        self.stream.tcp().local_addr().unwrap().port()
    }

    /// How long a read may wait.
    pub fn set_patience(&self, patience: Duration) {
        self.stream.tcp().set_read_timeout(Some(patience)).unwrap();
    }

    /// How long a write may wait.
    pub fn set_write_patience(&self, patience: Duration) {
        self.stream.tcp().set_write_timeout(Some(patience)).unwrap();
    }

    /// Sends these bytes.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.try_send(bytes).unwrap();
    }

    /// Sends these octets. An error: the other side does not take them any more.
    pub fn try_send(&mut self, bytes: impl AsRef<[u8]>) -> io::Result<()> {
        self.write_all(bytes.as_ref())?;
        self.flush()
    }

    /// Sends the pieces one by one, each in a segment of its own.
    pub fn send_pieces<'a>(&mut self, pieces: impl IntoIterator<Item = &'a [u8]>, pause: Duration) {
        for piece in pieces {
            if self.try_send(piece).is_err() {
                return;
            }
            thread::sleep(pause);
        }
    }

    /// Ends this direction: no more octets will be sent.
    pub fn finish(&mut self) {
        match &mut self.stream {
            Stream::Plain(_) => {}
            Stream::Client(tls) => {
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
            Stream::Server(tls) => {
                tls.conn.send_close_notify();
                let _ = tls.flush();
            }
        }
        let _ = self.stream.tcp().shutdown(Shutdown::Write);
    }

    /// Ends the connection with a reset.
    pub fn reset(&mut self) {
        let tcp = self.stream.tcp();
        socket2::SockRef::from(tcp).set_linger(Some(Duration::ZERO)).unwrap();
    }

    /// Reads some octets. Empty: the connection has ended in some way.
    pub fn some(&mut self) -> Vec<u8> {
        if !self.buffered.is_empty() {
            return std::mem::take(&mut self.buffered);
        }
        self.fill();
        std::mem::take(&mut self.buffered)
    }

    /// Puts octets back. They are read next.
    pub fn give_back(&mut self, bytes: &[u8]) {
        self.buffered.splice(..0, bytes.iter().copied());
    }

    /// Whether the other side has closed. It does not wait, and keeps octets that have come.
    pub fn is_closed(&mut self) -> bool {
        let mut space = [0; 1024];
        self.stream.tcp().set_nonblocking(true).unwrap();
        let read = self.read(&mut space);
        self.stream.tcp().set_nonblocking(false).unwrap();
        match read {
            Ok(0) => true,
            Ok(count) => {
                self.buffered.extend_from_slice(&space[..count]);
                false
            }
            Err(error) => error.kind() != ErrorKind::WouldBlock,
        }
    }

    /// Reads everything until the other side closes.
    pub fn rest(&mut self) -> Vec<u8> {
        while self.fill() {}
        std::mem::take(&mut self.buffered)
    }

    /// Reads exactly that many bytes.
    pub fn exactly(&mut self, count: usize) -> Vec<u8> {
        while self.buffered.len() < count {
            assert!(self.fill(), "closed after {} of {count} bytes", self.buffered.len());
        }
        self.buffered.drain(..count).collect()
    }

    /// Reads and forgets `count` octets, or all up to the end. Returns how many there were.
    pub fn swallow(&mut self, count: u64) -> u64 {
        let mut seen = 0;
        while seen < count {
            if self.buffered.is_empty() && !self.fill() {
                break;
            }
            seen += self.buffered.len() as u64;
            self.buffered.clear();
        }
        seen
    }

    /// Reads a message, without its body.
    pub fn try_head(&mut self) -> Option<Message> {
        let end = loop {
            if let Some(at) = memchr::memmem::find(&self.buffered, b"\r\n\r\n") {
                break at + 4;
            }
            if !self.fill() {
                assert!(
                    self.buffered.is_empty(),
                    "closed within a head: {:?}",
                    String::from_utf8_lossy(&self.buffered)
                );
                return None;
            }
        };
        let head: Vec<u8> = self.buffered.drain(..end).collect();
        let head = String::from_utf8_lossy(&head).into_owned();
        let mut lines = head.split("\r\n").filter(|line| !line.is_empty());
        let start = lines.next().unwrap_or_default().to_owned();
        Some(Message { start, headers: lines.map(field).collect(), body: Vec::new(), trailers: Vec::new() })
    }

    /// Reads a message, without its body.
    pub fn head(&mut self) -> Message {
        self.try_head().expect("a message, not the end of the connection")
    }

    /// Reads a request with its body. `None`: the connection has ended.
    pub fn try_request(&mut self) -> Option<Message> {
        let mut message = self.try_head()?;
        self.body(&mut message, false);
        Some(message)
    }

    /// Reads a request with its body.
    pub fn request(&mut self) -> Message {
        self.try_request().expect("a request, not the end of the connection")
    }

    /// Reads the response to a GET, interim responses left out.
    pub fn response(&mut self) -> Message {
        self.response_to("GET")
    }

    /// Reads the response to `method`, interim responses left out.
    pub fn response_to(&mut self, method: &str) -> Message {
        loop {
            let mut message = self.head();
            let status = message.status();
            if (100..200).contains(&status) && status != 101 {
                continue;
            }
            if method != "HEAD" && status != 204 && status != 304 && status != 101 {
                self.body(&mut message, true);
            }
            return message;
        }
    }

    /// Reads the body of `message`, by the message's framing.
    pub fn body(&mut self, message: &mut Message, until_close: bool) {
        if message.header("transfer-encoding").is_some_and(|coding| coding.eq_ignore_ascii_case("chunked")) {
            loop {
                let line = self.line();
                let size = line.split(';').next().unwrap_or_default().trim();
                let size = usize::from_str_radix(size, 16).unwrap_or_else(|_| panic!("chunk size {line:?}"));
                if size == 0 {
                    break;
                }
                let chunk = self.exactly(size);
                message.body.extend(chunk);
                assert_eq!(self.exactly(2), b"\r\n");
            }
            loop {
                let line = self.line();
                if line.is_empty() {
                    break;
                }
                message.trailers.push(field(&line));
            }
        } else if let Some(length) = message.header("content-length") {
            let length = length.parse().unwrap();
            message.body = self.exactly(length);
        } else if until_close {
            message.body = self.rest();
        }
    }

    /// Sends a request and reads its response.
    pub fn ask(&mut self, request: impl AsRef<[u8]>) -> Message {
        let request = request.as_ref();
        self.send(request);
        let method = request.split(|byte| *byte == b' ').next().unwrap_or_default();
        self.response_to(&String::from_utf8_lossy(method))
    }

    /// Sends a GET and reads its response.
    pub fn get(&mut self, host: &str, path: &str) -> Message {
        self.ask(format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n"))
    }

    fn line(&mut self) -> String {
        loop {
            if let Some(at) = memchr::memmem::find(&self.buffered, b"\r\n") {
                let line: Vec<u8> = self.buffered.drain(..at + 2).take(at).collect();
                return String::from_utf8_lossy(&line).into_owned();
            }
            assert!(self.fill(), "closed within a line");
        }
    }

    fn fill(&mut self) -> bool {
        let mut space = [0; 16 * 1024];
        match self.read(&mut space) {
            Ok(0) => false,
            Ok(count) => {
                self.buffered.extend_from_slice(&space[..count]);
                true
            }
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                panic!(
                    "nothing came and nobody closed; so far: {:?}",
                    String::from_utf8_lossy(&self.buffered)
                )
            }
            // A reset, or TLS without close_notify, is an end, too.
            Err(_) => false,
        }
    }
}

impl Read for Wire {
    fn read(&mut self, space: &mut [u8]) -> io::Result<usize> {
        let count = match &mut self.stream {
            Stream::Plain(tcp) => tcp.read(space),
            Stream::Client(tls) => tls.read(space),
            Stream::Server(tls) => tls.read(space),
        }?;
        if let Some(tap) = &mut self.tap {
            tap(&space[..count]);
        }
        Ok(count)
    }
}

impl Write for Wire {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        match &mut self.stream {
            Stream::Plain(tcp) => tcp.write(bytes),
            Stream::Client(tls) => tls.write(bytes),
            Stream::Server(tls) => tls.write(bytes),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        match &mut self.stream {
            Stream::Plain(tcp) => tcp.flush(),
            Stream::Client(tls) => tls.flush(),
            Stream::Server(tls) => tls.flush(),
        }
    }
}

fn field(line: &str) -> (String, String) {
    let (name, value) = line.split_once(':').unwrap_or((line, ""));
    (name.to_owned(), value.trim().to_owned())
}

fn connect(port: u16, source: Option<IpAddr>) -> io::Result<TcpStream> {
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP))?;
    // A test with thousands of clients uses nearly all ports. Without this another test's server could hardly listen on
    // every address.
    socket.set_reuse_address(true)?;
    if let Some(source) = source {
        socket.bind(&SocketAddr::new(source, 0).into())?;
    }
    socket.connect_timeout(&SocketAddr::from(([127, 0, 0, 1], port)).into(), PATIENCE)?;
    Ok(socket.into())
}
