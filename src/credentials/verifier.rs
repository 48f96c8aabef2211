//! Decides when and on which thread a password is hashed.
//!
//! Every attempt costs one hash, also for an unknown user or tenant. So neither time nor load reveals which users and
//! tenants exist. The threads are not the workers, and run at a lower priority. At most two attempts of one address are
//! hashed at once, and at most 64 attempts wait in all. Attempts of the address with the fewest running hashes come
//! first. When 64 attempts wait, one attempt is refused for lack of room: the attempt of a client that has ended its
//! side, or else the newest attempt of the address with the most waiting attempts, which may be the new one.
//!
//! A wrong login is answered a fixed time after its request came ([`due`]).

use std::future::Future;
use std::net::IpAddr;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::thread;
use std::time::{Duration, Instant};

use tokio::sync::oneshot;
use zeroize::Zeroizing;

use super::Hash;
use crate::guard::CountedAddress;

/// The most attempts of one address that are hashed at once. IPv6 addresses count by /64.
pub const AT_ONCE: usize = 2;
/// The most attempts that wait, of all addresses together.
pub const WAITING: usize = 64;
/// When a wrong login is answered: after this time since its request came, or after a multiple of it.
pub const FIXED: Duration = Duration::from_millis(500);

/// The most threads. Each thread may need the 64 MiB of argon2id.
const THREADS: usize = 4;
/// By how much the priority of the threads is lower (nice).
const NICE: i32 = 10;

/// When to answer a wrong login whose request came at `asked`.
pub fn due(asked: Instant, now: Instant) -> Instant {
    let mut due = asked + FIXED;
    if due < now {
        let past = now.saturating_duration_since(asked).as_millis() / FIXED.as_millis() + 1;
        due = asked + FIXED.saturating_mul(u32::try_from(past).unwrap_or(u32::MAX));
    }
    due
}

/// The result of an attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PasswordCheck {
    /// The password is right.
    Right,
    /// The password is wrong.
    Wrong,
    /// There is no room, and nothing was hashed.
    Busy,
}

/// An attempt to log in.
pub struct Attempt {
    /// The client's address.
    pub who: IpAddr,
    /// The hash to compare the password with.
    pub hash: Hash,
    /// Whether the user is known. If not, the password counts as wrong even if it matches.
    pub is_known: bool,
    /// The password.
    pub password: Zeroizing<Vec<u8>>,
}

impl std::fmt::Debug for Attempt {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Attempt").field("who", &self.who).finish_non_exhaustive()
    }
}

/// Verifies passwords on threads of its own. They begin with the first attempt, and end when this is dropped.
#[derive(Debug, Default)]
pub struct Verifier {
    queue: Arc<Queue>,
}

/// An attempt without a result yet. Dropping it makes its place free.
#[derive(Debug)]
pub struct Pending {
    result: oneshot::Receiver<PasswordCheck>,
    gives_way: Arc<AtomicBool>,
}

impl Pending {
    /// The client has ended its side, and may be gone. If there is no room, its attempt is the first to be removed.
    pub fn give_way(&self) {
        self.gives_way.store(true, Ordering::Relaxed);
    }
}

impl Future for Pending {
    type Output = PasswordCheck;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<PasswordCheck> {
        Pin::new(&mut self.result).poll(cx).map(|result| result.unwrap_or(PasswordCheck::Busy))
    }
}

#[derive(Debug, Default)]
struct Queue {
    state: Mutex<State>,
    work: Condvar,
}

#[derive(Debug, Default)]
struct State {
    waiting: Vec<Job>,
    /// The addresses whose attempts are being hashed.
    at_work: Vec<CountedAddress>,
    threads: usize,
    is_over: bool,
}

#[derive(Debug)]
struct Job {
    who: CountedAddress,
    attempt: Attempt,
    told: oneshot::Sender<PasswordCheck>,
    gives_way: Arc<AtomicBool>,
}

impl Job {
    fn of(attempt: Attempt) -> (Self, Pending) {
        let (told, result) = oneshot::channel();
        let gives_way = Arc::<AtomicBool>::default();
        let pending = Pending { result, gives_way: Arc::clone(&gives_way) };
        (Self { who: attempt.who.into(), attempt, told, gives_way }, pending)
    }
}

impl Drop for Verifier {
    fn drop(&mut self) {
        let mut state = self.queue.state();
        state.is_over = true;
        state.waiting.clear();
        drop(state);
        self.queue.work.notify_all();
    }
}

impl Verifier {
    /// Has a password hashed. The result comes through [`Pending`].
    pub fn verify(&self, attempt: Attempt) -> Pending {
        let (job, pending) = Job::of(attempt);
        let mut state = self.queue.state();
        if let Some(busy) = state.admit(job) {
            drop(state);
            let _ = busy.told.send(PasswordCheck::Busy);
            return pending;
        }
        if state.threads < threads() && state.threads < state.at_work.len() + state.waiting.len() {
            let queue = Arc::clone(&self.queue);
            let started =
                thread::Builder::new().name("portward-login".to_owned()).spawn(move || queue.work());
            state.threads += usize::from(started.is_ok());
        }
        drop(state);
        self.queue.work.notify_one();
        pending
    }

    /// The number of waiting attempts.
    pub fn waiting(&self) -> usize {
        self.queue.state().waiting.len()
    }
}

/// Half of the processors. The other half serves connections.
fn threads() -> usize {
    let processors = thread::available_parallelism().map_or(1, usize::from);
    (processors / 2).clamp(AT_ONCE, THREADS)
}

impl State {
    /// Adds an attempt. Returns the attempt that is refused for lack of room, if there is one. It may be the new one or
    /// a waiting one.
    fn admit(&mut self, job: Job) -> Option<Job> {
        if self.waiting.len() >= WAITING {
            self.waiting.retain(|job| !job.told.is_closed());
        }
        if self.waiting.len() < WAITING {
            self.waiting.push(job);
            return None;
        }
        if let Some(at) = self.waiting.iter().position(|job| job.gives_way.load(Ordering::Relaxed)) {
            let gone = self.waiting.remove(at);
            self.waiting.push(job);
            return Some(gone);
        }
        let of = |who: CountedAddress| self.waiting.iter().filter(|job| job.who == who).count();
        let (at, most) =
            self.waiting.iter().map(|job| of(job.who)).enumerate().max_by_key(|(_, count)| *count)?;
        if most <= of(job.who) + 1 {
            return Some(job);
        }
        let crowded = self.waiting.remove(at);
        self.waiting.push(job);
        Some(crowded)
    }

    /// The next attempt to be hashed.
    fn next(&mut self) -> Option<Job> {
        self.waiting.retain(|job| !job.told.is_closed());
        let at_work = |job: &Job| self.at_work.iter().filter(|who| **who == job.who).count();
        let ready = self.waiting.iter().map(at_work).enumerate().filter(|(_, count)| *count < AT_ONCE);
        let (at, _) = ready.min_by_key(|(_, count)| *count)?;
        let job = self.waiting.remove(at);
        self.at_work.push(job.who);
        Some(job)
    }

    fn done(&mut self, who: CountedAddress) {
        if let Some(at) = self.at_work.iter().position(|other| *other == who) {
            self.at_work.swap_remove(at);
        }
    }
}

impl Queue {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The work of a thread.
    fn work(&self) {
        // If that is forbidden, the threads keep the normal priority.
        let _ = rustix::process::setpriority_process(None, NICE);
        let mut state = self.state();
        while !state.is_over {
            let Some(Job { who, attempt, told, .. }) = state.next() else {
                state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
                continue;
            };
            drop(state);
            let fits = attempt.hash.fits(&attempt.password) && attempt.is_known;
            let _ = told.send(if fits { PasswordCheck::Right } else { PasswordCheck::Wrong });
            drop(attempt);
            state = self.state();
            state.done(who);
            // An attempt that had to wait for this address may be next on another thread.
            self.work.notify_one();
        }
    }
}

#[cfg(test)]
mod tests;
