//! What Portward answers itself: a redirect, an ACME challenge, a status. A connection goes on after an answer of its own if
//! the client wants to and nothing of a body is left.

use std::sync::Arc;

use super::forward::forward;
use super::{Next, Routed};
use crate::config::{Acme, Config};
use crate::conn::{Client, acme};
use crate::ending::{Ending, Stage, Whose};
use crate::log::Outcome;
use crate::relay::http::{own_document, own_response};
use crate::service::Transport;
use crate::state::Snapshot;
use crate::upstream::{Connection, Wanted};

/// The answer to an ACME challenge; `None`: there is none, and the rules decide.
pub(super) async fn challenge(
    client: &mut Client,
    own: &mut Vec<Connection>,
    snapshot: &Arc<Snapshot>,
    routed: &mut Routed<'_>,
    token: &str,
) -> Option<Next> {
    match snapshot.config.tls.acme.as_ref()? {
        Acme::Webroot(folder) => {
            let body = acme::answer(folder, token).await?;
            client.decided(&snapshot.config, routed.client, routed.subject(), Outcome::Challenge);
            let answer = |goes_on| own_document(&body, goes_on, routed.outgoing.is_head);
            let ended = Ending::peacefully(Stage::Route, Whose::Policy);
            Some(say(client, routed, answer, true, ended, &snapshot.config).await)
        }
        Acme::Target { endpoints, port } => {
            let (name, facts) = (routed.host(), client.facts);
            let wanted = Wanted {
                service: facts.service,
                endpoints,
                transport: Transport::Plain,
                port: *port,
                host: &name,
                client: facts.client,
                owner: routed.client,
                local: facts.local,
            };
            Some(forward(client, own, snapshot, routed, wanted).await)
        }
    }
}

/// A 308 to the same URL by HTTPS.
pub(super) async fn redirect(client: &mut Client, config: &Config, routed: &Routed<'_>) -> Next {
    let url = routed.https_url(config);
    client.decided(config, routed.client, routed.subject(), Outcome::Redirected(url.clone()));
    let ended = Ending::peacefully(Stage::Route, Whose::Policy);
    let location = format!("Location: {url}\r\n");
    reply(client, routed, 308, &location, routed.outgoing.framing.is_done(), ended, config).await
}

/// An answer of our own; the connection goes on after it if the client wants to and nothing of a body is left.
pub(super) async fn reply(
    client: &mut Client,
    routed: &Routed<'_>,
    status: u16,
    extra: &str,
    goes_on: bool,
    ended: Ending,
    config: &Config,
) -> Next {
    let answer = |goes_on| own_response(status, extra, goes_on, routed.outgoing.is_head);
    say(client, routed, answer, goes_on, ended, config).await
}

/// Writes what `answer` makes of whether the connection goes on, and goes on if it can.
async fn say(
    client: &mut Client,
    routed: &Routed<'_>,
    answer: impl FnOnce(bool) -> Vec<u8>,
    goes_on: bool,
    ended: Ending,
    config: &Config,
) -> Next {
    let http11 = routed.outgoing.version == crate::inspect::http::Version::Http11;
    let goes_on = goes_on && http11 && routed.outgoing.persistent && !client.timer.is_stopping();
    let answer = answer(goes_on);
    match client.say(&answer, config.limits.inspect_timeout).await {
        Ok(()) if goes_on => Next::Ask,
        Ok(()) => Next::Close(ended),
        Err(_) => Next::End(ended),
    }
}
