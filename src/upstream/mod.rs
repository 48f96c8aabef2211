//! Toward the targets: names become addresses, addresses become connections, connections are kept for the next
//! request.
//!
//! It never decides whether somebody may go there; it gets a target and either brings a connection or says why not.

mod dial;
mod health;
mod pool;
mod resolve;

pub use dial::{Attempts, Dialer, Wanted};
pub use health::Health;
pub use pool::{Connection, Key, KeyRef, Pool};
pub use resolve::Resolver;
