//! What Portward answers itself: a redirect, a document, a status. The connection goes on after such an answer if the client
//! wants it to and nothing of a request's body is left.

use super::{Next, Turn};
use crate::conn::Client;
use crate::ending::{Ending, Stage, Whose};
use crate::inspect::http::Version;
use crate::log::Outcome;
use crate::relay::http::{own_document, own_response};

/// A small answer.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reply {
    /// The status.
    pub(super) status: u16,
    /// The connection may go on: nothing of a body is left.
    pub(super) goes_on: bool,
    /// How it ends otherwise.
    pub(super) ended: Ending,
}

/// The document with which a webroot answers an ACME challenge.
pub(super) async fn document(client: &mut Client, turn: &Turn<'_>, body: &[u8]) -> Next {
    turn.decided(client, Outcome::Challenge);
    let goes_on = can_go_on(client, turn);
    turn.answered(200);
    let answer = own_document(body, goes_on, turn.asked.is_head());
    let ended = Ending::peacefully(Stage::Route, Whose::Policy);
    send(client, turn, &answer, (goes_on, ended)).await
}

/// A 308 to the same URL by HTTPS.
pub(super) async fn redirect(client: &mut Client, turn: &Turn<'_>, location: String) -> Next {
    let field = format!("Location: {location}\r\n");
    turn.decided(client, Outcome::Redirected(location));
    let ended = Ending::peacefully(Stage::Route, Whose::Policy);
    let reply = Reply { status: 308, goes_on: !turn.asked.has_body(), ended };
    reply_with(client, turn, reply, &field).await
}

/// An answer of our own.
pub(super) async fn reply(client: &mut Client, turn: &Turn<'_>, reply: Reply) -> Next {
    reply_with(client, turn, reply, "").await
}

/// The same with further fields.
pub(super) async fn reply_with(client: &mut Client, turn: &Turn<'_>, reply: Reply, fields: &str) -> Next {
    let goes_on = reply.goes_on && can_go_on(client, turn);
    turn.answered(reply.status);
    let answer = own_response(reply.status, fields, goes_on, turn.asked.is_head());
    send(client, turn, &answer, (goes_on, reply.ended)).await
}

/// Whether the client wants to go on and may.
fn can_go_on(client: &Client, turn: &Turn<'_>) -> bool {
    let http11 = turn.asked.version() == Version::Http11;
    http11 && turn.asked.is_persistent() && !client.timer.is_stopping()
}

/// Writes an answer; the connection goes on or ends so.
async fn send(client: &mut Client, turn: &Turn<'_>, answer: &[u8], (goes_on, ended): (bool, Ending)) -> Next {
    match client.say(answer, turn.config().limits.inspect_timeout).await {
        Ok(()) if goes_on => Next::Ask,
        Ok(()) => Next::Close(ended),
        Err(_) => Next::End(ended),
    }
}
