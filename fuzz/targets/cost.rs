//! The most time that an input costs, for each octet and in all: searches the most expensive input of every decoder.
//!
//! libFuzzer keeps an input that reaches a new level of cost, as it keeps one that reaches new code, and mutates it. An
//! input over the limit is a crash. The time is that of this thread's processor, the least of several runs, so that a
//! busy machine changes nothing. The tested code is instrumented and checks its arithmetic. So the limit here is
//! [`SLOWNESS`] times the true one. The bench `inspect`, group `hostile`, checks the found inputs with the true limit.
//!
//! `PORTWARD_DECODER=NAME` searches for one decoder only. `PORTWARD_KEEP=FOLDER` writes the most expensive inputs
//! there: NAME for the cost of an octet, NAME-look for the cost of one look, NAME-slowly for the cost of an octet when
//! they come one by one. See scripts/fuzz-cost.

#![no_main]

use std::cell::RefCell;
use std::path::PathBuf;
use std::sync::atomic::{AtomicU8, Ordering};

use libfuzzer_sys::{fuzz_mutator, fuzz_target, fuzzer_mutate};
use rustix::time::{ClockId, clock_gettime};

#[path = "../decoders.rs"]
mod decoders;

use decoders::{Bench, DECODERS, Decoder};

/// How much slower the code is here than in use, at most. If every octet is compared with many others, each comparison
/// is reported to libFuzzer.
const SLOWNESS: u64 = 32;
/// The limit for an octet, in nanoseconds.
const OCTET: u64 = 1_000 * SLOWNESS;
/// The limit for one look, in nanoseconds.
const LOOK: u64 = 2_000_000 * SLOWNESS;
/// Even an empty look costs something. So at least this many octets are counted.
const LEAST: usize = 64;

/// The number of levels of cost. Four levels are a doubling.
const LEVELS: usize = 96;
/// The measures: an octet when all come at once, the whole look, and an octet when they come one by one.
const MEASURES: usize = 3;
const COUNTERS: usize = DECODERS.len() * MEASURES * LEVELS;

/// libFuzzer takes each counter that is not 0 for something reached.
#[unsafe(link_section = "__libfuzzer_extra_counters")]
static REACHED: [AtomicU8; COUNTERS] = [const { AtomicU8::new(0) }; COUNTERS];

struct Search {
    bench: Bench,
    only: Option<String>,
    keep: Option<PathBuf>,
    best: [usize; DECODERS.len() * MEASURES],
}

thread_local! {
    static SEARCH: RefCell<Search> = RefCell::new(Search {
        bench: Bench::default(),
        only: std::env::var("PORTWARD_DECODER").ok(),
        keep: std::env::var_os("PORTWARD_KEEP").map(PathBuf::from),
        best: [0; DECODERS.len() * MEASURES],
    });
}

fn now() -> u64 {
    let now = clock_gettime(ClockId::ThreadCPUTime);
    now.tv_sec as u64 * 1_000_000_000 + now.tv_nsec as u64
}

fn level(cost: u64) -> usize {
    let cost = cost.max(1);
    let doublings = cost.ilog2();
    let quarter = if doublings < 2 { 0 } else { cost >> (doublings - 2) & 3 };
    (4 * doublings as usize + quarter as usize).min(LEVELS - 1)
}

impl Search {
    fn measure(&mut self, decoder: Decoder, input: &[u8], slowly: bool) -> u64 {
        let begun = now();
        (decoder.read)(&mut self.bench, input, slowly);
        now() - begun
    }

    /// The least time of a few runs. If the first run reaches no new level it is the only one.
    fn least(
        &mut self,
        decoder: Decoder,
        input: &[u8],
        slowly: bool,
        is_new: impl Fn(&Self, u64) -> bool,
    ) -> u64 {
        let mut least = u64::MAX;
        for _ in 0..5 {
            least = least.min(self.measure(decoder, input, slowly));
            if !is_new(self, least) {
                break;
            }
        }
        least
    }

    fn note(&mut self, measure: usize, cost: u64, input: &[u8]) {
        let level = level(cost);
        let Some(best) = self.best.get_mut(measure) else { return };
        if level >= *best {
            if level > *best
                && let Some(folder) = &self.keep
                && let Some(decoder) = DECODERS.get(measure / MEASURES)
            {
                let kind = ["", "-look", "-slowly"][measure % MEASURES];
                let _ = std::fs::write(folder.join(format!("{}{kind}", decoder.name)), input);
            }
            *best = level;
            for counter in REACHED.iter().skip(measure * LEVELS).take(level + 1) {
                counter.store(1, Ordering::Relaxed);
            }
        }
    }

    fn try_all(&mut self, input: &[u8]) {
        for (number, decoder) in DECODERS.into_iter().enumerate() {
            if self.only.as_deref().is_some_and(|only| only != decoder.name) {
                continue;
            }
            let input = input.get(..decoder.limit).unwrap_or(input);
            let octets = input.len().max(LEAST) as u64;
            for slowly in [false, true] {
                if slowly && !decoder.grows {
                    continue;
                }
                let of_octet = number * MEASURES + 2 * usize::from(slowly);
                let of_look = number * MEASURES + 1;
                let is_new = |search: &Self, cost: u64| {
                    let octet = level(16 * cost / octets) >= search.best.get(of_octet).copied().unwrap_or(0);
                    let look = !slowly && level(cost) >= search.best.get(of_look).copied().unwrap_or(0);
                    octet || look || cost > OCTET * octets
                };
                let cost = self.least(decoder, input, slowly, is_new);
                self.note(of_octet, 16 * cost / octets, input);
                if !slowly {
                    self.note(of_look, cost, input);
                }
                let how = if slowly { ", one by one" } else { "" };
                assert!(
                    cost <= OCTET * octets,
                    "{}: {} octets{how} cost {} ns each",
                    decoder.name,
                    input.len(),
                    cost / octets
                );
                assert!(
                    slowly || cost <= LOOK,
                    "{}: a look at {} octets cost {cost} ns",
                    decoder.name,
                    input.len()
                );
            }
        }
    }
}

fuzz_target!(|input: &[u8]| SEARCH.with_borrow_mut(|search| search.try_all(input)));

// Expensive inputs mostly have a part that is repeated. This repeats a part of the input up to the largest size.
fuzz_mutator!(|data: &mut [u8], size: usize, max_size: usize, seed: u32| {
    let roll = seed as usize;
    if size < 2 || !roll.is_multiple_of(4) {
        return fuzzer_mutate(data, size, max_size);
    }
    let begin = (roll / 4) % size;
    let len = 1 + (roll / 7) % (size - begin).min(64);
    let times = 1 + (roll / 11) % 2048;
    let part = data[begin..begin + len].to_vec();
    let behind = data[begin..size].to_vec();
    let mut at = begin;
    for _ in 0..times {
        if at + len + behind.len() > max_size {
            break;
        }
        data[at..at + len].copy_from_slice(&part);
        at += len;
    }
    data[at..at + behind.len()].copy_from_slice(&behind);
    at + behind.len()
});
