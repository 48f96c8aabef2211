//! A tunnel between two ends in memory, with a paused clock.

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::*;
use crate::relay::patience::{AFTER_END, GLANCE, UNDELIVERED};
use crate::relay::stage::{Act, SECOND, Side, Stage, manners, orders};

const IDLE: Duration = Duration::from_secs(7200);

/// Begins a tunnel.
fn begin() -> Stage<(EndedBy, [u64; 2])> {
    Stage::begin(relay)
}

async fn relay(mut client: Leg, mut target: Leg) -> (EndedBy, [u64; 2]) {
    let mut timer = Timer::new(IDLE, CancellationToken::new());
    let mut bytes = [0; 2];
    let by = tunnel(&mut client, &mut target, &mut timer, IDLE, &mut bytes).await;
    (by, bytes)
}

/// How the tunnel ends and after how many seconds, if nothing more happens outside.
async fn end(stage: Stage<(EndedBy, [u64; 2])>) -> (EndedBy, u64) {
    let ((by, _), after) = stage.end().await;
    (by, after)
}

#[tokio::test(start_paused = true)]
async fn octets_go_both_ways_whatever_the_pieces_are() {
    for pieces in [1, 2, 3, 7, 4096] {
        let stage = begin();
        stage.client.pieces(pieces);
        stage.target.pieces(pieces);
        stage.client.send(b"up".repeat(1000));
        stage.target.send(b"down".repeat(1000));
        stage.client.end();
        stage.settle().await;
        assert_eq!((stage.target.heard(), stage.client.heard()), (b"up".repeat(1000), b"down".repeat(1000)));
        assert!(stage.target.is_told() && !stage.client.is_told());
        stage.target.send("last");
        stage.target.end();
        stage.settle().await;
        assert_eq!(stage.client.heard(), b"last");
        let ((by, bytes), _) = stage.end().await;
        assert_eq!((by, bytes), (EndedBy::Client, [2000, 4004]), "{pieces}");
    }
}

#[tokio::test(start_paused = true)]
async fn b10_when_one_side_has_ended_the_other_has_ten_seconds_from_each_octet() {
    let stage = begin();
    stage.client.send("up");
    stage.client.end();
    assert_eq!(end(stage).await, (EndedBy::Client, AFTER_END.as_secs()));
    let stage = begin();
    stage.target.end();
    for _ in 0..3 {
        sleep(AFTER_END - SECOND).await;
        stage.client.send("up");
    }
    assert_eq!(end(stage).await, (EndedBy::Target, (4 * AFTER_END - 3 * SECOND).as_secs()));
}

#[tokio::test(start_paused = true)]
async fn b10_an_end_behind_octets_that_are_not_read_is_noticed() {
    let much = vec![7; 1_000_000];
    for breaks in [false, true] {
        let stage = begin();
        stage.target.takes(100);
        stage.client.send(&much);
        stage.settle().await;
        assert!(stage.client.unread() > 0);
        if breaks {
            stage.client.reset();
        } else {
            stage.client.end();
        }
        assert_eq!(end(stage).await, (EndedBy::Client, (GLANCE + UNDELIVERED).as_secs()), "{breaks}");
    }
    // Without an end the receiver is only slow.
    let stage = begin();
    stage.target.takes(100);
    stage.client.send(&much);
    sleep(UNDELIVERED * 5).await;
    stage.target.takes(usize::MAX);
    stage.settle().await;
    assert_eq!(stage.target.heard().len(), much.len());
    // The client ends, and then resets the connection.
    stage.client.end();
    sleep(2 * SECOND).await;
    let before = stage.seconds();
    stage.client.reset();
    let (by, after) = end(stage).await;
    assert_eq!(by, EndedBy::Client);
    assert!(after <= before + GLANCE.as_secs());
}

#[tokio::test(start_paused = true)]
async fn silence_ends_it_in_the_end() {
    let stage = begin();
    stage.client.send("up");
    assert_eq!(end(stage).await, (EndedBy::Idle, IDLE.as_secs()));
}

const CLIENT_ACTS: [Act; 3] = [Act::Say("ab"), Act::Say("c"), Act::End];
const TARGET_ACTS: [Act; 3] = [Act::Say("xyz"), Act::Say("w"), Act::End];

/// The side that ends first.
fn first_of(order: &[(Side, Act)]) -> EndedBy {
    match order.iter().find(|(_, act)| *act == Act::End) {
        Some((Side::Client, _)) => EndedBy::Client,
        Some((Side::Target, _)) => EndedBy::Target,
        None => EndedBy::Idle,
    }
}

#[tokio::test(start_paused = true)]
async fn in_every_order_and_manner_everything_goes_on_once() {
    for manner in manners() {
        for order in orders(&CLIENT_ACTS, &TARGET_ACTS) {
            for settles in [false, true] {
                let stage = Stage::in_manner(manner, relay);
                for (side, act) in &order {
                    act.by(stage.far(*side));
                    if settles {
                        stage.settle().await;
                    }
                }
                let shown = format!("{manner:?} {order:?} {settles}");
                let ((by, bytes), after, heard) = stage.close().await;
                assert_eq!(heard, [&b"xyzw"[..], b"abc"], "{shown}");
                assert_eq!((bytes, after), ([3, 4], 0), "{shown}");
                if settles {
                    assert_eq!(by, first_of(&order), "{shown}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_said_before_a_reset_arrives_and_the_reset_ends_it() {
    for manner in manners() {
        for side in [Side::Client, Side::Target] {
            // The other side may have ended before.
            for other_ends in [false, true] {
                let mut scripts = [CLIENT_ACTS.to_vec(), TARGET_ACTS.to_vec()];
                let (breaks, other) = (usize::from(side == Side::Target), usize::from(side == Side::Client));
                scripts[breaks][2] = Act::Reset;
                scripts[other].truncate(if other_ends { 3 } else { 2 });
                for order in orders(&scripts[0], &scripts[1]) {
                    let stage = Stage::in_manner(manner, relay);
                    let mut said = [String::new(), String::new()];
                    for (side, act) in &order {
                        act.by(stage.far(*side));
                        if let (Act::Say(text), false) = (act, stage.is_over()) {
                            said[usize::from(*side == Side::Client)] += text;
                        }
                        stage.settle().await;
                    }
                    let shown = format!("{manner:?} {order:?}");
                    let ((by, bytes), after, heard) = stage.close().await;
                    assert_eq!(heard, said.map(String::into_bytes), "{shown}");
                    assert_eq!(bytes, [heard[1].len() as u64, heard[0].len() as u64], "{shown}");
                    let breaker = if side == Side::Client { EndedBy::Client } else { EndedBy::Target };
                    assert_eq!((by, after), (breaker, 0), "{shown}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_stalls_anywhere_gets_everything_in_the_end() {
    for (client_room, target_room) in (0..=4).flat_map(|one| (0..=3).map(move |two| (one, two))) {
        for order in orders(&CLIENT_ACTS, &TARGET_ACTS) {
            let stage = begin();
            stage.client.takes(client_room);
            stage.target.takes(target_room);
            for (side, act) in &order {
                act.by(stage.far(*side));
                // An end behind waiting octets is seen at the next glance.
                sleep(GLANCE + SECOND / 10).await;
            }
            assert_eq!(stage.client.heard(), b"xyzw"[..client_room], "{order:?}");
            assert_eq!(stage.target.heard(), b"abc"[..target_room], "{order:?}");
            if !stage.is_over() {
                sleep(UNDELIVERED - 8 * SECOND).await;
            }
            assert_eq!(stage.is_over(), (client_room, target_room) == (4, 3), "{order:?}");
            stage.client.takes(usize::MAX);
            stage.target.takes(usize::MAX);
            let ((by, bytes), _, heard) = stage.close().await;
            assert_eq!(heard, [&b"xyzw"[client_room..], &b"abc"[target_room..]], "{order:?}");
            assert_eq!((by, bytes), (first_of(&order), [3, 4]), "{order:?} {client_room} {target_room}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_written_is_flushed_before_anything_is_waited_for() {
    let stage = begin();
    stage.target.buffers();
    stage.target.flushes(false);
    stage.client.send("ab");
    stage.target.send("xy");
    stage.settle().await;
    assert_eq!((stage.client.heard(), stage.target.unflushed()), (b"xy".to_vec(), 2));
    // While a flush is pending the sender is still read.
    stage.client.send("c");
    stage.settle().await;
    assert_eq!(stage.target.unflushed(), 3);
    stage.target.flushes(true);
    stage.settle().await;
    assert_eq!(stage.target.heard(), b"abc");
    // A pending flush holds octets of a client that has ended. They wait as long as a receiver may stall.
    stage.target.flushes(false);
    stage.client.send("d");
    stage.client.end();
    stage.settle().await;
    assert!(!stage.target.is_told());
    assert_eq!(end(stage).await, (EndedBy::Client, UNDELIVERED.as_secs()));
}
