//! Changes of the list: what can be done to it, on whose account, and what subscribers hear of it.
//!
//! A subscriber costs the others nothing, however slow it is. It hears of the last 256 changes; one that was
//! slower hears that it has missed some, and reads the whole list again. Whoever subscribes first and reads the list then
//! knows all of it: a change that it has read already may be done once more.

use std::fmt;
use std::time::Duration;

use tokio::sync::broadcast::{self, error};

use super::entry::{Entry, MANUAL, Origin, Why};
use super::removals::Removal;
use crate::guard::network::Network;

/// How many changes a subscriber may be behind.
const REMEMBERED: usize = 256;

/// What can be done to the list.
#[derive(Debug)]
pub enum Change {
    /// An address is listed, or a network by an administrator. An administrator's entry and one of the guard's stand beside each other.
    List {
        /// The address or network.
        who: Network,
        /// Why, which says as well whose entry it is.
        why: Why,
        /// For how long; `None`: until it is removed.
        expiration: Option<Duration>,
    },
    /// An address or a network is taken off, whoever has listed it. What is listed within a network stays.
    Remove {
        /// The address or network.
        who: Network,
    },
    /// All addresses are taken off.
    Clear,
    /// What was kept over a restart is put back.
    Restore(Kept),
    /// The system's clock is looked at. If it was set back, an entry that begins in the future begins now and lasts as
    /// long as it was meant to, instead of that and the hours or years by which the clock was wrong.
    FollowClock,
}

/// What outlives a restart.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Kept {
    /// Entries, in the order of [`super::Blacklist::page`].
    pub entries: Vec<Entry>,
    /// Traces of removals, the latest first.
    pub removals: Vec<Removal>,
}

/// There are [`MANUAL`] entries of administrators already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl fmt::Display for Full {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "there are {MANUAL} manual entries already")
    }
}

impl std::error::Error for Full {}

/// A change that was made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Notice {
    /// What was done.
    pub done: Done,
    /// On whose account.
    pub origin: Origin,
}

/// What was done to the list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// This entry was made.
    Listed(Entry),
    /// This was taken off.
    Removed(Removal),
    /// So much has changed that the whole list has to be read again: it was restored, or the clock was set back.
    Rewritten,
}

/// What a subscriber hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Heard {
    /// The next change. Changes come in the order in which they were made.
    Change(Notice),
    /// There were so many changes that some are lost: the whole list has to be read again.
    Missed,
}

/// A subscription to changes of the list.
#[derive(Debug)]
pub struct Subscription(broadcast::Receiver<Notice>);

impl Subscription {
    /// Waits for the next change. `None`: the list is gone.
    pub async fn next(&mut self) -> Option<Heard> {
        match self.0.recv().await {
            Ok(notice) => Some(Heard::Change(notice)),
            Err(error::RecvError::Lagged(_)) => Some(Heard::Missed),
            Err(error::RecvError::Closed) => None,
        }
    }

    /// The next change, if there was one.
    pub fn try_next(&mut self) -> Option<Heard> {
        match self.0.try_recv() {
            Ok(notice) => Some(Heard::Change(notice)),
            Err(error::TryRecvError::Lagged(_)) => Some(Heard::Missed),
            Err(error::TryRecvError::Empty | error::TryRecvError::Closed) => None,
        }
    }
}

/// Those who hear of changes.
#[derive(Debug)]
pub(super) struct Subscribers(broadcast::Sender<Notice>);

impl Default for Subscribers {
    fn default() -> Self {
        Self(broadcast::Sender::new(REMEMBERED))
    }
}

impl Subscribers {
    pub(super) fn subscribe(&self) -> Subscription {
        Subscription(self.0.subscribe())
    }

    /// Tells them. Called while the list is locked for changes, so that all hear of them in their order.
    pub(super) fn tell(&self, done: Done, origin: Origin) {
        // An error means that there are no subscribers.
        let _ = self.0.send(Notice { done, origin });
    }
}
