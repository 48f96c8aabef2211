//! H.225.0 version 7 in aligned PER (X.691), as far as it says which gatekeeper is asked for, and which device asks.
//!
//! `per` reads the encoding, `common` what calls and RAS messages are made of, `call` H323-UserInformation, `generic`
//! the tunnel in it, `ras` the messages in the tunnel; each in the order of the octets. Real endpoints are older, newer
//! or sloppier than the standard:
//! - nothing is encoded: hashes cover the octets (H.235), which pass as they came;
//! - every extension addition is optional, also the mandatory ones, and what Portward does not need is passed over;
//! - alternatives that are not known are passed over;
//! - zeros behind a message are allowed.
//!
//! Everything else is [`Unreadable`](per::Unreadable), and is not passed on.
//!
//! `rasn`, a general PER decoder, does not decide here. It passes over open types that are longer than their value, takes
//! lengths that are not the shortest, and a list of elements without width costs it seconds. It is the second reader of
//! the tests: where both read a message, they find the same in it.

mod call;
mod common;
mod generic;
mod per;
mod ras;

use super::{Registration, Reply, Speaks};

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
    /// For whom the message speaks beside that.
    pub(super) speaks: Speaks,
    /// There is a RAS message in it.
    pub(super) ras: bool,
    /// What a gatekeeper says.
    pub(super) reply: Reply,
}

/// Reads it; `None` if that cannot be done.
pub(super) fn user_information(octets: &[u8]) -> Option<Found> {
    let mut found = Found::default();
    let setup = call::user_information(&mut per::Reader::new(octets), |message| {
        found.ras = true;
        ras::message(message, &mut found)
    });
    if let Some(setup) = setup.ok()? {
        found.destinations = Some(setup.destinations);
        found.speaks.add(setup.speaks);
    }
    Some(found)
}
