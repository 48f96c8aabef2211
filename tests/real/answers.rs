//! Answers of targets are read leniently and passed on clean, even long ones. A broken answer is the target's fault.
//! Interim answers before the final one confuse neither side (contract section 3; issue 17, items 18, 36 and 40).

use std::time::Duration;

use ldap3_proto::proto::LdapResultCode::Success;
use ldap3_proto::proto::{LdapBindResponse, LdapMsg, LdapOp, LdapResult};
use portward::relay::h323::answer::frame;

use crate::harness::directory::{bind, encode, next, search};
use crate::harness::h323::next_message as next_signal;
use crate::harness::sip::{answer, next_message, request};
use crate::harness::{Conn, Portward, Setup, Target, TestCa, Wire, curl, ok, within};

const NAME: &str = "one.example.net";

fn setup(ports: &str) -> Setup {
    Portward::rules(&format!(
        "[[host]]\nname = \"{NAME}\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", {ports} }}]\n"
    ))
    .set("upstream.verify", "\"none\"")
}

fn start(target: &Target) -> Portward {
    setup(&format!("tcp = {}", target.port())).set("log.forwarded", "\"all\"").start()
}

/// The octets that a client gets for a GET, up to the end of the connection.
fn octets(portward: &Portward) -> String {
    let mut client = portward.plain();
    client.send(format!("GET / HTTP/1.1\r\nHost: {NAME}\r\nConnection: close\r\n\r\n"));
    String::from_utf8(client.rest()).unwrap()
}

#[test]
fn n18_kind_reading_and_clean_writing() {
    within(60, || {
        for (said, wanted) in [
            (
                "HTTP/1.1 200 OK\nContent-Length: 5\nX: y\n\nhello",
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\nConnection: close\r\n\r\nhello",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length : 5\r\nX\t : y\r\n\r\nhello",
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y\r\nConnection: close\r\n\r\nhello",
            ),
            (
                "HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n3;a\nabc\n2\r\nde\n0\nA : b\n\n",
                "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n\
                 3\r\nabc\r\n2\r\nde\r\n0\r\nA: b\r\n\r\n",
            ),
            (
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y,\r\n \t z\r\n\r\nhello",
                "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nX: y,   \t z\r\nConnection: close\r\n\r\nhello",
            ),
            (
                "HTTP/1.1 103 Early Hints\nLink : a\n\nHTTP/1.1 204 No Content\n\n",
                "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 204 No Content\r\nConnection: close\r\n\r\n",
            ),
        ] {
            for piece in [1, 7, 1000] {
                let target = Target::scripted(move |conn| {
                    conn.request();
                    conn.send_pieces(said.as_bytes().chunks(piece), Duration::ZERO);
                    conn.rest();
                });
                assert_eq!(octets(&start(&target)), wanted, "{said:?} in pieces of {piece}");
            }
        }
        // Requests are read as strictly as before.
        let target = Target::recorder();
        let portward = start(&target);
        for lines in
            ["GET / HTTP/1.1\nHost: one.example.net\n\n", "GET / HTTP/1.1\r\nHost : one.example.net\r\n\r\n"]
        {
            let mut client = portward.plain();
            client.send(lines);
            assert_eq!(client.rest(), b"");
        }
        target.assert_untouched("a request is strict");
    });
}

#[test]
fn n18_many_small_chunks_with_bare_line_ends_arrive_whole() {
    within(60, || {
        let body: String = (0..40_000).map(|n: u32| format!("{n:05};")).collect();
        let chunks: String = body
            .as_bytes()
            .chunks(6)
            .map(|chunk| format!("6\n{}\n", std::str::from_utf8(chunk).unwrap()))
            .collect();
        let target =
            Target::http(move |_, _| format!("HTTP/1.1 200 OK\nTransfer-Encoding: chunked\n\n{chunks}0\n\n"));
        let portward = start(&target);
        let mut client = portward.plain();
        for _ in 0..2 {
            assert!(client.get(NAME, "/").text() == body);
        }
        assert_eq!(target.connections(), 1, "the connection is kept");
    });
}

/// A body that ends with the connection of a TLS target. The connection ends in an orderly way, or not.
fn until_the_end(conn: &mut Conn, orderly: bool) {
    conn.request();
    conn.send("HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\n\r\nhalf");
    if orderly {
        conn.finish();
    }
}

#[test]
fn n18_a_body_that_tls_cuts_off_does_not_end_orderly() {
    within(60, || {
        let identity = TestCa::shared().issue(&[NAME]);
        for orderly in [true, false] {
            let target = Target::scripted_tls(&identity, move |conn| until_the_end(conn, orderly));
            let portward = setup(&format!("tls = {}", target.port()))
                .certificate("server", &[NAME])
                .listen("http")
                .listen("https")
                .start();
            for (scheme, service) in [("http", "http"), ("https", "https")] {
                let port = portward.port(service);
                let resolve = format!("{NAME}:{port}:127.0.0.1");
                for version in ["--http1.1", "--http1.0"] {
                    let url = format!("{scheme}://{NAME}:{port}/");
                    let said = curl(&["--insecure", "--no-alpn", version, "--resolve", &resolve, &url]);
                    assert_eq!(said.code == 0, orderly, "{url} {version}: {said:?}");
                }
            }
        }
    });
}

#[test]
fn n18_broken_framing_is_the_targets() {
    within(60, || {
        for said in [
            "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello",
            "hello\n\n",
            "HTTP/1.1 200 OK\n folded\nContent-Length: 0\n\n",
        ] {
            let target = Target::http(move |_, _| said);
            let portward = start(&target);
            let mark = portward.mark();
            for _ in 0..30 {
                assert_eq!(portward.plain().get(NAME, "/").status(), 502, "{said:?}");
            }
            portward.line_after(mark, &["rejected: target-down"]);
            assert!(!portward.lines().join("\n").contains("blacklisted"));
        }
        // SIP messages of a PBX that cannot be framed.
        let pbx = Target::scripted(|conn| {
            next_message(conn);
            conn.send("HTTP/1.1 400 Bad Request\r\n\r\n");
            conn.rest();
        });
        let portward = signalling("sip", pbx.port());
        let mark = portward.mark();
        let mut client = Wire::plain(portward.port("sip"));
        client.send(request("REGISTER", &format!("a@{NAME}"), ""));
        assert_eq!(client.rest(), b"");
        portward.line_after(mark, &["rejected: target-down"]);
    });
}

fn signalling(service: &'static str, port: u16) -> Portward {
    let rules = format!(
        "[[host]]\nname = \"{NAME}\"\ntarget = \"127.0.0.1\"\n{service} = {{ tcp = {port}, tls = false }}\n"
    );
    Portward::rules(&rules).listen(service).set("blacklist.allow", "[]").start()
}

#[test]
fn n36_all_bindings_are_listed() {
    within(60, || {
        for count in [129, 500, 1_000, 1_500, 3_000] {
            let contacts: String =
                (0..count).map(|n| format!("Contact: <sip:{n}@10.0.0.1>;expires=60\r\n")).collect();
            let listed = contacts.clone();
            let pbx = Target::scripted(move |conn| {
                while let Some(request) = next_message(conn) {
                    let answer = answer(&request, "200 OK", "one");
                    conn.send(answer.replace("Server: one\r\n", &format!("{listed}Server: one\r\n")));
                }
            });
            let portward = signalling("sip", pbx.port());
            let mut client = Wire::plain(portward.port("sip"));
            for _ in 0..2 {
                client.send(request("REGISTER", &format!("a@{NAME}"), ""));
                let answer = next_message(&mut client).expect("an answer");
                assert_eq!((answer.status(), answer.all("contact").len()), (200, count));
                assert_eq!(answer.header("server"), Some("one"), "{count}");
            }
        }
    });
}

#[test]
fn n36_long_heads_of_web_servers_pass() {
    within(60, || {
        let cookies: String =
            (0..1_020).map(|n| format!("Set-Cookie: c{n}={}\r\n", "v".repeat(40))).collect();
        let target = Target::http(move |request, _| {
            let more = if request.target() == "/more" { "X: y\r\n".repeat(100) } else { String::new() };
            format!("HTTP/1.1 200 OK\r\n{cookies}{more}Content-Length: 2\r\n\r\nhi")
        });
        let portward = start(&target);
        let mut client = portward.plain();
        for _ in 0..2 {
            let answer = client.get(NAME, "/");
            assert_eq!((answer.all("set-cookie").len(), answer.text().as_str()), (1_020, "hi"));
        }
        // A longer one is the target's fault.
        let mark = portward.mark();
        assert_eq!(client.get(NAME, "/more").status(), 502);
        portward.line_after(mark, &["/more", "rejected: target-down"]);
    });
}

#[test]
fn n36_long_messages_of_directories_and_gatekeepers_pass() {
    within(60, || {
        let text = "x".repeat(200_000);
        let long = move |id| {
            let res = LdapResult {
                code: Success,
                matcheddn: String::new(),
                message: text.clone(),
                referral: Vec::new(),
            };
            encode(id, LdapOp::BindResponse(LdapBindResponse { res, saslcreds: None }))
        };
        let directory = Target::scripted(move |conn| {
            while let Some(LdapMsg { msgid, op, .. }) = next(conn) {
                match op {
                    LdapOp::BindRequest(_) => conn.send(long(msgid)),
                    _ => conn.send(encode(
                        msgid,
                        LdapOp::SearchResultDone(crate::harness::directory::result(Success)),
                    )),
                }
            }
        });
        let portward = signalling("ldap", directory.port());
        let mut client = Wire::plain(portward.port("ldap"));
        client.send(bind(1, &format!("a@{NAME}"), "secret"));
        let LdapOp::BindResponse(answer) = next(&mut client).expect("an answer").op else { panic!() };
        assert_eq!(answer.res.message.len(), 200_000);
        client.send(search(2, "dc=a"));
        assert!(matches!(next(&mut client).expect("an answer").op, LdapOp::SearchResultDone(_)));

        // The longest TPKT, which is unreadable as RAS.
        let sent = frame(&[8, 2, 0, 0, 0x62], &vec![0; 65_535 - 4 - 5 - 4]);
        assert_eq!(sent.len(), 65_535);
        let gatekeeper = Target::scripted(move |conn| {
            while next_signal(conn).is_some() {
                conn.send(&sent);
            }
        });
        let portward = signalling("h323", gatekeeper.port());
        let mut client = Wire::plain(portward.port("h323"));
        for _ in 0..2 {
            client.send(portward::demo::ras::request(1, NAME, "a"));
            assert_eq!(next_signal(&mut client).expect("an answer").len(), 65_535);
        }
    });
}

const EXPECTS: &str =
    "POST /a HTTP/1.1\r\nHost: one.example.net\r\nContent-Length: 60\r\nExpect: 100-continue\r\n\r\n";

#[test]
fn n40_after_102_or_103_without_100_the_next_request_is_no_body() {
    within(60, || {
        for interim in ["102 Processing", "103 Early Hints"] {
            let target = Target::scripted(move |conn| {
                conn.head();
                conn.send(format!(
                    "HTTP/1.1 {interim}\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nfirst"
                ));
                conn.rest();
            });
            let portward = start(&target);
            let mut client = portward.plain();
            client.send(EXPECTS);
            assert!(client.head().start.contains(interim));
            let answer = client.response();
            assert_eq!((answer.status(), answer.header("connection")), (200, Some("close")));
            // A client that ignores this gets no answer, and its request goes nowhere.
            let _ = client.try_send(format!("GET /secret HTTP/1.1\r\nHost: {NAME}\r\n\r\n"));
            assert_eq!(client.rest(), b"");
            assert!(!target.transcript().contains("secret"), "{}", target.transcript());
        }
        // If a 100 is among them, the body comes and the connection goes on.
        let target = Target::scripted(|conn| {
            while let Some(mut request) = conn.try_head() {
                conn.send("HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 100 Continue\r\n\r\n");
                conn.body(&mut request, false);
                conn.send(ok(&request.text()));
            }
        });
        let portward = start(&target);
        let mut client = portward.plain();
        for _ in 0..2 {
            client.send(EXPECTS);
            assert_eq!((client.head().status(), client.head().status()), (103, 100));
            client.send("b".repeat(60));
            assert_eq!(client.response().text(), "b".repeat(60));
        }
    });
}

#[test]
fn n40_502_and_504_come_after_interim_responses() {
    within(60, || {
        for (interim, stays, status) in
            [("103 Early Hints", false, 502), ("102 Processing", true, 504), ("103 Early Hints", true, 504)]
        {
            let target = Target::scripted(move |conn| {
                conn.request();
                conn.send(format!("HTTP/1.1 {interim}\r\nLink: a\r\n\r\n"));
                if stays {
                    conn.rest();
                }
            });
            let portward =
                setup(&format!("tcp = {}", target.port())).set("limits.response_timeout", "\"1s\"").start();
            let mut client = portward.plain();
            client.send(format!("GET / HTTP/1.1\r\nHost: {NAME}\r\n\r\n"));
            assert!(client.head().start.contains(interim));
            assert_eq!(client.response().status(), status);
            assert_eq!(target.connections(), 1, "it is not asked again");
        }
    });
}

#[test]
fn n40_an_early_answer_before_a_close_says_so() {
    within(60, || {
        for lines in ["Connection: close\r\n", ""] {
            let version = if lines.is_empty() { "1.0" } else { "1.1" };
            let target = Target::scripted(move |conn| {
                conn.head();
                conn.send(format!("HTTP/{version} 413 Too Large\r\n{lines}Content-Length: 2\r\n\r\nno"));
                conn.rest();
            });
            let portward = start(&target);
            let mut client = portward.plain();
            client.send(format!("POST / HTTP/1.1\r\nHost: {NAME}\r\nContent-Length: 1000000\r\n\r\nbegun"));
            let answer = client.response();
            assert_eq!((answer.status(), answer.header("connection")), (413, Some("close")), "{lines:?}");
            assert_eq!(client.rest(), b"");
        }
    });
}

#[test]
fn n40_two_upgrades_open_no_tunnel() {
    within(60, || {
        let handshake = |upgrade: &str| {
            format!(
                "GET / HTTP/1.1\r\nHost: {NAME}\r\nConnection: Upgrade\r\n{upgrade}Sec-WebSocket-Version: 13\r\n\
                 Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
            )
        };
        let both = [
            "Upgrade: h2c\r\nUpgrade: websocket\r\n",
            "Upgrade: websocket\r\nUpgrade: h2c\r\n",
            "Upgrade: websocket, h2c\r\n",
            "Upgrade: h2c,websocket\r\n",
        ];
        for upgrade in both {
            let target = Target::http(move |request, _| {
                assert_eq!(request.header("upgrade"), Some("websocket"));
                format!("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\n{upgrade}\r\n")
            });
            let portward = start(&target);
            let mut client = portward.plain();
            client.send(handshake("Upgrade: websocket\r\n"));
            assert_eq!(client.response().status(), 502, "{upgrade:?}");
            let target = Target::mirror();
            let portward = start(&target);
            let mut client = portward.plain();
            client.send(handshake(upgrade));
            let answer = client.response();
            assert_eq!(answer.status(), 200);
            assert!(!answer.text().contains("upgrade"), "{upgrade:?}: {}", answer.text());
        }
    });
}

#[test]
fn n40_what_only_a_proxy_says_never_reaches_the_inside() {
    within(60, || {
        let names = [
            "X-Original-URL",
            "X-Rewrite-URL",
            "X-Original-Host",
            "X-Forwarded-Prefix",
            "X-Forwarded-Port",
            "X-Forwarded-Server",
            "X-Forwarded-Anything-At-All",
            "X-Forwarded",
            "Proxy",
        ];
        let target = Target::mirror();
        let portward = start(&target);
        for name in names {
            for spelling in [
                name.to_owned(),
                name.to_lowercase(),
                name.to_uppercase(),
                name.replace('-', "_"),
                name.replacen('-', "_", 1),
                name.replace('-', "."),
            ] {
                let mut client = portward.plain();
                client.send(format!("GET / HTTP/1.1\r\nHost: {NAME}\r\n{spelling}: evil\r\n\r\n"));
                let text = client.response().text();
                assert!(!text.contains("evil"), "{spelling}: {text}");
                client.send(format!(
                    "POST / HTTP/1.1\r\nHost: {NAME}\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n0\r\n{spelling}: evil\r\n\r\n"
                ));
                assert_eq!(client.response().status(), 200);
            }
        }
        assert!(!target.transcript().contains("evil"));
    });
}
