//! What the name of a bind says: a domain and a user.

use smallvec::SmallVec;

/// A domain as the client wrote it, to be brought to the rules' normal form.
pub type Domain = SmallVec<[u8; 64]>;

/// The user's name, for the log.
pub type User = SmallVec<[u8; 32]>;

/// A name with several readings, or with none.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unclear;
