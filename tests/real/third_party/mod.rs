//! What the packages say of the program's parts: an SBOM and the licences of all crates, by packaging/third-party.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Output};

use serde_json::Value;

use super::harness::python;

const FILES: [&str; 4] = ["THIRD-PARTY-LICENSES.txt", "portward.cdx.json", "dep-v0", "rpm-license"];

/// The papers of this tree, in a folder of their own.
fn papers() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let script = Path::new("packaging/third-party/generate").canonicalize().unwrap();
    // Its files say nothing of the folder from which it is called.
    succeeded(&Command::new(python()).arg(script).arg(folder.path()).current_dir("/").output().unwrap());
    folder
}

fn succeeded(output: &Output) {
    assert!(
        output.status.success(),
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
}

fn sbom(folder: &Path) -> Value {
    serde_json::from_slice(&std::fs::read(folder.join("portward.cdx.json")).unwrap()).unwrap()
}

/// "NAME-VERSION" of each component.
fn listed(sbom: &Value) -> BTreeSet<String> {
    let components = sbom["components"].as_array().unwrap();
    let text = |part: &Value, key: &str| part[key].as_str().unwrap().to_owned();
    components.iter().map(|part| format!("{}-{}", text(part, "name"), text(part, "version"))).collect()
}

/// The crates whose files the program itself names, in panics and in what it keeps for debuggers: ".../registry/src/INDEX/NAME-VERSION/...".
fn crates_in(program: &Path) -> BTreeSet<String> {
    let bytes = std::fs::read(program).unwrap();
    let finder = memchr::memmem::Finder::new(b"/registry/src/");
    let mut found = BTreeSet::new();
    for start in finder.find_iter(&bytes) {
        let path: Vec<u8> =
            bytes[start..].iter().copied().take(300).take_while(u8::is_ascii_graphic).collect();
        if let Some(name) = String::from_utf8(path).unwrap().split('/').nth(4) {
            found.insert(name.to_owned());
        }
    }
    found
}

#[test]
fn the_same_tree_gives_the_same_papers() {
    let (one, other) = (papers(), papers());
    for file in FILES {
        let read = |folder: &tempfile::TempDir| std::fs::read(folder.path().join(file)).unwrap();
        assert!(read(&one) == read(&other), "{file} differs from call to call");
        let text = read(&one);
        for place in [env!("CARGO_MANIFEST_DIR"), &std::env::var("HOME").unwrap()] {
            assert!(
                place.len() < 2 || memchr::memmem::find(&text, place.as_bytes()).is_none(),
                "{file} names a folder of this machine"
            );
        }
    }
}

#[test]
fn the_sbom_follows_the_schema_of_cyclonedx() {
    let papers = papers();
    let script = Path::new("tests/real/third_party/schema.py");
    succeeded(
        &Command::new(python()).arg(script).arg(papers.path().join("portward.cdx.json")).output().unwrap(),
    );

    let sbom = sbom(papers.path());
    let main = &sbom["metadata"]["component"];
    assert_eq!((&main["name"], &main["type"]), (&"portward".into(), &"application".into()));
    assert_eq!(main["version"], env!("CARGO_PKG_VERSION"));
    for part in sbom["components"].as_array().unwrap() {
        let purl = part["purl"].as_str().unwrap();
        assert_eq!(
            part["hashes"].is_array(),
            purl.starts_with("pkg:cargo/"),
            "{purl}: the hash of Cargo.lock"
        );
        assert!(part["licenses"].is_array(), "{purl}: a licence");
    }
}

#[test]
fn every_crate_of_the_program_is_in_all_papers() {
    let papers = papers();
    let in_sbom = listed(&sbom(papers.path()));
    let in_program = crates_in(Path::new(env!("CARGO_BIN_EXE_portward")));
    assert!(in_program.len() > 100, "the program names its crates: {in_program:?}");
    let missing: Vec<_> = in_program.difference(&in_sbom).collect();
    assert!(missing.is_empty(), "in the program, and not in the SBOM: {missing:?}");

    let page = std::fs::read_to_string(papers.path().join("THIRD-PARTY-LICENSES.txt")).unwrap();
    let (parts, texts) = page.split_once("\nParts\n-----\n").unwrap().1.split_once("\n====").unwrap();
    let in_page: BTreeSet<String> = parts
        .split("\n\n")
        .filter_map(|entry| entry.trim_start().lines().next())
        .map(|title| title.trim_end_matches(" (macro)").replacen(' ', "-", 1))
        .collect();
    assert_eq!(in_page, in_sbom, "the page and the SBOM name the same parts");
    // Every text that a part names is there.
    for number in
        parts.lines().filter_map(|line| line.trim().strip_prefix("texts: ")).flat_map(|line| line.split(", "))
    {
        assert!(texts.contains(&format!("\nText {number}, of ")), "text {number}");
    }
}

#[test]
fn what_may_not_be_passed_on_is_refused() {
    succeeded(&Command::new(python()).arg("tests/real/third_party/refused.py").output().unwrap());
}
