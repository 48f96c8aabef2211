//! The laws of an inspector, held against one input.

use std::fmt::Debug;

use portward::inspect::Inspect;

/// Feeds every prefix of `input` (or, of a long one, prefixes at growing distances) to one inspector, which keeps its
/// offsets, and to a fresh one each time.
pub fn hold<Ask: Debug + PartialEq + Clone>(
    input: &[u8],
    limit: usize,
    mut incremental: impl FnMut(&[u8]) -> Inspect<Ask>,
    fresh: impl Fn(&[u8]) -> Inspect<Ask>,
) {
    let mut decided: Option<Inspect<Ask>> = None;
    let step = (input.len() / 128).max(1);
    let mut end = 0;
    loop {
        let prefix = &input[..end];
        let answer = incremental(prefix);
        // What an inspector remembers never changes what it says.
        assert_eq!(answer, fresh(prefix), "incremental and fresh differ after {end} bytes");
        match (&decided, &answer) {
            // Stable: a decision is not taken back.
            (Some(before), now) => assert_eq!(before, now, "a decision changed at {end} bytes"),
            // Bounded: at the limit there is a decision.
            (None, Inspect::NeedMore) => assert!(end < limit, "no decision after {end} bytes"),
            (None, Inspect::Found { len, .. }) => {
                assert!(*len <= end, "{len} of {end} bytes");
                decided = Some(answer);
            }
            (None, Inspect::Reject(_)) => decided = Some(answer),
        }
        if end == input.len() {
            break;
        }
        end = (end + step).min(input.len());
    }
}
