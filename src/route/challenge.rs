//! Which HTTP requests are ACME's HTTP-01 challenges (RFC 8555 §8.3). What the rules say of their paths does not matter. If
//! there is no answer to a challenge, the rules decide about the request.

use super::http::Ask;
use crate::rules::Table;
use crate::rules::decide::{self, Scratch};
use crate::service::Transport;

/// Where challenges are.
pub const FOLDER: &str = ".well-known/acme-challenge";
/// A token has 22 characters at least and 43 in practice.
const TOKEN: usize = 128;

/// The token of a challenge, if that is what a GET or HEAD without a body asks for: by plain HTTP, on a host of the rules.
pub fn challenge<'a>(table: &Table, ask: &Ask<'a>, scratch: &mut Scratch) -> Option<&'a str> {
    let token = token(ask.path).filter(|_| ask.forwarding.transport == Transport::Plain)?;
    decide::http_host(table, ask.host, scratch).is_ok().then_some(token)
}

/// The token of a challenge, if `path` is that of one: base64url characters and nothing else.
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
