//! `/metrics`: what Prometheus reads (contract section 8, Metrics), in its text format, version 0.0.4.
//!
//! All numbers exist already: the counters of each worker, the guard's numbers, and certificates. A scrape adds up the
//! workers' counters and reads no list of hosts, tenants or connections, so its cost does not depend on their number.
//! No label is a host, a tenant or a client. Values of labels come from closed sets, or from the rules.
//!
//! The text is written here and not by `prometheus-client`. That crate would keep counters of its own, with shared
//! atomics on the request path, or it would need a collector for each family around the existing counters. The format
//! itself is the smaller part.
//!
//! | file | content |
//! |---|---|
//! | `text` | the format: families, samples, labels, escapes |
//! | `process` | `process_*`: processor, memory, descriptors |

mod process;
mod text;

use std::collections::BTreeMap;

use text::{Kind, Text};

use crate::cause::Cause;
use crate::reason::Reason;
use crate::service::{Carrier, Service};
use crate::state::Shared;
use crate::stats::{DecisionKind, Direction, Durations, Side, Totals};
use crate::upstream::{Health, State};

/// The Content-Type of the answer.
pub(crate) const CONTENT_TYPE: &str = "text/plain; version=0.0.4; charset=utf-8";

/// All metrics as text.
pub fn render(shared: &Shared) -> String {
    let totals = shared.stats.totals();
    let mut text = Text::default();
    connections(&mut text, shared, &totals);
    decisions(&mut text, &totals);
    traffic(&mut text, &totals);
    targets(&mut text, &totals, &shared.health);
    certificates(&mut text, shared);
    blacklist(&mut text, shared);
    itself(&mut text, shared);
    process::write(&mut text, shared.stats.since());
    text.finish()
}

/// Every service with every carrier that it can have.
fn ways() -> impl Iterator<Item = (Service, Carrier)> {
    let by = |service: Service| Carrier::ALL.into_iter().filter(move |carrier| service.comes_by(*carrier));
    Service::ALL.into_iter().flat_map(move |service| by(service).map(move |carrier| (service, carrier)))
}

fn connections(text: &mut Text, shared: &Shared, totals: &Totals) {
    let labels =
        |(service, carrier): (Service, Carrier)| [("service", service.name()), ("carrier", carrier.name())];
    let help = "Connections of clients that were accepted, by what is spoken and by what carries it.";
    text.family("portward_connections_total", Kind::Counter, help);
    for way in ways() {
        text.sample(&labels(way), totals.connections(way.0, way.1));
    }
    text.family("portward_connections", Kind::Gauge, "Connections of clients that are open.");
    for way in ways() {
        text.sample(&labels(way), totals.open(way.0, way.1));
    }
    text.family(
        "portward_undecided",
        Kind::Gauge,
        "Open connections of which it is not decided where they lead.",
    );
    text.sample(&[], shared.guard.undecided());
}

fn decisions(text: &mut Text, totals: &Totals) {
    let help = "Decisions, one a request (HTTP) or a connection (others), by what became of them.";
    text.family("portward_decisions_total", Kind::Counter, help);
    for service in Service::ALL {
        for kind in DecisionKind::ALL {
            let labels = [("service", service.name()), ("outcome", kind.name())];
            text.sample(&labels, totals.decisions(service, kind));
        }
    }
    let help = "Requests and connections that were refused or ended, by the reason.";
    text.family("portward_rejected_total", Kind::Counter, help);
    for service in Service::ALL {
        for reason in Reason::ALL {
            let labels = [("service", service.name()), ("reason", reason.name())];
            text.sample(&labels, totals.rejected(service, reason));
        }
    }
}

fn traffic(text: &mut Text, totals: &Totals) {
    let help = "Bytes moved: up to targets, down to clients.";
    text.family("portward_bytes_total", Kind::Counter, help);
    for service in Service::ALL {
        for direction in Direction::ALL {
            let labels = [("service", service.name()), ("direction", direction.name())];
            text.sample(&labels, totals.bytes(service, direction));
        }
    }
    let help = "TLS handshakes with clients and with targets.";
    text.family("portward_tls_handshakes_total", Kind::Counter, help);
    for side in Side::ALL {
        for (succeeded, result) in [(true, "success"), (false, "failure")] {
            let labels = [("side", side.name()), ("result", result)];
            text.sample(&labels, totals.handshakes(side, succeeded));
        }
    }
}

fn targets(text: &mut Text, totals: &Totals, health: &Health) {
    text.family(
        "portward_target_up",
        Kind::Gauge,
        "Whether an address of a target is up, by its check in the rules. Without a check there is no line.",
    );
    for (address, state) in health.checked_ones() {
        if state != State::Unknown {
            text.sample(&[("target", &address.to_string())], u64::from(state == State::Up));
        }
    }
    let help = "Addresses of targets that could not be used, by the cause.";
    text.family("portward_target_failures_total", Kind::Counter, help);
    for service in Service::ALL {
        for cause in Cause::ALL.into_iter().filter(|cause| cause.is_of_target()) {
            let labels = [("service", service.name()), ("cause", cause.name())];
            text.sample(&labels, totals.failures(service, cause));
        }
    }
    let help = "How long it took to open connections to targets, TLS included.";
    text.family("portward_target_connect_seconds", Kind::Histogram, help);
    Service::ALL.into_iter().for_each(|service| histogram(text, service, totals.connect(service)));
    let help = "How long targets took to answer with the first byte.";
    text.family("portward_target_first_byte_seconds", Kind::Histogram, help);
    Service::ALL.into_iter().for_each(|service| histogram(text, service, totals.first_byte(service)));
}

fn histogram(text: &mut Text, service: Service, durations: &Durations) {
    let service = ("service", service.name());
    for (bound, count) in durations.cumulative() {
        text.sample_of("_bucket", &[service, ("le", &text::number(bound))], count);
    }
    let sum = std::time::Duration::from_micros(durations.sum).as_secs_f64();
    text.sample_of("_sum", &[service], text::number(sum));
    text.sample_of("_count", &[service], durations.count());
}

/// Each name occurs once. Of certificates with the same name the one that expires first is shown.
fn certificates(text: &mut Text, shared: &Shared) {
    let snapshot = shared.snapshot.load();
    let mut ends = BTreeMap::<&str, i64>::new();
    for certificate in snapshot.certificates() {
        let end = certificate.facts.not_after.unix_timestamp();
        ends.entry(&certificate.name).and_modify(|known| *known = end.min(*known)).or_insert(end);
    }
    let help =
        "When a certificate expires, in Unix time: those that clients are shown, and the one for targets.";
    text.family("portward_certificate_expiry_timestamp_seconds", Kind::Gauge, help);
    for (name, end) in ends {
        text.sample(&[("name", name)], end);
    }
}

fn blacklist(text: &mut Text, shared: &Shared) {
    text.family("portward_blacklist_entries", Kind::Gauge, "Addresses and networks on the blacklist.");
    text.sample(&[], shared.guard.blacklist().len());
    let help = "Addresses that came onto the blacklist by themselves, by the reason that was one too many.";
    text.family("portward_blacklisted_total", Kind::Counter, help);
    for reason in Reason::ALL.into_iter().filter(|reason| reason.suspicious()) {
        text.sample(&[("reason", reason.name())], shared.stats.count_listed(reason));
    }
}

fn itself(text: &mut Text, shared: &Shared) {
    let help = "Log lines that were lost, because they could not be written as fast as they came.";
    text.family("portward_log_dropped_total", Kind::Counter, help);
    text.sample(&[], shared.log.dropped());
    let help = "Whether the last reload was good. If not, what was read before it is still in force.";
    text.family("portward_config_last_reload_successful", Kind::Gauge, help);
    text.sample(&[], u8::from(!shared.was_reload_refused()));
    text.family("portward_build_info", Kind::Gauge, "Which Portward this is. The value is always 1.");
    text.sample(&[("version", env!("CARGO_PKG_VERSION"))], 1);
}

#[cfg(test)]
mod tests;
