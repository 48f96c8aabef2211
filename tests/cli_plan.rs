//! `portward plan` with the real binary: its three formats. The example in docs/plan.md is the program's own output.

#![allow(clippy::expect_used, clippy::indexing_slicing)]

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use serde_json::Value;

fn plan(config: &Path, more: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_portward"));
    command.arg("plan").arg("--config").arg(config).args(more).output().expect("the program runs")
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).expect("UTF-8")
}

/// The shipped example, as in the packages.
fn example(folder: &Path) -> PathBuf {
    let rules = std::fs::read_to_string("rules/examples/dvl-ckl2.net.toml").expect("the rules");
    let config = std::fs::read_to_string("portward.toml").expect("the configuration");
    let beside = folder.join("dvl-ckl2.net/rules/examples");
    std::fs::create_dir_all(&beside).expect("a folder");
    std::fs::write(beside.join("dvl-ckl2.net.toml"), rules).expect("written");
    let file = folder.join("dvl-ckl2.net/portward.toml");
    std::fs::write(&file, config).expect("written");
    file
}

#[test]
fn item_6_the_page_shows_what_the_program_prints() {
    let folder = tempfile::tempdir().expect("a folder");
    let output = plan(&example(folder.path()), &[]);
    assert_eq!((text(&output.stderr), output.status.code()), ("", Some(0)));
    let printed = text(&output.stdout);
    let page = std::fs::read_to_string("docs/plan.md").expect("the page");
    let (before, after) = page.split_once("```text\n").expect("a block");
    let (shown, after) = after.split_once("```\n").expect("its end");
    if std::env::var_os("UPDATE_GOLDEN").is_some() {
        let page = format!("{before}```text\n{printed}```\n{after}");
        std::fs::write("docs/plan.md", page).expect("written");
    } else {
        assert_eq!(shown, printed, "UPDATE_GOLDEN=1 writes the page anew");
    }
}

/// Every cell of the text is a cell of the Markdown.
#[test]
fn item_6_markdown_and_json_say_the_same() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = example(folder.path());
    let page = plan(&config, &["--format", "markdown"]);
    let page = text(&page.stdout);
    for row in [
        "| TURN | UDP | 3478 | 172.31.31.2 | 3478 | standard |",
        "| H.323 TLS | TCP | 1300 | 172.31.31.2 | 1310 | non-standard |",
        "| CNAME | hq.dvl-ckl2.net | router-hq.dvl-ckl2.net |",
        "| A | apps.dvl-ckl2.net | 172.31.31.12 |",
        "| SIP | 5070 | 5071 |",
    ] {
        assert!(page.lines().any(|line| line == row), "{row}: {page}");
    }
    let json = plan(&config, &["--format", "json"]).stdout;
    assert_eq!(json, plan(&config, &["--json"]).stdout);
    let json: Value = serde_json::from_slice(&json).expect("JSON");
    assert_eq!(json["port_forwards"].as_array().map(Vec::len), Some(10));
    assert_eq!(json["port_forwards"][3]["service"], "http");
    assert_eq!(json["port_forwards"][3]["carrier"], "tls");
    assert_eq!(json["port_forwards"][3]["port"], 453);
    assert_eq!(json["dns"]["official"][0]["type"], "A");
    assert_eq!(json["pbxs"][0]["assume_tls"], "tick");
    assert_eq!(json["missing"].as_array().map(Vec::len), Some(0));
}

#[test]
fn item_6_a_wrong_configuration_has_no_plan() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = folder.path().join("portward.toml");
    std::fs::write(&config, "[listen]\nhttp = 90\n[outside]\nname = \"203.0.113.1\"\n").expect("written");
    std::fs::create_dir(folder.path().join("rules")).expect("a folder");
    let output = plan(&config, &[]);
    assert_eq!((text(&output.stdout), output.status.code()), ("", Some(1)));
    assert!(text(&output.stderr).contains("this is an IP address, not a DNS name"));
    assert_eq!(plan(&config, &["--format", "yaml"]).status.code(), Some(2));
}

/// A certificate that cannot be read is no error. The plan says that it does not know its names.
#[test]
fn item_6_certificates_that_cannot_be_read() {
    let folder = tempfile::tempdir().expect("a folder");
    let config = example(folder.path());
    let certificates = folder.path().join("dvl-ckl2.net/certs/server");
    std::fs::create_dir_all(&certificates).expect("a folder");
    std::fs::write(certificates.join("a.crt"), "nonsense").expect("written");
    let output = plan(&config, &["--json"]);
    let json: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    assert_eq!(json["certificate"]["names"][0]["covered"], Value::Null);
    assert!(json["certificate"]["unread"].as_str().expect("why").contains("certs/server/a.crt"));
    assert!(text(&plan(&config, &[]).stdout).contains("apps.dvl-ckl2.net      cannot be told"));
    assert_eq!(output.status.code(), Some(0));
}
