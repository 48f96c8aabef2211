//! The Q.931 part of a call signalling message: Q.931 §4 with the restrictions of H.225.0 §7.2.2.
//!
//! Parsers differ here as well. PTLib knows no codesets and ignores the protocol discriminator. Other parsers give an
//! element after a shift another meaning. If such a difference may hide a User-user element, the message is
//! [ambiguous](Signal::ambiguous).

use super::Alias;

/// The protocol discriminator of H.323 messages (Q.931 §4.2).
const PROTOCOL_DISCRIMINATOR: u8 = 0x08;
/// Calling party number (Q.931 §4.5.10).
const CALLING_PARTY: u8 = 0x6c;
/// User-user. Its length has two octets (H.225.0 §7.2.2.31).
const USER_USER: u8 = 0x7e;
/// The protocol discriminator of a User-user element with X.680 content (Q.931 table 4-26).
const X680: u8 = 0x05;
/// Locking and non-locking shift (Q.931 §4.5.3, §4.5.4): the upper four bits, and the bit of a non-locking shift.
const SHIFT: u8 = 0x90;
const NON_LOCKING: u8 = 0x08;

/// The kind of a message type (Q.931 table 4-2).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Setup,
    /// NOTIFY, STATUS, STATUS ENQUIRY, INFORMATION.
    Early,
    /// ESCAPE: the message type is in the next octet. Some parsers do not know that.
    Escape,
    /// SEGMENT: a part of a message.
    Segment,
    Other,
}

/// A message.
#[derive(Debug)]
pub(super) struct Signal<'a> {
    pub(super) kind: Kind,
    /// The call reference value. It is 0 if there is none.
    pub(super) call_reference: u16,
    /// The content of the User-user element.
    pub(super) user_user: Option<&'a [u8]>,
    /// The contents of the Calling party number elements.
    calling: Vec<&'a [u8]>,
    /// Whether parsers may find different octets in the User-user element: there are several such elements, another
    /// codeset is in force, or the octets may be read as another message.
    pub(super) ambiguous: bool,
}

impl Signal<'_> {
    /// The caller's numbers, as aliases (H.225.0 §7.2.2.6).
    pub(super) fn calling(&self) -> impl Iterator<Item = Alias> {
        self.calling.iter().filter_map(|octets| {
            // One or two octets come before the digits. The last of them has its upper bit set.
            let head = octets.iter().take(2).position(|octet| octet & 0x80 != 0)? + 1;
            let digits = String::from_utf8_lossy(octets.get(head..)?).into_owned();
            let alias = Alias::Digits(digits);
            (!alias.text().is_empty()).then_some(alias)
        })
    }
}

/// The kind of a message, if that much can be read.
pub(super) fn kind(octets: &[u8]) -> Option<Kind> {
    outside(octets).map(|(kind, ..)| kind)
}

/// Whether a parser that divides the octets in another way may find a User-user element in them.
pub(super) fn may_hold_user_user(octets: &[u8]) -> bool {
    memchr::memchr(USER_USER, octets).is_some()
}

/// Reads a message. `None`: it is no such message. The call reference has two octets in H.225.0. Some firmwares send
/// none (see the tests), and Q.931 has one octet for basic access.
pub(super) fn read(octets: &[u8]) -> Option<Signal<'_>> {
    let (kind, call_reference, mut rest) = outside(octets)?;
    let ambiguous = match kind {
        Kind::Escape => may_hold_user_user(rest),
        Kind::Segment => true,
        _ => false,
    };
    let mut signal = Signal { kind, call_reference, user_user: None, calling: Vec::new(), ambiguous };
    // The other codeset, and whether it ends after the next element.
    let mut shift = None;
    while let Some((&id, more)) = rest.split_first() {
        if id & 0x80 != 0 {
            // A single-octet element (Q.931 §4.5.1).
            rest = more;
            shift = match id & 0xf0 {
                SHIFT => Some(id & NON_LOCKING != 0),
                _ => shift,
            };
            continue;
        }
        let (content, more) = if id == USER_USER {
            let (length, more) = more.split_first_chunk()?;
            more.split_at_checked(usize::from(u16::from_be_bytes(*length)))?
        } else {
            let (length, more) = more.split_first()?;
            more.split_at_checked(usize::from(*length))?
        };
        rest = more;
        match id {
            USER_USER => {
                signal.ambiguous |= signal.user_user.is_some() || shift.is_some();
                let (&discriminator, content) = content.split_first()?;
                if discriminator != X680 {
                    return None;
                }
                signal.user_user = Some(content);
            }
            CALLING_PARTY => signal.calling.push(content),
            _ => {}
        }
        shift = shift.filter(|once| !once);
    }
    Some(signal)
}

/// The message type, the call reference, and the information elements after them.
fn outside(octets: &[u8]) -> Option<(Kind, u16, &[u8])> {
    let (&[PROTOCOL_DISCRIMINATOR, length], rest) = octets.split_first_chunk()? else { return None };
    let (reference, rest) = match length {
        0..=2 => rest.split_at_checked(usize::from(length))?,
        _ => return None,
    };
    let call_reference = reference.iter().fold(0, |value, octet| value << 8 | u16::from(*octet));
    let (kind, rest) = rest.split_first()?;
    let kind = match kind {
        0x05 => Kind::Setup,
        0x6e | 0x75 | 0x7b | 0x7d => Kind::Early,
        0x00 => Kind::Escape,
        0x60 => Kind::Segment,
        _ => Kind::Other,
    };
    Some((kind, call_reference, rest))
}
