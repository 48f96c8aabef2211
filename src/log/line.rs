//! A decision line: one a request (HTTP) or a connection (the others), in words or in JSON.

use std::fmt::Write as _;
use std::net::{IpAddr, SocketAddr};

use serde_json::{Value, json};

use super::escape::escape;
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
    },
}

/// What became of it.
#[derive(Debug, Clone)]
pub enum Outcome {
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
    Rejected(Reason),
    /// The connection has ended.
    Ended {
        /// By whose doing, in which stage, and why.
        ending: Ending,
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
    /// What is spoken.
    pub service: Service,
    /// What carries the client's leg.
    pub carrier: Carrier,
    /// What was asked for.
    pub subject: Subject<'a>,
    /// What became of it.
    pub outcome: Outcome,
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
            Subject::Signalling { who, verb, name, certificate } => {
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
            Outcome::Forwarded { to, new } => write!(text, " -> {to}{}", if *new { "(new)" } else { "" }),
            Outcome::Redirected(to) => {
                text.push_str(" -> redirect ");
                shown(&mut text, to.as_bytes(), URL_CAP, query);
                Ok(())
            }
            Outcome::Challenge => write!(text, " -> acme_webroot"),
            Outcome::Rejected(reason) => write!(text, " rejected: {reason}"),
            Outcome::Ended { ending, bytes: [up, down], seconds } => {
                let _ = write!(text, " ended by {} in {}", ending.whose.name(), ending.stage.name());
                if let Some(reason) = ending.reason {
                    let _ = write!(text, " ({reason})");
                }
                write!(text, ": {up} bytes up, {down} bytes down, {seconds:.3} s")
            }
        };
        text
    }

    /// The same facts as fields.
    pub(crate) fn json(&self, query: bool) -> Value {
        let mut json = json!({
            "id": self.id,
            "client": self.client.to_string(),
            "service": self.service.name(),
            "transport": if self.carrier.is_tls() { "tls" } else { "plain" },
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
        if let Subject::Signalling { who, verb, name, certificate } = self.subject {
            let [who_field, verb_field, name_field] = self.service.subject();
            set(who_field, escaped(who, HOST_CAP).into());
            set(verb_field, escaped(verb, METHOD_CAP).into());
            if !name.is_empty() {
                set(name_field, escaped(name, NAME_CAP).into());
            }
            if !certificate.is_empty() {
                set("certificate", escaped(certificate.as_bytes(), NAME_CAP).into());
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
            Outcome::Rejected(reason) => {
                set("outcome", "rejected".into());
                set("reason", reason.name().into());
            }
            Outcome::Ended { ending, bytes: [up, down], seconds } => {
                set("outcome", "ended".into());
                set("by", ending.whose.name().into());
                set("stage", ending.stage.name().into());
                set("reason", ending.reason.map_or(Value::Null, |reason| reason.name().into()));
                set("bytes_up", (*up).into());
                set("bytes_down", (*down).into());
                set("seconds", (*seconds).into());
            }
        }
        json
    }
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
mod tests {
    use super::*;

    fn line(outcome: Outcome) -> Line<'static> {
        Line {
            id: 12,
            client: "192.168.178.59".parse().unwrap(),
            service: Service::Http,
            carrier: Carrier::Tls,
            subject: Subject::Http {
                host: b"hq.dvl-ckl2.net",
                method: b"GET",
                target: b"/PBX0/APPS/app_manager/137758/websocket?token=s3cret",
                version: "HTTP/1.1",
            },
            outcome,
        }
    }

    #[test]
    fn lines_are_in_the_manner_of_the_reference() {
        let forwarded = line(Outcome::Forwarded { to: "172.31.31.2:443".parse().unwrap(), new: true });
        assert_eq!(
            forwarded.text(false),
            "REVERSE-PROXY 12 192.168.178.59 https://hq.dvl-ckl2.net GET \
             /PBX0/APPS/app_manager/137758/websocket?… HTTP/1.1 -> 172.31.31.2:443(new)"
        );
        assert!(forwarded.text(true).contains("?token=s3cret "));
        let json = forwarded.json(false);
        assert_eq!(json["path"], "/PBX0/APPS/app_manager/137758/websocket?…");
        assert_eq!(json["target"], "172.31.31.2:443");
        assert_eq!(json["new"], true);
        let redirected = line(Outcome::Redirected("https://h/a->b%20c?t=s3cret".to_owned()));
        let text = redirected.text(false);
        assert!(text.ends_with(" HTTP/1.1 -> redirect https://h/a-%3Eb%2520c?…"), "{text}");
        assert_eq!(redirected.json(true)["location"], "https://h/a-%3Eb%2520c?t=s3cret");
        let long = line(Outcome::Redirected(format!("https://h/{}", "a".repeat(30_000)))).text(false);
        assert!(long.len() < 1024 && long.ends_with('…'), "{long}");
        let mut rejected = line(Outcome::Rejected(Reason::NotTls));
        rejected.subject = Subject::Unknown;
        assert_eq!(rejected.text(false), "REVERSE-PROXY 12 192.168.178.59 https://- rejected: not-tls");
        assert_eq!(rejected.json(false)["reason"], "not-tls");
    }

    #[test]
    fn item_21_a_password_in_a_host_is_not_shown() {
        let mut rejected = line(Outcome::Rejected(Reason::Malformed));
        let Subject::Http { host, .. } = &mut rejected.subject else { panic!() };
        *host = b"user:s3cret@a:s3cret@hq.dvl-ckl2.net";
        assert!(rejected.text(false).contains(" https://hq.dvl-ckl2.net GET "));
        assert_eq!(rejected.json(false)["host"], "hq.dvl-ckl2.net");
    }

    #[test]
    fn signalling_lines_have_no_slashes_where_the_scheme_has_none() {
        let of = |service, subject| {
            let outcome = Outcome::Forwarded { to: "172.31.31.2:5061".parse().unwrap(), new: true };
            Line { service, subject, ..line(outcome) }
        };
        let sip = Subject::Signalling {
            who: b"ckl@dvl-ckl2.net",
            verb: b"REGISTER",
            name: b"",
            certificate: "ok(c l)",
        };
        let sip = of(Service::Sip, sip);
        assert_eq!(
            sip.text(false),
            "REVERSE-PROXY 12 192.168.178.59 sips:ckl@dvl-ckl2.net REGISTER cert=ok(c%20l) -> 172.31.31.2:5061(new)"
        );
        assert_eq!(sip.json(false)["certificate"], "ok(c%20l)");
        let bind =
            Subject::Signalling { who: b"apps.dvl-ckl2.net", verb: b"BIND", name: b"a b", certificate: "" };
        let bind = of(Service::Ldap, bind);
        assert_eq!(
            bind.text(false),
            "REVERSE-PROXY 12 192.168.178.59 ldaps://apps.dvl-ckl2.net BIND a%20b -> 172.31.31.2:5061(new)"
        );
        assert_eq!(bind.json(false)["user"], "a%20b");
        let rrq = Subject::Signalling { who: b"", verb: b"RRQ", name: b"", certificate: "" };
        assert!(of(Service::H323, rrq).text(false).contains(" h323s:- RRQ -> "));
    }
}
