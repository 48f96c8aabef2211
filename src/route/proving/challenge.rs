//! How a client is asked for a credential (RFC 3261 §22.2, §22.3; RFC 7616; RFC 8760).

use std::fmt::Write as _;

use super::{Asked, Terms};
use crate::credentials::digest::Algorithm;
use crate::credentials::nonce::NonceBinding;

/// The status of the challenge. A REGISTER is for the registrar, every other request for a proxy.
pub(super) fn status(method: &[u8]) -> &'static str {
    match method {
        b"REGISTER" => "401 Unauthorized",
        _ => "407 Proxy Authentication Required",
    }
}

/// Writes a challenge, with its CRLF. `count` differs for each nonce of the connection.
pub(super) fn write(
    terms: &Terms<'_>,
    asked: &Asked<'_>,
    (algorithm, count): (Algorithm, u32),
    stale: bool,
    out: &mut String,
) {
    let name = match asked.method() {
        b"REGISTER" => "WWW-Authenticate",
        _ => "Proxy-Authenticate",
    };
    let bound = bound(terms, asked, algorithm);
    let nonce = terms.nonces.make(bound, count, seconds(terms.now));
    let stale = if stale { ", stale=true" } else { "" };
    // Writing to a String cannot fail.
    let _ = write!(
        out,
        "{name}: Digest realm=\"{}\", nonce=\"{nonce}\", algorithm={}, qop=\"auth\"{stale}\r\n",
        asked.realm,
        algorithm.name()
    );
}

/// The connection, realm and algorithm to which a nonce is bound.
pub(super) fn bound<'a>(terms: &Terms<'_>, asked: &'a Asked<'_>, algorithm: Algorithm) -> NonceBinding<'a> {
    NonceBinding { connection: terms.connection, realm: asked.realm.as_bytes(), algorithm }
}

/// The time, as nonces contain it.
pub(super) fn seconds(now: u64) -> u32 {
    u32::try_from(now).unwrap_or(u32::MAX)
}
