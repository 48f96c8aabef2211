//! The SIP relay: one client connection and its one connection to a PBX, message by message (contract section 3, RFC 3261).
//!
//! | file | what it does |
//! |---|---|
//! | `watch` | looks at every message of both directions |
//! | `policy` | the questions of the watch to the policy, which knows the rules |
//! | `record`, `route` | put our own Record-Route entry into messages to the client, and take it out of messages to the PBX |
//! | `transport` | rewrites Via and Contact where a rule says so |
//! | `disguise` | rewrites Via and Contact of a browser toward a PBX without WebSocket |
//! | `websocket` | takes SIP messages out of WebSocket messages |
//! | `login` | sees whether the PBX accepts logins |
//! | `change` | all changes to a message toward the PBX, and its length after them |
//! | `edit` | changes a header section without touching any other octet |
//! | `answer` | Portward's own answers |
//!
//! The watch does not decide where a registration or a call may go. It asks a [`SipPolicy`]. A message that needs no
//! edit passes octet for octet.

mod answer;
mod change;
mod disguise;
mod edit;
mod login;
mod policy;
mod record;
mod route;
mod transport;
mod watch;
mod websocket;

#[cfg(test)]
mod tests;

pub use answer::{FORBIDDEN, NO_SERVICE, OK, TOO_LARGE, UNAVAILABLE, respond};
pub use change::length_inside;
pub use disguise::Disguise;
pub use login::Login;
pub use policy::{SipAction, SipPolicy};
pub use record::Recording;
pub use watch::{Browser, SipWatch};
pub use websocket::SipMessages;
