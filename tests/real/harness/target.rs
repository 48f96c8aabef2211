//! Targets for tests: they record every connection and every octet, and answer as the test says.

use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::ops::{Deref, DerefMut};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

use rustls::ServerConnection;

use super::{Identity, Message, Wire};

/// A connection as the target sees it.
pub struct Conn {
    wire: Wire,
    /// The number of the connection at this target, from 0.
    pub number: usize,
}

impl Deref for Conn {
    type Target = Wire;

    fn deref(&self) -> &Wire {
        &self.wire
    }
}

impl DerefMut for Conn {
    fn deref_mut(&mut self) -> &mut Wire {
        &mut self.wire
    }
}

#[derive(Default)]
struct Seen {
    received: Mutex<Vec<Vec<u8>>>,
    closed: Mutex<Vec<usize>>,
    stop: AtomicBool,
    forgets: AtomicBool,
}

/// A listening target. It stops listening when it is dropped.
pub struct Target {
    address: SocketAddr,
    seen: Arc<Seen>,
}

/// A target that never answers. It shows whether anything arrived.
pub type Recorder = Target;

impl Target {
    /// Listens on 127.0.0.1, records, never answers.
    pub fn recorder() -> Recorder {
        Self::scripted(|conn| while !conn.some().is_empty() {})
    }

    /// Listens on 127.0.0.1 and runs `script` on every connection.
    pub fn scripted(script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Self {
        Self::listen(Ipv4Addr::LOCALHOST, None, script)
    }

    /// The same with TLS.
    pub fn scripted_tls(identity: &Identity, script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Self {
        Self::listen(Ipv4Addr::LOCALHOST, Some(identity), script)
    }

    /// Answers every request with the octets that `answer` makes of it. Connections are kept.
    pub fn http<B: AsRef<[u8]>>(answer: impl Fn(&Message, usize) -> B + Send + Sync + 'static) -> Self {
        Self::http_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), answer)
    }

    /// The same at an address and a port of the test's choice.
    pub fn http_at<B: AsRef<[u8]>>(
        address: SocketAddr,
        answer: impl Fn(&Message, usize) -> B + Send + Sync + 'static,
    ) -> Self {
        Self::listen_at(address, None, move |conn| {
            while let Some(request) = conn.try_request() {
                let number = conn.number;
                if conn.try_send(answer(&request, number)).is_err() {
                    return;
                }
            }
        })
    }

    /// Answers every request with `name` as the body.
    pub fn named(name: &'static str) -> Self {
        Self::http(move |_, _| ok(name))
    }

    /// Answers every request with the request as it was received, without its body.
    pub fn mirror() -> Self {
        Self::http(|request, _| ok(&mirrored(request)))
    }

    /// Listens on a loopback address of the test's choice.
    pub fn listen(
        ip: Ipv4Addr,
        identity: Option<&Identity>,
        script: impl Fn(&mut Conn) + Send + Sync + 'static,
    ) -> Self {
        Self::listen_at(SocketAddr::from((ip, 0)), identity, script)
    }

    /// The same on a port of the test's choice, which another target may use on another address.
    pub fn listen_at(
        address: SocketAddr,
        identity: Option<&Identity>,
        script: impl Fn(&mut Conn) + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind(address).unwrap();
        let address = listener.local_addr().unwrap();
        let seen = Arc::new(Seen::default());
        let tls = identity.map(Identity::server_config);
        let script = Arc::new(script);
        let shared = Arc::clone(&seen);
        thread::spawn(move || {
            for tcp in listener.incoming() {
                if shared.stop.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(tcp) = tcp else { continue };
                let number = {
                    let mut received = shared.received.lock().unwrap();
                    received.push(Vec::new());
                    received.len() - 1
                };
                let tls = tls.clone().map(|config| ServerConnection::new(config).unwrap());
                let (seen, script) = (Arc::clone(&shared), Arc::clone(&script));
                thread::spawn(move || serve(tcp, tls, number, &seen, script.as_ref()));
            }
        });
        Self { address, seen }
    }

    /// Stops recording the received octets, for large bodies.
    pub fn forgetful(self) -> Self {
        self.seen.forgets.store(true, Ordering::SeqCst);
        self
    }

    /// The port on which it listens.
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// How many connections it has seen.
    pub fn connections(&self) -> usize {
        self.seen.received.lock().unwrap().len()
    }

    /// How many bytes it has received in all.
    pub fn bytes(&self) -> usize {
        self.seen.received.lock().unwrap().iter().map(Vec::len).sum()
    }

    /// The octets that it has received on one connection, counted from 0.
    pub fn received(&self, number: usize) -> Vec<u8> {
        self.seen.received.lock().unwrap().get(number).cloned().unwrap_or_default()
    }

    /// All octets that it has received, as text.
    pub fn transcript(&self) -> String {
        let received = self.seen.received.lock().unwrap();
        received.iter().map(|bytes| String::from_utf8_lossy(bytes).into_owned()).collect()
    }

    /// Whether the script of that connection has ended.
    pub fn closed(&self, number: usize) -> bool {
        self.seen.closed.lock().unwrap().contains(&number)
    }

    /// Fails the test if anything arrived here.
    pub fn assert_untouched(&self, why: &str) {
        assert_eq!(
            (self.connections(), self.bytes()),
            (0, 0),
            "{why}: the target saw {:?}",
            self.transcript()
        );
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.seen.stop.store(true, Ordering::SeqCst);
        let _ = TcpStream::connect(self.address);
    }
}

fn serve(
    tcp: TcpStream,
    tls: Option<ServerConnection>,
    number: usize,
    seen: &Arc<Seen>,
    script: &(impl Fn(&mut Conn) + ?Sized),
) {
    let mut wire = match tls {
        Some(tls) => Wire::serve_tls(tcp, tls),
        None => Wire::over(tcp),
    };
    // The proxy may keep connections for a long time.
    wire.set_patience(std::time::Duration::from_secs(120));
    let record = Arc::clone(seen);
    wire.tap = Some(Box::new(move |bytes| {
        if !record.forgets.load(Ordering::SeqCst) {
            record.received.lock().unwrap()[number].extend_from_slice(bytes);
        }
    }));
    script(&mut Conn { wire, number });
    seen.closed.lock().unwrap().push(number);
}

/// A response with Content-Length.
pub fn ok(body: &str) -> Vec<u8> {
    format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len()).into_bytes()
}

fn mirrored(request: &Message) -> String {
    let mut text = format!("{}\n", request.start);
    for (name, value) in &request.headers {
        text += &format!("{}: {value}\n", name.to_ascii_lowercase());
    }
    text
}
