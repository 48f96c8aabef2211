//! The measured programs: starts them, reads what they used, and ends them.

use std::fs;
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rustix::process::{Pid, Signal, kill_process};

use crate::Failure;

/// How long a program may take until it accepts connections.
const READY: Duration = Duration::from_secs(30);
/// How long a program may take to end.
const STOP: Duration = Duration::from_secs(3);

/// A running program with its children. It ends when the value is dropped.
pub(crate) struct Process {
    child: Child,
}

impl Process {
    /// Starts `command` on these `cores` and waits until it accepts connections on all of `ports`. Its output goes to
    /// `log`.
    pub(crate) fn start(
        command: &[&str],
        cores: Option<&str>,
        ports: &[u16],
        log: PathBuf,
    ) -> Result<Self, Failure> {
        // It ends with this process, however this process ends.
        let mut words = vec!["setpriv", "--pdeathsig", "TERM", "--"];
        if let Some(cores) = cores {
            words.extend(["taskset", "-c", cores]);
        }
        words.extend(command);
        let (program, arguments) = words.split_first().ok_or("no command")?;
        let output = fs::File::create(&log)?;
        let begun = Instant::now();
        let child = Command::new(program)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .map_err(|error| format!("cannot start {program}: {error}"))?;
        let mut process = Self { child };
        process.wait_for(ports, begun).map_err(|failure| {
            let said = fs::read_to_string(&log).unwrap_or_default();
            let last = said.get(said.len().saturating_sub(2000)..).unwrap_or_default();
            format!("{}: {failure}\n{last}", command.join(" "))
        })?;
        Ok(process)
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.id()
    }

    /// Asks it to end, and waits until it has.
    pub(crate) fn end(mut self) -> Result<(), Failure> {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            kill_process(pid, Signal::TERM)?;
        }
        let begun = Instant::now();
        while self.child.try_wait()?.is_none() {
            if begun.elapsed() > READY {
                return Err("does not end".into());
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    fn wait_for(&mut self, ports: &[u16], begun: Instant) -> Result<(), Failure> {
        for port in ports {
            while TcpStream::connect(("127.0.0.1", *port)).is_err() {
                if let Some(status) = self.child.try_wait()? {
                    return Err(format!("ended with {status}").into());
                }
                if begun.elapsed() > READY {
                    return Err("does not accept connections".into());
                }
                std::thread::sleep(Duration::from_millis(1));
            }
        }
        Ok(())
    }

    /// The processor time used so far, user and system, of all its processes and threads.
    pub(crate) fn processor_time(&self) -> Result<Duration, Failure> {
        let mut sum = 0;
        for pid in family(self.child.id()) {
            for task in fs::read_dir(format!("/proc/{pid}/task"))? {
                // A thread may end meanwhile. The programs here keep theirs.
                let stat = fs::read_to_string(task?.path().join("schedstat")).unwrap_or_default();
                sum += stat.split(' ').next().and_then(|ran| ran.parse::<u64>().ok()).unwrap_or(0);
            }
        }
        Ok(Duration::from_nanos(sum))
    }

    /// The memory of all its processes, in octets. Shared memory is counted once (PSS).
    pub(crate) fn memory(&self) -> Result<u64, Failure> {
        let mut sum = 0;
        for pid in family(self.child.id()) {
            let rollup = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
            let line = rollup.lines().find_map(|line| line.strip_prefix("Pss:"));
            let kib = line.and_then(|rest| rest.split_whitespace().next()).ok_or("no Pss in smaps_rollup")?;
            sum += kib.parse::<u64>()? * 1024;
        }
        Ok(sum)
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if let Some(pid) = i32::try_from(self.child.id()).ok().and_then(Pid::from_raw) {
            let _ = kill_process(pid, Signal::TERM);
        }
        let deadline = Instant::now() + STOP;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(5));
        }
        // It still runs. Its children are ended first, while they can be recognised by their parent.
        if matches!(self.child.try_wait(), Ok(None)) {
            for pid in family(self.child.id()) {
                if let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) {
                    let _ = kill_process(pid, Signal::KILL);
                }
            }
            let _ = self.child.wait();
        }
    }
}

/// A process and its children.
fn family(pid: u32) -> Vec<u32> {
    let Ok(all) = fs::read_dir("/proc") else { return vec![pid] };
    let numbers = all.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse::<u32>().ok());
    let children = numbers.filter(|child| parent(*child) == Some(pid));
    std::iter::once(pid).chain(children).collect()
}

fn parent(pid: u32) -> Option<u32> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    // The name in brackets may contain anything. State and parent follow it.
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

/// The cores that this process may use, in order.
pub(crate) fn cores() -> Vec<u32> {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let list = status.lines().find_map(|line| line.strip_prefix("Cpus_allowed_list:")).unwrap_or_default();
    let range = |part: &str| {
        let (from, to) = part.trim().split_once('-').unwrap_or((part.trim(), part.trim()));
        Some(from.parse::<u32>().ok()?..=to.parse::<u32>().ok()?)
    };
    list.split(',').filter_map(range).flatten().collect()
}

/// Moves this process, and its later children, to `cores`.
pub(crate) fn move_self(cores: &str) -> Result<(), Failure> {
    let pid = std::process::id().to_string();
    let moved = Command::new("taskset").args(["-acp", cores, &pid]).stdout(Stdio::null()).status()?;
    if moved.success() { Ok(()) } else { Err("taskset failed".into()) }
}

/// What a command prints, on either output. `None`: it cannot be started.
pub(crate) fn output(command: &[&str]) -> Option<String> {
    let (program, arguments) = command.split_first()?;
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    Some(String::from_utf8_lossy(&[output.stdout, output.stderr].concat()).into_owned())
}

/// A port that is not in use.
pub(crate) fn free_port() -> Result<u16, Failure> {
    Ok(std::net::TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

/// Writes a file into `folder` and returns its path as text.
pub(crate) fn write(folder: &Path, name: &str, text: &str) -> Result<String, Failure> {
    let path = folder.join(name);
    fs::write(&path, text)?;
    Ok(path.to_string_lossy().into_owned())
}
