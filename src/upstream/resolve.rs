//! DNS names of targets, resolved in the background (SPEC section 7): nothing waits for DNS but the very first
//! request to a name, and the last good answer is kept for as long as no better one comes.

use std::collections::HashSet;
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use hashbrown::HashMap;
use tokio::sync::Notify;

/// How often a name that resolves is asked for again.
const REFRESH: Duration = Duration::from_secs(30);
/// How soon a name that did not resolve is asked for again.
const RETRY: Duration = Duration::from_secs(5);
/// How long one question may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// What is known of a name.
#[derive(Debug)]
struct Answer {
    addresses: Arc<[IpAddr]>,
    /// At least one question has been answered, well or not.
    asked: bool,
    due: Instant,
}

/// The background resolver.
#[derive(Debug, Default)]
pub struct Resolver {
    names: Mutex<HashMap<Box<str>, Answer>>,
    /// A name came in, or an answer.
    changed: Notify,
}

impl Resolver {
    /// Sets the names to keep resolved; the answers of those that stay are kept.
    pub fn watch<'a>(&self, names: impl Iterator<Item = &'a str>) {
        let wanted: HashSet<&str> = names.collect();
        let mut known = self.lock();
        known.retain(|name, _| wanted.contains(name.as_ref()));
        for name in wanted {
            known.entry(name.into()).or_insert_with(|| Answer {
                addresses: Arc::new([]),
                asked: false,
                due: Instant::now(),
            });
        }
        drop(known);
        self.changed.notify_waiters();
    }

    /// The addresses of `name`; empty if it does not resolve. Waits only for the first answer, and not for longer
    /// than `patience`.
    pub async fn addresses(&self, name: &str, patience: Duration) -> Arc<[IpAddr]> {
        let answered = async {
            loop {
                let changed = self.changed.notified();
                if let Some(answer) = self.lock().get(name).filter(|answer| answer.asked) {
                    return answer.addresses.clone();
                }
                changed.await;
            }
        };
        tokio::time::timeout(patience, answered).await.unwrap_or_else(|_| Arc::new([]))
    }

    /// Resolves what is due, for ever.
    pub async fn run(self: Arc<Self>) {
        loop {
            let changed = self.changed.notified();
            let now = Instant::now();
            let due: Vec<Box<str>> = {
                let mut names = self.lock();
                names
                    .iter_mut()
                    .filter(|(_, answer)| answer.due <= now)
                    .map(|(name, answer)| {
                        answer.due = now + REFRESH; // not asked twice at a time
                        name.clone()
                    })
                    .collect()
            };
            for name in due {
                let this = self.clone();
                tokio::spawn(async move {
                    let found = ask(&name).await;
                    this.answer(&name, found);
                });
            }
            let _ = tokio::time::timeout(Duration::from_secs(1), changed).await;
        }
    }

    fn answer(&self, name: &str, found: Vec<IpAddr>) {
        if let Some(answer) = self.lock().get_mut(name) {
            answer.asked = true;
            answer.due = Instant::now() + if found.is_empty() { RETRY } else { REFRESH };
            if !found.is_empty() {
                answer.addresses = found.into();
            }
        }
        self.changed.notify_waiters();
    }

    fn lock(&self) -> MutexGuard<'_, HashMap<Box<str>, Answer>> {
        self.names.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Asks the operating system, which knows /etc/hosts and the name servers.
async fn ask(name: &str) -> Vec<IpAddr> {
    let question = tokio::net::lookup_host((name, 0));
    let mut addresses = match tokio::time::timeout(PATIENCE, question).await {
        Ok(Ok(found)) => found.map(|address| address.ip().to_canonical()).collect(),
        _ => Vec::new(),
    };
    addresses.dedup();
    addresses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn names_resolve_in_the_background() {
        let resolver = Arc::new(Resolver::default());
        resolver.watch(["localhost", "does-not-exist.invalid"].into_iter());
        let running = tokio::spawn(resolver.clone().run());
        let patience = Duration::from_secs(8);
        assert!(resolver.addresses("localhost", patience).await.iter().all(IpAddr::is_loopback));
        assert!(!resolver.addresses("localhost", patience).await.is_empty());
        assert!(resolver.addresses("does-not-exist.invalid", patience).await.is_empty());
        assert!(resolver.addresses("never-watched", Duration::from_millis(10)).await.is_empty());
        running.abort();
    }

    #[tokio::test]
    async fn the_last_good_answer_is_kept() {
        let resolver = Resolver::default();
        resolver.watch(["a"].into_iter());
        resolver.answer("a", vec!["192.0.2.1".parse().unwrap()]);
        resolver.answer("a", Vec::new());
        resolver.watch(["a", "b"].into_iter());
        assert_eq!(resolver.addresses("a", Duration::from_secs(1)).await.len(), 1);
    }
}
