//! An identity becomes a route, or a refusal. Pure: no I/O, no clock, no log. Connections, `explain` and the API ask here,
//! so that they can never disagree.
//!
//! | room | whose message | what it is decided by |
//! |---|---|---|
//! | [`http`] | HTTP, every request | Host and path |
//! | [`challenge`] | HTTP | the path of an ACME challenge |
//! | [`asker`] | HTTP, of a balancer | the client that it names |
//! | [`websocket`] | HTTP, one that opens a WebSocket with SIP in it | the handshake, and the page that asks |
//! | [`identity`] | SIP | which of realm, From and Request-URI names the host |
//! | [`signalling`] | SIP | our own route entry, From, an asserted identity; and what Portward answers itself |
//! | [`proving`] | SIP, at a host that demands credentials | what the client has proven on this connection |
//! | [`directory`] | LDAP | the domain of a bind's name |
//! | [`registration`] | H.323 | the gatekeeper identifier, or the domain that is called |
//! | [`held_route`] | SIP, LDAP, H.323, a later one | what a later name on the connection means |
//!
//! An inspector says what a message is, [`rules`](crate::rules) what the administrator wants, and
//! [`proof`](crate::proof) what is proven. What is decided here takes the three together.

pub mod asker;
pub mod challenge;
pub mod directory;
pub mod held_route;
pub mod http;
pub mod identity;
pub mod proving;
pub mod registration;
pub mod signalling;
pub mod websocket;

use crate::ending::{Ending, Stage, Whose};
use crate::reason::{Reason, Weight};
use crate::rules::decide::Refusal;

/// Why what was asked for goes nowhere.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'t> {
    /// The reason, and what the table knows of it.
    pub refusal: Refusal<'t>,
    /// What it weighs toward the blacklist.
    pub weight: Weight,
}

impl<'t> From<Refusal<'t>> for Refused<'t> {
    fn from(refusal: Refusal<'t>) -> Self {
        Self { refusal, weight: refusal.reason.weight() }
    }
}

impl From<Reason> for Refused<'_> {
    fn from(reason: Reason) -> Self {
        Self::from(Refusal { reason, host: None, cause: None })
    }
}

impl Refused<'_> {
    /// The same refusal, without any weight.
    pub(crate) const fn uncounted(self) -> Self {
        Self { weight: Weight::Nothing, ..self }
    }

    /// How a connection ends by it.
    pub fn ending(&self) -> Ending {
        let ending = Ending::because(Stage::Route, Whose::Policy, self.refusal.reason);
        Ending { weight: self.weight, is_told: self.refusal.is_of_disabled_tenant(), ..ending }
    }
}
