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

mod baseline;
mod callgrind;
mod counting;
mod http;
mod instructions;
mod ldap;
mod load;
mod measure;
mod nginx;
mod options;
mod origin;
mod parts;
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

use counting::{Counting, Place};
use load::Way;
use measure::Bench;
use options::Options;
use origin::{HOSTS, Origin, SEEN, SMALL};
use peers::{Kind, Proxy, Rules, Setup};

/// An error, for people.
pub(crate) type Failure = Box<dyn std::error::Error>;

fn main() -> ExitCode {
    // `cargo test` also runs this program. Then it does nothing.
    if !std::env::args().any(|argument| argument == "--bench") {
        return ExitCode::SUCCESS;
    }
    match Options::read(std::env::args().skip(1)).and_then(|options| match &options.counting {
        Some(counting) => count(counting, &options.portward),
        None => compare(&options),
    }) {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            // The name of the script that was called.
            let is_counting = std::env::args().any(|argument| argument == "--instructions");
            eprintln!("{}: {failure}", if is_counting { "instructions" } else { "compare" });
            ExitCode::FAILURE
        }
    }
}

/// Counts instructions instead.
fn count(counting: &Counting, portward: &str) -> Result<(), Failure> {
    let folder = tempfile::Builder::new().prefix("portward-instructions-").tempdir()?;
    certificate(folder.path())?;
    let core = process::cores().first().map(u32::to_string);
    counting.run(Place { portward, core: core.as_deref(), folder: folder.path() })
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
    println!("\n{}", table::notes(&options.peers, &cores, options.rounds));
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
