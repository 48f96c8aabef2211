//! Decision lines, in words (`text`) or in JSON (`fields`). HTTP has one line a request, the other services one a
//! connection.

mod fields;
mod text;

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};

use super::escape::escape;
use crate::cause::{Cause, Failure};
use crate::credentials::brought::is_secret_name;
use crate::ending::Ending;
use crate::reason::Reason;
use crate::service::{Carrier, Service};

/// A host name has at most 255 bytes.
const HOST_CAP: usize = 255;
/// The cap of a path: enough to recognise it.
const PATH_CAP: usize = 256;
/// The cap of a URL: scheme, host, port and path.
const URL_CAP: usize = "https://:65535".len() + HOST_CAP + PATH_CAP;
const METHOD_CAP: usize = 32;
/// The cap of a user's name.
const NAME_CAP: usize = 128;

/// What the client asked for.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// Nothing could be read.
    Unknown,
    /// An HTTP request.
    Http {
        /// The Host, as the client sent it.
        host: &'a [u8],
        /// The method.
        method: &'a [u8],
        /// Path and query.
        target: &'a [u8],
        /// `HTTP/1.1` or `HTTP/1.0`.
        version: &'static str,
        /// The user who logged in. Empty: no login was demanded, or the login named no known user.
        user: &'a [u8],
    },
    /// What decided a connection of another service: a SIP request, an LDAP bind or an H.323 registration.
    Signalling {
        /// What is asked for: `user@host` of the From URI, the host of a bind, or the gatekeeper identifier.
        who: &'a [u8],
        /// SIP method, LDAP operation, H.323 message.
        verb: &'a [u8],
        /// The user of a bind, the alias of a registration; may be empty.
        name: &'a [u8],
        /// The verdict on the client's certificate. Empty: no certificate was requested.
        certificate: &'a str,
        /// Why the certificate does not prove this name. `None`: it proves the name, or nothing had to be proven.
        unproven: Option<Cause>,
    },
}

/// What became of the request or connection.
#[derive(Debug, Clone)]
pub enum Outcome<'a> {
    /// It was forwarded to a target.
    Forwarded {
        /// The target's address.
        to: SocketAddr,
        /// A new connection to the target was opened for it.
        new: bool,
    },
    /// It was sent to this URL.
    Redirected(String),
    /// It was an ACME challenge and got its answer.
    Challenge,
    /// It came without the login that its path demands. Portward asked for the login.
    AskedToLogIn,
    /// It opened a WebSocket that carries SIP. Portward itself ends that WebSocket.
    WebSocket,
    /// It was an exchange of credentials, which Portward answered.
    Exchanged,
    /// It was refused.
    Rejected {
        /// The reason.
        reason: Reason,
        /// The cause behind the reason, if it is known.
        cause: Option<Cause>,
        /// The failures of the target, if the target is the reason.
        failures: &'a [Failure],
    },
    /// A request is over that went to a target, or that Portward answered.
    Done {
        /// The status that the client got. `None`: the client got no answer.
        status: Option<u16>,
        /// Bytes to the target and to the client.
        bytes: [u64; 2],
        /// From the end of the request's head to the end of the answer.
        took: Duration,
    },
    /// The connection has ended.
    Ended {
        /// The side that ended the connection, the stage, and the reason.
        ending: Ending,
        /// The target to which the connection led last.
        target: Option<SocketAddr>,
        /// Bytes to the target and to the client.
        bytes: [u64; 2],
        /// How long the connection lasted, in seconds.
        seconds: f64,
    },
}

/// All facts of one line.
#[derive(Debug, Clone)]
pub struct Line<'a> {
    /// The client connection's number.
    pub id: u64,
    /// The client's address.
    pub client: IpAddr,
    /// The client's port. 0: a load balancer has named the client, so its port is not known. Text lines leave it out.
    pub port: u16,
    /// The service.
    pub service: Service,
    /// The carrier of the client's leg.
    pub carrier: Carrier,
    /// What the client asked for.
    pub subject: Subject<'a>,
    /// What became of it.
    pub outcome: Outcome<'a>,
}

impl Line<'_> {
    /// The line in the words of the reference. `query`: queries of URLs are shown.
    pub(crate) fn text(&self, query: bool) -> String {
        let mut text = String::with_capacity(128);
        let scheme = self.service.logged_scheme(self.carrier);
        let slashes = self.service.slashes();
        let _ = write!(text, "REVERSE-PROXY {} {} {scheme}:{slashes}", self.id, self.client);
        self.subject.write(&mut text, query);
        // Writing to a String does not fail.
        let _ = self.outcome.write(&mut text, query, self.unsaid());
        text
    }

    /// Why the client's certificate proves nothing, unless the verdict says so already.
    fn unsaid(&self) -> Option<Cause> {
        match self.subject {
            Subject::Signalling { unproven, certificate, .. } => {
                unproven.filter(|cause| !is_said(certificate, *cause))
            }
            _ => None,
        }
    }

    /// The same facts as fields of JSON. `query`: queries of URLs are shown.
    pub(crate) fn json(&self, query: bool) -> Value {
        let mut json = json!({
            "id": self.id,
            "client": self.client.to_string(),
            "port": (self.port != 0).then_some(self.port),
            "service": self.service.name(),
            "transport": if self.carrier.is_tls() { "tls" } else { "plain" },
            "carrier": self.carrier.name(),
        });
        if let Value::Object(fields) = &mut json {
            self.subject.fields(
                &mut |name, value| drop(fields.insert(name.to_owned(), value)),
                self.service,
                query,
            );
            self.outcome.fields(&mut |name, value| drop(fields.insert(name.to_owned(), value)), query);
        }
        json
    }
}

/// Whether the word for the verdict already names the cause.
fn is_said(verdict: &str, cause: Cause) -> bool {
    match cause {
        Cause::UnknownCa => verdict == "untrusted",
        Cause::NoCertificate => verdict == "none",
        cause => verdict == cause.name(),
    }
}

/// Writes a path or a URL. Its query is shown only if `query` says so, because queries hold tokens.
fn shown(out: &mut String, target: &[u8], cap: usize, query: bool) {
    match target.iter().position(|byte| *byte == b'?') {
        Some(at) if !query => {
            escape(out, target.get(..at).unwrap_or_default(), cap);
            out.push_str("?…");
        }
        Some(at) => {
            let mut without = Vec::new();
            let target = if without_secrets(target, at + 1, &mut without) { &without } else { target };
            escape(out, target, cap);
        }
        None => escape(out, target, cap),
    }
}

/// Writes the target to `out` without the credentials in its query, which begins at `at` (contract section 9). False:
/// the query holds no credentials, and nothing is written. Some pages write `&amp;` or `;` between the pairs. Such a
/// query logs nobody in, but its secrets are hidden as well.
fn without_secrets(target: &[u8], at: usize, out: &mut Vec<u8>) -> bool {
    let name = |pair: &[u8]| memchr::memchr(b'=', pair).unwrap_or(pair.len());
    let ends_pair = |octet: &u8| b"&;?".contains(octet);
    // Each pair ends with its separator.
    let pairs = || target.get(at..).unwrap_or_default().split_inclusive(ends_pair);
    let is_secret = |pair: &[u8]| {
        let pair = pair.split(ends_pair).next().unwrap_or_default();
        pair.get(..name(pair)).is_some_and(is_secret_name)
    };
    if !pairs().any(is_secret) {
        return false;
    }
    out.extend_from_slice(target.get(..at).unwrap_or_default());
    for pair in pairs() {
        let end = pair.last().filter(|octet| ends_pair(octet));
        let bare = pair.get(..pair.len() - usize::from(end.is_some())).unwrap_or_default();
        match is_secret(pair) {
            true => {
                out.extend(bare.get(..name(bare)).into_iter().flatten().chain(b"=***").chain(end));
            }
            false => out.extend_from_slice(pair),
        }
    }
    true
}

/// A Host without the user and password in front of it. A Host may not have them (RFC 9110 §4.2.4).
fn without_userinfo(host: &[u8]) -> &[u8] {
    memchr::memrchr(b'@', host).and_then(|at| host.get(at + 1..)).unwrap_or(host)
}

#[cfg(test)]
mod tests;
