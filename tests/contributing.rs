//! CONTRIBUTING.md, SECURITY.md and docs/design keep up with the tree: every file that they name is there, every reason and
//! every key is where the walks say, the limits are those of the source, and pure rooms are pure.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use portward::config::{self, Config, Diagnostics, Severity};
use portward::reason::Reason;

const WALKS: &str = "CONTRIBUTING.md";
const CONTRACT: &str = "docs/design/contract.md";

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// All files below a folder.
fn files(folder: &str) -> Vec<PathBuf> {
    let (mut found, mut folders) = (Vec::new(), vec![PathBuf::from(folder)]);
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).expect("the folder is there") {
            let path = entry.expect("an entry").path();
            if path.is_dir() { folders.push(path) } else { found.push(path) }
        }
    }
    found.sort();
    found
}

/// The texts in backticks on a page, outside its fenced blocks.
fn quoted(page: &str) -> Vec<String> {
    // The text after a fence on the same line is no code.
    let parts = page.split("\n```").step_by(2).enumerate();
    let prose: String = parts
        .map(
            |(number, part)| {
                if number == 0 { part } else { part.split_once('\n').map_or("", |(_, rest)| rest) }
            },
        )
        .collect();
    prose.split('`').skip(1).step_by(2).map(|text| text.replace('\n', " ")).collect()
}

/// The section of a page below a heading of the second level.
fn section<'p>(page: &'p str, heading: &str) -> &'p str {
    let section = page.split_once(&format!("\n## {heading}\n")).expect("the section").1;
    section.split("\n## ").next().unwrap_or_default()
}

// Files.

#[test]
fn every_file_that_the_papers_name_is_there() {
    const TOP: [&str; 11] = [
        "benches/",
        "certs/",
        "docs/",
        "fuzz/",
        "packaging/",
        "rules/",
        "scripts/",
        "src/",
        "systemd/",
        "tests/",
        ".config/",
    ];
    let names: BTreeSet<String> = ["src", "tests", "fuzz/targets", "scripts"]
        .iter()
        .flat_map(|folder| files(folder))
        .filter_map(|path| Some(path.file_name()?.to_string_lossy().into_owned()))
        .collect();
    let decisions = files("docs/design/decisions");
    let pages = [WALKS, "SECURITY.md", "docs/privacy.md", "docs/design/structure.md"].map(PathBuf::from);
    let (mut missing, mut count) = (Vec::new(), 0);
    for page in pages.iter().chain(&decisions) {
        for text in quoted(&read(page)) {
            // The program's arguments and the name of a test are not part of a path.
            let path = text.split([' ', ',']).next().unwrap_or_default();
            let path = path.split("::").next().unwrap_or_default();
            let is_path = TOP.iter().any(|top| path.starts_with(top));
            let is_name = [".rs", ".js"].iter().any(|end| path.ends_with(end)) && !path.contains(['/', '*']);
            let is_there = if is_path { Path::new(path).exists() } else { !is_name || names.contains(path) };
            count += usize::from(is_path || is_name);
            // A pattern stands for many files.
            if !is_there && !path.contains('*') {
                missing.push(format!("{}: {path}", page.display()));
            }
        }
    }
    assert!(count > 150, "only {count} files are named");
    assert_eq!(missing, [""; 0]);
}

#[test]
fn every_section_of_the_contract_that_is_cited_is_there() {
    let contract = read(CONTRACT);
    let sections: BTreeSet<u32> = contract
        .lines()
        .filter_map(|line| line.strip_prefix("## ")?.split_once('.')?.0.parse().ok())
        .collect();
    assert_eq!(sections, (1..=10).collect());
    let mut count = 0;
    for file in ["src", "tests", "benches", "fuzz/targets"].iter().flat_map(|folder| files(folder)) {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        for cited in cited_sections(&text) {
            assert!(sections.contains(&cited), "{}: section {cited}", file.display());
            count += 1;
        }
    }
    assert!(count > 200, "only {count} citations were found");
}

/// The numbers after "contract section" and "contract sections", in forms such as "3", "1, 3 and 6" or "1 to 3".
fn cited_sections(text: &str) -> Vec<u32> {
    // A citation may be cut by the end of a line.
    let words: Vec<&str> = text.split_whitespace().filter(|word| !word.starts_with("//")).collect();
    let mut cited = Vec::new();
    for (at, pair) in words.windows(2).enumerate() {
        let is_ours = ["contract", "Contract"].iter().any(|name| pair[0].ends_with(name));
        if !is_ours || !["section", "sections"].contains(&pair[1]) {
            continue;
        }
        for word in words.iter().skip(at + 2) {
            let digits: String = word.chars().take_while(char::is_ascii_digit).collect();
            cited.extend(digits.parse::<u32>());
            let goes_on =
                ["and", "to"].contains(word) || digits == *word || word.strip_suffix(',') == Some(&digits);
            if pair[1] == "section" || !goes_on {
                break;
            }
        }
    }
    cited
}

#[test]
fn every_decision_is_in_the_list_and_has_its_four_parts() {
    let list = read("docs/design/decisions/README.md");
    let mut count = 0;
    for page in files("docs/design/decisions") {
        let name = page.file_name().expect("a name").to_string_lossy().into_owned();
        if name == "README.md" {
            continue;
        }
        count += 1;
        assert!(list.contains(&format!("[{:04}]({name})", count)), "{name}");
        let text = read(&page);
        let headings: Vec<_> = text.lines().filter_map(|line| line.strip_prefix("## ")).collect();
        assert_eq!(headings, ["Context", "Decision", "What was tried", "Consequences"], "{name}");
        assert!(text.lines().count() <= 50, "{name} is longer than a page");
    }
    assert!(count >= 10, "{count}");
}

// The walks.

/// The files in a walk's list of documents: the text after "The tests then ask", to the end of that step.
fn papers(walk: &str) -> Vec<String> {
    let step = walk.split_once("The tests then ask").expect("the step").1;
    let step = step.split("\n5. ").next().unwrap_or_default();
    let linked = step.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next().map(str::to_owned));
    let named = quoted(step).into_iter().filter(|text| text.contains('/') && text.contains('.'));
    linked.chain(named).collect()
}

#[test]
fn every_reason_is_where_the_walk_says() {
    let walks = read(WALKS);
    let papers = papers(section(&walks, "Adding a reason"));
    assert!(papers.len() >= 6, "{papers:?}");
    for paper in papers {
        let text = read(&paper);
        for reason in Reason::ALL {
            let is_there = ["`", "\""].iter().any(|quote| text.contains(&format!("{quote}{reason}{quote}")));
            assert!(is_there, "{paper} does not name {reason}");
        }
    }
}

#[test]
fn the_contract_has_the_reasons_of_the_program_and_what_counts() {
    let contract = read(CONTRACT);
    let (_, table) = contract.split_once("\n### Reasons\n").expect("the table");
    let table = table.split("\n### ").next().unwrap_or_default();
    let mut found = BTreeSet::new();
    for row in table.lines().filter(|line| line.starts_with("| `")) {
        let cells: Vec<&str> = row.trim_matches('|').split(" | ").collect();
        for name in cells[0].split('`').skip(1).step_by(2) {
            let reason = Reason::named(name).unwrap_or_else(|| panic!("{name} is no reason"));
            let says = cells.last().expect("a cell").trim();
            assert_eq!(says == "yes" || says.starts_with("only"), reason.suspicious(), "{name}: {says}");
            assert!(found.insert(reason), "{name} stands there twice");
        }
    }
    assert_eq!(found, Reason::ALL.into_iter().collect());
}

// Keys.

/// A key that does not exist. The complaint about it lists the keys that exist.
const NO_KEY: &str = "no_such_key_anywhere";

fn load(text: &str) -> Diagnostics {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("portward.toml");
    fs::write(&file, text).expect("a file");
    config::load(&file).diagnostics
}

/// The keys of a table of portward.toml; `None`: it is no table.
fn keys(table: &str) -> Option<Vec<String>> {
    let found = load(&format!("{table}\n{NO_KEY} = 1\n"));
    let complaint = found.list().iter().find(|d| d.message.starts_with(&format!("`{NO_KEY}` is unknown")))?;
    let help = complaint.help.as_deref().expect("the keys").strip_prefix("it can have ").expect("the keys");
    Some(help.split(", ").map(|key| key.trim_matches('`').to_owned()).collect())
}

/// Every key of portward.toml with its table; the empty one is the top.
fn all_keys() -> Vec<(String, String)> {
    let mut all = Vec::new();
    for key in keys("").expect("the top has keys") {
        match keys(&format!("[{key}]")) {
            Some(inner) => all.extend(inner.into_iter().map(|inner| (key.clone(), inner))),
            None => all.push((String::new(), key)),
        }
    }
    assert!(all.len() > 60, "{all:?}");
    all
}

/// The advice about `key` where it is set. `None`: there is nothing wrong with it there.
fn advice(found: &Diagnostics, key: &str) -> Option<String> {
    let about = |d: &&config::Diagnostic| d.message.starts_with(&format!("`{key}` is unknown"));
    Some(found.list().iter().find(about)?.help.clone().unwrap_or_default())
}

#[test]
fn every_key_in_the_wrong_table_is_told_where_it_belongs() {
    let all = all_keys();
    for (table, key) in &all {
        // If several tables have the key, the advice names one of them.
        let homes = all.iter().filter(|(_, other)| other == key).map(|(table, _)| match table.as_str() {
            "" => "at the top of portward.toml".to_owned(),
            table => format!("belongs in [{table}]"),
        });
        let right: Vec<_> = homes.chain(["is a table at the top level".to_owned()]).collect();
        // In a table with a similar key the advice names that key instead.
        let wrong = ["log", "outside", "upstream"].map(|table| format!("[{table}]\n{key} = 1\n"));
        let said: Vec<_> = wrong.iter().filter_map(|text| advice(&load(text), key)).collect();
        let is_told = said.iter().any(|help| right.iter().any(|right| help.contains(right)));
        assert!(is_told, "[{table}] {key}: {said:?}");
    }
}

#[test]
fn every_key_of_the_rules_in_the_wrong_table_is_told_where_it_belongs() {
    let load = |text: &str| {
        let folder = tempfile::tempdir().expect("a folder");
        let file = folder.path().join("rules.toml");
        fs::write(&file, text).expect("a file");
        config::load_rules(&file, &Config::defaults(Path::new("portward.toml"))).diagnostics
    };
    let host = "[[host]]\nname = \"a.example\"\ntarget = \"192.0.2.1\"\n";
    // The text before a key, and the text after its value.
    let in_host = |before: &str, after: &'static str| (format!("{host}{before}"), after);
    let places = [
        in_host("", "\n"),
        in_host("http = [{ path = \"/\", ", " }]\n"),
        in_host("sip = { ", " }\n"),
        in_host("h323 = { ", " }\n"),
        in_host("ldap = { ", " }\n"),
        in_host("sip = true\n[target.\"192.0.2.1\"]\n", "\n"),
        ("[tenant.XYZ]\n".to_owned(), "\n"),
    ];
    let put = |(before, after): &(String, &str), key: &str| load(&format!("{before}{key} = 1{after}"));
    let mut keys = BTreeSet::new();
    for place in &places {
        let help = advice(&put(place, NO_KEY), NO_KEY).expect("the table has keys");
        let known = help.strip_prefix("it can have ").expect("the keys").to_owned();
        keys.extend(known.split(", ").map(|key| key.trim_matches('`').to_owned()));
    }
    assert!(keys.len() > 45, "{keys:?}");
    let mut lost = Vec::new();
    for key in keys {
        let said: Vec<_> = places.iter().filter_map(|place| advice(&put(place, &key), &key)).collect();
        let is_told = said.iter().any(|help| help.contains("belongs in"));
        if !is_told && !said.is_empty() {
            lost.push(key);
        }
    }
    assert_eq!(lost, [""; 0]);
}

#[test]
fn every_key_of_the_configuration_is_in_the_contract_and_in_the_seed_for_fuzzing() {
    let contract = read(CONTRACT);
    let seed = read("fuzz/corpus/config_file/every-key");
    let (config, _) = seed.split_once("#rules\n").expect("both parts");
    let is_word = |text: &str, word: &str| {
        text.split(|c: char| !(c.is_alphanumeric() || c == '_')).any(|part| part == word)
    };
    for (table, key) in all_keys() {
        assert!(is_word(&contract, &key), "{CONTRACT} does not name `{key}` of [{table}]");
        assert!(config.contains(&format!("\n{key} = ")), "the seed does not set `{key}` of [{table}]");
    }
}

#[test]
fn the_contract_shows_the_defaults() {
    let contract = read(CONTRACT);
    let block = section(&contract, "7. Configuration").split("```toml\n").nth(1).expect("the block");
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("portward.toml");
    fs::write(&file, block.split("```").next().unwrap_or_default()).expect("a file");
    let loaded = config::load(&file);
    let wrong: Vec<_> = loaded.diagnostics.list().iter().filter(|d| d.severity == Severity::Error).collect();
    assert!(wrong.is_empty(), "{wrong:?}");
    let mut shown = loaded.config.expect("no error, so a configuration");
    let defaults = Config::defaults(&file);
    // The recommended ports, which are no defaults.
    shown.listen = defaults.listen.clone();
    assert_eq!(shown, defaults);
}

// Limits.

/// SECURITY.md shows each limit with its value in the source: `NAME = VALUE` and the file.
#[test]
fn the_limits_are_those_of_the_source() {
    let page = read("SECURITY.md");
    let mut count = 0;
    for row in section(&page, "Limits").lines().filter(|line| line.starts_with("| ")) {
        let quoted = quoted(row);
        let Some(file) = quoted.iter().find(|text| text.starts_with("src/")) else { continue };
        let source = read(file);
        for (name, value) in quoted.iter().filter_map(|text| text.split_once(" = ")) {
            let defined = source.lines().any(|line| {
                let line = line.trim();
                line.contains(&format!("const {name}: ")) && line.ends_with(&format!(" = {value};"))
            });
            assert!(defined, "{file} has no {name} = {value}");
            count += 1;
        }
    }
    assert!(count >= 20, "only {count} limits were found");
}

// Versions.

#[test]
fn the_changelogs_have_the_version_that_is_built() {
    let version = env!("CARGO_PKG_VERSION");
    let changes = read("CHANGELOG.md");
    assert!(changes.contains(&format!("\n## [{version}]")), "CHANGELOG.md has no section for {version}");
    assert!(changes.contains("\n## [Unreleased]\n"));
    let packages = read("packaging/changelog");
    assert!(
        packages.starts_with(&format!("portward ({version}) ")),
        "packaging/changelog begins with another"
    );
}

// Rooms.

/// The rooms that decide do no I/O, read no clock, and know no configuration. Their tests may.
#[test]
fn pure_rooms_are_pure() {
    const NOT_THERE: [&str; 12] = [
        "tokio::",
        "std::fs",
        "std::net::Tcp",
        "std::net::Udp",
        "::now()",
        "crate::config",
        "crate::log::",
        "crate::conn",
        "crate::relay",
        "crate::state",
        "crate::upstream",
        "crate::server",
    ];
    let mut found = Vec::new();
    for folder in ["src/inspect", "src/rules", "src/route", "src/proof"] {
        for file in files(folder) {
            let path = file.to_string_lossy().into_owned();
            if ["tests", "oracle", "hostile", "torture"].iter().any(|word| path.contains(word)) {
                continue;
            }
            let text = read(&file);
            let code = text.split("#[cfg(test)]").next().unwrap_or_default();
            for line in code.lines().filter(|line| !line.trim_start().starts_with("//")) {
                // The frames of WebSockets are read by tungstenite, which is pure.
                let line = line.replace("tokio_tungstenite::tungstenite::", "");
                if NOT_THERE.iter().any(|word| line.contains(word)) {
                    found.push(format!("{path}: {}", line.trim()));
                }
            }
        }
    }
    assert_eq!(found, [""; 0]);
}

/// The contract is cited under one name only.
#[test]
fn nothing_is_cited_that_cannot_be_opened() {
    let old = ["SP", "EC"].concat();
    for file in ["src", "tests", "benches", "fuzz/targets", "scripts"].iter().flat_map(|folder| files(folder))
    {
        let Ok(text) = fs::read_to_string(&file) else { continue };
        let is_there = text.split(|c: char| !c.is_alphanumeric()).any(|word| word == old);
        assert!(!is_there, "{} cites {old}", file.display());
    }
}
