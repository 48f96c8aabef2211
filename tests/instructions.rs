//! The baseline of the instructions (`benches/compare/baseline.rs`): how a count is judged by it, and that it has every row.

#![allow(clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::process::Command;

#[path = "../benches/compare/baseline.rs"]
mod baseline;

use baseline::{Baseline, Verdict};

/// The file's errors are of the benches' type.
pub(crate) type Failure = Box<dyn std::error::Error>;

const SCRIPT: &str = "scripts/instructions";

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn table<V, const N: usize>(rows: [(&str, V); N]) -> BTreeMap<String, V> {
    rows.map(|(key, value)| (key.to_owned(), value)).into()
}

fn example() -> Baseline {
    Baseline {
        facts: table([("date", "2026-11-27".to_owned()), ("rustc", "rustc \"1\"".to_owned())]),
        counts: table([("kept", 10_000), ("look-up", 1_000)]),
    }
}

#[test]
fn what_is_written_is_read_again() {
    let text = example().text();
    assert!(text.starts_with("# "), "{text}");
    assert_eq!(Baseline::read(&text).expect("its own text"), example());
}

#[test]
fn a_row_is_worse_above_three_per_cent_and_not_before() {
    let example = example();
    for (count, wanted) in [
        (10_000.0, Verdict::Within(1.0)),
        (10_300.0, Verdict::Within(1.03)),
        (10_301.0, Verdict::Worse(1.0301)),
        (20_000.0, Verdict::Worse(2.0)),
        (9_700.0, Verdict::Within(0.97)),
        (9_699.0, Verdict::Better(0.9699)),
    ] {
        assert_eq!(example.verdict("kept", count), wanted, "{count}");
    }
}

#[test]
fn rows_that_only_one_side_has_are_told() {
    let example = example();
    assert_eq!(example.verdict("added", 5.0), Verdict::New);
    assert_eq!(example.gone(&["kept", "added"]), ["look-up"]);
    assert_eq!(example.gone(&["look-up", "kept"]), [""; 0]);
}

#[test]
fn other_facts_are_told_but_not_another_date() {
    let now =
        table([("date", "2027-01-01".to_owned()), ("rustc", "2".to_owned()), ("valgrind", "3".to_owned())]);
    assert_eq!(example().other_facts(&now), [("rustc", "rustc \"1\"", "2"), ("valgrind", "?", "3")]);
}

#[test]
fn what_is_no_baseline_is_refused() {
    for (text, wanted) in [
        ("", "no table [instructions]"),
        ("instructions = 3", "no table [instructions]"),
        ("[instructions]\nkept = 0", "kept is no positive number"),
        ("[instructions]\nkept = -1", "kept is no positive number"),
        ("[instructions]\nkept = \"1\"", "kept is no positive number"),
        ("date = 1\n[instructions]", "date is no text"),
        ("[instructions]\nkept = 1\nkept = 2", "duplicate key"),
    ] {
        let said = Baseline::read(text).expect_err(text).to_string();
        assert!(said.contains(wanted), "{text:?}: {said}");
    }
}

/// The keys of the rows in a file of the benches.
fn keys(path: &str) -> BTreeSet<String> {
    let text = read(path);
    let keys = text.split("key: \"").skip(1).filter_map(|rest| Some(rest.split_once('"')?.0.to_owned()));
    keys.collect()
}

#[test]
fn the_baseline_has_exactly_the_rows_that_are_counted() {
    let mut rows = keys("benches/compare/instructions.rs");
    let parts = keys("benches/counted/parts.rs");
    assert!(rows.len() >= 15 && parts.len() >= 13, "{rows:?} {parts:?}");
    assert!(rows.is_disjoint(&parts));
    rows.extend(parts);
    let baseline = Baseline::read(&read("benches/baseline.toml")).expect("a baseline");
    assert_eq!(baseline.counts.into_keys().collect::<BTreeSet<_>>(), rows);
    let facts: Vec<_> = baseline.facts.into_keys().collect();
    assert_eq!(facts, ["date", "processor", "rustc", "target_features", "valgrind"]);
}

#[test]
fn the_script_explains_itself_and_refuses_what_is_unknown() {
    let run = |argument: &str| Command::new(SCRIPT).arg(argument).output().expect("the script runs");
    let help = run("--help");
    let text = String::from_utf8(help.stdout).expect("text");
    assert!(help.status.success());
    for option in ["--check", "--accept", "--base", "--only"] {
        assert!(text.contains(&format!("scripts/instructions {option}")), "{text}");
    }
    assert_eq!(run("--fast").status.code(), Some(2));
    assert_eq!(run("--only").status.code(), Some(2));
}
