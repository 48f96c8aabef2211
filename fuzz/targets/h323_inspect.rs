//! The first octets of an H.323 client, and one of its messages.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portward::inspect::h323::{Inspector, MESSAGE_LIMIT, OPENING_LIMIT, Opening, size};

mod laws;

fuzz_target!(|input: &[u8]| {
    let mut kept = Opening::default();
    laws::hold(
        input,
        OPENING_LIMIT,
        |prefix| kept.inspect(prefix),
        |prefix| Opening::default().inspect(prefix),
    );
    let fresh = |prefix: &[u8]| Inspector::new(MESSAGE_LIMIT).inspect(prefix);
    laws::hold(input, MESSAGE_LIMIT, fresh, fresh);
    if let portward::inspect::Inspect::Found { len, .. } = fresh(input) {
        assert_eq!(size(input), Ok(Some(len)));
    }
});
