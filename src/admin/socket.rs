//! The socket itself: made anew at every start, for its owner and the administrators' group.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};

use crate::accounts;

/// Before accepting again when descriptors have run out.
const BREATH: Duration = Duration::from_millis(100);

/// A listening socket; its file goes with it.
#[derive(Debug)]
pub(super) struct Listener {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of its file.
    file: (u64, u64),
}

impl Listener {
    /// Opens it. A file that a dead daemon has left is taken away, one on which somebody answers is not.
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        match fs::symlink_metadata(path) {
            Ok(there) if there.file_type().is_socket() => {
                if std::os::unix::net::UnixStream::connect(path).is_ok() {
                    return Err(io::Error::other("another Portward listens there"));
                }
                fs::remove_file(path)?;
            }
            Ok(_) => return Err(io::Error::other("there is a file, which is no socket")),
            Err(_) => {}
        }
        let listener = UnixListener::bind(path)?;
        let there = fs::symlink_metadata(path)?;
        let this = Self { listener, path: path.to_owned(), file: (there.dev(), there.ino()) };
        let mode = if belongs_to_administrators(path) { 0o660 } else { 0o600 };
        fs::set_permissions(path, Permissions::from_mode(mode))?;
        Ok(this)
    }

    /// Whether its file is still there: without it nobody finds the socket.
    pub(super) fn is_there(&self) -> bool {
        fs::symlink_metadata(&self.path).is_ok_and(|there| (there.dev(), there.ino()) == self.file)
    }

    /// The next connection.
    pub(super) async fn accept(&self) -> UnixStream {
        loop {
            match self.listener.accept().await {
                Ok((connection, _)) => return connection,
                Err(_) => tokio::time::sleep(BREATH).await,
            }
        }
    }
}

/// Whether the socket is the administrators' group's, or could be made so. The packages' folder gives its own group to
/// what is made in it (set-group-ID, inode(7)), because the service may not change owners; elsewhere only root and
/// members of the group can.
fn belongs_to_administrators(path: &Path) -> bool {
    let Some(group) = accounts::group(accounts::ADMINISTRATORS) else { return false };
    let is_theirs = || fs::symlink_metadata(path).is_ok_and(|there| there.gid() == group);
    is_theirs() || chown(path, None, Some(group)).is_ok()
}

impl Drop for Listener {
    fn drop(&mut self) {
        // Not another's: it may have been removed and made anew.
        if self.is_there() {
            let _ = fs::remove_file(&self.path);
        }
    }
}
