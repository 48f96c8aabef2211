//! Exchanges between two ends in memory, by a clock that stands still: who has gone, and how that is noticed.

use tokio::task::JoinHandle;
use tokio::time::{Instant, sleep};
use tokio_util::sync::CancellationToken;

use super::*;
use crate::io::memory::{Far, leg};
use crate::relay::patience::{AFTER_END, GLANCE, UNDELIVERED};

const SECOND: Duration = Duration::from_secs(1);
const RESPONSE: Duration = Duration::from_secs(600);
const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\n\r\n";

struct Stage {
    client: Far,
    target: Far,
    exchange: JoinHandle<Result<Exchanged, Failed>>,
    begin: Instant,
}

impl Stage {
    /// A request whose body has `body` octets.
    fn begin(body: u64) -> Self {
        Self::begin_at(body, 0, false)
    }

    /// The same, at least so many octets a second.
    fn begin_at(body: u64, min_rate: u32, expects_continue: bool) -> Self {
        let ((mut near_client, client), (mut near_target, target)) = (leg(), leg());
        let exchange = tokio::spawn(async move {
            let mut request = Outgoing {
                head: Buffer::default(),
                framing: if body > 0 { Framing::Length(body) } else { Framing::NONE },
                is_head: false,
                websocket: false,
                expects_continue,
                version: Version::Http11,
                persistent: true,
            };
            request.head.extend(HEAD);
            let mut timer = Timer::new(RESPONSE, CancellationToken::new());
            let patience = Patience { client: 60 * SECOND, target: RESPONSE, min_rate };
            let legs = (&mut near_client, &mut near_target);
            exchange(legs, &mut request, &mut timer, patience, &mut |_, _| {}, &mut [0; 2]).await
        });
        Self { client, target, exchange, begin: Instant::now() }
    }

    async fn settle(&self) {
        sleep(Duration::from_millis(1)).await;
    }

    /// Why it failed and after how many seconds.
    async fn failure(self) -> (Failure, u64) {
        let failed = self.exchange.await.unwrap().unwrap_err();
        assert!(self.client.is_closed() && self.target.is_closed(), "both sockets are closed");
        (failed.failure, self.begin.elapsed().as_secs())
    }
}

#[tokio::test(start_paused = true)]
async fn b10_a_client_that_has_ended_is_waited_for_ten_seconds() {
    let stage = Stage::begin(0);
    stage.client.end();
    assert_eq!(stage.failure().await, (Failure::Client, AFTER_END.as_secs()));
    // It may wait for its answer.
    let stage = Stage::begin(0);
    stage.client.end();
    sleep(AFTER_END - SECOND).await;
    stage.target.say("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nla");
    sleep(AFTER_END - SECOND).await;
    stage.target.say("te");
    stage.settle().await;
    assert!(stage.client.heard().ends_with(b"\r\n\r\nlate"));
    assert!(stage.exchange.await.unwrap().is_ok());
    // And break off meanwhile.
    let stage = Stage::begin(0);
    stage.client.end();
    sleep(2 * SECOND).await;
    stage.client.reset();
    let (failure, after) = stage.failure().await;
    assert_eq!(failure, Failure::Client);
    assert!(after <= 2 + GLANCE.as_secs(), "{after}");
}

#[tokio::test(start_paused = true)]
async fn b10_a_client_is_noticed_behind_requests_that_are_not_read() {
    for breaks in [false, true] {
        let stage = Stage::begin(0);
        stage.client.say("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(10_000));
        stage.settle().await;
        assert!(stage.client.unread() > 0);
        if breaks {
            stage.client.reset();
        } else {
            stage.client.end();
        }
        let after = if breaks { GLANCE } else { GLANCE + AFTER_END };
        assert_eq!(stage.failure().await, (Failure::Client, after.as_secs()), "{breaks}");
    }
}

#[tokio::test(start_paused = true)]
async fn b10_a_client_is_noticed_behind_a_body_that_the_target_does_not_take() {
    for breaks in [false, true] {
        let stage = Stage::begin(1_000_000);
        stage.target.takes(1000);
        stage.client.say(vec![7; 1_000_000]);
        stage.settle().await;
        assert!(stage.client.unread() > 0);
        if breaks {
            stage.client.reset();
        } else {
            stage.client.end();
        }
        let after = if breaks { GLANCE } else { GLANCE + UNDELIVERED };
        assert_eq!(stage.failure().await, (Failure::Client, after.as_secs()), "{breaks}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_there_waits_as_long_as_the_limit_says() {
    assert_eq!(Stage::begin(0).failure().await, (Failure::TargetTimeout, RESPONSE.as_secs()));
}

/// Item 32: so many octets a second for so many seconds; why the exchange failed, if it did, and after how many seconds.
async fn drip(stage: Stage, octets: usize, seconds: u64) -> Option<(Failure, u64)> {
    for _ in 0..seconds {
        if stage.exchange.is_finished() {
            return Some(stage.failure().await);
        }
        stage.client.say(vec![7; octets]);
        sleep(SECOND).await;
    }
    None
}

#[tokio::test(start_paused = true)]
async fn item_32_a_slow_body_ends_and_a_slow_target_does_not() {
    let (failure, after) = drip(Stage::begin_at(1_000_000, 500, false), 499, 60).await.unwrap();
    assert_eq!(failure, Failure::ClientSlow);
    assert!((20..=22).contains(&after), "{after}");
    assert_eq!(drip(Stage::begin_at(1_000_000, 500, false), 500, 60).await, None);
    assert_eq!(drip(Stage::begin_at(1_000_000, 0, false), 1, 600).await, None);
    // The target takes a few octets a second of what is there.
    let stage = Stage::begin_at(1_000_000, 500, false);
    stage.client.say(vec![7; 1_000_000]);
    for second in 0..200 {
        stage.target.takes(10);
        sleep(SECOND).await;
        assert!(!stage.exchange.is_finished(), "{second}");
    }
}

#[tokio::test(start_paused = true)]
async fn item_32_who_waits_for_100_is_not_slow_and_who_does_not_wait_is() {
    let stage = Stage::begin_at(1_000_000, 500, true);
    assert_eq!(stage.failure().await, (Failure::TargetTimeout, RESPONSE.as_secs()));
    let stage = Stage::begin_at(1_000_000, 500, true);
    sleep(100 * SECOND).await;
    stage.target.say("HTTP/1.1 100 Continue\r\n\r\n");
    let (failure, after) = stage.failure().await;
    assert!(failure == Failure::ClientSlow && (120..=122).contains(&after), "{failure:?} {after}");
    // It sends its body without having been told to.
    let (failure, after) = drip(Stage::begin_at(1_000_000, 500, true), 1, 60).await.unwrap();
    assert!(failure == Failure::ClientSlow && (20..=22).contains(&after), "{failure:?} {after}");
}
