//! The documentation keeps up with the program: every reason, every key and every default is there, every example loads,
//! every link leads somewhere.

#![allow(clippy::expect_used, clippy::indexing_slicing, clippy::panic)]

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use portward::cause::{Cause, Concerns};
use portward::config::{self, Config, Diagnostics, Severity};
use portward::reason::Reason;

/// A key that does not exist. The complaint about it lists the keys that exist.
const NO_KEY: &str = "no_such_key_anywhere";
const TOML_PAGE: &str = "packaging/man/portward.toml.5";
const RULES_PAGE: &str = "packaging/man/portward-rules.5";

fn read(path: impl AsRef<Path>) -> String {
    let path = path.as_ref();
    fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The pages for people: those of docs and its folders, and those elsewhere.
fn pages() -> Vec<PathBuf> {
    let docs = ["docs", "docs/design", "docs/design/decisions"].into_iter().flat_map(|folder| {
        fs::read_dir(folder).expect("the folder is there").map(|entry| entry.expect("an entry").path())
    });
    let mut pages: Vec<_> = docs.filter(|path| path.extension().is_some_and(|end| end == "md")).collect();
    let elsewhere = ["README.md", "certs/README.md", "CONTRIBUTING.md", "SECURITY.md", "CHANGELOG.md"];
    pages.extend(elsewhere.map(PathBuf::from));
    pages.sort();
    pages
}

/// The lines of a page outside its fenced blocks, and the blocks with the word after their fence.
fn prose_and_blocks(text: &str) -> (Vec<&str>, Vec<(&str, String)>) {
    let (mut prose, mut blocks, mut inside) = (Vec::new(), Vec::new(), None::<(&str, String)>);
    for line in text.lines() {
        match (&mut inside, line.strip_prefix("```")) {
            (None, Some(word)) => inside = Some((word, String::new())),
            (Some(_), Some(_)) => blocks.extend(inside.take()),
            (Some((_, block)), None) => *block += &format!("{line}\n"),
            (None, None) => prose.push(line),
        }
    }
    assert!(inside.is_none(), "a fence is not closed");
    (prose, blocks)
}

// Reasons.

#[test]
fn every_reason_has_its_section_and_no_section_is_about_something_else() {
    let page = read("docs/troubleshooting.md");
    let sections = page.lines().filter_map(|line| line.strip_prefix("### `")?.strip_suffix('`'));
    let sections: Vec<_> = sections.collect();
    assert_eq!(sections, Reason::ALL.map(Reason::name));
}

#[test]
fn every_section_says_whether_the_reason_counts() {
    let page = read("docs/troubleshooting.md");
    for reason in Reason::ALL {
        let section = page.split(&format!("### `{reason}`\n")).nth(1).expect("its section");
        let section = section.split("\n#").next().unwrap_or_default();
        // Line ends may stand between the words.
        let section = section.split_whitespace().collect::<Vec<_>>().join(" ");
        let counts = section.contains("**Counts") || section.contains("**counts**");
        let does_not = ["**Does not count.**", "**does not count**", "**without counting**"];
        let does_not = does_not.iter().any(|words| section.contains(words));
        assert!(if reason.suspicious() { counts } else { does_not && !counts }, "{reason}: {section}");
    }
}

/// The rows of the table below a heading of a page: the words of its first columns, without their backticks.
fn rows(page: &str, heading: &str) -> Vec<Vec<String>> {
    let section = page.split(&format!("\n## {heading}\n")).nth(1).expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let rows = section.lines().filter(|line| line.starts_with("| `"));
    rows.map(|row| row.trim_matches('|').split('|').map(|cell| cell.trim().replace('`', "")).collect())
        .collect()
}

#[test]
fn the_log_s_page_has_every_reason_and_every_cause_and_no_others() {
    let page = read("docs/log.md");
    let reasons = rows(&page, "Reasons");
    let names: Vec<_> = reasons.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(names, Reason::ALL.map(Reason::name));
    for (row, reason) in reasons.iter().zip(Reason::ALL) {
        assert_eq!(row[2].starts_with("yes"), reason.suspicious(), "{reason}");
    }
    let causes = rows(&page, "Causes");
    let names: Vec<_> = causes.iter().map(|row| row[0].as_str()).collect();
    assert_eq!(names, Cause::ALL.map(Cause::name));
    for (row, cause) in causes.iter().zip(Cause::ALL) {
        let of_client = matches!(cause.concerns(), Concerns::Certificate | Concerns::Client);
        assert_eq!(row[1].contains("certificate"), of_client, "{cause}");
        assert_eq!(row[1].contains(cause.reason().name()), cause.is_of_target(), "{cause}");
    }
    let troubles = read("docs/troubleshooting.md");
    for cause in Cause::ALL.into_iter().filter(|cause| cause.is_of_target()) {
        assert!(troubles.contains(&format!("`{cause}`")), "docs/troubleshooting.md says nothing of {cause}");
    }
}

#[test]
fn the_guard_s_page_names_every_reason() {
    let page = read("docs/guard.md");
    for reason in Reason::ALL {
        assert!(page.contains(&format!("`{reason}`")), "{reason}");
    }
}

// Keys.

/// The keys that `found` lists for the table in which [`NO_KEY`] was set.
fn known_keys(found: &Diagnostics) -> Option<Vec<String>> {
    let complaint = found.list().iter().find(|d| d.message.starts_with(&format!("`{NO_KEY}` is unknown")))?;
    let help = complaint.help.as_deref().expect("the keys").strip_prefix("it can have ").expect("the keys");
    Some(help.split(", ").map(|key| key.trim_matches('`').to_owned()).collect())
}

fn load_config(text: &str) -> Diagnostics {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("portward.toml");
    fs::write(&file, text).expect("a file");
    config::load(&file).diagnostics
}

fn load_rules(text: &str) -> Diagnostics {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("rules.toml");
    fs::write(&file, text).expect("a file");
    config::load_rules(&file, &Config::defaults(Path::new("portward.toml"))).diagnostics
}

/// The text of a line of a man page, without macro, quotes and escapes.
fn plain(line: &str) -> String {
    let Some(rest) = line.strip_prefix('.') else { return escapes(line) };
    let (name, arguments) = rest.split_once(' ').unwrap_or((rest, ""));
    // Macros that alternate fonts join their arguments.
    let joined = matches!(name, "BR" | "RB" | "BI" | "IB" | "IR" | "RI");
    let (mut out, mut quoted) = (String::new(), false);
    for c in arguments.chars() {
        match c {
            '"' => quoted = !quoted,
            ' ' if joined && !quoted => {}
            c => out.push(c),
        }
    }
    escapes(&out)
}

fn escapes(text: &str) -> String {
    ["\\fI", "\\fR", "\\fP", "\\fB"]
        .iter()
        .fold(text.replace("\\(dq", "\"").replace("\\-", "-"), |text, font| text.replace(font, ""))
}

/// The headings of a man page's entries, under the title of their section.
fn entries(page: &str) -> Vec<(String, String)> {
    let (mut section, mut entries, mut heads) = (String::new(), Vec::new(), false);
    for line in read(page).lines() {
        if let Some(title) = line.strip_prefix(".SH ") {
            section = title.replace('"', "");
        } else if line == ".TP" || line == ".TQ" {
            heads = true;
        } else if std::mem::take(&mut heads) {
            entries.push((section.clone(), plain(line)));
        }
    }
    entries
}

fn is_word(text: &str, word: &str) -> bool {
    let in_word = |c: char| c.is_alphanumeric() || c == '_';
    text.split(|c| !in_word(c)).any(|part| part == word)
}

fn assert_is_there(page: &str, sections: &[&str], key: &str) {
    let there = entries(page).iter().any(|(section, head)| {
        (sections.is_empty() || sections.contains(&section.as_str())) && is_word(head, key)
    });
    assert!(there, "{page} has no entry for `{key}` under {sections:?}");
}

#[test]
fn every_key_of_the_configuration_is_in_its_man_page() {
    let known = |table: &str| known_keys(&load_config(&format!("{table}\n{NO_KEY} = 1\n")));
    let top = known("").expect("the top level has keys");
    assert!(top.len() > 10, "{top:?}");
    let mut seen = 0;
    for key in &top {
        let Some(keys) = known(&format!("[{key}]")) else {
            assert_is_there(TOML_PAGE, &["TOP LEVEL"], key);
            continue;
        };
        for inner in &keys {
            assert_is_there(TOML_PAGE, &[&format!("[{key}]")], inner);
            for nested in known(&format!("[{key}.{inner}]")).unwrap_or_default() {
                let page = read(TOML_PAGE);
                let (_, section) = page.split_once(&format!("\n.SH [{key}]\n")).expect("the section");
                let section = section.split("\n.SH ").next().unwrap_or_default();
                assert!(is_word(section, &nested), "{TOML_PAGE} does not name `{nested}` of {key}.{inner}");
            }
            seen += 1;
        }
    }
    assert!(seen > 50, "only {seen} keys were found");
}

#[test]
fn every_default_is_in_the_man_page() {
    // The example shows the defaults, except in [listen]. Another test checks that.
    let heads = entries(TOML_PAGE);
    let mut section = "TOP LEVEL".to_owned();
    for line in read("tests/fixtures/spec-example/portward.toml").lines() {
        let line = line.split_once(" #").map_or(line, |(said, _)| said).trim();
        if line.starts_with('[') {
            line.clone_into(&mut section);
        } else if line.contains(" = ") && section != "[listen]" {
            let is_it = |(title, head): &&(String, String)| *title == section && head.contains(line);
            assert!(
                heads.iter().any(|entry| is_it(&entry)),
                "{TOML_PAGE} does not say `{line}` in {section}"
            );
        }
    }
}

#[test]
fn every_key_of_the_rules_is_in_its_man_page() {
    let host = "[[host]]\nname = \"a.example\"\ntarget = \"192.0.2.1\"\n";
    let in_rule = |service: &str| format!("{host}{service} = {{ {NO_KEY} = 1 }}\n");
    for (text, sections) in [
        (format!("{host}{NO_KEY} = 1\n"), &["[[host]]"][..]),
        (format!("{host}http = [{{ path = \"/\", {NO_KEY} = 1 }}]\n"), &["PATHS"]),
        (in_rule("sip"), &["SIP, H.323 AND LDAP"]),
        (in_rule("h323"), &["SIP, H.323 AND LDAP"]),
        (in_rule("ldap"), &["SIP, H.323 AND LDAP"]),
        (format!("{host}sip = true\n[target.\"192.0.2.1\"]\n{NO_KEY} = 1\n"), &["[target.ADDRESS]"]),
        (format!("[tenant.XYZ]\n{NO_KEY} = 1\n"), &["[tenant.ID]"]),
        (format!("{NO_KEY} = 1\n"), &[]),
    ] {
        let keys = known_keys(&load_rules(&text)).expect("the table has keys");
        for key in keys {
            if sections.is_empty() {
                assert!(read(RULES_PAGE).contains(&format!("[{key}")), "{RULES_PAGE} has no [{key}");
            } else {
                assert_is_there(RULES_PAGE, sections, &key);
            }
        }
    }
}

// Examples.

/// The errors in `found`, without those about files that do not exist on this machine.
fn errors(found: &Diagnostics) -> Vec<String> {
    let errors = found.list().iter().filter(|d| d.severity == Severity::Error);
    let errors = errors.filter(|d| !d.message.contains("there is no such file or folder"));
    errors.map(|d| d.message.clone()).collect()
}

fn assert_loads(page: &Path, block: &str) {
    // A part that an example leaves out stands for something valid.
    let pin = format!("sha256:{}", "0123456789abcdef".repeat(4));
    let text = block.replace("sha256:…", &pin);
    let rules = text
        .lines()
        .any(|line| ["[[host]]", "[target.", "[tenant."].iter().any(|head| line.starts_with(head)));
    let config = text.lines().any(|line| line.starts_with('[') || line.starts_with("rules = "));
    let found = if rules {
        load_rules(&text)
    } else if config {
        load_config(&text)
    } else {
        // Some keys of a host.
        load_rules(&format!("[[host]]\nname = \"a.example\"\ntarget = \"192.0.2.1\"\n{text}"))
    };
    assert_eq!(errors(&found), [""; 0], "{}:\n{block}", page.display());
}

#[test]
fn every_example_of_the_pages_loads() {
    let mut count = 0;
    for page in pages() {
        let text = read(&page);
        for (word, block) in prose_and_blocks(&text).1 {
            if word == "toml" {
                assert_loads(&page, &block);
                count += 1;
            }
        }
    }
    assert!(count > 10, "only {count} examples were found");
}

#[test]
fn the_rules_of_the_first_ten_minutes_load() {
    let page = Path::new("docs/first-rules.md");
    let text = read(page);
    let (_, rules) = text.split_once("rules/example.net.toml >/dev/null <<'END'\n").expect("the rules");
    let (rules, _) = rules.split_once("\nEND\n").expect("their end");
    assert_loads(page, rules);
}

#[test]
fn every_example_of_the_man_pages_loads() {
    for (page, least) in [(TOML_PAGE, 2), (RULES_PAGE, 3)] {
        let text = read(page);
        let examples: Vec<_> = text.split(".nf\n.RS 4\n").skip(1).collect();
        assert!(examples.len() >= least, "{page}");
        for example in examples {
            let (example, _) = example.split_once(".RE\n.fi\n").expect("the example's end");
            assert_loads(Path::new(page), example);
        }
    }
}

// Links.

/// The anchors of a page, made of its headings as GitHub makes them.
fn anchors(page: &Path) -> BTreeSet<String> {
    let text = read(page);
    let headings = prose_and_blocks(&text).0.into_iter().filter(|line| line.starts_with('#'));
    let anchor = |heading: &str| {
        let heading = heading.trim_start_matches('#').trim().to_lowercase();
        let kept = heading.chars().filter(|c| c.is_alphanumeric() || matches!(c, ' ' | '-' | '_'));
        kept.map(|c| if c == ' ' { '-' } else { c }).collect()
    };
    headings.map(anchor).collect()
}

#[test]
fn every_link_leads_to_a_file_that_is_there_and_to_a_heading_of_it() {
    let (mut broken, mut count) = (Vec::new(), 0);
    for page in pages() {
        let text = read(&page);
        let prose = prose_and_blocks(&text).0.join("\n");
        for link in prose.split("](").skip(1).filter_map(|rest| rest.split(')').next()) {
            if link.contains("://") {
                continue;
            }
            count += 1;
            let (file, anchor) = link.split_once('#').unwrap_or((link, ""));
            let file = if file.is_empty() {
                page.clone()
            } else {
                page.parent().unwrap_or(Path::new("")).join(file)
            };
            let leads_there = file.exists() && (anchor.is_empty() || anchors(&file).contains(anchor));
            if !leads_there {
                broken.push(format!("{}: {link}", page.display()));
            }
        }
    }
    assert!(count > 30, "only {count} links were found");
    assert_eq!(broken, [""; 0]);
}

#[test]
fn every_page_is_in_the_index() {
    let index = read("docs/README.md");
    for page in pages().iter().filter(|page| page.parent() == Some(Path::new("docs"))) {
        let name = page.file_name().expect("a name").to_string_lossy();
        assert!(name == "README.md" || index.contains(&format!("]({name})")), "{name}");
    }
}

/// Every page must be in both packages, as their smoke test expects.
#[test]
fn every_page_is_in_both_packages() {
    for list in ["packaging/expected.deb", "packaging/expected.rpm"] {
        let expected = read(list);
        for page in pages().iter().filter(|page| page.parent() == Some(Path::new("docs"))) {
            let place = format!(" /usr/share/doc/portward/{}\n", page.display());
            assert!(expected.contains(&place), "{list} has no {}", page.display());
        }
    }
}

// Fail-over.

/// Each row of the table says which test shows it.
#[test]
fn every_failure_in_the_table_is_a_test() {
    let page = read("docs/failover.md");
    let section = page.split("\n### What each failure looks like\n").nth(1).expect("the section");
    let section = section.split("\n## ").next().unwrap_or_default();
    let mut count = 0;
    for row in section.lines().filter(|line| line.starts_with("| ") && !line.starts_with("| what happens")) {
        let test = row.trim_end_matches(" |").rsplit("| ").next().unwrap_or_default().trim_matches('`');
        let (module, name) = test.rsplit_once("::").expect("a module and a test");
        let file = format!("tests/real/{}.rs", module.replace("::", "/"));
        assert!(read(&file).contains(&format!("fn {name}()")), "{test} is not in {file}");
        count += 1;
    }
    assert!(count >= 15, "{count} rows");
}
