//! Every file under `tests/broken` has a fault. Beside it stands the exact output of `portward check`.
//!
//! `UPDATE_GOLDEN=1 cargo test --test config_broken` writes these outputs anew. Read the difference before you commit.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::path::{Path, PathBuf};

use portward::config::{self, Config};

/// The cases of a folder: its `*.toml` files and its folders, by name.
fn cases(folder: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(folder).expect("the folder is there");
    let mut cases: Vec<PathBuf> = entries
        .map(|entry| entry.expect("the folder can be read").path())
        .filter(|path| path.is_dir() || path.extension().is_some_and(|extension| extension == "toml"))
        .collect();
    cases.sort();
    assert!(!cases.is_empty(), "no case in {folder}");
    cases
}

/// Compares the output for each case with the text beside it.
fn compare(folder: &str, say: impl Fn(&Path) -> String) {
    let update = std::env::var_os("UPDATE_GOLDEN").is_some();
    let mut different = String::new();
    for case in cases(folder) {
        let golden = case.with_extension("txt");
        let said = say(&case);
        assert!(!said.is_empty(), "{} is not broken", case.display());
        if update {
            std::fs::write(&golden, &said).expect("the text can be written");
        } else if std::fs::read_to_string(&golden).unwrap_or_default() != said {
            different.push_str(&format!("=== {}\n{said}\n", golden.display()));
        }
    }
    assert!(different.is_empty(), "not what is expected:\n{different}");
}

#[test]
fn configurations() {
    compare("tests/broken/config", |case| config::load(case).diagnostics.render(false));
}

#[test]
fn rules() {
    let config = Config::defaults(Path::new("portward.toml"));
    compare("tests/broken/rules", |case| config::load_rules(case, &config).diagnostics.render(false));
}

#[test]
fn both_together() {
    compare("tests/broken/whole", |case| {
        config::check(&case.join("portward.toml")).diagnostics.render(false)
    });
}

#[test]
fn what_has_an_error_gives_no_table_and_no_configuration() {
    for case in cases("tests/broken/config") {
        let loaded = config::load(&case);
        assert_eq!(loaded.config.is_some(), loaded.diagnostics.errors() == 0, "{}", case.display());
    }
    let config = Config::defaults(Path::new("portward.toml"));
    for case in cases("tests/broken/rules") {
        let rules = config::load_rules(&case, &config);
        assert_eq!(rules.table.is_some(), rules.diagnostics.errors() == 0, "{}", case.display());
    }
}

/// Whatever a file contains, and wherever it is cut off: there is no panic, and every place lies in the file.
#[test]
fn every_prefix_and_every_missing_line_is_survived() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("x.toml");
    let config = Config::defaults(Path::new("portward.toml"));
    for source in
        ["tests/fixtures/spec-example/portward.toml", "tests/fixtures/spec-example/rules/dvl-ckl2.net.toml"]
    {
        let text = std::fs::read_to_string(source).expect("the fixture is there");
        let ends = (0..text.len()).filter(|at| text.is_char_boundary(*at)).step_by(11);
        let lines: Vec<&str> = text.lines().collect();
        let without = (0..lines.len()).map(|left_out| {
            let kept = lines.iter().enumerate().filter(|(line, _)| *line != left_out);
            kept.map(|(_, line)| format!("{line}\n")).collect::<String>()
        });
        for broken in ends.map(|end| text[..end].to_owned()).chain(without) {
            std::fs::write(&file, &broken).expect("the file can be written");
            let all = [config::load(&file).diagnostics, config::load_rules(&file, &config).diagnostics];
            for diagnostics in all {
                for diagnostic in diagnostics.list() {
                    let span = diagnostic.place.span.clone().unwrap_or(0..0);
                    assert!(broken.get(span).is_some(), "{diagnostic:?} in {broken:?}");
                }
                diagnostics.render(false);
                diagnostics.to_json();
            }
        }
    }
}

/// A large file is read in pieces. The places of faults are still those of the file, and faults that need two pieces
/// are found.
#[test]
fn a_large_file_is_judged_like_a_small_one() {
    let hosts = 5_000;
    let mut text = String::from("# ü: a head that is not ASCII\n");
    for i in 0..hosts {
        let (name, gopher) = match i {
            4_000 => ("H17.example.net".to_owned(), ""),
            4_500 => (format!("h{i}.example.net"), "gopher = 70 # ü\n"),
            _ => (format!("h{i}.example.net"), ""),
        };
        let target = format!("10.0.{}.{}", i / 250, i % 250 + 1);
        text.push_str(&format!(
            "[[host]]\nname = \"{name}\"\ntarget = \"{target}\"\n{gopher}[host.sip]\ntls = false\n\n"
        ));
        if i % 3 == 0 {
            let what = if i == 3_000 { "maybe" } else { "ca" };
            text.push_str(&format!("[target.\"{target}\"]\nverify = \"{what}\"\n"));
        }
    }
    text.push_str("[target.\"10.0.0.1\"]\nverify = \"ca\"\n[target.\"10.99.0.1\"]\nverify = \"ca\"\n");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("large.toml");
    std::fs::write(&file, &text).expect("the file can be written");

    let rules = config::load_rules(&file, &Config::defaults(Path::new("portward.toml")));
    assert_eq!((rules.files, rules.hosts), (1, hosts));
    let found: Vec<(&str, &str, Option<&str>)> = rules
        .diagnostics
        .list()
        .iter()
        .map(|diagnostic| {
            let at = |place: &portward::config::Location| place.span.clone().map(|span| &text[span]);
            let related = diagnostic.related.as_ref().and_then(|(place, _)| at(place));
            (diagnostic.message.as_str(), at(&diagnostic.place).unwrap_or_default(), related)
        })
        .collect();
    let expected = [
        ("`verify` must be \"ca\" or \"none\"", "maybe", None),
        ("the name h17.example.net is defined twice", "H17.example.net", Some("h17.example.net")),
        ("`gopher` is unknown in a [[host]]", "gopher", None),
        ("the target 10.0.0.1 is described twice", "\"10.0.0.1\"", Some("\"10.0.0.1\"")),
        ("no rule leads to this target", "\"10.99.0.1\"", None),
    ];
    assert_eq!(found, expected);
    let line = text[..text.find("gopher").expect("it is there")].lines().count() + 1;
    assert_eq!(rules.diagnostics.to_json()[2]["line"], line);
    assert_eq!(rules.diagnostics.to_json()[2]["column"], 1);
}
