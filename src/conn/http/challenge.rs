//! ACME challenges. They are answered from `tls.acme_webroot`, or sent to `tls.acme_target`.
//! [`route::challenge`](crate::route::challenge) decides which requests are challenges.

use super::answer::document;
use super::forward::forward;
use super::{Next, Turn};
use crate::config::Acme;
use crate::conn::{Client, acme};
use crate::route::http::To;
use crate::upstream::Connection;

/// Answers the challenge with this token. `None`: there is no answer to it, so the rules decide about the request.
pub(super) async fn answer(
    client: &mut Client,
    own: &mut Vec<Connection>,
    turn: &Turn<'_>,
    token: &str,
) -> Option<Next> {
    match turn.config().tls.acme.as_ref()? {
        Acme::Webroot(folder) => {
            let body = acme::answer(folder, token).await?;
            Some(document(client, turn, &body).await)
        }
        Acme::Target { endpoints, port } => {
            let to = To::acme(endpoints, *port, turn.asked.host());
            Some(forward(client, own, turn, (&to, &turn.ask().edits(&turn.snapshot.table))).await)
        }
    }
}
