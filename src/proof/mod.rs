//! What a client can prove. Pure: whether a certificate is to be trusted at all is [`crate::tls`]'s to say.
//!
//! - `names`, `sip`, `h323`: what a client's certificate proves (contract section 5, Check Certificate): the names in it against
//!   those that a registration or a call claims. `sip` also decides for whom a client may speak after it has proven itself
//!   with a credential (contract section 9);
//! - [`token`], [`own`]: that a SIP dialog leads through Portward, by the route entry that Portward has put into it.
//!
//! The PBX takes what comes by TLS from its reverse proxy for proven, so every doubt here is a no: no wildcard, no part of
//! a name, nothing trimmed, and of a claim that two readers could read differently nothing is proven.

pub mod h323;
mod names;
pub mod own;
pub mod sip;
pub mod token;

pub use names::{Claim, Names};
