//! A SIP message of a client or of a target.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portward::inspect::Inspect;
use portward::inspect::sip::{
    Ask, FieldKind, HEAD_LIMIT, Inspector, Kind, TARGET_HEAD_LIMIT, entries, name_addr, uri,
};

mod laws;

fuzz_target!(|input: &[u8]| {
    let mut client = Inspector::of_client();
    laws::hold(
        input,
        HEAD_LIMIT,
        |prefix| client.inspect(prefix),
        |prefix| Inspector::of_client().inspect(prefix),
    );
    let mut target = Inspector::of_target();
    laws::hold(
        input,
        TARGET_HEAD_LIMIT,
        |prefix| target.inspect(prefix),
        |prefix| Inspector::of_target().inspect(prefix),
    );

    let examining = || {
        let mut inspector = Inspector::of_client();
        inspector.examine(true);
        inspector
    };
    let mut examined = examining();
    laws::hold(input, HEAD_LIMIT, |prefix| examined.inspect(prefix), |prefix| examining().inspect(prefix));
    let strict = Inspector::of_client().inspect(input);
    match examining().inspect(input) {
        // A message that passes an examination also passes without one.
        found @ Inspect::Found { ask: Ask::Message(_), .. } => assert_eq!(found, strict),
        // The copied parts of an answer contain no line ends of their own.
        Inspect::Found { ask: Ask::Faulty(faulty), len } => {
            for field in &faulty.message.fields {
                let line = field.line.of_input(&input[..len]);
                assert!(faulty.ends || line.ends_with(b"\r\n") && !line.contains(&0));
            }
        }
        _ => {}
    }

    let Inspect::Found { ask: Ask::Message(message), len } = strict else { return };
    let head = &input[..len];
    assert!(head.ends_with(b"\r\n\r\n"));
    // One From and one Content-Length, however they are spelt.
    let named = |names: [&[u8]; 2]| {
        let lines = message.fields.iter().map(|field| field.line.of_input(head));
        let name = |line: &[u8]| {
            line.split(|byte| *byte == b':').next().unwrap_or_default().trim_ascii_end().to_ascii_lowercase()
        };
        lines.filter(|line| names.contains(&&*name(line))).count()
    };
    assert_eq!(named([b"from", b"f"]), 1);
    assert_eq!(named([b"content-length", b"l"]), 1);
    // There is one tag of To, however it is written, and no NUL, at which a reader in C would stop.
    let to = message.fields.iter().find(|field| field.kind == FieldKind::To).unwrap().value.of_input(head);
    let bare: Vec<u8> =
        to.iter().filter(|byte| !byte.is_ascii_whitespace()).map(u8::to_ascii_lowercase).collect();
    let tags = bare.windows(5).filter(|part| part == b";tag=").count();
    assert_eq!(tags, usize::from(!message.to_tag.is_empty()));
    assert!(!head.contains(&0));
    // The host is a part of the URI, after its only @.
    let (whole, host) = (message.from.uri.of_input(head), message.from.host.of_input(head));
    assert!(whole.iter().filter(|byte| **byte == b'@').count() <= 1 || host.is_empty());
    assert!(!host.contains(&b'@') && !host.iter().any(u8::is_ascii_whitespace));
    if let Kind::Request { method, .. } = message.kind {
        let known = [b"REGISTER".as_slice(), b"INVITE", b"ACK"];
        let like = |known: &&[u8]| known.eq_ignore_ascii_case(method.of_input(head));
        assert!(known.into_iter().find(like).is_none_or(|known| known == method.of_input(head)));
        assert_eq!(method.of_input(head), message.cseq_method.of_input(head));
    }
    for field in &message.fields {
        for entry in entries(field.value.of_input(head)) {
            let _ = name_addr(entry).map(|address| uri(address.uri));
        }
    }
});
