//! What the head of an answer means for an exchange, and what follows the answer.

use super::{After, Running};
use crate::inspect::http::{Framing, Response, ResponseBody, ResponseInspector, Version};
use crate::io::{Leg, Timer};
use crate::relay::http::head::{AnswerEdits, ForClient, keeps_framing, response_head};

/// How many interim responses (RFC 9110 §15.2) one request may get.
const INTERIM_LIMIT: u8 = 16;

impl Running<'_, '_> {
    /// No part of a final response was sent, and no interim response was sent in part.
    pub(super) fn is_unanswered(&self) -> bool {
        !self.answered && (self.down.written == 0 || self.down.out.is_empty())
    }

    /// What follows the response. `None`: the request must end first.
    pub(super) fn after(&self) -> Option<After> {
        if self.tunnel {
            Some(After::Tunnel)
        } else if self.up_done {
            Some(match (self.client_persistent, self.request.persistent) {
                (true, _) => After::Next,
                (false, true) => After::Close,
                (false, false) => After::CloseAtOnce,
            })
        } else if self.up_refused || !self.target_persistent || !self.client_persistent {
            // The target answered early (RFC 9112 §9.3), and nothing reads the rest of the request any more.
            Some(After::Close)
        } else {
            None
        }
    }

    /// Takes a head that was read. An interim response passes on, a final one sets up the body. False: the head makes
    /// no sense.
    pub(super) fn take_head(
        &mut self,
        response: &Response,
        len: usize,
        target: &mut Leg,
        timer: &Timer,
    ) -> bool {
        let version = self.request.version;
        self.binds_connection |= response.binds_connection;
        if response.status < 200 && response.status != 101 {
            self.interim += 1;
            self.continued |= response.status == 100;
            if version == Version::Http11 {
                let client = ForClient { version, persistent: true };
                let changed = (client, self.request.answer.as_deref());
                response_head(self.down.out.vec(), target.buffer.filled(), response, changed);
            }
            target.buffer.consume(len);
            self.inspector = ResponseInspector::new(self.request.is_head);
            return self.interim <= INTERIM_LIMIT;
        }
        if response.status == 101 && !(self.request.websocket && response.websocket) {
            return false;
        }
        self.tunnel = response.status == 101;
        self.answered = true;
        (self.witness)(response, target.buffer.filled());
        self.target_persistent = response.persistent;
        self.left_unread = !self.bodiless && response.status >= 300;
        self.early = !self.up_done;
        self.down_closes = !keeps_framing(response.body, version);
        // The final answer came in place of 100. The client may or may not send the body now (RFC 9110 §10.1.1). So
        // nothing shows where the next request begins.
        let unasked = self.request.expects_continue && !self.continued;
        // If the target takes no more of the request, nothing reads its rest (RFC 9112 §9.3).
        let unread = self.up_refused || !self.target_persistent;
        self.client_persistent = self.request.persistent
            && !self.down_closes
            && !(self.early && (unasked || unread))
            && !timer.is_stopping();
        let client = ForClient { version, persistent: self.client_persistent };
        let changed = (client, self.request.answer.as_deref());
        response_head(self.down.out.vec(), target.buffer.filled(), response, changed);
        target.buffer.consume(len);
        let names = self.request.answer.as_deref().and_then(AnswerEdits::names);
        self.down.framing = match response.body {
            ResponseBody::None => Framing::NONE,
            ResponseBody::Length(length) => Framing::Length(length),
            ResponseBody::Chunked if version == Version::Http11 => Framing::chunked().kindly().without(names),
            ResponseBody::Chunked => Framing::unchunked().kindly(),
            ResponseBody::Close => Framing::Close,
        };
        true
    }
}
