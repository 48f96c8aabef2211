//! The parts of the program whose instructions are counted. They are in a program of their own (`benches/counted`), which
//! callgrind runs.

use std::path::Path;
use std::process::Command;

use crate::Failure;
use crate::callgrind;
use crate::process::output;

/// A function's name as callgrind sees it. Only what runs within it counts.
const COUNTED: &str = "--toggle-collect=*counted_part*";

/// The program with the parts.
#[derive(Debug, Clone)]
pub(crate) struct Parts(pub(crate) String);

/// A part.
#[derive(Debug)]
pub(crate) struct Part {
    pub(crate) key: String,
    /// How often the program does it.
    times: u64,
    /// The description of the work.
    pub(crate) work: String,
}

impl Parts {
    /// All parts, in the program's order.
    pub(crate) fn list(&self) -> Result<Vec<Part>, Failure> {
        let text = output(&[&self.0, "--list"]).ok_or_else(|| format!("cannot start {}", self.0))?;
        let part = |line: &str| {
            let [key, times, work] = line.split('\t').collect::<Vec<_>>()[..] else {
                return Err(format!("{}: {line:?} is no part", self.0).into());
            };
            Ok(Part { key: key.to_owned(), times: times.parse()?, work: work.to_owned() })
        };
        text.lines().map(part).collect()
    }

    /// The instructions of doing a part once.
    pub(crate) fn measure(&self, part: &Part, folder: &Path) -> Result<f64, Failure> {
        let counts = folder.join(&part.key);
        let [valgrind, options @ ..] = &callgrind::command(&counts)[..] else {
            return Err("no command".into());
        };
        let ended =
            Command::new(valgrind).args(options).args([COUNTED, &self.0, "--do", &part.key]).status()?;
        if !ended.success() {
            return Err(format!("{}: {ended}", part.key).into());
        }
        let count = callgrind::read(&counts)?;
        if count == 0 {
            return Err(format!("callgrind has not found {COUNTED}").into());
        }
        Ok(count as f64 / part.times as f64)
    }

    /// The processor's extensions as the program sees them under valgrind. They decide which code it chooses.
    pub(crate) fn processor(&self) -> Option<String> {
        let said = output(&["valgrind", "--tool=none", "--quiet", &self.0, "--processor"])?;
        Some(said.trim().to_owned())
    }
}
