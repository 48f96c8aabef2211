//! Output and exit codes of the commands.

use std::io::{IsTerminal as _, Write as _};

/// The answer is no, or there are errors.
pub(super) const NO: u8 = 1;

/// The arguments are wrong.
pub(super) const USAGE: u8 = 2;

/// Writes a line to standard output. A reader may have gone away (`| head`). That is no error.
pub(super) fn print_line(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// The same. `false`: the reader has gone away.
pub(super) fn is_heard(line: impl std::fmt::Display) -> bool {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}

pub(super) use crate::log::harmless;

/// Writes a line to standard error.
pub(super) fn complain(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}

/// Whether standard output is a terminal that wants colours (<https://no-color.org>).
pub(super) fn is_coloured() -> bool {
    let unwanted = std::env::var_os("NO_COLOR").is_some_and(|value| !value.is_empty());
    let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    std::io::stdout().is_terminal() && !unwanted && !dumb
}

/// The width of the terminal in columns, if standard output is a terminal.
pub(super) fn width() -> Option<u16> {
    let out = std::io::stdout();
    if !out.is_terminal() {
        return None;
    }
    rustix::termios::tcgetwinsize(out).ok().map(|size| size.ws_col).filter(|columns| *columns > 0)
}
