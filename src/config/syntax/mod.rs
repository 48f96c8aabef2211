//! Reports texts that are no TOML in an administrator's terms: each mistake gives one error.
//!
//! The parser only says what it expected at some place, and for one missing bracket it may say so for a dozen lines.
//! This module names each mistake and removes it from a copy of the text: characters of word processors become plain
//! ones, and a statement that cannot be read becomes blanks. The copy is as long as the text, so that places in it stay
//! right. The rest of it is read as if there were no mistake. Only texts that the parser refuses come here. The module
//! is pure.

mod pasted;
mod repeated;
mod statements;
mod words;

use std::ops::Range;

use toml::de::DeTable;

use super::report::Fault;
pub(super) use pasted::pasted_in;
use statements::Statement;

/// How often a text is read again at most. One round finds a mistake of every statement that has one, so a further
/// round is seldom needed.
const ROUNDS: usize = 4;

/// How many mistakes of one text are named at most. The text may be something else altogether, such as a log of a
/// gigabyte.
const MOST: usize = 100;

/// A mistake and its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Mistake {
    pub(super) span: Range<usize>,
    pub(super) fault: Fault,
    /// Another place in the text that matters here, and its label.
    pub(super) other: Option<(Range<usize>, String)>,
}

impl Mistake {
    fn new(span: Range<usize>, fault: Fault) -> Self {
        Self { span, fault, other: None }
    }
}

/// A text without its mistakes.
#[derive(Debug)]
pub(super) struct Mended {
    /// The text, with its original length.
    pub(super) text: String,
    /// The mistakes in the order of their places.
    pub(super) mistakes: Vec<Mistake>,
    /// Tables from which something was removed. A key that they seem to lack may have been removed.
    pub(super) doubtful: Vec<Range<usize>>,
}

/// Names and removes the mistakes of a text that the parser refuses.
pub(super) fn mend(text: &str) -> Mended {
    let mut mended = Mended { text: text.to_owned(), mistakes: Vec::new(), doubtful: Vec::new() };
    pasted::replace(&mut mended);
    let statements = statements::all(&mended.text);
    let unclosed = statements.iter().filter_map(|one| Some((one, one.unclosed(&mended.text)?)));
    let unclosed: Vec<_> = unclosed.take(MOST).collect();
    mended.take_out(unclosed, &statements);
    for _ in 0..ROUNDS {
        // The list of statements stays valid, because removed text becomes blanks.
        let wrong = mended.wrong(&statements);
        if wrong.is_empty() {
            break;
        }
        mended.take_out(wrong, &statements);
    }
    mended.finish(&statements);
    mended
}

impl Mended {
    /// The first mistake of each statement that has one.
    fn wrong<'s>(&self, statements: &'s [Statement]) -> Vec<(&'s Statement, Mistake)> {
        let mut errors = DeTable::parse_recoverable(&self.text).1;
        errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
        let mut wrong: Vec<(&Statement, Mistake)> = Vec::new();
        for error in errors.iter().filter(|error| !repeated::is_meant(error)) {
            let span = error.span().unwrap_or(0..0);
            let after = statements.partition_point(|one| one.span.start <= span.start);
            let Some(statement) = after.checked_sub(1).and_then(|index| statements.get(index)) else {
                continue;
            };
            let is_known = wrong.last().is_some_and(|(last, _)| last.span == statement.span);
            // A statement of blanks has been named before.
            let is_blank = self.text.get(statement.span.clone()).is_none_or(|text| text.trim().is_empty());
            if self.mistakes.len() + wrong.len() > MOST {
                break;
            }
            if !is_known && !is_blank {
                wrong.push((statement, words::mistake(&self.text, statement, error.message(), span)));
            }
        }
        wrong
    }

    fn take_out(&mut self, wrong: Vec<(&Statement, Mistake)>, statements: &[Statement]) {
        for (statement, mistake) in wrong {
            let table = statements::table(statements, statement);
            // Below a wrong header it is unknown to which table the keys belong, so the whole table is removed.
            let blank = if statement.is_header {
                table.start.max(statement.span.start)..table.end
            } else {
                statement.span.clone()
            };
            self.blank(blank);
            self.doubtful.push(table);
            self.mistakes.push(mistake);
        }
    }

    /// Turns every octet into a blank, except line ends.
    fn blank(&mut self, range: Range<usize>) {
        let blank = |text: &str| {
            text.bytes()
                .map(|b| if matches!(b, b'\n' | b'\r') { char::from(b) } else { ' ' })
                .collect::<String>()
        };
        if let Some(blank) = self.text.get(range.clone()).map(blank) {
            self.text.replace_range(range, &blank);
        }
    }

    /// Reports the remaining mistakes: repeated keys and tables, and mistakes that could not be removed.
    fn finish(&mut self, statements: &[Statement]) {
        self.mistakes.sort_by_key(|mistake| mistake.span.start);
        if self.mistakes.len() > MOST {
            self.give_up();
            return;
        }
        let mut errors = DeTable::parse_recoverable(&self.text).1;
        errors.sort_by_key(|error| error.span().map_or(0, |span| span.start));
        // The keys of a repeated table may be repeated as well. That is no mistake of its own.
        let mut repeated = 0..0;
        for error in errors {
            let span = error.span().unwrap_or(0..0);
            if self.mistakes.len() > MOST {
                return self.give_up();
            }
            if !repeated::is_meant(&error) {
                self.mistakes.push(words::unknown(error.message(), span));
            } else if !repeated.contains(&span.start) {
                repeated = repeated::table(statements, span.start).unwrap_or(repeated);
                self.mistakes.push(repeated::mistake(&self.text, statements, span));
            }
        }
        self.mistakes.sort_by_key(|mistake| mistake.span.start);
    }

    /// Stops: nothing more of the text is read.
    fn give_up(&mut self) {
        self.mistakes.truncate(MOST + 1);
        if let Some(last) = self.mistakes.last_mut() {
            last.fault = Fault::new("there are too many mistakes: from here on the text was not judged")
                .help("is it the right file?");
            last.other = None;
        }
        self.blank(0..self.text.len());
        self.doubtful.push(0..self.text.len());
    }
}

#[cfg(test)]
mod tests;
