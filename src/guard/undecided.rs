//! Connections without a decision have limits of their own (contract section 1). When a limit is reached, the oldest of
//! them is closed, and never an established connection. So silent connections can displace only each other.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};

use tokio::sync::oneshot;

use super::counted_address::CountedAddress;
use super::policy::ConnectionLimits;

/// The undecided connections by age. Connection numbers only grow, so the smallest number is the oldest connection.
#[derive(Debug, Default)]
pub(super) struct Undecided {
    queue: Mutex<Queue>,
}

#[derive(Debug, Default)]
struct Queue {
    by_age: BTreeMap<u64, Waiting>,
    by_address: HashMap<CountedAddress, BTreeSet<u64>>,
    /// The connections that took a place reserved for SIP and H.323.
    in_reserve: BTreeSet<u64>,
}

/// A connection that enters the undecided ones.
#[derive(Debug, Clone, Copy)]
pub(super) struct Entering {
    /// Its number.
    pub(super) id: u64,
    /// The client's address.
    pub(super) address: CountedAddress,
    /// Whether the limit for one address holds.
    pub(super) bounded: bool,
    /// Whether it took a place that is reserved for SIP and H.323.
    pub(super) in_reserve: bool,
}

#[derive(Debug)]
struct Waiting {
    address: CountedAddress,
    /// Dropping this sends the connection away.
    _stays: oneshot::Sender<()>,
}

/// A place among the undecided connections. It is given back when it is dropped, which happens at the decision.
#[derive(Debug)]
pub struct UndecidedSlot {
    undecided: Arc<Undecided>,
    id: u64,
    stays: oneshot::Receiver<()>,
}

impl Undecided {
    /// Takes a place. If there is none left, another connection is sent away for it: the oldest of the same address,
    /// the oldest in the reserve, or the oldest of all. Half of the reserve may be undecided. The other half is for
    /// phones that have registered.
    pub(super) fn enter(this: &Arc<Self>, entering: Entering, limits: &ConnectionLimits) -> UndecidedSlot {
        let Entering { id, address, bounded, in_reserve } = entering;
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
        if in_reserve {
            queue.in_reserve.insert(id);
            // One connection is always let in. Otherwise no phone could register.
            if queue.in_reserve.len() > (limits.reserved / 2).max(1) as usize {
                queue.remove_oldest_in_reserve();
            }
        }
        if queue.by_age.len() > limits.max_undecided as usize
            && let Some((oldest, _)) = queue.by_age.first_key_value()
        {
            let oldest = *oldest;
            queue.remove(oldest);
        }
        drop(queue);
        UndecidedSlot { undecided: this.clone(), id, stays }
    }

    /// Sends the oldest undecided connection in the reserve away for a new one. `false`: there is none.
    pub(super) fn give_way(&self) -> bool {
        self.lock().remove_oldest_in_reserve()
    }

    /// The number of undecided connections.
    pub(super) fn count(&self) -> usize {
        self.lock().by_age.len()
    }

    fn lock(&self) -> MutexGuard<'_, Queue> {
        self.queue.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Queue {
    fn remove_oldest_in_reserve(&mut self) -> bool {
        let oldest = self.in_reserve.first().copied();
        oldest.inspect(|oldest| self.remove(*oldest)).is_some()
    }

    fn remove(&mut self, id: u64) {
        let Some(waiting) = self.by_age.remove(&id) else { return };
        self.in_reserve.remove(&id);
        if let Some(same) = self.by_address.get_mut(&waiting.address) {
            same.remove(&id);
            if same.is_empty() {
                self.by_address.remove(&waiting.address);
            }
        }
    }
}

impl UndecidedSlot {
    /// Ready when the connection has to close because another one needs its place.
    pub fn poll_lost(&mut self, cx: &mut Context<'_>) -> Poll<()> {
        Pin::new(&mut self.stays).poll(cx).map(|_| ())
    }
}

impl Drop for UndecidedSlot {
    fn drop(&mut self) {
        self.undecided.lock().remove(self.id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::IpAddr;

    fn limits(in_all: u32, an_address: u32) -> ConnectionLimits {
        let mut limits = crate::guard::policy::tests::usual().connections;
        (limits.max_undecided, limits.max_undecided_per_address) = (in_all, an_address);
        limits
    }

    fn is_lost(place: &mut UndecidedSlot) -> bool {
        place.stays.try_recv() == Err(oneshot::error::TryRecvError::Closed)
    }

    #[test]
    fn the_oldest_goes() {
        let undecided = Arc::new(Undecided::default());
        let enter = |id, address: &str, limits: &ConnectionLimits| {
            let address = CountedAddress::from(address.parse::<IpAddr>().unwrap());
            Undecided::enter(&undecided, Entering { id, address, bounded: true, in_reserve: false }, limits)
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
        let address = CountedAddress::from("192.0.2.1".parse::<IpAddr>().unwrap());
        let entering = |id| Entering { id, address, bounded: true, in_reserve: true };
        let places: Vec<_> =
            (0..100).map(|id| Undecided::enter(&undecided, entering(id), &limits(10, 5))).collect();
        assert_eq!(undecided.lock().by_age.len(), 5);
        drop(places);
        let queue = undecided.lock();
        assert!(queue.by_age.is_empty() && queue.by_address.is_empty() && queue.in_reserve.is_empty());
    }

    #[test]
    fn half_of_the_reserve_may_be_undecided() {
        let undecided = Arc::new(Undecided::default());
        let mut limits = limits(1000, 50);
        limits.reserved = 8;
        let enter = |id: u8, in_reserve| {
            let address = CountedAddress::from(IpAddr::from([192, 0, 2, id]));
            Undecided::enter(
                &undecided,
                Entering { id: id.into(), address, bounded: true, in_reserve },
                &limits,
            )
        };
        let mut elsewhere = enter(1, false);
        let mut places: Vec<_> = (2..8).map(|id| enter(id, true)).collect();
        let lost: Vec<_> = places.iter_mut().map(is_lost).collect();
        assert_eq!(lost, [true, true, false, false, false, false]);
        assert!(!is_lost(&mut elsewhere));
        assert!(undecided.give_way() && is_lost(&mut places[2]));
        drop(places);
        assert!(!undecided.give_way() && !is_lost(&mut elsewhere));
    }
}
