//! The user part of our own route entry. It names the rule, and only Portward can have made it.
//!
//! `pw-MAC-NAME`: the MAC is the first 96 bits of an HMAC-SHA-256 (RFC 2104) over the host's name, in hexadecimal. In
//! the name a character that a SIP user part may not hold is written as `=` and two digits. No character of a token
//! needs an escape (`user`, RFC 3261 §25.1). Some phones escape characters all the same. Their tokens are read as well.
//!
//! If a rule has several targets, NAME is `HOST|ADDRESS`, because only the PBX that has begun a dialog knows it
//! (contract section 8, Health). A host's name never contains a bar.

use std::net::IpAddr;
use std::sync::OnceLock;

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use smallvec::SmallVec;
use zeroize::{Zeroize as _, Zeroizing};

use crate::inspect::sip::{Message, unescaped};

/// What every token begins with.
const PREFIX: &str = "pw-";

/// How many octets of the MAC a token contains.
const MAC: usize = 12;

/// The longest text of an address, in octets.
const ADDRESS: usize = 45;

/// The longest token, in octets: prefix, MAC, a name of 255 octets and an address, each octet of both as three
/// characters.
const TOKEN_LIMIT: usize = PREFIX.len() + 2 * MAC + 1 + 3 * (255 + 1 + ADDRESS);

/// What a token names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Named {
    /// The host, in normal form.
    pub host: String,
    /// The address of its target, if the rule had several.
    pub address: Option<IpAddr>,
}

impl Named {
    fn read(text: String) -> Option<Self> {
        match text.split_once('|') {
            Some((host, address)) => {
                Some(Self { host: host.to_owned(), address: Some(address.parse().ok()?) })
            }
            None => Some(Self { host: text, address: None }),
        }
    }
}

/// The key of the HMAC, which is secret.
type Key = Zeroizing<[u8; 32]>;

/// Makes tokens and verifies them.
pub struct Tokens {
    key: Key,
    /// The stored key, if it could not be read at the start and was read later. New tokens are made under it. Tokens
    /// under `key` stay valid.
    kept: OnceLock<Key>,
}

impl std::fmt::Debug for Tokens {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Tokens")
    }
}

impl Tokens {
    /// Tokens under this secret key.
    pub fn new(key: impl Into<Key>) -> Self {
        Self { key: key.into(), kept: OnceLock::new() }
    }

    /// From now on tokens are made under `key`. Tokens under the first key stay valid. Only the first call has an
    /// effect.
    pub fn go_on_with(&self, key: impl Into<Key>) {
        let _ = self.kept.set(key.into());
    }

    /// The keys of valid tokens. The key for new tokens is first.
    fn keys(&self) -> impl Iterator<Item = &Key> {
        self.kept.get().into_iter().chain([&self.key])
    }

    fn in_use(&self) -> &Key {
        self.kept.get().unwrap_or(&self.key)
    }

    /// The token of a host in normal form. `address` is the address of its target, if the token must name it.
    pub fn make(&self, host: &str, address: Option<IpAddr>) -> String {
        match address {
            Some(address) => make(self.in_use(), &format!("{host}|{address}")),
            None => make(self.in_use(), host),
        }
    }

    /// What a token names, if it is one of ours. It may be percent-escaped. The MAC is compared in constant time.
    pub fn named(&self, token: &[u8]) -> Option<Named> {
        if token.len() > 3 * TOKEN_LIMIT || !matches!(token.first(), Some(b'p' | b'%')) {
            return None;
        }
        // §19.1.4: an escaped character is the character. Phones escape `=`, for example.
        let token: &[u8] = &unescaped(token).collect::<SmallVec<[u8; 128]>>();
        let rest = std::str::from_utf8(token).ok()?.strip_prefix(PREFIX)?;
        let (mac, name) = rest.split_at_checked(2 * MAC)?;
        let name = name_of(name.strip_prefix('-')?)?;
        let mut mac_octets = [0; MAC];
        for (octet, digits) in mac_octets.iter_mut().zip(mac.as_bytes().chunks(2)) {
            *octet = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
        }
        let is_ours =
            |key: &&Key| keyed(key, b"route", name.as_bytes()).verify_truncated_left(&mac_octets).is_ok();
        let key = self.keys().find(is_ours)?;
        // Only the spelling that Portward itself writes is valid.
        if make(key, &name).as_bytes() != token {
            return None;
        }
        Named::read(name)
    }

    /// A To tag (RFC 3261 §19.3) for our response to a request with this Call-ID and CSeq number. The ACK to the
    /// response is recognised by it.
    pub fn tag(&self, call_id: &[u8], cseq: u32) -> String {
        tag(self.in_use(), call_id, cseq)
    }

    /// Whether `ack` is the ACK to a refusal of ours. Such an ACK goes no further.
    pub fn is_acknowledged(&self, head: &[u8], ack: &Message) -> bool {
        let call_id = ack.call_id.of_input(head);
        self.keys().any(|key| ack.to_tag.of_input(head) == tag(key, call_id, ack.cseq).as_bytes())
    }
}

fn make(key: &Key, name: &str) -> String {
    let mut token = String::with_capacity(PREFIX.len() + 2 * MAC + 1 + name.len());
    token.push_str(PREFIX);
    hex(&mut token, &mac(key, b"route", name.as_bytes()));
    token.push('-');
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_' => token.push(char::from(byte)),
            _ => {
                token.push('=');
                hex(&mut token, &[byte]);
            }
        }
    }
    token
}

fn tag(key: &Key, call_id: &[u8], cseq: u32) -> String {
    let mut said = call_id.to_vec();
    said.extend_from_slice(&cseq.to_be_bytes());
    let mut tag = String::from(PREFIX);
    hex(&mut tag, &mac(key, b"tag", &said));
    tag
}

fn mac(key: &Key, purpose: &[u8], said: &[u8]) -> [u8; MAC] {
    let whole = keyed(key, purpose, said).finalize().into_bytes();
    let mut short = [0; MAC];
    short.iter_mut().zip(whole).for_each(|(to, from)| *to = from);
    short
}

fn keyed(key: &Key, purpose: &[u8], said: &[u8]) -> Hmac<Sha256> {
    // A key of at most one block is used as it is, so this cannot fail.
    let mut block = sha2::digest::Key::<Hmac<Sha256>>::default();
    block.iter_mut().zip(key.as_slice()).for_each(|(to, from)| *to = *from);
    let mut mac = Hmac::<Sha256>::new(&block);
    block.as_mut_slice().zeroize();
    mac.update(purpose);
    mac.update(&[0]);
    mac.update(said);
    mac
}

fn hex(out: &mut String, octets: &[u8]) {
    for octet in octets {
        for digit in [octet >> 4, octet & 0xf] {
            out.push(char::from_digit(u32::from(digit), 16).unwrap_or('0'));
        }
    }
}

/// The name in a token, without its escapes.
fn name_of(text: &str) -> Option<String> {
    let mut parts = text.split('=');
    let mut name = String::from(parts.next()?);
    for part in parts {
        let (digits, rest) = part.split_at_checked(2)?;
        let octet = u8::from_str_radix(digits, 16).ok().filter(u8::is_ascii_graphic)?;
        name.push(char::from(octet));
        name.push_str(rest);
    }
    Some(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(host: &str, address: Option<IpAddr>) -> Option<Named> {
        Some(Named { host: host.to_owned(), address })
    }

    #[test]
    fn a_token_may_name_an_address_as_well() {
        let tokens = Tokens::new([7; 32]);
        for address in ["192.0.2.1", "2001:db8::1"] {
            let address = address.parse().ok();
            let token = tokens.make("dvl-ckl2.net/branch-b", address);
            assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_=".contains(&b)), "{token}");
            assert_eq!(tokens.named(token.as_bytes()), named("dvl-ckl2.net/branch-b", address));
            assert_ne!(token, tokens.make("dvl-ckl2.net/branch-b", None));
        }
        assert_eq!(tokens.named(tokens.make("a|b", None).as_bytes()), None);
    }

    #[test]
    fn a_token_names_its_host_and_cannot_be_changed() {
        let tokens = Tokens::new([7; 32]);
        for host in ["dvl-ckl2.net", "dvl-ckl2.net/branch-b", "*.example.net", "2001:db8::1", "a_b"] {
            let token = tokens.make(host, None);
            assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || b".-_=".contains(&b)), "{token}");
            assert_eq!(tokens.named(token.as_bytes()), named(host, None));
            for at in 0..token.len() {
                let mut other = token.clone().into_bytes();
                other[at] = if other[at] == b'a' { b'b' } else { b'a' };
                assert_eq!(tokens.named(&other), None, "{token} at {at}");
            }
            assert_eq!(Tokens::new([8; 32]).named(token.as_bytes()), None);
        }
        assert_eq!(tokens.named(b"pw-"), None);
        assert_eq!(tokens.named(tokens.make("dvl-ckl2.net", None).to_uppercase().as_bytes()), None);
        assert_eq!(tokens.named(&[b'a'; 4096]), None);
    }

    /// Item 22: a stored key that is read late comes into use, and dialogs that began before go on.
    #[test]
    fn item_22_a_key_may_come_later() {
        let tokens = Tokens::new([7; 32]);
        let before = tokens.make("one.example", None);
        tokens.go_on_with([8; 32]);
        let after = tokens.make("one.example", None);
        assert_eq!(after, Tokens::new([8; 32]).make("one.example", None));
        for token in [before, after] {
            assert_eq!(tokens.named(token.as_bytes()), named("one.example", None));
        }
        assert_eq!(tokens.named(Tokens::new([9; 32]).make("one.example", None).as_bytes()), None);
        assert_eq!(tokens.tag(b"a@b", 1), Tokens::new([8; 32]).tag(b"a@b", 1));
    }

    #[test]
    fn a_tag_is_another_one_for_every_request() {
        let tokens = Tokens::new([7; 32]);
        assert_eq!(tokens.tag(b"a@b", 1), tokens.tag(b"a@b", 1));
        assert_ne!(tokens.tag(b"a@b", 1), tokens.tag(b"a@b", 2));
        assert_ne!(tokens.tag(b"a@b", 1), tokens.tag(b"a@c", 1));
    }
}
