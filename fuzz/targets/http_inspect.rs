//! A client's request head.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portward::inspect::Inspect;
use portward::inspect::http::{HEAD_LIMIT, Inspector};

mod laws;

fuzz_target!(|input: &[u8]| {
    let mut inspector = Inspector::default();
    laws::hold(
        input,
        HEAD_LIMIT,
        |prefix| inspector.inspect(prefix),
        |prefix| Inspector::default().inspect(prefix),
    );

    let Inspect::Found { ask, len } = Inspector::default().inspect(input) else { return };
    let head = &input[..len];
    // An accepted head is unambiguous: no line end but CRLF, no NUL, and at most one Host.
    assert!(head.ends_with(b"\r\n\r\n"));
    for (at, byte) in head.iter().enumerate() {
        assert_ne!(*byte, 0);
        match byte {
            b'\n' => assert_eq!(head[at - 1], b'\r'),
            b'\r' => assert_eq!(head[at + 1], b'\n'),
            _ => {}
        }
    }
    let hosts = head.to_ascii_lowercase().windows(7).filter(|window| *window == b"\r\nhost:").count();
    assert!(hosts <= 1);
    let target = ask.target.of_input(input);
    // Some clients send octets of other alphabets unescaped, in UTF-8.
    assert!(target.iter().all(|byte| matches!(byte, 0x21..=0x7e | 0x80..)));
    assert!(ask.path.of_input(input).len() <= target.len());
});
