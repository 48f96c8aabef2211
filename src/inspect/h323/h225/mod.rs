//! H.225.0 version 7 in aligned PER (X.691), as far as who is asked for depends on it.
//!
//! `rasn` decodes: bits, lengths, optional fields, open types; it bounds recursion and reserves no more than the input
//! could hold. What is added, because real endpoints are older, newer or sloppier than the standard:
//! - nothing is encoded: hashes cover the octets (H.235), which pass as they came;
//! - every extension addition is optional, also the mandatory ones, and what none of us needs is passed over;
//! - constraints stand in the field types themselves (`kept!`, `skipped!`), because `rasn` forgets those of a newtype
//!   in an extension addition;
//! - an alternative that a `choice!` does not know is passed over, where `rasn`'s own would refuse the message;
//! - octets behind a message are allowed.
//!
//! `syntax` is the standard's own text as types, `per` what those types are made of; here is what becomes of them.

mod per;
mod syntax;

use rasn::types::{BmpString, Ia5String};

use super::{Answer, Registration, Verb};
use per::{Address, Digits, GatekeeperIdentifier, Name};
use syntax::{
    AliasAddress, Body, Content, GatekeeperRequest, RasMessage, RegistrationRequest, RejectReason,
    SecurityErrors, UserInformation,
};

/// An alias address (H.225.0 §7.6).
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Alias {
    /// dialledDigits.
    Digits(String),
    /// h323-ID.
    H323(String),
    /// url-ID.
    Url(String),
    /// email-ID.
    Email(String),
    /// A transport address, a party number, or something newer.
    Other,
}

impl Alias {
    /// As it is shown: PTLib ends strings with NULs.
    pub fn text(&self) -> &str {
        match self {
            Self::Digits(text) | Self::H323(text) | Self::Url(text) | Self::Email(text) => {
                text.trim_end_matches('\0')
            }
            Self::Other => "",
        }
    }
}

/// What was found in an H323-UserInformation.
#[derive(Debug, Default)]
pub(super) struct Found {
    pub(super) registrations: Vec<Registration>,
    /// destinationAddress of a Setup.
    pub(super) destinations: Option<Vec<Alias>>,
    /// A tunnelled RAS message could not be read.
    pub(super) unreadable: bool,
    /// What a gatekeeper says of a registration.
    pub(super) answer: Option<Answer>,
}

/// H.460.17.
const TUNNEL: u32 = 17;
/// Its parameter with a RAS message.
const RAS: u32 = 1;

/// Reads it; `None` if that cannot be done.
pub(super) fn user_information(octets: &[u8]) -> Option<Found> {
    let (information, _) = rasn::aper::decode_with_remainder::<UserInformation>(octets).ok()?;
    let pdu = information.pdu;
    let mut found = Found::default();
    if let Body::Setup(setup) = pdu.body {
        found.destinations = Some(aliases(setup.destination_address));
    }
    let tunnels = pdu.generic_data.iter().flatten().filter(|data| data.id.is(TUNNEL));
    for parameter in tunnels.flat_map(|data| data.parameters.iter().flatten()) {
        let (true, Some(Content::Raw(octets))) = (parameter.id.is(RAS), &parameter.content) else { continue };
        match ras(octets) {
            Some(Ras::Request(registration)) => found.registrations.push(registration),
            Some(Ras::Answer(answer)) => found.answer = Some(answer),
            Some(Ras::Other) => {}
            None => found.unreadable = true,
        }
    }
    Some(found)
}

/// A RAS message, as far as it matters.
pub(super) enum Ras {
    Request(Registration),
    Answer(Answer),
    Other,
}

/// Reads one; `None` if that cannot be done.
pub(super) fn ras(octets: &[u8]) -> Option<Ras> {
    let (message, _) = rasn::aper::decode_with_remainder::<RasMessage>(octets).ok()?;
    Some(match message {
        RasMessage::Gatekeeper(request) => Ras::Request(request.into()),
        RasMessage::Registration(request) => Ras::Request(request.into()),
        RasMessage::Confirm(_) => Ras::Answer(Answer::Confirmed),
        RasMessage::Reject(reject) => Ras::Answer(reject.reason.into()),
        RasMessage::Unknown => Ras::Other,
    })
}

/// Wrong passwords and forged messages; not clocks that differ, nor certificates that have expired.
impl From<RejectReason> for Answer {
    fn from(reason: RejectReason) -> Self {
        match reason {
            RejectReason::SecurityDenial(_) | RejectReason::SecurityError(SecurityErrors::Forged(())) => {
                Self::Denied
            }
            _ => Self::Rejected,
        }
    }
}

fn aliases(list: Option<Vec<AliasAddress>>) -> Vec<Alias> {
    list.unwrap_or_default().into_iter().map(Alias::from).collect()
}

impl From<AliasAddress> for Alias {
    fn from(alias: AliasAddress) -> Self {
        match alias {
            AliasAddress::Digits(Digits(text)) => Self::Digits(ia5(&text)),
            AliasAddress::H323Id(Name(text)) => Self::H323(bmp(text)),
            AliasAddress::Url(Address(text)) => Self::Url(ia5(&text)),
            AliasAddress::Email(Address(text)) => Self::Email(ia5(&text)),
            AliasAddress::Unknown => Self::Other,
        }
    }
}

fn ia5(text: &Ia5String) -> String {
    String::from_utf8_lossy(text.as_iso646_bytes()).into_owned()
}

fn bmp(text: BmpString) -> String {
    String::from_utf16_lossy(&text.into_vec())
}

impl From<GatekeeperRequest> for Registration {
    fn from(request: GatekeeperRequest) -> Self {
        Self {
            verb: Verb::Gatekeeper,
            sequence: request.sequence,
            identifier: identifier(request.gatekeeper_identifier),
            aliases: aliases(request.endpoint_alias),
            keep_alive: false,
            registers: false,
            unnamed: false,
            adds: false,
        }
    }
}

impl From<RegistrationRequest> for Registration {
    fn from(request: RegistrationRequest) -> Self {
        let aliases = aliases(request.terminal_alias);
        let keep_alive = request.keep_alive.unwrap_or_default();
        Self {
            verb: Verb::Registration,
            sequence: request.sequence,
            identifier: identifier(request.gatekeeper_identifier),
            registers: true,
            unnamed: aliases.is_empty() && !keep_alive,
            adds: request.additive_registration.is_some()
                || request.terminal_alias_pattern.is_some()
                || request.terminal_type.has_prefixes(),
            aliases,
            keep_alive,
        }
    }
}

fn identifier(identifier: Option<GatekeeperIdentifier>) -> Option<String> {
    let mut text = identifier.map(|GatekeeperIdentifier(text)| bmp(text))?;
    text.truncate(text.trim_end_matches('\0').len());
    Some(text).filter(|text| !text.is_empty())
}
