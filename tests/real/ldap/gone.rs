//! Clients that have gone, and silent directories (issue 15, B10): neither holds a socket for long.

use std::thread::sleep;
use std::time::Duration;

use ldap3_proto::proto::LdapOp;
use ldap3_proto::proto::LdapResultCode::Success;

use super::{Front, host, plain_host};
use crate::gone::leave;
use crate::harness::directory::{answer, bind, encode, entries, next, result, search, unbind};
use crate::harness::{PASSWORD, Slapd, Target, eventually, within};

const HQ: &str = "dc=dvl-ckl2,dc=net";

fn abandon(id: i32, other: i32) -> Vec<u8> {
    encode(id, LdapOp::AbandonRequest(other))
}

/// Octets that clients send before they go. The bind is not answered.
fn talks(tls: bool) -> Vec<(&'static str, Vec<u8>)> {
    let who = format!("cn=contacts,{HQ}");
    let first = bind(1, &who, PASSWORD);
    let much = if tls { 60_000 } else { 150_000 };
    let searches: Vec<u8> = search(2, HQ).repeat(much / search(2, HQ).len());
    vec![
        ("a bind", first.clone()),
        ("a bind and a search", [first.clone(), search(2, HQ)].concat()),
        ("bind, abandon, unbind", [first.clone(), abandon(2, 1), unbind(3)].concat()),
        ("a bind and an unbind", [first.clone(), unbind(2)].concat()),
        ("two binds", [first.clone(), bind(2, &who, PASSWORD)].concat()),
        // More than Portward's buffer takes and less than the kernel's. So the end stands behind octets that are not
        // read.
        ("a bind and searches that fill every buffer", [first, searches].concat()),
    ]
}

#[test]
fn b10_a_client_that_has_gone_leaves_no_socket_at_a_silent_directory() {
    within(100, || {
        let silent = Target::recorder();
        let hung = Slapd::start("hq", HQ, 1);
        hung.hang();
        for port in [silent.port(), hung.plain] {
            let front = Front::start(
                Front::rules(&plain_host("dvl-ckl2.net", port))
                    .set("limits.max_connections_per_address", "24"),
            );
            let before = front.portward.sockets_at_rest();
            let mark = front.portward.mark();
            let mut count = 0;
            let mut clients = Vec::new();
            for tls in [false, true] {
                for (what, talk) in talks(tls) {
                    for resets in [false, true] {
                        let mut client = if tls { front.tls() } else { front.plain() };
                        client.try_send(&talk).unwrap_or_else(|error| panic!("{what}: {error}"));
                        clients.push((client, resets));
                        count += 1;
                    }
                }
            }
            eventually("all of them are connected", || front.portward.sockets() == before + 2 * count);
            let ended: Vec<_> = clients.into_iter().filter_map(leave).collect();
            eventually("all of them are gone", || front.portward.sockets() == before);
            drop(ended);
            eventually("each was ended by its client", || {
                let lines = front.portward.lines_since(mark);
                lines.iter().filter(|line| line.contains("ended by client in relay")).count() == count
            });
        }
        hung.go_on();
        eventually("the directory has seen the end of each", || {
            (0..silent.connections()).all(|number| silent.closed(number))
        });
    });
}

/// The office gets its connections back although the directory still hangs. When the directory is back it is served.
#[test]
fn b10_a_hung_directory_does_not_use_up_an_office_s_connections() {
    within(60, || {
        let hq = Slapd::start("hq", HQ, 3);
        let rules = host("dvl-ckl2.net", &format!("tcp = {}, tls = {}", hq.plain, hq.tls));
        let front = Front::start(Front::rules(&rules).set("limits.max_connections_per_address", "4"));
        let before = front.portward.sockets_at_rest();
        let talk = [bind(1, &format!("cn=contacts,{HQ}"), PASSWORD), search(2, HQ)].concat();
        hq.hang();
        for _ in 0..2 {
            let mut clients: Vec<_> = (0..4).map(|_| front.plain()).collect();
            clients.iter_mut().for_each(|client| client.send(&talk));
            eventually("they wait", || front.portward.sockets() == before + 8);
            drop(clients);
            eventually("they are gone", || front.portward.sockets() == before);
        }
        hq.go_on();
        let mut client = front.plain();
        client.send(&talk);
        assert_eq!(answer(&mut client, 1).0, Success);
        assert_eq!(entries(&mut client, 2), (6, Success));
        // After an unbind both sides are closed, in any order.
        client.send(unbind(3));
        assert_eq!(client.rest(), b"");
        eventually("both are closed", || front.portward.sockets() == before);
    });
}

#[test]
fn b10_an_unbind_ends_it_although_neither_side_closes() {
    within(60, || {
        // The directory answers binds and does not close at an unbind.
        let target = Target::scripted(|conn| {
            while let Some(message) = next(conn) {
                if let LdapOp::BindRequest(_) = message.op {
                    let response =
                        ldap3_proto::proto::LdapBindResponse { res: result(Success), saslcreds: None };
                    conn.send(encode(message.msgid, LdapOp::BindResponse(response)));
                }
            }
        });
        let front = Front::with_rules(&plain_host("dvl-ckl2.net", target.port()));
        let mut client = front.plain();
        client.send([bind(1, "a@dvl-ckl2.net", PASSWORD), unbind(2)].concat());
        assert_eq!(answer(&mut client, 1).0, Success);
        assert_eq!(client.rest(), b"");
        front.portward.line(&["ldap://", "ended by client in relay"]);
        eventually("the directory has seen the end", || target.closed(0));
    });
}

#[test]
fn b10_a_directory_that_does_not_answer_a_bind_has_a_time_of_its_own() {
    within(60, || {
        let silent = Target::recorder();
        let setup = Front::rules(&plain_host("dvl-ckl2.net", silent.port()))
            .set("limits.response_timeout", "\"2s\"")
            .set("log.ended", "\"all\"");
        let front = Front::start(setup);
        let before = front.portward.sockets_at_rest();
        for tls in [false, true] {
            let mark = front.portward.mark();
            let mut client = if tls { front.tls() } else { front.plain() };
            client.send([bind(1, "a@dvl-ckl2.net", PASSWORD), search(2, "")].concat());
            assert_eq!(client.rest(), b"");
            front.portward.line_after(mark, &["ended by target in relay (target-down)"]);
        }
        eventually("both sides are closed", || {
            front.portward.sockets() == before && silent.closed(0) && silent.closed(1)
        });
        assert!(front.portward.lines().iter().all(|line| !line.contains("blacklisted")));
    });
}

/// Slow directories, and clients that have closed their side, get their time.
#[test]
fn b10_a_slow_directory_and_a_client_that_has_said_everything_are_waited_for() {
    within(60, || {
        let hq = Slapd::start("hq", HQ, 3);
        let front = Front::with_rules(&plain_host("dvl-ckl2.net", hq.plain));
        let talk = [bind(1, &format!("cn=contacts,{HQ}"), PASSWORD), search(2, HQ)].concat();
        hq.hang();
        let mut waits = [front.plain(), front.tls()];
        for client in &mut waits {
            client.send(&talk);
        }
        waits[1].finish();
        sleep(Duration::from_secs(4));
        hq.go_on();
        for client in &mut waits {
            assert_eq!(answer(client, 1).0, Success);
        }
        assert_eq!(entries(&mut waits[0], 2), (6, Success));
    });
}
