//! A target's response head. The first octet says whether it answers a HEAD request.

#![no_main]

use libfuzzer_sys::fuzz_target;
use portward::inspect::http::{ResponseInspector, TARGET_HEAD_LIMIT};

mod laws;

fuzz_target!(|data: &[u8]| {
    let Some((first, input)) = data.split_first() else { return };
    let answers_head = *first == b'H';
    let mut inspector = ResponseInspector::new(answers_head);
    laws::hold(
        input,
        TARGET_HEAD_LIMIT,
        |prefix| inspector.inspect(prefix),
        |prefix| ResponseInspector::new(answers_head).inspect(prefix),
    );
});
