//! What a client can prove. Pure: [`crate::tls`] decides whether a certificate is trusted.
//!
//! - `names`, `sip`, `h323`: what a client's certificate proves (contract section 5, Check Certificate). The names in
//!   it are compared with the names that a registration or a call claims. `sip` also decides for which users a client may
//!   speak after it has proven itself with a credential (contract section 9).
//! - [`token`], [`own_routes`]: whether a SIP dialog leads through Portward. Portward's own route entry in the dialog shows
//!   it.
//!
//! The PBX trusts every name that arrives by TLS from its reverse proxy. So a doubtful name is never proven: no
//! wildcard and no part of a name counts, nothing is trimmed, and a claim that has two readings is not proven.

pub mod h323;
mod names;
pub mod own_routes;
pub mod sip;
pub mod token;

pub use names::{Claim, Names};
