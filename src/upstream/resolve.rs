//! DNS names of targets, resolved in the background (contract section 7): nothing waits for DNS but the very first
//! request to a name, and the last good answer is kept for as long as no better one comes.
//!
//! Name servers may be silent, and there may be thousands of names. So there is one question a name at a time; there are
//! [`SLOTS`] at once, of which names without a good answer have some only; a question ends by itself, and at once when its
//! name is no longer in the rules.
//!
//! The C library's resolver (`getaddrinfo`) cannot do that: a question occupies a thread until the library has given up,
//! which nobody can cut short. `hickory-resolver` asks instead, configured by this machine's /etc/resolv.conf and after
//! /etc/hosts. What is lost are the other sources of nsswitch.conf(5): names by multicast DNS (`.local`), of `sss`, and
//! `myhostname`. Targets are named in DNS or /etc/hosts; where systemd-resolved serves names of other kinds it does so to
//! DNS questions as well. What is won are the times to live: a name is asked for again after its own, but not sooner than
//! after [`SOONEST`] nor later than after [`LATEST`]: an administrator who moves a PBX does not want to wait for a day. A name
//! server that has a cache answers from it, so that this costs nobody else anything.

mod system;

use std::collections::{BTreeSet, HashMap, HashSet, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use tokio::sync::Notify;
use tokio::task::{AbortHandle, Id, JoinSet};

use crate::cause::Cause;
use system::{Found, System, ordered};

/// A name that resolves is asked for again between these times.
const SOONEST: Duration = Duration::from_secs(5);
const LATEST: Duration = Duration::from_secs(30);
/// How soon a name that did not resolve is asked for again; each time twice as late, up to the second.
const RETRY: Duration = Duration::from_secs(5);
const RETRY_LATEST: Duration = Duration::from_secs(60);
/// So many questions are open at once, each with two sockets or a few more; and so many of those for names that have no good
/// answer: they must not keep the others from being asked.
const SLOTS: usize = 32;
const SLOTS_DOUBTFUL: usize = 24;
/// For how long it is known that an address is no longer one of a name: until every worker has heard of it. And of how many
/// at once: connections to others end when they have waited for long enough.
const LEFT: Duration = Duration::from_secs(60);
const LEFT_MOST: usize = 10_000;
/// So many addresses of a name are used: each that is dead costs a request time.
const ADDRESSES: usize = 16;
/// How often the files of this machine are looked at.
const GLANCE: Duration = Duration::from_secs(1);

/// What is known of a name.
#[derive(Debug)]
struct Known {
    addresses: Arc<[IpAddr]>,
    /// Why it has no address, by the last question that was answered, well or not; `None`: none was.
    missing: Option<Cause>,
    /// Questions without an answer in a row, the last ones.
    failures: u32,
    /// When it was asked for last.
    last: Option<Instant>,
    state: State,
}

impl Known {
    /// What the questions so far have brought; `None`: none was answered.
    fn answer(&self) -> Option<Result<Arc<[IpAddr]>, Cause>> {
        self.missing.map(|missing| match &self.addresses {
            none if none.is_empty() => Err(missing),
            some => Ok(some.clone()),
        })
    }
}

#[derive(Debug)]
enum State {
    /// It is asked for at that time, by the schedule of the good or of the doubtful ones.
    Due(Instant, Lane),
    /// Somebody waits for it: it comes next.
    Wanted,
    /// A question is open.
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
    /// Addresses that a name has had until then, and that none has got since.
    left: HashMap<IpAddr, Instant>,
    good: BTreeSet<(Instant, Arc<str>)>,
    doubtful: BTreeSet<(Instant, Arc<str>)>,
    wanted: VecDeque<Arc<str>>,
}

/// The background resolver.
#[derive(Debug, Default)]
pub struct Resolver {
    names: Mutex<Names>,
    /// An answer came in.
    answered: Notify,
    /// There is something to ask.
    news: Notify,
}

impl Names {
    fn schedule(&mut self, lane: Lane) -> &mut BTreeSet<(Instant, Arc<str>)> {
        match lane {
            Lane::Good => &mut self.good,
            Lane::Doubtful => &mut self.doubtful,
        }
    }

    /// Forgets a name, and ends its question.
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

    /// Has a name asked for next; whether that is news. One that did not answer a moment ago is not asked for again yet.
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

    /// Whether `question` is the one that is open for a name.
    fn is_asking(&self, name: &Arc<str>, question: Id) -> bool {
        let state = self.known.get(name).map(|known| &known.state);
        matches!(state, Some(State::Asking(open)) if open.id() == question)
    }

    /// The next name to ask for at `now`, if there is a slot for it.
    fn next(&mut self, now: Instant, open: usize, doubtful: usize) -> Option<(Arc<str>, Lane)> {
        if open >= SLOTS {
            return None;
        }
        // A client waits for a name that has no address: it comes first, but it takes no slot of those that have one.
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

    /// When the next name is due, which is at the earliest now.
    fn next_due(&self) -> Option<Instant> {
        [&self.good, &self.doubtful]
            .into_iter()
            .filter_map(|schedule| schedule.first())
            .map(|(at, _)| *at)
            .min()
    }

    /// Takes an answer; `None`: none came.
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
    /// With the addresses of the family about which the server was silent, as they were known before.
    fn completed(mut self, before: &[IpAddr]) -> Self {
        let Some(family) = self.addresses.first().map(IpAddr::is_ipv4).filter(|_| self.is_half) else {
            return self;
        };
        self.addresses.extend(before.iter().filter(|ip| ip.is_ipv4() != family));
        self.addresses = ordered(self.addresses);
        self
    }

    /// With so many addresses as are used of a name; rather those that are known, because name servers turn them round.
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
    /// Sets the names to keep resolved; the answers of those that stay are kept.
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

    /// The addresses of `name`. Waits only for the first answer, and not for longer than `patience`.
    ///
    /// # Errors
    /// Why it has none: [`Cause::NameNotFound`] or [`Cause::DnsFailed`].
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

    /// The addresses of `name` by the last good answer, or why there are none. Nothing is asked, and nothing waits. `None`: the
    /// name was not asked for yet.
    pub fn last(&self, name: &str) -> Option<Result<Arc<[IpAddr]>, Cause>> {
        self.lock().known.get(name)?.answer()
    }

    /// The addresses that a name has had a moment ago, and that no name has any longer: connections that wait for a request
    /// there are closed.
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

    /// What is known of a name, once it has been asked for. A name without an address is asked for soon.
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

    /// Resolves what is due, for ever.
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
            // A name that is due and has no slot waits for one; the files of this machine are looked at meanwhile.
            let pause = if open.questions.is_empty() { due.min(GLANCE) } else { GLANCE };
            tokio::select! {
                Some(done) = open.questions.join_next_with_id() => {
                    let (id, found) = match done {
                        Ok((id, found)) => (id, Some(found)),
                        Err(error) => (error.id(), None),
                    };
                    // One that was cancelled has no name any more.
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

    /// Opens as many questions as there are slots for.
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

    /// The files of this machine have changed, and so may every answer.
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

/// The questions that are open.
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
