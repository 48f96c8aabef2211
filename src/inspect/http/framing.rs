//! Bodies: how one is delimited, and how much of it is still to come.

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
    /// Everything until the connection ends.
    Close,
}

/// What [`Framing::filter`] made of the bytes it was given.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Progress {
    /// So many bytes at the front pass on.
    pub kept: usize,
    /// So many bytes were the message's; those between `kept` and `taken` are nothing any more.
    pub taken: usize,
}

impl Framing {
    /// No body at all.
    pub const NONE: Self = Self::Length(0);

    /// Chunks that stay chunks.
    pub fn chunked() -> Self {
        Self::Chunked(Box::new(Chunks::new(true)))
    }

    /// Chunks whose data alone passes on, for clients of HTTP/1.0.
    pub fn unchunked() -> Self {
        Self::Chunked(Box::new(Chunks::new(false)))
    }

    /// The same of a target's response, which is read more kindly: lines may end with LF alone, blanks may stand before the
    /// colon of a trailer, extensions and trailers may be longer. What passes on is clean.
    #[must_use]
    pub fn kindly(mut self) -> Self {
        if let Self::Chunked(chunks) = &mut self {
            chunks.kindly = true;
        }
        self
    }

    /// The same of a message whose fields with these names never pass, not even in its trailer section.
    #[must_use]
    pub fn without(mut self, names: Option<&Arc<FieldNames>>) -> Self {
        if let Self::Chunked(chunks) = &mut self {
            chunks.withheld = names.cloned();
        }
        self
    }

    /// Whether the message is complete. A body until close never is: its end is the connection's.
    pub fn is_done(&self) -> bool {
        match self {
            Self::Length(left) => *left == 0,
            Self::Chunked(chunks) => chunks.is_done(),
            Self::Close => false,
        }
    }

    /// Looks at new bytes of the body and moves those that pass on to the front of `data`.
    ///
    /// # Errors
    /// `Malformed` or `TooLarge` for what is no chunk.
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

    /// What has to follow the bytes that [`Self::filter`] kept, before anything else does: once it is done, the trailer
    /// section and the last chunk, as far as they did not pass in place; before that, what a line end lacked.
    pub fn tail(&mut self) -> Vec<u8> {
        match self {
            Self::Chunked(chunks) if chunks.owes_tail() => chunks.take_tail(),
            _ => Vec::new(),
        }
    }

    /// Whether [`Self::tail`] has something to say.
    pub fn has_tail(&self) -> bool {
        matches!(self, Self::Chunked(chunks) if chunks.owes_tail())
    }
}
