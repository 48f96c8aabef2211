//! The admin API: which clients may use it, and how it is served (contract section 8): tokens, sessions, names, the
//! port, hostile clients.

mod dashboard;
mod hostile;
mod names;
mod port;
mod sessions;
mod tokens;

use std::os::unix::net::UnixStream;

use serde_json::Value;

use crate::harness::{Message, Portward, Setup, Wire, curl, eventually, free_port};

const RULES: &str =
    "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{ path = \"/\", tcp = 9 }]\n";

/// A daemon with `admin.listen` on a port of loopback.
struct Admin {
    portward: Portward,
    port: u16,
}

/// Starts a daemon with a port for administration.
fn start(setup: Setup) -> Admin {
    let port = free_port();
    let portward = setup.set("admin.listen", &format!("\"127.0.0.1:{port}\"")).start();
    let socket = portward.dir().join("portward.sock");
    eventually("the socket is there", || UnixStream::connect(&socket).is_ok());
    portward.line(&[&format!("administration on 127.0.0.1:{port}")]);
    Admin { portward, port }
}

fn usual() -> Admin {
    start(Portward::rules(RULES))
}

impl Admin {
    /// Asks over the socket. Returns status and JSON.
    fn socket(&self, method: &str, path: &str) -> (u16, Value) {
        let socket = self.portward.dir().join("portward.sock").display().to_string();
        let said = curl(&[
            "--unix-socket",
            &socket,
            "-X",
            method,
            "-w",
            "\n%{http_code}",
            &format!("http://portward{path}"),
        ]);
        let (json, status) = said.out.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), serde_json::from_str(json).unwrap_or_default())
    }

    /// The token, from the command.
    fn token(&self) -> String {
        self.socket("GET", "/v1/token").1["token"].as_str().unwrap().to_owned()
    }

    fn reading(&self) -> String {
        self.socket("GET", "/v1/token?read=1").1["token"].as_str().unwrap().to_owned()
    }

    /// The Host of the port.
    fn host(&self) -> String {
        format!("127.0.0.1:{}", self.port)
    }

    /// Asks over the port, with these further header lines and this body.
    fn ask(&self, method: &str, path: &str, fields: &[&str], body: &str) -> Message {
        ask(Wire::plain(self.port), &self.host(), (method, path), (fields, body))
    }

    /// Only the status of a request without a body.
    fn status(&self, method: &str, path: &str, fields: &[&str]) -> u16 {
        self.ask(method, path, fields, "").status()
    }
}

fn ask(mut wire: Wire, host: &str, (method, path): (&str, &str), (fields, body): (&[&str], &str)) -> Message {
    let fields: String = fields.iter().map(|field| format!("{field}\r\n")).collect();
    let length = body.len();
    wire.send(format!(
        "{method} {path} HTTP/1.1\r\nHost: {host}\r\n{fields}Content-Length: {length}\r\n\r\n{body}"
    ));
    wire.response_to(method)
}

fn bearer(token: &str) -> String {
    format!("Authorization: Bearer {token}")
}

fn json(message: &Message) -> Value {
    serde_json::from_slice(&message.body).unwrap_or_else(|error| panic!("{error}: {}", message.text()))
}
