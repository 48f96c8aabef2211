//! What is changed of a message toward the PBX, whatever carries it, and how long it becomes by that.

use super::edit::Edits;
use super::route::forget;
use super::transport;
use crate::inspect::Span;
use crate::inspect::sip::Message;
use crate::proof::own::OwnRoutes;
use crate::reason::Reason;
use crate::route::proving::Changes;

/// The length of a first message as it would reach the PBX. `rewrites`: Via and Contact are rewritten; `changes`: those because
/// of a login.
///
/// # Errors
/// A URI that had to become the Request-URI is none.
pub fn length_inside(
    own: &OwnRoutes<'_>,
    (head, message): (&[u8], &Message),
    rewrites: bool,
    changes: &Changes,
) -> Result<u64, Reason> {
    let mut edits = Edits::default();
    prove(changes, head, &mut edits);
    change(own, rewrites, (head, message), &mut edits)?;
    Ok(length(edits.length(head), message))
}

/// What is changed of a request because of a login.
pub(super) fn prove(changes: &Changes, head: &[u8], edits: &mut Edits) {
    changes.cut.iter().for_each(|line| edits.cut(line.range()));
    if let Some(add) = &changes.add {
        // In front of the empty line.
        edits.insert(head.len().saturating_sub(2), add.as_bytes());
    }
}

/// What is changed of every message toward the PBX.
///
/// # Errors
/// Those of [`forget`].
pub(super) fn change(
    own: &OwnRoutes<'_>,
    rewrites: bool,
    (head, message): (&[u8], &Message),
    edits: &mut Edits,
) -> Result<(), Reason> {
    forget(own, head, message, edits)?;
    if rewrites {
        transport::to_tcp(head, message, edits);
    }
    Ok(())
}

/// The length of a message whose header section has `head` octets.
pub(super) fn length(head: usize, message: &Message) -> u64 {
    head as u64 + u64::from(message.body)
}

/// The message without these lines; `None`: they are none.
pub(super) fn without(message: &Message, cut: &[Span]) -> Option<Message> {
    if cut.is_empty() {
        return None;
    }
    let mut message = message.clone();
    message.fields.retain(|field| !cut.contains(&field.line));
    Some(message)
}
