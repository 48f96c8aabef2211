//! What a command that changes a host says in the end, to people and to programs.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Args, HostError};
use crate::cli::daemon::field;
use crate::cli::terminal;

/// What has become of a host.
#[derive(Debug)]
pub(super) struct Done {
    host: String,
    /// `added`, `enabled`, `disabled` or `removed`.
    did: &'static str,
    /// False: it was so already.
    pub(super) changed: bool,
    /// The rules file; none: the host was made over the API.
    pub(super) file: Option<PathBuf>,
    pub(super) line: Option<u32>,
    /// Whether the running daemon obeys. `None`: it was not asked, because nothing has changed.
    pub(super) in_force: Option<bool>,
    /// What the daemon warns of since then.
    diagnostics: Vec<Value>,
}

impl Done {
    pub(super) fn new(host: &str, did: &'static str) -> Self {
        Self {
            host: host.to_owned(),
            did,
            changed: false,
            file: None,
            line: None,
            in_force: None,
            diagnostics: Vec::new(),
        }
    }

    /// The file is changed, and this is what the daemon has found when it read it. `None`: it does not run.
    pub(super) fn told(&mut self, new: Option<Vec<Value>>) {
        self.changed = true;
        self.in_force = Some(new.is_some());
        self.diagnostics = new.unwrap_or_default();
    }

    /// Says it, in these words to people.
    pub(super) fn report(self, args: &Args, words: &str) -> Result<(), HostError> {
        if args.daemon.json {
            let file = self.file.map(|file| file.display().to_string());
            terminal::print_line(json!({
                "host": self.host,
                "did": self.did,
                "changed": self.changed,
                "file": file,
                "line": self.line,
                "in_force": self.in_force,
                "diagnostics": self.diagnostics,
            }));
            return Ok(());
        }
        for one in &self.diagnostics {
            let text = |name: &str| field(one, name).as_str().map(terminal::harmless);
            terminal::complain(format_args!(
                "{}: {}",
                text("severity").unwrap_or_else(|| "warning".to_owned()),
                text("message").unwrap_or_default()
            ));
            if let Some(help) = text("help") {
                terminal::complain(format_args!("  help: {help}"));
            }
        }
        terminal::print_line(words);
        Ok(())
    }

    /// Shows what `--dry-run` would change.
    pub(super) fn shown(&self, args: &Args, difference: &str) -> Result<(), HostError> {
        if args.daemon.json {
            let file = self.file.as_ref().map(|file| file.display().to_string());
            terminal::print_line(json!({
                "host": self.host,
                "did": null,
                "changed": false,
                "file": file,
                "difference": difference,
            }));
        } else if !difference.is_empty() {
            terminal::print_line(difference.trim_end());
        }
        Ok(())
    }
}
