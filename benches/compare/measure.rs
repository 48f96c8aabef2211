//! Rounds: every proxy in turn, many times, so that other load on the machine affects all of them alike.

use std::time::{Duration, Instant};

use tokio::runtime::Runtime;

use crate::Failure;
use crate::load::{Connection, Done, Plan, run};
use crate::origin::Origin;
use crate::peers::{Kind, Proxy, Setup};

/// How long a proxy may still work after its clients have their answers: it closes connections and frees memory.
const AFTERMATH: Duration = Duration::from_millis(20);

/// The surroundings of every row.
pub(crate) struct Bench<'a> {
    pub(crate) runtime: &'a Runtime,
    pub(crate) origin: &'a Origin,
    pub(crate) place: Setup<'a>,
    /// One proxy of each kind, with the two hosts.
    pub(crate) proxies: &'a [Proxy],
    /// The cores of a proxy with two workers, if the machine has two.
    pub(crate) two_cores: Option<&'a str>,
    pub(crate) rounds: usize,
    /// All counts are divided by this.
    pub(crate) shorter: usize,
    /// No round begins after this, except the first one of a row.
    pub(crate) until: Instant,
}

/// One measurement: one number, or two numbers that belong together.
pub(crate) type Sample = Vec<f64>;

/// The samples of every kind, one in each round. The kinds are in the order of [`Kind::ALL`].
pub(crate) type Samples = [Vec<Sample>; 3];

impl Bench<'_> {
    /// Measures every kind once in a round. The order changes each round.
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

    /// Does the work of a plan. Returns its result, and the processor time of `proxy` for each request, in seconds.
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

/// The median. Of an even number of values it is the mean of the two in the middle.
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
