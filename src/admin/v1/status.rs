//! `/v1/status`: the version, and the warnings in force.

use serde_json::json;

use super::{Answer, Asked};

/// Answers it. `gone` are those of the warnings that name what is in use although its file is not there any more, which only
/// the running daemon knows.
pub(super) fn answer(asked: &Asked<'_>) -> Answer {
    let snapshot = asked.shared.snapshot.load();
    Answer::ok(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "warnings": asked.shared.warnings().to_json(),
        "gone": snapshot.gone().to_json(),
    }))
}
