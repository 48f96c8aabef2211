//! `/v1/targets`: every address and port of the rules' targets, its state and the reason, and its response times
//! (contract section 8).
//!
//! [`points`] finds them in the rules. `upstream::Health` and `stats` have the facts about each.

mod points;

use std::collections::HashSet;
use std::time::{Duration, SystemTime};

use serde_json::{Map, Value, json};

use super::{Answer, Asked};
use crate::admin::moment::utc;
use crate::admin::query::Query;
use crate::cause::Cause;
use crate::config::Acme;
use crate::log::escaped;
use crate::rules::name;
use crate::service::Service;
use crate::state::Shared;
use crate::stats::{TargetFigures, Timing};
use crate::upstream::{Down, State};
use points::{HOSTS, Point, PointUse, Points};

/// The longest name. Names in the rules are shorter.
const NAME: usize = 511;

/// `/v1/targets`.
pub(super) fn answer(asked: &Asked<'_>) -> Answer {
    page(asked).unwrap_or_else(Answer::bad)
}

fn page(asked: &Asked<'_>) -> Result<Answer, String> {
    let query = Query::of(&asked.head.uri, &["host", "state", "limit", "after"])?;
    let states = State::ALL.map(State::name).join(", ");
    let known = |text: &str| State::ALL.into_iter().find(|state| state.name() == text);
    let state = query.value("state", &format!("a state; possible: {states}"), known)?;
    let host = query.text("host");
    let limit = query.limit()?;
    let after = query.after(Point::parse)?;
    let shared = asked.shared;
    let snapshot = shared.snapshot.load();
    let is_wanted = |point: &Point| {
        after.as_ref().is_none_or(|after| point > after)
            && state.is_none_or(|state| TargetState::of(shared, point).state == state)
    };
    let mut found = Points::new(&shared.resolver, limit);
    match host {
        None => found.take(snapshot.table.iter(), is_wanted),
        Some(text) => {
            let normal = name::normalise(text).map_err(|bad| format!("`host` is not a host name: {bad}"))?;
            // A name that matches a wildcard leads to the wildcard's targets.
            let host = snapshot.table.host(&normal).or_else(|| snapshot.table.named(&normal));
            found.take(host.into_iter(), is_wanted);
            found.describe(snapshot.table.iter());
        }
    }
    let (points, next) = found.finish();
    let shown: Vec<_> = points.iter().map(|(point, point_use)| to_json(shared, point, point_use)).collect();
    let next = next.map(|point| point.to_string());
    Ok(Answer::ok(&json!({ "count": shown.len(), "targets": shown, "next": next })))
}

/// The addresses that are down and to which the rules or `tls.acme_target` lead now. Other addresses no longer matter.
pub(super) fn down(shared: &Shared) -> Vec<Down> {
    let mut all = shared.health.down();
    if all.is_empty() {
        return all;
    }
    let snapshot = shared.snapshot.load();
    let down: HashSet<_> = all.iter().map(|down| down.address).collect();
    let is_down = |point: &Point| matches!(point, Point::Address(address) if down.contains(address));
    let mut found = Points::new(&shared.resolver, all.len());
    found.take(snapshot.table.iter(), is_down);
    if let Some(Acme::Target { endpoints, port }) = &snapshot.config.tls.acme {
        found.take_also(endpoints, port.get(), is_down);
    }
    let (found, _) = found.finish();
    let led_to: HashSet<_> = found.into_iter().map(|(point, _)| point).collect();
    all.retain(|down| led_to.contains(&Point::Address(down.address)));
    all
}

/// The state of a target, since when, and why.
struct TargetState {
    state: State,
    age: Option<Duration>,
    why: Option<Cause>,
    is_checked: bool,
}

impl TargetState {
    fn of(shared: &Shared, point: &Point) -> Self {
        let known = match point {
            Point::Address(address) => shared.health.state(*address),
            // A name without an address in the DNS cannot be reached.
            Point::Name(name, _) => {
                let why = shared.resolver.last(name).and_then(Result::err);
                let state = if why.is_some() { State::Down } else { State::Unknown };
                return Self { state, age: None, why, is_checked: false };
            }
        };
        match known {
            None => Self { state: State::Unknown, age: None, why: None, is_checked: false },
            Some(known) => {
                let age = (known.state != State::Unknown).then_some(known.age);
                let why = known.why.filter(|_| known.state != State::Up);
                Self { state: known.state, age, why, is_checked: known.is_checked }
            }
        }
    }
}

fn to_json(shared: &Shared, point: &Point, point_use: &PointUse) -> Value {
    let TargetState { state, age, why, is_checked } = TargetState::of(shared, point);
    let since = age.and_then(|age| SystemTime::now().checked_sub(age)).map(utc);
    let (address, known) = match point {
        Point::Address(address) => (Some(address.ip()), shared.stats.target(*address)),
        Point::Name(..) => (None, TargetFigures::default()),
    };
    let text = |text: &str| escaped(text.as_bytes(), NAME);
    let failures: Map<String, Value> =
        known.failures.iter().map(|(cause, count)| (cause.name().to_owned(), (*count).into())).collect();
    let last = known.last_failure.map(|(cause, at)| json!({ "time": utc(at), "cause": cause.name() }));
    let services: Vec<_> = Service::ALL.into_iter().filter(|one| point_use.services.contains(*one)).collect();
    json!({
        "target": text(&point.to_string()),
        "address": address,
        "port": point.port(),
        "names": point_use.names.iter().map(|name| text(name)).collect::<Vec<_>>(),
        "carriers": point_use.carriers(),
        "services": services.iter().map(|service| service.name()).collect::<Vec<_>>(),
        "hosts": point_use.hosts.iter().take(HOSTS).map(|host| text(host)).collect::<Vec<_>>(),
        "host_count": point_use.host_count,
        "state": state.name(),
        "since": since,
        "checked": is_checked,
        "why": why.map(Cause::name),
        "open": known.open,
        "opened": known.opened,
        "failures": failures,
        "last_failure": last,
        "connect": timing(&known.connect),
        "first_byte": timing(&known.first_byte),
    })
}

/// Durations in seconds.
fn timing(timing: &Timing) -> Value {
    let seconds = |time: Option<Duration>| time.map(|time| time.as_secs_f64());
    json!({
        "count": timing.count,
        "sum": timing.sum.as_secs_f64(),
        "recent": seconds(timing.recent),
        "longest": seconds(timing.longest),
    })
}
