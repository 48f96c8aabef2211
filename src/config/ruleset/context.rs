//! The shared state that the parts of a host need while they are read.

use std::path::{Path, PathBuf};

use super::super::text::read_text;
use super::super::{Config, Location};
use super::agreement::Agreement;
use super::files::{File, Position, Stands};
use super::own_sockets::OwnSockets;
use super::preset::Presets;
use super::target::Targets;
use super::tenant::Known;

/// The shared state that the parts of a host need while they are read.
pub(super) struct Context {
    pub(super) targets: Targets,
    pub(super) presets: Presets,
    /// The tenants.
    pub(super) known: Known,
    pub(super) agreement: Agreement,
    pub(super) own: OwnSockets,
    /// Whether portward.toml has secrets with which Portward makes credentials.
    pub(super) has_sip_secrets: bool,
    /// The files' names, in the order of [`crate::rules::Source::file`].
    pub(super) names: Vec<PathBuf>,
}

impl Context {
    /// The state before anything was read. Only the listeners are known.
    pub(super) fn new(files: &[File], config: &Config) -> Self {
        Self {
            targets: Targets::default(),
            presets: Presets::default(),
            known: Known::default(),
            agreement: Agreement::for_texts(files.iter().map(|file| file.text.as_str())),
            own: OwnSockets::new(config),
            has_sip_secrets: !config.sip.secrets.is_empty(),
            names: files.iter().map(|file| file.path.clone()).collect(),
        }
    }

    /// The place of something that may be in a file that was read before. That file is read again. If that fails, the
    /// place is the file as a whole.
    pub(super) fn place_of(&self, stands: Stands) -> Location {
        match stands {
            Stands::At(position) => self.place(position),
            Stands::On(source) => {
                let file = self.names.get(usize::from(source.file)).map_or(Path::new(""), |name| name);
                match read_text(file, "the rules file") {
                    Ok(text) => Position::of_text(source, &text).place(file),
                    Err(_) => Location::whole(file),
                }
            }
        }
    }

    /// A position in the form of diagnostics.
    pub(super) fn place(&self, position: Position) -> Location {
        position.place(self.names.get(usize::from(position.file)).map_or(Path::new(""), |name| name))
    }
}
