//! Resolves DNS names of targets in the background (contract section 7). Only the very first request to a name waits
//! for DNS. The last good answer is kept until there is a better one.
//!
//! Name servers may be silent, and there may be thousands of names. So a name has one open query at a time. At most
//! [`SLOTS`] queries are open, and names without a good answer may use only some of them. A query ends by itself. It
//! ends at once if its name is removed from the rules.
//!
//! The C library's resolver (`getaddrinfo`) cannot do that: a query blocks a thread until the library gives up, and it
//! cannot be cancelled. `hickory-resolver` is used instead. It reads this machine's /etc/resolv.conf, and /etc/hosts
//! comes first. Other sources of nsswitch.conf(5) are not used: multicast DNS (`.local`), `sss` and `myhostname`.
//! Targets are named in DNS or /etc/hosts. Where systemd-resolved knows other names it answers DNS queries for them as
//! well. Unlike the library, `hickory-resolver` reports times to live. So a name is queried again after its own time to
//! live, but not sooner than [`SOONEST`] and not later than [`LATEST`]. An administrator who moves a PBX does not want to wait for a day. A
//! caching name server answers from its cache, so the queries burden no other server.

mod system;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::{AbortHandle, Id, JoinSet};

use crate::cause::Cause;
use system::{Found, System, ordered};

/// A resolved name is queried again no sooner than this and no later than [`LATEST`].
const SOONEST: Duration = Duration::from_secs(5);
const LATEST: Duration = Duration::from_secs(30);
/// When a name that did not resolve is queried again. The time doubles with each failure, up to the second constant.
const RETRY: Duration = Duration::from_secs(5);
const RETRY_LATEST: Duration = Duration::from_secs(60);
/// How many queries are open at once. Each needs two sockets or a few more. The second constant is the share of names
/// without a good answer: they must not delay the others.
const SLOTS: usize = 32;
const SLOTS_DOUBTFUL: usize = 24;
/// How long Portward remembers that a name has lost an address: until every worker has noticed. The second constant is
/// how many such addresses are remembered. Connections to others are closed when they have waited long enough.
const LEFT: Duration = Duration::from_secs(60);
const LEFT_MOST: usize = 10_000;
/// How many addresses of a name are used. Each dead one costs a request time.
const ADDRESSES: usize = 16;
/// How often Portward looks at the files of this machine.
const GLANCE: Duration = Duration::from_secs(1);

/// The state of a name.
#[derive(Debug)]
struct Known {
    addresses: Arc<[IpAddr]>,
    /// Why the name has no address, as of the last query that ended. `None`: no query has ended yet.
    missing: Option<Cause>,
    /// How many of the last queries in a row brought no address.
    failures: u32,
    /// When the last query began.
    last: Option<Instant>,
    state: State,
}

impl Known {
    /// The answer so far. `None`: no query has ended yet.
    fn answer(&self) -> Option<Result<Arc<[IpAddr]>, Cause>> {
        self.missing.map(|missing| match &self.addresses {
            none if none.is_empty() => Err(missing),
            some => Ok(some.clone()),
        })
    }
}

#[derive(Debug)]
enum State {
    /// The next query is due at that time, in the queue of good or of doubtful names.
    Due(Instant, Lane),
    /// A client waits for the name, so it is next.
    Wanted,
    /// A query is open.
    Asking(AbortHandle),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Lane {
    Good,
    Doubtful,
}

/// All names.
#[derive(Debug, Default)]
struct Names {
    known: HashMap<Arc<str>, Known>,
    /// Addresses that a name has lost, with the time. No name has got them since.
    left: HashMap<IpAddr, Instant>,
    good: BTreeSet<(Instant, Arc<str>)>,
    doubtful: BTreeSet<(Instant, Arc<str>)>,
    wanted: VecDeque<Arc<str>>,
}

/// The background resolver.
#[derive(Debug, Default)]
pub struct Resolver {
    names: Mutex<Names>,
    /// A query has ended.
    answered: Notify,
    /// There is a new query to make.
    news: Notify,
}

impl Names {
    fn schedule(&mut self, lane: Lane) -> &mut BTreeSet<(Instant, Arc<str>)> {
        match lane {
            Lane::Good => &mut self.good,
            Lane::Doubtful => &mut self.doubtful,
        }
    }

    /// Forgets a name and ends its query.
    fn forget(&mut self, name: &Arc<str>) {
        match self.known.remove(name).map(|known| known.state) {
            Some(State::Due(at, lane)) => {
                self.schedule(lane).remove(&(at, name.clone()));
            }
            Some(State::Wanted) => self.wanted.retain(|other| other != name),
            Some(State::Asking(question)) => question.abort(),
            None => {}
        }
    }

    fn put_off(&mut self, name: &Arc<str>, at: Instant, lane: Lane) {
        if let Some(known) = self.known.get_mut(name) {
            known.state = State::Due(at, lane);
            self.schedule(lane).insert((at, name.clone()));
        }
    }

    /// Puts a name at the front of the queue. Returns whether that is new. A name that failed a moment ago is not
    /// queried again yet.
    fn want(&mut self, name: &str, now: Instant) -> bool {
        let Some((name, known)) = self.known.get_key_value(name) else { return false };
        let State::Due(at, lane) = known.state else { return false };
        if known.last.is_some_and(|last| now < last + RETRY) {
            return false;
        }
        let name = name.clone();
        self.schedule(lane).remove(&(at, name.clone()));
        if let Some(known) = self.known.get_mut(&name) {
            known.state = State::Wanted;
        }
        self.wanted.push_back(name);
        true
    }

    /// Whether `question` is the open query of a name.
    fn is_asking(&self, name: &Arc<str>, question: Id) -> bool {
        let state = self.known.get(name).map(|known| &known.state);
        matches!(state, Some(State::Asking(open)) if open.id() == question)
    }

    /// The next name to query at `now`, if there is a slot for it.
    fn next(&mut self, now: Instant, open: usize, doubtful: usize) -> Option<(Arc<str>, Lane)> {
        if open >= SLOTS {
            return None;
        }
        // A client waits for a name without an address. It is queried first, but it takes no slot of names with an
        // address.
        if doubtful < SLOTS_DOUBTFUL
            && let Some(name) = self.wanted.pop_front()
        {
            return Some((name, Lane::Doubtful));
        }
        let due = |schedule: &mut BTreeSet<(Instant, Arc<str>)>| {
            schedule.first().is_some_and(|(at, _)| *at <= now).then(|| schedule.pop_first()).flatten()
        };
        if let Some((_, name)) = due(&mut self.good) {
            return Some((name, Lane::Good));
        }
        if doubtful >= SLOTS_DOUBTFUL {
            return None;
        }
        due(&mut self.doubtful).map(|(_, name)| (name, Lane::Doubtful))
    }

    /// When the next name is due. A name that is overdue is due now.
    fn next_due(&self) -> Option<Instant> {
        [&self.good, &self.doubtful]
            .into_iter()
            .filter_map(|schedule| schedule.first())
            .map(|(at, _)| *at)
            .min()
    }

    /// Takes the result of a query. `None`: there was no answer.
    fn take(&mut self, name: &Arc<str>, found: Option<Found>, now: Instant) {
        let Some(known) = self.known.get_mut(name) else { return };
        let is_answered = found.is_some();
        known.missing = Some(if is_answered { Cause::NameNotFound } else { Cause::DnsFailed });
        let (wait, lane) = match found.filter(|found| !found.addresses.is_empty()) {
            Some(found) => {
                known.failures = 0;
                let found = found.completed(&known.addresses).bounded(&known.addresses);
                if *known.addresses != *found.addresses {
                    let before = std::mem::replace(&mut known.addresses, found.addresses.into());
                    let gone = before.iter().filter(|ip| !known.addresses.contains(ip)).copied();
                    self.left.retain(|ip, since| {
                        !known.addresses.contains(ip) && now.saturating_duration_since(*since) < LEFT
                    });
                    let room = LEFT_MOST.saturating_sub(self.left.len());
                    self.left.extend(gone.take(room).map(|ip| (ip, now)));
                }
                (found.lasts.clamp(SOONEST, LATEST), Lane::Good)
            }
            None => {
                let wait = RETRY.saturating_mul(1 << known.failures.min(8)).min(RETRY_LATEST);
                known.failures = known.failures.saturating_add(1);
                (wait, Lane::Doubtful)
            }
        };
        self.put_off(name, now + wait, lane);
    }
}

impl Found {
    /// Adds the known addresses of the family about which the server was silent.
    fn completed(mut self, before: &[IpAddr]) -> Self {
        let Some(family) = self.addresses.first().map(IpAddr::is_ipv4).filter(|_| self.is_half) else {
            return self;
        };
        self.addresses.extend(before.iter().filter(|ip| ip.is_ipv4() != family));
        self.addresses = ordered(self.addresses);
        self
    }

    /// Keeps at most [`ADDRESSES`] addresses. Known ones are preferred, because name servers rotate their answers.
    fn bounded(mut self, before: &[IpAddr]) -> Self {
        if self.addresses.len() > ADDRESSES {
            self.addresses.sort_by_key(|ip| !before.contains(ip));
            self.addresses.truncate(ADDRESSES);
            self.addresses = ordered(self.addresses);
        }
        self
    }
}

impl Resolver {
    /// Sets the names to resolve. The answers of names that stay are kept.
    pub fn watch<'a>(&self, names: impl Iterator<Item = &'a str>) {
        let wanted: HashSet<&str> = names.collect();
        let now = Instant::now();
        let mut all = self.lock();
        let gone: Vec<Arc<str>> =
            all.known.keys().filter(|name| !wanted.contains(&***name)).cloned().collect();
        gone.iter().for_each(|name| all.forget(name));
        for name in wanted {
            if all.known.contains_key(name) {
                continue;
            }
            let name: Arc<str> = name.into();
            let state = State::Due(now, Lane::Doubtful);
            let known = Known { addresses: Arc::new([]), missing: None, failures: 0, last: None, state };
            all.known.insert(name.clone(), known);
            all.doubtful.insert((now, name));
        }
        drop(all);
        self.news.notify_one();
    }

    /// The addresses of `name`. It waits for the first answer only, for `patience` at most.
    ///
    /// # Errors
    /// Why the name has no address: [`Cause::NameNotFound`] or [`Cause::DnsFailed`].
    pub async fn addresses(&self, name: &str, patience: Duration) -> Result<Arc<[IpAddr]>, Cause> {
        let answered = async {
            loop {
                let answered = self.answered.notified();
                if let Some(addresses) = self.at_hand(name) {
                    return addresses;
                }
                answered.await;
            }
        };
        tokio::time::timeout(patience, answered).await.unwrap_or(Err(Cause::DnsFailed))
    }

    /// The addresses of `name` from the last good answer, or why there are none. It makes no query and does not wait.
    /// `None`: the name was not queried yet.
    pub fn last(&self, name: &str) -> Option<Result<Arc<[IpAddr]>, Cause>> {
        self.lock().known.get(name)?.answer()
    }

    /// The addresses that names have lost a short time ago. Waiting connections to them are closed.
    pub fn left(&self) -> HashSet<IpAddr> {
        let all = self.lock();
        let is_fresh = |since: &Instant| since.elapsed() < LEFT;
        let mut left: HashSet<_> =
            all.left.iter().filter(|(_, since)| is_fresh(since)).map(|(ip, _)| *ip).collect();
        if !left.is_empty() {
            for ip in all.known.values().flat_map(|known| known.addresses.iter()) {
                left.remove(ip);
            }
        }
        left
    }

    /// The result for a name, if it was queried before. A name without an address is queried again soon.
    fn at_hand(&self, name: &str) -> Option<Result<Arc<[IpAddr]>, Cause>> {
        let mut all = self.lock();
        let known = all.known.get(name)?;
        let answer = known.answer();
        if known.addresses.is_empty() && all.want(name, Instant::now()) {
            drop(all);
            self.news.notify_one();
        }
        answer
    }

    /// Makes the queries that are due, without end.
    pub async fn run(self: Arc<Self>) {
        let mut system = System::new();
        let (mut open, mut looked) = (Open::default(), None::<Instant>);
        loop {
            if looked.is_none_or(|looked| looked.elapsed() >= GLANCE) {
                looked = Some(Instant::now());
                if system.refresh() {
                    self.all_are_due();
                }
            }
            self.ask(&system, &mut open);
            let due =
                self.lock().next_due().map_or(GLANCE, |at| at.saturating_duration_since(Instant::now()));
            // A due name may have to wait for a slot. Meanwhile the files of this machine are checked.
            let pause = if open.questions.is_empty() { due.min(GLANCE) } else { GLANCE };
            tokio::select! {
                Some(done) = open.questions.join_next_with_id() => {
                    let (id, found) = match done {
                        Ok((id, found)) => (id, Some(found)),
                        Err(error) => (error.id(), None),
                    };
                    // The name of a cancelled query is gone.
                    if let (Some((name, _)), Some(found)) = (open.names.remove(&id), found) {
                        self.take(&name, id, found);
                    }
                }
                () = self.news.notified() => {}
                () = tokio::time::sleep(pause) => {}
            }
        }
    }

    fn take(&self, name: &Arc<str>, question: Id, found: Option<Found>) {
        let mut all = self.lock();
        if all.is_asking(name, question) {
            all.take(name, found, Instant::now());
            drop(all);
            self.answered.notify_waiters();
        }
    }

    /// Makes as many queries as there are slots.
    fn ask(&self, system: &System, open: &mut Open) {
        let mut all = self.lock();
        let now = Instant::now();
        while let Some((name, lane)) = all.next(now, open.questions.len(), open.doubtful()) {
            let Some(known) = all.known.get_mut(&name) else { continue };
            let question = open.questions.spawn(system.ask(&name));
            open.names.insert(question.id(), (name, lane));
            known.last = Some(now);
            known.state = State::Asking(question);
        }
    }

    /// Makes all names due, because the files of this machine have changed, and any answer may change with them.
    fn all_are_due(&self) {
        let mut all = self.lock();
        let now = Instant::now();
        for lane in [Lane::Good, Lane::Doubtful] {
            let names = std::mem::take(all.schedule(lane));
            names.iter().for_each(|(_, name)| all.put_off(name, now, lane));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Names> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The open queries.
#[derive(Default)]
struct Open {
    questions: JoinSet<Option<Found>>,
    names: HashMap<Id, (Arc<str>, Lane)>,
}

impl Open {
    fn doubtful(&self) -> usize {
        self.names.values().filter(|(_, lane)| *lane == Lane::Doubtful).count()
    }
}

#[cfg(test)]
mod tests;
