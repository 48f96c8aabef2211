//! Answers that arrive in pieces: the client gets the same whatever the pieces are. The end of either side is
//! recognised at every octet.

use super::*;
use crate::relay::stage::{Manner, manners};

/// An answer to a GET.
struct Answer {
    /// What the target sends, interim answers first.
    said: &'static str,
    /// What the client gets.
    gets: &'static str,
    /// The target ends its side after the answer.
    ends: bool,
    after: After,
    reusable: bool,
}

/// A whole answer with a length.
const PLAIN: &str = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";

const ANSWERS: &[Answer] = &[
    Answer { said: PLAIN, gets: PLAIN, ends: false, after: After::Next, reusable: true },
    Answer {
        said: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n03;a=b\r\nllo\r\n0\r\n\r\n",
        gets: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nhe\r\n3\r\nllo\r\n0\r\n\r\n",
        ends: false,
        after: After::Next,
        reusable: true,
    },
    Answer {
        said: "HTTP/1.1 200 OK\r\n\r\nhello",
        gets: "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\nhello",
        ends: true,
        after: After::Close,
        reusable: false,
    },
    Answer {
        said: "HTTP/1.1 204 No Content\r\n\r\n",
        gets: "HTTP/1.1 204 No Content\r\n\r\n",
        ends: false,
        after: After::Next,
        reusable: true,
    },
    Answer {
        said: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        gets: "HTTP/1.1 304 Not Modified\r\nContent-Length: 5\r\n\r\n",
        ends: false,
        after: After::Next,
        reusable: true,
    },
    Answer {
        said: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nhi",
        gets: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        ends: false,
        after: After::Next,
        reusable: false,
    },
    Answer {
        said: "HTTP/1.0 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        gets: "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi",
        ends: false,
        after: After::Next,
        reusable: false,
    },
    Answer {
        said: "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        gets: "HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n",
        ends: false,
        after: After::Next,
        reusable: true,
    },
];

impl Answer {
    /// The length of everything up to the end of the final answer's head.
    fn head(&self) -> usize {
        let last = self.said.rfind("HTTP/").unwrap();
        last + self.said[last..].find("\r\n\r\n").unwrap() + 4
    }

    /// Whether only the end of the connection ends the answer.
    fn closes(&self) -> bool {
        self.ends
    }
}

/// An exchange whose request has reached the target.
async fn stage(manner: Manner) -> Stage<Ended> {
    let stage = Stage::in_manner(manner, |client, target| run(client, target, get(), 0));
    stage.settle().await;
    stage
}

#[tokio::test(start_paused = true)]
async fn whatever_the_pieces_are_the_client_gets_the_same() {
    for answer in ANSWERS {
        for manner in manners().filter(|manner| manner.is_extreme()) {
            for split in 0..=answer.said.len() {
                let stage = stage(manner).await;
                stage.target.send(&answer.said[..split]);
                stage.settle().await;
                stage.target.send(&answer.said[split..]);
                if answer.ends {
                    stage.target.end();
                }
                let ((outcome, bytes), after, [client, target]) = stage.close().await;
                let shown = format!("{:?} {split} {manner:?}", answer.said);
                assert_eq!(String::from_utf8(client).unwrap(), answer.gets, "{shown}");
                assert_eq!((&target[..], after), (HEAD, 0), "{shown}");
                let done = outcome.unwrap();
                assert_eq!((done.after, done.reusable), (answer.after, answer.reusable), "{shown}");
                assert_eq!(bytes, [HEAD.len() as u64, answer.gets.len() as u64], "{shown}");
                assert!(!done.left_unread && !done.slow && !done.binds_connection, "{shown}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stalls_at_any_octet_gets_the_rest() {
    for answer in ANSWERS {
        for room in 0..answer.gets.len() {
            let stage = stage(Manner::coarse()).await;
            stage.client.takes(room);
            stage.target.send(answer.said);
            if answer.ends {
                stage.target.end();
            }
            sleep(59 * SECOND).await;
            assert!(!stage.is_over(), "{:?} {room}", answer.said);
            stage.client.takes(usize::MAX);
            let ((outcome, _), _, [client, _]) = stage.close().await;
            assert_eq!(String::from_utf8(client).unwrap(), answer.gets, "{room}");
            assert_eq!(outcome.unwrap().after, answer.after, "{:?} {room}", answer.said);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_target_that_ends_at_any_octet_is_known_for_what_it_is() {
    for answer in ANSWERS {
        for manner in manners().filter(|manner| manner.is_coarse()) {
            for (split, end) in (0..answer.said.len()).flat_map(|split| [0, 1, 2, 3].map(|end| (split, end)))
            {
                let stage = stage(manner).await;
                stage.target.send(&answer.said[..split]);
                stage.settle().await;
                match end {
                    0 => stage.target.end(),
                    1 => stage.target.cut_off(),
                    2 => stage.target.reset(),
                    _ => stage.target.vanish(),
                }
                let ((outcome, bytes), after, [client, _]) = stage.close().await;
                let shown = format!("{:?} {split} {manner:?} {end}", answer.said);
                let client = String::from_utf8(client).unwrap();
                assert!(bytes[0] == HEAD.len() as u64 && bytes[1] >= client.len() as u64, "{shown}");
                assert_eq!(after, 0, "{shown}");
                let has_head = split >= answer.head();
                if answer.closes() && has_head && end == 0 {
                    assert_eq!(outcome.unwrap().after, After::Close, "{shown}");
                    assert!(answer.gets.starts_with(&client) && client.contains("\r\n\r\n"), "{shown}");
                    continue;
                }
                let failed = outcome.unwrap_err();
                let silent = split == 0;
                let why = if silent { Failure::TargetSilent } else { Failure::TargetBroken };
                assert_eq!((failed.failure, failed.untouched), (why, silent), "{shown}");
                // 502 may follow an interim answer. It may not stand within an answer.
                assert_eq!(failed.unanswered, !has_head, "{shown}");
                assert_eq!(failed.truncates, answer.closes() && has_head, "{shown}");
                assert_eq!(failed.vanished, end == 3 && !has_head, "{shown}");
                assert!(answer.gets.starts_with(&client), "{shown}: {client}");
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_breaks_off_at_any_octet_is_gone() {
    for answer in ANSWERS {
        for manner in manners().filter(|manner| manner.is_coarse()) {
            for split in 0..answer.said.len() {
                let stage = stage(manner).await;
                stage.target.send(&answer.said[..split]);
                stage.settle().await;
                stage.client.reset();
                stage.settle().await;
                stage.target.send(&answer.said[split..]);
                let (failure, after) = failure(stage).await;
                assert_eq!((failure, after), (Failure::Client, 0), "{:?} {split} {manner:?}", answer.said);
            }
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_ends_at_any_octet_still_gets_its_answer() {
    for answer in ANSWERS {
        for split in 0..=answer.said.len() {
            let stage = stage(Manner::coarse()).await;
            stage.target.send(&answer.said[..split]);
            stage.settle().await;
            stage.client.end();
            sleep(AFTER_END - SECOND).await;
            stage.target.send(&answer.said[split..]);
            if answer.ends {
                stage.target.end();
            }
            let ((outcome, _), _, [client, _]) = stage.close().await;
            assert!(outcome.is_ok(), "{:?} {split}", answer.said);
            assert_eq!(String::from_utf8(client).unwrap(), answer.gets, "{split}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn n18_a_body_that_ends_without_close_notify_is_not_whole() {
    let stage = stage(Manner::coarse()).await;
    stage.target.send("HTTP/1.1 200 OK\r\n\r\nhello");
    stage.target.cut_off();
    let failed = stage.end().await.0.0.unwrap_err();
    assert_eq!((failed.failure, failed.truncates, failed.unanswered), (Failure::TargetBroken, true, false));
}

#[tokio::test(start_paused = true)]
async fn n36_a_target_that_has_said_anything_is_not_asked_again() {
    // The client got an interim answer. The request may have taken effect already.
    let stage = stage(Manner::coarse()).await;
    stage.target.send("HTTP/1.1 103 Early Hints\r\n\r\n");
    stage.settle().await;
    stage.target.end();
    let ((outcome, _), _, [client, _]) = stage.close().await;
    let failed = outcome.unwrap_err();
    assert_eq!(client, b"HTTP/1.1 103 Early Hints\r\n\r\n");
    assert_eq!((failed.failure, failed.untouched, failed.unanswered), (Failure::TargetBroken, false, true));
}

#[tokio::test(start_paused = true)]
async fn within_an_interim_answer_nothing_else_is_said() {
    let hints = "HTTP/1.1 103 Early Hints\r\n\r\n";
    for room in 0..=hints.len() {
        let stage = stage(Manner::coarse()).await;
        stage.client.takes(room);
        stage.target.send(hints);
        stage.settle().await;
        stage.target.end();
        let failed = stage.end().await.0.0.unwrap_err();
        let whole = room == hints.len();
        // The exchange waits until the client has taken the rest.
        let why = if whole { Failure::TargetBroken } else { Failure::ClientTimeout };
        assert_eq!((failed.failure, failed.unanswered), (why, room == 0 || whole), "{room}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_more_is_waited_for_as_a_client() {
    for answer in ANSWERS {
        for room in 0..answer.gets.len() {
            let stage = stage(Manner::coarse()).await;
            stage.client.takes(room);
            stage.target.send(answer.said);
            if answer.ends {
                stage.target.end();
            }
            assert_eq!(failure(stage).await, (Failure::ClientTimeout, 60), "{:?} {room}", answer.said);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_stalled_within_an_interim_answer_is_not_waited_for_any_more() {
    let hints = "HTTP/1.1 103 Early Hints\r\n\r\n";
    for manner in manners() {
        let stage = stage(manner).await;
        stage.client.takes(10);
        stage.target.send(hints);
        stage.settle().await;
        stage.client.takes(usize::MAX);
        // From now on the target works.
        sleep(300 * SECOND).await;
        assert!(!stage.is_over(), "{manner:?}");
        stage.target.send(PLAIN);
        let ((outcome, _), _, [client, _]) = stage.close().await;
        assert!(outcome.is_ok(), "{manner:?}");
        assert_eq!(String::from_utf8(client).unwrap(), format!("{hints}{PLAIN}"));
    }
}

#[tokio::test(start_paused = true)]
async fn interim_answers_have_an_end() {
    let stage = stage(Manner::coarse()).await;
    stage.target.send("HTTP/1.1 102 Processing\r\n\r\n".repeat(17));
    assert_eq!(failure(stage).await, (Failure::TargetBroken, 0));
}

#[tokio::test(start_paused = true)]
async fn what_comes_behind_an_answer_is_nobody_s() {
    // The connection is not used again: the octets in it would be taken for the next client's answer.
    let stage = stage(Manner::coarse()).await;
    stage.target.send(format!("{PLAIN}HTTP/1.1 200 OK\r\n\r\n"));
    let ((outcome, _), _, [client, _]) = stage.close().await;
    let done = outcome.unwrap();
    assert_eq!(String::from_utf8(client).unwrap(), PLAIN);
    assert_eq!((done.after, done.reusable), (After::Next, false));
}

/// Issue 25: only a client that has said so, and whose request was read to its end, is not waited for.
#[tokio::test(start_paused = true)]
async fn a_connection_ends_at_once_after_the_client_s_last_request() {
    for (persistent, body, after) in [
        (true, 0, After::Next),
        (false, 0, After::CloseAtOnce),
        (false, 4, After::CloseAtOnce),
        (false, 5, After::Close),
    ] {
        let framing = if body > 0 { Framing::Length(body) } else { Framing::NONE };
        let request = Outgoing { framing, persistent, ..get() };
        let stage = Stage::begin(|client, target| run(client, target, request, 0));
        // A body of five octets is not whole. Its target answers early.
        stage.client.send(if body > 0 { "body" } else { "" });
        stage.settle().await;
        stage.target.send(PLAIN);
        assert_eq!(stage.end().await.0.0.unwrap().after, after, "{persistent} {body}");
    }
}
