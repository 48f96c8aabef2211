//! What Portward says while it runs: decision lines in the reference's manner, and notes (contract section 8).
//!
//! Lines go through a bounded queue to a thread that writes them to standard error. A slow journal costs lines, which
//! are counted. It never costs a connection. `tracing-appender` provides the queue and the thread. The text is ours.

mod escape;
mod line;

use std::io::Write as _;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use serde_json::json;
use time::OffsetDateTime;
use time::format_description::BorrowedFormatItem;
use time::macros::format_description;
use tracing_appender::non_blocking::{NonBlocking, NonBlockingBuilder, WorkerGuard};

pub(crate) use escape::{escaped, harmless, is_unseen};
pub use line::{Line, Outcome, Subject};

use crate::config::LogFormat;
use crate::guard::Listed;

/// How many lines may wait to be written.
const QUEUE: usize = 8192;

const TIMESTAMP: &[BorrowedFormatItem<'_>] =
    format_description!("[year]-[month]-[day]T[hour]:[minute]:[second].[subsecond digits:3]Z");

/// How serious a note is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Level {
    /// An event that needs no action.
    Info,
    /// An administrator should look.
    Warning,
    /// Something failed that should have worked.
    Error,
}

impl Level {
    const fn name(self) -> &'static str {
        match self {
            Self::Info => "info",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// The log.
#[derive(Debug)]
pub struct Log {
    queue: NonBlocking,
    /// Each line begins with the time. The journal writes the time itself.
    timestamps: bool,
    /// How many lost lines have been reported so far.
    noted: AtomicUsize,
}

impl Log {
    /// A log to standard error. Lines are written out when the guard is dropped.
    pub fn to_stderr() -> (Self, WorkerGuard) {
        Self::new(std::io::stderr(), !stderr_is_journal())
    }

    /// A log to any writer.
    pub fn new(writer: impl std::io::Write + Send + 'static, timestamps: bool) -> (Self, WorkerGuard) {
        let (queue, guard) = NonBlockingBuilder::default()
            .buffered_lines_limit(QUEUE)
            .lossy(true)
            .thread_name("log")
            .finish(writer);
        (Self { queue, timestamps, noted: AtomicUsize::new(0) }, guard)
    }

    /// Writes a decision line.
    pub fn decision(&self, format: LogFormat, line: &Line<'_>, query: bool) {
        let text = match format {
            LogFormat::Text => line.text(query),
            LogFormat::Json => line.json(query).to_string(),
        };
        self.write(format, &text);
    }

    /// Writes a note.
    pub fn note(&self, format: LogFormat, level: Level, text: &str) {
        match format {
            // A diagnostic of several lines says its level itself.
            LogFormat::Text => text.lines().enumerate().for_each(|(number, line)| {
                let said = number > 0 || line.starts_with("warning") || line.starts_with("error");
                let line = if said { line.to_owned() } else { format!("{}: {line}", level.name()) };
                self.write(format, &line);
            }),
            LogFormat::Json => {
                self.write(format, &json!({ "level": level.name(), "message": text }).to_string())
            }
        }
    }

    /// Writes that connection `id` has put an address onto the blacklist, in the words of the reference.
    pub fn blacklisted(&self, format: LogFormat, id: u64, listed: &Listed) {
        let Listed { who, expiration, count } = listed;
        let time = expiration
            .map_or_else(|| "until it is removed".to_owned(), |time| format!("for {}", human(time)));
        let text = match format {
            LogFormat::Text => {
                format!(
                    "REVERSE-PROXY {id} {who} blacklisted {time}: {count} suspicious requests in a minute"
                )
            }
            LogFormat::Json => json!({
                "id": id,
                "client": who.to_string(),
                "outcome": "blacklisted",
                "seconds": expiration.map(|time| time.as_secs_f64()),
                "count": count,
            })
            .to_string(),
        };
        self.write(format, &text);
    }

    /// How many lines were lost since the start. Lines are lost when they cannot be written fast enough.
    pub fn dropped(&self) -> usize {
        self.queue.error_counter().dropped_lines()
    }

    /// Writes how many lines were lost since the last call, if any were lost.
    pub fn note_dropped(&self, format: LogFormat) {
        let dropped = self.dropped();
        let before = self.noted.swap(dropped, Ordering::Relaxed);
        if dropped > before {
            self.note(format, Level::Warning, &format!("{} log lines were dropped", dropped - before));
        }
    }

    fn write(&self, format: LogFormat, text: &str) {
        let mut line = String::with_capacity(text.len() + 40);
        let now = self.timestamps.then(|| OffsetDateTime::now_utc().format(TIMESTAMP).unwrap_or_default());
        match (format, now) {
            (LogFormat::Text, Some(now)) => line.extend([&now, " ", text, "\n"]),
            (LogFormat::Json, Some(now)) => {
                line.extend(["{\"time\":\"", &now, "\",", text.strip_prefix('{').unwrap_or(text), "\n"]);
            }
            (_, None) => line.extend([text, "\n"]),
        }
        let _ = self.queue.clone().write_all(line.as_bytes());
    }
}

/// A duration as an administrator writes it: `5m`, `1h30m`, `90d`.
pub fn human(time: Duration) -> String {
    let mut left = time.as_millis();
    let mut text = String::new();
    for (unit, millis) in [("d", 86_400_000), ("h", 3_600_000), ("m", 60_000), ("s", 1_000), ("ms", 1)] {
        if left >= millis {
            text.push_str(&format!("{}{unit}", left / millis));
            left %= millis;
        }
    }
    if text.is_empty() { "0s".to_owned() } else { text }
}

/// Whether standard error is the journal's (systemd.exec(5), `$JOURNAL_STREAM`).
fn stderr_is_journal() -> bool {
    let Ok(stream) = std::env::var("JOURNAL_STREAM") else { return false };
    rustix::fs::fstat(rustix::stdio::stderr())
        .is_ok_and(|stat| stream == format!("{}:{}", stat.st_dev, stat.st_ino))
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::{Arc, Mutex};

    #[derive(Clone, Default)]
    struct Kept(Arc<Mutex<Vec<u8>>>);

    impl std::io::Write for Kept {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().unwrap().extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    #[test]
    fn durations_are_said_as_they_are_written() {
        for (seconds, text) in [(300, "5m"), (5_400, "1h30m"), (7_776_000, "90d"), (2, "2s"), (0, "0s")] {
            assert_eq!(human(Duration::from_secs(seconds)), text);
        }
        assert_eq!(human(Duration::from_millis(1_500)), "1s500ms");
    }

    #[test]
    fn a_note_says_its_level_once() {
        let kept = Kept::default();
        let (log, guard) = Log::new(kept.clone(), false);
        log.note(LogFormat::Text, Level::Info, "listening");
        log.note(LogFormat::Text, Level::Warning, "warning: this\n --> there\n\nwarning: that");
        log.note(LogFormat::Json, Level::Error, "two\nlines");
        drop(guard);
        let text = String::from_utf8(kept.0.lock().unwrap().clone()).unwrap();
        let json = r#"{"level":"error","message":"two\nlines"}"#;
        assert_eq!(text, format!("info: listening\nwarning: this\n --> there\n\nwarning: that\n{json}\n"));
    }
}
