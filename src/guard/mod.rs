//! The guard at the door: who may connect at all, before a byte is read (SPEC section 1, step 1).
//!
//! It counts connections, in all and an address, gives those without a decision a place of their own ([`Place`]), and
//! knows the networks that are always refused. IPv6 counts by /64, because that is what one subscriber has.

mod undecided;

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use dashmap::DashMap;

use crate::config::Config;
use crate::reason::Reason;
pub use undecided::Place;
use undecided::Undecided;

/// How many refused addresses are remembered by name until their summary is written; the rest are summed up as one.
const SUMMARY: usize = 1024;

/// An address as the guard counts it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
struct Counted(IpAddr);

impl From<IpAddr> for Counted {
    fn from(address: IpAddr) -> Self {
        match address.to_canonical() {
            IpAddr::V6(v6) => Self(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX)).into()),
            v4 @ IpAddr::V4(_) => Self(v4),
        }
    }
}

/// Counts of live connections.
#[derive(Debug, Default)]
struct Counts {
    in_all: AtomicU32,
    /// Only addresses with a live connection are in it, so `max_connections` bounds it.
    by_address: DashMap<Counted, u32>,
}

/// The guard.
#[derive(Debug, Default)]
pub struct Guard {
    counts: Arc<Counts>,
    undecided: Arc<Undecided>,
    refused: Mutex<HashMap<(IpAddr, Reason), u64>>,
    refused_beyond: Mutex<u64>,
}

/// The right to a connection; gives it back when dropped.
#[derive(Debug)]
pub struct Permit {
    counts: Arc<Counts>,
    address: Option<Counted>,
}

impl Guard {
    /// Whether `address` may have one more connection.
    ///
    /// # Errors
    /// `Blocked` or `Limit`.
    pub fn admit(&self, address: IpAddr, config: &Config) -> Result<Permit, Reason> {
        self.readmit(self.admit_any(config)?, address, config)
    }

    /// Room for one more connection, whoever it is: for peers that will say by a PROXY header for whom they speak.
    ///
    /// # Errors
    /// `Limit`.
    pub fn admit_any(&self, config: &Config) -> Result<Permit, Reason> {
        let permit = Permit { counts: self.counts.clone(), address: None };
        let before = self.counts.in_all.fetch_add(1, Ordering::Relaxed);
        if before >= config.limits.max_connections { Err(Reason::Limit) } else { Ok(permit) }
    }

    /// Holds a permit that was given to anybody against the address that the PROXY header conveyed.
    ///
    /// # Errors
    /// `Blocked` or `Limit`.
    pub fn readmit(&self, permit: Permit, address: IpAddr, config: &Config) -> Result<Permit, Reason> {
        if config.blacklist.block.iter().any(|net| net.contains(&address)) {
            return Err(Reason::Blocked);
        }
        let limit =
            if is_allowed(address, config) { u32::MAX } else { config.limits.max_connections_per_address };
        self.count_address(permit, address, limit)
    }

    fn count_address(&self, mut permit: Permit, address: IpAddr, limit: u32) -> Result<Permit, Reason> {
        let counted = Counted::from(address);
        let mut count = self.counts.by_address.entry(counted).or_insert(0);
        if *count >= limit {
            return Err(Reason::Limit);
        }
        *count += 1;
        permit.address = Some(counted);
        Ok(permit)
    }

    /// A place among the connections without a decision; the oldest of them may have to go for it. A peer that speaks
    /// for others by a PROXY header has no limit of its own.
    pub fn enter_undecided(
        &self,
        id: u64,
        address: IpAddr,
        speaks_for_others: bool,
        config: &Config,
    ) -> Place {
        let bounded = !speaks_for_others && !is_allowed(address, config);
        Undecided::enter(&self.undecided, id, Counted::from(address), &config.limits, bounded)
    }

    /// Notes a connection that was refused at the door, for the summary.
    pub fn note_refused(&self, address: IpAddr, reason: Reason) {
        let mut refused = self.refused.lock().unwrap_or_else(PoisonError::into_inner);
        if refused.len() < SUMMARY || refused.contains_key(&(address, reason)) {
            *refused.entry((address, reason)).or_insert(0) += 1;
        } else {
            *self.refused_beyond.lock().unwrap_or_else(PoisonError::into_inner) += 1;
        }
    }

    /// One line an address and reason for what was refused at the door since the last summary.
    pub fn summary(&self) -> Vec<String> {
        let refused = std::mem::take(&mut *self.refused.lock().unwrap_or_else(PoisonError::into_inner));
        let beyond = std::mem::take(&mut *self.refused_beyond.lock().unwrap_or_else(PoisonError::into_inner));
        let line =
            |((address, reason), count)| format!("{address} refused {count} times in a minute: {reason}");
        let mut lines: Vec<String> = refused.into_iter().map(line).collect();
        if beyond > 0 {
            lines.push(format!("other addresses refused {beyond} times in a minute"));
        }
        lines
    }

    /// How many connections live.
    pub fn connections(&self) -> u32 {
        self.counts.in_all.load(Ordering::Relaxed)
    }
}

/// Networks in `blacklist.allow` have no limit an address (SPEC section 6).
fn is_allowed(address: IpAddr, config: &Config) -> bool {
    config.blacklist.allow.iter().any(|net| net.contains(&address))
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.counts.in_all.fetch_sub(1, Ordering::Relaxed);
        if let Some(address) = self.address {
            self.counts.by_address.remove_if_mut(&address, |_, count| {
                *count -= 1;
                *count == 0
            });
        }
    }
}
