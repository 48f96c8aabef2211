//! The options of the command line.

use std::path::{self, PathBuf};

use crate::Failure;
use crate::counting::Counting;
use crate::parts::Parts;
use crate::programs::Programs;
use crate::rows::{ROWS, Row};

const USAGE: &str = "options: --quick, --rounds N, --only ROW (may be repeated), --peers FOLDER, --portward PROGRAM; \
    or --instructions with --only, --portward, --base PROGRAM, --parts PROGRAM, --check BASELINE and --accept BASELINE";

pub(crate) struct Options {
    pub(crate) rounds: usize,
    pub(crate) quick: bool,
    pub(crate) rows: Vec<&'static Row>,
    pub(crate) peers: Programs,
    pub(crate) portward: String,
    /// Count instructions instead.
    pub(crate) counting: Option<Counting>,
}

impl Options {
    /// Reads the arguments.
    pub(crate) fn read(mut arguments: impl Iterator<Item = String>) -> Result<Self, Failure> {
        let mut options = Self {
            rounds: 0,
            quick: false,
            rows: Vec::new(),
            peers: Programs::of_machine(),
            portward: env!("CARGO_BIN_EXE_portward").to_owned(),
            counting: None,
        };
        let (mut counting, mut counts) = (Counting::default(), false);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().ok_or_else(|| format!("{argument} wants a value"));
            match argument.as_str() {
                "--bench" => {}
                "--quick" => options.quick = true,
                "--rounds" => options.rounds = value()?.parse::<usize>()?.clamp(1, 100),
                // The peers are started elsewhere, so the path must not depend on this folder.
                "--peers" => options.peers = Programs::of_folder(&path::absolute(value()?)?),
                "--portward" => options.portward = value()?,
                "--only" => counting.only.push(value()?),
                "--instructions" => counts = true,
                "--base" if counts => counting.base = Some(value()?),
                "--parts" if counts => counting.parts = Some(Parts(value()?)),
                "--check" if counts => counting.check = Some(PathBuf::from(value()?)),
                "--accept" if counts => counting.accept = Some(PathBuf::from(value()?)),
                _ => return Err(USAGE.into()),
            }
        }
        if options.rounds == 0 {
            options.rounds = if options.quick { 2 } else { 7 };
        }
        if counts {
            counting.check_options()?;
            options.counting = Some(counting);
        } else {
            options.rows = rows(&counting.only)?;
        }
        Ok(options)
    }
}

/// The rows with these keys. Without keys all rows.
fn rows(only: &[String]) -> Result<Vec<&'static Row>, Failure> {
    if only.is_empty() {
        return Ok(ROWS.iter().collect());
    }
    let find = |wanted: &String| {
        let keys: Vec<&str> = ROWS.iter().map(|row| row.key).collect();
        let row = ROWS.iter().find(|row| row.key == wanted);
        row.ok_or_else(|| format!("no row {wanted}; there are {}", keys.join(", ")).into())
    };
    only.iter().map(find).collect()
}
