//! `/v1/status`: whether anything is wrong, and the counters since the start.

use serde_json::{Map, Value, json};

use super::{Answer, Asked, targets};
use crate::admin::moment::utc;
use crate::cause::Cause;
use crate::reason::Reason;
use crate::service::{Carrier, Service};
use crate::state::{LastReload, Shared};
use crate::stats::{DecisionKind, Direction, Side, Totals};
use crate::upstream::Down;

/// How many warnings are shown. There is a warning for each name that no certificate covers.
const WARNINGS: usize = 100;

/// Answers with the status. `gone` has the warnings about things in use whose file no longer exists. Only the running
/// daemon knows those.
pub(super) fn answer(asked: &Asked<'_>) -> Answer {
    let shared = asked.shared;
    let snapshot = shared.snapshot.load();
    let totals = shared.stats.totals();
    let (count, warnings) = warnings(shared);
    let open = Service::ALL.into_iter().flat_map(|service| Carrier::ALL.map(|carrier| (service, carrier)));
    let open: u64 = open.map(|(service, carrier)| totals.open(service, carrier)).sum();
    Answer::ok(&json!({
        "version": env!("CARGO_PKG_VERSION"),
        "since": utc(shared.stats.since()),
        "uptime": shared.stats.uptime().as_secs(),
        "rules": {
            "generation": snapshot.generation.number,
            "since": utc(snapshot.generation.since),
            "hosts": snapshot.table.len(),
            "tenants": snapshot.table.tenants().len(),
            "disabled": snapshot.table.iter().filter(|host| !host.enabled()).count(),
        },
        "last_reload": shared.last_reload().map(|last| reload(&last)),
        "warning_count": count,
        "warnings": warnings,
        "gone": snapshot.gone().to_json(),
        "connections": open,
        "blacklist": shared.guard.blacklist().len(),
        "log_dropped": shared.log.dropped(),
        "counters": counters(&totals),
        "handshakes": handshakes(&totals),
    }))
}

fn reload(last: &LastReload) -> Value {
    json!({
        "at": utc(last.at),
        "by": last.by,
        "successful": last.refused.is_none(),
        "error": last.refused.as_deref().map(str::trim_end),
    })
}

/// The number of warnings in force, and the first of them: targets that are down, then the warnings of `check` and
/// about things that expire soon.
fn warnings(shared: &Shared) -> (usize, Vec<Value>) {
    let mut of_files = match shared.warnings().to_json() {
        Value::Array(list) => list,
        _ => Vec::new(),
    };
    for fields in of_files.iter_mut().filter_map(Value::as_object_mut) {
        fields.extend(["target", "since"].map(|name| (name.to_owned(), Value::Null)));
    }
    let down = targets::down(shared);
    let down = down.iter().map(of_target);
    let mut all: Vec<_> = down.chain(of_files).collect();
    let count = all.len();
    all.truncate(WARNINGS);
    (count, all)
}

/// A target that is down, in the form of a diagnostic with the target as a further field. So a program finds the same
/// fields in every warning.
fn of_target(Down { address, since, why }: &Down) -> Value {
    let why = why.map_or_else(String::new, |why| format!(": {why}"));
    json!({
        "severity": "warning",
        "message": format!("the target {address} is down{why}"),
        "file": null,
        "line": null,
        "column": null,
        "end_line": null,
        "end_column": null,
        "label": null,
        "related": null,
        "denied": false,
        "help": "look whether it runs and whether this machine reaches it",
        "target": address.to_string(),
        "since": utc(*since),
    })
}

/// The counters by service: connections, decisions, refusals by reason, and failures of targets by cause. Reasons and
/// causes with a count of 0 are left out.
fn counters(totals: &Totals) -> Value {
    let of = |service: Service| {
        let carriers = |count: &dyn Fn(Carrier) -> u64| {
            named(Carrier::ALL.map(|carrier| (carrier.name(), count(carrier))).into_iter())
        };
        let decisions = DecisionKind::ALL.map(|one| (one.name(), totals.decisions(service, one)));
        let failures = Cause::ALL.into_iter().map(|one| (one.name(), totals.failures(service, one)));
        let reasons = Reason::ALL.into_iter().map(|one| (one.name(), totals.rejected(service, one)));
        json!({
            "connections": carriers(&|carrier| totals.connections(service, carrier)),
            "open": carriers(&|carrier| totals.open(service, carrier)),
            "decisions": named(decisions.into_iter()),
            "rejected": named(reasons.filter(|(_, count)| *count > 0)),
            "bytes": named(Direction::ALL.map(|one| (one.name(), totals.bytes(service, one))).into_iter()),
            "failures": named(failures.filter(|(_, count)| *count > 0)),
        })
    };
    Service::ALL
        .into_iter()
        .map(|service| (service.name().to_owned(), of(service)))
        .collect::<Map<_, _>>()
        .into()
}

fn handshakes(totals: &Totals) -> Value {
    let of = |side| json!({ "succeeded": totals.handshakes(side, true), "failed": totals.handshakes(side, false) });
    Side::ALL.into_iter().map(|side| (side.name().to_owned(), of(side))).collect::<Map<_, _>>().into()
}

fn named<'a>(numbers: impl Iterator<Item = (&'a str, u64)>) -> Value {
    numbers.map(|(name, number)| (name.to_owned(), number.into())).collect::<Map<_, _>>().into()
}
