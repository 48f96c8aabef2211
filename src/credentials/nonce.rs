//! Nonces of Portward's own challenges, and how often each was used (contract section 9, *Ephemeral credentials*). This
//! module is pure: time is an argument.
//!
//! A nonce contains the time when it was made and its connection, and is authenticated. So Portward need not remember
//! it to recognise it. Its form is `TTTTTTTTCCCCCCCCBBBBBBBBBBBBBBBB` and the first 128 bits of an HMAC-SHA256, all in
//! hexadecimal. T is the time in seconds, C the count of the connection's nonces, and B a keyed digest of the
//! connection. The MAC covers these, the realm and the algorithm.

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroize as _;

use super::digest::Algorithm;
use super::is_same;

/// How long a nonce is valid, in seconds.
const LIFETIME: u32 = 300;

/// The number of digits of time, count and connection, and the number of digits of the MAC.
const SAID: usize = 32;
const MAC: usize = 32;

/// How many nonces are remembered for a connection.
const REMEMBERED: usize = 4;

/// Makes nonces and recognises them.
pub struct Nonces {
    keyed: Hmac<Sha256>,
}

impl std::fmt::Debug for Nonces {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Nonces")
    }
}

/// The values that a nonce is bound to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NonceBinding<'a> {
    /// The number of the connection.
    pub connection: u64,
    /// The realm, which is the host's name.
    pub realm: &'a [u8],
    /// The algorithm of the challenge.
    pub algorithm: Algorithm,
}

/// Whether a nonce is known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NonceState {
    /// It is Portward's own, for this connection, and not too old. The value is its count.
    Good(u32),
    /// It is Portward's own, but too old or for another connection. A right login with it gets a new nonce
    /// (`stale=true`).
    Stale,
    /// It is not Portward's own, or is for another realm or algorithm. A right login with it gets a new nonce as well.
    Foreign,
}

impl Nonces {
    /// Nonces with this key, which must be secret.
    pub fn new(key: &[u8; 32]) -> Self {
        // The key is shorter than a block of SHA-256. HMAC itself fills it with zeros (RFC 2104 section 2).
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        block.iter_mut().zip(key).for_each(|(to, octet)| *to = *octet);
        let keyed = Hmac::new(&block);
        block.as_mut_slice().zeroize();
        Self { keyed }
    }

    /// Makes a nonce. `count` must differ for each nonce of a connection. `now` is in seconds.
    pub fn make(&self, bound: NonceBinding<'_>, count: u32, now: u32) -> String {
        let said = format!("{now:08x}{count:08x}{:016x}", self.connection(bound.connection));
        let mac = self.mac(&said, bound);
        said + &mac
    }

    /// Whether a client's nonce is known.
    pub fn known(&self, nonce: &[u8], bound: NonceBinding<'_>, now: u32) -> NonceState {
        let read = || {
            let (said, mac) = std::str::from_utf8(nonce).ok()?.split_at_checked(SAID)?;
            let part = |digits: std::ops::Range<usize>| u32::from_str_radix(said.get(digits)?, 16).ok();
            let (made, count) = (part(0..8)?, part(8..16)?);
            is_same(self.mac(said, bound).as_bytes(), mac.as_bytes()).then_some((said, made, count))
        };
        let Some((said, made, count)) = read() else { return NonceState::Foreign };
        let own = format!("{:016x}", self.connection(bound.connection));
        let is_of_here = said.get(16..) == Some(own.as_str());
        // After the clock was set back, a nonce may be from the future. It is treated as an old one.
        let is_fresh = made <= now && now - made <= LIFETIME;
        if is_of_here && is_fresh { NonceState::Good(count) } else { NonceState::Stale }
    }

    fn keyed(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut mac = self.keyed.clone();
        for part in parts {
            mac.update(&(part.len() as u64).to_be_bytes());
            mac.update(part);
        }
        mac.finalize().into_bytes().into()
    }

    /// A keyed digest of the connection's number. The number itself is not shown, because it reveals how many
    /// connections there were.
    fn connection(&self, number: u64) -> u64 {
        let digest = self.keyed(&[b"connection", &number.to_be_bytes()]);
        digest.iter().take(8).fold(0, |all, octet| all << 8 | u64::from(*octet))
    }

    fn mac(&self, said: &str, bound: NonceBinding<'_>) -> String {
        let realm = bound.realm.to_ascii_lowercase();
        let algorithm = bound.algorithm.name().as_bytes();
        let mac = self.keyed(&[b"nonce", said.as_bytes(), &realm, algorithm]);
        let mac = mac.iter().take(MAC / 2).fold(0_u128, |all, octet| all << 8 | u128::from(*octet));
        format!("{mac:032x}")
    }
}

/// How often the last nonces of a connection were used.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Uses {
    /// The count of a nonce, and the highest `nc` that was used with it. The newest nonce is last.
    last: [Option<(u32, u32)>; REMEMBERED],
}

/// The verdict on the `nc` of a right login.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// It is higher than all before. It need not begin at 1.
    Risen,
    /// It is not higher: the login is a repetition.
    Again,
    /// Its nonce is no longer remembered. It is treated as a stale one.
    Forgotten,
}

impl Uses {
    /// A nonce with this count was given. The oldest one is forgotten for it.
    pub fn gave(&mut self, count: u32) {
        self.last.rotate_left(1);
        if let Some(newest) = self.last.last_mut() {
            *newest = Some((count, 0));
        }
    }

    /// Notes the `nc` of a right login.
    pub fn take(&mut self, count: u32, nc: u32) -> Use {
        match self.last.iter_mut().flatten().find(|(known, _)| *known == count) {
            None => Use::Forgotten,
            Some((_, highest)) if nc > *highest => {
                *highest = nc;
                Use::Risen
            }
            Some(_) => Use::Again,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: u32 = 1_700_000_000;

    fn bound(connection: u64, realm: &str) -> NonceBinding<'_> {
        NonceBinding { connection, realm: realm.as_bytes(), algorithm: Algorithm::Md5 }
    }

    #[test]
    fn w5_a_nonce_is_good_for_its_connection_realm_and_algorithm_for_five_minutes() {
        let nonces = Nonces::new(&[7; 32]);
        let here = bound(5, "pbx.example");
        let nonce = nonces.make(here, 3, NOW);
        assert_eq!(nonce.len(), SAID + MAC);
        assert!(nonce.bytes().all(|octet| octet.is_ascii_hexdigit()));
        for (bound, now, known) in [
            (here, NOW, NonceState::Good(3)),
            (here, NOW + LIFETIME, NonceState::Good(3)),
            (here, NOW + LIFETIME + 1, NonceState::Stale),
            (here, NOW - 1, NonceState::Stale),
            (bound(5, "PBX.example"), NOW, NonceState::Good(3)),
            (bound(6, "pbx.example"), NOW, NonceState::Stale),
            (bound(5, "other.example"), NOW, NonceState::Foreign),
            (NonceBinding { algorithm: Algorithm::Sha256, ..here }, NOW, NonceState::Foreign),
        ] {
            assert_eq!(nonces.known(nonce.as_bytes(), bound, now), known, "{bound:?} {now}");
        }
        assert_eq!(Nonces::new(&[8; 32]).known(nonce.as_bytes(), here, NOW), NonceState::Foreign);
        assert_ne!(nonces.make(here, 4, NOW), nonce);
        for at in 0..nonce.len() {
            let mut altered = nonce.clone().into_bytes();
            altered[at] = if altered[at] == b'0' { b'1' } else { b'0' };
            assert_eq!(nonces.known(&altered, here, NOW), NonceState::Foreign, "{at}");
        }
        for wrong in [&b""[..], b"abc", b"\xff", &nonce.as_bytes()[1..], nonce.to_uppercase().as_bytes()] {
            assert_eq!(nonces.known(wrong, here, NOW), NonceState::Foreign);
        }
    }

    #[test]
    fn w5_nc_must_rise_for_each_of_the_last_four_nonces() {
        let mut uses = Uses::default();
        assert_eq!(uses.take(1, 1), Use::Forgotten, "it was never given");
        for count in 1..=4 {
            uses.gave(count);
        }
        assert_eq!(uses.take(1, 5), Use::Risen, "it need not begin at 1");
        for (nc, what) in
            [(5, Use::Again), (4, Use::Again), (1, Use::Again), (6, Use::Risen), (u32::MAX, Use::Risen)]
        {
            assert_eq!(uses.take(1, nc), what, "{nc}");
        }
        assert_eq!(uses.take(4, 1), Use::Risen);
        uses.gave(5);
        assert_eq!(uses.take(1, u32::MAX), Use::Forgotten);
        assert_eq!((uses.take(4, 1), uses.take(5, 1)), (Use::Again, Use::Risen));
    }
}
