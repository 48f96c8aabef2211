//! A decision line: one a request (HTTP) or a connection (the others), in words or in JSON.

use std::fmt::{self, Write as _};
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};

use super::escape::escape;
use crate::cause::{At, Cause, Failure, decisive};
use crate::ending::Ending;
use crate::reason::Reason;
use crate::service::{Carrier, Service};

/// A host name has at most 255 bytes.
const HOST_CAP: usize = 255;
/// Enough of a path to recognise it.
const PATH_CAP: usize = 256;
/// The same of a URL.
const URL_CAP: usize = "https://:65535".len() + HOST_CAP + PATH_CAP;
const METHOD_CAP: usize = 32;
/// Enough of a user's name.
const NAME_CAP: usize = 128;

/// What was asked for.
#[derive(Debug, Clone, Copy)]
pub enum Subject<'a> {
    /// Nothing that could be read.
    Unknown,
    /// An HTTP request.
    Http {
        /// Host, as it came.
        host: &'a [u8],
        /// The method.
        method: &'a [u8],
        /// Path and query.
        target: &'a [u8],
        /// `HTTP/1.1` or `HTTP/1.0`.
        version: &'static str,
    },
    /// What decides a connection of another service: a SIP request, a bind, a registration.
    Signalling {
        /// Who is asked for: `user@host` of the From URI, the host of a bind, the gatekeeper identifier.
        who: &'a [u8],
        /// SIP method, LDAP operation, H.323 message.
        verb: &'a [u8],
        /// The user of a bind, the alias of a registration; may be empty.
        name: &'a [u8],
        /// The verdict on the client's certificate; empty: it was not asked for one.
        certificate: &'a str,
        /// Why that certificate proves nothing of this name; `None`: it does, or nothing had to be proven.
        unproven: Option<Cause>,
    },
}

/// What became of it.
#[derive(Debug, Clone)]
pub enum Outcome<'a> {
    /// It went there.
    Forwarded {
        /// The target's address.
        to: SocketAddr,
        /// The connection was opened for it.
        new: bool,
    },
    /// It was sent to this URL.
    Redirected(String),
    /// It was an ACME challenge and got its answer.
    Challenge,
    /// It was refused.
    Rejected {
        /// Why.
        reason: Reason,
        /// What lies behind the reason, where that is known.
        cause: Option<Cause>,
        /// What of the target has failed, for reasons that lie with the target.
        failures: &'a [Failure],
    },
    /// A request that went to a target, or got an answer of our own, is over.
    Done {
        /// The status that the client got; `None`: it got none.
        status: Option<u16>,
        /// Bytes to the target and to the client.
        bytes: [u64; 2],
        /// From the end of the request's head to the end of the answer.
        took: Duration,
    },
    /// The connection has ended.
    Ended {
        /// By whose doing, in which stage, and why.
        ending: Ending,
        /// The target that it was connected to last.
        target: Option<SocketAddr>,
        /// Bytes to the target and to the client.
        bytes: [u64; 2],
        /// How long it lived.
        seconds: f64,
    },
}

/// All of it.
#[derive(Debug, Clone)]
pub struct Line<'a> {
    /// The client connection's number.
    pub id: u64,
    /// The client's address.
    pub client: IpAddr,
    /// The client's port; 0: somebody else has spoken for it. Lines of text do not have it.
    pub port: u16,
    /// What is spoken.
    pub service: Service,
    /// What carries the client's leg.
    pub carrier: Carrier,
    /// What was asked for.
    pub subject: Subject<'a>,
    /// What became of it.
    pub outcome: Outcome<'a>,
}

impl Line<'_> {
    /// In the reference's manner.
    pub(crate) fn text(&self, query: bool) -> String {
        let mut text = String::with_capacity(128);
        let scheme = self.service.logged_scheme(self.carrier);
        let slashes = self.service.slashes();
        let _ = write!(text, "REVERSE-PROXY {} {} {scheme}:{slashes}", self.id, self.client);
        match self.subject {
            Subject::Unknown => text.push('-'),
            Subject::Signalling { who, verb, name, certificate, .. } => {
                escape(&mut text, if who.is_empty() { b"-" } else { who }, HOST_CAP);
                text.push(' ');
                escape(&mut text, verb, METHOD_CAP);
                if !name.is_empty() {
                    text.push(' ');
                    escape(&mut text, name, NAME_CAP);
                }
                if !certificate.is_empty() {
                    text.push_str(" cert=");
                    escape(&mut text, certificate.as_bytes(), NAME_CAP);
                }
            }
            Subject::Http { host, method, target, version } => {
                escape(&mut text, without_userinfo(host), HOST_CAP);
                text.push(' ');
                escape(&mut text, method, METHOD_CAP);
                text.push(' ');
                shown(&mut text, target, PATH_CAP, query);
                text.extend([" ", version]);
            }
        }
        let _ = match &self.outcome {
            Outcome::Forwarded { to, new } => {
                let _ = write!(text, " -> {to}{}", if *new { "(new)" } else { "" });
                match self.unsaid() {
                    Some(cause) => write!(text, " not proven: {cause}"),
                    None => Ok(()),
                }
            }
            Outcome::Redirected(to) => {
                text.push_str(" -> redirect ");
                shown(&mut text, to.as_bytes(), URL_CAP, query);
                Ok(())
            }
            Outcome::Challenge => write!(text, " -> acme_webroot"),
            Outcome::Rejected { reason, cause, failures } => {
                let _ = write!(text, " rejected: {reason}");
                match (*failures, cause) {
                    ([], Some(cause)) => write!(text, " {cause}"),
                    (failures, _) => said(&mut text, failures),
                }
            }
            Outcome::Done { status, bytes: [up, down], took } => {
                match status {
                    Some(status) => {
                        let _ = write!(text, " ended {status}");
                    }
                    None => text.push_str(" ended -"),
                }
                write!(text, ": {up} bytes up, {down} bytes down, {} ms", took.as_millis())
            }
            Outcome::Ended { ending, target, bytes: [up, down], seconds } => {
                let _ = write!(text, " ended by {} in {}", ending.whose.name(), ending.stage.name());
                if let Some(reason) = ending.reason {
                    let _ = write!(text, " ({reason})");
                }
                let _ = write!(text, ": {up} bytes up, {down} bytes down, {seconds:.3} s");
                match (ending.cause, target) {
                    (Some(cause), Some(target)) => write!(text, ", {target} {cause}"),
                    (Some(cause), None) => write!(text, ", {cause}"),
                    (None, _) => Ok(()),
                }
            }
        };
        text
    }

    /// Why the client's certificate proves nothing, if the verdict itself does not say it.
    fn unsaid(&self) -> Option<Cause> {
        match self.subject {
            Subject::Signalling { unproven, certificate, .. } => {
                unproven.filter(|cause| !is_said(certificate, *cause))
            }
            _ => None,
        }
    }

    /// The same facts as fields.
    pub(crate) fn json(&self, query: bool) -> Value {
        let mut json = json!({
            "id": self.id,
            "client": self.client.to_string(),
            "port": (self.port != 0).then_some(self.port),
            "service": self.service.name(),
            "transport": if self.carrier.is_tls() { "tls" } else { "plain" },
            "carrier": self.carrier.name(),
        });
        let mut set = |name: &str, value: Value| {
            if let Value::Object(fields) = &mut json {
                fields.insert(name.to_owned(), value);
            }
        };
        let escaped = |bytes: &[u8], cap| {
            let mut text = String::new();
            escape(&mut text, bytes, cap);
            text
        };
        if let Subject::Signalling { who, verb, name, certificate, unproven } = self.subject {
            let [who_field, verb_field, name_field] = self.service.subject();
            set(who_field, escaped(who, HOST_CAP).into());
            set(verb_field, escaped(verb, METHOD_CAP).into());
            if !name.is_empty() {
                set(name_field, escaped(name, NAME_CAP).into());
            }
            if !certificate.is_empty() {
                set("certificate", escaped(certificate.as_bytes(), NAME_CAP).into());
                set("certificate_cause", unproven.map_or(Value::Null, |cause| cause.name().into()));
            }
        }
        if let Subject::Http { host, method, target, version } = self.subject {
            set("host", escaped(without_userinfo(host), HOST_CAP).into());
            set("method", escaped(method, METHOD_CAP).into());
            let mut text = String::new();
            shown(&mut text, target, PATH_CAP, query);
            set("path", text.into());
            set("version", version.into());
        }
        match &self.outcome {
            Outcome::Forwarded { to, new } => {
                set("outcome", "forwarded".into());
                set("target", to.to_string().into());
                set("new", (*new).into());
            }
            Outcome::Redirected(to) => {
                set("outcome", "redirected".into());
                let mut text = String::new();
                shown(&mut text, to.as_bytes(), URL_CAP, query);
                set("location", text.into());
            }
            Outcome::Challenge => set("outcome", "challenge".into()),
            Outcome::Rejected { reason, cause, failures } => {
                set("outcome", "rejected".into());
                set("reason", reason.name().into());
                let decisive = decisive(failures);
                let cause = decisive.map(|failure| failure.cause).or(*cause);
                set("target", decisive.map_or(Value::Null, |failure| failure.at.to_string().into()));
                set("cause", cause.map_or(Value::Null, |cause| cause.name().into()));
                if !failures.is_empty() {
                    let shown = failures.iter().map(as_json);
                    set("failures", shown.collect::<Vec<_>>().into());
                }
            }
            Outcome::Done { status, bytes: [up, down], took } => {
                set("outcome", "ended".into());
                set("status", (*status).into());
                set("bytes_up", (*up).into());
                set("bytes_down", (*down).into());
                set("milliseconds", u64::try_from(took.as_millis()).unwrap_or(u64::MAX).into());
            }
            Outcome::Ended { ending, target, bytes: [up, down], seconds } => {
                set("outcome", "ended".into());
                set("by", ending.whose.name().into());
                set("stage", ending.stage.name().into());
                set("reason", ending.reason.map_or(Value::Null, |reason| reason.name().into()));
                set("target", target.map_or(Value::Null, |target| target.to_string().into()));
                set("cause", ending.cause.map_or(Value::Null, |cause| cause.name().into()));
                set("bytes_up", (*up).into());
                set("bytes_down", (*down).into());
                set("seconds", (*seconds).into());
            }
        }
        json
    }
}

/// Whether the word for a verdict says its cause as well.
fn is_said(verdict: &str, cause: Cause) -> bool {
    match cause {
        Cause::UnknownCa => verdict == "untrusted",
        Cause::NoCertificate => verdict == "none",
        cause => verdict == cause.name(),
    }
}

/// What of a target has failed, one after the other.
fn said(text: &mut String, failures: &[Failure]) -> fmt::Result {
    for (number, failure) in failures.iter().enumerate() {
        text.push_str(if number == 0 { " " } else { ", " });
        match &failure.at {
            At::Address(address) => write!(text, "{address}")?,
            At::Name(name, port) => {
                escape(text, name.as_bytes(), HOST_CAP);
                write!(text, ":{port}")?;
            }
        }
        write!(text, " {}", failure.cause)?;
    }
    Ok(())
}

fn as_json(failure: &Failure) -> Value {
    json!({ "target": failure.at.to_string(), "cause": failure.cause.name() })
}

/// A path or a URL, and its query only if it is wanted: queries hold tokens.
fn shown(out: &mut String, target: &[u8], cap: usize, query: bool) {
    match target.iter().position(|byte| *byte == b'?') {
        Some(at) if !query => {
            escape(out, target.get(..at).unwrap_or_default(), cap);
            out.push_str("?…");
        }
        _ => escape(out, target, cap),
    }
}

/// What follows a user and a password in a Host, which has no place for them (RFC 9110 §4.2.4).
fn without_userinfo(host: &[u8]) -> &[u8] {
    memchr::memrchr(b'@', host).and_then(|at| host.get(at + 1..)).unwrap_or(host)
}

#[cfg(test)]
mod tests;
