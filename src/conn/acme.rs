//! ACME's HTTP-01 challenges (RFC 8555 §8.3), so that certbot or lego can renew certificates behind Portward. A
//! challenge is a plain HTTP GET of `/.well-known/acme-challenge/TOKEN` on a host of the rules. It is answered from
//! `tls.acme_webroot` or sent to `tls.acme_target`, whatever the host's own rules say. Without such a file the rules
//! decide.

use std::fs::OpenOptions;
use std::io::{self, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;

use rustix::fs::OFlags;

use crate::route::challenge::FOLDER;

/// The longest answer. A key authorisation has about 90 octets.
const ANSWER: u64 = 4096;

/// The answer to a challenge, as the ACME client has put it below `webroot`. `None`: there is no file for it.
pub(super) async fn answer(webroot: &Path, token: &str) -> Option<Vec<u8>> {
    let file = webroot.join(FOLDER).join(token);
    tokio::task::spawn_blocking(move || read(&file)).await.ok()?.ok().flatten()
}

/// Reads a regular file and follows no link. `None`: there is no such file, or it is too long for an answer.
///
/// # Errors
/// Those of the file system, if they leave open whether there is such a file.
pub(crate) fn read(file: &Path) -> io::Result<Option<Vec<u8>>> {
    let flags = i32::try_from((OFlags::NOFOLLOW | OFlags::NONBLOCK).bits()).map_err(io::Error::other)?;
    let file = match OpenOptions::new().read(true).custom_flags(flags).open(file) {
        Ok(file) => file,
        Err(error) if is_absence(error.kind()) => return Ok(None),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Ok(None);
    }
    let mut answer = Vec::new();
    let count = file.take(ANSWER + 1).read_to_end(&mut answer)?;
    Ok((count as u64 <= ANSWER).then_some(answer))
}

/// Whether the error means that there is no file, or that a link is in its place.
fn is_absence(kind: io::ErrorKind) -> bool {
    matches!(kind, io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
        || kind == io::Error::from(rustix::io::Errno::LOOP).kind()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_small_regular_file_is_an_answer() {
        let root = tempfile::tempdir().unwrap();
        let folder = root.path().join(FOLDER);
        std::fs::create_dir_all(folder.join("folder")).unwrap();
        std::fs::write(folder.join("good"), "good.thumb").unwrap();
        std::fs::write(folder.join("large"), vec![b'x'; 4097]).unwrap();
        std::fs::write(root.path().join("secret"), "secret").unwrap();
        std::os::unix::fs::symlink(root.path().join("secret"), folder.join("link")).unwrap();
        assert_eq!(read(&folder.join("good")).unwrap().as_deref(), Some(&b"good.thumb"[..]));
        for name in ["folder", "large", "link", "missing"] {
            assert_eq!(read(&folder.join(name)).unwrap(), None, "{name}");
        }
    }
}
