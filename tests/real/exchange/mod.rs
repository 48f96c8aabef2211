//! Issue 22, item 2: credentials that Portward makes, by `portward token` and by `exchange = "sip"` (contract section
//! 9).

mod cors;
mod counting;
mod http;
mod kamailio;
mod token;

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use serde_json::{Value, json};

use crate::harness::{Message, Portward, Recorder, Setup, Target, Wire, curl, eventually, program};

/// The host of the exchange.
pub const HOST: &str = "webrtc.example.net";

/// Tenants with and without secrets, their exchanges, and their SIP domains. `RECORDER` is the port of a target at
/// which nothing may arrive.
const RULES: &str = r#"
[tenant.XYZ]
secrets = ["newest of XYZ", "older of XYZ"]
[tenant.OTHER]
secrets = ["of OTHER"]
[tenant.GONE]
enabled = false
secrets = ["of GONE"]
[tenant.BARE]
[tenant.BELOW]
parent = "XYZ2"
secrets = ["of BELOW"]
target = "127.0.0.1"
realms = ["below.example"]
[tenant.XYZ2]
[tenant.HOUSE]
secrets = ["of HOUSE"]
[[host]]
name = "webrtc.example.net"
http = [
  { path = "/sip", websocket = "sip", websocket_wait = "90s", origins = ["https://www.customer.example", "none"] },
  { path = "/token/{tenant}", exchange = "sip", origins = ["https://www.customer.example"], uris = ["wss://webrtc.example.net/sip", "sips:voxbone.example"] },
  { path = "/plain/{tenant}", exchange = "sip", uris = ["wss://webrtc.example.net/sip", "sips:voxbone.example"] },
  { path = "/secure/{tenant}", exchange = "sip", uris = ["wss://webrtc.example.net/sip"], redirect = "https" },
  { path = "", target = "127.0.0.1", tcp = RECORDER },
]
[[host]]
name = "house.example.net"
tenant = "HOUSE"
http = [{ path = "/token", exchange = "sip", uris = ["wss://webrtc.example.net/sip", "sips:voxbone.example"] }]
[[host]]
name = "voxbone.example"
sip = { target = "127.0.0.1", tcp = RECORDER, tls = false }
[[host]]
name = "xyz.example"
tenant = "OTHER"
sip = { target = "127.0.0.1", tcp = RECORDER, tls = false }
[[host]]
name = "house.example"
tenant = "HOUSE"
sip = { target = "127.0.0.1", tcp = RECORDER, tls = false }
[[host]]
name = "second.house.example"
tenant = "HOUSE"
sip = { target = "127.0.0.1", tcp = RECORDER, tls = false }
"#;

/// Portward, and a target at which nothing may arrive.
pub struct Door {
    pub portward: Portward,
    recorder: Recorder,
}

impl Door {
    pub fn open() -> Self {
        Self::with(|setup| setup)
    }

    pub fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        Self::start(RULES.to_owned(), change)
    }

    pub fn with_rules(change: impl FnOnce(String) -> String) -> Self {
        Self::start(change(RULES.to_owned()), |setup| setup)
    }

    fn start(rules: String, change: impl FnOnce(Setup) -> Setup) -> Self {
        let recorder = Target::recorder();
        let rules = rules.replace("RECORDER", &recorder.port().to_string());
        let setup = Portward::rules(&rules)
            .set("sip.secrets", "[\"newest of sip\", \"of sip\"]")
            .set("sip.max_lifetime", "\"1h\"")
            .set("admin.hosts", "\"any\"");
        let portward = change(setup).start();
        eventually("it can be asked", || {
            std::os::unix::net::UnixStream::connect(portward.dir().join("portward.sock")).is_ok()
        });
        Self { portward, recorder }
    }

    pub fn wire(&self) -> Wire {
        self.portward.tls(HOST)
    }

    /// The answer to a request with this body.
    pub fn ask(&self, method: &str, path: &str, fields: &str, body: &[u8]) -> Message {
        let mut wire = self.wire();
        wire.send(format!(
            "{method} {path} HTTP/1.1\r\nHost: {HOST}\r\n{fields}Content-Length: {}\r\n\r\n",
            body.len()
        ));
        wire.send(body);
        if method == "OPTIONS" { wire.head() } else { wire.response() }
    }

    /// Brings a credential to a tenant's exchange.
    pub fn post(&self, tenant: &str, body: &Value) -> Message {
        self.at(HOST, &format!("/token/{tenant}"), body)
    }

    /// Brings a credential to a path of a host.
    pub fn at(&self, host: &str, path: &str, body: &Value) -> Message {
        let body = body.to_string();
        let mut wire = self.portward.tls(host);
        wire.send(format!(
            "POST {path} HTTP/1.1\r\nHost: {host}\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            body.len()
        ));
        wire.response()
    }

    /// Asserts that a request was refused, for this reason.
    pub fn is_refused(&self, answer: &Message, status: u16, reason: &str) {
        let json: Value = serde_json::from_slice(&answer.body).unwrap_or_else(|_| panic!("{answer:?}"));
        assert_eq!((answer.status(), &json["reason"]), (status, &reason.into()), "{answer:?}");
        assert!(json["error"].is_string() && json.as_object().unwrap().len() == 2, "{json}");
        assert_eq!(answer.header("content-type"), Some("application/json"));
    }

    /// An answer of the API.
    pub fn api(&self, method: &str, path: &str, body: Option<&Value>) -> Value {
        let socket = self.portward.dir().join("portward.sock").display().to_string();
        let url = format!("http://portward/v1/{path}");
        let body = body.map(Value::to_string);
        let mut args = vec!["--unix-socket", &socket, "--fail-with-body", "-X", method, &url];
        args.extend(body.iter().flat_map(|body| ["--data-binary", body.as_str()]));
        let said = curl(&args);
        assert_eq!(said.code, 0, "{said:?}");
        serde_json::from_str(&said.out).unwrap()
    }

    /// Asserts that no line has a secret, or this password.
    pub fn says_no_secret(&self, password: &str) {
        let lines = self.portward.lines().join("\n");
        for secret in ["newest of", "older of", "of OTHER", "of HOUSE", password] {
            assert!(!lines.contains(secret), "{secret}: {lines}");
        }
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert_eq!(self.recorder.connections(), 0, "nothing arrives at a target");
        }
    }
}

/// A credential of a user that expires at this time.
pub fn brought(expires: u64, user: &str, secret: &str) -> Value {
    let username = format!("{expires}:{user}");
    json!({ "password": password("sha1", secret, &username), "username": username })
}

/// The same as a form.
pub fn form(username: &str, password: &str) -> String {
    let encoded = |text: &str| -> String { text.bytes().map(|octet| format!("%{octet:02x}")).collect() };
    format!("username={}&password={}", encoded(username), encoded(password))
}

/// Asserts that an answer has a credential of `name` under the newest secret of `[sip]`, valid for `ttl` seconds.
pub fn assert_given(answer: &Message, ttl: u64, name: &str) {
    assert_eq!(answer.status(), 200, "{answer:?}");
    let json: Value = serde_json::from_slice(&answer.body).unwrap();
    let username = json["username"].as_str().unwrap();
    let (expires, said) = username.split_once(':').unwrap();
    assert_eq!(said, name, "{json}");
    let left = expires.parse::<u64>().unwrap().saturating_sub(now());
    let given = json["ttl"].as_u64().unwrap();
    assert!(left <= ttl && left + 45 >= ttl && given <= ttl && given + 45 >= ttl, "{ttl}: {json}");
    assert_eq!(json["password"], password("sha1", "newest of sip", username), "{json}");
    assert_eq!(json["uris"], json!(["wss://webrtc.example.net/sip", "sips:voxbone.example"]));
    assert_eq!(json.as_object().unwrap().len(), 4, "{json}");
    assert_eq!(answer.header("content-type"), Some("application/json"));
}

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The password of a username, made by OpenSSL: base64(HMAC-SHA1(secret, username)). `hash` is `sha1` or `sha256`.
pub fn password(hash: &str, secret: &str, username: &str) -> String {
    let mac = run("openssl", &["dgst", &format!("-{hash}"), "-hmac", secret, "-binary"], username.as_bytes());
    let base64 = run("openssl", &["base64", "-A"], &mac);
    String::from_utf8(base64).unwrap()
}

fn run(name: &str, args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program(name, name))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{name} {args:?}");
    output.stdout
}
