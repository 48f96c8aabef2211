//! The baseline of the instructions: a file with a number for each row, and with what they were counted. A row that needs
//! over [`LIMIT`] more than its number is a regression.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use crate::Failure;

/// The greatest ratio to the baseline that is no regression. Two counts of one program differ by less than 0.005.
pub(crate) const LIMIT: f64 = 1.03;

/// The head of the file.
const HEAD: &str = "# The instructions of each work. `scripts/instructions --check` reports what needs over 3 % more.\n\
    # `scripts/instructions --accept` writes this file.\n\n";
/// The table with the numbers. The other values are facts.
const TABLE: &str = "instructions";
/// The fact that may differ between the baseline and a later count.
const DATE: &str = "date";

/// A baseline, or a count that may become one.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Baseline {
    /// With what was counted: the date, the compiler and so on.
    pub(crate) facts: BTreeMap<String, String>,
    /// The instructions of each row, by its key.
    pub(crate) counts: BTreeMap<String, u64>,
}

/// What the baseline says of a row.
#[derive(Debug, Clone, Copy, PartialEq)]
pub(crate) enum Verdict {
    /// The ratio is within the limit, whether it is better or worse.
    Within(f64),
    /// The row needs over 3 % less. The baseline should be written anew, so that a later loss of this gain is noticed.
    Better(f64),
    /// A regression.
    Worse(f64),
    /// The baseline has no such row.
    New,
}

impl Baseline {
    /// Reads the file's text.
    ///
    /// # Errors
    /// It is not TOML, or has other values than texts and one table of positive whole numbers.
    pub(crate) fn read(text: &str) -> Result<Self, Failure> {
        let mut file: toml::Table = text.parse()?;
        let Some(toml::Value::Table(table)) = file.remove(TABLE) else {
            return Err(format!("the baseline has no table [{TABLE}]").into());
        };
        let mut read = Self::default();
        for (key, value) in table {
            let count =
                value.as_integer().and_then(|count| u64::try_from(count).ok()).filter(|count| *count > 0);
            read.counts.insert(key.clone(), count.ok_or_else(|| format!("{key} is no positive number"))?);
        }
        for (key, value) in file {
            let toml::Value::String(value) = value else { return Err(format!("{key} is no text").into()) };
            read.facts.insert(key, value);
        }
        Ok(read)
    }

    /// The file's text.
    pub(crate) fn text(&self) -> String {
        let mut text = HEAD.to_owned();
        for (key, value) in &self.facts {
            let _ = writeln!(text, "{key} = {}", toml_edit::Value::from(value.as_str()));
        }
        let _ = writeln!(text, "\n[{TABLE}]");
        for (key, count) in &self.counts {
            let _ = writeln!(text, "{key} = {count}");
        }
        text
    }

    /// What this baseline says of a row with that many instructions.
    pub(crate) fn verdict(&self, key: &str, count: f64) -> Verdict {
        let Some(base) = self.counts.get(key) else { return Verdict::New };
        match count / *base as f64 {
            ratio if ratio > LIMIT => Verdict::Worse(ratio),
            ratio if ratio < 2.0 - LIMIT => Verdict::Better(ratio),
            ratio => Verdict::Within(ratio),
        }
    }

    /// The rows of this baseline that are not among `rows`.
    pub(crate) fn gone(&self, rows: &[&str]) -> Vec<&str> {
        self.counts.keys().map(String::as_str).filter(|key| !rows.contains(key)).collect()
    }

    /// The facts, other than the date, that are not the same `now`: name, then, now.
    pub(crate) fn other_facts<'a>(
        &'a self,
        now: &'a BTreeMap<String, String>,
    ) -> Vec<(&'a str, &'a str, &'a str)> {
        let facts = now.iter().filter(|(key, _)| *key != DATE);
        let both = facts
            .map(|(key, now)| (key.as_str(), self.facts.get(key).map_or("?", String::as_str), now.as_str()));
        both.filter(|(_, then, now)| then != now).collect()
    }
}
