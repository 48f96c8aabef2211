//! The versions of HTTP that Portward speaks.

use crate::reason::Reason;

/// The version in a request line or a status line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.0.
    Http10,
    /// HTTP/1.1.
    Http11,
}

impl Version {
    /// HTTP/1.`minor`, as `httparse` returns it.
    ///
    /// # Errors
    /// Any other version is malformed.
    pub(super) fn of(minor: Option<u8>) -> Result<Self, Reason> {
        match minor {
            Some(1) => Ok(Self::Http11),
            Some(0) => Ok(Self::Http10),
            _ => Err(Reason::Malformed),
        }
    }
}
