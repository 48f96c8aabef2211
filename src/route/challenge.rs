//! Recognises ACME's HTTP-01 challenges (RFC 8555 §8.3). What the rules say about the path does not matter. If Portward
//! has no answer to a challenge, the rules decide about the request.

use super::http::Ask;
use crate::rules::Table;
use crate::rules::decide::{self, Scratch};
use crate::service::Transport;

/// The folder of the challenges.
pub const FOLDER: &str = ".well-known/acme-challenge";
/// The longest token that is accepted, in octets. A token has 22 characters at least, and 43 in practice.
const TOKEN: usize = 128;

/// The token of a challenge. It must be asked for by a GET or HEAD without a body, by plain HTTP, on a host of the
/// rules.
pub fn challenge<'a>(table: &Table, ask: &Ask<'a>, scratch: &mut Scratch) -> Option<&'a str> {
    let token = token(ask.path).filter(|_| ask.forwarding.transport == Transport::Plain)?;
    decide::http_host(table, ask.host, scratch).is_ok().then_some(token)
}

/// The token in `path`, if `path` is that of a challenge. A token has only base64url characters.
fn token(path: &[u8]) -> Option<&str> {
    let token = path.strip_prefix(b"/")?.strip_prefix(FOLDER.as_bytes())?.strip_prefix(b"/")?;
    let good = |octet: &u8| octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'_');
    let is_token = (1..=TOKEN).contains(&token.len()) && token.iter().all(good);
    is_token.then(|| str::from_utf8(token).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_token_is_base64url_and_nothing_else() {
        assert_eq!(token(b"/.well-known/acme-challenge/aZ0-_"), Some("aZ0-_"));
        let long = format!("/.well-known/acme-challenge/{}", "a".repeat(129));
        for path in [
            "/.well-known/acme-challenge/",
            "/.well-known/acme-challenge",
            "/.well-known/acme-challenge/a/b",
            "/.well-known/acme-challenge/..",
            "/.well-known/acme-challenge/a.b",
            "/.well-known/acme-challenge/a%41",
            "/x/.well-known/acme-challenge/a",
            "/.WELL-KNOWN/acme-challenge/a",
            "//.well-known/acme-challenge/a",
            &long,
        ] {
            assert_eq!(token(path.as_bytes()), None, "{path}");
        }
    }
}
