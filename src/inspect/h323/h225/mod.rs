//! H.225.0 version 7 in aligned PER (X.691), as far as it names the gatekeeper that is asked for and the device that
//! asks.
//!
//! `per` reads the encoding, `common` the types that calls and RAS messages share, `call` H323-UserInformation,
//! `generic` the tunnel in it, `ras` the messages in the tunnel, and `reply` the answers among them. Each of them reads
//! in the order of the octets. Real endpoints are older, newer or less strict than the standard:
//! - nothing is encoded again, because hashes cover the octets (H.235): messages pass unchanged;
//! - every extension addition is treated as optional, and additions that Portward does not need are skipped;
//! - unknown alternatives are skipped;
//! - zeros after a message are allowed.
//!
//! Everything else is [`Unreadable`](per::Unreadable), and is not forwarded.
//!
//! `rasn` is a general PER decoder, and is not used for decisions. It accepts open types that are longer than their
//! value, and lengths that are not the shortest. A list of elements of zero length costs it seconds. The tests use it
//! as a second decoder: if both read a message, they must find the same.

mod call;
mod common;
mod generic;
mod per;
mod ras;
mod reply;

use super::found::Found;

/// Reads an H323-UserInformation. `None`: it cannot be read.
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
