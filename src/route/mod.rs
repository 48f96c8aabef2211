//! Turns an identity into a route, or a refusal. Pure: no I/O, no clock, no log. Connections, `explain` and the API all
//! ask here, so they always agree.
//!
//! | file | messages | what decides |
//! |---|---|---|
//! | [`http`] | HTTP, every request | Host and path |
//! | [`challenge`] | HTTP | the path of an ACME challenge |
//! | [`asker`] | HTTP, from a balancer | the client that the balancer names |
//! | [`websocket`] | HTTP, to open a WebSocket with SIP in it | the handshake, and the page that opens it |
//! | [`identity`] | SIP | the host that realm, From and Request-URI name |
//! | [`signalling`] | SIP | our own route entry, From, an asserted identity; also which messages Portward answers itself |
//! | [`proving`] | SIP, to a host that demands credentials | what the client has proven on this connection |
//! | [`directory`] | LDAP | the domain in the name of a bind |
//! | [`registration`] | H.323 | the gatekeeper identifier, or the domain that is called |
//! | [`held_route`] | SIP, LDAP and H.323, later ones | the first decision of the connection |
//!
//! An inspector reads the message, [`rules`](crate::rules) has the administrator's rules, and [`proof`](crate::proof)
//! checks what is proven. The decision here combines the three.

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

use crate::ending::{Ending, Responsible, Stage};
use crate::reason::{Reason, Weight};
use crate::rules::decide::Refusal;

/// Why a request is refused.
#[derive(Debug, Clone, Copy)]
pub struct Refused<'t> {
    /// The reason, and what the table knows about it.
    pub refusal: Refusal<'t>,
    /// The weight toward the blacklist.
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
    /// The same refusal, but it does not count.
    pub(crate) const fn uncounted(self) -> Self {
        Self { weight: Weight::Nothing, ..self }
    }

    /// The ending of a connection by this refusal.
    pub fn ending(&self) -> Ending {
        let ending = Ending::because(Stage::Route, Responsible::Policy, self.refusal.reason);
        Ending { weight: self.weight, is_told: self.refusal.is_of_disabled_tenant(), ..ending }
    }
}
