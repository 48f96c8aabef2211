//! The path of a request: a path that passes has one meaning.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portward::rules::path::request_path;

/// Decodes percent escapes once, as a careless server may do once too often.
fn decode(path: &[u8]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut at = 0;
    while at < path.len() {
        let escape = path.get(at + 1..at + 3).and_then(|hex| std::str::from_utf8(hex).ok());
        let byte = escape.and_then(|hex| u8::from_str_radix(hex, 16).ok().filter(|_| !hex.starts_with('+')));
        match byte {
            Some(byte) if path[at] == b'%' => {
                out.push(byte);
                at += 3;
            }
            _ => {
                out.push(path[at]);
                at += 1;
            }
        }
    }
    out
}

fn harmless(path: &[u8], slash: bool) {
    assert!(!path.contains(&b'\\') && !path.iter().any(|byte| *byte < 0x20 || *byte == 0x7f));
    if slash {
        return;
    }
    assert!(!path.windows(2).any(|two| two == b"//"));
    for segment in path.split(|byte| *byte == b'/') {
        let name = segment.split(|byte| *byte == b';').next().unwrap_or_default();
        assert!(name != b"." && name != b"..", "a dot segment: {:?}", String::from_utf8_lossy(path));
    }
}

fuzz_target!(|input: &[u8]| {
    let mut buffer = Vec::new();
    let Ok(path) = request_path(input, &mut buffer) else { return };
    let text = path.as_bytes();
    assert!(text == b"*" || text.first() == Some(&b'/'));
    assert!(text.is_ascii());
    // The compared form of a compared form is the same.
    let mut again = Vec::new();
    let same = request_path(text, &mut again).expect("the compared form is safe");
    assert_eq!(same.as_bytes(), text);
    // No reader finds a way out of a rule's prefix, whether it decodes never, once or twice.
    harmless(input, path.encoded_slash());
    let once = decode(input);
    harmless(&once, path.encoded_slash());
    harmless(&decode(&once), path.encoded_slash());
});
