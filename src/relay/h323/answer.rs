//! Portward's own messages to an H.323 client. They are short, and almost constant.
//!
//! They are encoded by hand, because `inspect::h323` only decodes. In the tests pycrate and tshark read all of them.

use crate::inspect::h323::{Ask, Registration, Verb};

/// itu-t(0) recommendation(0) h(8) 2250 version(0) 7.
pub const PROTOCOL_IDENTIFIER: [u8; 7] = [0x06, 0x00, 0x08, 0x91, 0x4a, 0x00, 0x07];

/// The refusal of a request: RegistrationReject, GatekeeperReject or ReleaseComplete.
pub fn refused(ask: &Ask) -> Vec<u8> {
    match ask {
        Ask::Registration(registration) => rejected(registration),
        Ask::Setup(setup) => released(setup.call_reference),
        Ask::KeepAlive | Ask::Ras(_) | Ask::Other(_) => released(0),
    }
}

/// A reject with the reason undefinedReason, without extension additions.
fn rejected(registration: &Registration) -> Vec<u8> {
    let [high, low] = registration.sequence.wrapping_sub(1).to_be_bytes();
    // The index of the alternative is in five bits after the extension bit. There is no optional field.
    let index = match registration.verb {
        Verb::Gatekeeper => 2,
        Verb::Registration => 5,
    };
    let head = [index << 2, 0, high, low];
    tunnel(&[&[&head[..], &PROTOCOL_IDENTIFIER, &[0x60]].concat()])
}

/// A ReleaseComplete with the cause "call rejected" (Q.850 21) and the reason noPermission. A message that belongs to
/// no call has the call reference 0 (Q.931 §4.3).
pub fn released(call_reference: u16) -> Vec<u8> {
    let [high, low] = (call_reference | 0x8000).to_be_bytes();
    let information = [&[0x05, 0x40][..], &PROTOCOL_IDENTIFIER, &[0x28]].concat();
    frame(&[8, 2, high, low, 0x5a, 0x08, 0x02, 0x80, 0x95], &information)
}

/// A Facility that tunnels RAS messages (H.460.17): empty body, h245Tunnelling, genericData.
pub fn tunnel(messages: &[&[u8]]) -> Vec<u8> {
    let mut generic = vec![1, 0x40, 0, 17];
    generic.extend(u16::try_from(messages.len().saturating_sub(1)).unwrap_or_default().to_be_bytes());
    for message in messages {
        generic.extend([0x40, 0, 1, 0]);
        length(message.len(), &mut generic);
        generic.extend_from_slice(message);
    }
    let mut information = vec![0x28, 0x10, 1, 0, 0x10, 0x81, 1, 0x80];
    length(generic.len(), &mut information);
    information.extend(generic);
    frame(&[8, 2, 0, 0, 0x62], &information)
}

/// A length determinant (X.691 §11.9) below 16 Ki.
fn length(len: usize, into: &mut Vec<u8>) {
    match (u8::try_from(len), u16::try_from(len)) {
        (Ok(short @ ..0x80), _) => into.push(short),
        (_, Ok(long)) => into.extend((0x8000 | (long & 0x3fff)).to_be_bytes()),
        _ => into.extend([0x80, 0]),
    }
}

/// A whole message in its TPKT. `head` is the part before the User-user element.
pub fn frame(head: &[u8], information: &[u8]) -> Vec<u8> {
    let size = |len: usize| u16::try_from(len).unwrap_or(u16::MAX).to_be_bytes();
    let [high, low] = size(information.len() + 1);
    let signal = [head, &[0x7e, high, low, 5], information].concat();
    let [high, low] = size(signal.len() + 4);
    [&[3, 0, high, low], &signal[..]].concat()
}
