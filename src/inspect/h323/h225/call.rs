//! H.225.0 version 7, annex H: H323-UserInformation, the content of a call signalling message.
//!
//! All bodies are read to their end, because tunnelled messages come after them.

use super::common::{
    alias, aliases, endpoint_type, identifier, non_standard, q_series, skip_aliases, transport,
};
use super::generic;
use super::per::{Choice, Read, Reader, Unreadable};
use crate::inspect::h323::{Alias, Speaks};

/// How many additions H323-UU-PDU has. There is no later version.
const PDU_ADDITIONS: u32 = 9;

/// The part of a Setup that Portward needs.
#[derive(Debug, Default)]
pub(super) struct Setup {
    pub(super) destinations: Vec<Alias>,
    /// The caller.
    pub(super) speaks: Speaks,
}

/// Reads an H323-UserInformation to its end. Returns its Setup, if it is one. Each tunnelled RAS message goes to `ras`.
pub(super) fn user_information<'a>(
    reader: &mut Reader<'a>,
    ras: impl FnMut(&'a [u8]) -> Read<()>,
) -> Read<Option<Setup>> {
    let preamble = reader.sequence(1)?;
    let setup = pdu(reader, ras)?;
    if preamble.has(0) {
        user_data(reader)?;
    }
    // H323-UserInformation has no additions.
    reader.additions(preamble, |_, _| Err(Unreadable))?;
    reader.end_or_zeros()?;
    Ok(setup)
}

/// H323-UU-PDU.
fn pdu<'a>(reader: &mut Reader<'a>, mut ras: impl FnMut(&'a [u8]) -> Read<()>) -> Read<Option<Setup>> {
    let preamble = reader.sequence(1)?;
    let setup = body(reader)?;
    if preamble.has(0) {
        non_standard(reader)?;
    }
    reader.additions(preamble, |index, mut open| match index {
        // h245Tunnelling and provisionalRespToH245Tunnelling: a BOOLEAN and a NULL.
        1 | 6 if open.len() > 1 => Err(Unreadable),
        8 => {
            generic::list(&mut open, &mut ras)?;
            open.end()
        }
        ..PDU_ADDITIONS => Ok(()),
        // A PBX that knows this addition may find a registration in it.
        _ => Err(Unreadable),
    })?;
    Ok(setup)
}

/// user-data.
fn user_data(reader: &mut Reader<'_>) -> Read<()> {
    let preamble = reader.sequence(0)?;
    reader.octets(1)?;
    reader.sized(131)?;
    reader.skip_additions(preamble)
}

/// h323-message-body.
fn body(reader: &mut Reader<'_>) -> Read<Option<Setup>> {
    match reader.choice(7)? {
        Choice::Root(0) => return setup(reader).map(Some),
        Choice::Root(1 | 3) => proceeding(reader)?,
        Choice::Root(2) => connect(reader)?,
        Choice::Root(4) => {
            let preamble = reader.sequence(0)?;
            reader.string()?;
            reader.skip_additions(preamble)?;
        }
        Choice::Root(5) => release_complete(reader)?,
        Choice::Root(_) => facility(reader)?,
        // empty
        Choice::Addition(1, open) if open.len() > 1 => return Err(Unreadable),
        Choice::Addition(..) => {}
    }
    Ok(None)
}

/// Setup-UUIE.
fn setup(reader: &mut Reader<'_>) -> Read<Setup> {
    let mut setup = Setup::default();
    let preamble = reader.sequence(7)?;
    reader.string()?;
    if preamble.has(0) {
        transport(reader)?;
    }
    if preamble.has(1) {
        aliases(reader, &mut setup.speaks.aliases)?;
    }
    endpoint_type(reader)?;
    if preamble.has(2) {
        aliases(reader, &mut setup.destinations)?;
    }
    if preamble.has(3) {
        transport(reader)?;
    }
    if preamble.has(4) {
        skip_aliases(reader)?;
    }
    if preamble.has(5) {
        let count = reader.length()?;
        for _ in 0..count {
            reader.word()?;
        }
    }
    // activeMC, conferenceID, conferenceGoal
    reader.bit()?;
    reader.octets(16)?;
    reader.null_of(3)?;
    if preamble.has(6) {
        q_series(reader)?;
    }
    // callType
    reader.null_of(4)?;
    let speaks = &mut setup.speaks;
    reader.additions(preamble, |index, mut open| match index {
        9 => {
            speaks.endpoints.push(identifier(&mut open)?);
            open.end()
        }
        25 => {
            additional_sources(&mut open, &mut speaks.aliases)?;
            open.end()
        }
        _ => Ok(()),
    })?;
    Ok(setup)
}

/// additionalSourceAddresses: SEQUENCE OF ExtendedAliasAddress.
fn additional_sources(reader: &mut Reader<'_>, kept: &mut Vec<Alias>) -> Read<()> {
    let count = reader.length()?;
    for _ in 0..count {
        let preamble = reader.sequence(2)?;
        kept.push(alias(reader)?.into());
        // presentationIndicator, screeningIndicator
        if preamble.has(0) {
            reader.null_of(3)?;
        }
        if preamble.has(1) {
            reader.enumerated(4)?;
        }
        reader.skip_additions(preamble)?;
    }
    Ok(())
}

/// CallProceeding-UUIE and Alerting-UUIE.
fn proceeding(reader: &mut Reader<'_>) -> Read<()> {
    let preamble = reader.sequence(1)?;
    reader.string()?;
    endpoint_type(reader)?;
    if preamble.has(0) {
        transport(reader)?;
    }
    reader.skip_additions(preamble)
}

/// Connect-UUIE.
fn connect(reader: &mut Reader<'_>) -> Read<()> {
    let preamble = reader.sequence(1)?;
    reader.string()?;
    if preamble.has(0) {
        transport(reader)?;
    }
    endpoint_type(reader)?;
    reader.octets(16)?;
    reader.skip_additions(preamble)
}

/// ReleaseComplete-UUIE.
fn release_complete(reader: &mut Reader<'_>) -> Read<()> {
    let preamble = reader.sequence(1)?;
    reader.string()?;
    if preamble.has(0) {
        reader.null_of(12)?;
    }
    reader.skip_additions(preamble)
}

/// Facility-UUIE.
fn facility(reader: &mut Reader<'_>) -> Read<()> {
    let preamble = reader.sequence(3)?;
    reader.string()?;
    if preamble.has(0) {
        transport(reader)?;
    }
    if preamble.has(1) {
        skip_aliases(reader)?;
    }
    if preamble.has(2) {
        reader.octets(16)?;
    }
    reader.null_of(4)?;
    reader.skip_additions(preamble)
}
