//! One message in one direction between two ends in memory: the same passes on whatever the pieces are. Octets of the
//! next message stay untouched.

use std::future::poll_fn;

use super::*;
use crate::relay::stage::{Stage, manners};

const HEAD: &[u8] = b"HEAD ";

/// The result for a message: how the pump stopped, how many octets it wrote, and how many are left in the sender's
/// buffer.
type Ended = (Result<(), Stopped>, u64, usize);

/// A framing, a message in that framing, and what passes on.
type Row = (fn() -> Framing, &'static str, &'static str);

const ROWS: &[Row] = &[
    (|| Framing::NONE, "", ""),
    (|| Framing::Length(5), "hello", "hello"),
    (Framing::chunked, "5\r\nhello\r\n0\r\n\r\n", "5\r\nhello\r\n0\r\n\r\n"),
    (Framing::chunked, "2\r\nhe\r\n03;a=b\r\nllo\r\n0\r\n\r\n", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
    (Framing::chunked, "1\r\nh\r\n0\r\nX-A: b\r\nHost: c\r\n\r\n", "1\r\nh\r\n0\r\nX-A: b\r\n\r\n"),
    (Framing::unchunked, "2\r\nhe\r\n3\r\nllo\r\n0\r\nX-A: b\r\n\r\n", "hello"),
    (|| Framing::chunked().kindly(), "2\nhe\n3\r\nllo\n0\n\n", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
];

/// Moves a message. `joins`: the part that has arrived at the start is sent together with the head.
async fn relay(framing: Framing, joins: bool, mut from: Leg, mut to: Leg) -> Ended {
    let mut pump = Pump::new(framing);
    pump.out.extend(HEAD);
    if joins {
        poll_fn(|cx| from.poll_fill(cx, BUFFER)).await.unwrap();
        if let Err(stopped) = pump.join_body(&mut from) {
            return (Err(stopped), pump.written, from.buffer.len());
        }
    }
    let result = poll_fn(|cx| pump.poll(cx, &mut from, &mut to)).await;
    (result, pump.written, from.buffer.len())
}

fn passed(body: &str) -> Vec<u8> {
    [HEAD, body.as_bytes()].concat()
}

#[tokio::test(start_paused = true)]
async fn whatever_the_pieces_are_the_same_passes_and_the_next_message_does_not() {
    for (framing, said, passes) in ROWS {
        let whole = format!("{said}next");
        for manner in manners() {
            for (split, joins) in (0..=whole.len()).flat_map(|split| [(split, false), (split, true)]) {
                let stage = Stage::in_manner(manner, |from, to| relay(framing(), joins, from, to));
                stage.client.send(&whole[..split]);
                stage.settle().await;
                stage.client.send(&whole[split..]);
                stage.settle().await;
                let (unread, shown) = (stage.client.unread(), format!("{said:?} {split} {joins} {manner:?}"));
                let ((result, written, left), _, [_, heard]) = stage.close().await;
                assert!(result.is_ok(), "{shown}");
                assert_eq!(String::from_utf8(heard).unwrap(), format!("HEAD {passes}"), "{shown}");
                assert_eq!(written, (HEAD.len() + passes.len()) as u64, "{shown}");
                // Octets of the next message that were sent early stay untouched in the buffer.
                assert!(
                    left + unread <= 4 && unread + left >= whole.len() - split.max(said.len()),
                    "{shown}"
                );
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_has_come_is_on_its_way_before_more_is_waited_for() {
    for manner in manners() {
        for framing in [Framing::Length(5), Framing::Close] {
            let stage = Stage::in_manner(manner, |from, to| relay(framing, false, from, to));
            for (at, octet) in "hell".chars().enumerate() {
                stage.client.send(octet.to_string());
                stage.settle().await;
                let expected = if at == 0 { passed("h") } else { vec![b"hell"[at]] };
                assert_eq!(stage.target.heard(), expected, "{manner:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_sender_that_ends_anywhere_within_is_noticed() {
    for (framing, said, _) in ROWS.iter().filter(|(_, said, _)| !said.is_empty()) {
        for manner in manners() {
            for split in 0..said.len() {
                for breaks in [false, true] {
                    let stage = Stage::in_manner(manner, |from, to| relay(framing(), false, from, to));
                    stage.client.send(&said[..split]);
                    if breaks {
                        stage.client.reset()
                    } else {
                        stage.client.end()
                    }
                    let ((result, written, _), after, [_, heard]) = stage.close().await;
                    let shown = format!("{said:?} {split} {manner:?} {breaks}");
                    assert!(matches!(result, Err(Stopped::Sender)), "{shown}: {result:?}");
                    assert_eq!(after, 0);
                    // A receiver that does not get the whole message may have got a part of it.
                    assert!(heard.len() as u64 <= written && written >= HEAD.len() as u64, "{shown}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn n18_only_an_orderly_end_makes_a_body_whole() {
    for manner in manners() {
        for split in 0..=5 {
            for ends in ["in order", "without close_notify", "by a reset"] {
                let stage = Stage::in_manner(manner, |from, to| relay(Framing::Close, false, from, to));
                stage.client.send(&"hello"[..split]);
                match ends {
                    "in order" => stage.client.end(),
                    "by a reset" => stage.client.reset(),
                    _ => stage.client.cut_off(),
                }
                let ((result, written, _), _, [_, heard]) = stage.close().await;
                assert_eq!(result.is_ok(), ends == "in order", "{ends} {split} {manner:?}");
                assert_eq!(written, (HEAD.len() + split) as u64);
                if result.is_ok() {
                    assert_eq!(heard, passed(&"hello"[..split]), "{manner:?}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_breaks_off_anywhere_is_noticed_and_one_that_stalls_gets_the_rest() {
    for (framing, said, passes) in ROWS {
        let whole = passed(passes);
        for manner in manners() {
            for room in 0..whole.len() {
                for breaks in [false, true] {
                    let stage = Stage::in_manner(manner, |from, to| relay(framing(), true, from, to));
                    stage.target.takes(room);
                    stage.client.send(said);
                    if said.is_empty() {
                        stage.client.end();
                    }
                    stage.settle().await;
                    assert!(!stage.is_over(), "{said:?} {room} {manner:?}");
                    if breaks {
                        stage.target.reset()
                    } else {
                        stage.target.takes(usize::MAX)
                    }
                    let ((result, written, _), _, [_, heard]) = stage.close().await;
                    let shown = format!("{said:?} {room} {manner:?}");
                    if breaks {
                        assert!(matches!(result, Err(Stopped::Receiver(_))), "{shown}: {result:?}");
                        assert_eq!(written, room as u64, "{shown}");
                    } else {
                        assert!(result.is_ok(), "{shown}: {result:?}");
                        assert_eq!((heard, written), (whole.clone(), whole.len() as u64), "{shown}");
                    }
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_flush_is_part_of_the_message() {
    let stage = Stage::begin(|from, to| relay(Framing::Length(5), false, from, to));
    stage.target.buffers();
    stage.target.flushes(false);
    stage.client.send("hello");
    stage.settle().await;
    assert!(!stage.is_over() && stage.target.unflushed() == 10);
    stage.target.flushes(true);
    let ((result, written, _), _, [_, heard]) = stage.close().await;
    assert!(result.is_ok() && written == 10);
    assert_eq!(heard, b"HEAD hello");
}

#[tokio::test(start_paused = true)]
async fn what_is_no_chunk_is_the_framing_s_fault_wherever_it_is_cut() {
    for said in [
        "x\r\n",
        "5\r\nhelloX",
        "5\r\nhello\r\n0\r\nno field\r\n\r\n",
        "5\nhello\r\n",
        "fffffffffffffffff\r\n",
    ] {
        for manner in manners() {
            for split in 0..=said.len() {
                let stage = Stage::in_manner(manner, |from, to| relay(Framing::chunked(), false, from, to));
                stage.client.send(&said[..split]);
                stage.settle().await;
                stage.client.send(&said[split..]);
                stage.settle().await;
                assert!(stage.is_over(), "{said:?} {split}");
                let ((result, ..), _) = stage.end().await;
                assert!(matches!(result, Err(Stopped::Framing)), "{said:?} {split} {manner:?}: {result:?}");
            }
        }
    }
}
