//! The tests' harness: the real program, real servers, targets that record, clients that send exact octets.
//!
//! Everything is on loopback, every wait has a deadline, and every process that a test starts ends with the test.

pub mod baresip;
mod cable;
mod child;
mod chromium;
mod curl;
pub mod directory;
pub mod h323;
pub mod kamailio;
mod manager;
mod namespace;
mod nginx;
mod node;
pub mod pjsip;
mod portward;
mod python;
pub mod sip;
mod slapd;
mod target;
mod tls;
mod websocket;
mod wire;

use std::net::{TcpListener, TcpStream};
use std::panic::resume_unwind;
use std::sync::mpsc::{RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

pub use cable::Cable;
pub use child::{Child, program};
pub use chromium::{Chromium, Page};
pub use curl::curl;
pub use manager::ServiceManager;
pub use namespace::Namespace;
pub use nginx::Nginx;
pub use node::node_file;
pub use portward::{OTHER, Output, Portward, Setup, command};
pub use python::python;
pub use slapd::{PASSWORD, Said, Slapd, ldap_tool};
pub use target::{Conn, Recorder, Target, ok};
pub use tls::{Identity, TestCa, client_config, client_config_with};
pub use websocket::{WebSocketEcho, web_socket};
pub use wire::{Message, Wire};

/// How long a test waits for an immediate event. It is long, because machines are shared.
pub const PATIENCE: Duration = Duration::from_secs(15);

/// Runs a test body under its own time limit. If it hangs, its programs are ended.
pub fn within<T: Send + 'static>(seconds: u64, body: impl FnOnce() -> T + Send + 'static) -> T {
    let (done, finished) = channel();
    let thread = thread::current();
    let test = thread.name().unwrap_or("test").to_owned();
    let worker = thread::Builder::new()
        .name(test.clone())
        .spawn(move || {
            let value = body();
            let _ = done.send(());
            value
        })
        .unwrap();
    match finished.recv_timeout(Duration::from_secs(seconds)) {
        Ok(()) | Err(RecvTimeoutError::Disconnected) => match worker.join() {
            Ok(value) => value,
            Err(panic) => resume_unwind(panic),
        },
        Err(RecvTimeoutError::Timeout) => {
            child::end_all_of(worker.thread().id());
            panic!("{test} was not done within {seconds} s");
        }
    }
}

/// Waits until `condition` holds, or fails the test with `what`.
pub fn eventually(what: &str, mut condition: impl FnMut() -> bool) {
    let deadline = Instant::now() + PATIENCE;
    while !condition() {
        assert!(Instant::now() < deadline, "waited {PATIENCE:?} in vain: {what}");
        thread::sleep(Duration::from_millis(20));
    }
}

/// A free port.
///
/// The kernel does not give it to another program for a while, because a connection to it is in TIME_WAIT. A server
/// that sets SO_REUSEADDR can still use it.
pub fn free_port() -> u16 {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let client = TcpStream::connect(address).unwrap();
    let (server, _) = listener.accept().unwrap();
    drop(server);
    drop(client);
    address.port()
}
