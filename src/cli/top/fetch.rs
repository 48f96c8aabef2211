//! Asks the daemon again and again. A question that is not answered is asked again at the next time, for ever.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::admin::client::NoAnswer;
use crate::cli::daemon::Daemon;

/// How many entries of each list are asked for.
const ENTRIES: usize = 100;
/// The hour changes every ten seconds.
const HISTORY: Duration = Duration::from_secs(10);

/// Which daemon is asked, and how often.
pub(super) struct Source {
    pub(super) daemon: Daemon,
    pub(super) interval: Duration,
}

/// What the daemon has said at one time. What it does not know is null.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) status: Value,
    pub(super) decisions: Value,
    pub(super) top: Value,
    pub(super) targets: Value,
    pub(super) blacklist: Value,
    /// Asked for less often; `None`: not this time.
    pub(super) history: Option<Value>,
}

/// That, or why there is no answer.
pub(super) type Answer = Result<Told, NoAnswer>;

impl Source {
    /// Asks until `tell` says that its listener is gone.
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

    /// A daemon of another version may not know it: null.
    fn optional(&self, path: &str) -> Result<Value, NoAnswer> {
        match self.daemon.get(path) {
            Err(NoAnswer::Refused(404, _)) => Ok(Value::Null),
            answer => answer,
        }
    }
}
