//! What a client's certificate proves (SPEC section 5, Check Certificate): the names in it against those that a
//! registration or a call claims. Pure: whether the certificate is to be trusted at all is [`crate::tls`]'s to say.
//!
//! The PBX takes what comes by TLS from its reverse proxy for proven, so every doubt here is a no: no wildcard, no part of
//! a name, nothing trimmed, and of a claim that two readers could read differently nothing is proven.

pub mod h323;
mod names;
pub mod sip;

pub use names::{Claim, Names};
