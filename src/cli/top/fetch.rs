//! Asks the daemon at intervals. If there is no answer, the daemon is asked again at the next interval, without end.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::admin::client::NoAnswer;
use crate::cli::daemon::Daemon;

/// How many entries of each list are asked for.
const ENTRIES: usize = 100;
/// How often the last hour is asked for. It changes every ten seconds.
const HISTORY: Duration = Duration::from_secs(10);

/// The daemon that is asked, and the interval.
pub(super) struct Source {
    pub(super) daemon: Daemon,
    pub(super) interval: Duration,
}

/// The daemon's answers at one time. An unknown value is null.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) status: Value,
    pub(super) decisions: Value,
    pub(super) top: Value,
    pub(super) targets: Value,
    pub(super) blacklist: Value,
    /// The last hour, which is asked for less often. `None`: not this time.
    pub(super) history: Option<Value>,
}

/// The daemon's answers, or why there are none.
pub(super) type Answer = Result<Told, NoAnswer>;

impl Source {
    /// Asks until `tell` returns that its listener is gone.
    pub(super) fn run(self, tell: impl Fn(Answer) -> bool) {
        let mut hour = None::<Instant>;
        loop {
            let begun = Instant::now();
            let wants_history = hour.is_none_or(|hour| hour.elapsed() >= HISTORY);
            let answer = self.ask(wants_history);
            if wants_history && answer.is_ok() {
                hour = Some(begun);
            }
            if !tell(answer) {
                return;
            }
            std::thread::sleep(self.interval.saturating_sub(begun.elapsed()));
        }
    }

    fn ask(&self, wants_history: bool) -> Answer {
        let list = |name: &str| self.optional(&format!("/v1/{name}?limit={ENTRIES}"));
        Ok(Told {
            status: self.daemon.get("/v1/status")?,
            decisions: list("decisions")?,
            top: list("top")?,
            targets: list("targets")?,
            blacklist: list("blacklist")?,
            history: if wants_history { Some(self.optional("/v1/history")?) } else { None },
        })
    }

    /// A daemon of another version may not have this resource. Then the result is null.
    fn optional(&self, path: &str) -> Result<Value, NoAnswer> {
        match self.daemon.get(path) {
            Err(NoAnswer::Refused(404, _)) => Ok(Value::Null),
            answer => answer,
        }
    }
}
