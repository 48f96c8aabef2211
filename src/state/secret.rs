//! The key of SIP route tokens. It is stored in the state folder, so that a call survives a restart of Portward.

use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Read as _, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::files::state_file;
use crate::guard::blacklist_file::NotStored;
use crate::proof::token::Tokens;

const FILE: &str = "sip-route.key";
const LENGTH: usize = 32;

pub(crate) type Key = Zeroizing<[u8; LENGTH]>;

/// The path of the file.
pub(super) fn file(state: &Path) -> PathBuf {
    state.join(FILE)
}

/// The contents of the file.
pub(super) enum Found {
    /// The file does not exist.
    Nothing,
    /// The file has no valid key: it has another length, or only NUL octets, as a power failure may leave them.
    Damaged,
    Key(Key),
}

/// Reads the file in the folder `state`.
///
/// # Errors
/// The file cannot be read.
pub(super) fn look(state: &Path) -> io::Result<Found> {
    let Some(file) = state_file::open(&file(state))? else { return Ok(Found::Nothing) };
    let mut octets = Zeroizing::new(Vec::with_capacity(LENGTH + 1));
    file.take(LENGTH as u64 + 1).read_to_end(&mut octets)?;
    Ok(match <[u8; LENGTH]>::try_from(octets.as_slice()).map(Zeroizing::new) {
        Ok(key) if *key != [0; LENGTH] => Found::Key(key),
        _ => Found::Damaged,
    })
}

/// The key, and whether it is stored. A key that is not stored lasts as long as the process. Then calls cannot go on
/// after Portward has restarted.
#[derive(Debug, Default)]
pub(super) struct RouteKey {
    /// The key in use, as long as it is not stored.
    not_stored: Option<Key>,
}

impl RouteKey {
    /// The key in the folder `state`, or a new one.
    pub(super) fn of(state: &Path) -> (Self, Tokens) {
        match look(state) {
            Ok(Found::Key(key)) => (Self::default(), Tokens::new(key)),
            _ => {
                let key = random();
                (Self { not_stored: Some(key.clone()) }, Tokens::new(key))
            }
        }
    }

    /// Stores the key, if it is not stored yet. If there is a key in the file that could not be read before, that key
    /// is in use from now on. Returns the new path of a damaged file that was replaced.
    ///
    /// # Errors
    /// Those of the file system. The next call tries again.
    pub(super) fn keep(&mut self, state: &Path, tokens: &Tokens) -> Result<Option<PathBuf>, NotStored> {
        let Some(key) = &self.not_stored else { return Ok(None) };
        let path = file(state);
        let mut aside = None;
        match look(state).map_err(NotStored::Unread)? {
            Found::Key(kept) => tokens.go_on_with(kept),
            found => {
                if let Found::Damaged = found {
                    aside = Some(state_file::set_aside(&path).map_err(NotStored::Unwritten)?);
                }
                state_file::put(&path, |file| file.write_all(key.as_slice()))
                    .map_err(NotStored::Unwritten)?;
            }
        }
        self.not_stored = None;
        Ok(aside)
    }
}

/// Octets that cannot be guessed, from the random generator of the TLS library. If that fails, they come from the seed
/// of hash tables.
pub(crate) fn random() -> Key {
    let mut key = Zeroizing::new([0; LENGTH]);
    if crate::tls::provider().secure_random.fill(key.as_mut_slice()).is_err() {
        for part in key.chunks_mut(8) {
            let seed = RandomState::new().build_hasher().finish().to_be_bytes();
            part.iter_mut().zip(seed).for_each(|(to, from)| *to = from);
        }
    }
    key
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::{PermissionsExt as _, symlink};

    /// A start: the token that it would make, and the result of storing the key.
    fn start(state: &Path) -> (String, Result<Option<PathBuf>, NotStored>) {
        let (mut key, tokens) = RouteKey::of(state);
        let kept = key.keep(state, &tokens);
        (tokens.make("one.example", None), kept)
    }

    #[test]
    fn the_key_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let (token, kept) = start(&state);
        assert_eq!(kept.unwrap(), None);
        assert_eq!(start(&state).0, token);
        let mode = fs::metadata(file(&state)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }

    /// Item 22: a damaged key has nothing of value. A new key is made once, and the damaged file is kept beside it.
    #[test]
    fn item_22_a_damaged_key_is_set_aside_and_replaced_once() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path();
        for damaged in [&b""[..], b"short", &[0; LENGTH], &[7; LENGTH + 1]] {
            fs::write(file(state), damaged).unwrap();
            let (token, kept) = start(state);
            let aside = kept.unwrap().unwrap();
            assert_eq!(fs::read(aside).unwrap(), damaged);
            let (again, kept) = start(state);
            assert_eq!((again, kept.unwrap()), (token, None));
        }
    }

    /// Item 22: a file that cannot be read is never replaced. Its key is in use as soon as it can be read.
    #[test]
    fn item_22_a_key_that_cannot_be_read_stays_and_comes_back() {
        let folder = tempfile::tempdir().unwrap();
        let (state, elsewhere) = (folder.path().join("state"), folder.path().join("key"));
        let (token, _) = start(&state);
        fs::rename(file(&state), &elsewhere).unwrap();
        symlink(folder.path().join("mounted later"), file(&state)).unwrap();
        let (mut key, tokens) = RouteKey::of(&state);
        for _ in 0..2 {
            assert!(matches!(key.keep(&state, &tokens), Err(NotStored::Unread(_))));
        }
        let meanwhile = tokens.make("one.example", None);
        assert_ne!(meanwhile, token);
        fs::rename(elsewhere, folder.path().join("mounted later")).unwrap();
        assert_eq!(key.keep(&state, &tokens).unwrap(), None);
        assert_eq!(tokens.make("one.example", None), token);
        assert!(tokens.named(meanwhile.as_bytes()).is_some(), "calls that began meanwhile go on");
        assert_eq!(start(&state).0, token);
    }

    #[test]
    fn a_key_that_cannot_be_written_is_tried_again() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        fs::write(&state, "in the way").unwrap();
        let (mut key, tokens) = RouteKey::of(&state);
        assert!(key.keep(&state, &tokens).is_err());
        fs::remove_file(&state).unwrap();
        assert_eq!(key.keep(&state, &tokens).unwrap(), None);
        assert_eq!(start(&state).0, tokens.make("one.example", None));
        assert_ne!(*random(), [0; LENGTH]);
    }
}
