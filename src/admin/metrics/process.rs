//! `process_*`: processor, memory, descriptors and start time, under the names that Prometheus recommends for all
//! programs.

use std::fs;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

use rustix::param::page_size;
use rustix::process::{Resource, getrlimit};
use rustix::time::{ClockId, clock_gettime};

use super::text::{Kind, Text, number};
use crate::files;

/// Writes the metrics of this process, which has run since `since`. Values that the kernel does not report are left
/// out.
pub(super) fn write(text: &mut Text, since: SystemTime) {
    let spent = clock_gettime(ClockId::ProcessCPUTime);
    let nanoseconds = u32::try_from(spent.tv_nsec).unwrap_or_default();
    let spent = std::time::Duration::new(u64::try_from(spent.tv_sec).unwrap_or_default(), nanoseconds);
    let help = "Processor time that was spent, in seconds.";
    text.family("process_cpu_seconds_total", Kind::Counter, help);
    text.sample(&[], number(spent.as_secs_f64()));
    let started = since.duration_since(UNIX_EPOCH).unwrap_or_default();
    text.family("process_start_time_seconds", Kind::Gauge, "When the process was started, in Unix time.");
    text.sample(&[], number(started.as_secs_f64()));
    if let Some([all, resident]) = memory() {
        text.family("process_resident_memory_bytes", Kind::Gauge, "Memory that is in use, in bytes.");
        text.sample(&[], resident);
        text.family("process_virtual_memory_bytes", Kind::Gauge, "Memory that is mapped, in bytes.");
        text.sample(&[], all);
    }
    if let Some(open) = open_descriptors() {
        text.family("process_open_fds", Kind::Gauge, "File descriptors that are open.");
        text.sample(&[], open);
    }
    if let Some(most) = getrlimit(Resource::Nofile).current {
        text.family("process_max_fds", Kind::Gauge, "File descriptors that may be open.");
        text.sample(&[], most);
    }
}

/// Mapped bytes and resident bytes: the first two numbers of /proc/self/statm (proc(5)), which are in pages.
fn memory() -> Option<[u64; 2]> {
    let text = files::read(Path::new("/proc/self/statm"), 1024).ok()?;
    let text = String::from_utf8(text).ok()?;
    let mut pages = text.split_whitespace().map_while(|word| word.parse::<u64>().ok());
    let size = page_size() as u64;
    Some([pages.next()? * size, pages.next()? * size])
}

/// Since Linux 6.2 the size of /proc/self/fd is the number of descriptors, which is cheap. On older kernels it is 0,
/// and the descriptors are counted.
fn open_descriptors() -> Option<u64> {
    let folder = Path::new("/proc/self/fd");
    match fs::metadata(folder).ok()?.len() {
        0 => fs::read_dir(folder).ok().map(|all| all.count() as u64),
        count => Some(count),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn this_process_has_all_of_it() {
        let mut text = Text::default();
        write(&mut text, SystemTime::now());
        let text = text.finish();
        for name in [
            "process_cpu_seconds_total",
            "process_start_time_seconds",
            "process_resident_memory_bytes",
            "process_virtual_memory_bytes",
            "process_open_fds",
            "process_max_fds",
        ] {
            let line = text.lines().find(|line| line.starts_with(&format!("{name} "))).unwrap();
            let value: f64 = line.split(' ').nth(1).unwrap().parse().unwrap();
            assert!(value > 0.0, "{line}");
        }
    }
}
