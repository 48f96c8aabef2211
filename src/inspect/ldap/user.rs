//! The parts of a bind's name: a domain and a user.

use smallvec::SmallVec;

/// A domain as the client wrote it. It is brought to the rules' normal form later.
pub type Domain = SmallVec<[u8; 64]>;

/// The user's name, for the log.
pub type User = SmallVec<[u8; 32]>;

/// The error: a name with several readings or with none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unclear;
