//! The table of instructions: those of the whole program and of its parts, beside those of another program or of the
//! baseline. A regression against the baseline is a failure.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::Failure;
use crate::baseline::{Baseline, LIMIT, Verdict};
use crate::instructions::{COUNTED, CountedRow};
use crate::parts::{Part, Parts};
use crate::process::output;

/// What to count, and with what to compare it.
#[derive(Debug, Default)]
pub(crate) struct Counting {
    /// Another program, which is counted as well. Its parts are not.
    pub(crate) base: Option<String>,
    /// The program with the parts.
    pub(crate) parts: Option<Parts>,
    /// The file with the baseline to compare with.
    pub(crate) check: Option<PathBuf>,
    /// The file to write the new baseline to.
    pub(crate) accept: Option<PathBuf>,
    /// The keys of the only rows to count. Empty: all rows.
    pub(crate) only: Vec<String>,
}

/// Where it is counted.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Place<'a> {
    pub(crate) portward: &'a str,
    /// The core of the programs. On one core there is one worker.
    pub(crate) core: Option<&'a str>,
    /// A folder with the common certificate.
    pub(crate) folder: &'a Path,
}

/// A row of the table.
enum Row<'a> {
    Whole(&'static CountedRow),
    Part(&'a Parts, Part),
}

impl Row<'_> {
    fn key(&self) -> &str {
        match self {
            Self::Whole(row) => row.key,
            Self::Part(_, part) => &part.key,
        }
    }

    fn work(&self) -> &str {
        match self {
            Self::Whole(row) => row.work,
            Self::Part(_, part) => &part.work,
        }
    }

    fn measure(&self, program: &str, place: Place<'_>) -> Result<f64, Failure> {
        let counted = match self {
            Self::Whole(row) => row.measure(program, place.core, place.folder),
            Self::Part(parts, part) => parts.measure(part, place.folder),
        };
        counted.map_err(|failure| format!("{}: {failure}", self.key()).into())
    }
}

impl Counting {
    /// Whether the options fit together.
    pub(crate) fn check_options(&self) -> Result<(), Failure> {
        let compared = [self.base.is_some(), self.check.is_some(), self.accept.is_some()];
        if compared.into_iter().filter(|is_used| *is_used).count() > 1 {
            return Err("only one of --base, --check and --accept can be used".into());
        }
        // Its facts hold for all rows.
        if self.accept.is_some() && (self.parts.is_none() || !self.only.is_empty()) {
            return Err("a baseline has all rows: --accept goes with --parts, and not with --only".into());
        }
        Ok(())
    }

    /// Prints the table, and writes the new baseline.
    ///
    /// # Errors
    /// Something cannot be counted, or there is a regression.
    pub(crate) fn run(&self, place: Place<'_>) -> Result<(), Failure> {
        if output(&["valgrind", "--version"]).is_none() {
            return Err("valgrind is not installed; scripts/instructions installs it".into());
        }
        let baseline = match &self.check {
            Some(file) => Some(Baseline::read(&fs::read_to_string(file)?)?),
            None => None,
        };
        let rows = self.rows()?;
        let head = match (&self.base, &baseline) {
            (Some(_), _) => "| base | program | ratio |\n|---|---|---:|---:|---:|",
            (None, Some(_)) => "| baseline | program | ratio | |\n|---|---|---:|---:|---:|---|",
            (None, None) => "| program |\n|---|---|---:|",
        };
        println!("| row | work, in instructions {head}");
        let mut counts = BTreeMap::new();
        for row in &rows {
            let begun = Instant::now();
            let base = self.base.as_deref().map(|base| row.measure(base, place)).transpose()?;
            let count = row.measure(place.portward, place)?;
            let beside = match (base, &baseline) {
                (Some(base), _) => format!("{base:.0} | {count:.0} | {:.4} |", count / base),
                (None, Some(baseline)) => beside(baseline, row.key(), count),
                (None, None) => format!("{count:.0} |"),
            };
            println!("| {} | {} | {beside}", row.key(), row.work());
            eprintln!("{}: {:.1} s", row.key(), begun.elapsed().as_secs_f64());
            counts.insert(row.key().to_owned(), count);
        }
        let facts = self.facts();
        if let Some(file) = &self.accept {
            let counts = counts.iter().map(|(key, count)| (key.clone(), count.round() as u64)).collect();
            fs::write(file, Baseline { facts, counts }.text())?;
        } else if let Some(baseline) = &baseline {
            for (fact, then, now) in baseline.other_facts(&facts) {
                println!("\nThe baseline was made with another {fact}: {then:?}, and not {now:?}.");
            }
            return self.judge(baseline, &counts);
        }
        Ok(())
    }

    /// The rows with the wanted keys.
    fn rows(&self) -> Result<Vec<Row<'_>>, Failure> {
        let mut rows: Vec<Row<'_>> = COUNTED.iter().map(Row::Whole).collect();
        if let Some(parts) = &self.parts {
            rows.extend(parts.list()?.into_iter().map(|part| Row::Part(parts, part)));
        }
        let keys: Vec<&str> = rows.iter().map(Row::key).collect();
        if let Some(unknown) = self.only.iter().find(|wanted| !keys.contains(&wanted.as_str())) {
            return Err(format!("no row {unknown}; there are {}", keys.join(", ")).into());
        }
        rows.retain(|row| self.only.is_empty() || self.only.iter().any(|wanted| wanted == row.key()));
        Ok(rows)
    }

    /// Fails if a row is worse than the baseline, or if the baseline does not have the same rows.
    fn judge(&self, baseline: &Baseline, counts: &BTreeMap<String, f64>) -> Result<(), Failure> {
        let (mut worse, mut new) = (Vec::new(), Vec::new());
        for (key, count) in counts {
            match baseline.verdict(key, *count) {
                Verdict::Worse(_) => worse.push(key.as_str()),
                Verdict::New => new.push(key.as_str()),
                Verdict::Within(_) | Verdict::Better(_) => {}
            }
        }
        let rows: Vec<&str> = counts.keys().map(String::as_str).collect();
        let gone = if self.only.is_empty() { baseline.gone(&rows) } else { Vec::new() };
        let percent = (LIMIT - 1.0) * 100.0;
        let faults = [
            (format!("over {percent:.0} % more instructions than the baseline"), worse),
            ("not in the baseline".to_owned(), new),
            ("in the baseline, but not counted".to_owned(), gone),
        ];
        let faults = faults.iter().filter(|(_, rows)| !rows.is_empty());
        let said: Vec<String> = faults.map(|(fault, rows)| format!("{fault}: {}", rows.join(", "))).collect();
        if said.is_empty() { Ok(()) } else { Err(said.join("; ").into()) }
    }

    /// With what is counted.
    fn facts(&self) -> BTreeMap<String, String> {
        let said = |command: &[&str]| output(command).unwrap_or_default().trim().to_owned();
        let facts = [
            ("date", said(&["date", "+%Y-%m-%d"])),
            ("rustc", said(&["rustc", "--version"])),
            ("target_features", target_features()),
            ("valgrind", said(&["valgrind", "--version"])),
            ("processor", self.parts.as_ref().and_then(Parts::processor).unwrap_or_default()),
        ];
        facts.map(|(fact, value)| (fact.to_owned(), value)).into()
    }
}

/// The cells for a row beside the baseline.
fn beside(baseline: &Baseline, key: &str, count: f64) -> String {
    let base = baseline.counts.get(key).map_or_else(|| "–".to_owned(), u64::to_string);
    let (ratio, word) = match baseline.verdict(key, count) {
        Verdict::Within(ratio) => (format!("{ratio:.4}"), ""),
        Verdict::Better(ratio) => (format!("{ratio:.4}"), "better"),
        Verdict::Worse(ratio) => (format!("{ratio:.4}"), "worse"),
        Verdict::New => ("–".to_owned(), "new"),
    };
    format!("{base} | {count:.0} | {ratio} | {word} |")
}

/// The extensions of the processor for which the compiler may make code.
fn target_features() -> String {
    let flags = std::env::var("RUSTFLAGS").unwrap_or_default();
    let said = Command::new("rustc").args(flags.split_whitespace()).args(["--print", "cfg"]).output();
    let text = said.map(|said| String::from_utf8_lossy(&said.stdout).into_owned()).unwrap_or_default();
    let features = text.lines().filter_map(|line| line.strip_prefix("target_feature=\"")?.strip_suffix('"'));
    features.collect::<Vec<_>>().join(" ")
}
