//! Characters of word processors and web pages in the place of plain ones: blanks that are no spaces, curly quotes, and
//! the line ends of old Macs. Each kind is reported once in a file, because all of them were pasted together.

use std::ops::Range;

use super::statements::{line_end, text_end};
use super::{Mended, Mistake};
use crate::config::report::Fault;

/// Replaces these characters by plain ones. The number of octets stays the same.
pub(super) fn replace(mended: &mut Mended) {
    let text = mended.text.clone();
    let found = Found::of(&text);
    for range in found.blanks.iter().chain(&found.nul) {
        mended.text.replace_range(range.clone(), &" ".repeat(range.len()));
    }
    for (open, close) in &found.quotes {
        mended.text.replace_range(open.clone(), &format!("{:>1$}", '"', open.len()));
        mended.text.replace_range(close.clone(), &format!("{:<1$}", '"', close.len()));
    }
    for range in &found.returns {
        mended.text.replace_range(range.clone(), "\n");
    }
    let first = |found: &[Range<usize>], fault: fn(&str) -> Fault, help: &str| {
        let span = found.first()?.clone();
        let fault = fault(text.get(span.clone())?);
        let more = found.len() - 1;
        let help = if more > 0 { format!("{help} ({more} more of them follow)") } else { help.to_owned() };
        Some(Mistake::new(span, fault.help(help)))
    };
    let quotes: Vec<_> = found.quotes.iter().map(|(open, close)| open.start..close.end).collect();
    let faults = [
        first(
            &found.blanks,
            no_space,
            "delete it and type a plain space; web pages and word processors put it there",
        ),
        first(
            &quotes,
            |_| Fault::new("these are not the quotes that TOML knows"),
            "write \"…\" with straight quotes; word processors make them curly",
        ),
        first(&found.nul, |_| Fault::new("this is a NUL character, which no text has"), "delete it"),
        first(
            &found.returns,
            |_| Fault::new("the line ends in a carriage return alone"),
            "save the file with the line ends of Unix or of Windows",
        ),
    ];
    mended.mistakes.extend(faults.into_iter().flatten());
}

/// The fault of a value that contains a blank which is no space.
pub(in crate::config) fn pasted_in(text: &str) -> Option<Fault> {
    if text.is_ascii() {
        return None;
    }
    let (at, c) = text.char_indices().find(|(_, c)| is_blank(*c))?;
    Some(
        Fault::new(format!("{} stands here (U+{:04X})", name_of(c), u32::from(c)))
            .at(at..at + c.len_utf8())
            .help("delete it; it came with what was copied from a web page or a word processor"),
    )
}

fn no_space(text: &str) -> Fault {
    let c = text.chars().next().unwrap_or(' ');
    Fault::new(format!("this is {} (U+{:04X}), not a space", name_of(c), u32::from(c)))
}

fn name_of(c: char) -> &'static str {
    match c {
        '\u{a0}' | '\u{202f}' | '\u{2007}' => "a no-break space",
        '\u{feff}' => "a byte order mark",
        '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{ad}' => "a character that cannot be seen",
        _ => "a special space",
    }
}

/// The places of such characters, outside of comments and quoted texts.
#[derive(Default)]
struct Found {
    blanks: Vec<Range<usize>>,
    /// The places of opening and closing quotes.
    quotes: Vec<(Range<usize>, Range<usize>)>,
    nul: Vec<Range<usize>>,
    returns: Vec<Range<usize>>,
}

impl Found {
    fn of(text: &str) -> Self {
        let mut found = Self::default();
        let bytes = text.as_bytes();
        let mut at = 0;
        while let Some(c) = text.get(at..).and_then(|rest| rest.chars().next()) {
            let range = at..at + c.len_utf8();
            at = range.end;
            match c {
                '#' => at = comment_end(bytes, at),
                '"' | '\'' => at = text_end(bytes, range.start).unwrap_or_else(|end| end).max(at),
                '\0' => found.nul.push(range),
                '\r' if bytes.get(at) != Some(&b'\n') => found.returns.push(range),
                // At the very beginning of a text it is the byte order mark of UTF-8.
                '\u{feff}' if range.start == 0 => {}
                c if is_blank(c) => found.blanks.push(range),
                '`' if bytes.get(at..).is_some_and(|rest| rest.starts_with(b"``")) => {
                    at = comment_end(bytes, at)
                }
                c if is_curly(c) => {
                    let line = text.get(at..line_end(bytes, at)).unwrap_or_default();
                    if let Some((start, close)) = line.char_indices().find(|(_, c)| is_curly(*c) || *c == '"')
                    {
                        let close = at + start..at + start + close.len_utf8();
                        at = close.end;
                        found.quotes.push((range, close));
                    }
                }
                _ => {}
            }
        }
        found
    }
}

/// The end of a comment. Any kind of line end ends it.
fn comment_end(bytes: &[u8], at: usize) -> usize {
    let rest = bytes.get(at..).unwrap_or_default();
    memchr::memchr2(b'\n', b'\r', rest).map_or(bytes.len(), |len| at + len)
}

fn is_blank(c: char) -> bool {
    matches!(
        c,
        '\u{85}' | '\u{a0}' | '\u{ad}' | '\u{1680}' | '\u{2000}'
            ..='\u{200f}'
                | '\u{2028}'
                | '\u{2029}'
                | '\u{202f}'
                | '\u{205f}'
                | '\u{2060}'
                | '\u{3000}'
                | '\u{feff}'
    )
}

fn is_curly(c: char) -> bool {
    matches!(c, '\u{201c}'..='\u{201f}' | '\u{2018}'..='\u{201b}' | '«' | '»' | '‹' | '›' | '\u{ff02}' | '\u{2033}' | '`' | '´')
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mended(text: &str) -> Mended {
        let mut mended = Mended { text: text.to_owned(), mistakes: Vec::new(), doubtful: Vec::new() };
        replace(&mut mended);
        assert_eq!(mended.text.len(), text.len());
        mended
    }

    #[test]
    fn plain_characters_take_their_place() {
        for (text, plain, mistakes) in [
            ("a\u{a0}=\u{a0}1", "a  =  1", 1),
            ("a = “b”", "a =   \"b\"  ", 1),
            ("a = „b“ # “c”", "a =   \"b\"   # “c”", 1),
            ("a = “b\"", "a =   \"b\"", 1),
            ("a = \"it’s\u{a0}“\"", "a = \"it’s\u{a0}“\"", 0),
            ("a = 1\rb = 2\r\n", "a = 1\nb = 2\r\n", 1),
            ("# a\rb = 2\r", "# a\nb = 2\n", 1),
            ("a = 1\0\0", "a = 1  ", 1),
            ("\u{feff}a = 1", "\u{feff}a = 1", 0),
            ("a = ”", "a = ”", 0),
        ] {
            let mended = mended(text);
            assert_eq!((mended.text.as_str(), mended.mistakes.len()), (plain, mistakes), "{text:?}");
        }
    }

    #[test]
    fn one_kind_is_one_mistake() {
        let mended = mended("a\u{a0}= 1\nb\u{a0}= 2\n\u{200b}c = “d”\n");
        assert_eq!(mended.mistakes.len(), 2);
        assert_eq!(mended.mistakes[0].span, 1..3);
    }
}
