//! What the commands say, and with which exit code.

use std::io::Write as _;

/// The answer is no, or there are errors.
pub(super) const NO: u8 = 1;

/// What was typed is wrong.
pub(super) const USAGE: u8 = 2;

/// Writes a line to standard output. A reader that has gone away (`| head`) is no error of ours.
pub(super) fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// A stranger's text may hold anything; what would steer the terminal is written as an escape.
pub(super) fn harmless(text: &str) -> String {
    text.chars().flat_map(|c| if c.is_control() { c.escape_default().collect() } else { vec![c] }).collect()
}

/// Writes a line to standard error.
pub(super) fn complain(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stderr().lock(), "{line}");
}
