//! `/v1/certificates`: Portward's own certificates that are in use. They may differ from the files by now.

use serde_json::json;
use time::OffsetDateTime;

use super::{Answer, Asked};
use crate::admin::query::Query;
use crate::tls;

/// Answers with the content of `portward cert list --json`, in pages. The diagnostics are about all certificates and
/// about trust.
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
