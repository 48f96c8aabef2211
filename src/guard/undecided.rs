//! Connections that have not got a decision yet have limits of their own (SPEC section 1): when these are used up the
//! oldest of them goes, never an established one. So silent connections can crowd out nobody but each other.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::Counted;
use crate::config::Limits;

/// The undecided connections by age: connection numbers only grow, so the smallest is the oldest.
#[derive(Debug, Default)]
pub(super) struct Undecided {
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    by_age: BTreeMap<u64, Waiting>,
    by_address: HashMap<Counted, BTreeSet<u64>>,
}

#[derive(Debug)]
struct Waiting {
    address: Counted,
    /// Dropped to send the connection away.
    _stays: oneshot::Sender<()>,
}

/// A place among the undecided; given back when dropped, which is when the decision has fallen.
#[derive(Debug)]
pub struct Place {
    undecided: Arc<Undecided>,
    id: u64,
    stays: oneshot::Receiver<()>,
}

impl Undecided {
    /// A place for connection `id`. If there is none left, the oldest of the same address or the oldest of all is sent
    /// away for it.
    pub(super) fn enter(
        this: &Arc<Self>,
        id: u64,
        address: Counted,
        limits: &Limits,
        bounded: bool,
    ) -> Place {
        let (sender, stays) = oneshot::channel();
        let mut queue = this.lock();
        let same = queue.by_address.entry(address).or_default();
        same.insert(id);
        let crowded = bounded && same.len() > limits.max_undecided_per_address as usize;
        let oldest_of_address = if crowded { same.first().copied() } else { None };
        queue.by_age.insert(id, Waiting { address, _stays: sender });
        if let Some(oldest) = oldest_of_address {
            queue.remove(oldest);
        }
        if queue.by_age.len() > limits.max_undecided as usize
            && let Some((oldest, _)) = queue.by_age.first_key_value()
        {
            let oldest = *oldest;
            queue.remove(oldest);
        }
        drop(queue);
        Place { undecided: this.clone(), id, stays }
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn remove(&mut self, id: u64) {
        let Some(waiting) = self.by_age.remove(&id) else { return };
        if let Some(same) = self.by_address.get_mut(&waiting.address) {
            same.remove(&id);
            if same.is_empty() {
                self.by_address.remove(&waiting.address);
            }
        }
    }
}

impl Place {
    /// Ready when the connection has to go because others need the place.
    pub fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.stays).poll(cx).map(|_| ())
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.undecided.lock().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::Config;
    use std::net::IpAddr;
    use std::path::Path;

    fn limits(in_all: u32, an_address: u32) -> Limits {
        let mut limits = Config::defaults(Path::new("portward.toml")).limits;
        (limits.max_undecided, limits.max_undecided_per_address) = (in_all, an_address);
        limits
    }

    fn is_lost(place: &mut Place) -> bool {
        place.stays.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    #[test]
    fn the_oldest_goes() {
        let undecided = Arc::new(Undecided::default());
        let enter = |id, address: &str, limits: &Limits| {
            Undecided::enter(&undecided, id, Counted::from(address.parse::<IpAddr>().unwrap()), limits, true)
        };
        let limits = limits(4, 2);
        let mut other = enter(1, "192.0.2.9", &limits);
        let mut first = enter(2, "192.0.2.1", &limits);
        let mut second = enter(3, "192.0.2.1", &limits);
        let mut third = enter(4, "192.0.2.1", &limits);
        assert!(is_lost(&mut first) && !is_lost(&mut second) && !is_lost(&mut third) && !is_lost(&mut other));
        let _fourth = enter(5, "2001:db8::1", &limits);
        let _fifth = enter(6, "2001:db8:0:1::1", &limits);
        assert!(is_lost(&mut other) && !is_lost(&mut second));
        drop(second);
        drop(third);
        let _sixth = enter(7, "2001:db8:0:1::2", &limits);
        assert_eq!(undecided.lock().by_age.len(), 3);
    }

    #[test]
    fn nothing_is_left_behind() {
        let undecided = Arc::new(Undecided::default());
        let address = Counted::from("192.0.2.1".parse::<IpAddr>().unwrap());
        let places: Vec<_> =
            (0..100).map(|id| Undecided::enter(&undecided, id, address, &limits(10, 5), true)).collect();
        assert_eq!(undecided.lock().by_age.len(), 5);
        drop(places);
        assert!(undecided.lock().by_age.is_empty() && undecided.lock().by_address.is_empty());
    }
}
