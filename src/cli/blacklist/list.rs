//! `portward blacklist list`: the list as it comes, page by page, however long it is.

use std::io::{self, BufWriter, Write};

use serde_json::Value;

use super::line;
use crate::admin::LARGEST_PAGE;
use crate::admin::client::NoAnswer;
use crate::cli::daemon::field;

/// Writes at most `limit` entries to standard output. `ask` gets the answer to a path of the daemon's.
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
        // A reader that has gone away (`| head`) is no error of ours; there is no reason to go on then.
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

/// What has been written so far.
struct Written {
    json: bool,
    begun: bool,
    /// Every entry that came was written.
    complete: bool,
    entries: usize,
}

impl Written {
    /// A page, `most` entries of it. In JSON it is one object: the count, then the entries as they come.
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
        // What has expired counts until it is taken out: where the list has ended there is no more to show.
        let has_ended = field(answer, "next").is_null() && self.complete;
        match count.saturating_sub(self.entries as u64) {
            _ if has_ended && self.entries > 0 => Ok(()),
            _ if has_ended => writeln!(out, "nobody is listed"),
            0 => Ok(()),
            more => writeln!(out, "and {more} more: --limit {count}"),
        }
    }
}
