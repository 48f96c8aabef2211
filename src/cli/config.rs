//! The argument that several commands have.

use std::path::PathBuf;

/// Where the configuration is.
#[derive(Debug, clap::Args)]
pub(super) struct ConfigArg {
    /// The configuration file
    #[arg(long, short, value_name = "FILE", default_value = "/etc/portward/portward.toml")]
    pub(super) config: PathBuf,
}
