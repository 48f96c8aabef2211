//! What `portward explain` says of a URL, in words and as JSON.

use std::fmt;
use std::net::SocketAddr;
use std::num::NonZeroU16;

use serde_json::{Value, json};

use crate::reason::Reason;
use crate::rules::{Address, Endpoint, Source, Table, near};
use crate::service::{Service, Transport};

/// Why a URL cannot be explained.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum BadUrl {
    /// It is none of a service that there is.
    Unknown,
}

impl fmt::Display for BadUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unknown => f.write_str(
                "a URL is like https://hq.example.net/path, sips:user@example.net, ldap://example.net or h323:gatekeeper-id",
            ),
        }
    }
}

/// Everything that can be said about where a URL leads.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Explanation {
    /// As it was given.
    pub(super) url: String,
    /// What becomes of it.
    pub(super) verdict: Verdict,
    /// The host and where it stands.
    pub(super) host: Option<(String, String)>,
    /// The rule.
    pub(super) rule: Option<Rule>,
    /// What the client's certificate says, where the rule checks it.
    pub(super) proof: Option<Proof>,
}

/// What a certificate says of who registers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Proof {
    /// It proves it.
    pub(super) proven: bool,
    /// In words.
    pub(super) why: String,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Verdict {
    Forward { addresses: Vec<String>, transport: Transport },
    Redirect { location: String },
    Rejected { reason: Reason, why: String },
}

/// A rule and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Rule {
    /// An HTTP path.
    Path { path: String, default: bool, preset: Option<String>, at: String },
    /// The one of another service.
    Of { service: Service, at: String },
}

impl Explanation {
    /// The refusal of everything that an address in `blacklist.block` sends.
    pub(super) fn blocked(url: &str) -> Self {
        let why = "the address is in a network of blacklist.block".to_owned();
        let verdict = Verdict::Rejected { reason: Reason::Blocked, why };
        Self { url: url.to_owned(), verdict, host: None, rule: None, proof: None }
    }

    /// The refusal of everything that an address on the running daemon's blacklist sends; `entry`: what stands there.
    pub(super) fn blacklisted(url: &str, entry: &str) -> Self {
        let why = format!("the address is on the blacklist: {entry}");
        let verdict = Verdict::Rejected { reason: Reason::Blacklisted, why };
        Self { url: url.to_owned(), verdict, host: None, rule: None, proof: None }
    }

    /// Whether the request would get anywhere.
    pub(super) fn granted(&self) -> bool {
        !matches!(self.verdict, Verdict::Rejected { .. })
    }

    /// The same facts for a program.
    pub(super) fn to_json(&self) -> Value {
        let mut json = match &self.verdict {
            Verdict::Forward { addresses, transport } => json!({
                "url": self.url,
                "decision": "forward",
                "targets": addresses,
                "tls": *transport == Transport::Tls,
            }),
            Verdict::Redirect { location } => {
                json!({ "url": self.url, "decision": "redirect", "status": 308, "location": location })
            }
            Verdict::Rejected { reason, why } => {
                json!({ "url": self.url, "decision": "reject", "reason": reason.name(), "why": why })
            }
        };
        if let (Some(rule), Some(json)) = (&self.rule, json.as_object_mut()) {
            let rule = match rule {
                Rule::Path { path, default, preset, at } => {
                    json!({ "path": path, "default": default, "preset": preset, "at": at })
                }
                Rule::Of { service, at } => json!({ "service": service.name(), "at": at }),
            };
            json.insert("rule".to_owned(), rule);
        }
        if let (Some(proof), Some(json)) = (&self.proof, json.as_object_mut()) {
            json.insert("certificate".to_owned(), json!({ "proven": proof.proven, "why": proof.why }));
        }
        if let (Some((name, at)), Some(json)) = (&self.host, json.as_object_mut()) {
            json.insert("host".to_owned(), json!({ "name": name, "at": at }));
        }
        json
    }
}

/// Where a place of the rules is: file, line and column.
pub(super) fn place(table: &Table, source: Source) -> String {
    format!("{}:{}:{}", table.file(source).display(), source.line, source.column)
}

/// Every address of a target, with the port.
pub(super) fn addresses(endpoints: &[Endpoint], port: NonZeroU16) -> Vec<String> {
    let address = |endpoint: &Endpoint| match &endpoint.address {
        Address::Ip(ip) => SocketAddr::new(*ip, port.get()).to_string(),
        Address::Name(name) => format!("{name}:{port}"),
    };
    endpoints.iter().map(address).collect()
}

/// That no host has the name `asked`, and which ones are near.
pub(super) fn unknown_host(table: &Table, asked: &str) -> String {
    let near = if let Some(wildcard) = near::wildcard(table, asked) {
        format!("; {wildcard} stands for exactly one label")
    } else if let Some(name) = near::name(table, asked) {
        format!("; there is {name}")
    } else {
        String::new()
    };
    format!("none of the {} hosts has the name {asked}{near}", table.len())
}

impl fmt::Display for Explanation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.verdict {
            Verdict::Forward { addresses, transport } => {
                let way = if *transport == Transport::Tls { "TLS" } else { "plain" };
                write!(f, "{} -> {} ({way})", self.url, addresses.join(", "))?;
            }
            Verdict::Redirect { location } => write!(f, "{} -> 308 {location}", self.url)?,
            Verdict::Rejected { reason, why } => {
                write!(f, "{} rejected: {reason}\n  why     {why}", self.url)?;
            }
        }
        match &self.rule {
            Some(Rule::Path { path, default, preset, at }) => {
                let path = match path.as_str() {
                    _ if *default => "default",
                    "" => "the empty path, which matches every path",
                    path => path,
                };
                write!(f, "\n  rule    {path}")?;
                if let Some(preset) = preset {
                    write!(f, " (preset {preset})")?;
                }
                write!(f, "\n  at      {at}")?;
            }
            Some(Rule::Of { service, at }) => write!(f, "\n  rule    {service}\n  at      {at}")?,
            None => {}
        }
        if let Some(proof) = &self.proof {
            write!(f, "\n  cert    {}", proof.why)?;
        }
        match &self.host {
            Some((name, at)) => write!(f, "\n  host    {name} at {at}"),
            None => Ok(()),
        }
    }
}
