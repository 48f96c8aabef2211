//! The relay of messages between two ends in memory, with a paused clock: short reads, short writes, stalls, ends and
//! resets in every order that matters. A message is a line.

use std::time::Duration;

use tokio::time::sleep;
use tokio_util::sync::CancellationToken;

use super::direction::LAST_WORD;
use super::*;
use crate::relay::patience::{AFTER_END, GLANCE, OWED, UNDELIVERED};
use crate::relay::stage::{SECOND, Stage};

/// Gives the client's lines a meaning. `bind` holds back the following lines until the target has sent something. `bye`
/// says that the client wants nothing more. `mine` is answered here, `old` passes as `new`, and `cut` ends the relay.
/// Other lines pass.
#[derive(Debug, Default)]
struct Lines {
    binds: bool,
    leaves: bool,
}

fn line(octets: &[u8]) -> Option<&[u8]> {
    octets.split_inclusive(|octet| *octet == b'\n').next().filter(|line| line.ends_with(b"\n"))
}

impl Watch for Lines {
    const CLIENT_LIMIT: usize = 1024;
    const TARGET_LIMIT: usize = 1024;

    fn hear_client(&mut self, octets: &[u8], replies: &mut Replies<'_>) -> Next {
        let Some(line) = line(octets) else { return Next::NeedMore };
        match line {
            b"bye\n" => self.leaves = true,
            _ if self.binds => return Next::NeedMore,
            b"bind\n" => self.binds = true,
            b"mine\n" => {
                replies.back.extend(b"answer\n");
                return Next::Replace { count: line.len(), pass: 0 };
            }
            b"old\n" => {
                replies.onward.extend(b"new\n");
                return Next::Replace { count: line.len(), pass: 0 };
            }
            b"cut\n" => {
                replies.back.extend(b"no\n");
                return Next::End(CUT);
            }
            _ => {}
        }
        Next::Pass(line.len() as u64)
    }

    fn hear_target(&mut self, octets: &[u8], _: &mut Replies<'_>) -> Next {
        if octets.ends_with(b"~") {
            return Next::Part(octets.len() as u64);
        }
        let Some(line) = line(octets) else { return Next::NeedMore };
        self.binds = false;
        Next::Pass(line.len() as u64)
    }

    fn holds_client(&self) -> bool {
        self.binds
    }

    fn owes(&self) -> bool {
        self.binds
    }

    fn leaves(&self) -> bool {
        self.leaves
    }
}

const CUT: Ending = by_client(Reason::Method);
const IDLE: Duration = Duration::from_secs(900);

/// Begins a relay.
fn begin() -> Stage<(RelayEnd, [u64; 2])> {
    Stage::begin(relay)
}

async fn relay(mut client: Leg, mut target: Leg) -> (RelayEnd, [u64; 2]) {
    let mut timer = Timer::new(IDLE, CancellationToken::new());
    let (mut watch, mut bytes) = (Lines::default(), [0; 2]);
    let patience = Patience::new(IDLE, IDLE);
    let over =
        watched(&mut client, &mut target, &mut timer, patience, &mut watch, &mut bytes, |_, _| Poll::Pending)
            .await;
    (over, bytes)
}

/// How the relay ends and after how many seconds, if nothing more happens outside.
async fn end(stage: Stage<(RelayEnd, [u64; 2])>) -> (RelayEnd, u64) {
    let ((over, _), after) = stage.end().await;
    (over, after)
}

const CLIENT: RelayEnd = RelayEnd::Ended(EndedBy::Client);
const TARGET: RelayEnd = RelayEnd::Ended(EndedBy::Target);

fn at(over: RelayEnd, after: Duration) -> (RelayEnd, u64) {
    (over, after.as_secs())
}

#[tokio::test(start_paused = true)]
async fn whatever_the_pieces_are_the_same_goes_on() {
    for pieces in [1, 2, 3, 7, 4096] {
        let stage = begin();
        stage.client.pieces(pieces);
        stage.target.pieces(pieces);
        stage.client.send("one\nold\nmine\nbind\nold\n");
        stage.settle().await;
        assert_eq!(stage.target.heard(), b"one\nnew\nbind\n", "{pieces}");
        assert_eq!(stage.client.heard(), b"answer\n", "{pieces}");
        stage.target.send("done\nmore");
        stage.settle().await;
        assert_eq!((stage.target.heard(), stage.client.heard()), (b"new\n".to_vec(), b"done\n".to_vec()));
        // Half a message waits. An answer may come only between two messages.
        stage.target.send("\n");
        stage.client.send("mine\n");
        stage.settle().await;
        let heard = stage.client.heard();
        assert!([&b"more\nanswer\n"[..], b"answer\nmore\n"].contains(&&heard[..]), "{pieces}: {heard:?}");
        stage.client.send("bye\n");
        stage.client.end();
        stage.settle().await;
        assert_eq!(stage.target.heard(), b"bye\n");
        assert!(stage.target.is_told());
        stage.target.end();
        assert_eq!(end(stage).await, (CLIENT, 0), "{pieces}");
    }
}

#[tokio::test(start_paused = true)]
async fn b10_a_client_that_ends_while_its_message_is_held_is_not_waited_for() {
    for held in ["search\n".to_owned(), "abandon\nbye\n".to_owned(), "search\n".repeat(50_000)] {
        let stage = begin();
        stage.client.send(format!("bind\n{held}"));
        stage.settle().await;
        // Octets that do not fit into the buffer stay unread, and the end is behind them.
        assert_eq!(stage.client.unread() > 0, held.len() > 300_000);
        stage.client.end();
        // An end behind unread octets is seen at the next glance.
        let glance = if stage.client.unread() > 0 { GLANCE } else { Duration::ZERO };
        assert_eq!(end(stage).await, at(CLIENT, AFTER_END + glance), "{} octets", held.len());
    }
}

#[tokio::test(start_paused = true)]
async fn b10_a_client_that_breaks_off_while_its_message_is_held_is_gone_at_once() {
    for count in [1, 50_000] {
        let stage = begin();
        stage.client.send(format!("bind\n{}", "search\n".repeat(count)));
        sleep(5 * SECOND).await;
        stage.client.reset();
        let (over, after) = end(stage).await;
        assert_eq!(over, CLIENT);
        assert!(after <= 5 + GLANCE.as_secs(), "{after}");
    }
}

#[tokio::test(start_paused = true)]
async fn b10_after_its_end_a_client_may_wait_for_its_answer_and_break_off() {
    // The answer comes. Everything that was held passes then.
    let stage = begin();
    stage.client.send("bind\nsearch\n");
    stage.client.end();
    sleep(AFTER_END - 2 * SECOND).await;
    stage.target.send("bound\n");
    stage.settle().await;
    assert_eq!(
        (stage.client.heard(), stage.target.heard()),
        (b"bound\n".to_vec(), b"bind\nsearch\n".to_vec())
    );
    assert!(stage.target.is_told());
    // Each answer gives the target the full time again.
    for _ in 0..5 {
        sleep(AFTER_END - 2 * SECOND).await;
        stage.target.send("found\n");
    }
    stage.target.end();
    stage.settle().await;
    assert_eq!(stage.client.heard(), b"found\n".repeat(5));
    assert_eq!(end(stage).await.0, CLIENT);
    // The target closes its socket. Octets that come for it are answered by a reset.
    let stage = begin();
    stage.client.send("bind\n");
    stage.client.end();
    sleep(5 * SECOND).await;
    stage.client.reset();
    let (over, after) = end(stage).await;
    assert_eq!(over, CLIENT);
    assert!(after <= 5 + GLANCE.as_secs(), "{after}");
}

#[tokio::test(start_paused = true)]
async fn b10_after_good_bye_nothing_is_waited_for() {
    for ends in [false, true] {
        let stage = begin();
        stage.client.send("bind\nbye\n");
        if ends {
            stage.client.end();
        }
        assert_eq!(end(stage).await, (CLIENT, 2), "{ends}");
    }
    // The relay ends at once if the target hangs up after the client's `bye`.
    let stage = begin();
    stage.client.send("bind\nbye\n");
    stage.client.end();
    stage.target.send("bound\n");
    stage.target.end();
    assert_eq!(end(stage).await, (CLIENT, 0));
}

#[tokio::test(start_paused = true)]
async fn b10_a_target_that_owes_an_answer_has_a_time_of_its_own() {
    let stage = begin();
    stage.client.send("bind\n");
    sleep(10 * SECOND).await;
    // Further lines of the client give the target no more time.
    stage.client.send("search\n");
    assert_eq!(end(stage).await, at(RelayEnd::Ended(EndedBy::Silence), OWED));
    // The target answers in time. From then on the idle time counts.
    let stage = begin();
    stage.client.send("bind\nsearch\n");
    sleep(OWED - SECOND).await;
    stage.target.send("bound\n");
    assert_eq!(end(stage).await, at(RelayEnd::Ended(EndedBy::Idle), OWED - SECOND + IDLE));
    // A target that sends something is not silent.
    let stage = begin();
    stage.client.send("one\n");
    stage.settle().await;
    stage.client.send("bind\n");
    for _ in 0..3 {
        sleep(OWED - SECOND).await;
        stage.target.send("half a");
    }
    assert_eq!(end(stage).await, at(RelayEnd::Ended(EndedBy::Silence), 4 * OWED - 3 * SECOND));
}

#[tokio::test(start_paused = true)]
async fn b10_a_sender_is_noticed_while_its_receiver_takes_nothing() {
    let talk = "line of a message\n".repeat(50_000);
    // The target takes nothing. The client ends, or breaks off.
    for breaks in [false, true] {
        let stage = begin();
        stage.target.takes(10);
        stage.client.send(&talk);
        stage.settle().await;
        assert!(stage.client.unread() > 0);
        if breaks {
            stage.client.reset();
        } else {
            stage.client.end();
        }
        assert_eq!(end(stage).await, at(CLIENT, GLANCE + UNDELIVERED), "{breaks}");
    }
    // The client takes nothing, and the target ends. Its octets still arrive when the client reads again.
    let stage = begin();
    stage.client.takes(10);
    stage.target.send(&talk);
    stage.target.end();
    sleep(UNDELIVERED - SECOND).await;
    stage.client.takes(usize::MAX);
    stage.settle().await;
    assert_eq!(stage.client.heard(), talk.as_bytes());
    assert!(stage.client.is_told());
    assert_eq!(end(stage).await, at(TARGET, UNDELIVERED - SECOND + AFTER_END));
    // The client takes nothing, and the target has not ended. A slow client is not cut off.
    let stage = begin();
    stage.client.takes(10);
    stage.target.send(&talk);
    sleep(UNDELIVERED * 3).await;
    stage.client.takes(usize::MAX);
    stage.settle().await;
    assert_eq!(stage.client.heard().len(), talk.len());
}

#[tokio::test(start_paused = true)]
async fn b10_a_client_that_does_not_take_its_answers_is_noticed() {
    let stage = begin();
    stage.client.takes(0);
    stage.client.send("mine\n".repeat(100_000));
    stage.settle().await;
    assert!(stage.client.unread() > 0);
    stage.client.end();
    assert_eq!(end(stage).await, at(CLIENT, GLANCE + UNDELIVERED));
}

#[tokio::test(start_paused = true)]
async fn a_target_that_hangs_up_without_a_word_ends_it_at_once() {
    let stage = begin();
    stage.client.send("bind\nsearch\n");
    stage.target.end();
    assert_eq!(end(stage).await, (TARGET, 0));
    // The target's end is no refusal if the client has ended before, or has said `bye`.
    for (talk, ends) in [("bind\n", true), ("bind\nbye\n", false)] {
        let stage = begin();
        stage.client.send(talk);
        if ends {
            stage.client.end();
        }
        stage.settle().await;
        stage.target.end();
        assert_eq!(end(stage).await, (CLIENT, 0), "{talk}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_cut_says_its_last_word_between_two_messages() {
    let stage = begin();
    stage.target.send("one\nhalf");
    stage.settle().await;
    stage.client.send("two\ncut\nthree\n");
    stage.settle().await;
    assert_eq!(stage.client.heard(), b"one\nno\n");
    assert_eq!(stage.target.heard(), b"two\n");
    assert_eq!(end(stage).await, (RelayEnd::Cut { of_client: true, ending: CUT, answered: true }, 0));
}

#[tokio::test(start_paused = true)]
async fn n36_no_answer_comes_between_the_parts_of_a_message() {
    let stage = begin();
    stage.target.send("begun~");
    stage.settle().await;
    stage.client.send("mine\n");
    stage.settle().await;
    stage.target.send("more~");
    stage.settle().await;
    assert_eq!(stage.client.heard(), b"begun~more~");
    stage.target.send("end\n");
    stage.settle().await;
    assert_eq!(stage.client.heard(), b"end\nanswer\n");
}

mod orders;
