//! The final message of a command that changes a host, for people and for programs.

use std::path::PathBuf;

use serde_json::{Value, json};

use super::{Args, HostError};
use crate::cli::daemon::field;
use crate::cli::terminal;

/// The result for a host.
#[derive(Debug)]
pub(super) struct Done {
    host: String,
    /// `added`, `enabled`, `disabled` or `removed`.
    did: &'static str,
    /// `false`: the host already was in this state.
    pub(super) changed: bool,
    /// The rules file. `None`: the host was made over the API.
    pub(super) file: Option<PathBuf>,
    pub(super) line: Option<u32>,
    /// Whether the change is in force in the running daemon. `None`: the daemon was not asked, because nothing has
    /// changed.
    pub(super) in_force: Option<bool>,
    /// New warnings of the daemon.
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

    /// The file was changed, and these are the daemon's new warnings after it has read the file. `None`: it does not
    /// run.
    pub(super) fn told(&mut self, new: Option<Vec<Value>>) {
        self.changed = true;
        self.in_force = Some(new.is_some());
        self.diagnostics = new.unwrap_or_default();
    }

    /// Prints the result. `words` is the text for people.
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

    /// Shows the change that `--dry-run` would make.
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
