//! `/v1/certificates`: Portward's own certificates as they are in use, which may differ from what the files hold by now.

use serde_json::json;
use time::OffsetDateTime;

use super::{Answer, Asked};
use crate::admin::query::Query;
use crate::tls;

/// Answers it: what `portward cert list --json` says, in pages. The diagnostics are about all of them, and about trust.
pub(super) fn answer(asked: &Asked<'_>) -> Answer {
    page(asked).unwrap_or_else(Answer::bad)
}

fn page(asked: &Asked<'_>) -> Result<Answer, String> {
    let query = Query::of(&asked.head.uri, &["limit", "after"])?;
    let snapshot = asked.shared.snapshot.load();
    let all = tls::listed(&snapshot.server_tls, &snapshot.upstream_tls);
    let (page, next) = query.page(&all)?;
    Ok(Answer::ok(&json!({
        "count": all.len(),
        "certificates": page,
        "next": next,
        "diagnostics": snapshot.of_certificates(OffsetDateTime::now_utc()).to_json(),
    })))
}
