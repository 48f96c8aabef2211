//! schemathesis compares the answers with docs/openapi.json, and sends unusual requests.

use std::process::{Command, Stdio};

use super::Busy;
use crate::harness::{python, within};

/// One run of `conformance.py`. The test fails with its findings.
fn run(busy: &Busy, way: &str) {
    let output = Command::new(python())
        .args(["tests/real/look/api/conformance.py", "docs/openapi.json", way])
        .env("PORT", busy.port.to_string())
        .env("SOCKET", busy.socket())
        .env("TOKEN", busy.token(""))
        .env("READING", busy.token("?read=1"))
        .env("CONNECTION", busy.connection())
        // Without this it would keep data for the next run in the source tree.
        .env("HYPOTHESIS_STORAGE_DIRECTORY", concat!(env!("CARGO_TARGET_TMPDIR"), "/hypothesis"))
        .stdin(Stdio::null())
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    println!("{said}");
    assert!(output.status.success(), "{said}\n{errors}");
    busy.portward.assert_alive();
}

impl Busy {
    /// The number of a live connection.
    pub(super) fn connection(&self) -> String {
        let answer: serde_json::Value =
            serde_json::from_str(&self.ask("GET", "/v1/connections?service=sip", "")).unwrap();
        answer["connections"][0]["id"].to_string()
    }
}

#[test]
fn issue_19_item_1_every_answer_is_as_openapi_json_says() {
    within(120, || run(&Busy::start(), "answers"));
}

#[test]
fn issue_19_item_1_odd_paths_and_methods_are_refused_in_one_form() {
    within(120, || run(&Busy::start(), "odd"));
}

#[test]
fn issue_19_item_1_generated_requests_get_documented_answers_over_the_port() {
    within(180, || run(&Busy::start(), "port"));
}

#[test]
fn issue_19_item_1_generated_requests_get_documented_answers_over_the_socket() {
    within(180, || run(&Busy::start(), "socket"));
}
