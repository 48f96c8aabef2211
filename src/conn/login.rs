//! Whether a target has refused the login of an HTTP request (contract section 6). The answer is judged as soon as its
//! head has been read. The rest of the exchange changes nothing, because the client may know the answer by then.
//!
//! A 401 is a failed login if the request had a password, or a nonce that this target has given to the client's
//! address. Tokens, and logins in several steps such as NTLM, never count.

use std::sync::Arc;

use super::ending::Told;
use super::login_results::{Doors, LoginResults};
use crate::guard::Exemption;
use crate::inspect::digest::{self, Credentials, challenges, next_nonce};
use crate::inspect::http::{Authorization, Kind, Response};
use crate::relay::http::Asked;
use crate::rules::{Endpoint, Ports};
use crate::state::Shared;

/// The login in one request: the client, the target and the credentials.
#[derive(Debug)]
pub(super) struct Login<'a> {
    pub(super) shared: &'a Arc<Shared>,
    pub(super) exemption: &'a Arc<Exemption>,
    /// The connection and its client. The client is the peer, or the client that a balancer in `forwarded_from` names.
    pub(super) told: Told,
    pub(super) endpoints: &'a [Endpoint],
    pub(super) ports: Ports,
    /// The kind of credentials, if the request has any.
    pub(super) credentials: Option<Credentials>,
}

impl Login<'_> {
    /// Handles the target's answer.
    pub(super) fn answered(&self, response: &Response, head: &[u8]) {
        match (response.status, self.credentials) {
            (401, _) => self.refused(response, head),
            (_, Some(Credentials::Digest(_))) => {
                let results = self.login_results();
                let next = values(response, head, b"authentication-info").filter_map(next_nonce);
                next.for_each(|nonce| results.gave(nonce));
            }
            _ => {}
        }
    }

    fn refused(&self, response: &Response, head: &[u8]) {
        let results = self.login_results();
        // This must be asked before the nonces of this answer are noted.
        let guessed = match self.credentials {
            Some(Credentials::Basic) => true,
            Some(Credentials::Digest(nonce)) => results.has_given(nonce),
            Some(Credentials::Other) | None => false,
        };
        let mut stale = false;
        for challenge in values(response, head, b"www-authenticate").flat_map(challenges) {
            stale |= challenge.stale;
            results.gave(challenge.nonce);
        }
        // `stale` is about Digest's nonces. A wrong password in HTTP basic is wrong all the same.
        if guessed && (!stale || self.credentials == Some(Credentials::Basic)) {
            results.failed();
        }
    }

    fn login_results(&self) -> LoginResults {
        let doors = Doors::of(self.endpoints, self.ports);
        LoginResults::of_request(self.shared, self.exemption, self.told, doors)
    }
}

/// The kind of credentials in a request. `None`: it has none.
pub(super) fn credentials(asked: &Asked<'_>) -> Option<Credentials> {
    authorization(asked).map(digest::credentials)
}

/// The value of Authorization. If Connection names this field, it is meant for Portward alone and is no login.
pub(super) fn authorization<'a>(asked: &'a Asked<'_>) -> Option<&'a [u8]> {
    let (request, head) = (asked.request(), asked.head());
    if request.authorization == Authorization::None {
        return None;
    }
    let mut fields = request.fields.iter().filter(|field| field.kind == Kind::EndToEnd);
    let field = fields.find(|field| field.name.of_input(head).eq_ignore_ascii_case(b"authorization"))?;
    Some(field.value.of_input(head))
}

/// The values of the header field `name`.
fn values<'a>(response: &'a Response, head: &'a [u8], name: &'a [u8]) -> impl Iterator<Item = &'a [u8]> {
    let fields = response.fields.iter();
    let fields = fields.filter(move |field| field.name.of_input(head).eq_ignore_ascii_case(name));
    fields.map(move |field| field.value.of_input(head))
}
