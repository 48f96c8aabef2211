//! Relays: bytes between a client and the target that it was given, to the end.
//!
//! A relay decides nothing about where something may go; what needs a new decision comes back to `conn`.

pub mod h323;
pub mod http;
pub mod ldap;
pub mod patience;
mod pump;
pub mod sip;
pub mod tunnel;
pub mod watched;

pub use pump::{Pump, Stopped, Waits};
