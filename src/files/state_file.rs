//! Files that Portward writes itself, in the folder of its state (contract sections 6 and 8). Content that was saved
//! must not be lost.
//!
//! | what stands there | what becomes of it |
//! |---|---|
//! | nothing | a file is made |
//! | a file that can be read | it is replaced whole, in one step |
//! | a damaged file | its reader sets it aside as `NAME.damaged` before it is replaced |
//! | something unreadable, a link that leads nowhere, something that is no regular file | it is left as it is |
//!
//! A file that root makes in the folder of another user is given to that user, so that the service can read it
//! afterwards.

use std::fs::{self, File, Metadata};
use std::io::{self, ErrorKind};
use std::os::unix::fs::{MetadataExt as _, fchown};
use std::path::{Path, PathBuf};

use rustix::process::geteuid;

/// Identifies the file at a path. The stamp changes when another file takes its place and when its content changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stamp {
    device: u64,
    inode: u64,
    length: u64,
    modified: (i64, i64),
}

impl Stamp {
    /// The stamp of a file.
    pub fn of(file: &Metadata) -> Self {
        Self {
            device: file.dev(),
            inode: file.ino(),
            length: file.len(),
            modified: (file.mtime(), file.mtime_nsec()),
        }
    }

    /// The stamp of the file at `path`. `None`: nothing is there.
    ///
    /// # Errors
    /// Those of the file system. A link that leads nowhere is an error.
    pub fn at(path: &Path) -> io::Result<Option<Self>> {
        is_there(path)?.then(|| Ok(Self::of(&fs::metadata(path).map_err(link)?))).transpose()
    }
}

/// Opens the file at `path`; `None`: nothing is there, not even a link.
///
/// # Errors
/// Those of the file system. Something that is no regular file is an error too. After an error nothing may take its
/// place.
pub fn open(path: &Path) -> io::Result<Option<File>> {
    is_there(path)?.then(|| super::open(path).map_err(link)).transpose()
}

fn is_there(path: &Path) -> io::Result<bool> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

/// The error for a link that leads nowhere.
fn link(error: io::Error) -> io::Error {
    match error.kind() {
        ErrorKind::NotFound => io::Error::new(ErrorKind::NotFound, "it is a link that leads nowhere"),
        _ => error,
    }
}

/// Replaces a file in one step. `write` fills a new file beside the old one, and then the new file takes the old one's
/// place. Only its owner can read it.
///
/// # Errors
/// Those of the file system and of [`open`]: a file that cannot be read is not replaced. After an error the old file is
/// still there.
pub fn put(path: &Path, write: impl FnOnce(&mut File) -> io::Result<()>) -> io::Result<Stamp> {
    let folder = path.parent().unwrap_or(Path::new("."));
    make_folder(folder)?;
    drop(open(path)?);
    let name = path.file_stem().unwrap_or_default().to_string_lossy();
    let mut new = tempfile::Builder::new().prefix(&format!(".{name}-")).tempfile_in(folder)?;
    give(new.as_file(), folder);
    write(new.as_file_mut())?;
    new.as_file().sync_all()?;
    let stamp = Stamp::of(&new.as_file().metadata()?);
    new.persist(path).map_err(|error| error.error)?;
    // The owner of a folder may be allowed to write it and not to list it. The new file is in place even then.
    if let Ok(folder) = File::open(folder) {
        folder.sync_all()?;
    }
    Ok(stamp)
}

/// Keeps a damaged file as `NAME.damaged` beside it, and returns that path. An older damaged file of that name is
/// replaced. The file also keeps its own name until it is replaced, so that a crash in between loses nothing.
///
/// # Errors
/// Those of the file system.
pub fn set_aside(path: &Path) -> io::Result<PathBuf> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".damaged");
    let aside = PathBuf::from(aside);
    match fs::remove_file(&aside) {
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    // Some file systems have no hard links.
    fs::hard_link(path, &aside).or_else(|_| fs::rename(path, &aside))?;
    Ok(aside)
}

/// Makes a folder, unless it exists.
///
/// # Errors
/// Those of the file system.
pub fn make_folder(folder: &Path) -> io::Result<()> {
    if folder.as_os_str().is_empty() || folder.is_dir() {
        return Ok(());
    }
    fs::create_dir_all(folder)?;
    if let (Ok(made), Some(parent)) = (File::open(folder), folder.parent()) {
        give(&made, parent);
    }
    Ok(())
}

/// Gives a file that root has made to the owner of `folder`. Where that is not possible, it stays root's. That can
/// happen in a container with another range of user numbers.
fn give(made: &File, folder: &Path) {
    if let Some(owner) = other_owner(folder) {
        let _ = fchown(made, Some(owner.uid()), Some(owner.gid()));
    }
}

/// The metadata of `folder`, if this process runs as root and the folder belongs to another user.
pub fn other_owner(folder: &Path) -> Option<Metadata> {
    let folder = if folder.as_os_str().is_empty() { Path::new(".") } else { folder };
    geteuid().is_root().then(|| fs::metadata(folder).ok())?.filter(|folder| folder.uid() != 0)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::Write as _;
    use std::os::unix::fs::{PermissionsExt as _, chown, symlink};

    fn write(path: &Path, text: &str) -> io::Result<Stamp> {
        put(path, |file| file.write_all(text.as_bytes()))
    }

    /// Item 22: a file is replaced whole or not at all; what cannot be read is never replaced.
    #[test]
    fn item_22_what_cannot_be_read_is_not_replaced() {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("new/state");
        let file = folder.join("list.jsonl");
        assert_eq!(Stamp::at(&file).unwrap(), None);
        assert!(open(&file).unwrap().is_none());
        let first = write(&file, "one").unwrap();
        assert_eq!(Stamp::at(&file).unwrap(), Some(first));
        assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o7777, 0o600);
        let second = write(&file, "two").unwrap();
        assert_ne!(first, second);
        put(&file, |_| Err(io::Error::other("the disk is full"))).unwrap_err();
        assert_eq!(fs::read_to_string(&file).unwrap(), "two");
        assert_eq!(fs::read_dir(&folder).unwrap().count(), 1, "nothing else is left there");

        fs::remove_file(&file).unwrap();
        fs::create_dir(&file).unwrap();
        write(&file, "three").unwrap_err();
        fs::remove_dir(&file).unwrap();
        symlink(dir.path().join("not mounted"), &file).unwrap();
        for error in
            [write(&file, "three").unwrap_err(), open(&file).unwrap_err(), Stamp::at(&file).unwrap_err()]
        {
            assert_eq!(error.to_string(), "it is a link that leads nowhere");
        }
        assert!(fs::symlink_metadata(&file).unwrap().is_symlink(), "it is still there");
    }

    #[test]
    fn item_22_a_damaged_file_is_kept_beside() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("list.jsonl");
        for text in ["one", "two", "two"] {
            fs::write(&file, text).unwrap();
            let aside = set_aside(&file).unwrap();
            assert_eq!(aside, dir.path().join("list.jsonl.damaged"));
            assert_eq!(fs::read_to_string(&file).unwrap(), text, "it is still in its place");
            write(&file, "new").unwrap();
            assert_eq!(fs::read_to_string(aside).unwrap(), text);
        }
    }

    /// This test needs root. Files that other users make belong to them anyway.
    #[test]
    fn item_22_what_root_makes_belongs_to_the_owner_of_the_folder() {
        if !geteuid().is_root() {
            return;
        }
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("state/list.jsonl");
        chown(dir.path(), Some(64_000), Some(64_001)).unwrap();
        write(&file, "one").unwrap();
        for made in [file.parent().unwrap(), &file] {
            let made = fs::metadata(made).unwrap();
            assert_eq!((made.uid(), made.gid()), (64_000, 64_001));
        }
        chown(file.parent().unwrap(), Some(0), Some(0)).unwrap();
        write(&file, "two").unwrap();
        assert_eq!(fs::metadata(&file).unwrap().uid(), 0);
    }
}
