//! `scripts/test` and the papers name the same stages, and the script refuses unknown ones.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::fs;
use std::process::{Command, Output};

const SCRIPT: &str = "scripts/test";

fn read(path: &str) -> String {
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// Runs the script with arguments that it answers before anything is built.
fn run(args: &[&str]) -> Output {
    Command::new(SCRIPT).args(args).output().expect("the script runs")
}

/// The stages of the script, in its order.
fn stages() -> Vec<String> {
    let script = read(SCRIPT);
    let list = script.lines().find_map(|line| line.strip_prefix("stages=(")?.strip_suffix(')'));
    list.expect("the list of stages").split(' ').map(str::to_owned).collect()
}

/// The first words of the rows of README's table of stages.
fn table_of_the_readme() -> Vec<String> {
    let page = read("README.md");
    let section = page.split_once("\n## Test it\n").expect("the section").1;
    let section = section.split("\n## ").next().unwrap_or_default();
    section.lines().filter_map(|line| Some(line.strip_prefix("| `")?.split_once('`')?.0.to_owned())).collect()
}

#[test]
fn the_script_has_the_stages_that_issue_24_asks_for() {
    assert_eq!(stages(), ["fmt", "clippy", "unit", "real", "docs", "fuzz", "packages", "deny"]);
    let script = read(SCRIPT);
    for stage in stages() {
        assert!(script.contains(&format!("\nstage_{stage}() {{")), "{stage} does nothing");
        let is_run = script.lines().any(|line| line.trim_start().starts_with(&format!("{stage}) ")));
        assert!(is_run, "{stage} is never run");
    }
}

#[test]
fn the_readme_and_the_help_name_exactly_the_stages_of_the_script() {
    let help = run(&["--help"]);
    assert!(help.status.success());
    let text = String::from_utf8(help.stdout).expect("text");
    let (_, list) = text.split_once("in this order:\n\n").expect("the list");
    let list = list.split("\n\n").next().unwrap_or_default();
    let named: Vec<_> = list.lines().filter_map(|line| line.split_whitespace().next()).collect();
    assert_eq!(named, stages());
    assert_eq!(table_of_the_readme(), stages());
}

#[test]
fn every_command_line_with_a_stage_names_one_that_there_is() {
    let mut known = stages();
    known.extend(["--help", "--upgrade", "--no-upgrade", "[STAGE…]"].map(str::to_owned));
    let mut count = 0;
    for page in ["README.md", "CONTRIBUTING.md", "docs/design/structure.md", ".ci/run"] {
        for rest in read(page).split("scripts/test ").skip(1) {
            // The text after the name is the end of a quotation, or a comment.
            let line = rest.lines().next().unwrap_or_default();
            let command = line.split(['`', '#']).next().unwrap_or_default();
            let words = command.split_whitespace().take_while(|word| *word != "--");
            for word in words.filter(|_| line.contains('`') || line.contains('#') || page == ".ci/run") {
                assert!(known.iter().any(|known| known == word), "{page}: scripts/test {word}");
                count += 1;
            }
        }
    }
    assert!(count >= 5, "only {count} were found");
}

#[test]
fn what_is_unknown_is_refused_with_the_list_of_stages() {
    let wrong: [&[&str]; 7] = [
        &["fast"],
        &["unit", "reel"],
        &["Fmt"],
        &[""],
        &["--fast"],
        // Only unit and real have tests to choose from.
        &["fmt", "--", "sip"],
        &["--", "sip"],
    ];
    for args in wrong {
        let output = run(args);
        assert_eq!(output.status.code(), Some(2), "{args:?}");
        assert!(output.stdout.is_empty(), "{args:?} did something");
        let said = String::from_utf8(output.stderr).expect("text");
        assert!(said.contains(&format!("The stages are: {}.", stages().join(" "))), "{args:?}: {said}");
    }
}

/// Each row of scripts/packages has the package, and the stages that need it.
#[test]
fn every_package_is_needed_by_a_stage_and_those_that_only_read_need_none() {
    let mut needed = Vec::new();
    for row in read("scripts/packages").lines().filter(|row| !row.starts_with('#') && !row.is_empty()) {
        let words: Vec<_> = row.split_whitespace().collect();
        assert!(words.len() >= 3, "no stage needs this: {row}");
        for stage in &words[2..] {
            assert!(stages().iter().any(|known| known == stage), "{row}: there is no stage {stage}");
            needed.push((*stage).to_owned());
        }
    }
    for stage in ["fmt", "clippy", "docs", "deny"] {
        assert!(!needed.iter().any(|needed| needed == stage), "{stage} installs something");
    }
    for stage in ["unit", "real", "fuzz", "packages"] {
        assert!(needed.iter().any(|needed| needed == stage), "{stage} installs nothing");
    }
}
