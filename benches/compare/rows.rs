//! The rows of the table: the work of each, and the measured quantity. The budgets are those of contract section 10, in its
//! order. The last row has none.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::load::{Connection, Expected, Plan, Request, Way, ask, open};
use crate::measure::{Bench, Sample, Samples, median, quantile};
use crate::origin::{HOSTS, LARGE, LARGE_PATH, SMALL};
use crate::peers::{Proxy, Rules, customer};

/// The unit of a row's numbers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Unit {
    /// Seconds, shown as microseconds: one number, or a median and a 99th percentile.
    Micros,
    /// Seconds.
    Seconds,
    /// A quotient.
    Quotient,
    /// Seconds and bytes.
    SecondsAndBytes,
    /// Bytes, shown in KiB.
    Kib,
}

/// The budget for Portward's numbers.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Budget {
    /// This multiple of the best peer's.
    OfBest(f64),
    /// At most these numbers.
    AtMost(&'static [f64]),
    /// No budget: the row is shown for comparison.
    None,
}

/// A row.
pub(crate) struct Row {
    /// The key for `--only`.
    pub(crate) key: &'static str,
    /// The description of the work.
    pub(crate) work: &'static str,
    pub(crate) unit: Unit,
    pub(crate) budget: Budget,
    run: fn(&Bench<'_>) -> Result<Samples, Failure>,
}

impl Row {
    /// Measures the row.
    pub(crate) fn measure(&self, bench: &Bench<'_>) -> Result<Samples, Failure> {
        (self.run)(bench)
    }
}

/// All rows.
pub(crate) const ROWS: &[Row] = &[
    Row {
        key: "kept-plain",
        work: "HTTP request, kept alive, plain → plain",
        unit: Unit::Micros,
        budget: Budget::OfBest(1.0),
        run: |bench| kept(bench, false, small(), 16, 20_000, |_, cost| vec![cost]),
    },
    Row {
        key: "kept-tls",
        work: "HTTPS → HTTPS request, kept alive",
        unit: Unit::Micros,
        budget: Budget::OfBest(0.9),
        run: |bench| kept(bench, true, small(), 16, 16_000, |_, cost| vec![cost]),
    },
    Row {
        key: "new-tls",
        work: "new TLS 1.3 connection + request, full handshake",
        unit: Unit::Micros,
        budget: Budget::OfBest(0.65),
        run: |bench| fresh(bench, Some(false), 1_600),
    },
    Row {
        key: "resumed-tls",
        work: "the same, resumed",
        unit: Unit::Micros,
        budget: Budget::OfBest(0.7),
        run: |bench| fresh(bench, Some(true), 1_600),
    },
    Row {
        key: "new-tcp",
        work: "new TCP connection + request",
        unit: Unit::Micros,
        budget: Budget::OfBest(0.9),
        run: |bench| fresh(bench, None, 5_000),
    },
    Row {
        key: "bulk-plain",
        work: "GB downloaded, plain",
        unit: Unit::Seconds,
        budget: Budget::OfBest(0.8),
        run: |bench| kept(bench, false, large(), 2, 125, |_, cost| vec![cost * 1e9 / LARGE as f64]),
    },
    Row {
        key: "bulk-tls",
        work: "GB downloaded, TLS → TLS",
        unit: Unit::Seconds,
        budget: Budget::OfBest(0.8),
        run: |bench| kept(bench, true, large(), 2, 125, |_, cost| vec![cost * 1e9 / LARGE as f64]),
    },
    Row {
        key: "ldap-plain",
        work: "GB found by an LDAP search, plain",
        unit: Unit::Seconds,
        budget: Budget::OfBest(0.8),
        run: |bench| crate::ldap::bulk(bench, false),
    },
    Row {
        key: "ldap-tls",
        work: "GB found by an LDAP search, TLS → TLS",
        unit: Unit::Seconds,
        budget: Budget::OfBest(0.8),
        run: |bench| crate::ldap::bulk(bench, true),
    },
    Row {
        key: "sip-registration",
        work: "SIP/TLS registration, own TLS connection to the target (second column: Kamailio, one for all)",
        unit: Unit::Micros,
        budget: Budget::OfBest(0.5),
        run: crate::sip::registration,
    },
    Row {
        key: "sip-idle",
        work: "idle SIP tunnel, plain, of 5,000 (second column: Kamailio)",
        unit: Unit::Kib,
        budget: Budget::AtMost(&[3.3 * 1024.0]),
        run: |bench| crate::sip::idle(bench, false),
    },
    Row {
        key: "sip-idle-tls",
        work: "idle SIP tunnel, TLS on both sides, of 5,000 (second column: Kamailio)",
        unit: Unit::Kib,
        budget: Budget::AtMost(&[20.0 * 1024.0]),
        run: |bench| crate::sip::idle(bench, true),
    },
    Row {
        key: "wss-registration",
        work: "SIP registration by wss, plain TCP to the PBX (second column: Kamailio, one connection for all)",
        unit: Unit::Micros,
        budget: Budget::None,
        run: crate::wss::fresh,
    },
    Row {
        key: "wss-of-tls",
        work: "the same against one by TLS (second column: Kamailio)",
        unit: Unit::Quotient,
        budget: Budget::AtMost(&[1.15]),
        run: crate::wss::fresh_of_tls,
    },
    Row {
        key: "wss-of-tls-kept",
        work: "the same on a connection that is open (second column: Kamailio)",
        unit: Unit::Quotient,
        budget: Budget::AtMost(&[1.15]),
        run: crate::wss::kept_of_tls,
    },
    Row {
        key: "wss-idle",
        work: "idle SIP by wss, plain TCP to the PBX, of 3,000 (second column: Kamailio)",
        unit: Unit::Kib,
        budget: Budget::AtMost(&[20.0 * 1024.0]),
        run: crate::wss::idle,
    },
    Row {
        key: "refused",
        work: "connection of a listed address refused (nginx: deny, which reads the request)",
        unit: Unit::Micros,
        budget: Budget::None,
        run: crate::refuse::listed,
    },
    Row {
        key: "hosts",
        work: "request at 100,000 hosts against 10 hosts",
        unit: Unit::Quotient,
        budget: Budget::AtMost(&[1.05]),
        run: hosts,
    },
    Row {
        key: "load",
        work: "load 100,000 hosts, each with its own target and a preset (the peers: one rule a host)",
        unit: Unit::SecondsAndBytes,
        budget: Budget::AtMost(&[0.3, 50e6]),
        run: |bench| load(bench, Rules::OwnTargets(MANY)),
    },
    Row {
        key: "load-tenants",
        work: "load 10,000 tenants, each with a host, its own target and a preset (the peers: one rule a host)",
        unit: Unit::SecondsAndBytes,
        budget: Budget::AtMost(&[0.5, 60e6]),
        run: |bench| load(bench, Rules::OwnTenants(10_000)),
    },
    Row {
        key: "latency",
        work: "latency of an HTTPS request, one connection, median / 99th",
        unit: Unit::Micros,
        budget: Budget::OfBest(0.95),
        run: |bench| {
            kept(bench, true, small(), 1, 4_000, |times, _| {
                vec![median(times.iter().copied()), quantile(times, 0.99)]
            })
        },
    },
    Row {
        key: "idle",
        work: "memory of an idle HTTPS connection, kept alive after one request",
        unit: Unit::Kib,
        budget: Budget::None,
        run: idle,
    },
];

fn small() -> Request {
    Request::get(HOSTS[0], SMALL, Expected::Body(b"target-a\n"))
}

fn large() -> Request {
    Request::get(HOSTS[0], LARGE_PATH, Expected::Length(LARGE))
}

/// Requests over connections that stay open from the first round to the last.
fn kept(
    bench: &Bench<'_>,
    tls: bool,
    request: Request,
    connections: usize,
    total: usize,
    sample: fn(&[f64], f64) -> Sample,
) -> Result<Samples, Failure> {
    let total = (total / bench.shorter).max(connections);
    let requests: Arc<[Request]> = Arc::new([request]);
    let mut held: [Vec<Connection>; 3] = Default::default();
    let plan = |at: usize, total| {
        let proxy = &bench.proxies[at];
        let (port, way) =
            if tls { (proxy.ports.tls, Way::tls(HOSTS[0], false)?) } else { (proxy.ports.plain, Way::Plain) };
        let (ways, requests) = (Arc::new([way]), requests.clone());
        Ok::<_, Failure>(Plan { port, ways, requests, connections, total, per_connection: usize::MAX })
    };
    for (at, held) in held.iter_mut().enumerate() {
        let warm_up = (total / 20).max(connections);
        bench.cost(&bench.proxies[at], &plan(at, warm_up)?, held)?;
    }
    bench.rounds(|at, _| {
        let (done, cost) = bench.cost(&bench.proxies[at], &plan(at, total)?, &mut held[at])?;
        if done.connections > 0 {
            return Err("a connection was not kept alive".into());
        }
        let times: Vec<f64> = done.times.iter().map(Duration::as_secs_f64).collect();
        Ok(sample(&times, cost))
    })
}

/// One connection for each request. `resumes`: by TLS, and whether all sessions must be resumed or none may be.
fn fresh(bench: &Bench<'_>, resumes: Option<bool>, total: usize) -> Result<Samples, Failure> {
    let connections = 16;
    let total = (total / bench.shorter).max(connections);
    let requests: Arc<[Request]> = Arc::new([small()]);
    let mut plans = Vec::new();
    for proxy in bench.proxies {
        let port = if resumes.is_some() { proxy.ports.tls } else { proxy.ports.plain };
        let way = || resumes.map_or(Ok(Way::Plain), |resumes| Way::tls(HOSTS[0], resumes));
        let ways = (0..connections).map(|_| way()).collect::<Result<_, _>>()?;
        let plan = Plan { port, ways, requests: requests.clone(), connections, total, per_connection: 1 };
        let warm_up = Plan { total: (total / 10).max(2 * connections), ..plan.clone() };
        bench.cost(proxy, &warm_up, &mut Vec::new())?;
        plans.push(plan);
    }
    bench.rounds(|at, _| {
        let (done, cost) = bench.cost(&bench.proxies[at], &plans[at], &mut Vec::new())?;
        let wanted = if resumes == Some(true) { done.connections } else { 0 };
        if done.resumed.abs_diff(wanted) > done.connections / 100 {
            return Err(format!("{} of {} sessions were resumed", done.resumed, done.connections).into());
        }
        Ok(vec![cost])
    })
}

/// How many hosts a table has.
const MANY: u32 = 100_000;
const FEW: u32 = 10;

/// The same requests to a proxy with few hosts and to one with many, in an order that no cache can guess.
fn hosts(bench: &Bench<'_>) -> Result<Samples, Failure> {
    let connections = 16;
    let total = (20_000 / bench.shorter).max(connections);
    let mut sets = Vec::new();
    for count in [FEW, MANY] {
        let rules = Rules::OneTarget(count, bench.origin.targets[0]);
        let requests: Arc<[Request]> = (0..20_000_u32)
            .map(|n| customer(n.wrapping_mul(2_654_435_761) % count))
            .map(|host| Request::get(&host, SMALL, Expected::Body(b"target-a\n")))
            .collect();
        let mut running = Vec::new();
        for proxy in bench.proxies {
            let proxy = Proxy::start(proxy.kind, &format!("hosts-{count}"), rules, bench.place)?;
            let (port, requests) = (proxy.ports.plain, requests.clone());
            let ways = Arc::new([Way::Plain]);
            let plan = Plan { port, ways, requests, connections, total, per_connection: usize::MAX };
            let mut held = Vec::new();
            bench.cost(&proxy, &Plan { total: (total / 10).max(connections), ..plan.clone() }, &mut held)?;
            running.push((proxy, plan, held));
        }
        sets.push(running);
    }
    bench.rounds(|at, _| {
        let mut costs = Vec::new();
        for running in &mut sets {
            let (proxy, plan, held) = &mut running[at];
            costs.push(bench.cost(proxy, plan, held)?.1);
        }
        Ok(vec![costs[1] / costs[0]])
    })
}

/// The processor time from the start until everything is loaded, and the memory at that time.
fn load(bench: &Bench<'_>, rules: Rules) -> Result<Samples, Failure> {
    bench.rounds(|_, kind| {
        let proxy = Proxy::start(kind, "load", rules, bench.place)?;
        // nginx accepts connections before its worker has started.
        std::thread::sleep(Duration::from_millis(200));
        Ok(vec![proxy.process.processor_time()?.as_secs_f64(), proxy.process.memory()? as f64])
    })
}

/// The memory of each of many idle connections in the proxy's processes.
fn idle(bench: &Bench<'_>) -> Result<Samples, Failure> {
    let limit = rustix::process::getrlimit(rustix::process::Resource::Nofile).current.unwrap_or(u64::MAX);
    let count = (2_000 / bench.shorter).min(usize::try_from(limit / 3)?);
    let rounds = Bench { rounds: bench.rounds.min(3), ..*bench };
    rounds.rounds(|_, kind| {
        let proxy = Proxy::start(kind, "idle", Rules::Two(bench.origin.targets), bench.place)?;
        let way = Way::tls(HOSTS[0], false)?;
        let request = small();
        let hold = async |count: usize| {
            let mut held = Vec::new();
            for _ in 0..count {
                let (mut stream, _) = open(proxy.ports.tls, &way).await?;
                ask(&mut *stream, &request, &mut Vec::new()).await?;
                held.push(stream);
            }
            Ok::<_, Failure>(held)
        };
        // The first connections cause memory that does not belong to a single connection.
        let _first = bench.runtime.block_on(hold(50))?;
        let before = settled(&proxy)?;
        let _held = bench.runtime.block_on(hold(count))?;
        let after = settled(&proxy)?;
        Ok(vec![after.saturating_sub(before) as f64 / count as f64])
    })
}

/// A proxy's memory after a moment without any event.
fn settled(proxy: &Proxy) -> Result<u64, Failure> {
    let begun = Instant::now();
    let mut last = proxy.process.memory()?;
    loop {
        std::thread::sleep(Duration::from_millis(300));
        let now = proxy.process.memory()?;
        if now == last || begun.elapsed() > Duration::from_secs(3) {
            return Ok(now);
        }
        last = now;
    }
}
