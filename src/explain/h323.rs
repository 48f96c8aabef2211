//! H.323: the registration of an endpoint, or its search for a gatekeeper. [`registration`](crate::route::registration)
//! decides it.

use super::answer::Explanation;
use super::once::Once;
use super::url::Url;
use super::{Client, Grounds};
use crate::inspect::h323::{Alias, Ask, Registration, Verb};
use crate::route::Refused;

/// Explains an H.323 question. `identifier`: the gatekeeper's identifier.
pub(super) fn explain(grounds: &Grounds<'_>, url: &Url, identifier: &str, client: &Client) -> Explanation {
    let terms = grounds.config.h323_terms(grounds.table);
    let asked = Ask::Registration(registration(identifier, &client.aliases));
    let host = terms.host(&asked);
    let decided = match &host {
        Ok(host) => {
            terms.decide(url.transport(), host, &asked, client.names.as_ref()).map(|(route, _)| route)
        }
        Err(reason) => Err(Refused::from(*reason)),
    };
    let claims: Vec<_> = client.aliases.iter().map(Alias::text).collect();
    let once = Once { grounds, url, names: client.names.as_ref(), claims: claims.join(" and ") };
    once.explain(decided, host.as_deref().unwrap_or_default().as_bytes())
}

/// The first message of an endpoint.
fn registration(identifier: &str, aliases: &[Alias]) -> Registration {
    let verb = if aliases.is_empty() { Verb::Gatekeeper } else { Verb::Registration };
    let identifier = Some(identifier.to_owned()).filter(|identifier| !identifier.is_empty());
    Registration { identifier, aliases: aliases.to_vec(), ..Registration::new(verb, 1) }
}
