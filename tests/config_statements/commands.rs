//! The program understands the command lines that the pages show.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;
use std::process::Command;

use crate::{block_lines, blocks, pages, read, spans};

fn portward(arguments: &[&str]) -> String {
    let output = Command::new(env!("CARGO_BIN_EXE_portward")).args(arguments).output().expect("it starts");
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// The help of every command and subcommand.
fn helps() -> BTreeMap<Vec<String>, String> {
    let (mut helps, mut open) = (BTreeMap::new(), vec![Vec::<String>::new()]);
    while let Some(command) = open.pop() {
        let arguments: Vec<&str> = command.iter().map(String::as_str).chain(["--help"]).collect();
        let help = portward(&arguments);
        let listed = help.split("\nCommands:\n").nth(1).unwrap_or_default();
        let listed = listed.lines().take_while(|line| !line.is_empty());
        let names = listed.filter_map(|line| line.strip_prefix("  ")?.split(' ').next());
        for name in names.filter(|name| !name.is_empty() && *name != "help") {
            open.push([command.clone(), vec![name.to_owned()]].concat());
        }
        helps.insert(command, help);
    }
    helps
}

/// The mistake in a command line without `portward`.
fn mistake(helps: &BTreeMap<Vec<String>, String>, line: &str) -> Option<String> {
    let mut command = Vec::new();
    let words = line.split_whitespace().take_while(|word| !matches!(*word, "#" | "|" | "||" | "&&" | ">"));
    for word in words {
        let deeper = [command.clone(), vec![word.to_owned()]].concat();
        if helps.contains_key(&deeper) {
            command = deeper;
        } else if word.starts_with('-') && word != "--" {
            let option = word.split('=').next().unwrap_or(word);
            let help = &helps[&command];
            let is_there = help.split(|c: char| c.is_whitespace() || c == ',').any(|known| known == option);
            if !is_there && option != "--version" {
                return Some(format!("portward {} has no {option}", command.join(" ")));
            }
        } else if command.is_empty()
            || helps.keys().any(|known| known.len() == 1 + command.len() && known.starts_with(&command))
        {
            // The word is no command where a command must stand. `portward blacklist` alone is one.
            return Some(format!("portward {} has no {word}", command.join(" ")));
        }
    }
    None
}

#[test]
fn every_command_line_is_one_of_the_program() {
    let helps = helps();
    assert!(helps.len() > 10, "{:?}", helps.keys());
    let (mut wrong, mut count) = (Vec::new(), 0);
    let mut look = |page: &Path, line: &str| {
        let line = line.strip_prefix("sudo ").unwrap_or(line);
        let Some((program, rest)) = line.split_once(' ') else { return };
        let is_ours = program.rsplit('/').next() == Some("portward") && !rest.starts_with('/');
        // A command without the program's name.
        let is_part = rest.starts_with("--")
            || helps.contains_key(&vec![
                program.to_owned(),
                rest.split(' ').next().unwrap_or_default().to_owned(),
            ]);
        let rest = match helps.contains_key(&vec![program.to_owned()]) && is_part {
            true => line,
            false if is_ours => rest,
            false => return,
        };
        count += 1;
        wrong.extend(mistake(&helps, rest).map(|why| format!("{}: {line}: {why}", page.display())));
    };
    for page in pages() {
        let text = read(&page);
        spans(&text).iter().for_each(|span| look(&page, span));
        block_lines(&text).for_each(|line| look(&page, line.trim()));
        // In a table cell the later words belong to the first command: `blacklist`, `add`, `remove`.
        for cell in text.lines().filter_map(|line| line.strip_prefix("| `portward ")?.split(" | ").next()) {
            let mut spans = cell.split('`').step_by(2);
            let first = spans.next().unwrap_or_default();
            let Some((last, parents)) =
                first.split(' ').collect::<Vec<_>>().split_last().map(|(l, p)| (*l, p.join(" ")))
            else {
                continue;
            };
            let above = if helps.contains_key(&vec![first.to_owned()]) { last.to_owned() } else { parents };
            for span in spans.filter(|span| !span.is_empty()) {
                look(&page, &format!("portward {above} {span}"));
            }
        }
    }
    assert!(count > 40, "only {count} command lines were found");
    assert_eq!(wrong, [""; 0]);
    // Wrong command lines are found.
    for line in ["explain --form 192.0.2.1 URL", "restart", "blacklist delete 192.0.2.1", "check --all"] {
        assert!(mistake(&helps, line).is_some(), "{line}");
    }
}

/// docs/first-rules.md shows the exact output of `portward check` and `portward explain` for its rules.
#[test]
fn the_first_ten_minutes_show_what_the_commands_say() {
    let page = read("docs/first-rules.md");
    let (_, rules) = page.split_once("rules/example.net.toml >/dev/null <<'END'\n").expect("the rules");
    let (rules, _) = rules.split_once("\nEND\n").expect("their end");
    let folder = tempfile::tempdir().expect("a folder");
    let place = |name: &str| folder.path().join(name);
    for name in ["rules", "certs/server", "certs/client-trust", "certs/upstream-trust"] {
        fs::create_dir_all(place(name)).expect("a folder");
    }
    fs::write(place("rules/example.net.toml"), format!("{rules}\n")).expect("a file");
    fs::write(place("portward.toml"), read("packaging/etc/portward.toml")).expect("a file");
    let config = place("portward.toml").display().to_string();
    let (mut said, mut count) = (BTreeSet::new(), 0);
    for (word, lines) in blocks(&page) {
        if word == "sh" {
            let typed = lines.iter().filter_map(|line| line.strip_prefix("sudo portward "));
            for command in
                typed.filter(|command| command.starts_with("check") || command.starts_with("explain "))
            {
                let words = command.split(" || ").next().unwrap_or_default().split(' ');
                let arguments: Vec<&str> = words.chain(["--config", &config]).collect();
                let output =
                    Command::new(env!("CARGO_BIN_EXE_portward")).args(arguments).output().expect("it starts");
                for text in [output.stdout, output.stderr] {
                    let text = String::from_utf8_lossy(&text)
                        .replace(&folder.path().display().to_string(), "/etc/portward");
                    said.extend(text.lines().map(str::to_owned));
                }
            }
        } else if word == "text" {
            // The blocks of these two commands begin with a host's name, or have a summary at their end.
            let is_ours = lines[0].contains("example.net") && !lines[0].starts_with("REVERSE-PROXY")
                || lines.iter().any(|line| line.starts_with("checked "));
            for line in
                lines.iter().filter(|line| is_ours && !line.is_empty() && !line.starts_with("refused, "))
            {
                assert!(said.contains(*line) || lines[0].starts_with("dev "), "not so: {line}\n{said:#?}");
                count += 1;
            }
        }
    }
    assert!(count > 12, "only {count} lines were found");
}
