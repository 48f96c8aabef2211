//! How careless servers may read a path (contract section 9, *Captured paths*).
//!
//! A rule that matches whole segments only does not match a segment that merely begins with its text. Some servers cut
//! such a segment, or leave characters out of it, and then serve the rule's own page. If the rule demands a login, such
//! a path must not be let in by another rule. This module computes the path as such a server reads it.

use super::likeness::Likeness;

/// Writes into `out` how a careless server reads `path`, which is in compared form. False: there is no other reading.
///
/// Such a server cuts `;…`, and an encoded `?` or `#` with all that follows. It drops dots and blanks at the end of a
/// segment, and invisible characters. It reads a character as the ASCII character that looks like it.
pub(super) fn other(path: &[u8], out: &mut Vec<u8>) -> bool {
    if !may_differ(path) {
        return false;
    }
    out.clear();
    for segment in path.split(|byte| *byte == b'/').skip(1) {
        out.push(b'/');
        let start = out.len();
        put_segment(segment, out);
        while let Some(end) = out.get(start..).and_then(without_end) {
            out.truncate(start + end);
        }
    }
    out != path
}

/// The length of a segment without the dot or the blank at its end. `None`: it ends with neither.
fn without_end(segment: &[u8]) -> Option<usize> {
    segment.strip_suffix(b".").or_else(|| segment.strip_suffix(b"%20")).map(<[u8]>::len)
}

/// A quick check: most paths have only one reading.
fn may_differ(path: &[u8]) -> bool {
    memchr::memchr2(b';', b'%', path).is_some()
        || path.ends_with(b".")
        || memchr::memmem::find(path, b"./").is_some()
}

fn put_segment(segment: &[u8], out: &mut Vec<u8>) {
    for character in String::from_utf8_lossy(&decoded(segment)).chars() {
        match (character, Likeness::of(character)) {
            (';' | '?' | '#', _) => return,
            ('/', _) => out.extend_from_slice(b"%2F"),
            ('\u{ff01}'..='\u{ff5e}', Likeness::None) => {
                let ascii = u32::from(character) - 0xfee0;
                match u8::try_from(ascii) {
                    Ok(b';' | b'?' | b'#') => return,
                    Ok(byte) => put(byte, out),
                    Err(_) => {}
                }
            }
            (_, Likeness::Slash) => out.push(b'/'),
            ('!'..='~', Likeness::None) => put(u8::try_from(character).unwrap_or(b'x'), out),
            // Within a segment the blank stays.
            (' ', _) => put(b' ', out),
            (_, Likeness::Dot) => {}
            (_, Likeness::None) => {
                character.encode_utf8(&mut [0; 4]).bytes().for_each(|byte| put(byte, out));
            }
        }
    }
}

/// Writes an octet in compared form.
fn put(byte: u8, out: &mut Vec<u8>) {
    const PLAIN: &[u8] = b"!$&'()*+,=:@-._~";
    if byte.is_ascii_alphanumeric() || PLAIN.contains(&byte) {
        out.push(byte);
    } else {
        let digit = |nibble: u8| if nibble < 10 { b'0' + nibble } else { b'A' + (nibble - 10) };
        out.extend_from_slice(&[b'%', digit(byte >> 4), digit(byte & 0x0f)]);
    }
}

/// A segment without its escapes.
pub(crate) fn decoded(segment: &[u8]) -> Vec<u8> {
    let mut out = Vec::with_capacity(segment.len());
    let mut rest = segment;
    while let Some((&byte, tail)) = rest.split_first() {
        let escape = tail.first_chunk::<2>().filter(|_| byte == b'%');
        let value = escape.and_then(|digits| u8::from_str_radix(str::from_utf8(digits).ok()?, 16).ok());
        match value {
            Some(value) => {
                out.push(value);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                out.push(byte);
                rest = tail;
            }
        }
    }
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_careless_servers_read() {
        let mut out = Vec::new();
        for (path, read) in [
            ("/admin;x=1/y", "/admin/y"),
            ("/admin%3Bx/y", "/admin/y"),
            ("/admin%3Fx", "/admin"),
            ("/q%2Cr", "/q,r"),
            ("/admin%23x", "/admin"),
            ("/admin.", "/admin"),
            ("/admin%20/y", "/admin/y"),
            ("/admin.%20;x", "/admin"),
            ("/admin%20./y", "/admin/y"),
            ("/admin%C2%A0", "/admin"),
            ("/ad%C2%ADmin", "/admin"),
            ("/admin%EF%BC%8Fx", "/admin/x"),
            ("/%EF%BD%81dmin", "/admin"),
            ("/admin%EF%BC%9Bx", "/admin"),
        ] {
            assert!(other(path.as_bytes(), &mut out), "{path}");
            assert_eq!(String::from_utf8_lossy(&out), read, "{path}");
        }
        for path in ["/", "/a/b.c/", "/M%C3%BCnchen", "/a%20b/c", "/a~b!c"] {
            assert!(!other(path.as_bytes(), &mut out), "{path}: {}", String::from_utf8_lossy(&out));
        }
    }
}
