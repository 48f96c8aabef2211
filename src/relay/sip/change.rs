//! All changes to a message toward the PBX, over any carrier, and the length of the changed message.

use super::edit::Edits;
use super::route::forget;
use super::transport;
use crate::inspect::Span;
use crate::inspect::sip::Message;
use crate::proof::own_routes::OwnRoutes;
use crate::reason::Reason;
use crate::route::proving::Changes;

/// The length of a connection's first message after all changes toward the PBX. `rewrites`: Via and Contact are
/// rewritten. `changes` are the changes because of a login.
///
/// # Errors
/// A URI that had to become the Request-URI is invalid.
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

/// Applies the changes because of a login.
pub(super) fn prove(changes: &Changes, head: &[u8], edits: &mut Edits) {
    changes.cut.iter().for_each(|line| edits.cut(line.range()));
    if let Some(add) = &changes.add {
        // They stand in front of the empty line.
        edits.insert(head.len().saturating_sub(2), add.as_bytes());
    }
}

/// Applies the changes that every message toward the PBX gets.
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

/// The message without these lines. `None`: no lines are to be cut.
pub(super) fn without(message: &Message, cut: &[Span]) -> Option<Message> {
    if cut.is_empty() {
        return None;
    }
    let mut message = message.clone();
    message.fields.retain(|field| !cut.contains(&field.line));
    Some(message)
}
