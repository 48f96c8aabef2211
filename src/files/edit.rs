//! Changes of an administrator's files by a command. A change is made under a lock, and either as a whole or not at
//! all. Owner, mode, extended attributes and links of the file stay as they were. A file that changed since it was read
//! is not replaced.

use std::fs::{self, File, Permissions};
use std::io::{self, ErrorKind, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, fchown};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, XattrFlags, fgetxattr, flistxattr, flock, fsetxattr};
use rustix::io::Errno;

use super::state_file::Stamp;

/// How long a command waits for another command. Each command holds the lock while it reads, checks and writes the
/// rules.
const WAIT: Duration = Duration::from_secs(30);
/// The pause between two attempts.
const PAUSE: Duration = Duration::from_millis(20);
/// The greatest length of an extended attribute in octets (xattr(7)).
const ATTRIBUTE: usize = 64 * 1024;
/// The greatest length of a file in octets.
const LONGEST: u64 = 256 * 1024 * 1024;

/// The lock of a folder. No other command changes files of the folder until this value is dropped.
#[derive(Debug)]
pub struct Lock(#[allow(dead_code, reason = "it is held")] File);

impl Lock {
    /// Waits for the lock of a folder, for 30 seconds at most. The kernel keeps the lock (flock(2)), so it ends with
    /// the process.
    ///
    /// # Errors
    /// Those of the file system; [`ErrorKind::ResourceBusy`]: another process keeps the lock. Every user that may read
    /// the folder can keep it.
    pub fn of(folder: &Path) -> io::Result<Self> {
        Self::within(folder, WAIT)
    }

    fn within(folder: &Path, wait: Duration) -> io::Result<Self> {
        let folder = File::open(if folder.as_os_str().is_empty() { Path::new(".") } else { folder })?;
        let until = Instant::now() + wait;
        loop {
            match flock(&folder, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => return Ok(Self(folder)),
                Err(Errno::WOULDBLOCK) if Instant::now() < until => std::thread::sleep(PAUSE),
                Err(Errno::WOULDBLOCK) => {
                    return Err(io::Error::new(
                        ErrorKind::ResourceBusy,
                        "another program holds the lock of this folder; `lslocks` shows which",
                    ));
                }
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
    }
}

/// A file as it was when it was read.
#[derive(Debug)]
pub struct Before {
    path: PathBuf,
    /// The content and the stamp of the file. `None`: there was no file.
    was: Option<(Vec<u8>, Stamp)>,
}

impl Before {
    /// Reads the file at `path`, through links.
    ///
    /// # Errors
    /// Those of the file system.
    pub fn read(path: &Path) -> io::Result<Self> {
        let path = match fs::canonicalize(path) {
            Ok(path) => path,
            Err(error) if error.kind() == ErrorKind::NotFound && fs::symlink_metadata(path).is_err() => {
                return Ok(Self { path: path.to_owned(), was: None });
            }
            Err(error) => return Err(error),
        };
        let file = super::open(&path)?;
        let stamp = Stamp::of(&file.metadata()?);
        let mut octets = Vec::new();
        file.take(LONGEST).read_to_end(&mut octets)?;
        Ok(Self { path, was: Some((octets, stamp)) })
    }

    /// The content of the file, in octets.
    pub fn octets(&self) -> &[u8] {
        self.was.as_ref().map_or(&[], |(octets, _)| octets)
    }

    /// Replaces the file by one with the content `text`. A new file gets the owner and group of its folder, and the
    /// folder's mode decides which users may read it.
    ///
    /// # Errors
    /// Those of the file system; [`ErrorKind::ResourceBusy`]: the file was changed meanwhile. After an error the old
    /// file is still there.
    pub fn replace(&self, text: &str) -> io::Result<()> {
        let folder =
            self.path.parent().filter(|folder| !folder.as_os_str().is_empty()).unwrap_or(Path::new("."));
        let name = self.path.file_name().unwrap_or_default().to_string_lossy();
        let mut new = tempfile::Builder::new().prefix(&format!(".{name}-")).tempfile_in(folder)?;
        match &self.was {
            Some(_) => alike(new.as_file(), &File::open(&self.path)?)?,
            None => {
                let folder = fs::metadata(folder)?;
                new.as_file().set_permissions(Permissions::from_mode(folder.mode() & 0o666))?;
                give(new.as_file(), folder.uid(), folder.gid())?;
            }
        }
        new.as_file_mut().write_all(text.as_bytes())?;
        new.as_file().sync_all()?;
        self.is_unchanged()?;
        match &self.was {
            Some(_) => new.persist(&self.path).map_err(|error| error.error)?,
            None => new.persist_noclobber(&self.path).map_err(|error| match error.error.kind() {
                ErrorKind::AlreadyExists => changed(),
                _ => error.error,
            })?,
        };
        File::open(folder)?.sync_all()
    }

    fn is_unchanged(&self) -> io::Result<()> {
        let now = Self::read(&self.path)?;
        let is_same = match (&self.was, &now.was) {
            (None, None) => true,
            (Some((was, then)), Some((is, now))) => then == now && was == is,
            _ => false,
        };
        if is_same { Ok(()) } else { Err(changed()) }
    }
}

fn changed() -> io::Error {
    io::Error::new(ErrorKind::ResourceBusy, "somebody has changed it meanwhile: it stays as it is now")
}

/// Gives `new` the owner, group, mode and extended attributes of `old`.
fn alike(new: &File, old: &File) -> io::Result<()> {
    let was = old.metadata()?;
    give(new, was.uid(), was.gid())?;
    new.set_permissions(Permissions::from_mode(was.mode() & 0o7777))?;
    let mut names = vec![0; ATTRIBUTE];
    // Some file systems have no extended attributes.
    let Ok(length) = flistxattr(old, names.as_mut_slice()) else { return Ok(()) };
    for name in
        names.get(..length).unwrap_or_default().split(|octet| *octet == 0).filter(|name| !name.is_empty())
    {
        let mut value = vec![0; ATTRIBUTE];
        let Ok(length) = fgetxattr(old, name, value.as_mut_slice()) else { continue };
        let value = value.get(..length).unwrap_or_default();
        let mut there = vec![0; ATTRIBUTE];
        let is_there =
            fgetxattr(new, name, there.as_mut_slice()).is_ok_and(|length| there.get(..length) == Some(value));
        if !is_there {
            fsetxattr(new, name, value, XattrFlags::empty())?;
        }
    }
    Ok(())
}

fn give(file: &File, user: u32, group: u32) -> io::Result<()> {
    let now = file.metadata()?;
    if (now.uid(), now.gid()) == (user, group) {
        return Ok(());
    }
    fchown(file, Some(user), Some(group)).map_err(|error| match error.kind() {
        ErrorKind::PermissionDenied => io::Error::new(
            ErrorKind::PermissionDenied,
            "it belongs to another user or group, and would not any more: use sudo",
        ),
        _ => error,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::{chown, symlink};

    #[test]
    fn issue_19_somebody_who_keeps_the_lock_does_not_keep_a_command_for_ever() {
        let dir = tempfile::tempdir().unwrap();
        let held = Lock::of(dir.path()).unwrap();
        let late = Lock::within(dir.path(), Duration::from_millis(1)).unwrap_err();
        assert_eq!(late.kind(), ErrorKind::ResourceBusy);
        let path = dir.path().to_owned();
        let waits = std::thread::spawn(move || Lock::of(&path).is_ok());
        drop(held);
        assert!(waits.join().unwrap());
    }

    #[test]
    fn item_2_owner_mode_and_links_stay() {
        let dir = tempfile::tempdir().unwrap();
        let (file, link) = (dir.path().join("real.toml"), dir.path().join("link.toml"));
        fs::write(&file, "one").unwrap();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        if rustix::process::geteuid().is_root() {
            chown(&file, Some(64_000), Some(64_001)).unwrap();
        }
        symlink(&file, &link).unwrap();
        let was = fs::metadata(&file).unwrap();
        Before::read(&link).unwrap().replace("two").unwrap();
        let is = fs::metadata(&file).unwrap();
        assert_eq!((was.uid(), was.gid(), was.mode()), (is.uid(), is.gid(), is.mode()));
        assert!(fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!(fs::read_to_string(&link).unwrap(), "two");
        let new = dir.path().join("new.toml");
        Before::read(&new).unwrap().replace("new").unwrap();
        assert_eq!(fs::read_to_string(&new).unwrap(), "new");
        let (new, folder) = (fs::metadata(&new).unwrap(), fs::metadata(dir.path()).unwrap());
        assert_eq!((new.uid(), new.mode() & 0o777), (folder.uid(), folder.mode() & 0o666));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 3, "nothing else is left there");
    }

    #[test]
    fn item_2_what_was_changed_meanwhile_stays() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("a.toml");
        let absent = Before::read(&file).unwrap();
        fs::write(&file, "one").unwrap();
        assert_eq!(absent.replace("x").unwrap_err().kind(), ErrorKind::ResourceBusy);
        let before = Before::read(&file).unwrap();
        // Editors save a file either by a rename or in place. Both are tried here.
        fs::write(dir.path().join("b"), "one").unwrap();
        fs::rename(dir.path().join("b"), &file).unwrap();
        assert_eq!(before.replace("x").unwrap_err().kind(), ErrorKind::ResourceBusy);
        let before = Before::read(&file).unwrap();
        fs::write(&file, "two").unwrap();
        assert_eq!(before.replace("x").unwrap_err().kind(), ErrorKind::ResourceBusy);
        let before = Before::read(&file).unwrap();
        fs::remove_file(&file).unwrap();
        assert!(before.replace("x").is_err());
        assert!(!file.exists());
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
