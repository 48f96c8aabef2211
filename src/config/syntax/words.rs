//! Explains one statement that is no TOML: what was probably meant, and how to write it.

use std::ops::Range;

use super::Mistake;
use super::repeated::header;
use super::statements::{Statement, line_end, text_end};
use crate::config::report::Fault;

/// The mistake in a statement. The parser gave up at `span`, with the reason `message`.
pub(super) fn mistake(text: &str, statement: &Statement, message: &str, span: Range<usize>) -> Mistake {
    let line = text.get(statement.span.clone()).unwrap_or_default();
    let start = statement.span.start;
    let at = span.start.saturating_sub(start);
    let found = if statement.is_header { of_header(text, statement, line) } else { of_pair(line, at) };
    let found = found.or_else(|| of_characters(line, at, message));
    found.map_or_else(
        || unknown(message, span),
        |(place, fault)| Mistake::new(start + place.start..start + place.end, fault),
    )
}

/// A mistake without an explanation here. The parser's own message is shown.
pub(super) fn unknown(message: &str, span: Range<usize>) -> Mistake {
    Mistake::new(span, Fault::new(format!("this is not TOML: {message}")))
}

/// Whether the value of a statement begins with neither a quote nor a bracket.
pub(super) fn begins_bare(text: &str, statement: &Statement) -> bool {
    let line = text.get(statement.span.clone()).unwrap_or_default();
    line.split_once('=').is_some_and(|(_, value)| !value.trim_start().starts_with(['"', '\'', '[', '{', '=']))
}

/// A place in the statement, and its fault.
type Found = Option<(Range<usize>, Fault)>;

const COMMENT: &str = "a comment begins with #";

fn of_header(text: &str, statement: &Statement, line: &str) -> Found {
    let opened = line.bytes().take_while(|byte| *byte == b'[').count();
    let name = header(text, statement).unwrap_or_else(|| line.get(opened..).unwrap_or_default());
    let after = opened + name.len();
    let closed = line.bytes().skip(after).take_while(|byte| *byte == b']').count();
    let shown = name.split('#').next().unwrap_or_default().trim();
    let right = match shown {
        "host" | "hosts" | "Host" => "[[host]]".to_owned(),
        shown => format!("[{shown}]"),
    };
    if opened != closed || opened > 2 {
        let fault = Fault::new("the brackets around a table's name do not belong together");
        return Some((0..line.trim_end().len(), fault.help(format!("write {right}"))));
    }
    let junk = line.get(after + closed..).unwrap_or_default();
    let begins = after + closed + junk.len() - junk.trim_start().len();
    if !junk.trim_start().is_empty() && !junk.trim_start().starts_with('#') {
        let fault = Fault::new("nothing may follow a table's name on its line");
        let help = if is_comment(junk.trim_start()) {
            COMMENT
        } else {
            "keys stand on the lines below it, one on each"
        };
        return Some((begins..line.trim_end().len(), fault.help(help)));
    }
    if shown.is_empty() {
        return Some((0..after + closed, Fault::new("the table has no name")));
    }
    let quoted = match shown.split_once('.') {
        Some((table, rest)) => format!("[{table}.\"{}\"]", rest.trim().trim_matches(['"', '\''])),
        None => format!("[\"{shown}\"]"),
    };
    let fault = Fault::new("this cannot be the name of a table")
        .help(format!("special characters need quotes: {quoted}"));
    Some((opened..after, fault))
}

fn of_pair(line: &str, at: usize) -> Found {
    if is_comment(line) {
        return Some((
            0..line.len(),
            Fault::new("this is neither a key with its value nor a table").help(COMMENT),
        ));
    }
    for (mark, what) in [
        ("```", "of Markdown"),
        ("<<<<<<<", "of a merge"),
        ("=======", "of a merge"),
        (">>>>>>>", "of a merge"),
    ] {
        if line.starts_with(mark) {
            let fault = Fault::new(format!("this is a mark {what}, and does not belong here"));
            return Some((0..line.len(), fault.help("delete the line")));
        }
    }
    let is_word = |c: char| c.is_ascii_alphanumeric() || matches!(c, '_' | '-' | '.');
    let key = line.find(|c| !is_word(c)).unwrap_or(line.len());
    let name = line.get(..key).unwrap_or_default();
    let rest = line.get(key..).unwrap_or_default().trim_start();
    let place = line.len() - rest.len();
    let first = rest.chars().next();
    match first {
        _ if name.is_empty() => None,
        None => {
            Some((0..key, Fault::new(format!("`{name}` has no value")).help(format!("write {name} = …"))))
        }
        Some('=') => of_value(line, name, place + 1, at),
        Some(']') => {
            let right = if name.starts_with("host") && !name.contains('.') {
                "[[host]]".to_owned()
            } else {
                format!("[{name}]")
            };
            let fault = Fault::new("the brackets around a table's name do not belong together");
            Some((0..line.len(), fault.help(format!("write {right}"))))
        }
        Some(c) => {
            let value = rest.trim_start_matches([':', '=', '>', ' ']);
            let fault = Fault::new(format!("there is no `=` between `{name}` and its value"));
            let help = match value.starts_with(['"', '\'', '[', '{']) {
                true => format!("write {name} = {value}"),
                false => format!("write {name} = …"),
            };
            Some((place..place + c.len_utf8(), fault.help(help)))
        }
    }
}

/// The mistake in the value of `name`. The value begins after the `=` before `from`, and the parser gave up at `at`.
fn of_value(line: &str, name: &str, from: usize, at: usize) -> Found {
    let behind = line.get(from..)?;
    let value = behind.trim_start();
    let start = line.len() - value.len();
    match value.chars().next() {
        None | Some('#') => Some((
            0..from,
            Fault::new(format!("`{name}` has no value"))
                .help(format!("write {name} = …, or leave the line out")),
        )),
        Some('=' | '>' | ':') => Some((
            start..start + 1,
            Fault::new(format!("only one `=` stands between `{name}` and its value")),
        )),
        Some('[' | '{') => match brackets_end(line.as_bytes(), start) {
            Some(end) if end <= at => follows(line, end),
            _ => of_element(line, start, at),
        },
        Some('"' | '\'') => {
            let end = text_end(line.as_bytes(), start).ok()?;
            follows(line, end)
        }
        Some(_) => of_bare(line, name, start),
    }
}

/// The end of the list or the inline table that begins at `start`.
fn brackets_end(line: &[u8], start: usize) -> Option<usize> {
    let (mut depth, mut at) = (0_usize, start);
    while let Some(byte) = line.get(at) {
        match byte {
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.checked_sub(1)?,
            b'#' => at = line_end(line, at),
            b'"' | b'\'' => at = text_end(line, at).ok()? - 1,
            _ => {}
        }
        at += 1;
        if depth == 0 {
            return Some(at);
        }
    }
    None
}

/// The mistake in a value without quotes that reaches to the end of the line.
fn of_bare(line: &str, name: &str, start: usize) -> Found {
    let value = line.get(start..)?;
    let value = value.split(" #").next().unwrap_or_default().trim_end();
    let word = value.find([' ', '\t', ',', ';']).unwrap_or(value.len());
    if is_scalar(value.get(..word)?) && word < value.len() {
        return follows(line, start + word);
    }
    let value = value.trim_end_matches([',', ';', '"', '\'', ' ']);
    Some((start..start + value.len(), without_quotes(Some(name), value)))
}

/// The mistake in a word of a list or an inline table.
fn of_element(line: &str, start: usize, at: usize) -> Found {
    let at = at.clamp(start, line.len());
    let is_end =
        |c: char| c.is_whitespace() || matches!(c, ',' | '[' | ']' | '{' | '}' | '"' | '\'' | '=' | '#');
    let begin = line.get(..at)?.rfind(is_end).map_or(at, |end| end + 1);
    let rest = line.get(begin..)?;
    let word = rest.get(..rest.find(is_end).unwrap_or(rest.len()))?;
    let before = line.get(start..begin)?.trim_end();
    let after = rest.get(word.len()..)?.trim_start();
    let is_value = before.ends_with(['=', ',', '[']) && !after.starts_with('=');
    let ends = [begin, begin + word.len()];
    if let Some((place, key)) = ends.into_iter().find_map(|end| colon(line, start, end)) {
        let fault = Fault::new(format!("there is no `=` between `{key}` and its value"));
        return Some((place..place + 1, fault.help(format!("write {key} = …"))));
    }
    if is_value && !word.is_empty() && !is_scalar(word) {
        return Some((begin..begin + word.len(), without_quotes(None, word)));
    }
    let missing = || Fault::new("a comma is missing before this");
    if is_value && !word.is_empty() && !after.starts_with([',', ']', '}']) {
        let next = begin + rest.len() - after.len();
        let len = after.find(is_end).unwrap_or(after.len()).max(1);
        return (!after.is_empty()).then(|| (next..next + len, missing()));
    }
    let is_complete =
        before.ends_with(['"', '\'', '}', ']']) || before.ends_with(|c: char| c.is_ascii_alphanumeric());
    if is_complete && (!word.is_empty() || rest.starts_with(['"', '\'', '{', '['])) {
        let len = word.len().max(1);
        return Some((begin..begin + len, missing()));
    }
    if rest.starts_with(',') {
        return Some((begin..begin + 1, Fault::new("there is a comma too many")));
    }
    None
}

/// The last `key:` (the form of JSON) before `end` in an inline table.
fn colon(line: &str, start: usize, end: usize) -> Option<(usize, &str)> {
    let before = line.get(start..end)?.trim_end().strip_suffix(':')?;
    let key = before.rsplit(['{', ',']).next()?.trim();
    let is_key = before.contains('{')
        && !key.is_empty()
        && key.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'_');
    is_key.then_some((start + before.len(), key))
}

/// The keys of all files whose value is `true` or `false`.
const BOOLEANS: [&str; 12] = [
    "assume_tls",
    "check_certificate",
    "decisions",
    "enabled",
    "failed_logins",
    "ipv4",
    "ipv6",
    "plain",
    "present_certificate",
    "query",
    "rewrite_transport",
    "root_dse",
];

fn without_quotes(name: Option<&str>, value: &str) -> Fault {
    let before = name.map(|name| format!("{name} = ")).unwrap_or_default();
    let right = match value.to_ascii_lowercase().as_str() {
        "true" | "yes" | "on" | "y" => "true".to_owned(),
        "false" | "no" | "off" | "n" => "false".to_owned(),
        "null" | "none" | "nil" => {
            return Fault::new("there is no such value").help("leave the key out, or write \"\"");
        }
        _ => {
            let digits = value.trim_start_matches('0');
            if digits.len() < value.len()
                && !digits.is_empty()
                && digits.bytes().all(|byte| byte.is_ascii_digit())
            {
                return Fault::new("a number does not begin with 0").help(format!("write {before}{digits}"));
            }
            if let Some(name) = name.filter(|name| BOOLEANS.contains(name)) {
                return Fault::new(format!("`{name}` must be true or false"))
                    .help(format!("write {name} = true, or {name} = false"));
            }
            return Fault::new("this value needs quotes").help(format!("write {before}\"{value}\""));
        }
    };
    Fault::new(format!("`{value}` is no value that TOML knows")).help(format!("write {before}{right}"))
}

/// The mistake of text after the value that ends at `end`.
fn follows(line: &str, end: usize) -> Found {
    let rest = line.get(end..)?;
    let junk = rest.trim_start();
    let help = match junk.chars().next()? {
        '#' => return None,
        ';' => "a line ends without a semicolon, and a comment begins with #",
        ',' if junk.len() == 1 => "a line ends without a comma",
        ',' | '"' | '\'' => "several values are a list: [\"…\", \"…\"]",
        ']' | '}' => "no bracket was opened for this one",
        _ => COMMENT,
    };
    Some((
        line.len() - junk.len()..line.len(),
        Fault::new("nothing may follow the value on its line").help(help),
    ))
}

/// The mistake of characters that a text cannot have.
fn of_characters(line: &str, at: usize, message: &str) -> Found {
    if message.contains("escape") || message.contains("unicode value") {
        let at = line.get(..at.min(line.len()))?.rfind('\\').unwrap_or(at);
        let fault = Fault::new("in \"…\" a backslash begins an escape, and this is none");
        return Some((
            at..(at + 2).min(line.len()),
            fault.help("write two backslashes, or put the text into '…'"),
        ));
    }
    let (at, c) = line.char_indices().find(|(_, c)| c.is_control() && !matches!(c, '\t' | '\n' | '\r'))?;
    let what = if c == '\0' {
        "a NUL character".to_owned()
    } else {
        format!("a control character (U+{:04X})", u32::from(c))
    };
    Some((at..at + c.len_utf8(), Fault::new(format!("this is {what}, which no text has")).help("delete it")))
}

/// Whether a word is a complete value.
fn is_scalar(word: &str) -> bool {
    !word.is_empty() && format!("x = {word}").parse::<toml::Table>().is_ok()
}

/// Whether the text looks like a comment of another language.
fn is_comment(text: &str) -> bool {
    ["//", "/*", "--", ";", "<!--"].iter().any(|mark| text.starts_with(mark))
}
