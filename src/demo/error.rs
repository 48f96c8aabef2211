//! Why the demonstration cannot run.

use std::io;

use crate::server::ServerError;

/// Why the demonstration cannot run.
#[derive(Debug)]
pub enum DemoError {
    /// An error of files or sockets.
    Io(io::Error),
    /// The generated configuration is invalid, or the server did not start.
    Refused(ServerError),
    /// The certificates could not be made.
    Certificates(crate::tls::DevError),
}

impl std::fmt::Display for DemoError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Io(error) => error.fmt(f),
            Self::Refused(refused) => refused.fmt(f),
            Self::Certificates(error) => error.fmt(f),
        }
    }
}

impl From<io::Error> for DemoError {
    fn from(error: io::Error) -> Self {
        Self::Io(error)
    }
}
