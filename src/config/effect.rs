//! What this version does not serve yet: the one place that says so.
//!
//! Settings of such features are accepted and checked; setting one draws a warning. A feature that comes is
//! taken out of here and nowhere else.

/// Keys of portward.toml that change nothing yet: table and key, `*` for every key of the table. There are none now.
const WITHOUT_EFFECT: &[(&str, &str)] = &[];

/// Whether setting `key` of `table` changes anything.
pub(super) fn has_effect(table: &str, key: &str) -> bool {
    !WITHOUT_EFFECT.iter().any(|(t, k)| *t == table && (*k == key || *k == "*"))
}
