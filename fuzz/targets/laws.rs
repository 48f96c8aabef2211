//! The laws of an inspector, checked with one input.

use std::fmt::Debug;

use portward::inspect::Inspect;

/// Feeds every prefix of `input` to one inspector, which keeps its offsets, and to a fresh one each time. Of a long
/// input only prefixes at growing distances are used.
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
        // An inspector's memory never changes its answer.
        assert_eq!(answer, fresh(prefix), "incremental and fresh differ after {end} bytes");
        match (&decided, &answer) {
            // Stable: a decision never changes.
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
