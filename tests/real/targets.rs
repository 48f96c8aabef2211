//! Targets that are down, hang up, stay silent, or close kept connections (contract sections 1 and 3).

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread;
use std::time::Duration;

use crate::harness::{Conn, Portward, Target, TestCa, free_port, ok, within};

fn rules(ports: &str) -> String {
    format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", {ports} }}]\n"
    )
}

#[test]
fn a_target_that_is_down_is_502() {
    within(60, || {
        let portward = Portward::with_rules(&rules(&format!("tcp = {}", free_port())));
        for mut client in portward.both("one.example.net") {
            let mark = portward.mark();
            let answer = client.get("one.example.net", "/x");
            assert_eq!(answer.status(), 502, "{answer:?}");
            portward.decision_after(mark, &["//one.example.net GET /x HTTP/1.1 rejected: target-down"]);
            // The client's connection goes on, or the answer says that it ends.
            if answer.header("connection") != Some("close") {
                assert_eq!(client.get("one.example.net", "/x").status(), 502);
            }
        }
    });
}

#[test]
fn a_target_that_hangs_up_at_once_is_502() {
    within(60, || {
        let target = Target::scripted(|_| {});
        let portward = Portward::with_rules(&rules(&format!("tcp = {}", target.port())));
        for _ in 0..3 {
            let answer = portward.plain().get("one.example.net", "/");
            assert_eq!(answer.status(), 502, "{answer:?}");
        }
        // The same after the target has read the request.
        let target = Target::scripted(|conn| drop(conn.try_request()));
        let portward = Portward::with_rules(&rules(&format!("tcp = {}", target.port())));
        let answer = portward.plain().get("one.example.net", "/");
        assert_eq!(answer.status(), 502, "{answer:?}");
        // The same in the middle of the answer's head.
        let target = Target::scripted(|conn| {
            conn.request();
            conn.send("HTTP/1.1 200 OK\r\nContent-");
        });
        let portward = Portward::with_rules(&rules(&format!("tcp = {}", target.port())));
        let answer = portward.plain().get("one.example.net", "/");
        assert_eq!(answer.status(), 502, "{answer:?}");
    });
}

#[test]
fn a_target_that_never_answers_is_504() {
    within(60, || {
        let target = Target::recorder();
        let portward = Portward::rules(&rules(&format!("tcp = {}", target.port())))
            .set("limits.response_timeout", "\"1s\"")
            .start();
        for request in [
            "GET / HTTP/1.1\r\nHost: one.example.net\r\n\r\n",
            "POST / HTTP/1.1\r\nHost: one.example.net\r\nContent-Length: 5\r\n\r\nhello",
        ] {
            let answer = portward.plain().ask(request);
            assert_eq!(answer.status(), 504, "{answer:?}");
        }
        assert_eq!(target.connections(), 2, "a slow request is not asked again");
    });
}

/// An address that swallows connection requests, because the accept queue of its listener is full.
#[test]
fn a_target_that_does_not_accept_is_given_up_on() {
    within(60, || {
        let listener = socket2::Socket::new(socket2::Domain::IPV4, socket2::Type::STREAM, None).unwrap();
        listener.bind(&std::net::SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        listener.listen(0).unwrap();
        let address = listener.local_addr().unwrap().as_socket().unwrap();
        let fill: Vec<_> = (0..8)
            .filter_map(|_| std::net::TcpStream::connect_timeout(&address, Duration::from_millis(200)).ok())
            .collect();
        assert!(fill.len() < 8, "the queue does not fill");
        let portward = Portward::rules(&rules(&format!("tcp = {}", address.port())))
            .set("upstream.connect_timeout", "\"1s\"")
            .start();
        let answer = portward.plain().get("one.example.net", "/");
        assert!(matches!(answer.status(), 502 | 504), "{answer:?}");
        portward.decision(&["rejected: target-down"]);
    });
}

#[test]
fn the_next_address_is_tried() {
    within(60, || {
        let target = Target::listen(Ipv4Addr::LOCALHOST, None, |conn| {
            while conn.try_request().is_some() {
                conn.send(ok("second"));
            }
        });
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = [\"127.0.0.2\", \"127.0.0.1\"]\n\
             http = [{{ path = \"\", tcp = {} }}]\n",
            target.port()
        );
        let portward = Portward::with_rules(&rules);
        let answer = portward.plain().get("one.example.net", "/");
        assert_eq!(answer.text(), "second", "{answer:?}");
        portward.decision(&[&format!("-> 127.0.0.1:{}(new)", target.port())]);
        // The same with a body, which must not have been sent to the first target.
        let answer = portward
            .plain()
            .ask("POST / HTTP/1.1\r\nHost: one.example.net\r\nContent-Length: 5\r\n\r\nhello");
        assert_eq!(answer.text(), "second", "{answer:?}");
    });
}

#[test]
fn target_connections_are_kept_and_shared() {
    within(60, || {
        let plain = Target::http(|_, number| ok(&number.to_string()));
        let identity = TestCa::shared().issue(&["one.example.net"]);
        let tls = Target::scripted_tls(&identity, |conn| {
            while conn.try_request().is_some() {
                let number = conn.number.to_string();
                conn.send(ok(&number));
            }
        });
        let rules = rules(&format!("tcp = {}, tls = {}", plain.port(), tls.port()));
        let portward = Portward::rules(&rules).one_worker().start();
        for _ in 0..5 {
            assert_eq!(portward.plain().get("one.example.net", "/").text(), "0");
            assert_eq!(portward.tls("one.example.net").get("one.example.net", "/").text(), "0");
        }
        portward.decision(&[&format!("GET / HTTP/1.1 -> 127.0.0.1:{}(new)", plain.port())]);
        let reused =
            portward.lines().iter().filter(|line| line.ends_with(&format!(":{}", plain.port()))).count();
        assert_eq!(reused, 4, "{:?}", portward.lines());
    });
}

#[test]
fn reuse_client_shares_nothing() {
    within(60, || {
        let target = Target::http(|_, number| ok(&number.to_string()));
        let rules =
            rules(&format!("tcp = {}", target.port())) + "[target.\"127.0.0.1\"]\nreuse = \"client\"\n";
        let portward = Portward::with_rules(&rules);
        let mut first = portward.plain();
        let mut second = portward.plain();
        for _ in 0..3 {
            assert_eq!(first.get("one.example.net", "/").text(), "0");
            assert_eq!(second.get("one.example.net", "/").text(), "1");
        }
        drop(first);
        crate::harness::eventually("its target connection goes with it", || target.closed(0));
        assert_eq!(portward.plain().get("one.example.net", "/").text(), "2");
    });
}

/// A target that closes every connection after its answer without having said so.
#[test]
fn stale_kept_connections_cost_no_request() {
    within(60, || {
        let target = Target::scripted(|conn| {
            if let Some(request) = conn.try_request() {
                conn.send(ok(request.method()));
            }
        });
        let portward = Portward::with_rules(&rules(&format!("tcp = {}", target.port())));
        let mut client = portward.plain();
        for n in 0..30 {
            let answer = client.get("one.example.net", "/");
            assert_eq!((answer.status(), answer.text().as_str()), (200, "GET"), "request {n}: {answer:?}");
        }
        // Requests that may not be repeated succeed, too, if the close was seen before.
        for n in 0..5 {
            thread::sleep(Duration::from_millis(100));
            let answer =
                client.ask("POST / HTTP/1.1\r\nHost: one.example.net\r\nContent-Length: 5\r\n\r\nhello");
            assert_eq!((answer.status(), answer.text().as_str()), (200, "POST"), "request {n}: {answer:?}");
        }
    });
}

/// A kept connection that dies with the request: a GET is sent once more, a POST is never sent again.
#[test]
fn only_what_is_safe_is_asked_again() {
    within(60, || {
        for (request, repeated) in [
            ("GET /again HTTP/1.1\r\nHost: one.example.net\r\n\r\n", true),
            ("HEAD /again HTTP/1.1\r\nHost: one.example.net\r\n\r\n", true),
            ("POST /again HTTP/1.1\r\nHost: one.example.net\r\nContent-Length: 5\r\n\r\nhello", false),
            ("POST /again HTTP/1.1\r\nHost: one.example.net\r\nContent-Length: 0\r\n\r\n", false),
            ("PATCH /again HTTP/1.1\r\nHost: one.example.net\r\nContent-Length: 0\r\n\r\n", false),
            (
                "POST /again HTTP/1.1\r\nHost: one.example.net\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
                false,
            ),
        ] {
            let seen = Arc::new(AtomicUsize::new(0));
            let count = Arc::clone(&seen);
            let target = Target::scripted(move |conn| {
                while let Some(request) = conn.try_request() {
                    if request.target() == "/again" {
                        // The first time, on the kept connection, it reads everything and hangs up.
                        if count.fetch_add(1, Ordering::SeqCst) == 0 {
                            return;
                        }
                        if request.method() == "HEAD" {
                            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n");
                            continue;
                        }
                    }
                    conn.send(ok("fine"));
                }
            });
            let portward = Portward::with_rules(&rules(&format!("tcp = {}", target.port())));
            let mut client = portward.plain();
            assert_eq!(client.get("one.example.net", "/first").text(), "fine");
            let answer = client.ask(request);
            let expected = if repeated { (200, 2) } else { (502, 1) };
            assert_eq!((answer.status(), seen.load(Ordering::SeqCst)), expected, "{request:?}: {answer:?}");
        }
    });
}

/// A new connection that dies is not a stale one. No request is sent again.
#[test]
fn a_target_that_always_hangs_up_is_not_hammered() {
    within(60, || {
        let target = Target::scripted(|conn| drop(conn.try_request()));
        let portward = Portward::with_rules(&rules(&format!("tcp = {}", target.port())));
        assert_eq!(portward.plain().get("one.example.net", "/").status(), 502);
        assert!(target.connections() <= 2, "{} connections", target.connections());
    });
}

/// A DNS name that does not resolve is `target-down`, and prevents no start.
#[test]
fn a_target_without_an_address_is_down() {
    within(60, || {
        let rules = "[[host]]\nname = \"one.example.net\"\ntarget = \"pbx.invalid\"\nhttp = [\"/\"]\n\
                     [[host]]\nname = \"two.example.net\"\ntarget = \"localhost\"\nhttp = [{ path = \"\", tcp = 1 }]\n";
        let portward = Portward::with_rules(rules);
        let answer = portward.plain().get("one.example.net", "/");
        assert!(matches!(answer.status(), 502 | 504), "{answer:?}");
        portward.decision(&["http://one.example.net GET / HTTP/1.1 rejected: target-down"]);
    });
}

/// A target that is one of our own listeners would make a loop.
#[test]
fn a_target_that_is_ourselves_is_refused() {
    within(60, || {
        let setup = Portward::rules(&rules("tcp = 80"));
        let config = setup.write();
        let text = std::fs::read_to_string(&config).unwrap();
        let port =
            text.split("listen.http = \"127.0.0.1:").nth(1).unwrap().split('"').next().unwrap().to_owned();
        std::fs::write(setup.dir().join("rules/test.toml"), rules(&format!("tcp = {port}"))).unwrap();
        let output =
            crate::harness::command(30, setup.dir(), &["check", "--config", config.to_str().unwrap()]);
        assert_eq!(output.code, 1, "{output:?}");
    });
}

/// A client that leaves in the middle takes its target connection with it. The next client never gets that connection.
#[test]
fn a_half_done_exchange_is_never_reused() {
    within(60, || {
        let target = Target::scripted(|conn| {
            while let Some(request) = conn.try_head() {
                match request.target() {
                    "/up" => drop(conn.rest()),
                    "/down" => {
                        conn.send("HTTP/1.1 200 OK\r\nContent-Length: 100000000\r\n\r\n");
                        while conn.try_send([b'x'; 1000]).is_ok() {}
                        return;
                    }
                    _ => {
                        let number = conn.number.to_string();
                        conn.send(ok(&number));
                    }
                }
            }
        });
        let portward = Portward::rules(&rules(&format!("tcp = {}", target.port()))).one_worker().start();
        assert_eq!(portward.plain().get("one.example.net", "/").text(), "0");

        let mut client = portward.plain();
        client.send("POST /up HTTP/1.1\r\nHost: one.example.net\r\nContent-Length: 1000\r\n\r\nGET /smuggled HTTP/1.1\r\n");
        crate::harness::eventually("the beginning arrives", || target.transcript().contains("smuggled"));
        drop(client);
        crate::harness::eventually("the upload's connection ends", || target.closed(0));
        assert_eq!(portward.plain().get("one.example.net", "/").text(), "1");

        let mut client = portward.plain();
        client.send("GET /down HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
        client.head();
        drop(client);
        crate::harness::eventually("the download's connection ends", || target.closed(1));
        assert_eq!(portward.plain().get("one.example.net", "/").text(), "2");
    });
}

/// A target that answers before it has read the body, and keeps its connection. The rest of the body must not become
/// the next client's request.
#[test]
fn an_early_answer_leaves_no_body_behind() {
    within(60, || {
        let target = Target::scripted(|conn| {
            while let Some(mut request) = conn.try_head() {
                let number = conn.number.to_string();
                conn.send(ok(&format!("{} {number}", request.target())));
                conn.body(&mut request, false);
            }
        });
        let portward = Portward::rules(&rules(&format!("tcp = {}", target.port()))).one_worker().start();
        let hidden = "GET /smuggled HTTP/1.1\r\nHost: one.example.net\r\n\r\n";
        let mut early = portward.plain();
        early.send(format!(
            "POST /early HTTP/1.1\r\nHost: one.example.net\r\nContent-Length: {}\r\n\r\n{hidden}",
            2 * hidden.len()
        ));
        assert_eq!(early.response().text(), "/early 0");
        // The body is not complete, so no other client may get its connection.
        assert_eq!(portward.plain().get("one.example.net", "/other").text(), "/other 1");
        let _ = early.try_send(hidden);
        let _ = early.try_send("GET /next HTTP/1.1\r\nHost: one.example.net\r\nConnection: close\r\n\r\n");
        let rest = String::from_utf8_lossy(&early.rest()).into_owned();
        assert!(!rest.contains("/smuggled"), "{rest}");
        for _ in 0..3 {
            assert!(portward.plain().get("one.example.net", "/other").text().starts_with("/other "));
        }
    });
}

/// A response whose connection is reset half-way is neither repeated nor completed.
#[test]
fn a_reset_within_the_body_ends_the_client_too() {
    within(60, || {
        let target = Target::scripted(|conn| {
            conn.request();
            conn.send("HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nhalf");
            conn.reset();
        });
        let portward = Portward::with_rules(&rules(&format!("tcp = {}", target.port())));
        let mut client = portward.plain();
        client.send("GET / HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
        let all = String::from_utf8_lossy(&client.rest()).into_owned();
        assert!(all.starts_with("HTTP/1.1 200 ") || all.starts_with("HTTP/1.1 502 "), "{all}");
        assert_eq!(target.connections(), 1);
    });
}

/// Two targets on the same port of two addresses, and a rule that has both.
fn pair(
    first: impl Fn(&mut Conn) + Send + Sync + 'static,
    second: impl Fn(&mut Conn) + Send + Sync + 'static,
    kind: &str,
) -> (Target, Target, String) {
    let identity = TestCa::shared().issue(&["one.example.net"]);
    let identity = (kind == "tls").then_some(&identity);
    let first = Target::listen(Ipv4Addr::new(127, 0, 0, 2), None, first);
    let at = SocketAddr::from((Ipv4Addr::LOCALHOST, first.port()));
    let second = Target::listen_at(at, identity, second);
    let rules = format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = [\"127.0.0.2\", \"127.0.0.1\"]\n\
         http = [{{ path = \"\", {kind} = {} }}]\n",
        first.port()
    );
    (first, second, rules)
}

fn answers(name: &'static str) -> impl Fn(&mut Conn) + Send + Sync + 'static {
    move |conn| {
        while conn.try_request().is_some() {
            conn.send(ok(name));
        }
    }
}

/// Item 37, contract section 8, Health: a request that may be repeated goes to the next address, once to each. Other
/// requests do not.
#[test]
fn what_may_be_repeated_is_tried_at_the_next_address() {
    within(60, || {
        let (first, second, rules) = pair(|conn| drop(conn.try_request()), answers("second"), "tcp");
        let portward = Portward::with_rules(&rules);
        assert_eq!(portward.plain().get("one.example.net", "/").text(), "second");
        for request in [
            "POST / HTTP/1.1\r\nHost: one.example.net\r\nContent-Length: 0\r\n\r\n",
            "PUT / HTTP/1.1\r\nHost: one.example.net\r\nContent-Length: 5\r\n\r\nhello",
        ] {
            assert_eq!(portward.plain().ask(request).status(), 502, "{request}");
        }
        assert_eq!((first.connections(), second.connections()), (3, 1));
        // If no address answers the client is told so. No address is asked twice.
        let (first, second, rules) =
            pair(|conn| drop(conn.try_request()), |conn| drop(conn.try_request()), "tcp");
        let portward = Portward::with_rules(&rules);
        assert_eq!(portward.plain().get("one.example.net", "/").status(), 502);
        assert_eq!((first.connections(), second.connections()), (1, 1));
    });
}

/// Item 37: the same request does not try an address again that has failed.
#[test]
fn a_dead_address_is_dialled_once() {
    within(60, || {
        let (first, second, rules) = pair(|conn| drop(conn.some()), answers("second"), "tls");
        let portward = Portward::with_rules(&rules);
        assert_eq!(portward.plain().get("one.example.net", "/").text(), "second");
        assert_eq!((first.connections(), second.connections()), (1, 1));
        let alone = Target::scripted(|conn| drop(conn.some()));
        let portward = Portward::with_rules(&self::rules(&format!("tls = {}", alone.port())));
        assert_eq!(portward.plain().get("one.example.net", "/").status(), 502);
        assert_eq!(alone.connections(), 1);
    });
}

/// Item 37: a target that takes nothing for 40 seconds is slow, not dead, if its kernel answers. Without our care the
/// kernel would end its connection after 20 seconds.
#[test]
fn a_target_that_takes_nothing_for_a_while_gets_its_upload() {
    within(110, || {
        let target = Target::scripted(|conn| {
            thread::sleep(Duration::from_secs(40));
            let length = conn.request().body.len();
            conn.send(ok(&length.to_string()));
        });
        let portward = Portward::with_rules(&rules(&format!("tcp = {}", target.port())));
        // One upload is longer than the kernel's buffers. The other is shorter, so that no write waits on our side.
        let uploads = [30_000_000, 1_000_000].map(|length: usize| {
            let mut client = portward.plain();
            client.set_patience(Duration::from_secs(100));
            client.set_write_patience(Duration::from_secs(100));
            thread::spawn(move || {
                let head =
                    format!("POST / HTTP/1.1\r\nHost: one.example.net\r\nContent-Length: {length}\r\n\r\n");
                let answer = client.ask([head.into_bytes(), vec![b'x'; length]].concat());
                assert_eq!(answer.text(), length.to_string(), "{answer:?}");
            })
        });
        uploads.into_iter().for_each(|upload| upload.join().unwrap());
    });
}

/// Item 32: under a wildcard rule clients choose the server's name, and each name has connections of its own.
#[test]
fn many_names_do_not_make_a_target_hold_many_connections() {
    within(110, || {
        const NAMES: usize = 700;
        let identity = TestCa::shared().issue(&["one.example.net"]);
        let open = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&open);
        let target = Target::scripted_tls(&identity, move |conn| {
            count.fetch_add(1, Ordering::SeqCst);
            while conn.try_request().is_some() {
                conn.send(ok("here"));
            }
            count.fetch_sub(1, Ordering::SeqCst);
        });
        let rules = format!(
            "[[host]]\nname = \"*.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tls = {} }}]\n",
            target.port()
        );
        let portward = Portward::with_rules(&rules);
        // Several clients, so that every worker gets one.
        let mut clients: Vec<_> = (0..8).map(|_| portward.plain()).collect();
        for number in 0..NAMES {
            let client = &mut clients[number % 8];
            assert_eq!(client.get(&format!("n{number}.example.net"), "/").text(), "here");
        }
        crate::harness::eventually("no more than 256 are open", || open.load(Ordering::SeqCst) <= 256);
        assert_eq!(target.connections(), NAMES, "every name has a connection of its own");
        // The newest connections are kept and used again.
        let last = format!("n{}.example.net", NAMES - 1);
        assert_eq!(clients[(NAMES - 1) % 8].get(&last, "/").text(), "here");
        assert_eq!(target.connections(), NAMES);
    });
}

/// Item 32: the same holds for names on connections with a login of their own.
#[test]
fn many_names_with_a_login_do_not_make_a_target_hold_many_connections() {
    within(60, || {
        const CLIENTS: usize = 8;
        let identity = TestCa::shared().issue(&["one.example.net"]);
        let open = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&open);
        let target = Target::scripted_tls(&identity, move |conn| {
            count.fetch_add(1, Ordering::SeqCst);
            while conn.try_request().is_some() {
                conn.send(ok("here"));
            }
            count.fetch_sub(1, Ordering::SeqCst);
        });
        let rules = format!(
            "[[host]]\nname = \"*.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tls = {} }}]\n",
            target.port()
        );
        let portward = Portward::with_rules(&rules);
        let mut clients: Vec<_> = (0..CLIENTS).map(|_| portward.plain()).collect();
        for number in 0..CLIENTS * 6 {
            let head = format!("GET / HTTP/1.1\r\nHost: n{}.example.net\r\n", number / CLIENTS);
            assert_eq!(
                clients[number % CLIENTS].ask(format!("{head}Authorization: NTLM x\r\n\r\n")).text(),
                "here"
            );
        }
        crate::harness::eventually("one of each client is open", || open.load(Ordering::SeqCst) <= CLIENTS);
        // The newest is kept.
        let before = target.connections();
        assert_eq!(clients[0].get("n5.example.net", "/").text(), "here");
        assert_eq!(target.connections(), before);
    });
}
