//! A second decoder of RAS messages for the tests: `rasn` with the types of the standard.
//!
//! `rasn` is a general PER decoder. No decision depends on it, because it reads too much: it accepts open types that
//! are longer than their value and lengths that are not the shortest, and its cost is not bounded by the number of
//! octets (a list of elements of zero length). `h225` reads the forms that devices send and refuses all others. If both
//! read a message, they must find the same.

mod per;
mod syntax;

use rasn::types::{BmpString, Ia5String};

use per::{Address, Digits, GatekeeperIdentifier, Name};
use syntax::{AliasAddress, RasMessage};

/// A GatekeeperRequest or RegistrationRequest: its number, the gatekeeper identifier, and the aliases as text.
pub(super) type Request = (u16, Option<String>, Vec<String>);

/// Reads a RAS message. `None`: it cannot be read, or is another message.
pub(super) fn request(octets: &[u8]) -> Option<Request> {
    let (message, _) = rasn::aper::decode_with_remainder::<RasMessage>(octets).ok()?;
    let (sequence, identifier, aliases) = match message {
        RasMessage::Gatekeeper(request) => {
            (request.sequence, request.gatekeeper_identifier, request.endpoint_alias)
        }
        RasMessage::Registration(request) => {
            (request.sequence, request.gatekeeper_identifier, request.terminal_alias)
        }
        _ => return None,
    };
    let identifier = identifier.map(|GatekeeperIdentifier(text)| trimmed(&bmp(text)));
    let aliases = aliases.unwrap_or_default().into_iter().map(alias).collect();
    Some((sequence, identifier.filter(|text| !text.is_empty()), aliases))
}

fn alias(alias: AliasAddress) -> String {
    match alias {
        AliasAddress::Digits(Digits(text)) => trimmed(&ia5(&text)),
        AliasAddress::H323Id(Name(text)) => trimmed(&bmp(text)),
        AliasAddress::Url(Address(text)) | AliasAddress::Email(Address(text)) => trimmed(&ia5(&text)),
        AliasAddress::Unknown => String::new(),
    }
}

fn trimmed(text: &str) -> String {
    text.trim_end_matches('\0').to_owned()
}

fn ia5(text: &Ia5String) -> String {
    String::from_utf8_lossy(text.as_iso646_bytes()).into_owned()
}

fn bmp(text: BmpString) -> String {
    String::from_utf16_lossy(&text.into_vec())
}
