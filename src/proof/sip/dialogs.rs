//! Dialogs that a PBX has opened with a client, and the addresses under which the client takes part in them.

use std::collections::VecDeque;
use std::hash::{BuildHasher as _, DefaultHasher, Hasher as _, RandomState};

use super::address::{from_tag, is_all};
use crate::inspect::sip::{Message, Scheme, uri};

/// How many dialogs of a connection are remembered. With more, the oldest is forgotten. A gateway with a certificate
/// may have as many calls at a time. Each dialog takes eight octets.
const KNOWN: usize = 1024;

/// The dialogs of one connection. They are kept as keyed hashes, so long messages cost no memory.
#[derive(Debug, Default)]
pub struct Dialogs {
    hasher: RandomState,
    known: VecDeque<u64>,
}

/// A dialog that may be among the known ones.
pub(super) struct Dialog<'d> {
    dialogs: &'d Dialogs,
    /// The hash of what identifies the dialog. `None`: the message belongs to no known dialog.
    begun: Option<DefaultHasher>,
}

impl Dialogs {
    /// Remembers the dialog of a request of the PBX, and the address under which the client takes part in it.
    pub(super) fn note(&mut self, head: &[u8], request: &Message) {
        let begun = self.begin(request.call_id.of_input(head), from_tag(head, request));
        let Some(hash) = begun.and_then(|begun| finish(begun, request.to.uri.of_input(head))) else { return };
        if self.known.contains(&hash) {
            return;
        }
        if self.known.len() >= KNOWN {
            self.known.pop_front();
        }
        self.known.push_back(hash);
    }

    /// The dialog of a client's request. The PBX has chosen the tag of To.
    pub(super) fn of_client(&self, head: &[u8], request: &Message) -> Dialog<'_> {
        self.dialog(head, request, |message| message.to_tag.of_input(head))
    }

    /// The dialog of a request of the PBX, or of a client's response to one. The PBX has chosen the tag of From.
    pub(super) fn of_target(&self, head: &[u8], message: &Message) -> Dialog<'_> {
        self.dialog(head, message, |message| from_tag(head, message))
    }

    fn dialog<'h>(
        &self,
        head: &[u8],
        message: &Message,
        tag: impl FnOnce(&Message) -> &'h [u8],
    ) -> Dialog<'_> {
        let some = !self.known.is_empty();
        let begun = some.then(|| self.begin(message.call_id.of_input(head), tag(message))).flatten();
        Dialog { dialogs: self, begun }
    }

    fn begin(&self, call_id: &[u8], tag: &[u8]) -> Option<DefaultHasher> {
        if tag.is_empty() {
            return None;
        }
        let mut hasher = self.hasher.build_hasher();
        for part in [call_id, tag] {
            hasher.write_usize(part.len());
            hasher.write(part);
        }
        Some(hasher)
    }
}

impl Dialog<'_> {
    /// Whether the client takes part in the dialog under this URI.
    pub(super) fn has(&self, said: &[u8]) -> bool {
        let hash = self.begun.clone().and_then(|begun| finish(begun, said));
        hash.is_some_and(|hash| self.dialogs.known.contains(&hash))
    }
}

/// Completes the hash with the user and host of the address. Port and parameters of a URI do not name a user, and
/// phones drop them.
fn finish(mut hasher: DefaultHasher, said: &[u8]) -> Option<u64> {
    let cut = uri(said)?;
    if cut.scheme == Scheme::Other {
        hasher.write(said);
    } else {
        if !cut.user.is_empty() && !is_all(said, cut.user) {
            return None;
        }
        hasher.write_usize(cut.user.len());
        hasher.write(cut.user);
        cut.host.iter().for_each(|octet| hasher.write_u8(octet.to_ascii_lowercase()));
    }
    Some(hasher.finish())
}
