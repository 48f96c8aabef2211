//! A tunnel between two ends in memory, by a clock that stands still.

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::io::memory::{Far, leg};
use crate::relay::patience::{AFTER_END, GLANCE, UNDELIVERED};

const IDLE: Duration = Duration::from_secs(7200);
const SECOND: Duration = Duration::from_secs(1);

struct Stage {
    client: Far,
    target: Far,
    relay: JoinHandle<(EndedBy, [u64; 2])>,
    begin: Instant,
}

impl Stage {
    fn begin() -> Self {
        let ((mut near_client, client), (mut near_target, target)) = (leg(), leg());
        let relay = tokio::spawn(async move {
            let mut timer = Timer::new(IDLE, CancellationToken::new());
            let mut bytes = [0; 2];
            let by = tunnel(&mut near_client, &mut near_target, &mut timer, IDLE, &mut bytes).await;
            (by, bytes)
        });
        Self { client, target, relay, begin: Instant::now() }
    }

    async fn settle(&self) {
        sleep(Duration::from_millis(1)).await;
    }

    async fn end(self) -> (EndedBy, u64) {
        let (by, _) = self.relay.await.unwrap();
        assert!(self.client.is_closed() && self.target.is_closed(), "both sockets are closed");
        (by, self.begin.elapsed().as_secs())
    }
}

#[tokio::test(start_paused = true)]
async fn octets_go_both_ways_whatever_the_pieces_are() {
    for pieces in [1, 2, 3, 7, 4096] {
        let stage = Stage::begin();
        stage.client.pieces(pieces);
        stage.target.pieces(pieces);
        stage.client.say(b"up".repeat(1000));
        stage.target.say(b"down".repeat(1000));
        stage.client.end();
        stage.settle().await;
        assert_eq!((stage.target.heard(), stage.client.heard()), (b"up".repeat(1000), b"down".repeat(1000)));
        assert!(stage.target.is_told() && !stage.client.is_told());
        stage.target.say("last");
        stage.target.end();
        stage.settle().await;
        assert_eq!(stage.client.heard(), b"last");
        let (by, bytes) = stage.relay.await.unwrap();
        assert_eq!((by, bytes), (EndedBy::Client, [2000, 4004]), "{pieces}");
    }
}

#[tokio::test(start_paused = true)]
async fn b10_when_one_side_has_ended_the_other_has_ten_seconds_from_each_octet() {
    let stage = Stage::begin();
    stage.client.say("up");
    stage.client.end();
    assert_eq!(stage.end().await, (EndedBy::Client, AFTER_END.as_secs()));
    let stage = Stage::begin();
    stage.target.end();
    for _ in 0..3 {
        sleep(AFTER_END - SECOND).await;
        stage.client.say("up");
    }
    assert_eq!(stage.end().await, (EndedBy::Target, (4 * AFTER_END - 3 * SECOND).as_secs()));
}

#[tokio::test(start_paused = true)]
async fn b10_an_end_behind_octets_that_are_not_read_is_noticed() {
    let much = vec![7; 1_000_000];
    for breaks in [false, true] {
        let stage = Stage::begin();
        stage.target.takes(100);
        stage.client.say(&much);
        stage.settle().await;
        assert!(stage.client.unread() > 0);
        if breaks {
            stage.client.reset();
        } else {
            stage.client.end();
        }
        assert_eq!(stage.end().await, (EndedBy::Client, (GLANCE + UNDELIVERED).as_secs()), "{breaks}");
    }
    // Without an end it is a receiver that takes its time.
    let stage = Stage::begin();
    stage.target.takes(100);
    stage.client.say(&much);
    sleep(UNDELIVERED * 5).await;
    stage.target.takes(usize::MAX);
    stage.settle().await;
    assert_eq!(stage.target.heard().len(), much.len());
    // An end and then a reset.
    stage.client.end();
    sleep(2 * SECOND).await;
    let before = stage.begin.elapsed().as_secs();
    stage.client.reset();
    let (by, after) = stage.end().await;
    assert_eq!(by, EndedBy::Client);
    assert!(after <= before + GLANCE.as_secs());
}

#[tokio::test(start_paused = true)]
async fn silence_ends_it_in_the_end() {
    let stage = Stage::begin();
    stage.client.say("up");
    assert_eq!(stage.end().await, (EndedBy::Idle, IDLE.as_secs()));
}
