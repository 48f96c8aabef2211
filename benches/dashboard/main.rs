//! The dashboard under load: headless Chromium follows 10,000 decisions a minute for five minutes.
//!
//! `cargo bench --bench dashboard [-- --minutes N --rate DECISIONS_A_MINUTE]`. It prints a line a minute: the longest
//! task of the page's thread, the sum of all long tasks (those of 50 ms and more, as the Long Tasks API counts them),
//! DOM nodes, the heap of JavaScript after a garbage collection, and the machine's load, because times mean something
//! only on a quiet machine. The exit code is 1 if a task blocks the page for 100 ms or more, or if nodes or heap grow
//! from the first minute to the last.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::print_stdout, clippy::print_stderr, missing_docs, unreachable_pub)]
// Items that are unused here are used by the tests.
#![allow(dead_code, unused_imports)]

#[path = "../../tests/real/dashboard/busy.rs"]
mod busy;
#[path = "../../tests/real/dashboard/desk.rs"]
mod desk;
#[path = "../../tests/real/harness/mod.rs"]
mod harness;
#[path = "../../tests/real/dashboard/traffic.rs"]
mod traffic;

use std::process::ExitCode;
use std::thread;
use std::time::{Duration, Instant};

use busy::Busy;
use desk::Desk;

/// The limit for the length of a task of the page's thread, in milliseconds.
const LONGEST: f64 = 100.0;
/// How much nodes and heap may grow from the first to the last minute: by this factor, and by this many nodes and
/// octets.
const GROWTH: f64 = 1.15;
const MORE_NODES: f64 = 500.0;
const MORE_HEAP: f64 = 1_000_000.0;

struct Minute {
    longest: f64,
    long: f64,
    tasks: u64,
    nodes: f64,
    heap: f64,
}

impl Minute {
    fn take(desk: &Desk) -> Self {
        // The garbage collection that follows is not a task of the page itself.
        let tasks = desk.run("longTasks.splice(0)");
        let tasks: Vec<f64> =
            tasks.as_array().unwrap().iter().filter_map(serde_json::Value::as_f64).collect();
        let minute = Self {
            longest: tasks.iter().copied().fold(0.0, f64::max),
            long: tasks.iter().fold(0.0, |sum, one| sum + one),
            tasks: tasks.len() as u64,
            nodes: desk.measured("Nodes"),
            heap: desk.measured("JSHeapUsedSize"),
        };
        desk.run("longTasks.splice(0)");
        minute
    }
}

/// How many tasks of the whole machine wanted a processor within the last minute (proc(5)). With more tasks than
/// processors a task of the page takes long because it waits.
fn load() -> String {
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    load.split(' ').next().unwrap_or_default().to_owned()
}

fn option(name: &str, usual: f64) -> f64 {
    let mut arguments = std::env::args().skip_while(|argument| argument != name);
    arguments.nth(1).map_or(usual, |value| value.parse().unwrap_or_else(|_| panic!("{name} needs a number")))
}

fn main() -> ExitCode {
    // `cargo test` also runs this program. Then it does nothing.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    let (minutes, rate) = (option("--minutes", 5.0), option("--rate", 10_000.0));
    let busy = Busy::start_with(|setup| setup.set("log.forwarded", "[]"));
    let desk = Desk::open(&busy);
    desk.run(
        "window.longTasks = [];
         new PerformanceObserver((list) => list.getEntries().forEach(({ duration }) => longTasks.push(duration)))
             .observe({ type: 'longtask', buffered: false }); true",
    );
    let ports = busy.ports();
    let count = (rate * minutes) as usize;
    let flood = thread::spawn(move || traffic::flood(ports, count, Some(rate / 60.0)));
    println!("minute  longest task  long tasks        DOM nodes  heap       load");
    let start = Instant::now();
    let mut all = Vec::new();
    for number in 1..=(minutes.ceil() as u32) {
        let end = Duration::from_secs(60).mul_f64(f64::from(number).min(minutes));
        thread::sleep((start + end).saturating_duration_since(Instant::now()));
        let minute = Minute::take(&desk);
        println!(
            "{number:>6}  {:>9.0} ms  {:>3} in {:>6.0} ms  {:>9.0}  {:>5.2} MiB  {}",
            minute.longest,
            minute.tasks,
            minute.long,
            minute.nodes,
            minute.heap / 1_048_576.0,
            load()
        );
        all.push(minute);
    }
    flood.join().unwrap();
    let seconds = start.elapsed().as_secs_f64();
    println!("{count} decisions in {seconds:.0} s; rows in the list: {}", desk.rows("#decisions"));
    // The last decision is shown.
    ports.get("198.51.100.200", "hq.dvl-ckl2.net", "/PBX0/APPS/the-last");
    desk.row("#decisions", &["the-last"]);
    desk.is_well();
    judge(&all, seconds, minutes)
}

fn judge(all: &[Minute], seconds: f64, minutes: f64) -> ExitCode {
    let (first, last) = (&all[0], &all[all.len() - 1]);
    let longest = all.iter().map(|minute| minute.longest).fold(0.0, f64::max);
    let broken: Vec<&str> = [
        (longest >= LONGEST, "a task took 100 ms or more"),
        (last.nodes > first.nodes * GROWTH + MORE_NODES, "the number of nodes grows"),
        (last.heap > first.heap * GROWTH + MORE_HEAP, "the heap grows"),
        (seconds > minutes * 60.0 * 1.05 + 5.0, "this machine did not make as many decisions a minute"),
    ]
    .into_iter()
    .filter_map(|(is_broken, what)| is_broken.then_some(what))
    .collect();
    if broken.is_empty() {
        ExitCode::SUCCESS
    } else {
        eprintln!("{}", broken.join("; "));
        ExitCode::FAILURE
    }
}
