//! The outside of a call signalling message: Q.931 §4 as H.225.0 §7.2.2 narrows it.
//!
//! Readers differ here as well. PTLib knows no codesets, and ignores every protocol discriminator; others take an element
//! behind a shift for another one. Where a User-user element may be hidden in such a difference the message is
//! [ambiguous](Signal::ambiguous).

use super::Alias;

/// What H.323 puts in front of its messages (Q.931 §4.2).
const PROTOCOL_DISCRIMINATOR: u8 = 0x08;
/// Calling party number (Q.931 §4.5.10).
const CALLING_PARTY: u8 = 0x6c;
/// User-user, whose length has two octets (H.225.0 §7.2.2.31).
const USER_USER: u8 = 0x7e;
/// What follows are octets of X.680 (Q.931 table 4-26).
const X680: u8 = 0x05;
/// Locking and non-locking shift (Q.931 §4.5.3, §4.5.4): the upper four bits, and the bit of those that lock not.
const SHIFT: u8 = 0x90;
const NON_LOCKING: u8 = 0x08;

/// A message type (Q.931 table 4-2), as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Setup,
    /// NOTIFY, STATUS, STATUS ENQUIRY, INFORMATION.
    Early,
    /// ESCAPE: the message type is in the next octet. Some readers do not know that.
    Escape,
    /// SEGMENT: a part of a message.
    Segment,
    Other,
}

/// A message.
#[derive(Debug)]
pub(super) struct Signal<'a> {
    pub(super) kind: Kind,
    /// 0 if it has none.
    pub(super) call_reference: u16,
    /// What is in the User-user element.
    pub(super) user_user: Option<&'a [u8]>,
    /// What is in the Calling party number elements.
    calling: Vec<&'a [u8]>,
    /// Readers differ in which octets the User-user element is: there are several of them, or they are read in another
    /// codeset, or in another message.
    pub(super) ambiguous: bool,
}

impl Signal<'_> {
    /// The caller's numbers, as aliases (H.225.0 §7.2.2.6).
    pub(super) fn calling(&self) -> impl Iterator<Item = Alias> {
        self.calling.iter().filter_map(|octets| {
            // One or two octets in front of the digits: the last of them has its upper bit set.
            let head = octets.iter().take(2).position(|octet| octet & 0x80 != 0)? + 1;
            let digits = String::from_utf8_lossy(octets.get(head..)?).into_owned();
            let alias = Alias::Digits(digits);
            (!alias.text().is_empty()).then_some(alias)
        })
    }
}

/// What it is, if that much can be read.
pub(super) fn kind(octets: &[u8]) -> Option<Kind> {
    outside(octets).map(|(kind, ..)| kind)
}

/// Whether a reader that cuts the octets in another way may find a User-user element in them.
pub(super) fn may_hold_user_user(octets: &[u8]) -> bool {
    memchr::memchr(USER_USER, octets).is_some()
}

/// Reads it; `None` if it is none. The call reference has two octets in H.225.0; some firmwares send none (see the
/// tests), and one octet is what Q.931 has for basic access.
pub(super) fn read(octets: &[u8]) -> Option<Signal<'_>> {
    let (kind, call_reference, mut rest) = outside(octets)?;
    let ambiguous = match kind {
        Kind::Escape => may_hold_user_user(rest),
        Kind::Segment => true,
        _ => false,
    };
    let mut signal = Signal { kind, call_reference, user_user: None, calling: Vec::new(), ambiguous };
    // Another codeset, and whether it ends with the next element.
    let mut shift = None;
    while let Some((&id, more)) = rest.split_first() {
        if id & 0x80 != 0 {
            // An element of one octet (Q.931 §4.5.1).
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

/// Message type and call reference, and the information elements behind them.
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
