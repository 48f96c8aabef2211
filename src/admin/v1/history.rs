//! `/v1/history`: the last hour in steps of ten seconds, by service and outcome, as columns of numbers.

use std::num::NonZeroUsize;

use serde_json::{Map, Value, json};

use super::{Answer, Asked};
use crate::admin::moment::utc;
use crate::admin::query::{Query, number};
use crate::reason::Reason;
use crate::service::Service;
use crate::stats::{DecisionKind, Direction, STEP, STEPS, Step, Steps};

/// `/v1/history`.
pub(super) fn answer(asked: &Asked<'_>) -> Answer {
    series(asked).unwrap_or_else(Answer::bad)
}

fn series(asked: &Asked<'_>) -> Result<Answer, String> {
    let query = Query::of(&asked.head.uri, &["service", "limit", "after"])?;
    let service = query.service()?;
    let what = format!("a number from 1 to {STEPS}");
    let limit = query.value("limit", &what, number)?.map_or(STEPS, NonZeroUsize::get);
    let after = query.value("after", "the number of a step", number)?.unwrap_or_default();
    let stats = &asked.shared.stats;
    let Steps { steps, first, start } = stats.steps(after, limit);
    // Steps that ended meanwhile are left for the next request.
    let end = first + steps.len() as u64;
    let is_cut = steps.len() == limit && !stats.steps(end, 1).steps.is_empty();
    let wanted = Service::ALL.into_iter().filter(|one| service.is_none_or(|wanted| wanted == *one));
    let services: Map<String, Value> =
        wanted.map(|service| (service.name().to_owned(), columns(&steps, service))).collect();
    Ok(Answer::ok(&json!({
        "step": STEP.as_secs(),
        "start": utc(start),
        "first": first,
        "count": steps.len(),
        "services": services,
        "rejected": reasons(&steps),
        "next": is_cut.then(|| end.to_string()),
    })))
}

fn column<N: Into<Value>>(steps: &[Step], number: impl Fn(&Step) -> N) -> Value {
    steps.iter().map(|step| number(step).into()).collect::<Vec<Value>>().into()
}

/// The columns of one service.
fn columns(steps: &[Step], service: Service) -> Value {
    let mut columns = Map::new();
    let mut put = |name: &str, column: Value| columns.insert(name.to_owned(), column);
    put("connections", column(steps, |step| step.opened(service)));
    put("open", column(steps, |step| step.open(service)));
    for kind in DecisionKind::ALL {
        put(kind.name(), column(steps, |step| step.decisions(service, kind)));
    }
    let [up, down] = Direction::ALL.map(|direction| column(steps, |step| step.bytes(service, direction)));
    put("bytes", json!({ "up": up, "down": down }));
    columns.into()
}

/// The refusals of all services by reason. Reasons without a refusal are left out.
fn reasons(steps: &[Step]) -> Map<String, Value> {
    let seen = |reason: &Reason| steps.iter().any(|step| step.rejected(*reason) > 0);
    let reasons = Reason::ALL.into_iter().filter(seen);
    reasons.map(|reason| (reason.name().to_owned(), column(steps, |step| step.rejected(reason)))).collect()
}
