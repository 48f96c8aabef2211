//! H.225.0 version 7 in aligned PER (X.691), as far as it says which gatekeeper is asked for, and which device asks.
//!
//! `per` reads the encoding, `common` what calls and RAS messages are made of, `call` H323-UserInformation, `generic`
//! the tunnel in it, `ras` the messages in the tunnel and `reply` the answers among them; each in the order of the octets. Real endpoints are older, newer
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
mod reply;

use super::found::Found;

/// Reads an H323-UserInformation; `None` if that cannot be done.
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
