//! Remembers logins that were right a moment ago. A client sends its password with every request, but its hash is
//! computed only once in five minutes.
//!
//! A keyed hash is kept: of the tenant or the file, of its lines at the time, and of the client's field. So no password
//! is in memory, and a login is no longer found when the lines change.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use sha2::Sha256;
use zeroize::Zeroize as _;

use super::Logins;

/// How long a right login is remembered. The time begins when its password was hashed.
pub const REMEMBERED: Duration = Duration::from_secs(5 * 60);

/// The number of parts, each with a lock of its own. So threads seldom wait for each other.
const PARTS: usize = 16;
/// The most logins of a part: 16,384 in all. That is 5 MB if every user has the longest name.
const PART_LIMIT: usize = 1024;

/// The tenant or file whose users may log in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UsersOf<'a> {
    /// The tenant with this id.
    Tenant(&'a str),
    /// The file at this path.
    File(&'a [u8]),
}

/// The keyed hash of a login. Without this process's key nothing about the password can be derived from it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct LoginDigest([u8; 32]);

/// The logins that were right a moment ago.
pub struct Remembered {
    keyed: Hmac<Sha256>,
    parts: [Mutex<HashMap<LoginDigest, Right>>; PARTS],
}

/// A right login.
#[derive(Debug)]
struct Right {
    at: Instant,
    user: Arc<str>,
}

impl std::fmt::Debug for Remembered {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Remembered")
    }
}

impl Remembered {
    /// An empty memory with a random key. Each process has another key.
    pub fn new(key: &[u8; 32]) -> Self {
        // The key is shorter than a block of SHA-256. HMAC itself fills it with zeros (RFC 2104 section 2).
        let mut block = hmac::digest::Key::<Hmac<Sha256>>::default();
        block.iter_mut().zip(key).for_each(|(to, octet)| *to = *octet);
        let keyed = Hmac::new(&block);
        block.as_mut_slice().zeroize();
        Self { keyed, parts: std::array::from_fn(|_| Mutex::default()) }
    }

    /// The digest of a login: of the users, and of the field as it came.
    pub fn digest(&self, of: UsersOf<'_>, logins: &Logins, field: &[u8]) -> LoginDigest {
        let (kind, name) = match of {
            UsersOf::Tenant(id) => (b"t", id.as_bytes()),
            UsersOf::File(path) => (b"f", path),
        };
        let mut mac = self.keyed.clone();
        mac.update(kind);
        mac.update(&(name.len() as u64).to_be_bytes());
        mac.update(name);
        mac.update(logins.digest());
        mac.update(field);
        LoginDigest(mac.finalize().into_bytes().into())
    }

    /// The user of a login, if it was right a moment ago.
    pub fn user(&self, digest: &LoginDigest, now: Instant) -> Option<Arc<str>> {
        let part = self.shard(digest);
        let right = part.get(digest)?;
        (now.saturating_duration_since(right.at) < REMEMBERED).then(|| Arc::clone(&right.user))
    }

    /// Notes a right login. If there is no room, the oldest one is removed.
    pub fn note(&self, digest: LoginDigest, user: Arc<str>, now: Instant) {
        let mut part = self.shard(&digest);
        if part.len() >= PART_LIMIT && !part.contains_key(&digest) {
            part.retain(|_, right| now.saturating_duration_since(right.at) < REMEMBERED);
            if part.len() >= PART_LIMIT
                && let Some(oldest) = part.iter().min_by_key(|(_, right)| right.at).map(|(digest, _)| *digest)
            {
                part.remove(&oldest);
            }
        }
        part.insert(digest, Right { at: now, user });
    }

    /// The number of remembered logins.
    pub fn len(&self) -> usize {
        self.parts.iter().map(|part| part.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    fn shard(&self, digest: &LoginDigest) -> MutexGuard<'_, HashMap<LoginDigest, Right>> {
        let [first, ..] = &self.parts;
        let number = digest.0.first().map_or(0, |octet| usize::from(*octet) % PARTS);
        self.parts.get(number).unwrap_or(first).lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINE: &[u8] = b"key:$2y$04$3ZnSPvtPGrTAQ1sKlIbTN.T9ZLLLWKVQBMfbvpPJ7cPRCxSYt7hRS";

    fn logins(lines: &[&[u8]]) -> Logins {
        Logins::read(lines.iter().copied()).unwrap()
    }

    #[test]
    fn a_login_is_known_for_five_minutes_under_its_own_lines() {
        let remembered = Remembered::new(&[1; 32]);
        let (some, none) = (logins(&[LINE]), logins(&[]));
        let (now, field) = (Instant::now(), b"Basic YTpi");
        let digest = remembered.digest(UsersOf::Tenant("XYZ"), &some, field);
        remembered.note(digest, "a".into(), now);
        let user = |of, logins: &Logins, field: &[u8], later| {
            let digest = remembered.digest(of, logins, field);
            remembered.user(&digest, now + Duration::from_secs(later)).map(|user| user.to_string())
        };
        assert_eq!(user(UsersOf::Tenant("XYZ"), &some, field, 299).as_deref(), Some("a"));
        assert_eq!(user(UsersOf::Tenant("XYZ"), &some, field, 300), None);
        assert_eq!(user(UsersOf::Tenant("XYZ"), &none, field, 0), None);
        assert_eq!(user(UsersOf::Tenant("XY"), &some, field, 0), None);
        assert_eq!(user(UsersOf::File(b"XYZ"), &some, field, 0), None);
        assert_eq!(user(UsersOf::Tenant("XYZ"), &some, b"Basic YTpj", 0), None);
    }

    #[test]
    fn two_processes_have_two_keys() {
        let some = logins(&[LINE]);
        let digest = |remembered: Remembered| remembered.digest(UsersOf::Tenant("XYZ"), &some, b"Basic YTpi");
        assert_ne!(digest(Remembered::new(&[1; 32])), digest(Remembered::new(&[2; 32])));
    }

    #[test]
    fn memory_is_bounded_and_the_oldest_go() {
        let (remembered, some, now) = (Remembered::new(&[1; 32]), logins(&[LINE]), Instant::now());
        let user: Arc<str> = "a".into();
        let digest = |n: u32| remembered.digest(UsersOf::Tenant("XYZ"), &some, &n.to_be_bytes());
        let most = u32::try_from(PARTS * PART_LIMIT).unwrap();
        for n in 0..2 * most {
            remembered.note(digest(n), user.clone(), now + Duration::from_micros(n.into()));
        }
        assert!(remembered.len() <= PARTS * PART_LIMIT);
        assert!(
            remembered.user(&digest(0), now).is_none()
                && remembered.user(&digest(2 * most - 1), now).is_some()
        );
    }
}
