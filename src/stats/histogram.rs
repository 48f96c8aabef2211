//! Durations in fixed buckets, as Prometheus counts them (contract section 8, Metrics).

use std::time::Duration;

use super::counter::Counter;

/// The upper bounds of the buckets, in microseconds. They reach from a target in the same rack to a target that hardly
/// answers. Longer durations are in a last bucket without a bound.
pub const BOUNDS: [u64; 13] = [
    500, 1_000, 2_500, 5_000, 10_000, 25_000, 50_000, 100_000, 250_000, 500_000, 1_000_000, 2_500_000,
    10_000_000,
];

/// The durations that one worker has counted.
#[derive(Debug, Default)]
pub(super) struct Histogram {
    buckets: [Counter; BOUNDS.len() + 1],
    /// The sum of all durations, in microseconds.
    sum: Counter,
}

/// A histogram for a reader: the sum over all workers.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Durations {
    /// The number of durations in each bucket alone. The last bucket has no bound.
    pub buckets: [u64; BOUNDS.len() + 1],
    /// The sum of all durations, in microseconds.
    pub sum: u64,
}

impl Histogram {
    /// Counts a duration. Only the worker that owns the histogram may call it.
    pub(super) fn add(&self, duration: Duration) {
        let micros = u64::try_from(duration.as_micros()).unwrap_or(u64::MAX);
        let at = BOUNDS.partition_point(|bound| *bound < micros);
        if let Some(bucket) = self.buckets.get(at) {
            bucket.add(1);
        }
        self.sum.add(micros);
    }

    /// Adds its contents to `durations`.
    pub(super) fn read(&self, durations: &mut Durations) {
        for (sum, bucket) in durations.buckets.iter_mut().zip(&self.buckets) {
            *sum += bucket.get();
        }
        durations.sum = durations.sum.wrapping_add(self.sum.get());
    }
}

impl Durations {
    /// The number of durations.
    pub fn count(&self) -> u64 {
        self.buckets.iter().sum()
    }

    /// Every bound in seconds with the number of durations up to it, in Prometheus' form. The last bound is infinite.
    pub fn cumulative(&self) -> impl Iterator<Item = (f64, u64)> {
        let bounds = BOUNDS.iter().map(|micros| Duration::from_micros(*micros).as_secs_f64());
        let counts = self.buckets.iter().scan(0, |sum, count| {
            *sum += count;
            Some(*sum)
        });
        bounds.chain([f64::INFINITY]).zip(counts)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_duration_is_in_the_first_bucket_that_holds_it() {
        let histogram = Histogram::default();
        for micros in [0, 500, 501, 10_000_000, 10_000_001, 60_000_000] {
            histogram.add(Duration::from_micros(micros));
        }
        let mut read = Durations::default();
        histogram.read(&mut read);
        histogram.read(&mut read);
        assert_eq!((read.count(), read.sum), (12, 2 * 80_001_002));
        let cumulative: Vec<_> = read.cumulative().collect();
        assert_eq!(cumulative.first(), Some(&(0.0005, 4)));
        assert_eq!(cumulative.get(1), Some(&(0.001, 6)));
        assert_eq!(cumulative.get(12), Some(&(10.0, 8)));
        assert_eq!(cumulative.last(), Some(&(f64::INFINITY, 12)));
        histogram.add(Duration::MAX);
    }
}
