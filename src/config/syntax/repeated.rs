//! A repeated key or table. Both places are shown.

use std::ops::Range;

use super::Mistake;
use super::statements::{Statement, text_end};
use crate::config::report::Fault;

/// Whether the parser's error is about a repeated key.
pub(super) fn is_meant(error: &toml::de::Error) -> bool {
    error.message().starts_with("duplicate key")
}

/// The table whose header is at `at`, if there is one.
pub(super) fn table(statements: &[Statement], at: usize) -> Option<Range<usize>> {
    let index = statements.partition_point(|one| one.span.start <= at).checked_sub(1)?;
    let header = statements.get(index).filter(|one| one.is_header)?;
    let next = statements.get(index + 1..)?.iter().find(|one| one.is_header);
    Some(header.span.start..next.map_or(usize::MAX, |one| one.span.start))
}

/// The mistake of the repeated key at `span`.
pub(super) fn mistake(text: &str, statements: &[Statement], span: Range<usize>) -> Mistake {
    let key = text.get(span.clone()).unwrap_or_default();
    let index = statements.partition_point(|one| one.span.start <= span.start);
    let (before, statement) = match index.checked_sub(1).and_then(|index| statements.split_at_checked(index))
    {
        Some((before, [statement, ..])) => (before, statement),
        _ => (statements, &Statement::default()),
    };
    let (what, first) = if statement.is_header {
        let path = |one: &Statement| parts(header(text, one)?);
        let meant = path(statement);
        let first = before.iter().find(|one| one.is_header && meant.is_some() && path(one) == meant);
        (
            format!("the table [{}]", header(text, statement).unwrap_or(key).trim()),
            first.map(|one| one.span.clone()),
        )
    } else if statement.span.start == span.start {
        let above = before.iter().rev().take_while(|one| !one.is_header);
        let first = above.filter_map(|one| Some((one, text.get(one.span.clone())?)));
        let first = first.filter(|(_, line)| begins_with_key(line, key)).last();
        (format!("`{key}`"), first.map(|(one, _)| one.span.start..one.span.start + key.len()))
    } else {
        let inside = text.get(statement.span.start..span.start).unwrap_or_default();
        let first = inside.rmatch_indices(key).map(|(at, _)| at).find(|at| {
            let free =
                inside.get(..*at).is_some_and(|before| before.ends_with([' ', ',', '{', '\t', '\n', '"']));
            free && inside.get(*at..).is_some_and(|rest| begins_with_key(rest, key))
        });
        let first = first.map(|at| statement.span.start + at);
        (format!("`{key}`"), first.map(|start| start..start + key.len()))
    };
    let help = if statement.is_header {
        "put everything that belongs to it below the first one"
    } else {
        "keep one of the two"
    };
    let fault = Fault::new(format!("{what} is there twice")).label("again").help(help);
    let mut mistake = Mistake::new(span, fault);
    mistake.other = first.map(|first| (first, "first here".to_owned()));
    mistake
}

/// The text between the brackets of a header.
pub(super) fn header<'t>(text: &'t str, statement: &Statement) -> Option<&'t str> {
    let line = text.get(statement.span.clone())?.trim_start_matches('[');
    let bytes = line.as_bytes();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b']' => return line.get(..at),
            b'"' | b'\'' => at = text_end(bytes, at).unwrap_or_else(|end| end).max(at + 1),
            _ => at += 1,
        }
    }
    None
}

/// The parts of a dotted name, without blanks and quotes. `None`: it is no such name.
fn parts(name: &str) -> Option<Vec<String>> {
    let table = format!("{name} = 0").parse::<toml::Table>().ok()?;
    let mut parts = Vec::new();
    let mut value = toml::Value::Table(table);
    while let toml::Value::Table(table) = value {
        let (name, below) = table.into_iter().next()?;
        parts.push(name);
        value = below;
    }
    Some(parts)
}

fn begins_with_key(text: &str, key: &str) -> bool {
    text.strip_prefix(key)
        .is_some_and(|rest| rest.trim_start_matches([' ', '\t', '"', '\'']).starts_with(['=', '.']))
}
