//! A summary of connections that were refused at the door: one line for each address and reason in a minute (contract
//! section 8).

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::counted_address::CountedAddress;
use crate::reason::Reason;

/// How many refused addresses are remembered by name until their summary is written. The others are summed up in one
/// line.
const ADDRESSES: usize = 1024;

/// The refusals since the last summary.
#[derive(Debug, Default)]
pub(super) struct RefusalSummary(Mutex<Sums>);

#[derive(Debug, Default)]
struct Sums {
    by_address: HashMap<(CountedAddress, Reason), u64>,
    /// The refusals of all other addresses.
    others: u64,
}

impl RefusalSummary {
    /// A connection of `who` was refused.
    pub(super) fn note(&self, who: CountedAddress, reason: Reason) {
        let Sums { by_address, others } = &mut *self.lock();
        let key = (who, reason);
        if by_address.len() < ADDRESSES || by_address.contains_key(&key) {
            *by_address.entry(key).or_insert(0) += 1;
        } else {
            *others += 1;
        }
    }

    /// The lines for refusals since the last call.
    pub(super) fn summary(&self) -> Vec<String> {
        let Sums { by_address, others } = std::mem::take(&mut *self.lock());
        let line =
            |((address, reason), count)| format!("{address} refused {count} times in a minute: {reason}");
        let mut lines: Vec<String> = by_address.into_iter().map(line).collect();
        if others > 0 {
            lines.push(format!("other addresses refused {others} times in a minute"));
        }
        lines
    }

    fn lock(&self) -> MutexGuard<'_, Sums> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_line_an_address_and_reason_and_one_for_the_rest() {
        let refused = RefusalSummary::default();
        let who =
            |number| CountedAddress::from(std::net::IpAddr::from(std::net::Ipv4Addr::from_bits(number)));
        for number in 0..2_000 {
            refused.note(who(number), Reason::Blacklisted);
        }
        refused.note(who(7), Reason::Blacklisted);
        let lines = refused.summary();
        assert_eq!(lines.len(), ADDRESSES + 1);
        assert!(lines.contains(&"0.0.0.7 refused 2 times in a minute: blacklisted".to_owned()));
        assert_eq!(lines.last().unwrap(), "other addresses refused 976 times in a minute");
        assert!(refused.summary().is_empty());
    }
}
