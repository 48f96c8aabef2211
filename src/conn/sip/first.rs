//! Messages before the decision: up to the first that decides, those that Portward answers itself, and those that are
//! too long for where they would go.

use super::super::{Client, ask};
use super::say;
use crate::config::Config;
use crate::ending::{Ending, Stage, Whose};
use crate::inspect::sip::{Ask, HEAD_LIMIT, Inspector, MESSAGE_LIMIT, Message};
use crate::reason::Reason;
use crate::relay::sip::{TOO_LARGE, respond};
use crate::rules::decide::Route;
use crate::state::Snapshot;

/// How many messages may be refused for their length before one decides.
const REFUSED: u8 = 10;

/// How many messages may get an answer of ours before one decides (SPEC section 3).
const ANSWERED: u8 = 10;

/// What has come on a connection that is not decided.
#[derive(Debug, Default)]
pub(super) struct First {
    /// The last was one CRLF: another one makes a ping of both.
    half_ping: bool,
    /// Messages that were too long.
    refused: u8,
    /// Messages that got an answer of ours, or are acknowledgements and have none.
    answered: u8,
}

impl First {
    /// Reads up to the next message; keep-alives before it are answered. They are no part of a request.
    ///
    /// # Errors
    /// How the connection ended instead.
    pub(super) async fn message(&mut self, client: &mut Client) -> Result<(Message, usize), Ending> {
        loop {
            let mut inspector = Inspector::of_client();
            let found = ask::first(client, HEAD_LIMIT, false, |octets| inspector.inspect(octets)).await;
            match found.map_err(|ended| self.excused(client, ended))? {
                (Ask::Message(message), len) => return Ok((message, len)),
                (Ask::KeepAlive, len) => {
                    client.leg.buffer.consume(len);
                    self.half_ping = !self.half_ping;
                    if !self.half_ping {
                        let snapshot = client.worker.shared.snapshot.load_full();
                        say(client, &snapshot.config, b"\r\n").await;
                    }
                    ask::in_time(client).await?;
                }
            }
        }
    }

    /// How a connection ended that waited for a message. Half a keep-alive is no part of one. A client that was told to
    /// send less and does not come again has done nothing. One whose requests were all answered goes in peace.
    fn excused(&self, client: &Client, ended: Ending) -> Ending {
        let nothing = matches!(client.leg.buffer.filled(), [] | [b'\r']);
        match ended.reason {
            Some(Reason::Aborted) if nothing && self.answered > 0 => {
                Ending::peacefully(Stage::Ask, Whose::Client)
            }
            Some(Reason::Timeout) if nothing => Ending::because(ended.stage, ended.whose, Reason::Silent),
            Some(Reason::Timeout) if self.refused > 0 => ended.uncounted(),
            _ => ended,
        }
    }

    /// Whether a message of the connection was too long; it has been logged then.
    pub(super) fn was_too_long(&self) -> bool {
        self.refused > 0
    }

    /// Whether another message may get an answer of ours.
    pub(super) fn may_answer(&self) -> bool {
        self.answered < ANSWERED
    }

    /// Answers a message, unless `answer` is `None`, and reads it to its end. The connection stays undecided. The answer
    /// has its status, and its further header fields.
    ///
    /// # Errors
    /// How the connection ended, and whether the message was answered.
    pub(super) async fn answer(
        &mut self,
        client: &mut Client,
        snapshot: &Snapshot,
        request: (&[u8], &Message),
        answer: Option<(&str, &str)>,
    ) -> Result<(), (Ending, bool)> {
        self.answered += 1;
        if is_too_much(request) {
            return self.refuse(client, snapshot, request).await;
        }
        if let Some((status, more)) = answer {
            respond_to(client, snapshot, request, (status, more)).await;
        }
        self.skip(client, request).await
    }

    /// Answers 513 to a message that no address of its target may be sent, and reads it to its end.
    ///
    /// # Errors
    /// How the connection ended, and whether the message was answered.
    pub(super) async fn refuse(
        &mut self,
        client: &mut Client,
        snapshot: &Snapshot,
        request: (&[u8], &Message),
    ) -> Result<(), (Ending, bool)> {
        self.refused += 1;
        let (head, message) = request;
        let answers = message.method(head).is_some_and(|method| method != b"ACK");
        if answers {
            respond_to(client, snapshot, request, (TOO_LARGE, "")).await;
        }
        if is_too_much(request) || self.refused >= REFUSED {
            return Err((too_large(), answers));
        }
        self.skip(client, request).await
    }

    /// Reads a message to its end. What does not come of it never counts: the message is known.
    async fn skip(
        &mut self,
        client: &mut Client,
        (head, message): (&[u8], &Message),
    ) -> Result<(), (Ending, bool)> {
        self.half_ping = false;
        client.leg.buffer.consume(head.len());
        ask::skip(client, message.body).await.map_err(|ended| (ended.uncounted(), false))?;
        ask::in_time(client).await.map_err(|ended| (ended, false))
    }
}

/// Whether a message is longer than is read to its end.
fn is_too_much((head, message): (&[u8], &Message)) -> bool {
    head.len() as u64 + u64::from(message.body) > u64::from(MESSAGE_LIMIT)
}

async fn respond_to(
    client: &mut Client,
    snapshot: &Snapshot,
    (head, message): (&[u8], &Message),
    (status, more): (&str, &str),
) {
    let mut answer = Vec::new();
    let tag = client.worker.shared.sip_tokens.tag(message.call_id.of_input(head), message.cseq);
    respond(status, head, message, &tag, more, &mut answer);
    say(client, &snapshot.config, &answer).await;
}

/// The refusal of a message for its length. It never counts.
pub(super) const fn too_large() -> Ending {
    Ending::because(Stage::Route, Whose::Policy, Reason::TooLarge).uncounted()
}

/// The longest message that some address of the target may be sent; [`limit`] is for one of them.
pub(super) fn most(route: &Route<'_>, config: &Config) -> u32 {
    let limits = route.endpoints.iter().map(|endpoint| limit(endpoint.options.max_message, route, config));
    limits.max().unwrap_or(config.sip.max_message)
}

/// The longest message toward an address of which `said` is said (SPEC section 3, `max_message`).
pub(super) fn limit(said: Option<u32>, route: &Route<'_>, config: &Config) -> u32 {
    said.or(route.max_message).unwrap_or(config.sip.max_message)
}
