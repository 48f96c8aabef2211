//! The remedy for a refused request: words, and if a rule can help, the TOML to add and its place. Nothing is changed.
//!
//! The match over the reasons is complete: a new reason needs its remedy here. If a request should not be let in, the
//! words say so. Texts from a client are in TOML only as strings that toml_edit has written.
//!
//! | file | what it is for |
//! |---|---|
//! | `rule` | refusals for which a host, a path or a tenant is missing |
//! | `standing` | refusals because of the client, or because something is disabled or down |
//! | `written` | the pieces of TOML |
//! | `said` | the words for all other refusals |
//! | `place` | the place in the text of a file at which something is added |
//! | `likeness` | paths and names that are typical of scanners |

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

/// The placeholder for a target in TOML. It is no address and no name, so `portward check` refuses it until it is
/// replaced.
pub const TARGET: &str = "ADDRESS OF THE PBX";
/// The placeholder for a host of the rules in TOML. It is refused as well.
const HOST: &str = "NAME OF THE HOST";

/// A remedy.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Remedy {
    /// The advice, in sentences.
    pub words: String,
    /// The TOML to add.
    pub toml: Option<String>,
    /// The file to add it to, which exists or is new. Without `toml`: the file to look at.
    pub file: Option<PathBuf>,
    /// The line of that file to which the words refer, from 1.
    pub line: Option<u32>,
    /// The command to type instead.
    pub command: Option<String>,
    /// The place that has to be searched in the text of `file`.
    unread: Option<place::Wanted>,
    /// The position in `words` at which the place is inserted.
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

    /// The file whose text must be read to find the exact place. The caller has to read it.
    pub fn file_to_read(&self) -> Option<&Path> {
        self.unread.as_ref().and(self.file.as_deref())
    }

    /// Adds the text of [`Self::file_to_read`]. `None`: it could not be read.
    pub fn read(&mut self, text: Option<&str>) {
        let Some(wanted) = self.unread.take() else { return };
        let place::Found { toml, line, words } = wanted.find(text);
        (self.toml, self.line) = (toml, line);
        if !words.is_empty() && self.words.is_char_boundary(self.gap) {
            self.words.insert_str(self.gap, &format!(" {words}"));
        }
    }

    /// The remedy as one object. `text` has its lines in the text of the explanation.
    pub fn to_json(&self) -> Value {
        let Self { words, toml, file, line, command, .. } = self;
        let (file, text) = (file.as_ref().map(|file| file.display().to_string()), self.to_string());
        json!({ "words": words, "toml": toml, "file": file, "line": line, "command": command, "text": text })
    }
}

/// Writes the lines for an explanation.
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
    /// The host that the request asks for, if it is known.
    host: Option<Host<'a>>,
    /// The name that the request asks for, if no host has it.
    asked: &'a str,
}

/// The remedy for the request of `explanation`. `None`: the request is let in.
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
        // The current rules let it in, so another reason has refused it.
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

    /// The path of an HTTP request in compared form.
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

/// Quotes a word of a command for a shell.
fn word(text: &str) -> String {
    let is_plain = |octet: u8| octet.is_ascii_alphanumeric() || b"-._/:@".contains(&octet);
    match !text.is_empty() && text.bytes().all(is_plain) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}
