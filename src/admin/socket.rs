//! The socket itself. It is made anew at every start, for its owner and the administrators' group.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{FileTypeExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};

use crate::accounts;

/// The pause before accepting again when descriptors have run out.
const BREATH: Duration = Duration::from_millis(100);

/// A listening socket. Its file is removed with it.
#[derive(Debug)]
pub(super) struct Listener {
    listener: UnixListener,
    path: PathBuf,
    /// Device and inode of its file.
    file: (u64, u64),
}

impl Listener {
    /// Opens the socket. The file of a dead daemon is removed. A file on which a process answers is not removed.
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

    /// Whether its file still exists. Without the file no client finds the socket.
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

/// Whether the socket belongs to the administrators' group, or could be given to it. The packages' folder passes its
/// group on to new files (set-group-ID, inode(7)), because the service may not change owners. In other folders only
/// root and members of the group can give the socket to the group.
fn belongs_to_administrators(path: &Path) -> bool {
    let Some(group) = accounts::group(accounts::ADMINISTRATORS) else { return false };
    let is_theirs = || fs::symlink_metadata(path).is_ok_and(|there| there.gid() == group);
    is_theirs() || chown(path, None, Some(group)).is_ok()
}

impl Drop for Listener {
    fn drop(&mut self) {
        // The file may have been removed and made anew by another process. That file is not removed.
        if self.is_there() {
            let _ = fs::remove_file(&self.path);
        }
    }
}
