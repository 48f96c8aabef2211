//! `portward check` with the real binary: what it writes where, and its exit codes.

#![allow(clippy::expect_used, clippy::indexing_slicing)]

use std::process::{Command, Output};

fn check(args: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portward"));
    command.arg("check").args(args).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

#[test]
fn the_examples_are_clean() {
    let output = check(&["rules/examples"]);
    assert_eq!(text(&output.stderr), "");
    let summary = text(&output.stdout);
    assert!(summary.starts_with("checked ") && summary.ends_with(": no errors, no warnings\n"), "{summary}");
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn warnings_are_shown_and_allowed() {
    let output = check(&["tests/fixtures/spec-example/portward.toml"]);
    assert!(text(&output.stderr).starts_with("warning: "), "{}", text(&output.stderr));
    assert!(text(&output.stdout).ends_with(" warnings\n"));
    assert_eq!(output.status.code(), Some(0));
}

#[test]
fn errors_are_shown_without_colour_and_counted() {
    let output = check(&["--config", "tests/broken/whole/errors-in-both/portward.toml"]);
    let golden = std::fs::read_to_string("tests/broken/whole/errors-in-both.txt").expect("the text is there");
    assert_eq!(text(&output.stderr), golden);
    let summary = "checked tests/broken/whole/errors-in-both/portward.toml, 1 rule file, 1 host: \
                   2 errors, no warnings\n";
    assert_eq!(text(&output.stdout), summary);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn programs_get_json_and_nothing_else() {
    let output = check(&["--json", "tests/broken/rules/agreement.toml"]);
    assert_eq!(text(&output.stderr), "");
    let found: serde_json::Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(found.as_array().map(Vec::len), Some(2));
    assert_eq!(found[1]["severity"], "error");
    assert_eq!((found[1]["line"].as_u64(), found[1]["column"].as_u64()), (Some(9), Some(42)));
    assert_eq!(found[1]["related"]["line"], 4);
    assert_eq!(output.status.code(), Some(1));
}

#[test]
fn a_missing_file_is_said_with_what_to_do() {
    let output = check(&["--config", "no/such/portward.toml"]);
    assert!(text(&output.stderr).contains("there is no such file or folder"));
    assert!(text(&output.stderr).contains("--config FILE"));
    assert_eq!(output.status.code(), Some(1));
    assert_eq!(check(&["--no-such-option"]).status.code(), Some(2));
}
