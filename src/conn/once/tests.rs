//! Tests of the driver with a protocol of lines and a client in memory. [`Lines`] says what a line means.

mod lines;

use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

use crate::service::Service;
use lines::{CLIENT, Lines, Served};

const ANSWER: &str = "reject = \"answer\"\n";

/// Sends `said` in pieces of every size, ends the connection, and compares what was heard and logged.
async fn always(more: &str, said: &str, heard: &str, lines: &[&str]) {
    for piece in [1, 2, 3, 7, usize::MAX] {
        let stage = Served::begin(more, 1);
        stage.far.pieces(piece);
        stage.far.send(said);
        stage.settle().await;
        stage.far.end();
        assert_eq!(
            stage.end().await,
            (heard.to_owned(), lines.iter().map(|&line| line.to_owned()).collect()),
            "{piece}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_decides_nothing_is_answered_and_another_may_come() {
    let ended = "ldap://- ended by client in ask (aborted): 0 bytes up, 15 bytes down";
    always(
        "",
        "ping\nping\ndrop 7\n1234567ping\n",
        "pong\npong\npong\n",
        &["ldap://- rejected: aborted", ended],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn a_protocol_in_which_the_server_speaks_first_greets_a_client_that_says_nothing() {
    let stage = Served::by(Lines { greets: true }, "", 1);
    stage.settle().await;
    assert_eq!(stage.far.heard(), b"welcome\n");
    stage.far.send("ping\nnobody\n");
    let (told, lines) = stage.end().await;
    assert_eq!(told, "pong\n");
    let ended = "ldap://- ended by policy in route (unknown-host): 0 bytes up, 13 bytes down";
    assert_eq!(lines, ["ldap://nobody LINE rejected: unknown-host", ended]);
}

#[tokio::test(start_paused = true)]
async fn a_client_that_does_not_take_the_greeting_is_not_waited_for() {
    let stage = Served::by(Lines { greets: true }, "", 1);
    stage.far.takes(3);
    let (told, lines) = stage.end().await;
    assert_eq!((told.as_str(), lines[0].as_str()), ("wel", "ldap://- rejected: silent"));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_said_only_where_refusals_are_answered() {
    let rejected = "ldap://nobody LINE rejected: unknown-host";
    let ended =
        |down| format!("ldap://- ended by policy in route (unknown-host): 0 bytes up, {down} bytes down");
    always("", "nobody\n", "", &[rejected, &ended(0)]).await;
    always(ANSWER, "nobody\n", "no\n", &[rejected, &ended(3)]).await;
    let ended = |down| format!("ldap://- ended by client in ask (malformed): 0 bytes up, {down} bytes down");
    always("", "bad\nping\n", "", &["ldap://- rejected: malformed", &ended(0)]).await;
    always(ANSWER, "ping\nbad\n", "pong\nwhat?\n", &["ldap://- rejected: malformed", &ended(11)]).await;
}

#[tokio::test(start_paused = true)]
async fn an_answer_of_the_protocol_goes_out_in_any_case() {
    let ended = "ldap://- ended by policy in route (too-large): 0 bytes up, 9 bytes down";
    always("", "long\n", "too long\n", &[ended]).await;
    always(ANSWER, "long\n", "too long\n", &[ended]).await;
    let lines = [
        "ldap://later LINE rejected: too-large",
        "ldap://- rejected: aborted",
        "ldap://- ended by client in ask (aborted): 0 bytes up, 11 bytes down",
    ];
    always("", "later\n", "come again\n", &lines).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_in_the_clear_behind_a_wish_for_tls_ends_it() {
    // Without a certificate there is no TLS at all.
    always(
        "",
        "tls\n",
        "",
        &[
            "ldap://- rejected: tls-failed",
            "ldap://- ended by ourselves in secure (tls-failed): 0 bytes up, 0 bytes down",
        ],
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn the_deadline_holds_for_silence_for_half_a_message_and_for_a_body_that_does_not_come() {
    for (said, rejected, heard) in [
        ("", "silent", ""),
        ("ping\n", "silent", "pong\n"),
        ("nob", "timeout", ""),
        ("drop 9\n12345678", "timeout", ""),
    ] {
        let begin = tokio::time::Instant::now();
        let stage = Served::begin("", 1);
        stage.far.send(said);
        let (told, lines) = stage.end().await;
        assert_eq!((told.as_str(), begin.elapsed().as_secs()), (heard, 10), "{said}");
        assert_eq!(lines[0], format!("ldap://- rejected: {rejected}"));
        assert!(lines[1].contains(&format!(" ended by client in ask ({rejected})")), "{lines:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_client_that_never_pauses_is_over_in_time_as_well() {
    let stage = Served::begin("", 1);
    stage.far.send("ping\n");
    stage.settle().await;
    // When the driver looks again, the time is up, but there are octets to read.
    tokio::time::sleep(Duration::from_secs(10)).await;
    stage.far.send("ping\nnobody\n");
    let (told, lines) = stage.end().await;
    assert_eq!((told.as_str(), lines[0].as_str()), ("pong\npong\n", "ldap://- rejected: silent"));
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_is_not_waited_for_and_only_what_it_took_counts() {
    let stage = Served::begin("", 1);
    stage.far.takes(2);
    stage.far.send("ping\nping\n");
    let (told, lines) = stage.end().await;
    assert_eq!(told, "po");
    assert_eq!(lines[1], "ldap://- ended by client in ask (silent): 0 bytes up, 2 bytes down");
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_has_no_more_time_than_one_that_says_nothing() {
    let begin = tokio::time::Instant::now();
    let stage = Served::begin("", 1);
    stage.far.takes(2);
    stage.settle().await;
    tokio::time::sleep(Duration::from_secs(7)).await;
    stage.far.send("ping\n");
    let (told, lines) = stage.end().await;
    assert_eq!((told.as_str(), begin.elapsed().as_secs()), ("po", 10));
    assert_eq!(lines[0], "ldap://- rejected: silent");
}

/// Begins a connection that may lose its place. Its client reads `takes` octets of the answer to `ping`. Then a second
/// connection comes from the same address, and the first client sends `more`.
async fn displaced(takes: usize, more: &str) -> (String, Vec<String>) {
    let begin = tokio::time::Instant::now();
    let stage = Served::begin("limits.max_undecided_per_address = 1\n", 1);
    stage.far.takes(takes);
    stage.far.send("ping\n");
    stage.settle().await;
    let guard = &stage.shared.guard;
    let policy = &stage.shared.snapshot.load().config.guard;
    let other = guard.admit(CLIENT.ip(), Service::Ldap, policy).unwrap();
    let place = guard.enter_undecided(2, CLIENT.ip(), &other, false, policy);
    stage.far.send(more);
    stage.settle().await;
    drop((place, other));
    let ended = stage.end().await;
    assert_eq!(begin.elapsed().as_secs(), 0);
    ended
}

#[tokio::test(start_paused = true)]
async fn a_client_that_takes_nothing_or_never_pauses_may_lose_its_place() {
    let ended = |down| format!("ldap://- ended by policy in ask (limit): 0 bytes up, {down} bytes down");
    assert_eq!(displaced(usize::MAX, "").await, ("pong\n".to_owned(), vec![ended(5)]));
    assert_eq!(displaced(2, "").await, ("po".to_owned(), vec![ended(2)]));
    let flood = displaced(usize::MAX, "ping\nping\nnobody\n").await;
    assert_eq!(flood, ("pong\npong\n".to_owned(), vec![ended(10)]));
}

#[tokio::test(start_paused = true)]
async fn an_administrator_ends_a_client_that_takes_nothing() {
    let begin = tokio::time::Instant::now();
    let stage = Served::begin("", 1);
    stage.far.takes(2);
    stage.far.send("ping\n");
    stage.settle().await;
    assert!(stage.shared.stats.end(1));
    let (told, lines) = stage.end().await;
    assert_eq!((told.as_str(), begin.elapsed().as_secs()), ("po", 0));
    assert_eq!(lines, ["ldap://- ended by ourselves in ask: 0 bytes up, 2 bytes down"]);
}

#[tokio::test(start_paused = true)]
async fn what_a_client_has_said_before_it_went_is_heard() {
    for (said, lines) in [
        (
            "ping\nping\nnobody\n",
            [
                "ldap://nobody LINE rejected: unknown-host",
                "ldap://- ended by policy in route (unknown-host): 0 bytes up, 0 bytes down",
            ],
        ),
        (
            "ping\nping\n",
            [
                "ldap://- rejected: aborted",
                "ldap://- ended by client in ask (aborted): 0 bytes up, 0 bytes down",
            ],
        ),
    ] {
        let stage = Served::begin("", 1);
        stage.far.send(said);
        stage.far.reset();
        assert_eq!(stage.end().await.1, lines, "{said}");
    }
}

#[tokio::test]
async fn a_target_that_is_not_there_is_a_refusal_of_its_own() {
    // A port that was free a moment ago.
    let port = TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap().port();
    let stage = Served::begin(ANSWER, port);
    stage.far.send("here\n");
    let (told, lines) = stage.end().await;
    assert_eq!(told, "no\n");
    assert_eq!(lines[0], format!("ldap://here LINE rejected: target-down 127.0.0.1:{port} refused"));
    let ended = "ldap://- ended by target in connect (target-down): 0 bytes up, 3 bytes down";
    assert!(lines[1].starts_with(ended) && !lines[1].contains("  "), "{lines:?}");
}

#[tokio::test]
async fn what_decides_goes_inside_and_a_cut_names_its_message() {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = target.local_addr().unwrap().port();
    let stage = Served::begin("", port);
    stage.far.send("ping\nhere\n");
    let (mut tcp, _) = target.accept().await.unwrap();
    let mut came = [0; 5];
    tcp.read_exact(&mut came).await.unwrap();
    assert_eq!(&came, b"here\n");
    tcp.write_all(b"hello\n").await.unwrap();
    let mut told = Vec::new();
    for _ in 0..1_000 {
        told.extend(stage.far.heard());
        if told.ends_with(b"hello\n") {
            break;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    assert_eq!(told, b"pong\nhello\n");
    stage.far.send("cut\n");
    stage.far.end();
    let (told, lines) = stage.end().await;
    assert_eq!(told, "cut it is\n");
    assert_eq!(lines[0], format!("ldap://here LINE -> 127.0.0.1:{port}(new)"));
    assert_eq!(lines[1], "ldap://cut LAST rejected: method");
    assert_eq!(lines[2], "ldap://- ended by client in relay (method): 5 bytes up, 21 bytes down");
    assert_eq!(tcp.read(&mut came).await.unwrap(), 0, "nothing of it went inside");
}

#[tokio::test]
async fn a_target_that_hangs_up_without_a_word_was_not_there() {
    let target = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let stage = Served::begin("", target.local_addr().unwrap().port());
    stage.far.send("ping\nhere\n");
    let (mut tcp, _) = target.accept().await.unwrap();
    tcp.read_exact(&mut [0; 5]).await.unwrap();
    drop(tcp);
    let (_, lines) = stage.end().await;
    assert!(
        lines[1].contains(" ended by target in relay (target-down): 5 bytes up, 5 bytes down"),
        "{lines:?}"
    );
}
