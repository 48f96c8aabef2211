//! A SIP message of a client or of a target.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portward::inspect::Inspect;
use portward::inspect::sip::{Ask, BODY_LIMIT, HEAD_LIMIT, Inspector, Kind, entries, name_addr, uri};

mod laws;

fuzz_target!(|input: &[u8]| {
    let mut client = Inspector::of_client();
    laws::hold(input, HEAD_LIMIT, |prefix| client.inspect(prefix), |prefix| Inspector::of_client().inspect(prefix));
    let mut target = Inspector::of_target();
    laws::hold(input, HEAD_LIMIT, |prefix| target.inspect(prefix), |prefix| Inspector::of_target().inspect(prefix));

    let Inspect::Found { ask: Ask::Message(message), len } = Inspector::of_client().inspect(input) else { return };
    let head = &input[..len];
    assert!(head.ends_with(b"\r\n\r\n"));
    assert!(message.body <= BODY_LIMIT);
    // One From and one Content-Length, however they are spelt.
    let named = |names: [&[u8]; 2]| {
        let lines = message.fields.iter().map(|field| field.line.of_input(head));
        let name = |line: &[u8]| line.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii_end().to_ascii_lowercase();
        lines.filter(|line| names.contains(&&*name(line))).count()
    };
    assert_eq!(named([b"from", b"f"]), 1);
    assert_eq!(named([b"content-length", b"l"]), 1);
    // The host is a part of the URI, behind its only @.
    let (whole, host) = (message.from.uri.of_input(head), message.from.host.of_input(head));
    assert!(whole.iter().filter(|byte| **byte == b'@').count() <= 1 || host.is_empty());
    assert!(!host.contains(&b'@') && !host.iter().any(u8::is_ascii_whitespace));
    if let Kind::Request { method, .. } = message.kind {
        assert_eq!(method.of_input(head), message.cseq_method.of_input(head));
    }
    for field in &message.fields {
        for entry in entries(field.value.of_input(head)) {
            let _ = name_addr(entry).map(|address| uri(address.uri));
        }
    }
});
