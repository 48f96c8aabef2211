//! The order in which addresses were listed. Each place has a number, and the numbers rise. Places are removed from the
//! front.

use std::collections::VecDeque;

use crate::guard::counted_address::CountedAddress;

/// Addresses in the order in which they were listed. A place stays when its entry is gone. An entry belongs to a place
/// if it has the place's number.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// The number of the first place.
    first: u64,
    places: VecDeque<CountedAddress>,
}

impl Order {
    /// Adds a place at the end and returns its number.
    pub(super) fn push(&mut self, who: CountedAddress) -> u64 {
        self.places.push_back(who);
        self.end() - 1
    }

    /// The first place.
    pub(super) fn first(&self) -> Option<(u64, CountedAddress)> {
        self.places.front().map(|who| (self.first, *who))
    }

    /// Removes the first place.
    pub(super) fn pop(&mut self) -> Option<(u64, CountedAddress)> {
        let who = self.places.pop_front()?;
        self.first += 1;
        Some((self.first - 1, who))
    }

    /// At most `count` places with a number below `below`, in descending order.
    pub(super) fn before(&self, below: u64, count: usize) -> Vec<(u64, CountedAddress)> {
        let end = usize::try_from(below.min(self.end()).saturating_sub(self.first)).unwrap_or(usize::MAX);
        let start = end.saturating_sub(count);
        let numbers = self.first + start as u64..;
        let mut places: Vec<_> = numbers.zip(self.places.range(start..end).copied()).collect();
        places.reverse();
        places
    }

    /// The number of places.
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }

    /// Removes all places. Their numbers are not used again.
    pub(super) fn clear(&mut self) {
        self.first = self.end();
        self.places.clear();
    }

    fn end(&self) -> u64 {
        self.first + self.places.len() as u64
    }
}
