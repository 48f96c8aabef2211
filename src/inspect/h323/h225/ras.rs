//! H.225.0 version 7, §7.8 to 7.16: RAS messages, as far as they register an endpoint, or name an endpoint or a caller.
//! `reply` reads the answers of gatekeepers.

use super::common::{
    aliases, beginning, endpoint_type, identifier, non_standard, q_series, sequence, skip_aliases,
    skip_transports, transport, transports, vendor,
};
use super::per::{Choice, Read, Reader};
use super::reply::{gatekeeper_confirm, gatekeeper_reject, registration_confirm, registration_reject};
use crate::inspect::h323::found::Found;
use crate::inspect::h323::{Registration, Speaks, Verb};

/// How many alternatives RasMessage has before its extension marker.
const MESSAGES: u32 = 25;

/// Reads the message in `octets` into `found`.
pub(super) fn message(octets: &[u8], found: &mut Found) -> Read<()> {
    let mut reader = Reader::new(octets);
    match reader.choice(MESSAGES)? {
        Choice::Root(index) => root(index, &mut reader, found),
        // resourcesAvailableIndicate, serviceControlIndication
        Choice::Addition(1, mut open) => resources_available(&mut open, &mut found.speaks),
        Choice::Addition(5, mut open) => service_control(&mut open, &mut found.speaks),
        Choice::Addition(..) => Ok(()),
    }
}

fn root(index: u32, reader: &mut Reader<'_>, found: &mut Found) -> Read<()> {
    let speaks = &mut found.speaks;
    match index {
        0 => found.registrations.push(gatekeeper_request(reader)?),
        1 => return gatekeeper_confirm(reader, found),
        2 => {
            found.reply.answers.push(gatekeeper_reject(reader)?);
            return Ok(());
        }
        3 => found.registrations.push(registration_request(reader, speaks)?),
        4 => {
            // It is a confirmation, even if the rest of it cannot be read.
            return registration_confirm(reader, found).or(Ok(()));
        }
        5 => {
            found.reply.answers.push(registration_reject(reader)?);
            return Ok(());
        }
        6 => unregistration_request(reader, speaks)?,
        9 => admission_request(reader, speaks)?,
        12 => bandwidth_request(reader, speaks)?,
        15 => disengage_request(reader, speaks)?,
        18 => location_request(reader, speaks)?,
        // The fields after the aliases are the endpoint's calls. They are not read.
        22 => return info_request_response(reader, speaks),
        _ => return Ok(()),
    }
    reader.end_or_zeros()
}

fn some(text: String) -> Option<String> {
    Some(text).filter(|text| !text.is_empty())
}

/// GatekeeperRequest.
fn gatekeeper_request(reader: &mut Reader<'_>) -> Read<Registration> {
    let preamble = reader.sequence(4)?;
    let sequence = beginning(reader, preamble)?;
    transport(reader)?;
    endpoint_type(reader)?;
    let mut request = Registration::new(Verb::Gatekeeper, sequence);
    if preamble.has(1) {
        request.identifier = some(identifier(reader)?);
    }
    if preamble.has(2) {
        q_series(reader)?;
    }
    if preamble.has(3) {
        aliases(reader, &mut request.aliases)?;
    }
    reader.skip_additions(preamble)?;
    Ok(request)
}

/// RegistrationRequest. The endpoint of a keep-alive goes into `speaks`.
fn registration_request(reader: &mut Reader<'_>, speaks: &mut Speaks) -> Read<Registration> {
    let preamble = reader.sequence(3)?;
    let sequence = beginning(reader, preamble)?;
    let mut request = Registration::new(Verb::Registration, sequence);
    reader.bit()?;
    transports(reader, &mut request.addresses)?;
    skip_transports(reader)?;
    request.adds = endpoint_type(reader)?;
    if preamble.has(1) {
        aliases(reader, &mut request.aliases)?;
    }
    if preamble.has(2) {
        request.identifier = some(identifier(reader)?);
    }
    vendor(reader)?;
    let mut endpoint = None;
    reader.additions(preamble, |index, mut open| {
        match index {
            5 => request.keep_alive = open.bit()?,
            6 => endpoint = Some(identifier(&mut open)?),
            // additiveRegistration, terminalAliasPattern
            10 | 11 => {
                request.adds = true;
                return Ok(());
            }
            _ => return Ok(()),
        }
        open.end()
    })?;
    request.unnamed = request.aliases.is_empty() && !request.keep_alive;
    if request.keep_alive {
        speaks.name(endpoint, std::mem::take(&mut request.addresses));
    } else {
        request.endpoints.extend(endpoint);
    }
    Ok(request)
}

/// UnregistrationRequest.
fn unregistration_request(reader: &mut Reader<'_>, speaks: &mut Speaks) -> Read<()> {
    let preamble = reader.sequence(3)?;
    sequence(reader)?;
    let mut addresses = Vec::new();
    transports(reader, &mut addresses)?;
    if preamble.has(0) {
        aliases(reader, &mut speaks.aliases)?;
    }
    if preamble.has(1) {
        non_standard(reader)?;
    }
    let endpoint = if preamble.has(2) { Some(identifier(reader)?) } else { None };
    let known = endpoint.is_some();
    speaks.name(endpoint, addresses);
    let mut unclear = false;
    reader.additions(preamble, |index, _| {
        // endpointAliasPattern and supportedPrefixes. Without an endpoint it is unclear whose they are.
        unclear |= matches!(index, 6 | 7) && !known;
        Ok(())
    })?;
    speaks.unclear |= unclear;
    Ok(())
}

/// AdmissionRequest. If the call is answered, srcInfo names the other end.
fn admission_request(reader: &mut Reader<'_>, speaks: &mut Speaks) -> Read<()> {
    let preamble = reader.sequence(7)?;
    sequence(reader)?;
    reader.null_of(4)?;
    if preamble.has(0) {
        reader.null_of(2)?;
    }
    speaks.endpoints.push(identifier(reader)?);
    if preamble.has(1) {
        skip_aliases(reader)?;
    }
    if preamble.has(2) {
        transport(reader)?;
    }
    if preamble.has(3) {
        skip_aliases(reader)?;
    }
    let before = speaks.aliases.len();
    aliases(reader, &mut speaks.aliases)?;
    if preamble.has(4) {
        transport(reader)?;
    }
    reader.long()?;
    reader.word()?;
    if preamble.has(5) {
        non_standard(reader)?;
    }
    if preamble.has(6) {
        q_series(reader)?;
    }
    reader.octets(16)?;
    reader.bit()?;
    if reader.bit()? {
        speaks.aliases.truncate(before);
    }
    reader.skip_additions(preamble)
}

/// BandwidthRequest.
fn bandwidth_request(reader: &mut Reader<'_>, speaks: &mut Speaks) -> Read<()> {
    let preamble = reader.sequence(2)?;
    call(reader, speaks)?;
    if preamble.has(0) {
        reader.null_of(4)?;
    }
    reader.long()?;
    if preamble.has(1) {
        non_standard(reader)?;
    }
    reader.skip_additions(preamble)
}

/// DisengageRequest.
fn disengage_request(reader: &mut Reader<'_>, speaks: &mut Speaks) -> Read<()> {
    let preamble = reader.sequence(1)?;
    call(reader, speaks)?;
    reader.null_of(3)?;
    if preamble.has(0) {
        non_standard(reader)?;
    }
    reader.skip_additions(preamble)
}

/// requestSeqNum, endpointIdentifier, conferenceID, callReferenceValue.
fn call(reader: &mut Reader<'_>, speaks: &mut Speaks) -> Read<()> {
    sequence(reader)?;
    speaks.endpoints.push(identifier(reader)?);
    reader.octets(16)?;
    reader.word().map(|_| ())
}

/// LocationRequest.
fn location_request(reader: &mut Reader<'_>, speaks: &mut Speaks) -> Read<()> {
    let preamble = reader.sequence(2)?;
    sequence(reader)?;
    if preamble.has(0) {
        speaks.endpoints.push(identifier(reader)?);
    }
    skip_aliases(reader)?;
    if preamble.has(1) {
        non_standard(reader)?;
    }
    transport(reader)?;
    reader.additions(preamble, |index, mut open| match index {
        // sourceInfo, sourceEndpointInfo
        0 | 14 => {
            aliases(&mut open, &mut speaks.aliases)?;
            open.end()
        }
        _ => Ok(()),
    })
}

/// InfoRequestResponse, up to the calls.
fn info_request_response(reader: &mut Reader<'_>, speaks: &mut Speaks) -> Read<()> {
    let preamble = reader.sequence(3)?;
    if preamble.has(0) {
        non_standard(reader)?;
    }
    sequence(reader)?;
    endpoint_type(reader)?;
    speaks.endpoints.push(identifier(reader)?);
    transport(reader)?;
    skip_transports(reader)?;
    if preamble.has(1) {
        aliases(reader, &mut speaks.aliases)?;
    }
    Ok(())
}

/// ResourcesAvailableIndicate, up to the endpoint.
fn resources_available(reader: &mut Reader<'_>, speaks: &mut Speaks) -> Read<()> {
    let preamble = reader.sequence(4)?;
    beginning(reader, preamble)?;
    speaks.endpoints.push(identifier(reader)?);
    Ok(())
}

/// ServiceControlIndication, up to the endpoint.
fn service_control(reader: &mut Reader<'_>, speaks: &mut Speaks) -> Read<()> {
    let preamble = reader.sequence(8)?;
    sequence(reader)?;
    if preamble.has(0) {
        non_standard(reader)?;
    }
    let count = reader.length()?;
    for _ in 0..count {
        let session = reader.sequence(1)?;
        reader.octets(1)?;
        if session.has(0) {
            match reader.choice(4)? {
                // url: IA5String (SIZE (0..512))
                Choice::Root(0) => {
                    let size = reader.word()?;
                    reader.octets(size.into())?;
                }
                // signal
                Choice::Root(1) => {
                    reader.string()?;
                }
                Choice::Root(2) => non_standard(reader)?,
                // A call credit is not read, so the endpoint after it is not found.
                Choice::Root(_) => {
                    speaks.unclear = true;
                    return Ok(());
                }
                Choice::Addition(..) => {}
            }
        }
        reader.null_of(3)?;
        reader.skip_additions(session)?;
    }
    if preamble.has(1) {
        speaks.endpoints.push(identifier(reader)?);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// So many aliases do not fit into a tunnel without fragments.
    #[test]
    fn sixteen_thousand_aliases_are_too_many() {
        let path = "tests/fixtures/h323/vectors/traps/ras_rrq_16000_aliases.bin";
        let octets = std::fs::read(path).expect("a fixture");
        assert!(octets.len() > 16_383);
        assert!(message(&octets, &mut Found::default()).is_err());
    }
}
