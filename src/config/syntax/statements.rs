//! Divides a text that may be no TOML into statements: headers of tables, and keys with their values.
//!
//! A statement ends with its line, unless a bracket or a multi-line string is open. If that is never closed, the
//! statement ends before the next line that can only begin another statement.

use std::ops::Range;

use super::Mistake;
use crate::config::report::Fault;

/// A header, or a key with its value, without the blanks around it and the comments before it.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub(super) struct Statement {
    pub(super) span: Range<usize>,
    /// Whether it begins with a bracket and so is the name of a table.
    pub(super) is_header: bool,
    /// Whether it is the header of a table within the preceding host: `[host.sip]`.
    is_below: bool,
    open: Option<Open>,
}

/// A bracket or quote that is never closed.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Open {
    /// Its beginning.
    at: usize,
    what: What,
    /// The text before which it should have been closed. `None`: at the end of the text.
    before: Option<Range<usize>>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum What {
    List,
    Table,
    Text,
}

/// All statements of a text, in order.
pub(super) fn all(text: &str) -> Vec<Statement> {
    let bytes = text.as_bytes();
    let mut statements = Vec::new();
    let mut at = 0;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b' ' | b'\t' | b'\r' | b'\n' => at += 1,
            b'#' => at = line_end(bytes, at),
            0xEF if bytes.get(at..).is_some_and(|rest| rest.starts_with("\u{feff}".as_bytes())) => at += 3,
            b'[' => {
                let span = at..line_end(bytes, at);
                let is_below = text.get(at + 1..).is_some_and(|rest| rest.starts_with("host."));
                at = span.end.max(at + 1);
                statements.push(Statement { span, is_header: true, is_below, open: None });
            }
            _ => {
                let (end, open) = Scan { bytes, stack: Vec::new(), last: 0, open: None }.value(at);
                statements.push(Statement { span: at..end, is_header: false, is_below: false, open });
                at = end.max(at + 1);
            }
        }
    }
    statements
}

/// The table that contains a statement, with the tables below it: from its header to the header of the next table.
pub(super) fn table(statements: &[Statement], statement: &Statement) -> Range<usize> {
    let index = statements.partition_point(|one| one.span.start < statement.span.start);
    let is_head = |one: &&Statement| one.is_header && !one.is_below;
    let before = statements.get(..=index).unwrap_or_default();
    let start = before.iter().rev().find(is_head).map_or(0, |one| one.span.start);
    let after = statements.get(index + 1..).unwrap_or_default();
    let next = after.iter().find(is_head).map(|one| one.span.start);
    start..next.or_else(|| statements.last().map(|last| last.span.end)).unwrap_or(statement.span.end)
}

/// The end of the line, without its line end.
pub(super) fn line_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    let end = memchr::memchr(b'\n', rest).map_or(bytes.len(), |len| at + len);
    end - usize::from(end > at && bytes.get(end - 1) == Some(&b'\r'))
}

/// The end of the quoted text that begins at `at`, after its quotes. `Err`: it is never closed, and ends there.
pub(super) fn text_end(bytes: &[u8], at: usize) -> Result<usize, usize> {
    let rest = bytes.get(at..).unwrap_or_default();
    let Some(quote) = rest.first().copied() else { return Err(at) };
    let many = rest.len() >= 3 && rest.iter().take(3).all(|byte| *byte == quote);
    let (width, limit) = if many { (3, bytes.len()) } else { (1, line_end(bytes, at)) };
    let mut i = at + width;
    while i < limit {
        match bytes.get(i) {
            Some(b'\\') if quote == b'"' => i += 2,
            Some(byte) if *byte == quote => {
                let run = bytes.get(i..limit).unwrap_or_default().iter().take_while(|b| **b == quote).count();
                match many {
                    false => return Ok(i + 1),
                    true if run >= 3 => return Ok(i + run),
                    true => i += run,
                }
            }
            _ => i += 1,
        }
    }
    Err(limit)
}

/// A walk through a key and its value.
struct Scan<'t> {
    bytes: &'t [u8],
    /// The open brackets.
    stack: Vec<(u8, usize)>,
    /// The last octet that is neither a blank nor part of a comment.
    last: u8,
    open: Option<Open>,
}

impl Scan<'_> {
    /// The end of the statement that begins at `at`, and the bracket or quote that it leaves open.
    fn value(mut self, mut at: usize) -> (usize, Option<Open>) {
        let mut end = at;
        while let Some(byte) = self.bytes.get(at).copied() {
            match byte {
                b' ' | b'\t' | b'\r' => at += 1,
                b'\n' if self.stack.is_empty() => break,
                b'\n' => match self.next_statement(at + 1) {
                    Some(next) => {
                        self.leave_open(Some(next));
                        break;
                    }
                    None => at += 1,
                },
                b'#' => at = line_end(self.bytes, at),
                b'"' | b'\'' => {
                    at = text_end(self.bytes, at).unwrap_or_else(|end| {
                        let text = Open { at, what: What::Text, before: None };
                        self.open.get_or_insert(text);
                        end
                    });
                    (self.last, end) = (byte, at);
                }
                _ => {
                    self.bracket(byte, at);
                    at += 1;
                    (self.last, end) = (byte, at);
                }
            }
        }
        self.leave_open(None);
        (end, self.open)
    }

    fn bracket(&mut self, byte: u8, at: usize) {
        let opener = match byte {
            b'[' | b'{' => return self.stack.push((byte, at)),
            b']' => b'[',
            b'}' => b'{',
            _ => return,
        };
        if !self.stack.iter().any(|(open, _)| *open == opener) {
            return; // the parser reports the surplus bracket
        }
        while let Some((open, _)) = self.stack.last().copied() {
            if open == opener {
                self.stack.pop();
                return;
            }
            self.leave_open(Some(at..at + 1));
            self.stack.pop();
        }
    }

    /// Notes that the innermost open bracket is never closed.
    fn leave_open(&mut self, before: Option<Range<usize>>) {
        if let Some((open, at)) = self.stack.last().copied() {
            let what = if open == b'[' { What::List } else { What::Table };
            self.open.get_or_insert(Open { at, what, before });
        }
    }

    /// The beginning of the line at `at`, if the line can only begin another statement.
    fn next_statement(&self, at: usize) -> Option<Range<usize>> {
        let blank = |byte: &&u8| matches!(byte, b' ' | b'\t');
        let line = self.bytes.get(at..line_end(self.bytes, at))?;
        let start = line.iter().take_while(blank).count();
        let line = line.get(start..)?;
        let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.');
        if line.first() == Some(&b'[') {
            let brackets = line.iter().take_while(|byte| **byte == b'[').count();
            let is_name = brackets <= 2 && line.get(brackets).is_some_and(u8::is_ascii_alphabetic);
            return is_name.then_some(at + start..at + start + line.len());
        }
        let word = line.iter().take_while(|byte| is_word(byte)).count();
        let mut after = line.get(word..)?.iter().skip_while(|byte| blank(byte));
        let is_pair = word > 0 && after.next() == Some(&b'=');
        // In an inline table a line may begin with a key after a comma.
        let is_inside =
            self.stack.last().is_some_and(|(open, _)| *open == b'{') && matches!(self.last, b'{' | b',');
        (is_pair && !is_inside).then_some(at + start..at + start + word)
    }
}

impl Statement {
    /// The mistake, if a bracket or quote is never closed.
    pub(super) fn unclosed(&self, text: &str) -> Option<Mistake> {
        let Open { at, what, before } = self.open.as_ref()?;
        if *what == What::Text && super::words::begins_bare(text, self) {
            return None; // `name = a"`: what is missing is the quote at its beginning
        }
        let (what, closer) = match what {
            What::List => ("list", "]"),
            What::Table => ("table", "}"),
            What::Text if text.get(*at..).is_some_and(|rest| rest.starts_with('\'')) => ("text", "'"),
            What::Text => ("text", "\""),
        };
        let fault = Fault::new(format!("the {what} that begins here is not closed"))
            .label(format!("the closing `{closer}` is missing"));
        let end = line_end(text.as_bytes(), *at);
        let mut mistake = Mistake::new(*at..*at + 1, fault);
        mistake.other = before.clone().map(|before| (before, "it should stand before this".to_owned()));
        if what == "text" && text_end(text.as_bytes(), *at) == Err(end) {
            let fault =
                Fault::new("a text is not closed").label(format!("the closing `{closer}` is missing"));
            mistake = Mistake::new(end..end, fault);
            mistake.other = Some((*at..*at + 1, "it begins here".to_owned()));
        }
        Some(mistake)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn spans(text: &str) -> Vec<&str> {
        all(text).iter().map(|one| &text[one.span.clone()]).collect()
    }

    #[test]
    fn a_statement_ends_with_its_line_or_its_bracket() {
        let text = "# x\n[a] # y\r\nb = \"#\" # z\n c = [ # ]\n '''\n]''', { d = 1 },\n]\ne = \"\"\"\nf = 1\n\"\"\"\ng=1";
        assert_eq!(
            spans(text),
            [
                "[a] # y",
                "b = \"#\"",
                "c = [ # ]\n '''\n]''', { d = 1 },\n]",
                "e = \"\"\"\nf = 1\n\"\"\"",
                "g=1"
            ]
        );
        assert!(all(text).iter().all(|one| one.open.is_none()));
    }

    #[test]
    fn what_is_never_closed_ends_before_the_next_statement() {
        for (text, first, at) in [
            ("a = [\n1,\n[[host]]\nb = 1", "a = [\n1,", 4),
            ("a = [\n1\nb = 1\n", "a = [\n1", 4),
            ("a = { b = 1\nc = 2\n", "a = { b = 1", 4),
            ("a = [ { b = 1, { c = 2 } ]\nd = 1", "a = [ { b = 1, { c = 2 } ]", 6),
            ("a = \"b\nc = 1", "a = \"b", 4),
            ("a = [\"b, 1]\nc = 1", "a = [\"b, 1]", 5),
            ("a = \"\"\"\nb = 1\n", "a = \"\"\"\nb = 1\n", 4),
        ] {
            let statements = all(text);
            assert_eq!(&text[statements[0].span.clone()], first, "{text}");
            assert_eq!(statements[0].open.as_ref().map(|open| open.at), Some(at), "{text}");
        }
    }

    #[test]
    fn a_table_has_the_tables_below_it() {
        let text = "x = 1\n[[host]]\na = 1\n[host.sip]\nb = 1\n[[host]]\nc = 1";
        let statements = all(text);
        let of = |index: usize| &text[table(&statements, &statements[index])];
        assert_eq!(of(0), "x = 1\n");
        assert_eq!(of(1), "[[host]]\na = 1\n[host.sip]\nb = 1\n");
        assert_eq!(of(4), of(1));
        assert_eq!(of(3), of(1));
        assert_eq!(of(6), "[[host]]\nc = 1");
    }

    /// Every octet outside of blanks and comments is in a statement, and statements do not overlap.
    #[test]
    fn any_text_is_cut() {
        let parts = [
            "a = ", "[", "]", "{", "}", "\"", "'''", "\n", "\r\n", "#", "[[host]]", "\\", "ü", "\u{feff}",
            "\0", "=",
        ];
        let mut seed = 7_u32;
        for _ in 0..5_000 {
            let mut text = String::new();
            for _ in 0..12 {
                seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
                text.push_str(parts[(seed >> 24) as usize % parts.len()]);
            }
            let mut end = 0;
            for one in all(&text) {
                assert!(one.span.start >= end && one.span.end >= one.span.start, "{text:?}");
                end = one.span.end;
                let _ = one.unclosed(&text);
            }
            assert!(end <= text.len());
        }
    }
}
