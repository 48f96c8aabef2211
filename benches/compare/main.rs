//! Compares Portward with HAProxy and nginx: the same work in the same run on the same core, as a table.
//!
//! `scripts/compare` runs it. The measured proxy is alone on the first core. Targets and clients share the others. The
//! proxy's own processor time counts. A machine runs out of that first, and it hardly depends on the clients' core.
//! Before the measurement every proxy must show that it routes correctly.
//!
//! `--instructions` is another bench with the same clients and configurations: Portward alone, under callgrind
//! (`scripts/instructions`).
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
#![allow(clippy::print_stdout, clippy::print_stderr, missing_docs)]

mod http;
mod instructions;
mod ldap;
mod load;
mod measure;
mod nginx;
mod origin;
mod peers;
mod process;
mod programs;
mod refuse;
mod rows;
mod sip;
mod stand_in;
mod steps;
mod table;
mod works;
mod wss;

use std::path::Path;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use instructions::{COUNTED, CountedRow};
use load::Way;
use measure::Bench;
use origin::{HOSTS, Origin, SEEN, SMALL};
use peers::{Kind, Proxy, Rules, Setup};
use programs::Programs;
use rows::{ROWS, Row};

/// An error, for people.
pub(crate) type Failure = Box<dyn std::error::Error>;

const USAGE: &str = "options: --quick, --rounds N, --only ROW (may be repeated), --peers FOLDER, --portward PROGRAM; \
    or --instructions with --only, --portward and --base PROGRAM";

struct Options {
    rounds: usize,
    quick: bool,
    rows: Vec<&'static Row>,
    peers: Programs,
    portward: String,
    /// Count instructions, of these rows.
    counted: Option<Vec<&'static CountedRow>>,
    /// The program to compare Portward's instructions with.
    base: Option<String>,
}

fn main() -> ExitCode {
    // `cargo test` also runs this program. Then it does nothing.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    match options(std::env::args().skip(1)).and_then(|options| match &options.counted {
        Some(rows) => count(&options, rows),
        None => compare(&options),
    }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            eprintln!("compare: {failure}");
            ExitCode::FAILURE
        }
    }
}

fn options(mut arguments: impl Iterator<Item = String>) -> Result<Options, Failure> {
    let mut options = Options {
        rounds: 0,
        quick: false,
        rows: Vec::new(),
        peers: Programs::of_machine(),
        portward: env!("CARGO_BIN_EXE_portward").to_owned(),
        counted: None,
        base: None,
    };
    let mut only = Vec::new();
    while let Some(argument) = arguments.next() {
        let mut value = || arguments.next().ok_or_else(|| format!("{argument} wants a value"));
        match argument.as_str() {
            "--bench" => {}
            "--quick" => options.quick = true,
            "--rounds" => options.rounds = value()?.parse::<usize>()?.clamp(1, 100),
            "--peers" => options.peers = Programs::of_folder(Path::new(&value()?)),
            "--portward" => options.portward = value()?,
            "--instructions" => options.counted = Some(Vec::new()),
            "--base" => options.base = Some(value()?),
            "--only" => only.push(value()?),
            _ => return Err(USAGE.into()),
        }
    }
    if options.rounds == 0 {
        options.rounds = if options.quick { 2 } else { 7 };
    }
    match &mut options.counted {
        Some(rows) => *rows = chosen(COUNTED, |row| row.key, &only)?,
        None if options.base.is_some() => return Err(USAGE.into()),
        None => options.rows = chosen(ROWS, |row| row.key, &only)?,
    }
    Ok(options)
}

/// The rows with these keys. Without keys all rows.
fn chosen<R>(
    rows: &'static [R],
    key: fn(&R) -> &'static str,
    only: &[String],
) -> Result<Vec<&'static R>, Failure> {
    if only.is_empty() {
        return Ok(rows.iter().collect());
    }
    let find = |wanted: &String| {
        let keys: Vec<&str> = rows.iter().map(key).collect();
        let row = rows.iter().find(|row| key(row) == wanted);
        row.ok_or_else(|| format!("no row {wanted}; there are {}", keys.join(", ")).into())
    };
    only.iter().map(find).collect()
}

/// Counts instructions instead.
fn count(options: &Options, rows: &[&CountedRow]) -> Result<(), Failure> {
    let folder = tempfile::Builder::new().prefix("portward-instructions-").tempdir()?;
    certificate(folder.path())?;
    // On one core there is one worker.
    let core = process::cores().first().map(u32::to_string);
    let programs: Vec<&str> = options.base.iter().chain([&options.portward]).map(String::as_str).collect();
    instructions::count(&programs, rows, core.as_deref(), folder.path())
}

fn compare(options: &Options) -> Result<(), Failure> {
    options.peers.check()?;
    let until = Instant::now() + Duration::from_secs(if options.quick { 45 } else { 540 });
    raise_descriptor_limit();
    let cores = process::cores();
    let (core, rest) = match cores.split_first() {
        Some((first, rest)) if !rest.is_empty() => {
            let rest: Vec<String> = rest.iter().map(u32::to_string).collect();
            (Some(first.to_string()), Some(rest.join(",")))
        }
        _ => (None, None),
    };
    if let Some(rest) = &rest {
        process::move_self(rest)?;
    }
    let two = cores.get(..2).map(|two| format!("{},{}", two[0], two[1]));
    let folder = tempfile::Builder::new().prefix("portward-compare-").tempdir()?;
    certificate(folder.path())?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let origin = Origin::start(folder.path(), rest.as_deref())?;
    let place = Setup {
        folder: folder.path(),
        cores: core.as_deref(),
        workers: 1,
        portward: &options.portward,
        peers: &options.peers,
        counted: false,
    };
    let proxies = Kind::ALL
        .iter()
        .map(|kind| Proxy::start(*kind, "two", Rules::Two(origin.targets), place))
        .collect::<Result<Vec<_>, _>>()?;
    for proxy in &proxies {
        runtime.block_on(verify(proxy)).map_err(|failure| format!("{}: {failure}", proxy.kind.name()))?;
    }
    let shorter = if options.quick { 8 } else { 1 };
    let bench = Bench {
        runtime: &runtime,
        origin: &origin,
        place,
        proxies: &proxies,
        two_cores: two.as_deref(),
        rounds: options.rounds,
        shorter,
        until,
    };
    println!("{}", table::HEAD);
    for row in &options.rows {
        let begun = Instant::now();
        let samples = row.measure(&bench).map_err(|failure| format!("{}: {failure}", row.key))?;
        println!("{}", table::line(row, &samples));
        eprintln!("{}: {} rounds, {:.1} s", row.key, samples[0].len(), begun.elapsed().as_secs_f64());
    }
    let cores = match (&core, &rest) {
        (Some(core), Some(rest)) => {
            format!("The proxy alone on core {core}, clients and targets on core {rest}")
        }
        _ => "Everything on one core".to_owned(),
    };
    println!("\n{}", table::preface(&options.peers, &cores, options.rounds));
    Ok(())
}

/// Every proxy must lead every host to its own target, by both transports, and must refuse other hosts.
async fn verify(proxy: &Proxy) -> Result<(), Failure> {
    let ways =
        [(proxy.ports.plain, Way::Plain, "http"), (proxy.ports.tls, Way::tls(HOSTS[0], false)?, "https")];
    for (port, way, scheme) in ways {
        for (host, target) in HOSTS.iter().zip(["target-a\n", "target-b\n"]) {
            let got = load::look(port, &way, host, SMALL).await?;
            if got != Some(("200".to_owned(), target.to_owned())) {
                return Err(format!("{scheme}://{host}{SMALL} brought {got:?}").into());
            }
            let seen = load::look(port, &way, host, SEEN).await?;
            if seen != Some(("200".to_owned(), format!("{host} 127.0.0.1 {scheme}"))) {
                return Err(format!("what was forwarded with {scheme}://{host}{SEEN}: {seen:?}").into());
            }
        }
        for (host, path) in [("other.example.net", SMALL), (HOSTS[0], "/elsewhere")] {
            let got = load::look(port, &way, host, path).await?;
            if got.as_ref().is_some_and(|(status, body)| status.starts_with('2') || body.contains("target")) {
                return Err(format!("{scheme}://{host}{path} is no rule's, and brought {got:?}").into());
            }
        }
    }
    Ok(())
}

/// One certificate (ECDSA, P-256) for all targets and proxies.
fn certificate(folder: &Path) -> Result<(), Failure> {
    let names: Vec<String> = ["*.example.net", "*.customers.example.net"].map(str::to_owned).to_vec();
    let made = rcgen::generate_simple_self_signed(names)?;
    let (certificate, key) = (made.cert.pem(), made.signing_key.serialize_pem());
    process::write(folder, "all.crt", &certificate)?;
    process::write(folder, "all.key", &key)?;
    process::write(folder, "all.pem", &format!("{certificate}{key}"))?;
    Ok(())
}

/// A connection takes two descriptors here and two in the proxy. So the soft limit is raised to the hard one. Children
/// inherit it.
fn raise_descriptor_limit() {
    use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
    let limit = getrlimit(Resource::Nofile);
    let _ = setrlimit(Resource::Nofile, Rlimit { current: limit.maximum, ..limit });
}
