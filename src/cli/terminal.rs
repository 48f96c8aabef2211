//! What the commands say, and with which exit code.

use std::io::{IsTerminal as _, Write as _};

/// The answer is no, or there are errors.
pub(super) const NO: u8 = 1;

/// What was typed is wrong.
pub(super) const USAGE: u8 = 2;

/// Writes a line to standard output. A reader that has gone away (`| head`) is no error of ours.
pub(super) fn say(line: impl std::fmt::Display) {
    let _ = writeln!(std::io::stdout().lock(), "{line}");
}

/// The same; false: the reader has gone away.
pub(super) fn is_heard(line: impl std::fmt::Display) -> bool {
    let mut out = std::io::stdout().lock();
    writeln!(out, "{line}").and_then(|()| out.flush()).is_ok()
}

/// A stranger's text may hold anything. What would steer the terminal, turn the direction of the text or be invisible is
/// written as an escape.
pub(super) fn harmless(text: &str) -> String {
    text.chars().flat_map(|c| if is_unseen(c) { c.escape_default().collect() } else { vec![c] }).collect()
}

/// Controls and format characters (Unicode general categories Cc, Cf, Zl and Zp), and tags.
fn is_unseen(c: char) -> bool {
    let format = [
        '\u{ad}'..='\u{ad}',
        '\u{600}'..='\u{605}',
        '\u{61c}'..='\u{61c}',
        '\u{6dd}'..='\u{6dd}',
        '\u{70f}'..='\u{70f}',
        '\u{180e}'..='\u{180e}',
        '\u{200b}'..='\u{200f}',
        '\u{2028}'..='\u{202e}',
        '\u{2060}'..='\u{206f}',
        '\u{fe00}'..='\u{fe0f}',
        '\u{feff}'..='\u{feff}',
        '\u{fff9}'..='\u{fffb}',
        '\u{e0000}'..='\u{e0fff}',
    ];
    c.is_control() || format.iter().any(|range| range.contains(&c))
}

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

/// How many columns the terminal has that standard output is.
pub(super) fn width() -> Option<u16> {
    let out = std::io::stdout();
    if !out.is_terminal() {
        return None;
    }
    rustix::termios::tcgetwinsize(out).ok().map(|size| size.ws_col).filter(|columns| *columns > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_steers_a_terminal_is_an_escape() {
        let hostile = "a\u{1b}[2J\r\n\u{9b}31m \u{202e}gpj.exe\u{2066}\u{200b}\u{feff}\u{7f} ü 日本 é";
        assert_eq!(
            harmless(hostile),
            "a\\u{1b}[2J\\r\\n\\u{9b}31m \\u{202e}gpj.exe\\u{2066}\\u{200b}\\u{feff}\\u{7f} ü 日本 é"
        );
    }
}
