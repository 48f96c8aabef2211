//! Messages before the decision: up to the first that decides, and those that are too long for where they would go.

use super::super::{Client, Ended, Stage, Whose, ask};
use super::say;
use crate::config::Config;
use crate::inspect::sip::{Ask, HEAD_LIMIT, Inspector, MESSAGE_LIMIT, Message};
use crate::reason::Reason;
use crate::relay::sip::{TOO_LARGE, respond};
use crate::rules::decide::Route;
use crate::state::Snapshot;

/// How many messages may be refused for their length before one decides.
const REFUSED: u8 = 10;

/// What has come on a connection that is not decided.
#[derive(Debug, Default)]
pub(super) struct First {
    /// A keep-alive or a whole message has come.
    heard: bool,
    /// The last was one CRLF: another one makes a ping of both.
    half_ping: bool,
    /// Messages that were too long.
    refused: u8,
}

impl First {
    /// Reads up to the next message; keep-alives before it are answered.
    ///
    /// # Errors
    /// How the connection ended instead.
    pub(super) async fn message(&mut self, client: &mut Client) -> Result<(Message, usize), Ended> {
        loop {
            let mut inspector = Inspector::of_client();
            let found = ask::first(client, HEAD_LIMIT, self.heard, |octets| inspector.inspect(octets)).await;
            match found.map_err(|ended| self.excused(ended))? {
                (Ask::Message(message), len) => return Ok((message, len)),
                (Ask::KeepAlive, len) => {
                    client.leg.buffer.consume(len);
                    self.heard = true;
                    self.half_ping = !self.half_ping;
                    if !self.half_ping {
                        let snapshot = client.worker.shared.snapshot.load_full();
                        say(client, &snapshot.config, b"\r\n").await;
                    }
                }
            }
        }
    }

    /// Who was told to send less and does not come again has done nothing.
    fn excused(&self, ended: Ended) -> Ended {
        let waits = self.refused > 0 && ended.reason == Some(Reason::Timeout);
        if waits { ended.uncounted() } else { ended }
    }

    /// Whether a message of the connection was too long; it has been logged then.
    pub(super) fn was_too_long(&self) -> bool {
        self.refused > 0
    }

    /// Answers 513 to a message that no address of its target may be sent, and reads it to its end.
    ///
    /// # Errors
    /// How the connection ended, and whether the message was answered.
    pub(super) async fn refuse(
        &mut self,
        client: &mut Client,
        snapshot: &Snapshot,
        (head, message): (&[u8], &Message),
    ) -> Result<(), (Ended, bool)> {
        (self.heard, self.half_ping) = (true, false);
        self.refused += 1;
        let answers = message.method(head).is_some_and(|method| method != b"ACK");
        if answers {
            let mut answer = Vec::new();
            let tag = client.worker.shared.sip_tokens.tag(message.call_id.of_input(head), message.cseq);
            respond(TOO_LARGE, head, message, &tag, "", &mut answer);
            say(client, &snapshot.config, &answer).await;
        }
        if head.len() as u64 + u64::from(message.body) > u64::from(MESSAGE_LIMIT) || self.refused >= REFUSED {
            return Err((too_large(), answers));
        }
        client.leg.buffer.consume(head.len());
        ask::skip(client, message.body).await.map_err(|ended| (ended.uncounted(), false))
    }
}

/// The refusal of a message for its length. It never counts.
pub(super) const fn too_large() -> Ended {
    Ended::because(Stage::Route, Whose::Policy, Reason::TooLarge).uncounted()
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
