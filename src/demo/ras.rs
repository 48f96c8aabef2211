//! RAS messages (H.225.0 §7.8 to 7.10) of telephones and gatekeepers, as small as they can be, in tunnels (H.460.17).

use crate::inspect::h323::{Registration, Verb};
use crate::relay::h323::answer::{PROTOCOL_IDENTIFIER, tunnel};

/// A RegistrationRequest. `identifier` is the gatekeeper's identifier, and `alias` an h323-ID. Both have 1 to 128
/// characters.
pub fn request(sequence: u16, identifier: &str, alias: &str) -> Vec<u8> {
    let mut ras = vec![0x0c, 0xc0];
    common(sequence, &mut ras);
    // The fields: not discovered, no addresses, a terminal, one alias. The vendor comes after the identifier.
    ras.extend([0, 0, 0, 0x02, 0x00, 1, 0x40]);
    ras.push(u8::try_from(alias.encode_utf16().count().saturating_sub(1)).unwrap_or(u8::MAX));
    ras.extend(alias.encode_utf16().flat_map(u16::to_be_bytes));
    name(identifier, &mut ras);
    ras.extend([0, 4, 0, 0, 0]);
    tunnel(&[&ras])
}

/// A GatekeeperRequest.
pub fn discovery(sequence: u16, identifier: &str) -> Vec<u8> {
    // The optional fields: an identifier, no callServices, no aliases.
    let mut ras = vec![0x00, 0x80];
    common(sequence, &mut ras);
    // The identifier's length has seven bits, which begin within the last octet of the endpoint type (a terminal).
    let length = u8::try_from(identifier.encode_utf16().count().saturating_sub(1)).unwrap_or(u8::MAX);
    ras.extend([0, 192, 0, 2, 1, 0x06, 0xb7, 0x02, (length & 0x7f) >> 2, length << 6]);
    ras.extend(identifier.encode_utf16().flat_map(u16::to_be_bytes));
    tunnel(&[&ras])
}

/// The answer of the gatekeeper `says`: RegistrationConfirm or GatekeeperConfirm.
pub fn confirm(registration: &Registration, says: &str) -> Vec<u8> {
    let mut ras = match registration.verb {
        Verb::Registration => vec![0x10, 0x40],
        Verb::Gatekeeper => vec![0x04, 0x80],
    };
    common(registration.sequence, &mut ras);
    match registration.verb {
        Verb::Registration => {
            ras.push(0);
            name(says, &mut ras);
            name("ep1", &mut ras);
        }
        Verb::Gatekeeper => {
            name(says, &mut ras);
            ras.extend([0, 192, 0, 2, 1, 0x06, 0xb7]);
        }
    }
    tunnel(&[&ras])
}

/// The gatekeeper in a [`confirm`] of a registration. `None`: it is no such message.
pub fn confirmed_by(answer: &[u8]) -> Option<String> {
    let start = answer.windows(PROTOCOL_IDENTIFIER.len()).position(|part| part == PROTOCOL_IDENTIFIER)?;
    let rest = answer.get(start + PROTOCOL_IDENTIFIER.len()..)?;
    let (&[0, length], rest) = rest.split_first_chunk()? else { return None };
    let text = rest.get(..2 * (usize::from(length >> 1) + 1))?;
    let units = text.as_chunks().0.iter().map(|unit| u16::from_be_bytes(*unit));
    Some(char::decode_utf16(units).map(|c| c.unwrap_or(char::REPLACEMENT_CHARACTER)).collect())
}

fn common(sequence: u16, ras: &mut Vec<u8>) {
    ras.extend(sequence.wrapping_sub(1).to_be_bytes());
    ras.extend(PROTOCOL_IDENTIFIER);
}

/// A BMPString of 1 to 128 characters.
fn name(text: &str, ras: &mut Vec<u8>) {
    ras.push(u8::try_from(text.encode_utf16().count().saturating_sub(1) << 1).unwrap_or(u8::MAX));
    ras.extend(text.encode_utf16().flat_map(u16::to_be_bytes));
}
