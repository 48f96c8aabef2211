//! Relays: bytes between a client and the target that it was given, to the end.
//!
//! A relay decides nothing about where something may go; what needs a new decision comes back to `conn`.
//!
//! | room | what is in it |
//! |---|---|
//! | [`http`] | one exchange: a request and its response |
//! | [`sip`], [`ldap`], [`h323`] | what is looked at, changed or answered in each message of a connection |
//! | [`watched`] | the relay below these three: both directions, message by message |
//! | [`tunnel`] | both directions, without a look at what is in them |
//! | [`patience`] | how long a relay waits, and how it notices that a side has ended |
//! | `pump` | one HTTP message in one direction |

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
