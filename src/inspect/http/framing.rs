//! Bodies: how a body is delimited, and how much of it is still to come.

use std::sync::Arc;

use super::chunked::Chunks;
use crate::field_names::FieldNames;
use crate::reason::Reason;

/// How a body is delimited, and how much of it is still to come.
#[derive(Debug)]
pub enum Framing {
    /// So many bytes.
    Length(u64),
    /// Chunks.
    Chunked(Box<Chunks>),
    /// All bytes until the connection ends.
    Close,
}

/// The result of [`Framing::filter`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// How many bytes at the front are forwarded.
    pub kept: usize,
    /// How many bytes belong to the message. The bytes between `kept` and `taken` are discarded.
    pub taken: usize,
}

impl Framing {
    /// No body.
    pub const NONE: Self = Self::Length(0);

    /// A chunked body that stays chunked.
    pub fn chunked() -> Self {
        Self::Chunked(Box::new(Chunks::new(true)))
    }

    /// A chunked body of which only the data is forwarded, for clients of HTTP/1.0.
    pub fn unchunked() -> Self {
        Self::Chunked(Box::new(Chunks::new(false)))
    }

    /// The same for a target's response, which is read more leniently: lines may end with LF alone, blanks may precede
    /// the colon of a trailer, and extensions and trailers may be longer. The forwarded form is strict.
    #[must_use]
    pub fn kindly(mut self) -> Self {
        if let Self::Chunked(chunks) = &mut self {
            chunks.kindly = true;
        }
        self
    }

    /// The same for a message whose fields with these names are never forwarded, not even in its trailer section.
    #[must_use]
    pub fn without(mut self, names: Option<&Arc<FieldNames>>) -> Self {
        if let Self::Chunked(chunks) = &mut self {
            chunks.withheld = names.cloned();
        }
        self
    }

    /// Whether the message is complete. A body that ends with the connection is never complete here.
    pub fn is_done(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunks) => chunks.is_done(),
            Self::Close => false,
        }
    }

    /// Examines new bytes of the body and moves the bytes to forward to the front of `data`.
    ///
    /// # Errors
    /// `Malformed` or `TooLarge` if the bytes are no chunks.
    pub fn filter(&mut self, data: &mut [u8]) -> Result<Progress, Reason> {
        match self {
            Self::Length(left) => {
                let taken = usize::try_from(*left).map_or(data.len(), |left| left.min(data.len()));
                *left -= taken as u64;
                Ok(Progress { kept: taken, taken })
            }
            Self::Chunked(chunks) => chunks.filter(data),
            Self::Close => Ok(Progress { kept: data.len(), taken: data.len() }),
        }
    }

    /// The octets that must be sent after the bytes that [`Self::filter`] kept, and before anything else. At the end of
    /// the body they are the trailer section and the last chunk, as far as these were not forwarded in place. Before
    /// that they are the missing part of a line end.
    pub fn tail(&mut self) -> Vec<u8> {
        match self {
            Self::Chunked(chunks) if chunks.owes_tail() => chunks.take_tail(),
            _ => Vec::new(),
        }
    }

    /// Whether [`Self::tail`] has octets.
    pub fn has_tail(&self) -> bool {
        matches!(self, Self::Chunked(chunks) if chunks.owes_tail())
    }
}
