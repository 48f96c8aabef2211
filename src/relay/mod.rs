//! Relays: they move bytes between a client and its target until the connection ends.
//!
//! A relay does not decide where a request may go. A request that needs a new decision comes back to `conn`.
//!
//! | file | what is in it |
//! |---|---|
//! | [`http`] | one exchange: a request and its response |
//! | [`sip`], [`ldap`], [`h323`] | what is checked, changed or answered in each message of a connection |
//! | [`watched`] | the relay below these three: both directions, message by message |
//! | [`tunnel`] | both directions, without a look at the contents |
//! | [`patience`] | how long a relay waits, and how it notices that a side has ended |
//! | `ended` | the side that ended a relay |
//! | `pump` | one HTTP message in one direction |
//! | `stage` | a relay between two ends in memory, for tests |

mod ended;
pub mod h323;
pub mod http;
pub mod ldap;
pub mod patience;
mod pump;
pub mod sip;
#[cfg(test)]
mod stage;
pub mod tunnel;
pub mod watched;

pub use ended::EndedBy;
pub use pump::{Pump, Stopped, Waits};
