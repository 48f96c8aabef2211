//! The name of a bind, compared with a reader that works in another way.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portward::inspect::ldap::bind_name;

const DC: [&str; 3] = ["dc", "domaincomponent", "0.9.2342.19200300.100.1.25"];

fuzz_target!(|input: &[u8]| {
    let Ok((domain, user)) = bind_name(input) else { return };
    let text = std::str::from_utf8(input).expect("what is no UTF-8 has no reading");
    assert!(!input.iter().any(u8::is_ascii_control));
    let mark = text.find(['=', '\\', '@']);
    match mark.map(|at| (text.as_bytes()[at], &text[..at], &text[at + 1..])) {
        // A name of blanks only is empty.
        None => {
            assert_eq!((&*domain, &*user), (&b""[..], if text.trim().is_empty() { &b""[..] } else { input }))
        }
        Some((b'\\', before, after)) => assert_eq!((&*domain, &*user), (before.as_bytes(), after.as_bytes())),
        Some((b'@', before, after)) => assert_eq!((&*domain, &*user), (after.as_bytes(), before.as_bytes())),
        Some(_) => {
            let pieces = pieces(text);
            let labels: Vec<Vec<u8>> = pieces
                .iter()
                .filter(|(kind, _)| DC.contains(&kind.as_str()))
                .map(|(_, value)| decoded(value))
                .collect();
            assert_eq!(&*domain, labels.join(&b'.'), "{text:?}");
            assert!(domain.iter().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(byte)));
            assert!(!domain.windows(2).any(|two| two == b".."));
        }
    }
});

/// Types and values. The name is cut at separators that are neither escaped nor quoted.
fn pieces(text: &str) -> Vec<(String, String)> {
    let mut pieces = vec![String::new()];
    let (mut escaped, mut quoted) = (false, false);
    for c in text.chars() {
        if !escaped && !quoted && (c == ',' || c == ';' || c == '+') {
            pieces.push(String::new());
            continue;
        }
        quoted ^= c == '"' && !escaped;
        escaped = c == '\\' && !escaped;
        pieces.last_mut().unwrap().push(c);
    }
    let cut = |piece: &String| {
        let (kind, value) = piece.split_once('=').expect("a type");
        let kind = kind.trim_matches(' ').to_ascii_lowercase();
        (kind.strip_prefix("oid.").unwrap_or(&kind).to_owned(), value.to_owned())
    };
    pieces.iter().map(cut).collect()
}

/// A label in any of its forms. Labels have no spaces, so those at the ends can be removed first.
fn decoded(value: &str) -> Vec<u8> {
    let value = value.trim_matches(' ');
    let hex = |text: &str| u8::from_str_radix(text, 16).unwrap();
    if let Some(ber) = value.strip_prefix('#') {
        let octets: Vec<u8> = (0..ber.len()).step_by(2).map(|at| hex(&ber[at..at + 2])).collect();
        // A label is short, but its length may be written in a long form.
        return octets[if octets[1] < 0x80 { 2 } else { 2 + usize::from(octets[1] & 0x7f) }..].to_vec();
    }
    let bytes = value.strip_prefix('"').map_or(value, |value| value.strip_suffix('"').unwrap()).as_bytes();
    let mut out = Vec::new();
    let mut at = 0;
    while at < bytes.len() {
        if bytes[at] != b'\\' {
            out.push(bytes[at]);
            at += 1;
        } else if bytes[at + 1].is_ascii_hexdigit() {
            out.push(hex(std::str::from_utf8(&bytes[at + 1..at + 3]).unwrap()));
            at += 3;
        } else {
            out.push(bytes[at + 1]);
            at += 2;
        }
    }
    out
}
