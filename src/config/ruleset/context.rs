//! What the parts of a host need of the whole.

use std::path::{Path, PathBuf};

use super::super::text::read_text;
use super::super::{Config, Location};
use super::agreement::Agreement;
use super::files::{File, Position, Stands};
use super::own_sockets::OwnSockets;
use super::preset::Presets;
use super::target::Targets;
use super::tenant::Known;

/// What the parts of a host need of the whole.
pub(super) struct Context {
    pub(super) targets: Targets,
    pub(super) presets: Presets,
    /// The tenants.
    pub(super) known: Known,
    pub(super) agreement: Agreement,
    pub(super) own: OwnSockets,
    /// portward.toml has secrets under which Portward makes credentials.
    pub(super) has_sip_secrets: bool,
    /// The files' names, in the order of [`crate::rules::Source::file`].
    pub(super) names: Vec<PathBuf>,
}

impl Context {
    /// Nothing is known yet but what listens.
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

    /// The same for what may stand in a file that was read before: it is read again, and where that fails the file is named.
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

    /// A position as diagnostics have it.
    pub(super) fn place(&self, position: Position) -> Location {
        position.place(self.names.get(usize::from(position.file)).map_or(Path::new(""), |name| name))
    }
}
