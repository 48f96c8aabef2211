//! The key of SIP route tokens: kept in the state folder, so that a call survives a restart of Portward.

use std::fs;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Write as _};
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use crate::files;

const FILE: &str = "sip-route.key";
const LENGTH: usize = 32;

/// Where it is.
pub(super) fn file(state: &Path) -> PathBuf {
    state.join(FILE)
}

/// The key in the folder `state`; a new one if there is none. Where nothing can be kept the key lasts as long as the
/// process: calls that are up when Portward restarts cannot come back to it then.
pub(super) fn route_key(state: &Path) -> Zeroizing<[u8; LENGTH]> {
    let file = file(state);
    let kept = files::read(&file, LENGTH as u64).map(Zeroizing::new);
    if let Some(key) = kept.ok().and_then(|octets| <[u8; LENGTH]>::try_from(octets.as_slice()).ok()) {
        return Zeroizing::new(key);
    }
    let key = fresh();
    let _ = keep(state, &key);
    key
}

/// Beside the old one and then in its place; readable by its owner alone, as `tempfile` makes files.
fn keep(state: &Path, key: &[u8; LENGTH]) -> io::Result<()> {
    fs::create_dir_all(state)?;
    let mut new = tempfile::Builder::new().prefix(".sip-route-").tempfile_in(state)?;
    new.write_all(key)?;
    new.as_file().sync_all()?;
    new.persist(file(state)).map(drop).map_err(|error| error.error)
}

/// From the random numbers of the TLS library; should it have none, from those with which hash tables are seeded.
fn fresh() -> Zeroizing<[u8; LENGTH]> {
    let mut key = Zeroizing::new([0; 32]);
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

    #[test]
    fn the_key_is_kept() {
        let folder = tempfile::tempdir().unwrap();
        let state = folder.path().join("state");
        let key = route_key(&state);
        assert_eq!(route_key(&state), key);
        use std::os::unix::fs::PermissionsExt as _;
        let mode = fs::metadata(state.join(FILE)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        fs::write(state.join(FILE), b"short").unwrap();
        assert_ne!(route_key(&state), key);
        assert_ne!(*route_key(Path::new("/proc/none")), [0; 32]);
    }
}
