//! The table: medians, ratios to the best peer, and the versions that were compared.

use crate::measure::{Sample, Samples, median};
use crate::peers::Kind;
use crate::process::output;
use crate::programs::Programs;
use crate::rows::{Budget, Row, Unit};

/// The lines below the table: date, machine, versions, method.
pub(crate) fn notes(peers: &Programs, cores: &str, rounds: usize) -> String {
    let said = |command: &[&str]| output(command).unwrap_or_default().trim().to_owned();
    let cpu = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let cpu = cpu.lines().find_map(|line| line.strip_prefix("model name")).unwrap_or_default();
    let load = std::fs::read_to_string("/proc/loadavg").unwrap_or_default();
    format!(
        "{}, {}, {}, Linux {}. Portward {}, {}.\n{cores}, {rounds} rounds in turn, medians; load average at the end {}.",
        said(&["date", "+%Y-%m-%d"]),
        cpu.trim_start_matches(['\t', ' ', ':']),
        system(),
        said(&["uname", "-r"]),
        env!("CARGO_PKG_VERSION"),
        peers.versions(),
        load.split(' ').next().unwrap_or("?")
    )
}

fn system() -> String {
    let release = std::fs::read_to_string("/etc/os-release").unwrap_or_default();
    let name = release.lines().find_map(|line| line.strip_prefix("PRETTY_NAME="));
    name.unwrap_or("Linux").trim_matches('"').to_owned()
}

/// The head of the table.
pub(crate) const HEAD: &str = "| work | HAProxy | nginx | Portward | of the best peer | round by round | budget | |\n\
    |---|---|---|---|---|---|---|---|";

/// One row of it.
pub(crate) fn line(row: &Row, samples: &Samples) -> String {
    let medians: Vec<Sample> = samples.iter().map(|of_one| medians(of_one)).collect();
    let [shown_a, mut shown_b, shown_c] = [0, 1, 2].map(|at| shown(row.unit, &medians[at]));
    let mut peers = &samples[..Kind::ALL.len() - 1];
    if let Budget::OfHaproxy(_) = row.budget {
        peers = &peers[..1];
        shown_b = format!("({shown_b})");
    }
    let ours = &medians[Kind::ALL.len() - 1];
    let best =
        |number: usize| medians[..peers.len()].iter().map(|peer| peer[number]).fold(f64::INFINITY, f64::min);
    let ratios: Vec<f64> = ours.iter().enumerate().map(|(number, ours)| ours / best(number)).collect();
    let (budget, met) = match row.budget {
        Budget::OfBest(budget) | Budget::OfHaproxy(budget) => (
            format!("≤ {}", joined(budget.iter().map(f64::to_string))),
            Some(ratios.iter().zip(budget).all(|(ratio, budget)| (ratio * 100.0).round() / 100.0 <= *budget)),
        ),
        Budget::AtMost(budget) => (
            format!("≤ {}", shown(row.unit, budget)),
            Some(ours.iter().zip(budget).all(|(ours, budget)| ours <= budget)),
        ),
        Budget::None => ("–".to_owned(), None),
    };
    let met = met.map_or("", |met| if met { "met" } else { "missed" });
    let (ratios, spread) = match row.unit {
        // It is a ratio already.
        Unit::Quotient => ("–".to_owned(), "–".to_owned()),
        _ => (
            joined(ratios.iter().map(|ratio| shown(Unit::Quotient, &[*ratio]))),
            spread(peers, &samples[Kind::ALL.len() - 1]),
        ),
    };
    format!("| {} | {shown_a} | {shown_b} | {shown_c} | {ratios} | {spread} | {budget} | {met} |", row.work)
}

fn joined(numbers: impl Iterator<Item = String>) -> String {
    numbers.collect::<Vec<_>>().join(" / ")
}

fn medians(samples: &[Sample]) -> Sample {
    let numbers = samples.first().map_or(0, Vec::len);
    (0..numbers).map(|number| median(samples.iter().map(|sample| sample[number]))).collect()
}

/// The lowest and the highest ratio of the first number in a single round.
fn spread(peers: &[Vec<Sample>], ours: &[Sample]) -> String {
    let best = |round: usize| peers.iter().map(|peer| peer[round][0]).fold(f64::INFINITY, f64::min);
    let ratios: Vec<f64> = ours.iter().enumerate().map(|(round, ours)| ours[0] / best(round)).collect();
    let (low, high) = ratios
        .iter()
        .fold((f64::INFINITY, 0.0_f64), |(low, high), ratio| (low.min(*ratio), high.max(*ratio)));
    format!("{low:.2}–{high:.2}")
}

fn shown(unit: Unit, numbers: &[f64]) -> String {
    let first = numbers[0];
    match unit {
        // A proxy that cannot do this work.
        _ if first.is_nan() => "–".to_owned(),
        Unit::Micros => {
            let digits = usize::from(first < 100e-6);
            let all: Vec<String> =
                numbers.iter().map(|number| format!("{:.digits$}", number * 1e6)).collect();
            format!("{} µs", all.join(" / "))
        }
        Unit::Seconds => format!("{first:.2} s"),
        Unit::Quotient => format!("{first:.2}"),
        Unit::SecondsAndBytes => format!("{first:.2} s, {:.0} MB", numbers[1] / 1e6),
        Unit::Kib => format!("{:.1} KiB", first / 1024.0),
    }
}
