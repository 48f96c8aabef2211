//! The outside of a call signalling message: Q.931 §4 as H.225.0 §7.2.2 narrows it.

/// What H.323 puts in front of its messages (Q.931 §4.2).
const PROTOCOL_DISCRIMINATOR: u8 = 0x08;
/// User-user, whose length has two octets (H.225.0 §7.2.2.31).
const USER_USER: u8 = 0x7e;
/// What follows are octets of X.680 (Q.931 table 4-26).
const X680: u8 = 0x05;

/// A message type (Q.931 table 4-2), as far as it matters.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Setup,
    Facility,
    Notify,
    Status,
    Information,
    Escape,
    Other,
}

impl Kind {
    /// Whether it may come in front of a registration.
    pub(super) const fn is_early(self) -> bool {
        matches!(self, Self::Notify | Self::Status | Self::Information | Self::Escape)
    }
}

/// A message.
#[derive(Debug)]
pub(super) struct Signal<'a> {
    pub(super) kind: Kind,
    /// 0 if it has none.
    pub(super) call_reference: u16,
    /// What is in the User-user element.
    pub(super) user_user: Option<&'a [u8]>,
    /// There are several of them.
    pub(super) repeated: bool,
}

/// What it is, if that much can be read.
pub(super) fn kind(octets: &[u8]) -> Option<Kind> {
    outside(octets).map(|(kind, ..)| kind)
}

/// Reads it; `None` if it is none. The call reference has two octets in H.225.0; some firmwares send none (see the
/// tests), and one octet is what Q.931 has for basic access.
pub(super) fn read(octets: &[u8]) -> Option<Signal<'_>> {
    let (kind, call_reference, mut rest) = outside(octets)?;
    let mut signal = Signal { kind, call_reference, user_user: None, repeated: false };
    while let Some((&id, more)) = rest.split_first() {
        if id & 0x80 != 0 {
            // An element of one octet (Q.931 §4.5.1).
            rest = more;
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
        if id == USER_USER {
            signal.repeated |= signal.user_user.is_some();
            let (&discriminator, content) = content.split_first()?;
            if discriminator != X680 {
                return None;
            }
            signal.user_user = Some(content);
        }
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
        0x62 => Kind::Facility,
        0x6e => Kind::Notify,
        0x7d => Kind::Status,
        0x7b => Kind::Information,
        0x00 => Kind::Escape,
        _ => Kind::Other,
    };
    Some((kind, call_reference, rest))
}
