//! H.225.0 version 7, annex H: the types that call signalling and RAS messages share, in the order of their octets.

use super::per::{Choice, Preamble, Read, Reader, Unreadable};
use crate::inspect::h323::Alias;

/// How many aliases of a list are kept at most. A tunnel cannot hold more, because each alias takes two octets.
const MOST_ALIASES: usize = 8_192;

/// The alphabet of dialledDigits, by code.
const DIGITS: &[u8] = b"#*,0123456789";

/// INTEGER (1..65535).
pub(super) fn sequence(reader: &mut Reader<'_>) -> Read<u16> {
    reader.word().map(|number| number.wrapping_add(1))
}

/// The first fields of most requests, after the preamble: requestSeqNum, protocolIdentifier, and nonStandardData, which
/// is the first optional field.
pub(super) fn beginning(reader: &mut Reader<'_>, preamble: Preamble) -> Read<u16> {
    let sequence = sequence(reader)?;
    reader.string()?;
    if preamble.has(0) {
        non_standard(reader)?;
    }
    Ok(sequence)
}

/// SEQUENCE OF AliasAddress. The aliases go into `kept`.
pub(super) fn aliases(reader: &mut Reader<'_>, kept: &mut Vec<Alias>) -> Read<()> {
    let count = reader.length()?;
    for _ in 0..count {
        let alias = alias(reader)?;
        if kept.len() >= MOST_ALIASES {
            return Err(Unreadable);
        }
        kept.push(alias.into());
    }
    Ok(())
}

/// SEQUENCE OF AliasAddress. No alias is kept.
pub(super) fn skip_aliases(reader: &mut Reader<'_>) -> Read<()> {
    let count = reader.length()?;
    for _ in 0..count {
        alias(reader)?;
    }
    Ok(())
}

/// An AliasAddress in its encoded form.
pub(super) enum Written<'a> {
    /// The position of so many codes of four bits.
    Digits(Reader<'a>, usize),
    H323(&'a [u8]),
    Url(&'a [u8]),
    Email(&'a [u8]),
    Other,
}

/// AliasAddress.
pub(super) fn alias<'a>(reader: &mut Reader<'a>) -> Read<Written<'a>> {
    Ok(match reader.wide_choice(2)? {
        Choice::Root(0) => {
            let size = reader.size(128)?;
            reader.octets(0)?;
            let digits = reader.clone();
            for _ in 0..size {
                if reader.bits(4)? as usize >= DIGITS.len() {
                    return Err(Unreadable);
                }
            }
            Written::Digits(digits, size)
        }
        Choice::Root(_) => Written::H323(reader.wide(256)?),
        Choice::Addition(0, mut open) => Written::Url(address(&mut open)?),
        Choice::Addition(2, mut open) => Written::Email(address(&mut open)?),
        Choice::Addition(..) => Written::Other,
    })
}

/// IA5String (SIZE (1..512)) in an open type.
fn address<'a>(open: &mut Reader<'a>) -> Read<&'a [u8]> {
    let text = open.sized(512)?;
    open.end()?;
    if text.is_ascii() { Ok(text) } else { Err(Unreadable) }
}

impl From<Written<'_>> for Alias {
    fn from(written: Written<'_>) -> Self {
        match written {
            Written::Digits(mut reader, size) => {
                let mut digit = || {
                    let code = reader.bits(4).ok()?;
                    DIGITS.get(code as usize).copied().map(char::from)
                };
                let mut text = String::with_capacity(size);
                text.extend((0..size).map_while(|_| digit()));
                Self::Digits(text)
            }
            Written::H323(units) => Self::H323(text(units)),
            Written::Url(text) => Self::Url(String::from_utf8_lossy(text).into_owned()),
            Written::Email(text) => Self::Email(String::from_utf8_lossy(text).into_owned()),
            Written::Other => Self::Other,
        }
    }
}

/// The text of a BMPString.
pub(super) fn text(octets: &[u8]) -> String {
    let mut text = String::with_capacity(octets.len() / 2);
    let units = octets.as_chunks().0.iter().map(|unit| u16::from_be_bytes(*unit));
    text.extend(char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)));
    text
}

/// GatekeeperIdentifier or EndpointIdentifier: BMPString (SIZE (1..128)). PTLib ends some strings with NULs.
pub(super) fn identifier(reader: &mut Reader<'_>) -> Read<String> {
    let mut text = text(reader.wide(128)?);
    text.truncate(text.trim_end_matches('\0').len());
    Ok(text)
}

/// TransportAddress: the index of its alternative, and the octets of its address and port.
pub(super) fn transport<'a>(reader: &mut Reader<'a>) -> Read<(u32, &'a [u8])> {
    Ok(match reader.choice(7)? {
        Choice::Root(0) => (0, reader.octets(6)?),
        Choice::Root(1) => {
            let preamble = reader.sequence(0)?;
            let address = reader.octets(6)?;
            let count = reader.length()?;
            for _ in 0..count {
                reader.octets(4)?;
            }
            reader.null_of(2)?;
            reader.skip_additions(preamble)?;
            (1, address)
        }
        Choice::Root(2) => (2, reader.octets(12)?),
        Choice::Root(3) => {
            let preamble = reader.sequence(0)?;
            let address = reader.octets(18)?;
            reader.skip_additions(preamble)?;
            (3, address)
        }
        Choice::Root(4) => (4, reader.octets(16)?),
        Choice::Root(5) => (5, reader.sized(20)?),
        Choice::Root(index) => {
            non_standard(reader)?;
            (index, &[])
        }
        Choice::Addition(index, _) => (u32::MAX - index, &[]),
    })
}

/// SEQUENCE OF TransportAddress. The comparable octets of each address go into `kept`.
pub(super) fn transports(reader: &mut Reader<'_>, kept: &mut Vec<u8>) -> Read<()> {
    let count = reader.length()?;
    for _ in 0..count {
        let (kind, address) = transport(reader)?;
        kept.extend(kind.to_be_bytes());
        kept.extend(address);
    }
    Ok(())
}

/// SEQUENCE OF TransportAddress. No address is kept.
pub(super) fn skip_transports(reader: &mut Reader<'_>) -> Read<()> {
    let count = reader.length()?;
    for _ in 0..count {
        transport(reader)?;
    }
    Ok(())
}

/// NonStandardParameter, which is not extensible.
pub(super) fn non_standard(reader: &mut Reader<'_>) -> Read<()> {
    match reader.choice(2)? {
        Choice::Root(0) => {
            reader.string()?;
        }
        Choice::Root(_) => h221(reader)?,
        Choice::Addition(..) => {}
    }
    reader.string().map(|_| ())
}

/// H221NonStandard: two codes of one octet and one code of two octets.
fn h221(reader: &mut Reader<'_>) -> Read<()> {
    let preamble = reader.sequence(0)?;
    reader.octets(4)?;
    reader.skip_additions(preamble)
}

/// VendorIdentifier.
pub(super) fn vendor(reader: &mut Reader<'_>) -> Read<()> {
    let preamble = reader.sequence(2)?;
    h221(reader)?;
    for index in 0..2 {
        if preamble.has(index) {
            reader.sized(256)?;
        }
    }
    reader.skip_additions(preamble)
}

/// EndpointType. Returns whether it is a gateway that may claim prefixes. It may do so by a protocol with prefixes, or
/// by an unknown protocol.
pub(super) fn endpoint_type(reader: &mut Reader<'_>) -> Read<bool> {
    let preamble = reader.sequence(6)?;
    let mut prefixes = false;
    if preamble.has(0) {
        non_standard(reader)?;
    }
    if preamble.has(1) {
        vendor(reader)?;
    }
    for index in 2..6 {
        match index {
            _ if !preamble.has(index) => {}
            3 => prefixes = gateway(reader)?,
            // A gatekeeper, an MCU and a terminal have the same root fields.
            _ => capabilities(reader)?,
        }
    }
    reader.bits(2)?;
    reader.skip_additions(preamble)?;
    Ok(prefixes)
}

/// GatekeeperInfo, McuInfo, TerminalInfo.
fn capabilities(reader: &mut Reader<'_>) -> Read<()> {
    let preamble = reader.sequence(1)?;
    if preamble.has(0) {
        non_standard(reader)?;
    }
    reader.skip_additions(preamble)
}

/// GatewayInfo.
fn gateway(reader: &mut Reader<'_>) -> Read<bool> {
    let preamble = reader.sequence(2)?;
    let mut prefixes = false;
    if preamble.has(0) {
        let count = reader.length()?;
        for _ in 0..count {
            prefixes |= protocol(reader)?;
        }
    }
    if preamble.has(1) {
        non_standard(reader)?;
    }
    reader.skip_additions(preamble)?;
    Ok(prefixes)
}

/// SupportedProtocols.
fn protocol(reader: &mut Reader<'_>) -> Read<bool> {
    match reader.choice(9)? {
        Choice::Root(0) => {
            non_standard(reader)?;
            return Ok(true);
        }
        Choice::Root(_) => {}
        Choice::Addition(..) => return Ok(true),
    }
    // The types H310Caps to T120OnlyCaps have the same fields.
    let preamble = reader.sequence(1)?;
    if preamble.has(0) {
        non_standard(reader)?;
    }
    let mut prefixes = false;
    reader.additions(preamble, |index, mut open| {
        if index == 1 {
            prefixes = supported_prefixes(&mut open)?;
        }
        Ok(())
    })?;
    Ok(prefixes)
}

/// SEQUENCE OF SupportedPrefix. Returns whether it has an element.
fn supported_prefixes(open: &mut Reader<'_>) -> Read<bool> {
    let count = open.length()?;
    for _ in 0..count {
        let preamble = open.sequence(1)?;
        if preamble.has(0) {
            non_standard(open)?;
        }
        alias(open)?;
        open.skip_additions(preamble)?;
    }
    open.end()?;
    Ok(count > 0)
}

/// QseriesOptions.
pub(super) fn q_series(reader: &mut Reader<'_>) -> Read<()> {
    let preamble = reader.sequence(0)?;
    reader.bits(7)?;
    let details = reader.sequence(0)?;
    reader.bits(2)?;
    reader.skip_additions(details)?;
    reader.skip_additions(preamble)
}
