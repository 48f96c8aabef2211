//! Text from clients made harmless. For a log, client text is percent-encoded and capped (contract section 8). For a
//! terminal, any text that could harm it is escaped.

use std::fmt::Write as _;

/// At most `cap` octets of `bytes`, escaped as the log shows them.
pub(crate) fn escaped(bytes: &[u8], cap: usize) -> String {
    let mut text = String::with_capacity(bytes.len().min(cap));
    escape(&mut text, bytes, cap);
    text
}

/// Appends at most `cap` octets of `bytes`. Space, `%`, quotes, `\`, `>`, controls and non-ASCII are percent-encoded.
/// `…` stands for octets that were cut off.
pub(super) fn escape(out: &mut String, bytes: &[u8], cap: usize) {
    for byte in bytes.iter().take(cap) {
        match byte {
            b'%' | b'"' | b'\'' | b'`' | b'\\' | b'>' | 0..=b' ' | 0x7f.. => {
                let _ = write!(out, "%{byte:02X}");
            }
            _ => out.push(char::from(*byte)),
        }
    }
    if bytes.len() > cap {
        out.push('…');
    }
}

/// Text for a person at a terminal. The text may come from a stranger. Characters that steer the terminal, turn the
/// direction of the text or are invisible are written as escapes.
pub(crate) fn harmless(text: &str) -> String {
    text.chars().flat_map(|c| if is_unseen(c) { c.escape_default().collect() } else { vec![c] }).collect()
}

/// Whether `c` is a control or format character (Unicode general categories Cc, Cf, Zl and Zp), or a tag.
pub(crate) fn is_unseen(c: char) -> bool {
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

#[cfg(test)]
mod tests {
    #[test]
    fn what_steers_a_terminal_is_an_escape() {
        let hostile = "a\u{1b}[2J\r\n\u{9b}31m \u{202e}gpj.exe\u{2066}\u{200b}\u{feff}\u{7f} ü 日本 é";
        assert_eq!(
            super::harmless(hostile),
            "a\\u{1b}[2J\\r\\n\\u{9b}31m \\u{202e}gpj.exe\\u{2066}\\u{200b}\\u{feff}\\u{7f} ü 日本 é"
        );
    }

    #[test]
    fn nothing_breaks_a_line() {
        let mut out = String::new();
        super::escape(&mut out, b"a b\r\n-> 1.2.3.4%20\"'\\\xff\x1b[0m", 100);
        assert_eq!(out, "a%20b%0D%0A-%3E%201.2.3.4%2520%22%27%5C%FF%1B[0m");
        out.clear();
        super::escape(&mut out, b"abcdef", 3);
        assert_eq!(out, "abc…");
    }
}
