//! A program that a test has started, with its output lines. It ends with the test.

use std::fs;
use std::io::{BufRead as _, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::thread::{self, JoinHandle, ThreadId};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use super::PATIENCE;

/// The running programs, each with the thread of its test.
static RUNNING: Mutex<Vec<(ThreadId, Pid)>> = Mutex::new(Vec::new());

/// Ends all programs of a test that has overrun its time.
pub fn end_all_of(test: ThreadId) {
    for (owner, pid) in RUNNING.lock().unwrap().iter() {
        if *owner == test {
            end(*pid);
        }
    }
}

/// Ends a process at once, with all its children: Kamailio's workers would go on without it.
fn end(pid: Pid) {
    let workers = children(pid);
    let _ = kill_process(pid, Signal::KILL);
    workers.into_iter().for_each(end);
}

/// The children of `pid` (proc(5), /proc/PID/stat: the parent is the second field after the name).
fn children(pid: Pid) -> Vec<Pid> {
    let parent = pid.as_raw_nonzero().to_string();
    let is_child = |stat: &str| {
        stat.rsplit_once(") ").is_some_and(|(_, behind)| behind.split(' ').nth(1) == Some(&parent))
    };
    fs::read_dir("/proc")
        .unwrap()
        .filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok())
        .filter(|number| fs::read_to_string(format!("/proc/{number}/stat")).is_ok_and(|stat| is_child(&stat)))
        .filter_map(Pid::from_raw)
        .collect()
}

/// Finds a program that a test needs. A missing one fails the test and names its package.
pub fn program(name: &str, package: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path)
        .chain([PathBuf::from("/usr/sbin"), PathBuf::from("/usr/bin")])
        .map(|dir| dir.join(name))
        .find(|file| file.is_file())
        .unwrap_or_else(|| {
            panic!("{name} is missing: install the Debian package {package}, or run scripts/test")
        })
}

#[derive(Default)]
struct Lines {
    all: Mutex<Vec<String>>,
    news: Condvar,
}

/// A running program.
pub struct Child {
    name: String,
    process: std::process::Child,
    lines: Arc<Lines>,
    /// The thread that reads the lines, up to the last one.
    reader: Option<JoinHandle<()>>,
}

impl Child {
    /// Starts `command`. Its standard error is kept line by line.
    pub fn start(command: &mut Command) -> Self {
        let name = Path::new(command.get_program()).file_name().unwrap().to_string_lossy().into_owned();
        let mut process = command
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("{name} does not start: {error}"));
        let lines = Arc::new(Lines::default());
        let stderr = process.stderr.take().unwrap();
        let kept = Arc::clone(&lines);
        let reader = Some(thread::spawn(move || keep(stderr, &kept)));
        let child = Self { name, process, lines, reader };
        RUNNING.lock().unwrap().push((thread::current().id(), child.pid()));
        child
    }

    /// Its process id.
    pub fn pid(&self) -> Pid {
        Pid::from_child(&self.process)
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill_process(self.pid(), signal).unwrap();
    }

    /// All lines that it has written so far.
    pub fn lines(&self) -> Vec<String> {
        self.lines.all.lock().unwrap().clone()
    }

    /// The lines that it has written after `mark`.
    pub fn lines_since(&self, mark: usize) -> Vec<String> {
        self.lines.all.lock().unwrap().get(mark..).unwrap_or_default().to_vec()
    }

    /// How many lines it has written so far: a mark for [`Self::line_after`].
    pub fn mark(&self) -> usize {
        self.lines.all.lock().unwrap().len()
    }

    /// Waits for a line after `mark` that contains all of `parts`.
    pub fn line_after(&self, mark: usize, parts: &[&str]) -> String {
        let deadline = Instant::now() + PATIENCE;
        let mut all = self.lines.all.lock().unwrap();
        loop {
            let found = all.iter().skip(mark).find(|line| parts.iter().all(|part| line.contains(part)));
            if let Some(line) = found {
                return line.clone();
            }
            let left = deadline.saturating_duration_since(Instant::now());
            if left.is_zero() {
                let seen = all.get(mark..).unwrap_or_default().join("\n");
                drop(all);
                panic!("{} wrote no line with {parts:?}, but:\n{seen}", self.name);
            }
            all = self.lines.news.wait_timeout(all, left).unwrap().0;
        }
    }

    /// How it has ended. `None`: it still runs.
    pub fn ended(&mut self) -> Option<ExitStatus> {
        self.process.try_wait().unwrap()
    }

    /// Waits until it has ended by itself.
    pub fn wait(&mut self) -> ExitStatus {
        self.wait_within(PATIENCE)
    }

    /// The same, for a program that needs longer.
    pub fn wait_within(&mut self, patience: Duration) -> ExitStatus {
        let deadline = Instant::now() + patience;
        loop {
            if let Some(status) = self.ended() {
                // Its last lines may not have been read yet.
                if let Some(reader) = self.reader.take() {
                    reader.join().unwrap();
                }
                return status;
            }
            assert!(
                Instant::now() < deadline,
                "{} does not end; it wrote:\n{}",
                self.name,
                self.lines().join("\n")
            );
            thread::sleep(Duration::from_millis(20));
        }
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        let pid = self.pid();
        if self.ended().is_none() {
            end(pid);
        }
        let _ = self.process.wait();
        RUNNING.lock().unwrap().retain(|(_, other)| *other != pid);
        if thread::panicking() {
            eprintln!("--- {} wrote:\n{}\n---", self.name, self.lines().join("\n"));
        }
    }
}

fn keep(stderr: impl Read, lines: &Lines) {
    for line in BufReader::new(stderr).split(b'\n') {
        let Ok(line) = line else { break };
        lines.all.lock().unwrap().push(String::from_utf8_lossy(&line).into_owned());
        lines.news.notify_all();
    }
}
