//! The key of SIP route tokens: kept in the state folder, so that a call survives a restart of Portward.

use std::fs;
use std::hash::{BuildHasher as _, Hasher as _, RandomState};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use zeroize::Zeroizing;

const FILE: &str = "sip-route.key";

/// The key in the folder `state`; a new one if there is none. Where nothing can be kept the key lasts as long as the
/// process: calls that are up when Portward restarts cannot come back to it then.
pub(super) fn route_key(state: &Path) -> Zeroizing<[u8; 32]> {
    let file = state.join(FILE);
    let kept = fs::read(&file).map(Zeroizing::new);
    if let Some(key) = kept.ok().and_then(|octets| <[u8; 32]>::try_from(octets.as_slice()).ok()) {
        return Zeroizing::new(key);
    }
    let key = fresh();
    let _ = keep(&file, &key);
    key
}

fn keep(file: &Path, key: &[u8; 32]) -> io::Result<()> {
    if let Some(folder) = file.parent() {
        fs::create_dir_all(folder)?;
    }
    let new = file.with_extension("new");
    let mut out = fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&new)?;
    out.write_all(key)?;
    out.sync_all()?;
    fs::rename(new, file)
}

/// From the random numbers of the TLS library; should it have none, from those with which hash tables are seeded.
fn fresh() -> Zeroizing<[u8; 32]> {
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
