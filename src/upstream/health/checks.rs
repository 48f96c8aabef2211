//! Makes the checks that are due, at most [`AT_ONCE`] at a time, and gives the results to [`Health`].

use std::cmp::Reverse;
use std::collections::hash_map::Entry;
use std::collections::{BinaryHeap, HashMap};
use std::hash::{BuildHasher as _, RandomState};
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::io::AsyncReadExt as _;
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Health;
use super::plan::{self, Item};
use super::question::Question;
use crate::cause::Cause;
use crate::io::Leg;
use crate::rules::{Address, Table, is_of_this_machine};
use crate::service::Transport;
use crate::tls::{self, UpstreamTls};
use crate::upstream::Resolver;
use crate::upstream::dial::{self, Opening};
use crate::upstream::here::is_here;

/// How many checks have a connection at the same time (contract section 8, Health).
const AT_ONCE: usize = 64;
/// In how many pieces an answer may come at most. Each piece costs a look at the whole answer so far.
const READS: usize = 256;

/// The configuration by which the checks are made.
#[derive(Debug, Clone)]
pub struct Basis {
    /// The rules.
    pub table: Arc<Table>,
    /// TLS toward targets.
    pub tls: Arc<UpstreamTls>,
    /// Our own listening sockets.
    pub listeners: Arc<[SocketAddr]>,
}

/// The checks of one process.
#[derive(Debug)]
pub struct Checks {
    health: Arc<Health>,
    resolver: Arc<Resolver>,
    /// Spreads the checks over their intervals, differently in each process.
    random: RandomState,
    started: Instant,
    /// All checks that were due until then have been started.
    done: Duration,
    places: Arc<Semaphore>,
    open: JoinSet<()>,
    /// The addresses that are checked now, each with the number of its item. A name and an address may lead to the same
    /// port.
    checked: HashMap<SocketAddr, usize>,
}

impl Checks {
    /// Checks that report to `health`.
    pub fn new(health: Arc<Health>, resolver: Arc<Resolver>) -> Self {
        Self {
            health,
            resolver,
            random: RandomState::new(),
            started: Instant::now(),
            done: Duration::ZERO,
            places: Arc::new(Semaphore::new(AT_ONCE)),
            open: JoinSet::new(),
            checked: HashMap::new(),
        }
    }

    /// Makes the checks of `basis`, without end. When there is a new basis the caller drops the future and calls this
    /// again. Checks that became due meanwhile are made then, and running checks go on.
    pub async fn run(&mut self, basis: &Basis) {
        let items: Vec<Arc<Item>> =
            plan::items(&basis.table, &self.random).into_iter().map(Arc::new).collect();
        let mut addresses: Vec<Vec<IpAddr>> = items.iter().map(|item| self.addresses(item)).collect();
        self.follow(&items, &addresses);
        let mut due: BinaryHeap<Reverse<(Duration, usize)>> = BinaryHeap::with_capacity(items.len());
        let since = self.done;
        due.extend(
            items.iter().enumerate().map(|(number, item)| Reverse((since + item.wait(since), number))),
        );
        loop {
            let next = due.peek().map(|Reverse((at, _))| at.saturating_sub(self.started.elapsed()));
            let has_room = self.open.len() < AT_ONCE;
            tokio::select! {
                Some(_) = self.open.join_next() => {}
                () = tokio::time::sleep(next.unwrap_or(Duration::MAX)), if has_room && next.is_some() => {
                    let Some(Reverse((at, number))) = due.pop() else { continue };
                    let (Some(item), Some(known)) = (items.get(number), addresses.get_mut(number)) else { continue };
                    self.done = at;
                    // A check that is so late that the next one is due is left out.
                    let now = self.started.elapsed().max(at);
                    due.push(Reverse((now + item.wait(now), number)));
                    let ips = self.addresses(item);
                    let have_changed = *known != ips;
                    if have_changed {
                        known.clone_from(&ips);
                        self.follow(&items, &addresses);
                    }
                    self.start((number, item), &ips, basis);
                }
                else => std::future::pending().await,
            }
        }
    }

    /// Starts the checks of the addresses that an item has now.
    fn start(&mut self, (number, item): (usize, &Arc<Item>), ips: &[IpAddr], basis: &Basis) {
        for ip in ips.iter().copied().filter(|ip| is_checked(item, *ip)) {
            let is_its = |judged: &SocketAddr| self.checked.get(judged) == Some(&number);
            let judged: Vec<_> = item.judged_at(ip).filter(is_its).collect();
            if judged.is_empty() {
                continue;
            }
            let (item, basis, health) = (item.clone(), basis.clone(), self.health.clone());
            let (places, token) = (self.places.clone(), self.token(ip));
            // An address that was forgotten meanwhile is marked as checked again.
            judged.iter().for_each(|judged| health.check_by(*judged, item.thresholds()));
            self.open.spawn(async move {
                let Ok(_place) = places.acquire_owned().await else { return };
                let result = ask(&item, SocketAddr::new(ip, item.port.get()), (&basis, &token)).await;
                judged.iter().for_each(|judged| health.checked(*judged, result));
            });
        }
    }

    /// Letters and digits that make a check unique.
    fn token(&self, ip: IpAddr) -> String {
        format!("pw{:016x}", self.random.hash_one((ip, self.started.elapsed())))
    }

    fn addresses(&self, item: &Item) -> Vec<IpAddr> {
        match &item.endpoint.address {
            Address::Ip(ip) => vec![*ip],
            Address::Name(name) => {
                let mut addresses =
                    self.resolver.last(name).and_then(Result::ok).unwrap_or_default().to_vec();
                // Name servers rotate their answers.
                addresses.sort_unstable();
                addresses
            }
        }
    }

    /// Follows the rules and the names in them. New addresses are checked. For an address that is not checked any more
    /// only connections set the state.
    fn follow(&mut self, items: &[Arc<Item>], addresses: &[Vec<IpAddr>]) {
        let mut still = HashMap::new();
        for ((number, item), ips) in items.iter().enumerate().zip(addresses) {
            for ip in ips.iter().copied().filter(|ip| is_checked(item, *ip)) {
                for judged in item.judged_at(ip) {
                    if let Entry::Vacant(place) = still.entry(judged) {
                        self.health.check_by(judged, item.thresholds());
                        place.insert(number);
                    }
                }
            }
        }
        let gone = self.checked.keys().filter(|judged| !still.contains_key(judged));
        gone.for_each(|gone| self.health.check_by(*gone, None));
        self.checked = still;
    }
}

/// Whether Portward may connect to an address of an item.
fn is_checked(item: &Item, ip: IpAddr) -> bool {
    !(item.endpoint.options.elsewhere_only && (is_of_this_machine(ip) || is_here(ip.to_canonical())))
}

/// Checks one address. The connection is closed afterwards.
async fn ask(item: &Item, address: SocketAddr, (basis, token): (&Basis, &str)) -> Result<(), Cause> {
    let Some(check) = item.check() else { return Ok(()) };
    let began = tokio::time::Instant::now();
    let is_tls = item.transport == Transport::Tls;
    let profile = is_tls.then(|| basis.tls.client_config(item.service, &item.endpoint.options));
    let opening = Opening {
        tls: &basis.tls,
        listeners: &basis.listeners,
        tcp_timeout: check.timeout,
        timeout: check.timeout,
        service: item.service,
        endpoint: &item.endpoint,
        host: &item.host,
        profile: profile.as_ref(),
        speaks_for: None,
    };
    let mut leg = Leg::new(dial::open(opening, address).await?);
    let question = Question { probe: &check.probe, host: &item.host, is_tls, token };
    tokio::time::timeout_at(began + check.timeout, answer(&mut leg, &question))
        .await
        .unwrap_or(Err(Cause::NoAnswer))
}

async fn answer(leg: &mut Leg, question: &Question<'_>) -> Result<(), Cause> {
    // A target that refuses our certificate says so before it reads (RFC 8446 section 4.4.2.4). So its alert is read
    // even if the request could not be sent.
    let sent = leg.write_all(&question.octets()).await;
    let mut answer = Vec::new();
    let mut piece = [0; 2048];
    for _ in 0..READS {
        if let Some(verdict) = question.verdict(&answer) {
            return verdict;
        }
        match leg.stream.read(&mut piece).await {
            Ok(count @ 1..) if sent.is_ok() => {
                answer.extend_from_slice(piece.get(..count).unwrap_or_default())
            }
            Ok(_) => return Err(Cause::Closed),
            Err(error) => return Err(tls::of_alert_after(&error).unwrap_or(Cause::Closed)),
        }
    }
    Err(Cause::BadAnswer)
}
