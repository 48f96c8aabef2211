//! Exchanges between two ends in memory, with a paused clock: how the end of a side is noticed.

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::relay::patience::{AFTER_END, GLANCE, UNDELIVERED};
use crate::relay::stage::{SECOND, Stage};

const RESPONSE: Duration = Duration::from_secs(600);
const HEAD: &[u8] = b"POST / HTTP/1.1\r\nHost: a\r\n\r\n";

/// The result of an exchange, and how many octets went to the target and to the client.
type Ended = (Result<Exchanged, ExchangeError>, [u64; 2]);

/// Begins a request whose body has `body` octets.
fn begin(body: u64) -> Stage<Ended> {
    begin_at(body, 0, false)
}

/// The same, with a lowest rate in octets a second.
fn begin_at(body: u64, min_rate: u32, expects_continue: bool) -> Stage<Ended> {
    let framing = if body > 0 { Framing::Length(body) } else { Framing::NONE };
    let request = Outgoing { framing, expects_continue, ..get() };
    Stage::begin(|client, target| run(client, target, request, min_rate))
}

/// A request without a body.
fn get() -> Outgoing<'static> {
    let mut head = Buffer::default();
    head.extend(HEAD);
    Outgoing {
        head,
        framing: Framing::NONE,
        is_head: false,
        websocket: false,
        expects_continue: false,
        version: Version::Http11,
        persistent: true,
        answer: None,
    }
}

async fn run(mut client: Leg, mut target: Leg, mut request: Outgoing<'static>, min_rate: u32) -> Ended {
    let mut timer = Timer::new(RESPONSE, CancellationToken::new());
    let patience = Patience { client: 60 * SECOND, target: RESPONSE, min_rate };
    let (legs, mut bytes) = ((&mut client, &mut target), [0; 2]);
    let result = exchange(legs, &mut request, &mut timer, patience, &mut |_, _| {}, &mut bytes).await;
    (result, bytes)
}

/// Why the exchange failed, and after how many seconds.
async fn failure(stage: Stage<Ended>) -> (Failure, u64) {
    let ((result, _), after) = stage.end().await;
    (result.unwrap_err().failure, after)
}

#[tokio::test(start_paused = true)]
async fn b10_a_client_that_has_ended_is_waited_for_ten_seconds() {
    let stage = begin(0);
    stage.client.end();
    assert_eq!(failure(stage).await, (Failure::Client, AFTER_END.as_secs()));
    // The client may wait for its answer.
    let stage = begin(0);
    stage.client.end();
    sleep(AFTER_END - SECOND).await;
    stage.target.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nla");
    sleep(AFTER_END - SECOND).await;
    stage.target.send("te");
    stage.settle().await;
    assert!(stage.client.heard().ends_with(b"\r\n\r\nlate"));
    assert!(stage.end().await.0.0.is_ok());
    // The client may also break off while it waits. Item 32: the client sends this many octets a second for this many
    // seconds. Returns why the exchange failed, if it did, and after how many seconds.
    let stage = begin(0);
    stage.client.end();
    sleep(2 * SECOND).await;
    stage.client.reset();
    let (failure, after) = failure(stage).await;
    assert_eq!(failure, Failure::Client);
    assert!(after <= 2 + GLANCE.as_secs(), "{after}");
}

#[tokio::test(start_paused = true)]
async fn b10_a_client_is_noticed_behind_requests_that_are_not_read() {
    for breaks in [false, true] {
        let stage = begin(0);
        stage.client.send("GET / HTTP/1.1\r\nHost: a\r\n\r\n".repeat(10_000));
        stage.settle().await;
        assert!(stage.client.unread() > 0);
        if breaks {
            stage.client.reset();
        } else {
            stage.client.end();
        }
        let after = if breaks { GLANCE } else { GLANCE + AFTER_END };
        assert_eq!(failure(stage).await, (Failure::Client, after.as_secs()), "{breaks}");
    }
}

#[tokio::test(start_paused = true)]
async fn b10_a_client_is_noticed_behind_a_body_that_the_target_does_not_take() {
    for breaks in [false, true] {
        let stage = begin(1_000_000);
        stage.target.takes(1000);
        stage.client.send(vec![7; 1_000_000]);
        stage.settle().await;
        assert!(stage.client.unread() > 0);
        if breaks {
            stage.client.reset();
        } else {
            stage.client.end();
        }
        let after = if breaks { GLANCE } else { GLANCE + UNDELIVERED };
        assert_eq!(failure(stage).await, (Failure::Client, after.as_secs()), "{breaks}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_is_there_waits_as_long_as_the_limit_says() {
    assert_eq!(failure(begin(0)).await, (Failure::TargetTimeout, RESPONSE.as_secs()));
}

/// Item 32: so many octets a second for so many seconds; why the exchange failed, if it did, and after how many seconds.
async fn drip(stage: Stage<Ended>, octets: usize, seconds: u64) -> Option<(Failure, u64)> {
    for _ in 0..seconds {
        if stage.is_over() {
            return Some(failure(stage).await);
        }
        stage.client.send(vec![7; octets]);
        sleep(SECOND).await;
    }
    None
}

#[tokio::test(start_paused = true)]
async fn item_32_a_slow_body_ends_and_a_slow_target_does_not() {
    let (failure, after) = drip(begin_at(1_000_000, 500, false), 499, 60).await.unwrap();
    assert_eq!(failure, Failure::ClientSlow);
    assert!((20..=22).contains(&after), "{after}");
    assert_eq!(drip(begin_at(1_000_000, 500, false), 500, 60).await, None);
    assert_eq!(drip(begin_at(1_000_000, 0, false), 1, 600).await, None);
    // The target takes only a few of the waiting octets each second.
    let stage = begin_at(1_000_000, 500, false);
    stage.client.send(vec![7; 1_000_000]);
    for second in 0..200 {
        stage.target.takes(10);
        sleep(SECOND).await;
        assert!(!stage.is_over(), "{second}");
    }
}

#[tokio::test(start_paused = true)]
async fn item_32_a_client_that_waits_for_100_is_not_slow_and_another_is() {
    let stage = begin_at(1_000_000, 500, true);
    assert_eq!(failure(stage).await, (Failure::TargetTimeout, RESPONSE.as_secs()));
    let stage = begin_at(1_000_000, 500, true);
    sleep(100 * SECOND).await;
    stage.target.send("HTTP/1.1 100 Continue\r\n\r\n");
    let (failure, after) = failure(stage).await;
    assert!(failure == Failure::ClientSlow && (120..=122).contains(&after), "{failure:?} {after}");
    // The client sends its body without having got a 100.
    let (failure, after) = drip(begin_at(1_000_000, 500, true), 1, 60).await.unwrap();
    assert!(failure == Failure::ClientSlow && (20..=22).contains(&after), "{failure:?} {after}");
}

mod answers;
mod bodies;
