//! What lets a refused request in: words, and where a rule can mend it the TOML to add and its place. Nothing is changed.
//!
//! The match over the reasons is complete: a new reason needs its remedy here. Where a request is not to be let in, the words
//! say so. What a client sent stands in TOML only as the text of a string that toml_edit has written.
//!
//! | file | what it is for |
//! |---|---|
//! | `rule` | refusals that a host, a path or a tenant would mend |
//! | `standing` | refusals for who the client is, or for what is off or down |
//! | `written` | the pieces of TOML |
//! | `said` | the words for all others |
//! | `place` | where in the text of a file something goes |
//! | `likeness` | paths and names that scanners ask for |

mod likeness;
mod place;
mod rule;
mod said;
mod standing;
mod written;

use std::fmt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use super::answer::{Explanation, Verdict};
use super::url::{Url, What};
use super::{Client, Grounds};
use crate::reason::Reason;
use crate::rules::path::request_path;
use crate::rules::{Host, Table};
use crate::service::Service;

/// Stands in TOML for a target. It is no address and no name, so `portward check` refuses it until it is replaced.
pub const TARGET: &str = "ADDRESS OF THE PBX";
/// Stands in TOML for a host of the rules, and is refused as well.
const HOST: &str = "NAME OF THE HOST";

/// What lets a request in.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Remedy {
    /// What to do, in sentences.
    pub words: String,
    /// What to add.
    pub toml: Option<String>,
    /// Where: a file that there is, or a new one. Without `toml`: where to look.
    pub file: Option<PathBuf>,
    /// The line of that file to which the words refer, from 1.
    pub line: Option<u32>,
    /// What to type instead.
    pub command: Option<String>,
    /// What the text of `file` must tell.
    unread: Option<place::Wanted>,
    /// Where in `words` that is said then.
    gap: usize,
}

impl Remedy {
    fn of(words: impl Into<String>) -> Self {
        Self { words: words.into(), ..Self::default() }
    }

    fn and(mut self, more: impl fmt::Display) -> Self {
        self.words.push_str(&format!(" {more}"));
        self
    }

    /// The file whose text must be read to say where exactly something goes. Only its reader knows it.
    pub fn file_to_read(&self) -> Option<&Path> {
        self.unread.as_ref().and(self.file.as_deref())
    }

    /// Takes in the text of [`Self::file_to_read`]; `None`: it could not be read.
    pub fn read(&mut self, text: Option<&str>) {
        let Some(wanted) = self.unread.take() else { return };
        let place::Found { toml, line, words } = wanted.find(text);
        (self.toml, self.line) = (toml, line);
        if !words.is_empty() && self.words.is_char_boundary(self.gap) {
            self.words.insert_str(self.gap, &format!(" {words}"));
        }
    }

    /// One object. `text` are its lines in the text of the explanation.
    pub fn to_json(&self) -> Value {
        let Self { words, toml, file, line, command, .. } = self;
        let (file, text) = (file.as_ref().map(|file| file.display().to_string()), self.to_string());
        json!({ "words": words, "toml": toml, "file": file, "line": line, "command": command, "text": text })
    }
}

/// The lines of an explanation.
impl fmt::Display for Remedy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { words, toml, file, line, command, .. } = self;
        write!(f, "\n  let in  {words}")?;
        if let Some(file) = file {
            write!(f, "\n  in      {}", file.display())?;
            line.map_or(Ok(()), |line| write!(f, ":{line}"))?;
        }
        for (number, text) in toml.iter().flat_map(|toml| toml.trim_end().lines()).enumerate() {
            write!(f, "\n  {:<7} {text}", if number == 0 { "add" } else { "" })?;
        }
        command.as_ref().map_or(Ok(()), |command| write!(f, "\n  run     {command}"))
    }
}

/// A refused request.
struct Refused<'a> {
    grounds: &'a Grounds<'a>,
    url: &'a Url,
    client: &'a Client,
    /// The host that is asked for, if it is known.
    host: Option<Host<'a>>,
    /// The name that was asked for, where no host has it.
    asked: &'a str,
}

/// What lets in the request that `explanation` is about; `None`: it gets in.
pub(super) fn remedy(
    grounds: &Grounds<'_>,
    url: &Url,
    client: &Client,
    explanation: &Explanation,
) -> Option<Remedy> {
    let known = explanation.host.as_ref().and_then(|host| grounds.table.named(&host.name));
    let refused = |asked| Refused { grounds, url, client, host: known, asked };
    match &explanation.verdict {
        Verdict::Rejected { reason, why } => {
            let asked = if let super::Why::UnknownHost { asked, .. } = why { asked.as_str() } else { "" };
            Some(refused(asked).remedy(*reason, why))
        }
        // By these rules it gets in. What refused it then is not theirs.
        _ => {
            let reason = client.refused.filter(|reason| !reason.is_of_rules())?;
            Some(refused("").remedy(reason, &super::Why::Reason(reason)))
        }
    }
}

impl<'a> Refused<'a> {
    fn remedy(&self, reason: Reason, why: &super::Why) -> Remedy {
        match reason {
            Reason::UnknownHost => self.new_host(),
            Reason::NoService => self.new_service(),
            Reason::NoPath => self.new_path(),
            Reason::NoName => self.default_host(),
            Reason::UnknownTenant => self.new_tenant(),
            Reason::Disabled => self.enabled(why),
            Reason::Certificate => self.certificate(),
            Reason::Blacklisted => self.unlisted(),
            Reason::Blocked => self.unblocked(),
            Reason::Origin => self.origin(),
            Reason::TargetDown | Reason::TargetTls => self.target(reason),
            Reason::UnsafePath
            | Reason::Method
            | Reason::Malformed
            | Reason::TooLarge
            | Reason::NotTls
            | Reason::Timeout
            | Reason::OtherTarget
            | Reason::OtherName
            | Reason::FailedLogin
            | Reason::Sanity
            | Reason::Scanner
            | Reason::Silent
            | Reason::Aborted
            | Reason::TlsFailed
            | Reason::Expired
            | Reason::Rate
            | Reason::Limit
            | Reason::Shutdown => Remedy::of(said::words(reason, why)),
        }
    }

    fn table(&self) -> &'a Table {
        self.grounds.table
    }

    fn service(&self) -> Service {
        self.url.service()
    }

    /// The path of an HTTP request, as it is compared.
    fn path(&self) -> Option<String> {
        let What::Http(page) = self.url.what() else { return None };
        let mut room = Vec::new();
        let path = request_path(page.path.as_bytes(), &mut room).ok()?;
        String::from_utf8(path.as_bytes().to_vec()).ok()
    }

    /// The place of a host.
    fn at(&self, host: Host<'_>) -> (PathBuf, u32) {
        (self.table().file(host.source()).to_owned(), host.source().line)
    }
}

/// A word of a command, as a shell reads it.
fn word(text: &str) -> String {
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._/:@".contains(&octet);
    match !text.is_empty() && text.bytes().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
