//! The program writes the messages that the pages quote, word for word.

use std::path::{Path, PathBuf};

use crate::{block_lines, blocks, files, pages, read, spans};

/// The text literals of a source file. Its tests, which stand last, are left out.
pub(crate) fn literals(source: &str) -> Vec<String> {
    let source = source.split("#[cfg(test)]\nmod tests {").next().unwrap_or_default();
    let code: Vec<&str> = source.lines().filter(|line| !line.trim_start().starts_with("//")).collect();
    let code = code.join("\n").replace("'\"'", "").replace("\\\\", "").replace("\\\"", "\u{1}");
    let texts = code.split('"').skip(1).step_by(2);
    let joined = |text: &str| {
        let lines = text.split("\\\n").enumerate();
        let lines = lines.map(|(number, line)| if number == 0 { line } else { line.trim_start() });
        lines.collect::<String>().replace('\u{1}', "\"").replace("\\n", "\n")
    };
    texts.map(joined).flat_map(|text| text.lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// A message without its level.
fn unlevelled(message: &str) -> &str {
    let message = message.trim();
    let heads = ["error: ", "warning: ", "info: ", "= help: ", "help: "];
    heads.iter().find_map(|head| message.strip_prefix(head)).unwrap_or(message).trim()
}

/// Whether this program writes this message. If the quotation is cut with `…`, each part of it must be written.
fn is_said(said: &[String], message: &str) -> bool {
    let parts = unlevelled(message).split('…').map(str::trim).filter(|part| part.len() > 3);
    parts.clone().count() > 0 && parts.clone().all(|part| said.iter().any(|literal| says(literal, part)))
}

/// How many characters of a cut message must be fixed text.
const SHORTEST: usize = 16;

/// Whether a literal, with anything in its braces, is this text, begins with it, or contains it.
fn says(literal: &str, text: &str) -> bool {
    let literal = unlevelled(literal);
    if literal.contains(text) {
        return true;
    }
    let fixed = literal.split('{').enumerate().map(|(number, part)| match number {
        0 => part,
        _ => part.split_once('}').map_or("", |(_, behind)| behind),
    });
    let fixed: Vec<&str> = fixed.collect();
    let (mut rest, mut found) = (text, 0);
    for part in fixed.iter().map(|part| part.trim()).filter(|part| !part.is_empty()) {
        // A page may leave out the end of a message, beginning at a variable part.
        let Some((_, behind)) = rest.split_once(part) else {
            return found >= SHORTEST && text.starts_with(fixed[0]);
        };
        (rest, found) = (behind, found + part.len());
    }
    fixed.len() > 1 && found >= 8
}

/// The literals below these folders and files of the source.
pub(crate) fn said_in(places: &[&str]) -> Vec<String> {
    let sources = places.iter().flat_map(|place| match Path::new(place).is_dir() {
        true => files(place, &["rs"]),
        false => vec![PathBuf::from(place)],
    });
    let sources = sources.filter(|path| !path.to_string_lossy().contains("tests"));
    sources.flat_map(|path| literals(&read(path))).collect()
}

#[test]
fn every_quoted_message_is_in_the_program() {
    let said = said_in(&["src"]);
    let (mut wrong, mut count) = (Vec::new(), 0);
    for page in pages() {
        let text = read(&page);
        let heads = ["error: ", "warning: ", "info: ", "= help: ", "help: "];
        let lines = block_lines(&text).map(str::trim);
        let mut messages: Vec<String> =
            lines.filter(|line| heads.iter().any(|head| line.starts_with(head))).map(str::to_owned).collect();
        for table in text.split("\n| message | |\n").skip(1) {
            let rows = table.lines().skip(1).take_while(|line| line.starts_with('|'));
            messages.extend(rows.flat_map(|row| spans(row.split(" | ").next().unwrap_or_default())));
        }
        // Messages of the kernel and of systemd, and messages that are put together from many parts.
        let is_foreign = |message: &String| {
            ["info: confined: ", "error: … -->"].iter().any(|head| message.starts_with(head))
                || message == "Start request repeated too quickly"
        };
        messages.retain(|message| !is_foreign(message));
        for message in &mut messages {
            for words in [": Permission denied", ": Address already in use"] {
                *message = message.replace(&format!("…{words}"), "…");
            }
        }
        count += messages.len();
        let unknown = messages.iter().filter(|message| !is_said(&said, message));
        wrong.extend(unknown.map(|message| format!("{}: {message}", page.display())));
    }
    assert!(count > 40, "only {count} messages were found");
    assert_eq!(wrong, [""; 0]);
    assert!(!is_said(&said, "error: the file is not there at all"));
}

/// The log begins every note with its level. Decision lines, and further lines of a note, have none.
#[test]
fn a_quoted_line_of_the_log_has_its_level() {
    let notes = said_in(&["src/guard", "src/server.rs", "src/server", "src/state.rs", "src/manager.rs"]);
    let has_words = |literal: &String| literal.split(['{', '}']).step_by(2).any(|part| part.len() > 12);
    let notes: Vec<String> = notes.into_iter().filter(has_words).collect();
    let is_note = |line: &str| notes.iter().any(|literal| says(literal, line) && line.len() > 12);
    let mut wrong = Vec::new();
    for page in pages() {
        let text = read(&page);
        let shown = blocks(&text).into_iter().filter(|(word, _)| matches!(*word, "" | "text"));
        for line in shown.flat_map(|(_, lines)| lines) {
            let levelled = ["error", "warning", "info", "REVERSE-PROXY", " ", "-->", "{"];
            if is_note(line) && !levelled.iter().any(|head| line.starts_with(head)) {
                wrong.push(format!("{}: {line}", page.display()));
            }
        }
    }
    assert_eq!(wrong, [""; 0]);
    assert!(is_note("203.0.113.9 refused 312 times in a minute: blacklisted"));
}
