//! Password hashes: which hashes are accepted, and whether a password matches one.
//!
//! bcrypt up to a cost of 12, and argon2id (RFC 9106) up to 64 MiB. Hashes that are cheaper to guess (APR1, SHA-1,
//! crypt, plain text) are refused, with advice. More expensive hashes are refused as well, because clients decide when
//! a hash is computed.

use argon2::{Algorithm, Argon2, Params, Version};
use base64::Engine as _;
use base64::alphabet::BCRYPT;
use base64::engine::general_purpose::STANDARD_NO_PAD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use zeroize::Zeroizing;

use super::is_same;

/// The highest cost of bcrypt, which takes a quarter of a second. Each step doubles the time.
const BCRYPT_COST: u32 = 12;
/// How many octets of a password bcrypt reads. It would ignore the rest.
pub const BCRYPT_LENGTH: usize = 72;
/// The most memory of argon2id, in KiB.
const ARGON2_MEMORY: u32 = 64 * 1024;
/// The most memory that argon2id may write, in KiB: memory times passes.
const ARGON2_WORK: u32 = 4 * ARGON2_MEMORY;
/// The most passes of argon2id.
const ARGON2_PASSES: u32 = 64;
/// The most lanes of argon2id.
const ARGON2_LANES: u32 = 16;

/// The base64 of bcrypt. Some programs leave unused bits set in the last character.
const BCRYPT64: GeneralPurpose = GeneralPurpose::new(
    &BCRYPT,
    GeneralPurposeConfig::new()
        .with_decode_allow_trailing_bits(true)
        .with_decode_padding_mode(DecodePaddingMode::RequireNone),
);

/// A password hash.
#[derive(Clone, PartialEq, Eq)]
pub struct Hash(Kind);

#[derive(Clone, PartialEq, Eq)]
enum Kind {
    Bcrypt { cost: u8, salt: [u8; 16], digest: [u8; 23] },
    Argon2(Box<Argon>),
}

#[derive(Clone, PartialEq, Eq)]
struct Argon {
    memory: u32,
    passes: u32,
    lanes: u32,
    salt: Box<[u8]>,
    digest: Box<[u8]>,
}

impl std::fmt::Debug for Hash {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Hash")
    }
}

/// What is wrong with a hash, and what would be right. Neither text reveals anything about the hash.
pub(super) type Wrong = (&'static str, &'static str);

const WITH_HTPASSWD: &str =
    "make the line with `htpasswd -nB USER`, which asks for the password, or use argon2id";

impl Hash {
    /// Reads a hash in the form of htpasswd or of a PHC string.
    ///
    /// # Errors
    /// What is wrong, and what would be right.
    pub(super) fn read(text: &str) -> Result<Self, Wrong> {
        let kind = text.strip_prefix('$').and_then(|rest| rest.split_once('$'));
        match kind {
            Some(("2y" | "2b" | "2a", rest)) => bcrypt(rest),
            Some(("argon2id", rest)) => argon2id(rest),
            Some(("2x" | "2", _)) => Err((
                "this form of bcrypt has a known fault; $2y$, $2b$ and $2a$ are accepted",
                WITH_HTPASSWD,
            )),
            Some(("argon2i" | "argon2d", _)) => Err(("of argon2 only argon2id is accepted", WITH_HTPASSWD)),
            Some(("apr1", _)) => Err(("this is an APR1 hash (MD5), which is quickly guessed", WITH_HTPASSWD)),
            Some(("1" | "5" | "6" | "y" | "7" | "gy", _)) => Err((
                "this is a hash of the system's own passwords (crypt), which is not accepted",
                WITH_HTPASSWD,
            )),
            Some(_) => Err(("this kind of hash is not known", WITH_HTPASSWD)),
            None if text.is_empty() => Err(("there is no hash behind the colon", WITH_HTPASSWD)),
            None if text.starts_with("{SHA}") || text.starts_with("{SSHA}") => {
                Err(("this is a SHA-1 hash, which is quickly guessed", WITH_HTPASSWD))
            }
            None => Err(("this is a password in the clear, or a crypt hash", WITH_HTPASSWD)),
        }
    }

    /// Whether `password` matches. It takes as long as the hash demands, up to half a second.
    pub fn fits(&self, password: &[u8]) -> bool {
        match &self.0 {
            Kind::Bcrypt { cost, salt, digest } => {
                // A password that bcrypt would cut off, or that contains a NUL, matches nothing. It takes as long all
                // the same.
                let is_whole = password.len() <= BCRYPT_LENGTH && !password.contains(&0);
                let mut key = Zeroizing::new([0u8; BCRYPT_LENGTH]);
                let length = password.len().min(BCRYPT_LENGTH);
                key.iter_mut().zip(password).for_each(|(to, octet)| *to = *octet);
                // The NUL at the end is part of the key, if there is room.
                let key = key.get(..(length + 1).min(BCRYPT_LENGTH)).unwrap_or_default();
                let found = bcrypt::bcrypt(u32::from(*cost), *salt, key);
                is_whole && is_same(found.get(..digest.len()).unwrap_or_default(), digest)
            }
            Kind::Argon2(argon) => argon.fits(password),
        }
    }

    /// The cost of the hash, to compare it with others: roughly in milliseconds of a processor.
    pub fn price(&self) -> u32 {
        match &self.0 {
            Kind::Bcrypt { cost, .. } => 1u32.checked_shl(u32::from(*cost)).unwrap_or(u32::MAX) / 16,
            Kind::Argon2(argon) => argon.memory.saturating_mul(argon.passes) / 1024,
        }
    }

    /// A hash of cost 10 that no password matches, for logins that are refused in any case.
    pub fn dummy() -> Self {
        // bcrypt never gives this digest, so no password matches.
        Self(Kind::Bcrypt { cost: 10, salt: [0x5a; 16], digest: [0; 23] })
    }
}

impl Argon {
    fn fits(&self, password: &[u8]) -> bool {
        let Ok(params) = Params::new(self.memory, self.passes, self.lanes, Some(self.digest.len())) else {
            return false;
        };
        let mut found = vec![0; self.digest.len()];
        let argon = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        argon.hash_password_into(password, &self.salt, &mut found).is_ok() && is_same(&found, &self.digest)
    }
}

/// Reads `COST$SALTDIGEST`: two digits, 22 and 31 characters.
fn bcrypt(rest: &str) -> Result<Hash, Wrong> {
    const SHAPE: Wrong = ("this bcrypt hash is not complete", WITH_HTPASSWD);
    let (cost, rest) = rest.split_once('$').ok_or(SHAPE)?;
    let are_digits = cost.len() == 2 && cost.bytes().all(|digit| digit.is_ascii_digit());
    let number: u8 = cost.parse().ok().filter(|_| are_digits).ok_or(SHAPE)?;
    if u32::from(number) > BCRYPT_COST {
        return Err((
            "the cost of this bcrypt hash is over 12, and every client could make Portward compute it",
            "make it with a cost of 12 or less: `htpasswd -nBC 12 USER`",
        ));
    }
    if number < 4 {
        return Err(("bcrypt knows no cost below 4", WITH_HTPASSWD));
    }
    let (salt, digest) = rest.split_at_checked(22).filter(|(_, digest)| digest.len() == 31).ok_or(SHAPE)?;
    let octets = |text: &str| BCRYPT64.decode(text).map_err(|_| SHAPE);
    let salt = octets(salt)?.try_into().map_err(|_| SHAPE)?;
    let digest = octets(digest)?.try_into().map_err(|_| SHAPE)?;
    Ok(Hash(Kind::Bcrypt { cost: number, salt, digest }))
}

/// Reads `v=19$m=KIB,t=PASSES,p=LANES$SALT$DIGEST`, in the PHC string format.
fn argon2id(rest: &str) -> Result<Hash, Wrong> {
    const SHAPE: Wrong =
        ("this argon2id hash is not complete", "it looks like $argon2id$v=19$m=65536,t=3,p=4$SALT$HASH");
    let mut parts = rest.split('$');
    let mut part = || parts.next().ok_or(SHAPE);
    let (version, terms, salt, digest) = (part()?, part()?, part()?, part()?);
    if parts.next().is_some() {
        return Err(SHAPE);
    }
    if version != "v=19" {
        return Err(("of argon2id only version 19 is accepted", SHAPE.1));
    }
    let mut terms = terms.split(',');
    let mut term = |name: &str| -> Result<u32, Wrong> {
        let digits = terms.next().and_then(|term| term.strip_prefix(name)).ok_or(SHAPE)?;
        digits.parse().ok().filter(|_| digits.bytes().all(|digit| digit.is_ascii_digit())).ok_or(SHAPE)
    };
    let (memory, passes, lanes) = (term("m=")?, term("t=")?, term("p=")?);
    if terms.next().is_some() {
        return Err(SHAPE);
    }
    if memory > ARGON2_MEMORY {
        return Err(("this argon2id hash takes more than 64 MiB of memory", "make it with m=65536 or less"));
    }
    if lanes > ARGON2_LANES || passes > ARGON2_PASSES || memory.saturating_mul(passes) > ARGON2_WORK {
        return Err((
            "this argon2id hash takes too long",
            "passes times memory is at most 256 MiB, as t=4 with m=65536, and p is at most 16",
        ));
    }
    let octets = |text: &str, least: usize| {
        let octets = STANDARD_NO_PAD.decode(text).map_err(|_| SHAPE)?;
        if (least..=64).contains(&octets.len()) { Ok(octets.into_boxed_slice()) } else { Err(SHAPE) }
    };
    let (salt, digest) = (octets(salt, 8)?, octets(digest, 16)?);
    // Checks that the numbers are possible, such as at least eight KiB for each lane.
    Params::new(memory, passes, lanes, Some(digest.len()))
        .map_err(|_| ("no argon2id can have these numbers", SHAPE.1))?;
    Ok(Hash(Kind::Argon2(Box::new(Argon { memory, passes, lanes, salt, digest }))))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The hash of `secret`, made by `htpasswd -nbB -C 4`.
    const SECRET: &str = "$2y$04$47KJ4q./HGOn/4EIQnbIWeMqmeBQ6QWVyXqQ6nGN0EhtlZKrrLG7K";

    fn fits(hash: &str, password: &[u8]) -> bool {
        Hash::read(hash).unwrap().fits(password)
    }

    #[test]
    fn bcrypt_of_others_is_understood() {
        // jBCrypt's test vectors.
        assert!(fits("$2a$06$DCq7YPn5Rq63x1Lad4cll.TV4S6ytwfsfvkgY8jIucDrjc8deX1s.", b""));
        let abc = "$2a$08$aTsUwsyowQuzRrDqFflhgekJ8d9/7Z3GV3UcgvzQW3J5zMyrTvlz.";
        assert!(fits(abc, b"abcdefghijklmnopqrstuvwxyz"));
        assert!(!fits(abc, b"abcdefghijklmnopqrstuvwxy"));
        assert!(!fits(abc, b"abcdefghijklmnopqrstuvwxyz\0"));
        for kind in ["$2y$", "$2b$"] {
            assert!(fits(&abc.replace("$2a$", kind), b"abcdefghijklmnopqrstuvwxyz"));
        }
        assert!(fits(SECRET, b"secret") && !fits(SECRET, b"guess"));
    }

    #[test]
    fn bcrypt_reads_72_octets_and_refuses_more() {
        let password = [b'x'; 73];
        let salt = [7; 16];
        let digest = bcrypt::bcrypt(4, salt, &password[..72])[..23].try_into().unwrap();
        let hash = Hash(Kind::Bcrypt { cost: 4, salt, digest });
        assert!(hash.fits(&password[..72]));
        assert!(!hash.fits(&password), "the 73rd would be ignored");
        assert!(!hash.fits(&password[..71]));
    }

    #[test]
    fn a_nul_never_fits() {
        // bcrypt repeats the key with its NUL, so `a`, `a NUL a` and so on are one key.
        let salt = [7; 16];
        let digest = bcrypt::bcrypt(4, salt, b"a\0")[..23].try_into().unwrap();
        let hash = Hash(Kind::Bcrypt { cost: 4, salt, digest });
        assert_eq!([hash.fits(b"a"), hash.fits(b"a\0a"), hash.fits(b"a\0")], [true, false, false]);
    }

    #[test]
    fn argon2id_of_others_is_understood() {
        // Made by `argon2 somesalt -id -t 2 -m 8 -p 2 -l 24 -e`, and from the test vectors of the reference
        // implementation.
        let hash = "$argon2id$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4";
        assert!(fits(hash, b"password"));
        assert!(!fits(hash, b"passwore"));
        let two = "$argon2id$v=19$m=256,t=2,p=2$c29tZXNhbHQ$bQk8UB/VmZZF4Oo79iDXuL5/0ttZwg2f/5U52iv1cDc";
        assert!(fits(two, b"password"));
    }

    #[test]
    fn what_is_refused_says_what_would_be_right() {
        for (hash, wrong) in [
            ("$apr1$ab$cd", "APR1"),
            ("{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g=", "SHA-1"),
            ("rOioh4Wh3ZnXA", "in the clear"),
            ("secret", "in the clear"),
            ("", "no hash"),
            ("$1$ab$cd", "crypt"),
            ("$6$ab$cd", "crypt"),
            ("$y$j9T$ab$cd", "crypt"),
            ("$2x$04$3ZnSPvtPGrTAQ1sKlIbTN.T9ZLLLWKVQBMfbvpPJ7cPRCxSYt7hRS", "known fault"),
            ("$2y$13$3ZnSPvtPGrTAQ1sKlIbTN.T9ZLLLWKVQBMfbvpPJ7cPRCxSYt7hRS", "over 12"),
            ("$2y$03$3ZnSPvtPGrTAQ1sKlIbTN.T9ZLLLWKVQBMfbvpPJ7cPRCxSYt7hRS", "below 4"),
            ("$2y$4$3ZnSPvtPGrTAQ1sKlIbTN.T9ZLLLWKVQBMfbvpPJ7cPRCxSYt7hRS", "not complete"),
            ("$2y$04$3ZnSPvtPGrTAQ1sKlIbTN.T9ZLLLWKVQBMfbvpPJ7cPRCxSYt7hR", "not complete"),
            ("$2y$04$3ZnSPvtPGrTAQ1sKlIbTN!T9ZLLLWKVQBMfbvpPJ7cPRCxSYt7hRS", "not complete"),
            ("$2y$04$3ZnSPvtPGrTAQ1sKlIbTN.T9ZLLLWKVQBMfbvpPJ7cPRCxSYt7hé", "not complete"),
            ("$argon2i$v=19$m=256,t=2,p=1$c29tZXNhbHQ$nf65", "only argon2id"),
            ("$argon2id$m=256,t=2,p=1$c29tZXNhbHQ$nf65", "not complete"),
            (
                "$argon2id$v=16$m=256,t=2,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
                "version 19",
            ),
            (
                "$argon2id$v=19$m=65537,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
                "64 MiB",
            ),
            (
                "$argon2id$v=19$m=65536,t=5,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
                "too long",
            ),
            (
                "$argon2id$v=19$m=256,t=65,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
                "too long",
            ),
            ("$argon2id$v=19$m=8,t=1,p=2$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4", "numbers"),
            (
                "$argon2id$v=19$m=+8,t=1,p=1$c29tZXNhbHQ$nf65EOgLrQMR/uIPnA4rEsF5h7TKyQwu9U1bMCHGi/4",
                "not complete",
            ),
            ("$scrypt$ab$cd", "not known"),
        ] {
            let (what, help) = Hash::read(hash).unwrap_err();
            assert!(what.contains(wrong), "{hash}: {what}");
            assert!(!help.is_empty());
        }
    }

    #[test]
    fn no_password_fits_the_dummy_and_nothing_shows_a_hash() {
        assert!(!Hash::dummy().fits(b"") && !Hash::dummy().fits(&[b'a'; 100]));
        assert_eq!(format!("{:?}", Hash::read(SECRET).unwrap()), "Hash");
    }
}
