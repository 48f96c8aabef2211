//! JSON with comments, and places in it. A comment runs from `//` to the end of the line. People write such comments
//! when they show account documents to each other.

use std::cell::Cell;
use std::fmt;

use memchr::{memchr_iter, memrchr};

/// A place in a text. Line and column both count from 1, and the column counts characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct TextPosition {
    /// The line.
    pub line: usize,
    /// The column.
    pub column: usize,
}

/// A remark about a place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Remark {
    /// The place.
    pub position: TextPosition,
    /// A sentence.
    pub text: String,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.position.line, self.position.column, self.text)
    }
}

/// Replaces comments by blanks, so that everything else keeps its place. Two slashes within a string are no comment.
/// Every kind of Unicode blank becomes an ordinary blank: documents that were copied from a web page have blanks that
/// JSON does not know.
pub(super) fn without_comments(text: &str) -> String {
    let mut plain = String::with_capacity(text.len());
    let (mut is_string, mut is_escaped, mut is_comment) = (false, false, false);
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        if is_comment {
            is_comment = c != '\n';
        } else if is_string {
            is_string = is_escaped || c != '"';
            is_escaped = !is_escaped && c == '\\';
        } else {
            is_string = c == '"';
            is_comment = c == '/' && characters.peek() == Some(&'/');
        }
        match is_comment || (!is_string && c.is_whitespace() && c != '\n') {
            // As many blanks as the character has octets, because places are counted in octets.
            true => plain.extend(std::iter::repeat_n(' ', c.len_utf8())),
            false => plain.push(c),
        }
    }
    plain
}

/// Finds places in a text. It continues counting from the last place, so that a walk through the text counts each line
/// once.
#[derive(Debug)]
pub(super) struct Places<'t> {
    text: &'t str,
    /// The octet of the last place, and how many lines end before it.
    last: Cell<(usize, usize)>,
}

impl<'t> Places<'t> {
    pub(super) fn of(text: &'t str) -> Self {
        Self { text, last: Cell::new((0, 0)) }
    }

    /// The place of the octet `at`.
    fn at(&self, at: usize) -> TextPosition {
        let octets = self.text.as_bytes();
        let at = at.min(octets.len());
        let (from, lines) = Some(self.last.get()).filter(|(last, _)| *last <= at).unwrap_or_default();
        let lines = lines + memchr_iter(b'\n', octets.get(from..at).unwrap_or_default()).count();
        self.last.set((at, lines));
        let start = memrchr(b'\n', octets.get(..at).unwrap_or_default()).map_or(0, |at| at + 1);
        let column = self.text.get(start..at).unwrap_or_default().chars().count() + 1;
        TextPosition { line: lines + 1, column }
    }

    /// The place of `part`, which is a slice of the text.
    pub(super) fn of_part(&self, part: &str) -> TextPosition {
        self.at(part.as_ptr().addr().saturating_sub(self.text.as_ptr().addr()))
    }
}

/// The message of a syntax error, with its place in characters.
pub(super) fn syntax(text: &str, error: &serde_json::Error) -> Remark {
    let line = error.line().max(1);
    let start = memchr_iter(b'\n', text.as_bytes()).map(|at| at + 1).nth(line.wrapping_sub(2));
    let start = if line == 1 { 0 } else { start.unwrap_or(text.len()) };
    let mut at = (start + error.column().saturating_sub(1)).min(text.len());
    while !text.is_char_boundary(at) {
        at -= 1;
    }
    let said = error.to_string();
    let said = said.rsplit_once(" at line ").map_or(said.as_str(), |(said, _)| said);
    Remark { position: Places::of(text).at(at), text: format!("this is not JSON: {said}") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_5_comments_go_and_everything_else_stays_where_it_is() {
        for (text, plain) in [
            ("{} // a", "{}     "),
            ("// a\n{}", "    \n{}"),
            ("{\"a\": \"http://b\"} // \"", "{\"a\": \"http://b\"}     "),
            ("{\"a\\\"//\": 1}//é", "{\"a\\\"//\": 1}    "),
            ("[\"\\\\\"] // x", "[\"\\\\\"]     "),
            ("1 / 2", "1 / 2"),
            ("\u{a0}[\"\u{a0}\"]", "  [\"\u{a0}\"]"),
        ] {
            let found = without_comments(text);
            assert_eq!((found.as_str(), found.len()), (plain, text.len()));
        }
    }

    #[test]
    fn item_5_columns_count_characters() {
        let text = "{\n  \"é\": x\n}";
        let error = serde_json::from_str::<serde_json::Value>(text).unwrap_err();
        let remark = syntax(text, &error);
        assert_eq!(remark.to_string(), "2:8: this is not JSON: expected value");
        let places = Places::of(text);
        for (at, line, column) in [(7, 2, 5), (12, 3, 1), (0, 1, 1), (5, 2, 4)] {
            assert_eq!(places.of_part(&text[at..]), TextPosition { line, column }, "{at}");
        }
    }
}
