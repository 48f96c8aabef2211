//! The work of the rows with HTTP: requests on connections that stay open and on new ones, by the number of hosts, and what
//! loading rules and holding idle connections takes.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::Failure;
use crate::load::{Connection, Expected, Plan, Request, Way, ask, open};
use crate::measure::{Bench, Sample, Samples};
use crate::origin::{HOSTS, LARGE, LARGE_PATH, SMALL};
use crate::peers::{Kind, Proxy, Rules, Setup, customer};

/// A request with a small answer.
pub(crate) fn small() -> Request {
    Request::get(HOSTS[0], SMALL, Expected::Body(b"target-a\n"))
}

/// A request with a large answer.
pub(crate) fn large() -> Request {
    Request::get(HOSTS[0], LARGE_PATH, Expected::Length(LARGE))
}

/// Requests over connections that stay open from the first round to the last.
pub(crate) fn kept(
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

/// Requests with a new connection for each.
pub(crate) struct Fresh {
    /// By TLS, and whether all sessions must be resumed or none may be.
    pub(crate) resumes: Option<bool>,
    pub(crate) request: Request,
    /// The number of requests in a round.
    pub(crate) total: usize,
}

impl Fresh {
    /// Measures `proxies`, one of each kind.
    pub(crate) fn measure(self, bench: &Bench<'_>, proxies: &[Proxy]) -> Result<Samples, Failure> {
        let connections = 16;
        let total = (self.total / bench.shorter).max(connections);
        let requests: Arc<[Request]> = Arc::new([self.request]);
        let mut plans = Vec::new();
        for proxy in proxies {
            let port = if self.resumes.is_some() { proxy.ports.tls } else { proxy.ports.plain };
            let way = || self.resumes.map_or(Ok(Way::Plain), |resumes| Way::tls(HOSTS[0], resumes));
            let ways = (0..connections).map(|_| way()).collect::<Result<_, _>>()?;
            let plan = Plan { port, ways, requests: requests.clone(), connections, total, per_connection: 1 };
            let warm_up = Plan { total: (total / 10).max(2 * connections), ..plan.clone() };
            bench.cost(proxy, &warm_up, &mut Vec::new())?;
            plans.push(plan);
        }
        bench.rounds(|at, _| {
            let (done, cost) = bench.cost(&proxies[at], &plans[at], &mut Vec::new())?;
            let wanted = if self.resumes == Some(true) { done.connections } else { 0 };
            if done.resumed.abs_diff(wanted) > done.connections / 100 {
                return Err(format!("{} of {} sessions were resumed", done.resumed, done.connections).into());
            }
            Ok(vec![cost])
        })
    }
}

/// The same with two workers on two cores. The clients and targets share one of them, as with the other rows.
pub(crate) fn two_workers(bench: &Bench<'_>, fresh: Fresh) -> Result<Samples, Failure> {
    let Some(cores) = bench.two_cores else { return bench.rounds(|_, _| Ok(vec![f64::NAN])) };
    let place = Setup { cores: Some(cores), workers: 2, ..bench.place };
    let proxies = Kind::ALL
        .iter()
        .map(|kind| Proxy::start(*kind, "workers", Rules::Two(bench.origin.targets), place))
        .collect::<Result<Vec<_>, _>>()?;
    fresh.measure(bench, &proxies)
}

/// How many hosts a table has.
pub(crate) const MANY: u32 = 100_000;
const FEW: u32 = 10;

/// The same requests to a proxy with few hosts and to one with many, in an order that no cache can guess.
pub(crate) fn hosts(bench: &Bench<'_>) -> Result<Samples, Failure> {
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
pub(crate) fn load(bench: &Bench<'_>, rules: Rules) -> Result<Samples, Failure> {
    bench.rounds(|_, kind| {
        let proxy = Proxy::start(kind, "load", rules, bench.place)?;
        // nginx accepts connections before its worker has started.
        std::thread::sleep(Duration::from_millis(200));
        Ok(vec![proxy.process.processor_time()?.as_secs_f64(), proxy.process.memory()? as f64])
    })
}

/// The memory of each of many idle connections in the proxy's processes.
pub(crate) fn idle(bench: &Bench<'_>) -> Result<Samples, Failure> {
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
