//! A relay between two ends in memory, by a clock that stands still, for the tests of what moves octets; and the orders and
//! manners in which the two ends may do what they do.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};

use crate::io::Leg;
use crate::io::memory::{Far, leg};

pub(super) const SECOND: Duration = Duration::from_secs(1);

/// A running relay and its two far ends.
pub(super) struct Stage<R> {
    pub(super) client: Far,
    pub(super) target: Far,
    relay: JoinHandle<R>,
    begin: Instant,
}

impl<R: Send + 'static> Stage<R> {
    /// Starts `relay` between the client's leg and the target's.
    pub(super) fn begin<F>(relay: impl FnOnce(Leg, Leg) -> F) -> Self
    where
        F: Future<Output = R> + Send + 'static,
    {
        let ((near_client, client), (near_target, target)) = (leg(), leg());
        let relay = tokio::spawn(relay(near_client, near_target));
        Self { client, target, relay, begin: Instant::now() }
    }

    /// The same between ends that behave in this way.
    pub(super) fn in_manner<F>(manner: Manner, relay: impl FnOnce(Leg, Leg) -> F) -> Self
    where
        F: Future<Output = R> + Send + 'static,
    {
        let stage = Self::begin(relay);
        for far in [&stage.client, &stage.target] {
            far.pieces(manner.piece);
            if manner.hesitates {
                far.hesitates();
            }
            if manner.buffers {
                far.buffers();
            }
        }
        stage
    }

    /// The far end of this side.
    pub(super) fn far(&self, side: Side) -> &Far {
        match side {
            Side::Client => &self.client,
            Side::Target => &self.target,
        }
    }

    /// Lets the relay do what it can now.
    pub(super) async fn settle(&self) {
        sleep(Duration::from_millis(1)).await;
    }

    /// Whether it is over.
    pub(super) fn is_over(&self) -> bool {
        self.relay.is_finished()
    }

    /// How many seconds it has been running.
    pub(super) fn seconds(&self) -> u64 {
        self.begin.elapsed().as_secs()
    }

    /// How it ends and after how many seconds, when nothing more happens outside.
    pub(super) async fn end(self) -> (R, u64) {
        let (over, after, _) = self.close().await;
        (over, after)
    }

    /// The same, and what was heard since the last look: by the client and by the target.
    pub(super) async fn close(self) -> (R, u64, [Vec<u8>; 2]) {
        let over = self.relay.await.unwrap();
        assert!(self.client.is_closed() && self.target.is_closed(), "both sockets are closed");
        (over, self.begin.elapsed().as_secs(), [self.client.heard(), self.target.heard()])
    }
}

/// How both ends behave.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// The most octets of one read or write.
    piece: usize,
    /// Everything is to be tried twice.
    hesitates: bool,
    /// Nothing arrives that is not flushed.
    buffers: bool,
}

impl Manner {
    /// As much at once as there is.
    pub(super) fn coarse() -> Self {
        Self { piece: usize::MAX, hesitates: false, buffers: false }
    }

    /// Whether octets move one by one, or as many at once as there are.
    pub(super) fn is_extreme(self) -> bool {
        self.piece == 1 || self.is_coarse()
    }

    /// Whether much moves at once.
    pub(super) fn is_coarse(self) -> bool {
        self.piece == usize::MAX
    }
}

/// All manners.
pub(super) fn manners() -> impl Iterator<Item = Manner> {
    [1, 2, 3, 7, usize::MAX].into_iter().flat_map(|piece| {
        [(false, false), (false, true), (true, false), (true, true)].map(|(hesitates, buffers)| Manner {
            piece,
            hesitates,
            buffers,
        })
    })
}

/// What one end does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Say(&'static str),
    End,
    Reset,
}

impl Act {
    pub(super) fn by(self, far: &Far) {
        match self {
            Self::Say(octets) => far.say(octets),
            Self::End => far.end(),
            Self::Reset => far.reset(),
        }
    }
}

/// Whose act it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Target,
}

/// All orders in which the acts of both may come, each side's own in its order.
pub(super) fn orders(client: &[Act], target: &[Act]) -> Vec<Vec<(Side, Act)>> {
    let begin_with = |side, acts: &[Act], rest: Vec<Vec<_>>| {
        let first = acts.first().copied();
        rest.into_iter().map(move |rest| first.map(|act| (side, act)).into_iter().chain(rest).collect())
    };
    match (client, target) {
        ([], []) => vec![Vec::new()],
        ([_, client_rest @ ..], []) => begin_with(Side::Client, client, orders(client_rest, &[])).collect(),
        ([], [_, target_rest @ ..]) => begin_with(Side::Target, target, orders(&[], target_rest)).collect(),
        ([_, client_rest @ ..], [_, target_rest @ ..]) => {
            begin_with(Side::Client, client, orders(client_rest, target))
                .chain(begin_with(Side::Target, target, orders(client, target_rest)))
                .collect()
        }
    }
}
