//! Files that Portward has not written itself: only regular files are read, and only up to a limit.
//!
//! A FIFO keeps its reader waiting for a writer. A device may never end, and merely opening it may have an effect.
//! Every file that the configuration names, or that lies in a folder that it names, is read through here.
//!
//! `state_file` is about the files that Portward writes.

pub mod edit;
pub mod state_file;

use std::fs::{self, File, FileType, OpenOptions};
use std::io::{self, Read as _};
use std::os::unix::fs::{FileTypeExt as _, OpenOptionsExt as _};
use std::path::Path;

use rustix::fs::OFlags;

/// Opens a regular file, also through a link, and never waits for it.
///
/// # Errors
/// Those of the file system. If it is no regular file, the error says what it is.
pub fn open(path: &Path) -> io::Result<File> {
    only_regular(fs::metadata(path)?.file_type())?;
    let flags = i32::try_from((OFlags::NONBLOCK | OFlags::NOCTTY).bits()).unwrap_or_default();
    let file = OpenOptions::new().read(true).custom_flags(flags).open(path)?;
    // The file may have been replaced since the first check.
    only_regular(file.metadata()?.file_type())?;
    Ok(file)
}

/// Reads a regular file of at most `most` octets.
///
/// # Errors
/// As [`open`]. A longer file is an error too.
pub fn read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let file = open(path)?;
    let expected = file.metadata()?.len();
    let too_long = || io::Error::other(format!("it is longer than {} MiB", most / (1024 * 1024)));
    if expected > most {
        return Err(too_long());
    }
    let mut octets = Vec::with_capacity(usize::try_from(expected).unwrap_or_default().saturating_add(1));
    // The file may grow meanwhile, and some files of the kernel report no length.
    file.take(most.saturating_add(1)).read_to_end(&mut octets)?;
    if octets.len() as u64 > most { Err(too_long()) } else { Ok(octets) }
}

/// Accepts a regular file and nothing else.
///
/// # Errors
/// Where it is no regular file, the error says what it is.
pub fn only_regular(kind: FileType) -> io::Result<()> {
    let what = match kind {
        kind if kind.is_file() => return Ok(()),
        kind if kind.is_dir() => {
            return Err(io::Error::new(io::ErrorKind::IsADirectory, "it is a folder, not a file"));
        }
        kind if kind.is_fifo() => "a FIFO",
        kind if kind.is_socket() => "a socket",
        kind if kind.is_block_device() || kind.is_char_device() => "a device",
        _ => "something else",
    };
    Err(io::Error::other(format!("it is {what}, not a file")))
}

/// Whether an error says that nothing is there: the file is missing, or its folder is.
pub fn is_absent(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Item 29: anything but a regular file is reported and never waited for.
    #[test]
    fn item_29_only_regular_files_are_read() {
        let dir = tempfile::tempdir().unwrap();
        let at = |name: &str| dir.path().join(name);
        fs::write(at("good"), "good").unwrap();
        std::os::unix::fs::symlink(at("good"), at("link")).unwrap();
        std::os::unix::fs::symlink(at("nothing"), at("dangling")).unwrap();
        rustix::fs::mknodat(
            rustix::fs::CWD,
            at("fifo"),
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
        let _socket = std::os::unix::net::UnixListener::bind(at("socket")).unwrap();
        std::os::unix::fs::symlink("/dev/zero", at("zero")).unwrap();
        for name in ["good", "link"] {
            assert_eq!(read(&at(name), 4).unwrap(), b"good", "{name}");
        }
        assert!(read(&at("good"), 3).unwrap_err().to_string().contains("longer than"));
        for (name, what) in
            [("fifo", "a FIFO"), ("socket", "a socket"), ("zero", "a device"), (".", "a folder")]
        {
            assert!(read(&at(name), 4).unwrap_err().to_string().contains(what), "{name}");
        }
        for name in ["dangling", "nothing", "good/below"] {
            assert!(is_absent(&read(&at(name), 4).unwrap_err()), "{name}");
        }
    }
}
