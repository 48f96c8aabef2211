//! The answer of an explanation as data.

use std::fmt;
use std::net::{IpAddr, SocketAddr};
use std::num::NonZeroU16;
use std::path::{Path, PathBuf};

use super::remedy::Remedy;
use super::tenant::Treated;
use super::url::Url;
use super::why::Why;
use crate::reason::Reason;
use crate::route::signalling::Answer;
use crate::rules::{self, CredentialUser, Endpoint, Host, Source, Table};
use crate::service::{Service, Transport};

/// The result of a request, and its causes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// The question, as it was given.
    pub url: String,
    /// The result.
    pub verdict: Verdict,
    /// The host that the request asks for, if it is known.
    pub host: Option<HostAt>,
    /// The rule.
    pub rule: Option<Rule>,
    /// Further effects of an HTTP rule, beside the target.
    pub treated: Treated,
    /// The verdict on the client's certificate, if the rule checks it.
    pub proof: Option<Proof>,
    /// The source of the answer, if this is an ACME challenge.
    pub challenge: Option<Challenge>,
    /// A fact about the client that is unknown and could change the result.
    pub unsure: Option<Unsure>,
    /// The remedy that lets the request in, if it is refused.
    pub remedy: Option<Remedy>,
}

/// The result of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes to the first of these targets that can be reached.
    Forward {
        /// Addresses or DNS names, with the port.
        targets: Vec<String>,
        /// The transport toward them.
        transport: Transport,
        /// The port.
        port: NonZeroU16,
    },
    /// It is answered with a 308.
    Redirect {
        /// The URL to which it is redirected.
        location: String,
    },
    /// Portward ends the WebSocket itself. The host that From names decides where its client goes.
    WebSocket,
    /// Portward exchanges a credential that comes by POST.
    Exchange {
        /// The domain of the credential that the client gets. `None`: no domain is known or there are no secrets for
        /// it, so the client gets none.
        domain: Option<String>,
    },
    /// Portward answers it itself, and the SIP connection stays undecided.
    Answered(Answer),
    /// Portward answers it with the content of a file.
    Document {
        /// The file.
        file: PathBuf,
    },
    /// It is refused.
    Rejected {
        /// The reason, as in the log.
        reason: Reason,
        /// The details of the reason.
        why: Why,
    },
}

/// A host and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostAt {
    /// Its name.
    pub name: String,
    /// The tenant that it belongs to.
    pub tenant: Option<String>,
    /// Its place.
    pub at: RuleLocation,
}

/// A place in the rules.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleLocation {
    /// The file.
    pub file: PathBuf,
    /// The line, from 1.
    pub line: u32,
    /// The column, from 1.
    pub column: u32,
}

/// A rule and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// An HTTP path.
    Path {
        /// The path. Empty: it matches every path.
        path: String,
        /// Whether it is the path of `default = true`.
        default: bool,
        /// The preset that it comes from.
        preset: Option<String>,
        /// Its place.
        at: RuleLocation,
    },
    /// A rule of another service.
    Of {
        /// The service.
        service: Service,
        /// If it demands ephemeral credentials: the user for whom a client with a credential may speak.
        credentials: Option<CredentialUser>,
        /// Its place.
        at: RuleLocation,
    },
    /// A key of portward.toml.
    Setting {
        /// The key, such as `tls.acme_target`.
        key: &'static str,
        /// The file.
        file: PathBuf,
    },
}

/// The verdict on a certificate, about the user that registers or calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// Whether the certificate proves the user's name.
    pub proven: bool,
    /// The names in it, if there is one.
    pub names: Option<String>,
    /// The names that the client claims. Empty: it claims none (a discovery).
    pub claims: String,
}

/// The source of an answer to an ACME challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// `tls.acme_target`.
    Target,
    /// `tls.acme_webroot`, if the file exists. Otherwise the rules decide.
    Webroot {
        /// The file.
        file: PathBuf,
        /// Whether the file exists.
        presence: Presence,
    },
}

/// Whether something exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It exists.
    Yes,
    /// It does not exist.
    No,
    /// It is unknown, for this reason.
    Unknown(String),
}

/// An unknown fact.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsure {
    /// Whether the client's address is on the running daemon's blacklist.
    Blacklist {
        /// The address.
        address: IpAddr,
        /// Why it is not known.
        why: String,
    },
    /// Whether an administrator has enabled or disabled the host, whatever the rules say.
    Overrides {
        /// Why it is not known.
        why: String,
    },
    /// Whether the answer to an ACME challenge exists.
    Challenge {
        /// The file of the answer.
        file: PathBuf,
        /// Why it is not known.
        why: String,
    },
}

/// The answer in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The request is let in.
    Yes,
    /// The request is refused.
    No,
    /// The request would be let in by all known facts, but an unknown fact could prevent it.
    Unknown,
}

impl Explanation {
    /// An explanation that has only a verdict.
    pub(super) fn of(url: &Url, verdict: Verdict) -> Self {
        Self {
            url: url.text().to_owned(),
            verdict,
            host: None,
            rule: None,
            treated: Treated::default(),
            proof: None,
            challenge: None,
            unsure: None,
            remedy: None,
        }
    }

    /// The answer in one word. A refusal is certain even if other facts are unknown.
    pub fn admission(&self) -> Admission {
        match &self.verdict {
            Verdict::Rejected { .. } | Verdict::Answered(Answer::Nothing | Answer::Unavailable)
                if !self.may_be_answered_from_disk() =>
            {
                Admission::No
            }
            _ if self.unknown().is_some() => Admission::Unknown,
            _ => Admission::Yes,
        }
    }

    /// The unknown fact, about the client or about a file.
    pub fn unknown(&self) -> Option<Unsure> {
        let challenge = match &self.challenge {
            Some(Challenge::Webroot { file, presence: Presence::Unknown(why) }) => {
                Some(Unsure::Challenge { file: file.clone(), why: why.clone() })
            }
            _ => None,
        };
        self.unsure.clone().or(challenge)
    }

    fn may_be_answered_from_disk(&self) -> bool {
        matches!(&self.challenge, Some(Challenge::Webroot { presence: Presence::Unknown(_), .. }))
    }

    /// The file that answers this request if it exists. The caller has to look for it.
    pub fn challenge_file(&self) -> Option<&PathBuf> {
        match &self.challenge {
            Some(Challenge::Webroot { file, .. }) => Some(file),
            _ => None,
        }
    }

    /// Adds the result of looking for [`Self::challenge_file`].
    pub fn found(&mut self, found: Presence) {
        let Some(Challenge::Webroot { file, presence }) = &mut self.challenge else { return };
        if found == Presence::Yes {
            self.verdict = Verdict::Document { file: file.clone() };
            self.rule = None;
            self.remedy = None;
        }
        *presence = found;
    }
}

impl Explanation {
    /// The file whose text shows the exact place for the remedy. The caller has to read it.
    pub fn rules_file(&self) -> Option<&Path> {
        self.remedy.as_ref()?.file_to_read()
    }

    /// Adds the text of [`Self::rules_file`]. `None`: it could not be read.
    pub fn has_read(&mut self, text: Option<&str>) {
        if let Some(remedy) = &mut self.remedy {
            remedy.read(text);
        }
    }
}

impl HostAt {
    pub(super) fn of(table: &Table, host: Host<'_>) -> Self {
        let tenant = host.tenant().map(|tenant| tenant.id().to_owned());
        Self { name: host.name().to_owned(), tenant, at: RuleLocation::of(table, host.source()) }
    }
}

impl RuleLocation {
    pub(super) fn of(table: &Table, source: Source) -> Self {
        Self { file: table.file(source).to_owned(), line: source.line, column: source.column }
    }
}

/// Every address of a target, with the port.
pub(super) fn targets(endpoints: &[Endpoint], port: NonZeroU16) -> Vec<String> {
    let address = |endpoint: &Endpoint| match &endpoint.address {
        rules::Address::Ip(ip) => SocketAddr::new(*ip, port.get()).to_string(),
        rules::Address::Name(name) => format!("{name}:{port}"),
    };
    endpoints.iter().map(address).collect()
}

impl fmt::Display for RuleLocation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}:{}", self.file.display(), self.line, self.column)
    }
}

impl fmt::Display for Proof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { proven, names, claims } = self;
        match (names, proven) {
            (None, _) => f.write_str("nothing proves who this is: --cert CN=… would"),
            (Some(names), true) if claims.is_empty() => {
                write!(f, "{names}: a discovery without a name; what registers then must be proven")
            }
            (Some(names), true) => write!(f, "{names} proves {claims}"),
            (Some(names), false) => write!(f, "{names} does not prove {claims}"),
        }
    }
}

impl fmt::Display for Unsure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Blacklist { address, why } => {
                write!(f, "whether {address} is on the blacklist cannot be told: {why}")
            }
            Self::Overrides { why } => {
                write!(f, "an administrator may have enabled or disabled the host: {why}")
            }
            Self::Challenge { file, why } => {
                write!(f, "whether {} is there cannot be told: {why}", file.display())
            }
        }
    }
}
