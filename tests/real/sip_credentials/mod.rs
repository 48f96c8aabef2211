//! W5: ephemeral credentials in SIP (contract section 9). A target that records its octets shows what has reached the
//! PBX.

mod api;
mod browser;
mod first;
mod guard;
mod handshake;
mod kamailio;
mod later;
mod route;

use hmac::{Hmac, KeyInit as _, Mac as _};
use md5::{Digest as _, Md5};
use sha1::Sha1;
use sha2::Sha256;

use crate::harness::sip::{next_message, pbx};
use crate::harness::{Message, Portward, Setup, Target, Wire};

pub const SECRET: &str = "north";

/// The time `from_now` seconds from now, in seconds since 1970.
pub fn at(from_now: i64) -> i64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap();
    i64::try_from(now.as_secs()).unwrap() + from_now
}

pub fn base64(octets: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in octets.chunks(3) {
        let group =
            three.iter().fold(0_u32, |all, octet| all << 8 | u32::from(*octet)) << (8 * (3 - three.len()));
        for digit in 0..4 {
            let at = usize::try_from(group >> (18 - 6 * digit) & 63).unwrap();
            text.push(if digit <= three.len() { char::from(ALPHABET[at]) } else { '=' });
        }
    }
    text
}

/// A username and its password.
#[derive(Debug, Clone)]
pub struct Credential {
    pub username: String,
    pub password: String,
}

impl Credential {
    /// A credential made with this secret. The username may be anything.
    pub fn of(username: &str, secret: &str) -> Self {
        let mac = Hmac::<Sha1>::new_from_slice(secret.as_bytes()).unwrap();
        let password = base64(&mac.chain_update(username).finalize().into_bytes());
        Self { username: username.to_owned(), password }
    }

    /// A credential that is valid for five minutes.
    pub fn good(user: &str) -> Self {
        Self::of(&format!("{}:{user}", at(300)), SECRET)
    }
}

fn hex(octets: &[u8]) -> String {
    octets.iter().map(|octet| format!("{octet:02x}")).collect()
}

/// A challenge by Portward.
#[derive(Debug, Clone)]
pub struct Challenge {
    pub realm: String,
    pub nonce: String,
    pub algorithm: String,
    pub stale: bool,
    /// The header field for the client's answer.
    pub field: &'static str,
}

/// The value of a quoted parameter.
fn quoted(value: &str, name: &str) -> String {
    let from =
        value.find(&format!("{name}=\"")).unwrap_or_else(|| panic!("{name} in {value}")) + name.len() + 2;
    value[from..].split('"').next().unwrap().to_owned()
}

impl Challenge {
    /// All challenges of an answer, in their order.
    pub fn all(answer: &Message) -> Vec<Self> {
        let (name, field) = match answer.status() {
            401 => ("www-authenticate", "Authorization"),
            407 => ("proxy-authenticate", "Proxy-Authorization"),
            _ => panic!("no challenge: {answer:?}"),
        };
        let read = |value: &str| {
            assert_eq!(quoted(value, "qop"), "auth");
            let algorithm = value.split("algorithm=").nth(1).unwrap().split([',', ' ']).next().unwrap();
            Self {
                realm: quoted(value, "realm"),
                nonce: quoted(value, "nonce"),
                algorithm: algorithm.to_owned(),
                stale: value.contains("stale=true"),
                field,
            }
        };
        answer.all(name).into_iter().map(read).collect()
    }

    pub fn first(answer: &Message) -> Self {
        Self::all(answer).remove(0)
    }

    fn hash(&self, text: &str) -> String {
        match &*self.algorithm {
            "MD5" => hex(&Md5::digest(text)),
            "SHA-256" => hex(&Sha256::digest(text)),
            other => panic!("{other}"),
        }
    }

    /// The header line that answers it, for this method and Request-URI.
    pub fn answer(&self, credential: &Credential, (method, uri): (&str, &str), nc: u32) -> String {
        let Credential { username, password } = credential;
        let a1 = self.hash(&format!("{username}:{}:{password}", self.realm));
        let a2 = self.hash(&format!("{method}:{uri}"));
        let response = self.hash(&format!("{a1}:{}:{nc:08x}:c0ffee:auth:{a2}", self.nonce));
        format!(
            "{}: Digest username=\"{username}\", realm=\"{}\", nonce=\"{}\", uri=\"{uri}\", algorithm={}, \
             qop=auth, nc={nc:08x}, cnonce=\"c0ffee\", response=\"{response}\"\r\n",
            self.field, self.realm, self.nonce, self.algorithm
        )
    }
}

/// A request, as a telephone sends it.
#[derive(Debug, Clone)]
pub struct Request<'a> {
    pub method: &'a str,
    pub uri: &'a str,
    pub from: &'a str,
    pub to: &'a str,
    /// Further lines, each with its CRLF.
    pub more: String,
}

impl<'a> Request<'a> {
    pub fn of(method: &'a str, from: &'a str) -> Self {
        Self { method, uri: "sip:pbx.example", from, to: from, more: String::new() }
    }

    pub fn to(self, to: &'a str) -> Self {
        Self { to, ..self }
    }

    pub fn with(&self, more: &str) -> Self {
        Self { more: format!("{}{more}", self.more), ..self.clone() }
    }

    pub fn text(&self) -> String {
        let Self { method, uri, from, to, more } = self;
        let to = if to.contains('<') { (*to).to_owned() } else { format!("<sip:{to}>") };
        let from = if from.contains('<') { (*from).to_owned() } else { format!("<sip:{from}>") };
        format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
             From: {from};tag=a\r\nTo: {to}\r\nCall-ID: 1@x\r\nCSeq: 1 {method}\r\n{more}Content-Length: 0\r\n\r\n"
        )
    }

    pub fn answered(&self, challenge: &Challenge, credential: &Credential, nc: u32) -> Self {
        self.with(&challenge.answer(credential, (self.method, self.uri), nc))
    }
}

/// The answer to a request.
pub fn ask(client: &mut Wire, request: &Request<'_>) -> Message {
    client.send(request.text());
    next_message(client).expect("an answer")
}

/// Logs in by digest. Returns the answer after that.
pub fn log_in(client: &mut Wire, request: &Request<'_>, credential: &Credential) -> Message {
    let challenge = Challenge::first(&ask(client, request));
    ask(client, &request.answered(&challenge, credential, 1))
}

/// The server in an answer. The PBX names one, Portward does not.
pub fn server(answer: &Message) -> Option<&str> {
    answer.header("server")
}

/// A PBX behind hosts that demand credentials, and Portward before it.
pub struct House {
    pub pbx: Target,
    pub portward: Portward,
}

impl House {
    /// `rules` contains `SIP` where the rule of the PBX belongs.
    pub fn start(rules: &str, more: impl FnOnce(Setup) -> Setup) -> Self {
        Self::with(pbx("pbx"), rules, more)
    }

    /// The same with this PBX.
    pub fn with(pbx: Target, rules: &str, more: impl FnOnce(Setup) -> Setup) -> Self {
        let sip = format!("target = \"127.0.0.1\", tcp = {}, credentials = \"ephemeral\"", pbx.port());
        let rules = rules.replace("SIP", &sip);
        let setup = Portward::rules(&rules)
            .certificate("server", &["pbx.example", "web.example"])
            .listen("sip")
            .listen("sips")
            .set("sip.secrets", &format!("[\"{SECRET}\"]"));
        Self { pbx, portward: more(setup).start() }
    }

    /// A house with one host. Its credentials are made with [`SECRET`].
    pub fn plain() -> Self {
        Self::start("[[host]]\nname = \"pbx.example\"\nsip = { SIP }\n", |setup| setup)
    }

    pub fn tcp(&self) -> Wire {
        Wire::plain(self.portward.port("sip"))
    }

    pub fn tls(&self) -> Wire {
        Wire::tls(self.portward.port("sips"), "pbx.example")
    }
}
