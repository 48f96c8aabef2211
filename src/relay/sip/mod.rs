//! The SIP relay: one client connection and its one connection to a PBX, message by message (SPEC section 3, RFC 3261).
//!
//! `watch` looks at every message of both directions; `record` puts Portward's Record-Route entry in where the client
//! sees it; `route` takes it out where the PBX would; `transport` rewrites Via and Contact of a rule that says so,
//! `disguise` those of a browser; `edit`
//! is how a header section is changed without touching any other octet; `websocket` takes messages out of WebSocket messages; `answer` refuses a request; `token` makes and
//! knows the user part of our own route entry; `login` sees what the PBX makes of logins.
//!
//! Where a registration or a call may go is not decided here: the watch asks a [`Judge`]. A message that needs no edit
//! goes on octet by octet as it came.

mod answer;
mod disguise;
mod edit;
mod judge;
mod login;
mod record;
mod route;
mod transport;
mod watch;
mod websocket;

#[cfg(test)]
mod tests;

pub use answer::{FORBIDDEN, NO_SERVICE, OK, TOO_LARGE, UNAVAILABLE, respond};
pub use disguise::Disguise;
pub use judge::{Judge, Sentence};
pub use login::Login;
pub use record::Recording;
pub use watch::{Browser, SipWatch, length_inside};
pub use websocket::SipMessages;
