//! The daemon's answers, and the rates computed from two of them. Pure: the time is an argument.

use std::time::{Duration, Instant};

use serde_json::Value;

use super::fetch::{Answer, Told};
use crate::cli::daemon::field;
use crate::service::{PerService, Service};

/// How many counters of a service only grow.
const COUNTED: usize = 5;

/// The present rates of one service.
#[derive(Debug, Clone, Copy, Default, PartialEq)]
pub(super) struct Rate {
    /// The number of open connections.
    pub(super) open: u64,
    /// In a second: connections opened, requests forwarded, requests refused, octets to the target, octets to the
    /// client.
    pub(super) per_second: [f64; COUNTED],
}

/// Counters and the time at which they were read.
#[derive(Debug, Clone)]
struct Sample {
    at: Instant,
    uptime: u64,
    counted: PerService<[u64; COUNTED]>,
}

/// Everything that is shown.
#[derive(Debug, Default)]
pub(super) struct TopState {
    pub(super) told: Told,
    pub(super) rates: PerService<Rate>,
    /// Decisions of the last hour by service, one number for each step.
    pub(super) hour: PerService<Vec<u64>>,
    /// Why there is no answer, and since when.
    pub(super) gone: Option<(String, Instant)>,
    last: Option<Sample>,
}

impl TopState {
    /// Handles an answer that came at `now`.
    pub(super) fn take(&mut self, answer: Answer, now: Instant) {
        let mut told = match answer {
            Ok(told) => told,
            Err(error) => {
                let since = self.gone.as_ref().map_or(now, |(_, since)| *since);
                self.gone = Some((error.to_string(), since));
                self.rates = PerService::default();
                self.last = None;
                return;
            }
        };
        self.gone = None;
        let sample = Sample {
            at: now,
            uptime: field(&told.status, "uptime").as_u64().unwrap_or_default(),
            counted: PerService::from_fn(|service| counted(&told.status, service)),
        };
        self.rates = PerService::from_fn(|service| Rate {
            open: sum(field(of(&told.status, service), "open")),
            per_second: self.last.as_ref().map_or([0.0; COUNTED], |last| sample.since(last, service)),
        });
        self.last = Some(sample);
        if let Some(history) = told.history.take() {
            self.hour = PerService::from_fn(|service| hour(&history, service));
        }
        self.told = told;
    }

    /// How long there has been no answer.
    pub(super) fn gone_for(&self, now: Instant) -> Option<(&str, Duration)> {
        let (why, since) = self.gone.as_ref()?;
        Some((why, now.saturating_duration_since(*since)))
    }
}

impl Sample {
    fn since(&self, last: &Self, service: Service) -> [f64; COUNTED] {
        let seconds = self.at.saturating_duration_since(last.at).as_secs_f64();
        // After a restart the counters begin again.
        if seconds <= 0.0 || self.uptime < last.uptime {
            return [0.0; COUNTED];
        }
        let mut rates = [0.0; COUNTED];
        let numbers = self.counted[service].iter().zip(&last.counted[service]);
        for (rate, (now, before)) in rates.iter_mut().zip(numbers) {
            *rate = now.saturating_sub(*before) as f64 / seconds;
        }
        rates
    }
}

/// The counters of a service.
fn of(status: &Value, service: Service) -> &Value {
    field(field(status, "counters"), service.name())
}

fn counted(status: &Value, service: Service) -> [u64; COUNTED] {
    let of = of(status, service);
    let number = |group: &str, name: &str| field(field(of, group), name).as_u64().unwrap_or_default();
    [
        sum(field(of, "connections")),
        number("decisions", "forwarded"),
        number("decisions", "rejected"),
        number("bytes", "up"),
        number("bytes", "down"),
    ]
}

/// A number, or the sum of all numbers in an object.
fn sum(value: &Value) -> u64 {
    match value {
        Value::Object(fields) => fields.values().filter_map(Value::as_u64).sum(),
        other => other.as_u64().unwrap_or_default(),
    }
}

/// The decisions of the last hour.
fn hour(history: &Value, service: Service) -> Vec<u64> {
    let of = field(field(history, "services"), service.name());
    let column = |name: &str| field(of, name).as_array().map(Vec::as_slice).unwrap_or_default();
    let (forwarded, rejected) = (column("forwarded"), column("rejected"));
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    forwarded.iter().zip(rejected).map(|(one, other)| number(one) + number(other)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::admin::client::NoAnswer;
    use serde_json::json;

    fn told(uptime: u64, count: u64) -> Told {
        let http = json!({
            "connections": { "tcp": count, "tls": count }, "open": { "tcp": 1, "tls": 2 },
            "decisions": { "forwarded": 10 * count, "rejected": count }, "bytes": { "up": 100 * count, "down": 0 },
        });
        let history = json!({ "services": { "http": { "forwarded": [1, 2], "rejected": [3, 0] } } });
        Told {
            status: json!({ "uptime": uptime, "counters": { "http": http } }),
            history: Some(history),
            ..Told::default()
        }
    }

    #[test]
    fn rates_are_differences_a_second_and_a_restart_is_none() {
        let (mut seen, start) = (TopState::default(), Instant::now());
        let at = |seconds| start + Duration::from_secs(seconds);
        seen.take(Ok(told(100, 10)), at(0));
        assert_eq!(seen.rates.http, Rate { open: 3, per_second: [0.0; COUNTED] });
        assert_eq!(seen.hour.http, [4, 2]);
        seen.take(Ok(told(102, 14)), at(2));
        assert_eq!(seen.rates.http.per_second, [4.0, 20.0, 2.0, 200.0, 0.0]);
        seen.take(Ok(told(1, 2)), at(3));
        assert_eq!(seen.rates.http.per_second, [0.0; COUNTED], "it was started again");
        assert_eq!(seen.rates.sip, Rate::default(), "a service that is not mentioned");
    }

    #[test]
    fn a_daemon_that_is_gone_is_said_for_as_long_as_it_is() {
        let (mut seen, start) = (TopState::default(), Instant::now());
        let gone = || Err(NoAnswer::NotRunning("/x.sock".into()));
        seen.take(Ok(told(100, 10)), start);
        seen.take(gone(), start + Duration::from_secs(1));
        seen.take(gone(), start + Duration::from_secs(4));
        let (why, time) = seen.gone_for(start + Duration::from_secs(6)).unwrap();
        assert_eq!((why, time), ("no Portward answers on /x.sock", Duration::from_secs(5)));
        seen.take(Ok(told(1, 10)), start + Duration::from_secs(7));
        assert_eq!(seen.gone_for(start + Duration::from_secs(8)), None);
        assert_eq!(seen.rates.http.per_second, [0.0; COUNTED]);
    }
}
