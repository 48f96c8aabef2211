//! The list of settings that this version does not support yet.
//!
//! Such settings are accepted and checked, and setting one of them gives a warning. When a feature is added, its keys
//! are removed from this list, and nothing else has to change.

/// Keys of portward.toml without an effect yet, as table and key. `*` stands for every key of the table. There are none
/// now.
const WITHOUT_EFFECT: &[(&str, &str)] = &[];

/// Whether setting `key` of `table` has an effect.
pub(super) fn has_effect(table: &str, key: &str) -> bool {
    !WITHOUT_EFFECT.iter().any(|(t, k)| *t == table && (*k == key || *k == "*"))
}
