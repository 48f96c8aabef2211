//! `portward blacklist list`: prints the list page by page, however long it is.

use std::io::{self, BufWriter, Write};

use serde_json::Value;

use super::line;
use crate::admin::LARGEST_PAGE;
use crate::admin::client::NoAnswer;
use crate::cli::daemon::field;

/// Writes at most `limit` entries to standard output. `ask` sends a request for a path to the daemon and returns the
/// answer.
///
/// # Errors
/// Why there is no answer.
pub(super) fn show(
    limit: usize,
    json: bool,
    ask: impl Fn(&str) -> Result<Value, NoAnswer>,
) -> Result<(), NoAnswer> {
    let mut out = BufWriter::new(io::stdout().lock());
    let mut written = Written { json, begun: false, complete: true, entries: 0 };
    let mut after = String::new();
    loop {
        let page = limit.saturating_sub(written.entries).clamp(1, LARGEST_PAGE);
        let answer = ask(&format!("/v1/blacklist?limit={page}{after}"))?;
        let left = limit.saturating_sub(written.entries);
        // A reader may have gone away (`| head`). That is no error, but there is no reason to go on.
        if written.page(&mut out, &answer, left).is_err() {
            return Ok(());
        }
        let next = field(&answer, "next").as_str().filter(|_| written.entries < limit);
        match next {
            Some(next) => after = format!("&after={next}"),
            None => {
                let _ = written.end(&mut out, &answer).and_then(|()| out.flush());
                return Ok(());
            }
        }
    }
}

/// What was written so far.
struct Written {
    json: bool,
    begun: bool,
    /// Whether every received entry was written.
    complete: bool,
    entries: usize,
}

impl Written {
    /// Writes `most` entries of a page. In JSON the output is one object: the count, then the entries as they come.
    fn page(&mut self, out: &mut impl Write, answer: &Value, most: usize) -> io::Result<()> {
        let entries = field(answer, "entries").as_array().map(Vec::as_slice).unwrap_or_default();
        if self.json && !std::mem::replace(&mut self.begun, true) {
            write!(out, "{{\"count\":{},\"entries\":[", field(answer, "count"))?;
        }
        self.complete &= entries.len() <= most;
        for entry in entries.iter().take(most) {
            match self.json {
                true if self.entries > 0 => write!(out, ",{entry}")?,
                true => write!(out, "{entry}")?,
                false => writeln!(out, "{}", line(entry))?,
            }
            self.entries += 1;
        }
        out.flush()
    }

    fn end(&self, out: &mut impl Write, answer: &Value) -> io::Result<()> {
        if self.json {
            return writeln!(out, "],\"next\":{}}}", field(answer, "next"));
        }
        let count = field(answer, "count").as_u64().unwrap_or_default();
        // The daemon still counts expired entries until they are removed. So if the list has ended, no entry is left
        // although the count is greater.
        let has_ended = field(answer, "next").is_null() && self.complete;
        match count.saturating_sub(self.entries as u64) {
            _ if has_ended && self.entries > 0 => Ok(()),
            _ if has_ended => writeln!(out, "no address is listed"),
            0 => Ok(()),
            more => writeln!(out, "and {more} more: --limit {count}"),
        }
    }
}
