//! Dialogs that were seen on a connection (contract section 9). A request within such a dialog is not a new one.
//!
//! A dialog is known by its Call-ID and by the tag that the PBX has chosen. A client that invents one of the two is in
//! no dialog.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, RandomState};

use super::address::from_tag;
use crate::inspect::sip::{Kind, Message};

/// How many dialogs of a connection are remembered. With more, the oldest is forgotten. A trunk may have as many calls
/// at a time. Each dialog takes eight octets.
const KNOWN: usize = 1024;

/// The methods that open a dialog (RFC 3261 §12.1, RFC 6665 §4.4.1, RFC 3515).
const OPENING: [&[u8]; 3] = [b"INVITE", b"SUBSCRIBE", b"REFER"];

/// The methods that never belong to a dialog, whatever tag they bring (RFC 3261 §10.2, RFC 3903 §4).
const OUTSIDE: [&[u8]; 2] = [b"REGISTER", b"PUBLISH"];

/// The dialogs that were seen. They are kept as keyed hashes, so long messages cost no memory.
#[derive(Debug, Default)]
pub struct SeenDialogs {
    hasher: RandomState,
    known: VecDeque<u64>,
}

impl SeenDialogs {
    /// Takes note of a message of the PBX: a request that opens a dialog with the client, or a response to the client.
    pub fn heard(&mut self, head: &[u8], message: &Message) {
        let tag = match message.kind {
            Kind::Request { method, .. } if OPENING.contains(&method.of_input(head)) => {
                from_tag(head, message)
            }
            Kind::Response { status: 101..300 } if OPENING.contains(&message.cseq_method.of_input(head)) => {
                message.to_tag.of_input(head)
            }
            _ => return,
        };
        let Some(dialog) = self.dialog(message.call_id.of_input(head), tag) else { return };
        if self.known.contains(&dialog) {
            return;
        }
        if self.known.len() >= KNOWN {
            self.known.pop_front();
        }
        self.known.push_back(dialog);
    }

    /// Whether a request of the client belongs to a known dialog.
    pub fn has(&self, head: &[u8], request: &Message) -> bool {
        if request.method(head).is_some_and(|method| OUTSIDE.contains(&method)) {
            return false;
        }
        let dialog = self.dialog(request.call_id.of_input(head), request.to_tag.of_input(head));
        dialog.is_some_and(|dialog| self.known.contains(&dialog))
    }

    fn dialog(&self, call_id: &[u8], tag: &[u8]) -> Option<u64> {
        (!tag.is_empty()).then(|| self.hasher.hash_one((call_id, tag)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::Inspect;
    use crate::inspect::sip::{Ask, Inspector};

    /// A message with these tags in From and To.
    fn message(start: &str, method: &str, call: &str, tags: [&str; 2]) -> (Vec<u8>, Message) {
        let tag = |tag: &str| if tag.is_empty() { String::new() } else { format!(";tag={tag}") };
        let [from, to] = tags.map(tag);
        let text = format!(
            "{start}\r\nVia: SIP/2.0/TCP x\r\nFrom: <sip:a@x>{from}\r\nTo: <sip:b@x>{to}\r\n\
             Call-ID: {call}\r\nCSeq: 1 {method}\r\nContent-Length: 0\r\n\r\n"
        );
        match Inspector::of_target().inspect(text.as_bytes()) {
            Inspect::Found { ask: Ask::Message(message), .. } => (text.into_bytes(), message),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn w3_a_dialog_is_one_that_the_pbx_has_opened_or_answered() {
        let mut seen = SeenDialogs::default();
        let mut hear = |start: &str, method: &str, call: &str, tags: [&str; 2]| {
            let (head, message) = message(start, method, call, tags);
            seen.heard(&head, &message);
        };
        hear("SIP/2.0 180 Ringing", "INVITE", "out", ["mine", "pbx"]);
        hear("INVITE sip:a@x SIP/2.0", "INVITE", "in", ["theirs", ""]);
        hear("SIP/2.0 100 Trying", "INVITE", "trying", ["mine", "pbx"]);
        hear("SIP/2.0 404 Not Found", "INVITE", "refused", ["mine", "pbx"]);
        hear("SIP/2.0 200 OK", "REGISTER", "registered", ["mine", "pbx"]);
        for (call, to, known) in [
            ("out", "pbx", true),
            ("in", "theirs", true),
            ("out", "made-up", false),
            ("made-up", "pbx", false),
            ("out", "", false),
            ("trying", "pbx", false),
            ("refused", "pbx", false),
            ("registered", "pbx", false),
        ] {
            let (head, request) = message("BYE sip:b@x SIP/2.0", "BYE", call, ["mine", to]);
            assert_eq!(seen.has(&head, &request), known, "{call} {to}");
        }
    }

    #[test]
    fn w5_a_registration_belongs_to_no_dialog_whatever_tag_it_has() {
        let mut seen = SeenDialogs::default();
        let (head, answer) = message("SIP/2.0 200 OK", "INVITE", "out", ["mine", "pbx"]);
        seen.heard(&head, &answer);
        for (method, known) in
            [("BYE", true), ("INVITE", true), ("MESSAGE", true), ("REGISTER", false), ("PUBLISH", false)]
        {
            let start = format!("{method} sip:b@x SIP/2.0");
            let (head, request) = message(&start, method, "out", ["mine", "pbx"]);
            assert_eq!(seen.has(&head, &request), known, "{method}");
        }
    }

    #[test]
    fn w3_so_many_dialogs_are_remembered_and_no_more() {
        let mut seen = SeenDialogs::default();
        for call in 0..=KNOWN {
            let (head, message) = message("SIP/2.0 200 OK", "INVITE", &call.to_string(), ["a", "b"]);
            seen.heard(&head, &message);
        }
        assert_eq!(seen.known.len(), KNOWN);
        let (head, first) = message("BYE sip:b@x SIP/2.0", "BYE", "0", ["a", "b"]);
        assert!(!seen.has(&head, &first), "the oldest is forgotten");
    }
}
