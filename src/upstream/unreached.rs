//! The [`Cause`] of an error of the operating system when a connection to a target is opened.

use std::io::{self, ErrorKind};

use rustix::io::Errno;

use crate::cause::Cause;

/// Why TCP could not connect, or why the connection broke before it was used.
pub(super) fn cause(error: &io::Error) -> Cause {
    let by_number = error.raw_os_error().map(Errno::from_raw_os_error).and_then(|errno| {
        Some(match errno {
            Errno::ADDRNOTAVAIL
            | Errno::MFILE
            | Errno::NFILE
            | Errno::NOBUFS
            | Errno::NOMEM
            | Errno::AGAIN => Cause::NoResources,
            Errno::NETUNREACH
            | Errno::HOSTUNREACH
            | Errno::NETDOWN
            | Errno::HOSTDOWN
            | Errno::AFNOSUPPORT => Cause::NoRoute,
            Errno::PERM | Errno::ACCESS => Cause::Denied,
            Errno::TIMEDOUT => Cause::TimedOut,
            _ => return None,
        })
    });
    by_number.unwrap_or(match error.kind() {
        ErrorKind::ConnectionRefused => Cause::Refused,
        ErrorKind::ConnectionReset
        | ErrorKind::ConnectionAborted
        | ErrorKind::BrokenPipe
        | ErrorKind::WriteZero
        | ErrorKind::UnexpectedEof
        | ErrorKind::NotConnected => Cause::Reset,
        ErrorKind::TimedOut => Cause::TimedOut,
        _ => Cause::Unknown,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn errors_of_the_system_have_causes() {
        for (errno, expected) in [
            (Errno::CONNREFUSED, Cause::Refused),
            (Errno::NETUNREACH, Cause::NoRoute),
            (Errno::HOSTUNREACH, Cause::NoRoute),
            (Errno::ACCESS, Cause::Denied),
            (Errno::PERM, Cause::Denied),
            (Errno::TIMEDOUT, Cause::TimedOut),
            (Errno::CONNRESET, Cause::Reset),
            (Errno::PIPE, Cause::Reset),
            (Errno::MFILE, Cause::NoResources),
            (Errno::ADDRNOTAVAIL, Cause::NoResources),
            (Errno::INVAL, Cause::Unknown),
        ] {
            assert_eq!(cause(&io::Error::from(errno)), expected, "{errno:?}");
        }
    }
}
