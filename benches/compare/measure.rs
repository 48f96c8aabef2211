//! Rounds: every proxy in turn, again and again, so that whatever else the machine does falls on all of them alike.

use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::Failure;
use crate::load::{Connection, Done, Plan, run};
use crate::origin::Origin;
use crate::peers::{Kind, Proxy, Setup};

/// What stays to be done at a proxy when its clients have their answers: closing, giving back.
const AFTERMATH: Duration = Duration::from_millis(20);

/// Everything that a row needs.
pub(crate) struct Bench<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) origin: &'a Origin,
    pub(crate) place: Setup<'a>,
    /// One of each kind, with the two hosts.
    pub(crate) proxies: &'a [Proxy],
    pub(crate) rounds: usize,
    /// Counts are divided by it.
    pub(crate) shorter: usize,
    /// No round begins later, but for a row's first.
    pub(crate) until: Instant,
}

/// One measurement: one number, or two that belong together.
pub(crate) type Sample = Vec<f64>;

/// The samples of every kind, in the order of [`Kind::ALL`], one a round.
pub(crate) type Samples = [Vec<Sample>; 3];

impl Bench<'_> {
    /// Measures every kind once a round, each round in another order.
    pub(crate) fn rounds(
        &self,
        mut measure: impl FnMut(usize, Kind) -> Result<Sample, Failure>,
    ) -> Result<Samples, Failure> {
        let mut samples = Samples::default();
        for round in 0..self.rounds {
            if round > 0 && Instant::now() > self.until {
                break;
            }
            for turn in 0..Kind::ALL.len() {
                let at = (round + turn) % Kind::ALL.len();
                let kind = Kind::ALL[at];
                let sample = measure(at, kind).map_err(|failure| format!("{}: {failure}", kind.name()))?;
                samples[at].push(sample);
            }
        }
        Ok(samples)
    }

    /// Runs a plan; what was done, and the processor time that `proxy` used a request, in seconds.
    pub(crate) fn cost(
        &self,
        proxy: &Proxy,
        plan: &Plan,
        kept: &mut Vec<Connection>,
    ) -> Result<(Done, f64), Failure> {
        let before = proxy.process.processor_time()?;
        let done = self.runtime.block_on(run(plan, kept))?;
        std::thread::sleep(AFTERMATH);
        let used = proxy.process.processor_time()?.saturating_sub(before);
        if used.is_zero() {
            return Err("the kernel counts no processor time (CONFIG_SCHED_INFO)".into());
        }
        let cost = used.as_secs_f64() / done.times.len() as f64;
        Ok((done, cost))
    }
}

/// The median; of an even number the mean of the two in the middle.
pub(crate) fn median(numbers: impl IntoIterator<Item = f64>) -> f64 {
    let mut sorted: Vec<f64> = numbers.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    match sorted.len() {
        0 => f64::NAN,
        count if count % 2 == 1 => sorted[count / 2],
        count => f64::midpoint(sorted[count / 2 - 1], sorted[count / 2]),
    }
}

/// The value below which `share` of the numbers are.
pub(crate) fn quantile(numbers: &[f64], share: f64) -> f64 {
    let mut sorted = numbers.to_vec();
    sorted.sort_by(f64::total_cmp);
    let at = (sorted.len() as f64 * share) as usize;
    sorted.get(at.min(sorted.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}
