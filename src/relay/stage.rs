//! A test stage: a relay between two ends in memory, with a paused clock. It also has the orders in which the two ends
//! can act, and the manners in which they read and write.

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

    /// The same, between ends that behave in this manner.
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

    /// Lets the relay do all that it can do now.
    pub(super) async fn settle(&self) {
        sleep(Duration::from_millis(1)).await;
    }

    /// Whether the relay is over.
    pub(super) fn is_over(&self) -> bool {
        self.relay.is_finished()
    }

    /// How many seconds the relay has been running.
    pub(super) fn seconds(&self) -> u64 {
        self.begin.elapsed().as_secs()
    }

    /// The result of the relay, and after how many seconds it ended. Nothing more happens outside.
    pub(super) async fn end(self) -> (R, u64) {
        let (over, after, _) = self.close().await;
        (over, after)
    }

    /// The same, and what the client and the target received since the last look.
    pub(super) async fn close(self) -> (R, u64, [Vec<u8>; 2]) {
        let over = self.relay.await.unwrap();
        assert!(self.client.is_closed() && self.target.is_closed(), "both sockets are closed");
        (over, self.begin.elapsed().as_secs(), [self.client.heard(), self.target.heard()])
    }
}

/// How both ends behave.
#[derive(Debug, Clone, Copy)]
pub(super) struct Manner {
    /// The most octets that move in one read or write.
    piece: usize,
    /// Every read and write is pending at first and succeeds at the second try.
    hesitates: bool,
    /// Octets arrive only after a flush.
    buffers: bool,
}

impl Manner {
    /// Everything that is there moves at once.
    pub(super) fn coarse() -> Self {
        Self { piece: usize::MAX, hesitates: false, buffers: false }
    }

    /// Whether octets move one by one, or all at once.
    pub(super) fn is_extreme(self) -> bool {
        self.piece == 1 || self.is_coarse()
    }

    /// Whether everything that is there moves at once.
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

/// An act of one end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Act {
    Say(&'static str),
    End,
    Reset,
}

impl Act {
    pub(super) fn by(self, far: &Far) {
        match self {
            Self::Say(octets) => far.send(octets),
            Self::End => far.end(),
            Self::Reset => far.reset(),
        }
    }
}

/// The side that acts.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Side {
    Client,
    Target,
}

/// All orders in which the acts of both sides can come. Each side's own acts keep their order.
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
