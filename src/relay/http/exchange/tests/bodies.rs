//! Requests with bodies: in pieces, answered before they are whole, refused, and slow.

use super::*;
use crate::relay::stage::{Manner, manners};

const OK: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const CLOSES: &str = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
const CONTINUE: &str = "HTTP/1.1 100 Continue\r\n\r\n";

/// A framing, a body in that framing, and what the target gets of it.
type Body = (fn() -> Framing, &'static str, &'static str);

const BODIES: &[Body] = &[
    (|| Framing::Length(5), "hello", "hello"),
    (Framing::chunked, "2\r\nhe\r\n03;a=b\r\nllo\r\n0\r\n\r\n", "2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n"),
    (Framing::chunked, "0\r\n\r\n", "0\r\n\r\n"),
];

fn post(framing: Framing, expects_continue: bool, manner: Manner) -> Stage<Ended> {
    let request = Outgoing { framing, expects_continue, ..get() };
    Stage::in_manner(manner, |client, target| run(client, target, request, 0))
}

fn heard(octets: Vec<u8>) -> String {
    String::from_utf8(octets).unwrap()
}

fn whole(passes: &str) -> String {
    format!("{}{passes}", std::str::from_utf8(HEAD).unwrap())
}

#[tokio::test(start_paused = true)]
async fn whatever_the_pieces_are_the_target_gets_the_same() {
    for (framing, said, passes) in BODIES {
        for manner in manners() {
            for split in 0..=said.len() {
                let stage = post(framing(), false, manner);
                stage.client.send(&said[..split]);
                stage.settle().await;
                stage.client.send(&said[split..]);
                stage.client.send("GET /next");
                stage.settle().await;
                stage.target.send(OK);
                let ((outcome, bytes), after, [client, target]) = stage.close().await;
                let shown = format!("{said:?} {split} {manner:?}");
                assert_eq!((heard(client), heard(target)), (OK.to_owned(), whole(passes)), "{shown}");
                let done = outcome.unwrap();
                assert_eq!((done.after, done.reusable, after), (After::Next, true, 0), "{shown}");
                assert_eq!(bytes, [whole(passes).len() as u64, OK.len() as u64], "{shown}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_at_any_octet_of_the_body_leaves_the_connection_to_nobody() {
    for (framing, said, passes) in BODIES {
        for manner in manners() {
            for split in 0..said.len() {
                // The body goes on, and the client keeps its connection. The target's connection is not used again.
                let stage = post(framing(), false, manner);
                stage.client.send(&said[..split]);
                stage.settle().await;
                stage.target.send(OK);
                stage.settle().await;
                assert!(!stage.is_over(), "{said:?} {split}");
                stage.client.send(&said[split..]);
                let ((outcome, _), _, [client, target]) = stage.close().await;
                let done = outcome.unwrap();
                let shown = format!("{said:?} {split} {manner:?}");
                assert_eq!((done.after, done.reusable), (After::Next, false), "{shown}");
                assert_eq!((heard(client), heard(target)), (OK.to_owned(), whole(passes)), "{shown}");
                // A target that closes reads no more. The client is told so.
                let stage = post(framing(), false, manner);
                stage.client.send(&said[..split]);
                stage.settle().await;
                stage.target.send(CLOSES);
                let ((outcome, _), after, [client, _]) = stage.close().await;
                let done = outcome.unwrap();
                assert_eq!((done.after, done.reusable, after), (After::Close, false, 0), "{shown}");
                assert!(heard(client).contains("Connection: close\r\n"), "n36 {shown}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn n36_102_and_103_are_no_100() {
    for manner in manners() {
        for (interim, goes_on) in [
            ("", false),
            ("HTTP/1.1 102 Processing\r\n\r\n", false),
            ("HTTP/1.1 103 Early Hints\r\n\r\n", false),
            (CONTINUE, true),
            ("HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n", true),
        ] {
            // A final answer in place of 100: the client may or may not send the body, so the connection ends.
            let stage = post(Framing::Length(5), true, manner);
            stage.target.send(interim);
            stage.settle().await;
            stage.target.send(OK);
            stage.settle().await;
            assert_eq!(stage.is_over(), !goes_on, "{interim:?}");
            stage.client.send("hello");
            let ((outcome, _), _, [client, _]) = stage.close().await;
            let done = outcome.unwrap();
            let after = if goes_on { After::Next } else { After::Close };
            assert_eq!((done.after, done.reusable), (after, false), "{interim:?} {manner:?}");
            assert_eq!(heard(client).contains("Connection: close\r\n"), !goes_on, "{interim:?} {manner:?}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn n36_a_client_waits_for_100_until_it_comes() {
    // First Portward waits for the target, then for the client.
    for (interim, ends) in [
        ("HTTP/1.1 102 Processing\r\n\r\n", (Failure::TargetTimeout, RESPONSE.as_secs())),
        (CONTINUE, (Failure::ClientTimeout, 60)),
    ] {
        let stage = post(Framing::Length(5), true, Manner::coarse());
        stage.target.send(interim);
        assert_eq!(failure(stage).await, ends, "{interim:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_body_that_was_refused_or_sent_elsewhere_may_be_unread() {
    for (status, unread) in
        [("200 OK", false), ("204 No", false), ("302 Found", true), ("401 No", true), ("500 No", true)]
    {
        for (framing, said, _) in BODIES {
            let stage = post(framing(), false, Manner::coarse());
            stage.client.send(said);
            stage.settle().await;
            stage.target.send(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"));
            assert_eq!(stage.end().await.0.0.unwrap().left_unread, unread, "{status}");
        }
        let stage = begin(0);
        stage.target.send(format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\n\r\n"));
        assert!(!stage.end().await.0.0.unwrap().left_unread, "{status} without a body");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_ends_anywhere_within_its_body_is_gone() {
    for (framing, said, _) in BODIES {
        for manner in manners() {
            for split in 0..said.len() {
                for breaks in [false, true] {
                    let stage = post(framing(), false, manner);
                    stage.client.send(&said[..split]);
                    stage.settle().await;
                    if breaks {
                        stage.client.reset()
                    } else {
                        stage.client.end()
                    }
                    let ((outcome, _), after) = stage.end().await;
                    let failure = outcome.unwrap_err();
                    let shown = format!("{said:?} {split} {manner:?} {breaks}");
                    assert_eq!((failure.failure, after), (Failure::Client, 0), "{shown}");
                    assert!(failure.unanswered && !failure.untouched, "{shown}");
                }
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_no_chunk_is_the_client_s_fault() {
    for said in ["x\r\n", "5\r\nhelloX", "5\nhello\r\n"] {
        for split in 0..=said.len() {
            let stage = post(Framing::chunked(), false, Manner::coarse());
            stage.client.send(&said[..split]);
            stage.settle().await;
            stage.client.send(&said[split..]);
            assert_eq!(failure(stage).await, (Failure::ClientMalformed, 0), "{said:?} {split}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn what_a_target_said_before_it_broke_off_counts() {
    let long = "x".repeat(1_000_000);
    for manner in manners().filter(|manner| manner.is_coarse()) {
        for said in ["", "HTTP/1.1 413 Too Large\r\nContent-Length: 2\r\n\r\nno"] {
            let stage = post(Framing::Length(1_000_000), false, manner);
            stage.target.takes(1000);
            stage.client.send(&long);
            stage.settle().await;
            stage.target.send(said);
            stage.target.reset();
            let ((outcome, _), after, [client, _]) = stage.close().await;
            assert_eq!(after, 0);
            match outcome {
                Ok(done) => {
                    assert_eq!((done.after, done.reusable, done.left_unread), (After::Close, false, true));
                    assert!(heard(client).ends_with("\r\nConnection: close\r\n\r\nno"), "{manner:?}");
                }
                Err(failed) => {
                    assert_eq!((failed.failure, said), (Failure::TargetSilent, ""), "{manner:?}");
                    assert!(failed.unanswered && !failed.untouched && !failed.vanished);
                }
            }
        }
        // The kernel gives the connection up. That is no refusal.
        let stage = post(Framing::Length(1_000_000), false, manner);
        stage.target.takes(1000);
        stage.client.send(&long);
        stage.settle().await;
        stage.target.vanish();
        let failed = stage.end().await.0.0.unwrap_err();
        assert_eq!((failed.failure, failed.vanished), (Failure::TargetSilent, true), "{manner:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_upload_that_stalls_gives_its_target_more_time() {
    for (pause, slow) in [(4, false), (11, true)] {
        let stage = post(Framing::Length(1_000_000), false, Manner::coarse());
        stage.target.takes(1000);
        stage.client.send("x".repeat(1_000_000));
        sleep(pause * SECOND).await;
        stage.target.takes(usize::MAX);
        stage.settle().await;
        stage.target.send(OK);
        let ((outcome, bytes), _) = stage.end().await;
        let done = outcome.unwrap();
        assert_eq!((done.slow, done.after, done.reusable), (slow, After::Next, true), "{pause}");
        assert_eq!(bytes[0], HEAD.len() as u64 + 1_000_000);
    }
}

#[tokio::test(start_paused = true)]
async fn an_answer_waits_for_the_client_s_end_of_the_body_only_as_long_as_for_a_client() {
    let stage = post(Framing::Length(5), false, Manner::coarse());
    stage.client.send("he");
    stage.target.send(OK);
    assert_eq!(failure(stage).await, (Failure::ClientTimeout, 60));
}

#[tokio::test(start_paused = true)]
async fn a_head_that_nobody_answers_can_be_sent_again() {
    for (framing, untouched) in [(Framing::NONE, true), (Framing::Length(5), false)] {
        let stage = post(framing, false, Manner::coarse());
        stage.settle().await;
        stage.target.end();
        let failed = stage.end().await.0.0.unwrap_err();
        assert_eq!((failed.failure, failed.untouched), (Failure::TargetSilent, untouched));
    }
}
