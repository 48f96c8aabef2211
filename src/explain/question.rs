//! Makes a question about a past decision, for `POST /v1/explain` (contract section 8). It is made from the kept parts
//! of the decision. No I/O.
//!
//! The current rules answer the question, so the answer may differ from the decision. The question must mean the same
//! as the client's request. So each URL is read again, and a URL with another meaning gives no question. There is no
//! question either if too little was kept: no host is named, a text was cut, or a part that was not kept has decided
//! (the dialog of a SIP request, the user and password in a Host).

use std::fmt::Write as _;
use std::net::IpAddr;

use serde_json::{Map, Value};

use super::Grounds;
use super::sip::split;
use super::url::{Page, Url, What};
use crate::cause::Cause;
use crate::inspect::ldap::{Operation, bind_name};
use crate::inspect::sip::{unescaped, uri};
use crate::log::Subject;
use crate::proof::{self, Names};
use crate::reason::Reason;
use crate::rules::decide::{self, Scratch};
use crate::rules::name::{NameBuf, from_wire, split_host_port};
use crate::rules::path::request_path;
use crate::service::{Carrier, Service, Transport};

/// The kept parts of a decision.
#[derive(Debug, Clone, Copy)]
pub struct PastDecision<'a> {
    /// The service.
    pub service: Service,
    /// The carrier of the client's connection.
    pub carrier: Carrier,
    /// The client's address: the peer's, or the one that a trusted balancer names.
    pub client: IpAddr,
    /// The subject of the decision. Nothing of it was cut.
    pub subject: Subject<'a>,
    /// The reason, if it was refused.
    pub reason: Option<Reason>,
    /// Whether it opened a WebSocket with SIP.
    pub websocket: bool,
}

/// The question for `POST /v1/explain`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The URL.
    pub url: String,
    /// The client.
    pub from: IpAddr,
    /// The names that its certificate has proven, such as `CN=ckl`.
    pub cert: Option<String>,
    /// The name of a bind.
    pub bind: Option<String>,
    /// The name that was registered.
    pub alias: Option<String>,
    /// The number that was registered.
    pub number: Option<String>,
    /// The reason of the refusal, if the question cannot reproduce it.
    pub reason: Option<Reason>,
}

impl Question {
    /// The question about a decision. `None`: there is none.
    pub fn of(grounds: &Grounds<'_>, past: &PastDecision<'_>) -> Option<Self> {
        let asked = match past.subject {
            Subject::Unknown => None,
            Subject::Http { host, method, target, .. } => past.page(grounds, (host, method, target)),
            Subject::Signalling { who, verb, name, .. } => match past.service {
                Service::Sip => past.phone(grounds, who, verb),
                Service::Ldap => past.bind(who, verb, name),
                Service::H323 => past.endpoint(who, verb, name),
                Service::Http => None,
            },
        };
        asked.map(|asked| Self { cert: past.certificate(), ..asked })
    }

    /// The question as an object. Empty fields are left out.
    pub fn to_json(&self) -> Value {
        let Self { url, from, cert, bind, alias, number, reason } = self;
        let mut json = Map::new();
        let mut put = |name: &str, value: Value| json.insert(name.to_owned(), value);
        put("url", url.as_str().into());
        put("from", from.to_string().into());
        for (name, text) in [("cert", cert), ("bind", bind)] {
            text.as_deref().map(|text| put(name, text.into()));
        }
        for (name, text) in [("alias", alias), ("number", number)] {
            text.as_deref().map(|text| put(name, vec![text].into()));
        }
        reason.map(|reason| put("reason", reason.name().into()));
        Value::Object(json)
    }
}

impl PastDecision<'_> {
    fn question(&self, url: String) -> Question {
        let reason = self.reason.filter(|reason| !reason.is_of_rules());
        let from = self.client.to_canonical();
        Question { url, from, cert: None, bind: None, alias: None, number: None, reason }
    }

    fn transport(&self) -> Transport {
        self.carrier.transport()
    }

    /// An HTTP request. The part of `target` before a question mark is its path. The query was not kept.
    fn page(&self, grounds: &Grounds<'_>, (host, method, target): (&[u8], &[u8], &[u8])) -> Option<Question> {
        let path = target.split(|octet| *octet == b'?').next().unwrap_or_default();
        // Such a request may be malformed in another part than its name. Then a GET with the same name and path would
        // be let in.
        if self.reason == Some(Reason::Malformed) && normal(host).is_some() {
            return None;
        }
        let websocket = self.websocket || method == b"GET" && self.opens(grounds, host, path);
        let scheme = match (websocket, self.transport()) {
            (true, Transport::Plain) => Carrier::Ws.name(),
            (true, Transport::Tls) => Carrier::Wss.name(),
            (false, transport) => Service::Http.scheme(transport),
        };
        let name = str::from_utf8(host).ok().filter(|name| !name.is_empty())?;
        let is_same = |url: &Url| {
            let What::Http(page) = url.what() else { return false };
            url.transport() == self.transport() && page.websocket == websocket && is_page(page, host, path)
        };
        // The path is escaped as RFC 3986 demands. If that gives another path, it is kept as it came.
        let escapes: [&[u8]; 2] = [b"#\"<>^`{|}\\", b"#"];
        let url = |escaped: &&[u8]| format!("{scheme}://{name}{}", escaped_path(path, escaped));
        let url = escapes.iter().map(url).find(|text| Url::parse(text).is_ok_and(|url| is_same(&url)))?;
        Some(self.question(url))
    }

    /// Whether a refused request to a rule with WebSockets must have tried to open one.
    fn opens(&self, grounds: &Grounds<'_>, host: &[u8], path: &[u8]) -> bool {
        let decided = || decide::http(grounds.table, self.transport(), host, path, &mut Scratch::default());
        match self.reason {
            // An ordinary request is told to open a WebSocket.
            None | Some(Reason::Malformed) => false,
            // A WebSocket to a PBX port at which SIP needs a credential.
            Some(Reason::NoPath) => decided().is_ok(),
            Some(_) => decided().is_ok_and(|decision| decision.rule.websocket().is_some()),
        }
    }

    /// A SIP request, by From.
    fn phone(&self, grounds: &Grounds<'_>, who: &[u8], verb: &[u8]) -> Option<Question> {
        let verb = str::from_utf8(verb).ok().filter(|verb| !verb.is_empty())?;
        let (user, host) = match memchr::memrchr(b'@', who) {
            Some(at) => (who.get(..at)?, who.get(at + 1..)?),
            None => (&[][..], who),
        };
        let config = grounds.config;
        let withheld = proof::sip::is_withheld(&[b"sip:", who].concat());
        let by_from = !withheld
            && config.sip.methods.iter().any(|method| **method == *verb)
            && decide::host_named(grounds.table, host).is_ok();
        // Otherwise a route entry of Portward, a realm or another name has decided.
        if self.reason == Some(Reason::Malformed) || self.reason.is_none() && !by_from {
            return None;
        }
        let name = str::from_utf8(host).ok()?;
        let mut url = format!("{}:", Service::Sip.scheme(self.transport()));
        if !user.is_empty() {
            put_escaped(&mut url, user, &[]);
            url.push('@');
        }
        url.push_str(name);
        if verb != if withheld { "INVITE" } else { "REGISTER" } {
            url.extend([";method=", verb]);
        }
        let read = Url::parse(&url).ok()?;
        let What::Sip(text) = read.what() else { return None };
        let (method, from) = split(text);
        let cut = uri(from.as_bytes())?;
        let is_same = cut.host == host
            && cut.port.is_none()
            && unescaped(cut.user).eq(unescaped(user))
            && method.is_none_or(|method| method == verb);
        is_same.then(|| self.question(url))
    }

    /// An LDAP bind.
    fn bind(&self, domain: &[u8], verb: &[u8], user: &[u8]) -> Option<Question> {
        if verb != Operation::Bind.name().as_bytes()
            || matches!(self.reason, Some(Reason::Malformed | Reason::Method))
        {
            return None;
        }
        let (domain, user) = (str::from_utf8(domain).ok()?, str::from_utf8(user).ok()?);
        let plain = || domain.bytes().all(|octet| octet.is_ascii_alphanumeric() || b"-._".contains(&octet));
        let host = Some(domain).filter(|_| plain()).unwrap_or_default();
        let url = format!("{}://{host}", Service::Ldap.scheme(self.transport()));
        Url::parse(&url).ok()?;
        // A bind without a user goes where its domain goes, so any user will do.
        let user = Some(user).filter(|user| !user.is_empty()).unwrap_or("user");
        let names = match domain {
            "" => [user.to_owned(), format!("CN={}", escaped_value(user))],
            _ => [
                format!("{domain}\\{user}"),
                format!("CN={},DC={}", escaped_value(user), domain.replace('.', ",DC=")),
            ],
        };
        let is_same = |name: &String| {
            bind_name(name.as_bytes()).is_ok_and(|read| {
                read.0.eq_ignore_ascii_case(domain.as_bytes()) && &*read.1 == user.as_bytes()
            })
        };
        let name = names.into_iter().find(is_same)?;
        Some(Question { bind: Some(name), ..self.question(url) })
    }

    /// A registration, or a call, which names its host in another place.
    fn endpoint(&self, who: &[u8], verb: &[u8], name: &[u8]) -> Option<Question> {
        let is_known = matches!(verb, b"GRQ" | b"RRQ" | b"SETUP");
        if !is_known || self.reason == Some(Reason::Malformed) || verb == b"SETUP" && who.contains(&b'@') {
            return None;
        }
        let (who, name) = (str::from_utf8(who).ok()?, str::from_utf8(name).ok()?);
        let url = format!("{}:{who}", Service::H323.scheme(self.transport()));
        let read = Url::parse(&url).ok()?;
        if *read.what() != What::H323(who.to_owned()) {
            return None;
        }
        let is_number = !name.is_empty() && name.bytes().all(|octet| octet.is_ascii_digit());
        let shown = || Some(name.to_owned()).filter(|name| verb != b"SETUP" && !name.is_empty());
        let (alias, number) = if is_number { (None, shown()) } else { (shown(), None) };
        Some(Question { alias, number, ..self.question(url) })
    }

    /// The names of a certificate that has proven all claimed names. If a certificate has not proven them, the question
    /// has none.
    fn certificate(&self) -> Option<String> {
        let Subject::Signalling { certificate, unproven: None::<Cause>, .. } = self.subject else {
            return None;
        };
        let names = certificate.strip_prefix("ok(")?.strip_suffix(')')?;
        let mut common = false;
        let kinds = names.split(',').map(|name| match name {
            name if name.contains('@') => format!("EMAIL={name}"),
            // Common names come first, and all of them must be the claimed name.
            name if !std::mem::replace(&mut common, true) => format!("CN={name}"),
            name => format!("DNS={name}"),
        });
        let names = kinds.collect::<Vec<_>>().join(",");
        Names::parse(&names).map(|_| names)
    }
}

/// Whether a page has this Host and this path, both in compared form.
fn is_page(page: &Page, host: &[u8], path: &[u8]) -> bool {
    let (mut one, mut other) = (Vec::new(), Vec::new());
    let same_path = request_path(page.path.as_bytes(), &mut one) == request_path(path, &mut other);
    let same_host = match (normal(page.host.as_bytes()), normal(host)) {
        (None, None) => page.host.as_bytes() == host,
        (one, other) => one == other,
    };
    same_path && same_host
}

/// A Host without its port, in compared form. `None`: it is no name.
fn normal(host: &[u8]) -> Option<String> {
    let (name, _port) = split_host_port(host).ok()?;
    from_wire(name, &mut NameBuf::default()).ok().map(ToOwned::to_owned)
}

/// A path in the form of a URL. Octets in `escaped`, and octets that are no visible ASCII characters, are
/// percent-encoded.
fn escaped_path(path: &[u8], escaped: &[u8]) -> String {
    let mut text = String::with_capacity(path.len());
    put_escaped(&mut text, path, escaped);
    text
}

fn put_escaped(out: &mut String, text: &[u8], escaped: &[u8]) {
    for octet in text {
        if octet.is_ascii_graphic() && !escaped.contains(octet) {
            out.push(char::from(*octet));
        } else {
            // Writing to a String does not fail.
            let _ = write!(out, "%{octet:02X}");
        }
    }
}

/// The value of an attribute. Octets that are no letters or digits are in hexadecimal (RFC 4514 §2.4).
fn escaped_value(value: &str) -> String {
    let mut text = String::with_capacity(value.len());
    for octet in value.bytes() {
        match octet.is_ascii_alphanumeric() {
            true => text.push(char::from(octet)),
            false => {
                let _ = write!(text, "\\{octet:02x}");
            }
        }
    }
    text
}
