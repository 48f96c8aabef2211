//! The same messages in every order and manner: what passes, what is answered, what is held back, and which side ended
//! the relay.

use super::*;
use crate::relay::stage::{Act, Side, manners, orders};

/// Lines of the client: one that passes, one that is replaced, one that is answered here, and half a line.
const CLIENT: [Act; 3] = [Act::Say("one\nol"), Act::Say("d\nmine\nta"), Act::End];
/// Lines of the target: two lines in pieces, and one message in parts.
const TARGET: [Act; 4] = [Act::Say("x\ny"), Act::Say("\nz~"), Act::Say("~end\n"), Act::End];

/// What the client receives. The index says after how many acts of the target the answer to `mine` was made. The answer
/// never stands within a message. It is missing if the client has been told that nothing more comes.
const ANSWERED: [&str; 5] = [
    "answer\nx\ny\nz~~end\n",
    "x\nanswer\ny\nz~~end\n",
    "x\ny\nz~~end\nanswer\n",
    "x\ny\nz~~end\nanswer\n",
    "x\ny\nz~~end\n",
];

/// The side that ends first.
fn first_of(order: &[(Side, Act)]) -> RelayEnd {
    match order.iter().find(|(_, act)| *act == Act::End) {
        Some((Side::Client, _)) => super::CLIENT,
        _ => super::TARGET,
    }
}

#[tokio::test(start_paused = true)]
async fn in_every_order_and_manner_the_same_goes_on_once() {
    for manner in manners() {
        for order in orders(&CLIENT, &TARGET) {
            for settles in [false, true] {
                let stage = Stage::in_manner(manner, relay);
                for (side, act) in &order {
                    act.by(stage.far(*side));
                    if settles {
                        stage.settle().await;
                    }
                }
                let shown = format!("{manner:?} {order:?} {settles}");
                let ((over, bytes), after, [client, target]) = stage.close().await;
                let client = String::from_utf8(client).unwrap();
                assert_eq!(target, b"one\nnew\n", "{shown}");
                assert_eq!((bytes, after), ([8, client.len() as u64], 0), "{shown}");
                if settles {
                    let mine = order.iter().position(|at| *at == (Side::Client, CLIENT[1])).unwrap();
                    let before = order[..mine].iter().filter(|(side, _)| *side == Side::Target).count();
                    assert_eq!((&client[..], over), (ANSWERED[before], first_of(&order)), "{shown}");
                } else {
                    assert!(ANSWERED.contains(&&client[..]), "{shown}: {client}");
                }
            }
        }
    }
}

/// The expected result of an order of the acts below. The lines have the meaning that [`Lines`] gives them.
#[derive(Debug, Default, PartialEq, Eq)]
struct Expected {
    onward: String,
    back: String,
    over: Option<RelayEnd>,
    /// The relay is over at once. False: it is over when the other side has used up its time.
    at_once: bool,
}

fn expected(order: &[(Side, Act)]) -> Expected {
    let (mut model, mut binds, mut held) = (Expected { at_once: true, ..Expected::default() }, false, "");
    let mut client_ended = false;
    for (side, act) in order {
        match (side, act) {
            (Side::Client, Act::Say(line)) if binds => held = line,
            (Side::Client, Act::Say(line)) => {
                model.onward += line;
                binds = *line == "bind\n";
            }
            (Side::Target, Act::Say(line)) => {
                model.back += line;
                model.onward += std::mem::take(&mut held);
                binds = false;
            }
            (Side::Client, _) => client_ended = true,
            // The target refuses without a word.
            (Side::Target, _) if model.back.is_empty() => {
                model.over = Some(if client_ended { super::CLIENT } else { super::TARGET });
                return model;
            }
            (Side::Target, _) => {}
        }
    }
    model.over = Some(first_of(order));
    model.at_once = held.is_empty();
    model
}

#[tokio::test(start_paused = true)]
async fn in_every_order_and_manner_what_follows_a_bind_waits_for_its_answer() {
    let client = [Act::Say("bind\n"), Act::Say("search\n"), Act::End];
    let answers = [Act::Say("bound\n"), Act::Say("found\n"), Act::End];
    for manner in manners() {
        // The target sends two lines, one, or none.
        for target in [&answers[..], &answers[1..], &answers[2..]] {
            for order in orders(&client, target) {
                let stage = Stage::in_manner(manner, relay);
                let mut heard = [String::new(), String::new()];
                for (count, (side, act)) in order.iter().enumerate() {
                    if stage.is_over() {
                        break;
                    }
                    act.by(stage.far(*side));
                    stage.settle().await;
                    heard[0] += std::str::from_utf8(&stage.client.heard()).unwrap();
                    heard[1] += std::str::from_utf8(&stage.target.heard()).unwrap();
                    let Expected { onward, back, .. } = expected(&order[..=count]);
                    assert_eq!(heard, [back, onward], "{manner:?} {order:?} {count}");
                }
                let Expected { over, at_once, .. } = expected(&order);
                let ((ended, bytes), after, _) = stage.close().await;
                assert_eq!(Some(ended), over, "{manner:?} {order:?}");
                assert_eq!(bytes, [heard[1].len() as u64, heard[0].len() as u64], "{manner:?} {order:?}");
                let wait = if at_once { 0 } else { AFTER_END.as_secs() };
                assert_eq!(after, wait, "{manner:?} {order:?}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_was_said_before_a_reset_arrives_and_the_reset_ends_it() {
    for manner in manners() {
        for side in [Side::Client, Side::Target] {
            let (mut client, mut target) = (CLIENT.to_vec(), TARGET[..3].to_vec());
            match side {
                Side::Client => client[2] = Act::Reset,
                Side::Target => {
                    client.pop();
                    target.push(Act::Reset);
                }
            }
            for order in orders(&client, &target) {
                let stage = Stage::in_manner(manner, relay);
                let mut said = [0, 0];
                for (side, act) in &order {
                    said[usize::from(*side == Side::Target)] += usize::from(!stage.is_over());
                    act.by(stage.far(*side));
                    stage.settle().await;
                }
                let shown = format!("{manner:?} {order:?}");
                let ((over, bytes), after, [client, target]) = stage.close().await;
                assert_eq!(target, [&b""[..], b"one\n", b"one\nnew\n"][said[0].min(2)], "{shown}");
                let back = String::from_utf8(client).unwrap().replace("answer\n", "");
                assert_eq!(back, ["", "x\n", "x\ny\nz~", "x\ny\nz~~end\n"][said[1].min(3)], "{shown}");
                assert_eq!(bytes[0], target.len() as u64, "{shown}");
                let breaker = if side == Side::Client { super::CLIENT } else { super::TARGET };
                assert_eq!((over, after), (breaker, 0), "{shown}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_receiver_that_stalls_anywhere_gets_everything_in_the_end() {
    for order in orders(&CLIENT, &TARGET) {
        for (client_room, target_room) in (0..18).map(|room| (room, 17 - room)) {
            let stage = begin();
            stage.client.takes(client_room);
            stage.target.takes(target_room);
            for (side, act) in &order {
                act.by(stage.far(*side));
                sleep(GLANCE + SECOND / 10).await;
            }
            stage.client.takes(usize::MAX);
            stage.target.takes(usize::MAX);
            let ((over, bytes), _, [client, target]) = stage.close().await;
            let client = String::from_utf8(client).unwrap();
            assert_eq!(target, b"one\nnew\n", "{order:?}");
            assert!(ANSWERED.contains(&&client[..]), "{order:?} {client_room}: {client}");
            assert_eq!((over, bytes[1]), (first_of(&order), client.len() as u64), "{order:?} {client_room}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_written_is_flushed_before_anything_is_waited_for() {
    for manner in manners() {
        let stage = Stage::in_manner(manner, relay);
        stage.client.buffers();
        stage.target.buffers();
        stage.client.send("one\nmine\nold\nbind\nheld\n");
        stage.settle().await;
        assert_eq!(stage.target.heard(), b"one\nnew\nbind\n", "{manner:?}");
        assert_eq!(stage.client.heard(), b"answer\n", "{manner:?}");
    }
    // While a flush is pending the sender is read. Its end waits for the flush.
    let stage = begin();
    stage.target.buffers();
    stage.target.flushes(false);
    stage.client.send("one\n");
    stage.settle().await;
    stage.client.send("two\n");
    stage.client.end();
    stage.settle().await;
    assert_eq!((stage.target.unflushed(), stage.target.is_told()), (8, false));
    assert_eq!(end(stage).await, at(super::CLIENT, UNDELIVERED));
}

#[tokio::test(start_paused = true)]
async fn a_last_word_is_said_between_two_messages_or_not_at_all() {
    // What the target has sent, and whether the client gets the last answer after it.
    for (said, hears) in [("", true), ("x\n", true), ("x\nhalf", true), ("part~", false), ("x\npart~", false)]
    {
        for manner in manners() {
            let stage = Stage::in_manner(manner, relay);
            stage.target.send(said);
            stage.settle().await;
            stage.client.send("cut\nmore\n");
            let ((over, bytes), after, [client, target]) = stage.close().await;
            let whole = said.strip_suffix("half").unwrap_or(said);
            let expected = format!("{whole}{}", if hears { "no\n" } else { "" });
            assert_eq!(String::from_utf8(client).unwrap(), expected, "{manner:?}");
            let cut = RelayEnd::Cut { of_client: true, ending: CUT, answered: hears };
            assert_eq!((over, after, target), (cut, 0, Vec::new()), "{manner:?} {said}");
            assert_eq!(bytes, [0, expected.len() as u64], "{manner:?} {said}");
        }
    }
    // The relay does not wait for a client that does not take the last answer.
    let stage = begin();
    stage.client.takes(1);
    stage.client.send("cut\n");
    assert_eq!(
        end(stage).await,
        at(RelayEnd::Cut { of_client: true, ending: CUT, answered: false }, LAST_WORD)
    );
}

#[tokio::test(start_paused = true)]
async fn a_message_without_an_end_is_the_doing_of_its_sender() {
    let cut = |of_client, ending| RelayEnd::Cut { of_client, ending, answered: false };
    let long = "x".repeat(300_000);
    for manner in manners().filter(|manner| manner.is_coarse()) {
        let stage = Stage::in_manner(manner, relay);
        stage.client.send(&long);
        assert_eq!(end(stage).await, (cut(true, by_client(Reason::TooLarge)), 0), "{manner:?}");
        let stage = Stage::in_manner(manner, relay);
        stage.client.send("one\n");
        stage.target.send(&long);
        assert_eq!(end(stage).await, (cut(false, TARGET_DOWN), 0), "{manner:?}");
    }
}
