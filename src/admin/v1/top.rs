//! `/v1/top`: the busiest hosts and clients of the last minutes, and the clients with the most refusals.

use serde_json::json;

use super::{Answer, Asked};
use crate::admin::query::Query;
use crate::guard::CountedAddress;
use crate::log::escaped;
use crate::reason::Reason;
use crate::stats::{Ranked, Top};

/// The longest name. Names in the rules are shorter.
const NAME: usize = 511;

/// `/v1/top`.
pub(super) fn answer(asked: &Asked<'_>) -> Answer {
    ranked(asked).unwrap_or_else(Answer::bad)
}

fn ranked(asked: &Asked<'_>) -> Result<Answer, String> {
    let limit = Query::of(&asked.head.uri, &["limit"])?.limit()?;
    let Top { seconds, hosts, clients, refused } = asked.shared.stats.top(limit);
    let host = |Ranked { key, count, over, .. }: &Ranked<String>| json!({ "host": escaped(key.as_bytes(), NAME), "count": count, "over": over });
    let client = |Ranked { key, count, over, .. }: &Ranked<CountedAddress>| json!({ "client": key.to_string(), "count": count, "over": over });
    let refusal = |Ranked { key, count, over, reason }: &Ranked<CountedAddress>| {
        let reason = reason.map(Reason::name);
        json!({ "client": key.to_string(), "count": count, "over": over, "reason": reason })
    };
    Ok(Answer::ok(&json!({
        "seconds": seconds,
        "hosts": hosts.iter().map(host).collect::<Vec<_>>(),
        "clients": clients.iter().map(client).collect::<Vec<_>>(),
        "refused": refused.iter().map(refusal).collect::<Vec<_>>(),
    })))
}
