//! Later binds on a connection, compared with the first (contract section 3), and the effect of a reload on them.

use ldap3_proto::proto::LdapResultCode::{Success, UnwillingToPerform};

use super::{Front, plain_host};
use crate::harness::directory::{answer, bind, directory, entries, sasl, search};
use crate::harness::{PASSWORD, Target, Wire, within};

const KNOWN: &[&str] = &["a@dvl-ckl2.net", r"dvl-ckl2.net\b", "guest", "x@nobody.example", "a@alias.example"];

/// A client that has bound.
fn bound(mut client: Wire) -> Wire {
    client.send(bind(1, "a@dvl-ckl2.net", PASSWORD));
    assert_eq!(answer(&mut client, 1).0, Success);
    client
}

#[test]
fn a_bind_elsewhere_is_answered_and_reaches_nobody() {
    within(60, || {
        let target = directory(KNOWN, PASSWORD, 2);
        let recorder = Target::recorder();
        let rules = plain_host("dvl-ckl2.net", target.port())
            .replace("target =", "aliases = [\"alias.example\"]\ntarget =")
            + &plain_host("other.example", recorder.port());
        let front = Front::with_rules(&rules);
        for tls in [false, true] {
            let mut client = bound(if tls { front.tls() } else { front.plain() });
            let seen = target.bytes();
            let mark = front.portward.mark();
            for (id, octets) in [
                (2, bind(2, r"other.example\a", PASSWORD)),
                (3, bind(3, "cn=a,dc=other,dc=example", PASSWORD)),
                // Anonymous binds in all their forms.
                (4, bind(4, "", "")),
                (5, bind(5, "a@dvl-ckl2.net", "")),
                // Issue 15, A8: a bind without a name, whatever the password is. This directory answers success.
                (20, bind(20, "", PASSWORD)),
                (21, bind(21, "   ", PASSWORD)),
                (22, bind(22, "\u{a0}", PASSWORD)),
                (23, bind(23, "@dvl-ckl2.net", PASSWORD)),
                (24, bind(24, r"dvl-ckl2.net\ ", PASSWORD)),
                (25, bind(25, ",", PASSWORD)),
                (6, bind(6, r"dvl-ckl2.net\a@other.example", PASSWORD)),
                (7, sasl(7, "PLAIN", b"\0a\0b")),
                (8, sasl(8, "EXTERNAL", b"")),
                (9, sasl(9, "GSSAPI", b"")),
            ] {
                client.send(octets);
                assert_eq!(answer(&mut client, id).0, UnwillingToPerform);
            }
            assert_eq!(target.bytes(), seen, "{}", target.transcript());
            // There is one log line for all of these.
            front.portward.decision_after(mark, &["://other.example BIND a rejected: other-target"]);
            // The connection stays for binds that are allowed: the same host under its alias, too.
            for (id, name) in
                [(10, r"dvl-ckl2.net\b"), (11, "guest"), (12, "x@nobody.example"), (13, "a@alias.example")]
            {
                client.send(bind(id, name, PASSWORD));
                assert_eq!(answer(&mut client, id).0, Success, "{name}");
                client.send(search(20, ""));
                assert_eq!(entries(&mut client, 20), (2, Success));
            }
            let lines = front.portward.lines_since(mark);
            assert_eq!(
                lines.iter().filter(|line| line.contains("ldap") && line.contains("rejected:")).count(),
                1,
                "{lines:?}"
            );
            // After a refused bind the client is not logged in, whatever state the directory has.
            client.send(bind(30, "a@other.example", PASSWORD));
            assert_eq!(answer(&mut client, 30).0, UnwillingToPerform);
            let seen = target.bytes();
            client.send(search(31, ""));
            assert_eq!(client.rest(), b"");
            assert_eq!(target.bytes(), seen);
        }
        recorder.assert_untouched("a bind elsewhere");
    });
}

#[test]
fn a_reload_that_moves_the_host_ends_the_connection_at_its_next_bind() {
    within(60, || {
        let (target, moved) = (directory(KNOWN, PASSWORD, 1), directory(KNOWN, PASSWORD, 1));
        let front = Front::start(
            Front::rules(&plain_host("dvl-ckl2.net", target.port())).set("blacklist.allow", "[]"),
        );
        let mut client = bound(front.plain());
        let mark = front.portward.mark();
        front.portward.write_rules(&plain_host("dvl-ckl2.net", moved.port()));
        front.portward.hang_up();
        front.portward.line_after(mark, &["reloaded"]);
        // Until then the connection keeps its decision.
        client.send(search(2, ""));
        assert_eq!(entries(&mut client, 2), (1, Success));
        client.send(bind(3, "a@dvl-ckl2.net", PASSWORD));
        assert_eq!(client.rest(), b"");
        front.portward.decision_after(mark, &["rejected: other-target"]);
        assert_eq!(moved.connections(), 0);
        // The next connection goes to the new target.
        bound(front.plain());
        assert_eq!(moved.connections(), 1);
    });
}

#[test]
fn disabling_the_host_ends_its_connections_after_the_drain_time() {
    within(60, || {
        let target = directory(KNOWN, PASSWORD, 1);
        let rules = plain_host("dvl-ckl2.net", target.port());
        let front = Front::start(Front::rules(&rules).set("limits.drain_timeout", "\"1s\""));
        let mut client = bound(front.plain());
        let mark = front.portward.mark();
        front.portward.write_rules(&rules.replace("target =", "enabled = false\ntarget ="));
        front.portward.hang_up();
        assert_eq!(client.rest(), b"");
        front.portward.line_after(mark, &["ended by policy in relay (disabled)"]);
    });
}

#[test]
fn an_idle_connection_ends() {
    within(60, || {
        let target = directory(KNOWN, PASSWORD, 1);
        let rules = plain_host("dvl-ckl2.net", target.port());
        let front = Front::start(Front::rules(&rules).set("limits.idle_timeout.ldap", "\"1s\""));
        let mut client = bound(front.plain());
        assert_eq!(client.rest(), b"");
        front.portward.line(&["ldap://", "ended by policy in relay:"]);
    });
}

#[test]
fn a_target_that_speaks_something_else_is_not_heard() {
    within(60, || {
        let target = Target::scripted(|conn| {
            conn.some();
            let _ = conn.try_send(b"HTTP/1.1 400 Bad Request\r\n\r\n");
            conn.some();
        });
        let front = Front::with_rules(&plain_host("dvl-ckl2.net", target.port()));
        let mut client = front.plain();
        client.send(bind(1, "a@dvl-ckl2.net", PASSWORD));
        assert_eq!(client.rest(), b"");
        front.portward.decision(&["rejected: target-down"]);
    });
}
