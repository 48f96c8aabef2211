//! Answers that Portward makes itself: a redirect, a document, a status. After such an answer the connection goes on if
//! the client wants that and no part of a request's body is left.

use std::borrow::Cow;

use zeroize::Zeroizing;

use super::{Next, Turn};
use crate::conn::Client;
use crate::ending::{Ending, Responsible, Stage};
use crate::inspect::http::Version;
use crate::log::Outcome;
use crate::relay::http::{OWN_FIELDS, own_document, own_json, own_nothing, own_response};
use crate::rules::ResponseField;

/// A small answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reply {
    /// The status.
    pub(super) status: u16,
    /// The connection may go on, because no part of a body is left.
    pub(super) goes_on: bool,
    /// How the connection ends otherwise.
    pub(super) ended: Ending,
}

/// Sends the document of a webroot that answers an ACME challenge.
pub(super) async fn document(client: &mut Client, turn: &Turn<'_>, body: &[u8]) -> Next {
    turn.decided(client, Outcome::Challenge);
    let goes_on = can_go_on(client, turn);
    turn.answered(200);
    let answer = own_document(body, goes_on, turn.asked.is_head());
    let ended = Ending::peacefully(Stage::Route, Responsible::Policy);
    send(client, turn, &answer, (goes_on, ended)).await
}

/// Answers 308 (Permanent Redirect) to the same URL by HTTPS.
pub(super) async fn redirect(client: &mut Client, turn: &Turn<'_>, location: String) -> Next {
    let field = format!("Location: {location}\r\n");
    turn.decided(client, Outcome::Redirected(location));
    let ended = Ending::peacefully(Stage::Route, Responsible::Policy);
    let reply = Reply { status: 308, goes_on: !turn.asked.has_body(), ended };
    reply_with(client, turn, reply, &field).await
}

/// Sends an answer of Portward's own.
pub(super) async fn reply(client: &mut Client, turn: &Turn<'_>, reply: Reply) -> Next {
    reply_with(client, turn, reply, "").await
}

/// The same with further header fields.
pub(super) async fn reply_with(client: &mut Client, turn: &Turn<'_>, reply: Reply, fields: &str) -> Next {
    let goes_on = reply.goes_on && can_go_on(client, turn);
    turn.answered(reply.status);
    let fields = with_rules_fields(fields, turn.response_fields());
    let answer = own_response(reply.status, &fields, goes_on, turn.asked.is_head());
    send(client, turn, &answer, (goes_on, reply.ended)).await
}

/// An answer in JSON: further header fields, and the content.
pub(super) async fn reply_json(
    client: &mut Client,
    turn: &Turn<'_>,
    reply: Reply,
    (fields, json): (&str, &serde_json::Value),
) -> Next {
    let goes_on = reply.goes_on && can_go_on(client, turn);
    turn.answered(reply.status);
    let fields = with_rules_fields(fields, turn.response_fields());
    let answer = Zeroizing::new(own_json(reply.status, &fields, json, goes_on, turn.asked.is_head()));
    send(client, turn, &answer, (goes_on, reply.ended)).await
}

/// Answers 204 (No Content) with further header fields.
pub(super) async fn reply_nothing(client: &mut Client, turn: &Turn<'_>, reply: Reply, fields: &str) -> Next {
    let goes_on = reply.goes_on && can_go_on(client, turn);
    turn.answered(reply.status);
    let answer = own_nothing(&with_rules_fields(fields, turn.response_fields()), goes_on);
    send(client, turn, &answer, (goes_on, reply.ended)).await
}

/// The header fields of an answer, with the fields that the rule sets. A field of the answer itself is never replaced,
/// because the answer would not work without it.
fn with_rules_fields<'f>(fields: &'f str, response: &[ResponseField]) -> Cow<'f, str> {
    let mut all = Cow::Borrowed(fields);
    let names = |fields: &str, name: &str| {
        let own = fields.lines().filter_map(|line| line.split_once(':')).map(|(name, _)| name);
        own.chain(OWN_FIELDS).any(|own| own.eq_ignore_ascii_case(name))
    };
    for field in response.iter().filter(|field| !names(fields, &field.name)) {
        for part in [&*field.name, ": ", &*field.value, "\r\n"] {
            all.to_mut().push_str(part);
        }
    }
    all
}

/// Whether the connection may go on and the client wants that.
fn can_go_on(client: &Client, turn: &Turn<'_>) -> bool {
    let http11 = turn.asked.version() == Version::Http11;
    http11 && turn.asked.is_persistent() && !client.timer.is_stopping()
}

/// Sends an answer. Afterwards the connection goes on or ends as given.
async fn send(client: &mut Client, turn: &Turn<'_>, answer: &[u8], (goes_on, ended): (bool, Ending)) -> Next {
    match client.send(answer, turn.config().limits.inspect_timeout).await {
        Ok(()) if goes_on => Next::Ask,
        // This was the client's last request, and no part of it is unread.
        Ok(()) if !turn.asked.is_persistent() && !turn.asked.has_body() => Next::CloseAtOnce(ended),
        Ok(()) => Next::Close(ended),
        Err(_) => Next::End(ended),
    }
}
