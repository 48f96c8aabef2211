//! H.225.0 version 7, §7.6: GenericData, and the tunnel of H.460.17 in it.

use super::common::{alias, transport};
use super::per::{Choice, Preamble, Read, Reader, Unreadable};

/// H.460.17.
const TUNNEL: Identifier = Identifier::Standard(17);
/// The parameter of H.460.17 that holds a RAS message.
const RAS: Identifier = Identifier::Standard(1);
/// How many levels of nested parameters are read. Devices use only a few.
const DEPTH: usize = 32;

/// GenericIdentifier.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Identifier {
    Standard(u32),
    Other,
}

/// SEQUENCE OF GenericData. Each tunnelled RAS message goes to `ras`.
pub(super) fn list<'a>(reader: &mut Reader<'a>, mut ras: impl FnMut(&'a [u8]) -> Read<()>) -> Read<()> {
    let count = reader.length()?;
    for _ in 0..count {
        let preamble = reader.sequence(1)?;
        let tunnel = identifier(reader)? == TUNNEL;
        if preamble.has(0) {
            let count = reader.size(512)?;
            for _ in 0..count {
                let (preamble, id) = parameter(reader)?;
                let content = if preamble.has(0) { content(reader, 0)? } else { None };
                reader.skip_additions(preamble)?;
                if tunnel && id == RAS {
                    // Devices send a RAS message in no other form.
                    ras(content.ok_or(Unreadable)?)?;
                }
            }
        }
        reader.skip_additions(preamble)?;
    }
    Ok(())
}

/// The beginning of an EnumeratedParameter.
fn parameter(reader: &mut Reader<'_>) -> Read<(Preamble, Identifier)> {
    let preamble = reader.sequence(1)?;
    Ok((preamble, identifier(reader)?))
}

fn identifier(reader: &mut Reader<'_>) -> Read<Identifier> {
    match reader.choice(3)? {
        Choice::Root(0) => return standard(reader).map(Identifier::Standard),
        Choice::Root(1) => {
            reader.string()?;
        }
        Choice::Root(_) => {
            reader.octets(16)?;
        }
        Choice::Addition(..) => {}
    }
    Ok(Identifier::Other)
}

/// INTEGER (0..16383, ...). No device sends a number of the root in the form of an extension.
fn standard(reader: &mut Reader<'_>) -> Read<u32> {
    if reader.bit()? {
        let octets = reader.string()?;
        let value = octets.iter().fold(0, |value, octet| value << 8 | u32::from(*octet));
        return if octets.len() <= 4 && value > 16_383 { Ok(value) } else { Err(Unreadable) };
    }
    match u32::from(reader.word()?) {
        value @ ..=16_383 => Ok(value),
        _ => Err(Unreadable),
    }
}

/// Content. Returns the octets of a raw value.
fn content<'a>(reader: &mut Reader<'a>, depth: usize) -> Read<Option<&'a [u8]>> {
    if depth == DEPTH {
        return Err(Unreadable);
    }
    match reader.choice(12)? {
        Choice::Root(0) => return reader.string().map(Some),
        // text
        Choice::Root(1) => {
            reader.string()?;
        }
        // unicode
        Choice::Root(2) => {
            let length = reader.length()?;
            reader.octets(2 * length)?;
        }
        Choice::Root(3) => {
            reader.bit()?;
        }
        // number8
        Choice::Root(4) => {
            reader.octets(1)?;
        }
        Choice::Root(5) => {
            reader.word()?;
        }
        Choice::Root(6) => reader.long()?,
        Choice::Root(7) => {
            identifier(reader)?;
        }
        Choice::Root(8) => {
            alias(reader)?;
        }
        Choice::Root(9) => {
            transport(reader)?;
        }
        Choice::Root(10) => compound(reader, depth)?,
        Choice::Root(_) => nested(reader, depth)?,
        Choice::Addition(..) => {}
    }
    Ok(None)
}

/// SEQUENCE SIZE (1..512) OF EnumeratedParameter.
fn compound(reader: &mut Reader<'_>, depth: usize) -> Read<()> {
    let count = reader.size(512)?;
    for _ in 0..count {
        let (preamble, _) = parameter(reader)?;
        if preamble.has(0) {
            content(reader, depth + 1)?;
        }
        reader.skip_additions(preamble)?;
    }
    Ok(())
}

/// SEQUENCE SIZE (1..16) OF GenericData.
fn nested(reader: &mut Reader<'_>, depth: usize) -> Read<()> {
    let count = reader.size(16)?;
    for _ in 0..count {
        let preamble = reader.sequence(1)?;
        identifier(reader)?;
        if preamble.has(0) {
            compound(reader, depth)?;
        }
        reader.skip_additions(preamble)?;
    }
    Ok(())
}
