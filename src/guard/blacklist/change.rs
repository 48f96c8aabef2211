//! Changes of the list: which changes there are, who makes them, and how subscribers learn of them.
//!
//! A slow subscriber does not slow down the others. It can read the last 256 changes. If it falls further behind, it
//! learns that it has missed some, and reads the whole list again. A subscriber should subscribe first and then read
//! the list, so that it misses nothing. A change that was already in the list may then come once more.

use std::fmt;
use std::time::Duration;

use tokio::sync::broadcast::{self, error};

use super::entry::{Entry, MANUAL, Origin, Why};
use super::removals::Removal;
use crate::guard::network::Network;

/// How many changes a subscriber may be behind.
const REMEMBERED: usize = 256;

/// A change of the list.
#[derive(Debug)]
pub enum Change {
    /// An address is listed, or a network by an administrator. An administrator's entry and an entry of the guard for
    /// the same address exist side by side.
    List {
        /// The address or network.
        who: Network,
        /// Why it is listed: by the guard, or by an administrator.
        why: Why,
        /// For how long it is listed. `None`: until it is removed.
        expiration: Option<Duration>,
    },
    /// An address or a network is removed from the list. It may be an entry of the guard or of an administrator. Entries within the network stay.
    Remove {
        /// The address or network.
        who: Network,
    },
    /// All entries are removed.
    Clear,
    /// Puts back what was kept over a restart.
    Restore(StoredList),
    /// Checks the system's clock. If the clock was set back, an entry that begins in the future begins now and keeps
    /// its intended duration. Otherwise it would last longer by the hours or years by which the clock was wrong.
    FollowClock,
}

/// The part of the list that outlives a restart.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct StoredList {
    /// Entries, in the order of [`super::Blacklist::page`].
    pub entries: Vec<Entry>,
    /// Traces of removals, the latest first.
    pub removals: Vec<Removal>,
}

/// The error: there are [`MANUAL`] entries of administrators already.
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
    /// The change.
    pub done: Done,
    /// Who has made it.
    pub origin: Origin,
}

/// The effect of a change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Done {
    /// This entry was made.
    Listed(Entry),
    /// This address, network or whole list was removed.
    Removed(Removal),
    /// So much has changed that the whole list has to be read again: it was restored, or the clock was set back.
    Rewritten,
}

/// What a subscriber receives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ListEvent {
    /// The next change. Changes come in the order in which they were made.
    Change(Notice),
    /// The subscriber has missed some changes, because there were too many. The whole list has to be read again.
    Missed,
}

/// A subscription to changes of the list.
#[derive(Debug)]
pub struct Subscription(broadcast::Receiver<Notice>);

impl Subscription {
    /// Waits for the next change. `None`: the list is gone.
    pub async fn next(&mut self) -> Option<ListEvent> {
        match self.0.recv().await {
            Ok(notice) => Some(ListEvent::Change(notice)),
            Err(error::RecvError::Lagged(_)) => Some(ListEvent::Missed),
            Err(error::RecvError::Closed) => None,
        }
    }

    /// The next change, if there was one.
    pub fn try_next(&mut self) -> Option<ListEvent> {
        match self.0.try_recv() {
            Ok(notice) => Some(ListEvent::Change(notice)),
            Err(error::TryRecvError::Lagged(_)) => Some(ListEvent::Missed),
            Err(error::TryRecvError::Empty | error::TryRecvError::Closed) => None,
        }
    }
}

/// All subscribers to changes.
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

    /// Sends a change to all subscribers. It is called while the list is locked for changes, so that they receive
    /// changes in order.
    pub(super) fn tell(&self, done: Done, origin: Origin) {
        // An error means that there are no subscribers.
        let _ = self.0.send(Notice { done, origin });
    }
}
