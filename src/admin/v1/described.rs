//! Tests that docs/openapi.json agrees with the program: paths, methods and rights of the table of resources, and the
//! closed lists. Another test compares the answers of the running program.

use std::collections::BTreeSet;

use hyper::Method;
use serde_json::Value;

use super::{Entry, RESOURCES};
use crate::admin::access::NeededRight;
use crate::cause::Cause;
use crate::reason::Reason;
use crate::service::{Carrier, Service};
use crate::stats::DecisionKind;
use crate::upstream::State;

fn description() -> Value {
    serde_json::from_str(include_str!("../../../docs/openapi.json")).unwrap()
}

const fn name(right: NeededRight) -> &'static str {
    match right {
        NeededRight::None => "none",
        NeededRight::Open => "open",
        NeededRight::Read => "read",
        NeededRight::Change => "change",
        NeededRight::Socket => "socket",
    }
}

#[test]
fn issue_19_item_1_openapi_json_has_the_paths_methods_and_rights_of_the_table() {
    let line = |entry: &Entry, method: &str| {
        let right = entry.right(&method.parse::<Method>().unwrap());
        (format!("{method} {}", entry.path), name(right).to_owned())
    };
    let lines = RESOURCES.iter().flat_map(|entry| entry.methods.iter().map(|method| line(entry, method)));
    let table: BTreeSet<_> = lines.collect();
    let mut described = BTreeSet::new();
    for (path, item) in description()["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            let right = operation["x-portward-right"].as_str().unwrap().to_owned();
            described.insert((format!("{} {path}", method.to_uppercase()), right));
        }
    }
    // The comparison has two directions: everything that exists is described, and everything that is described exists.
    assert_eq!(described, table);
}

#[test]
fn issue_19_item_1_openapi_json_has_the_closed_lists() {
    let description = description();
    for (schema, names) in [
        ("Service", Service::ALL.map(Service::name).to_vec()),
        ("Carrier", Carrier::ALL.map(Carrier::name).to_vec()),
        ("Outcome", DecisionKind::ALL.map(DecisionKind::name).to_vec()),
        ("Reason", Reason::ALL.map(Reason::name).to_vec()),
        ("Cause", Cause::ALL.map(Cause::name).to_vec()),
        ("State", State::ALL.map(State::name).to_vec()),
    ] {
        let described = description["components"]["schemas"][schema]["enum"].as_array().unwrap();
        let described: BTreeSet<_> = described.iter().map(|one| one.as_str().unwrap()).collect();
        assert_eq!(described, names.into_iter().collect(), "{schema}");
    }
}

#[test]
fn head_is_possible_wherever_get_is_and_allow_says_so() {
    for entry in RESOURCES {
        let possible = entry.possible();
        assert_eq!(possible.contains(&"GET"), possible.contains(&"HEAD"), "{}", entry.path);
        assert!(possible.iter().all(|method| entry.allows(&method.parse().unwrap())), "{}", entry.path);
    }
}
