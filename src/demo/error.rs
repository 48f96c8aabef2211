//! Why there is no demonstration.

use std::io;

use crate::server::ServerError;

/// Why there is no demonstration.
#[derive(Debug)]
pub enum DemoError {
    /// Files, sockets.
    Io(io::Error),
    /// The configuration that was made is none, or the server did not start.
    Refused(ServerError),
    /// No certificates.
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
