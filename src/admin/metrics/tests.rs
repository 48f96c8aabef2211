//! The rendered text, compared with contract section 8.

use std::collections::{BTreeMap, BTreeSet};

use super::*;
use crate::config::Config;
use crate::log::Log;
use crate::rules::Table;
use crate::state::{LastReload, Snapshot};

fn shared() -> Shared {
    let config = Config::defaults(std::path::Path::new("/nowhere/portward.toml"));
    let (snapshot, _) = Snapshot::new(config, Table::default(), None);
    Shared::new(snapshot, Log::new(std::io::sink(), false).0, 2)
}

#[test]
fn metrics_are_those_of_the_contract_with_their_labels() {
    let text = render(&shared());
    let mut labels = BTreeMap::<&str, BTreeSet<&str>>::new();
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let name = line.split(['{', ' ']).next().unwrap();
        let inside =
            line.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map_or("", |(inside, _)| inside);
        let keys = inside.split("\",").filter_map(|pair| pair.split_once('=')).map(|(key, _)| key);
        labels.entry(name).or_default().extend(keys);
    }
    let families: BTreeSet<_> = text
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .map(|line| line.split(' ').next().unwrap())
        .collect();
    for (name, expected) in [
        ("portward_connections_total", &["carrier", "service"][..]),
        ("portward_connections", &["carrier", "service"]),
        ("portward_undecided", &[]),
        ("portward_decisions_total", &["outcome", "service"]),
        ("portward_rejected_total", &["reason", "service"]),
        ("portward_bytes_total", &["direction", "service"]),
        ("portward_tls_handshakes_total", &["result", "side"]),
        ("portward_target_failures_total", &["cause", "service"]),
        ("portward_target_connect_seconds_bucket", &["le", "service"]),
        ("portward_target_first_byte_seconds_sum", &["service"]),
        ("portward_blacklist_entries", &[]),
        ("portward_blacklisted_total", &["reason"]),
        ("portward_log_dropped_total", &[]),
        ("portward_config_last_reload_successful", &[]),
        ("portward_build_info", &["version"]),
        ("process_cpu_seconds_total", &[]),
    ] {
        let found: Vec<_> = labels.get(name).unwrap_or_else(|| panic!("{name}")).iter().copied().collect();
        assert_eq!(found, expected, "{name}");
    }
    for name in ["portward_target_up", "portward_certificate_expiry_timestamp_seconds"] {
        assert!(families.contains(name), "{name}");
    }
    let helps = text.lines().filter(|line| line.starts_with("# HELP ")).count();
    assert_eq!(helps, families.len(), "each family has one HELP line");
}

#[test]
fn metrics_of_a_sample_stand_once_and_are_numbers() {
    let shared = shared();
    let counters = shared.stats.worker(0);
    counters.opened(Service::Sip, Carrier::Tls);
    counters.failed(Service::Http, Cause::WrongPin);
    counters.connected(Service::Http, std::time::Duration::from_millis(3));
    shared.stats.listed(Reason::NoPath);
    let text = render(&shared);
    let samples: Vec<_> = text
        .lines()
        .filter(|line| !line.starts_with('#'))
        .map(|line| line.rsplit_once(' ').unwrap())
        .collect();
    let series: BTreeMap<_, _> = samples.iter().copied().collect();
    assert_eq!(series.len(), samples.len(), "each series occurs once");
    assert!(samples.iter().all(|(_, value)| value.parse::<f64>().is_ok()), "{text}");
    for (name, value) in [
        ("portward_connections_total{service=\"sip\",carrier=\"tls\"}", "1"),
        ("portward_connections{service=\"sip\",carrier=\"tls\"}", "1"),
        ("portward_target_failures_total{service=\"http\",cause=\"wrong-pin\"}", "1"),
        ("portward_target_connect_seconds_bucket{service=\"http\",le=\"0.0025\"}", "0"),
        ("portward_target_connect_seconds_bucket{service=\"http\",le=\"0.005\"}", "1"),
        ("portward_target_connect_seconds_bucket{service=\"http\",le=\"+Inf\"}", "1"),
        ("portward_target_connect_seconds_sum{service=\"http\"}", "0.003"),
        ("portward_target_connect_seconds_count{service=\"http\"}", "1"),
        ("portward_blacklisted_total{reason=\"no-path\"}", "1"),
        ("portward_config_last_reload_successful", "1"),
    ] {
        assert_eq!(series.get(name), Some(&value), "{name}");
    }
    assert!(!series.contains_key("portward_connections{service=\"http\",carrier=\"ws\"}"));
    assert!(series.contains_key("portward_connections{service=\"sip\",carrier=\"wss\"}"));
    let refused = Some("error: odd".to_owned());
    shared.note_reload(LastReload { at: std::time::SystemTime::now(), by: "a signal".to_owned(), refused });
    assert!(render(&shared).contains("portward_config_last_reload_successful 0\n"));
}
