//! Connections to targets: names are resolved, addresses are dialled, and connections are kept for the next request.
//!
//! It never decides whether a client may use a target. It gets a target and returns a connection, or an error.
//!
//! | file | what is in it |
//! |---|---|
//! | `resolve` | names become addresses, in the background; `resolve::system` reads /etc/hosts and /etc/resolv.conf |
//! | `health` | which addresses can be used, as connections and checks have shown |
//! | `dial` | tries the addresses of a target, one after the other |
//! | `unreached` | the cause of an error of the operating system, in the words of the closed list |
//! | `trial` | tries every address of every target, without a client |
//! | `here` | whether an address belongs to this machine |
//! | `pool` | connections that wait for their next request |

mod dial;
mod health;
mod here;
mod pool;
mod resolve;
mod trial;
mod unreached;

pub use dial::{Attempts, ConnectionWanted, Dialer};
pub use health::{AddressStatus, Basis, Change, Checks, Down, Health, State};
pub use pool::{Connection, Key, KeyRef, Pool};
pub use resolve::Resolver;
pub use trial::{Port, Tried, ports_of};
