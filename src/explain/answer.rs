//! Everything that can be said about where a request leads, as data.

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

/// What becomes of a request, and by what.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What was asked, as it was given.
    pub url: String,
    /// What becomes of it.
    pub verdict: Verdict,
    /// The host that is asked for, if it is known.
    pub host: Option<HostAt>,
    /// The rule.
    pub rule: Option<Rule>,
    /// What an HTTP rule says beyond where it leads.
    pub treated: Treated,
    /// What the client's certificate says, where the rule checks it.
    pub proof: Option<Proof>,
    /// Who answers, if this is an ACME challenge.
    pub challenge: Option<Challenge>,
    /// What is not known of the client, and could make another verdict.
    pub unsure: Option<Unsure>,
    /// What lets it in, if it is refused.
    pub remedy: Option<Remedy>,
}

/// What becomes of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// It goes to the first of these that can be reached.
    Forward {
        /// Addresses or DNS names, with the port.
        targets: Vec<String>,
        /// Plain or TLS toward them.
        transport: Transport,
        /// The port.
        port: NonZeroU16,
    },
    /// It is answered with a 308.
    Redirect {
        /// Where to.
        location: String,
    },
    /// Portward ends the WebSocket itself, and the host that From names decides where its client goes.
    WebSocket,
    /// Portward exchanges a credential that comes by POST.
    Exchange {
        /// The domain of what is given for it; `None`: none is known, or there are no secrets for it, so that nothing is given.
        domain: Option<String>,
    },
    /// Portward answers it itself, and the SIP connection stays undecided.
    Answered(Answer),
    /// Portward answers it with what stands in a file.
    Document {
        /// The file.
        file: PathBuf,
    },
    /// It goes nowhere.
    Rejected {
        /// The reason, as the log has it.
        reason: Reason,
        /// What lies behind it.
        why: Why,
    },
}

/// A host, and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HostAt {
    /// Its name.
    pub name: String,
    /// The tenant that it belongs to.
    pub tenant: Option<String>,
    /// Where.
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

/// A rule and where it stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Rule {
    /// An HTTP path.
    Path {
        /// The path; empty: it matches every path.
        path: String,
        /// It is the one of `default = true`.
        default: bool,
        /// The preset that it comes from.
        preset: Option<String>,
        /// Where.
        at: RuleLocation,
    },
    /// The one of another service.
    Of {
        /// The service.
        service: Service,
        /// It demands ephemeral credentials, and a client that has one may speak for this user.
        credentials: Option<CredentialUser>,
        /// Where.
        at: RuleLocation,
    },
    /// A key of portward.toml.
    Setting {
        /// The key, as `tls.acme_target`.
        key: &'static str,
        /// The file.
        file: PathBuf,
    },
}

/// What a certificate says of who registers or calls.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proof {
    /// It proves it.
    pub proven: bool,
    /// The names in it, if there is one.
    pub names: Option<String>,
    /// The names that are claimed. Empty: none (a discovery).
    pub claims: String,
}

/// Who answers an ACME challenge.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Challenge {
    /// `tls.acme_target`.
    Target,
    /// `tls.acme_webroot`, if the file is there. If it is not the rules decide.
    Webroot {
        /// The file.
        file: PathBuf,
        /// Whether it is there.
        held: Presence,
    },
}

/// Whether something is there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Presence {
    /// It is.
    Yes,
    /// It is not.
    No,
    /// It cannot be told, for this reason.
    Unknown(String),
}

/// What is not known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Unsure {
    /// Whether the client's address is on the running daemon's blacklist.
    Blacklist {
        /// The address.
        address: IpAddr,
        /// Why it is not known.
        why: String,
    },
    /// Whether an administrator has enabled or disabled the host in place of the rules.
    Overrides {
        /// Why it is not known.
        why: String,
    },
    /// Whether the answer to an ACME challenge is there.
    Challenge {
        /// The file that would have it.
        file: PathBuf,
        /// Why it is not known.
        why: String,
    },
}

/// The answer in one word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Admission {
    /// The request gets somewhere.
    Yes,
    /// It does not.
    No,
    /// It would by what is known, but something that could prevent it is not known.
    Unknown,
}

impl Explanation {
    /// A verdict, and nothing else yet.
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

    /// The answer in one word. A refusal is one whatever else is not known.
    pub fn outcome(&self) -> Admission {
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

    /// What is not known, of the client or of an answer on disk.
    pub fn unknown(&self) -> Option<Unsure> {
        let challenge = match &self.challenge {
            Some(Challenge::Webroot { file, held: Presence::Unknown(why) }) => {
                Some(Unsure::Challenge { file: file.clone(), why: why.clone() })
            }
            _ => None,
        };
        self.unsure.clone().or(challenge)
    }

    fn may_be_answered_from_disk(&self) -> bool {
        matches!(&self.challenge, Some(Challenge::Webroot { held: Presence::Unknown(_), .. }))
    }

    /// The file that answers this request if it is there; only its reader knows.
    pub fn challenge_file(&self) -> Option<&PathBuf> {
        match &self.challenge {
            Some(Challenge::Webroot { file, .. }) => Some(file),
            _ => None,
        }
    }

    /// Takes in what was found at [`Self::challenge_file`].
    pub fn found(&mut self, found: Presence) {
        let Some(Challenge::Webroot { file, held }) = &mut self.challenge else { return };
        if found == Presence::Yes {
            self.verdict = Verdict::Document { file: file.clone() };
            self.rule = None;
            self.remedy = None;
        }
        *held = found;
    }
}

impl Explanation {
    /// The file whose text tells where exactly the remedy goes; only its reader knows.
    pub fn rules_file(&self) -> Option<&Path> {
        self.remedy.as_ref()?.file_to_read()
    }

    /// Takes in the text of [`Self::rules_file`]; `None`: it could not be read.
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
