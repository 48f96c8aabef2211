//! StartTLS (RFC 4511 §4.14): before a bind Portward answers it. At any other time it is refused.

use ldap3_proto::proto::LdapResultCode::{OperationsError, ProtocolError, Success};

use super::{Front, host, plain_host};
use crate::harness::directory::{
    START_TLS, answer, bind, directory, entries, named as extended, search, start_tls,
};
use crate::harness::{PASSWORD, Target, TestCa, Wire, client_config, within};

const KNOWN: &[&str] = &["a@dvl-ckl2.net"];

fn named() -> Option<String> {
    Some(START_TLS.to_owned())
}

#[test]
fn before_a_bind_it_is_answered_here_and_tls_follows() {
    within(60, || {
        let plain = Target::recorder();
        let identity = TestCa::shared().issue(&["dvl-ckl2.net"]);
        let tls = Target::scripted_tls(&identity, |conn| while !conn.some().is_empty() {});
        let rule = format!("tcp = {}, tls = {}", plain.port(), tls.port());
        let front = Front::with_rules(&host("dvl-ckl2.net", &rule));
        let mut client = front.plain();
        client.send(start_tls(77));
        assert_eq!(answer(&mut client, 77), (Success, named()));
        let mut client = client.into_tls("dvl-ckl2.net");
        // A second StartTLS: TLS is established already.
        client.send(start_tls(78));
        assert_eq!(answer(&mut client, 78), (OperationsError, named()));
        let octets = bind(79, "a@dvl-ckl2.net", PASSWORD);
        client.send(&octets);
        // A client that used StartTLS came by TLS, so it goes to the target's TLS port.
        front.portward.decision(&["ldaps://dvl-ckl2.net BIND a -> ", &format!(":{}(new)", tls.port())]);
        crate::harness::eventually("the bind arrives", || tls.bytes() == octets.len());
        plain.assert_untouched("a client that came by TLS");
    });
}

#[test]
fn on_the_tls_port_and_after_a_bind_it_is_refused_and_goes_nowhere() {
    within(60, || {
        let target = directory(KNOWN, PASSWORD, 1);
        let front = Front::with_rules(&plain_host("dvl-ckl2.net", target.port()));
        let mut client = front.tls();
        client.send(start_tls(1));
        assert_eq!(answer(&mut client, 1), (OperationsError, named()));
        for mut client in [client, front.plain()] {
            client.send(bind(2, "a@dvl-ckl2.net", PASSWORD));
            assert_eq!(answer(&mut client, 2).0, Success);
            let seen = target.bytes();
            client.send(start_tls(3));
            assert_eq!(answer(&mut client, 3), (OperationsError, named()));
            assert_eq!(target.bytes(), seen);
            // The same between the bind and its answer. The connection goes on as before.
            client.send([bind(4, "a@dvl-ckl2.net", PASSWORD), start_tls(5), search(6, "")].concat());
            assert_eq!(answer(&mut client, 4).0, Success);
            assert_eq!(answer(&mut client, 5), (OperationsError, named()));
            assert_eq!(entries(&mut client, 6), (1, Success));
            assert!(!target.transcript().contains(START_TLS));
        }
    });
}

/// Issue 15, A1: a message that a directory could read as StartTLS is treated as StartTLS, or is not passed on.
#[test]
fn another_spelling_of_it_reaches_no_directory() {
    within(60, || {
        let target = directory(KNOWN, PASSWORD, 1);
        let front = Front::with_rules(&plain_host("dvl-ckl2.net", target.port()));
        for name in ["\0", "\0.1", " ", "."].map(|end| format!("{START_TLS}{end}")) {
            let mut client = front.plain();
            client.send(bind(1, "a@dvl-ckl2.net", PASSWORD));
            assert_eq!(answer(&mut client, 1).0, Success);
            let (seen, mark) = (target.bytes(), front.portward.mark());
            client.send(extended(2, &name));
            assert_eq!(client.rest(), b"", "{name:?}");
            front.portward.decision_after(mark, &["rejected: malformed"]);
            assert_eq!(target.bytes(), seen, "{name:?}");
        }
        // With every length in four octets, as Windows writes them.
        let windows =
            [b"\x30\x84\0\0\0\x25\x02\x01\x07\x77\x84\0\0\0\x1c\x80\x84\0\0\0\x16", START_TLS.as_bytes()];
        let mut client = front.plain();
        client.send(windows.concat());
        assert_eq!(answer(&mut client, 7), (Success, named()));
    });
}

/// The STARTTLS injection: unencrypted octets would be taken for octets that came by TLS.
#[test]
fn what_is_sent_behind_it_in_the_clear_is_refused() {
    within(60, || {
        let recorder = Target::recorder();
        let front = Front::with_rules(&plain_host("dvl-ckl2.net", recorder.port()));
        for behind in [bind(2, "a@dvl-ckl2.net", PASSWORD), b"\x16\x03\x01".to_vec(), vec![0x30]] {
            let mark = front.portward.mark();
            let mut client = front.plain();
            client.send([start_tls(1), behind].concat());
            assert_eq!(client.rest(), b"");
            front.portward.decision_after(mark, &["ldap://- rejected: malformed"]);
        }
        // After the answer, in place of TLS.
        let mark = front.portward.mark();
        let mut client = front.plain();
        client.send(start_tls(1));
        assert_eq!(answer(&mut client, 1).0, Success);
        client.send(bind(2, "a@dvl-ckl2.net", PASSWORD));
        assert_eq!(client.rest(), b"");
        front.portward.decision_after(mark, &["rejected: not-tls"]);
        recorder.assert_untouched("a bind in the clear behind StartTLS");
    });
}

#[test]
fn without_a_certificate_there_is_none_and_the_connection_stays_plain() {
    within(60, || {
        let target = directory(KNOWN, PASSWORD, 1);
        let setup =
            Front::rules(&plain_host("dvl-ckl2.net", target.port())).set("tls.certificates", "\"none\"");
        std::fs::create_dir(setup.dir().join("none")).unwrap();
        let front = Front::start(setup);
        let mut client = front.plain();
        client.send(start_tls(1));
        assert_eq!(answer(&mut client, 1), (ProtocolError, named()));
        client.send(bind(2, "a@dvl-ckl2.net", PASSWORD));
        assert_eq!(answer(&mut client, 2).0, Success);
        front.portward.decision(&["ldap://dvl-ckl2.net BIND a -> "]);
    });
}

#[test]
fn tls_that_does_not_come_or_does_not_end_has_a_deadline() {
    within(60, || {
        let recorder = Target::recorder();
        let setup = Front::rules(&plain_host("dvl-ckl2.net", recorder.port()))
            .set("limits.handshake_timeout", "\"1s\"")
            .set("limits.inspect_timeout", "\"1s\"");
        let front = Front::start(setup);
        let begin = || -> Wire {
            let mut client = front.plain();
            client.send(start_tls(1));
            assert_eq!(answer(&mut client, 1).0, Success);
            client
        };
        let mark = front.portward.mark();
        let mut silent = begin();
        let mut half = begin();
        half.send(b"\x16\x03\x01\x02\0");
        assert_eq!(silent.rest(), b"");
        half.rest();
        // A TLS handshake, and then nothing.
        let mut idle = begin().try_into_tls(client_config(rustls::DEFAULT_VERSIONS), "dvl-ckl2.net").unwrap();
        assert_eq!(idle.rest(), b"");
        crate::harness::eventually("three deadlines", || {
            let lines = front.portward.lines_since(mark);
            let count = |reason: &str| lines.iter().filter(|line| line.contains(reason)).count();
            count("rejected: tls-failed") == 2 && count("rejected: timeout") == 1
        });
        recorder.assert_untouched("no bind");
    });
}
