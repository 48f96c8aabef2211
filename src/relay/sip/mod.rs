//! The SIP relay: one client connection and its one connection to a PBX, message by message (contract section 3, RFC 3261).
//!
//! | file | what it does |
//! |---|---|
//! | `watch` | looks at every message of both directions |
//! | `policy` | what the watch asks the policy, which knows the rules |
//! | `record`, `route` | Portward's own Record-Route entry is put in where the client sees it, and taken out where the PBX
//! would |
//! | `transport` | Via and Contact are rewritten where a rule says so |
//! | `disguise` | the same of a browser, toward a PBX without WebSocket |
//! | `websocket` | SIP messages are taken out of WebSocket messages |
//! | `login` | what the PBX makes of logins |
//! | `change` | all that is changed of a message toward the PBX, and its length after that |
//! | `edit` | a header section is changed without touching any other octet |
//! | `answer` | Portward's own answers |
//!
//! Where a registration or a call may go is not decided here: the watch asks a [`SipPolicy`]. A message that needs no edit
//! goes on octet by octet as it came.

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
