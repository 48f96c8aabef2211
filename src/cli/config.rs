//! The argument `--config` of several commands, and the configuration behind it.

use std::path::{Path, PathBuf};

use crate::config::{Diagnostics, Everything};
use crate::state::{folder, made, overrides};

/// The place of the configuration.
#[derive(Debug, clap::Args)]
pub(super) struct ConfigArg {
    /// The configuration file
    #[arg(long, short, value_name = "FILE", default_value = "/etc/portward/portward.toml")]
    pub(super) config: PathBuf,
}

/// The configuration, and the overrides of administrators. Only the service's user and root may read the overrides. For
/// other users the result says why they are unknown.
pub(super) fn loaded(path: &Path) -> Result<(Everything, Option<String>), Diagnostics> {
    let mut loaded = crate::config::load_all(path)?;
    let state = &loaded.config.state;
    let ground = made::Ground { foundation: &loaded.foundation, config: &loaded.config };
    let mut found = made::apply(ground, &mut loaded.table, None);
    found.append(overrides::apply(state, &mut loaded.table, None));
    if found.errors() > 0 && folder::is_of_concern(state) {
        return Err(found);
    }
    let unread = found.list().iter().find(|found| found.place.span.is_none());
    let why = unread.map(|found| found.message.clone());
    Ok((loaded, why))
}
