//! H.225.0 version 7, §7.8 and 7.9: the answers of gatekeepers, as far as they say which endpoint is registered, or why
//! it is not.

use super::common::{aliases, beginning, identifier, skip_transports};
use super::per::{Choice, Read, Reader};
use crate::inspect::h323::Answer;
use crate::inspect::h323::found::Found;

/// GatekeeperConfirm, up to the gatekeeper's identifier.
pub(super) fn gatekeeper_confirm(reader: &mut Reader<'_>, found: &mut Found) -> Read<()> {
    let preamble = reader.sequence(2)?;
    let sequence = beginning(reader, preamble)?;
    found.reply.answers.push((sequence, Answer::Found));
    if preamble.has(1) {
        found.reply.gatekeepers.push(identifier(reader)?);
    }
    Ok(())
}

/// GatekeeperReject, up to its reason. The answer is [`Answer::Denied`] in the same cases as in
/// [`registration_reject`].
pub(super) fn gatekeeper_reject(reader: &mut Reader<'_>) -> Read<(u16, Answer)> {
    let preamble = reader.sequence(2)?;
    let sequence = beginning(reader, preamble)?;
    if preamble.has(1) {
        identifier(reader)?;
    }
    let answer = match reader.choice(4)? {
        // securityDenial
        Choice::Addition(0, _) => Answer::Denied,
        Choice::Addition(3, error) => security_error(error)?,
        _ => Answer::Rejected,
    };
    Ok((sequence, answer))
}

/// RegistrationConfirm, up to the endpoint's identifier.
pub(super) fn registration_confirm(reader: &mut Reader<'_>, found: &mut Found) -> Read<()> {
    let preamble = reader.sequence(3)?;
    let sequence = beginning(reader, preamble)?;
    found.reply.answers.push((sequence, Answer::Confirmed));
    skip_transports(reader)?;
    let mut given = Vec::new();
    if preamble.has(1) {
        aliases(reader, &mut given)?;
    }
    let gatekeeper = if preamble.has(2) { Some(identifier(reader)?) } else { None };
    found.reply.endpoints.push(identifier(reader)?);
    found.reply.gatekeepers.extend(gatekeeper);
    found.reply.aliases.extend(given);
    Ok(())
}

/// RegistrationReject, up to its reason. The answer is [`Answer::Denied`] for wrong passwords and forged messages, and
/// not for clocks that differ or certificates that have expired.
pub(super) fn registration_reject(reader: &mut Reader<'_>) -> Read<(u16, Answer)> {
    let preamble = reader.sequence(2)?;
    let sequence = beginning(reader, preamble)?;
    let answer = match reader.choice(8)? {
        // securityDenial
        Choice::Addition(3, _) => Answer::Denied,
        Choice::Addition(9, error) => security_error(error)?,
        _ => Answer::Rejected,
    };
    Ok((sequence, answer))
}

/// securityError. The answer is [`Answer::Denied`] if the device could not prove the identity that it claims.
fn security_error(mut error: Reader<'_>) -> Read<Answer> {
    Ok(match error.choice(16)? {
        Choice::Root(2..5) => Answer::Denied,
        _ => Answer::Rejected,
    })
}
