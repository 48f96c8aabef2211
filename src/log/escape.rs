//! What a client sent, made harmless for a log: percent-encoded and capped (SPEC section 8).

use std::fmt::Write as _;

/// `bytes`, at most `cap` of them, as they stand in a log.
pub(crate) fn escaped(bytes: &[u8], cap: usize) -> String {
    let mut text = String::with_capacity(bytes.len().min(cap));
    escape(&mut text, bytes, cap);
    text
}

/// Appends `bytes`, at most `cap` of them, with space, `%`, quotes, `\`, `>`, controls and non-ASCII
/// percent-encoded. What was cut off shows as `…`.
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

#[cfg(test)]
mod tests {
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
