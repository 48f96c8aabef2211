//! H.323 (contract sections 1 to 3): registrations in tunnels, calls, and what may follow, with exact octets, with a
//! gatekeeper by pycrate, and under tshark's eyes.

use std::time::Duration;

use portward::demo::ras::{discovery, request};

use crate::harness::h323::{
    Gatekeeper, KEEP_ALIVE, confirmed_by, dissected, fixture, gatekeeper, hidden, keep_alive_at, keep_alives,
    next_message, read_by_pycrate, setup,
};
use crate::harness::{Portward, Setup, Target, TestCa, Wire, command, eventually, within};

const CLIENT_RRQ: &str = "captures/mock_00_tcp_tpkt_c2s_FACILITY_empty_h46017_RRQ.bin";
const CLIENT_GRQ: &str = "captures/mock_02_tcp_tpkt_c2s_FACILITY_empty_h46017_GRQ.bin";
const CLIENT_URQ: &str = "captures/mock_04_tcp_tpkt_c2s_FACILITY_empty_h46017_URQ.bin";
const CLIENT_SETUP: &str = "captures/mock_12_tcp_tpkt_c2s_SETUP_setup.bin";
const CLIENT_RELEASE: &str = "captures/mock_13_tcp_tpkt_c2s_RELEASECOMPLETE_releaseComplete.bin";

/// Two PBXs, a disabled host, and one without H.323. `pbx-alpha` is the host in the captured client's messages.
fn rules(one: u16, two: u16) -> String {
    format!(
        "[[host]]\nname = \"dvl-ckl2.net\"\naliases = [\"pbx-alpha\"]\ntarget = \"127.0.0.1\"\nh323 = {{ tcp = {one}, tls = false }}\n\
         [[host]]\nname = \"dvl-ckl2.net/branch-b\"\ntarget = \"127.0.0.1\"\nh323 = {{ tcp = {two}, tls = false }}\n\
         [[host]]\nname = \"off.example.net\"\nenabled = false\ntarget = \"127.0.0.1\"\nh323 = {{ tcp = {one}, tls = false }}\n\
         [[host]]\nname = \"web.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {one} }}]\n"
    )
}

fn front(one: u16, two: u16) -> Setup {
    Portward::rules(&rules(one, two))
        .set("log.ended", "\"all\"")
        .certificate("server", &["dvl-ckl2.net"])
        .listen("h323")
        .listen("h323s")
}

/// A client on the plain port and one on the TLS port.
fn both(portward: &Portward) -> [(&'static str, Wire); 2] {
    [
        ("h323", Wire::plain(portward.port("h323"))),
        ("h323s", Wire::tls(portward.port("h323s"), "dvl-ckl2.net")),
    ]
}

#[test]
fn the_gatekeeper_identifier_chooses_the_pbx() {
    within(60, || {
        let (one, two) = (gatekeeper("one"), gatekeeper("two"));
        let portward = front(one.port(), two.port()).start();
        for (identifier, expected, shown) in [
            ("dvl-ckl2.net", "one", "dvl-ckl2.net"),
            ("hq@dvl-ckl2.net/branch-b", "two", "hq@dvl-ckl2.net/branch-b"),
            ("DVL-CKL2.net.", "one", "DVL-CKL2.net."),
            ("elsewhere@pbx-alpha", "one", "elsewhere@pbx-alpha"),
            ("dvl-ckl2.net\0\0", "one", "dvl-ckl2.net"),
        ] {
            for (scheme, mut client) in both(&portward) {
                let mark = portward.mark();
                client.send(request(7, identifier, "009033410004"));
                assert_eq!(confirmed_by(&mut client), expected, "{identifier}");
                let port = if expected == "one" { one.port() } else { two.port() };
                let line = portward.decision_after(mark, &["RRQ"]);
                let cert = if scheme == "h323s" { " cert=none" } else { "" };
                let wanted =
                    format!("127.0.0.1 {scheme}:{shown} RRQ 009033410004{cert} -> 127.0.0.1:{port}(new)");
                assert!(line.ends_with(&wanted), "{line}");
            }
        }
    });
}

#[test]
fn who_names_no_pbx_reaches_none() {
    within(120, || {
        let target = Target::recorder();
        let portward = front(target.port(), target.port()).start();
        let rrq = |identifier: &str| request(1, identifier, "x");
        let direct = fixture("vectors/tcp_ras_direct_rrq.bin");
        let long = "G".repeat(128);
        let disagree = {
            let one = fixture("vectors/ras_rrq.bin");
            let two = fixture("vectors/ras_rrq_gk1.bin");
            portward::relay::h323::answer::tunnel(&[&one, &two])
        };
        for (octets, reason) in [
            (rrq("pbx.example.com"), "unknown-host"),
            (rrq("a@b@dvl-ckl2.net"), "malformed"),
            (rrq("büro-東京"), "unknown-host"),
            (rrq("büro 東京"), "malformed"),
            (rrq(&long), "malformed"),
            (rrq("dvl-ckl2.net/branch-c"), "unknown-host"),
            (rrq("hq@"), "no-name"),
            (rrq("\0"), "no-name"),
            (rrq("off.example.net"), "disabled"),
            (rrq("web.example.net"), "no-service"),
            (setup("4711"), "no-name"),
            (setup("a@unknown.example"), "unknown-host"),
            (disagree, "malformed"),
            (direct, "malformed"),
            (fixture(CLIENT_URQ), "method"),
            (fixture(CLIENT_RELEASE), "method"),
            (b"GET / HTTP/1.1\r\n\r\n".to_vec(), "malformed"),
            (vec![3, 0, 0, 3], "malformed"),
            (vec![3, 0, 0x40, 1], "too-large"),
            (KEEP_ALIVE.repeat(4_097), "too-large"),
            (
                [&[3, 0, 0, 20][..], &[8, 2, 0, 0, 0x6e], &[0x28, 9], &[b'x'; 9]].concat().repeat(820),
                "too-large",
            ),
        ] {
            for (scheme, mut client) in both(&portward) {
                let mark = portward.mark();
                let _ = client.try_send(&octets);
                assert!(next_message(&mut client).is_none(), "{reason}");
                let line = portward.decision_after(mark, &[&format!("{scheme}:"), "rejected: "]);
                assert!(line.ends_with(&format!(" rejected: {reason}")), "{reason}: {line}");
            }
        }
        target.assert_untouched("nobody was named who has a rule");
    });
}

#[test]
fn octets_reach_the_pbx_as_they_came_and_tshark_reads_them() {
    within(120, || {
        let notify = [&[3, 0, 0, 20][..], &[8, 2, 0, 0, 0x6e], &[0x28, 9], b"elsewhere"].concat();
        let said = [
            KEEP_ALIVE.to_vec(),
            notify,
            fixture(CLIENT_RRQ),
            fixture(CLIENT_SETUP),
            KEEP_ALIVE.to_vec(),
            fixture(CLIENT_RELEASE),
            fixture(CLIENT_GRQ),
            fixture(CLIENT_URQ),
        ]
        .concat();
        let target = Target::recorder();
        let portward = front(target.port(), target.port()).start();
        for (number, pieces) in [said.len(), 1].into_iter().enumerate() {
            for (more, (_, mut client)) in both(&portward).into_iter().enumerate() {
                client.send_pieces(said.chunks(pieces), Duration::ZERO);
                let number = 2 * number + more;
                eventually("everything arrives", || target.received(number).len() == said.len());
                assert_eq!(target.received(number), said);
            }
        }
        let read = dissected(&target.received(3)).to_lowercase();
        for wanted in
            ["gatekeeperrequest", "unregistrationrequest", "registrationrequest", "setup", "releasecomplete"]
        {
            assert!(read.contains(wanted), "{wanted}, in {} lines", read.lines().count());
        }
    });
}

#[test]
fn discovery_then_registration_then_calls() {
    within(60, || {
        let one = gatekeeper("one");
        let other = Target::recorder();
        let portward = front(one.port(), other.port()).start();
        for (_, mut client) in both(&portward) {
            client.send(discovery(1, "dvl-ckl2.net"));
            assert!(next_message(&mut client).is_some());
            client.send(
                [request(2, "x@dvl-ckl2.net", "a"), setup("a@other.example"), KEEP_ALIVE.to_vec()].concat(),
            );
            assert_eq!(confirmed_by(&mut client), "one");
        }
        // An unreadable message passes if it is framed and no User-user element can be found in it.
        let mut client = Wire::plain(portward.port("h323"));
        client.send(
            [request(2, "dvl-ckl2.net", "a"), vec![3, 0, 0, 8, 9, 9, 9, 9], request(3, "pbx-alpha", "a")]
                .concat(),
        );
        assert_eq!(
            (confirmed_by(&mut client), confirmed_by(&mut client)),
            ("one".to_owned(), "one".to_owned())
        );
        other.assert_untouched("nobody asked for it");
    });
}

#[test]
fn a_later_registration_that_leads_elsewhere_ends_the_connection() {
    within(60, || {
        let one = gatekeeper("one");
        let other = Target::recorder();
        let portward = front(one.port(), other.port()).start();
        for (later, reason) in [
            (request(2, "dvl-ckl2.net/branch-b", "a"), "other-target"),
            (request(2, "pbx.example.com", "a"), "unknown-host"),
            (request(2, "\0", "a"), "no-name"),
            (fixture("vectors/tcp_h46017_rrq_facilitybody.bin"), "unknown-host"),
            (b"INVITE sip:a SIP/2.0\r\n".to_vec(), "malformed"),
        ] {
            for (_, mut client) in both(&portward) {
                client.send(request(1, "dvl-ckl2.net", "a"));
                assert_eq!(confirmed_by(&mut client), "one");
                let mark = portward.mark();
                client.send(&later);
                assert!(next_message(&mut client).is_none(), "{reason}");
                let line = portward.decision_after(mark, &["rejected: "]);
                assert!(line.ends_with(&format!("rejected: {reason}")), "{line}");
                portward.line_after(mark, &["ended by client in relay", reason]);
            }
        }
        other.assert_untouched("only other connections may");
    });
}

#[test]
fn a_reload_that_moves_the_host_ends_it_at_the_next_registration() {
    within(60, || {
        let (one, two) = (gatekeeper("one"), gatekeeper("two"));
        let portward = front(one.port(), two.port()).start();
        let mut client = Wire::plain(portward.port("h323"));
        client.send(request(1, "dvl-ckl2.net", "a"));
        assert_eq!(confirmed_by(&mut client), "one");
        let mark = portward.mark();
        portward.write_rules(&rules(two.port(), one.port()));
        portward.hang_up();
        portward.line_after(mark, &["reloaded"]);
        client.send(request(2, "dvl-ckl2.net", "a"));
        assert!(next_message(&mut client).is_none());
        portward.line_after(mark, &["rejected: other-target"]);
        portward.line_after(mark, &["ended by policy in relay (other-target)"]);
        let mut client = Wire::plain(portward.port("h323"));
        client.send(request(3, "dvl-ckl2.net", "a"));
        assert_eq!(confirmed_by(&mut client), "two");
    });
}

#[test]
fn the_default_host_and_calls_by_domain() {
    within(60, || {
        let (one, two) = (gatekeeper("one"), gatekeeper("two"));
        let portward =
            front(one.port(), two.port()).set("h323.default_host", "\"dvl-ckl2.net/branch-b\"").start();
        for (_, mut client) in both(&portward) {
            client.send(fixture("vectors/tcp_keepalive_then_rrq.bin"));
            assert!(next_message(&mut client).is_none(), "an identifier without a rule has no default");
        }
        for (octets, to) in [
            (request(1, "\0", "a"), &two),
            (setup("4711"), &two),
            (setup("ckl@DVL-CKL2.net"), &one),
            (setup("ckl@dvl-ckl2.net/branch-b"), &two),
        ] {
            let mark = portward.mark();
            let mut client = Wire::plain(portward.port("h323"));
            client.send(&octets);
            portward.decision_after(mark, &[&format!("-> 127.0.0.1:{}(new)", to.port())]);
        }
    });
}

#[test]
fn a_client_that_says_nothing_or_never_enough_is_told_apart() {
    within(60, || {
        let target = Target::recorder();
        let portward = front(target.port(), target.port()).set("limits.inspect_timeout", "\"1s\"").start();
        let unfinished = &request(1, "dvl-ckl2.net", "a")[..20];
        for (octets, reason) in [(&b""[..], "silent"), (unfinished, "timeout"), (&KEEP_ALIVE, "silent")] {
            let mark = portward.mark();
            let mut clients = both(&portward);
            clients.iter_mut().for_each(|(_, client)| client.send(octets));
            for (scheme, mut client) in clients {
                assert!(next_message(&mut client).is_none(), "{reason}");
                portward.decision_after(mark, &[&format!("{scheme}:-"), &format!("rejected: {reason}")]);
            }
        }
        target.assert_untouched("nobody was named");
    });
}

/// NOTIFY, STATUS, INFORMATION and ESCAPE may come first, if they have no User-user element.
#[test]
fn what_may_come_in_front_of_a_registration_passes_with_it() {
    within(60, || {
        for kind in [0x6e, 0x7d, 0x7b, 0x00] {
            for content in [&[][..], &[0x28, 1, b'x'], &[0x28, 90]] {
                let octets = [&[8, 2, 0, 0, kind], content].concat();
                let size = u8::try_from(octets.len() + 4).unwrap();
                let early = [&[3, 0, 0, size], &octets[..]].concat();
                let target = Target::recorder();
                let portward = front(target.port(), target.port()).start();
                let said = [early, request(1, "dvl-ckl2.net", "a")].concat();
                for (number, (_, mut client)) in both(&portward).into_iter().enumerate() {
                    client.send(&said);
                    eventually("everything arrives", || target.received(number) == said);
                }
            }
        }
    });
}

/// Issue 15, A3: if only another reader finds a registration in a message, it reaches no target, first or later, on any
/// kind of connection.
#[test]
fn registrations_that_only_another_reader_finds_reach_no_target() {
    within(120, || {
        let target = gatekeeper("one");
        let portward = front(target.port(), target.port()).start();
        let hidden = hidden();
        let mut later = 0;
        for (form, octets) in hidden {
            for (_, mut client) in both(&portward) {
                let mark = portward.mark();
                client.send(&octets);
                assert!(next_message(&mut client).is_none(), "{form}");
                portward.decision_after(mark, &["rejected: malformed"]);
            }
            for (_, mut client) in both(&portward) {
                client.send(request(1, "dvl-ckl2.net", "a"));
                assert_eq!(confirmed_by(&mut client), "one");
                let mark = portward.mark();
                client.send(&octets);
                assert!(next_message(&mut client).is_none(), "{form}");
                portward.decision_after(mark, &["rejected: malformed"]);
                assert_eq!(target.received(later), request(1, "dvl-ckl2.net", "a"), "{form}");
                later += 1;
            }
        }
        assert_eq!(target.connections(), later);
    });
}

/// Issue 15, A3: keep-alives of real devices, first, between, and behind a call.
#[test]
fn keep_alives_without_a_user_user_element_pass() {
    within(60, || {
        let target = Target::recorder();
        let portward = front(target.port(), target.port()).start();
        let alive = keep_alives();
        let said = [
            alive.concat(),
            request(1, "dvl-ckl2.net", "a"),
            alive.concat(),
            fixture(CLIENT_SETUP),
            alive.concat(),
        ]
        .concat();
        for (number, (_, mut client)) in both(&portward).into_iter().enumerate() {
            client.send(&said);
            eventually("everything arrives", || target.received(number) == said);
        }
    });
}

/// Issue 17, item 17: keep-alives without a registration end at the deadline of the decision, and never count.
#[test]
fn item_17_keep_alives_alone_are_silence() {
    within(60, || {
        let one = gatekeeper("one");
        let setup = front(one.port(), one.port()).set("blacklist.allow", "[]");
        let portward = setup.set("limits.inspect_timeout", "\"2s\"").start();
        let mut said = keep_alives();
        // A FACILITY with a Display, without call reference, with two empty elements; PROGRESS.
        said.extend([
            vec![3, 0, 0, 12, 8, 2, 0, 0, 0x62, 0x28, 1, b'x'],
            vec![3, 0, 0, 7, 8, 0, 0x62],
            vec![3, 0, 0, 13, 8, 2, 0, 0, 0x62, 0x1c, 0, 0x1c, 0],
            vec![3, 0, 0, 9, 8, 2, 0, 0, 0x03],
        ]);
        let mut clients = Vec::new();
        for alive in said.iter().cycle().take(40) {
            for (_, mut client) in both(&portward).into_iter().take(1) {
                client.send(alive);
                clients.push(client);
            }
        }
        for client in &mut clients {
            assert!(next_message(client).is_none());
        }
        // More of them than are kept.
        for _ in 0..21 {
            let mut client = Wire::plain(portward.port("h323"));
            let _ = client.try_send(KEEP_ALIVE.repeat(4_096));
            assert!(next_message(&mut client).is_none());
        }
        eventually("their lines", || {
            let lines = portward.lines().join("\n");
            lines.matches("rejected: silent").count() == 40
                && lines.matches("rejected: too-large").count() == 21
        });
        let mut client = Wire::plain(portward.port("h323"));
        client.send([said.concat(), request(1, "dvl-ckl2.net", "a"), said.concat()].concat());
        assert_eq!(confirmed_by(&mut client), "one");
        assert!(!portward.lines().join("\n").contains("blacklisted"));
    });
}

/// A keep-alive registration belongs to its connection, if it names no gatekeeper or the gatekeeper that has confirmed
/// it.
#[test]
fn a_keep_alive_registration_belongs_to_its_connection() {
    within(60, || {
        let one = gatekeeper("the gatekeeper's own name");
        let other = Target::recorder();
        let portward = front(one.port(), other.port()).start();
        let alive = fixture("speaks/own_alive_without_endpoint.bin");
        for (_, mut client) in both(&portward) {
            client.send(request(1, "dvl-ckl2.net", "a"));
            assert_eq!(confirmed_by(&mut client), "the gatekeeper's own name");
            client.send([alive.clone(), keep_alive_at("the gatekeeper's own name")].concat());
            assert!(next_message(&mut client).is_some() && next_message(&mut client).is_some());
            let mark = portward.mark();
            client.send(keep_alive_at("pbx.example.com"));
            assert!(next_message(&mut client).is_none());
            portward.decision_after(mark, &["rejected: unknown-host"]);
        }
        other.assert_untouched("only other connections may");
    });
}

/// The stand-in reads our fixtures: pycrate has made them, and tshark reads them.
#[test]
fn what_speaks_for_somebody_is_read_by_tshark() {
    let mut octets = Vec::new();
    let mut files: Vec<_> =
        std::fs::read_dir("tests/fixtures/h323/speaks").unwrap().map(|file| file.unwrap().path()).collect();
    files.sort();
    for file in files {
        octets.extend(std::fs::read(file).unwrap());
    }
    let read = dissected(&octets).to_lowercase();
    for wanted in ["admissionrequest", "infoRequestResponse", "servicecontrolindication", "locationrequest"] {
        assert!(read.contains(&wanted.to_lowercase()), "{wanted}");
    }
}

#[test]
fn refusals_can_be_answered() {
    within(60, || {
        let one = gatekeeper("one");
        let other = Target::recorder();
        let portward = front(one.port(), other.port()).set("reject", "\"answer\"").start();
        for (octets, kind, body, messages) in [
            (request(9, "pbx.example.com", "a"), 0x62, "empty", &["registrationReject"][..]),
            (discovery(9, "pbx.example.com"), 0x62, "empty", &["gatekeeperReject"]),
            (setup("4711"), 0x5a, "releaseComplete", &[]),
        ] {
            for (_, mut client) in both(&portward) {
                client.send(&octets);
                let answer = next_message(&mut client).expect("an answer");
                assert!(next_message(&mut client).is_none());
                let read = read_by_pycrate(&answer);
                assert_eq!(read, serde_json::json!({ "type": kind, "body": body, "ras": messages }));
                dissected(&answer);
            }
        }
        // A message that is invalid, or that may not come first, belongs to no call.
        for octets in [b"GET / HTTP/1.1\r\n\r\n".to_vec(), fixture(CLIENT_URQ), vec![3, 0, 0x40, 1]] {
            let mut client = Wire::plain(portward.port("h323"));
            client.send(&octets);
            let answer = next_message(&mut client).expect("an answer");
            assert!(next_message(&mut client).is_none());
            assert_eq!(read_by_pycrate(&answer)["body"], "releaseComplete");
        }
        let mut client = Wire::plain(portward.port("h323"));
        client.send(request(1, "dvl-ckl2.net", "a"));
        assert_eq!(confirmed_by(&mut client), "one");
        client.send("INVITE sip:a SIP/2.0\r\n");
        assert_eq!(read_by_pycrate(&next_message(&mut client).unwrap())["body"], "releaseComplete");
        assert!(next_message(&mut client).is_none());
        let mut client = Wire::plain(portward.port("h323"));
        client.send(request(1, "dvl-ckl2.net", "a"));
        assert_eq!(confirmed_by(&mut client), "one");
        client.send(request(2, "dvl-ckl2.net/branch-b", "a"));
        let answer = next_message(&mut client).expect("an answer");
        assert_eq!(read_by_pycrate(&answer)["ras"][0], "registrationReject");
        assert!(next_message(&mut client).is_none());
        other.assert_untouched("nobody went there");
    });
}

#[test]
fn a_gatekeeper_by_pycrate_over_tcp_and_tls() {
    within(120, || {
        let folder = tempfile::TempDir::new().unwrap();
        TestCa::shared().issue(&["tls.example.net"]).write(folder.path(), "gk");
        let file = |name: &str| folder.path().join(name).display().to_string();
        let (plain, tls) = (Gatekeeper::start(&[]), Gatekeeper::start(&[&file("gk.crt"), &file("gk.key")]));
        let rules = format!(
            "[[host]]\nname = \"dvl-ckl2.net\"\naliases = [\"pbx-alpha\", \"pbx.example.com\"]\ntarget = \"127.0.0.1\"\nh323 = {{ tcp = {}, tls = false }}\n\
             [[host]]\nname = \"tls.example.net\"\ntarget = \"127.0.0.1\"\nh323 = {{ tcp = false, tls = {}, check_certificate = false }}\n",
            plain.port, tls.port
        );
        let portward = Portward::rules(&rules)
            .certificate("server", &["dvl-ckl2.net"])
            .listen("h323")
            .listen("h323s")
            .start();
        for (_, mut client) in both(&portward) {
            // A real client's octets, bundled messages, a call reference of no octets, and a call.
            client.send(fixture(CLIENT_GRQ));
            assert_eq!(read_by_pycrate(&next_message(&mut client).unwrap())["ras"][0], "gatekeeperConfirm");
            client.send(fixture(CLIENT_RRQ));
            assert_eq!(confirmed_by(&mut client), "pbx-alpha");
            client.send(fixture("vectors/tcp_h46017_grq_rrq.bin"));
            assert_eq!(read_by_pycrate(&next_message(&mut client).unwrap())["ras"][0], "gatekeeperConfirm");
            assert_eq!(confirmed_by(&mut client), "pbx.example.com");
            client.send(fixture("vectors/tcp_h46017_rrq_crlen0.bin"));
            assert_eq!(confirmed_by(&mut client), "pbx.example.com");
            client.send(fixture(CLIENT_SETUP));
            plain.line(&["\"setup\""]);
            client.send(request(5, "hq@dvl-ckl2.net", "009033410004"));
            assert_eq!(confirmed_by(&mut client), "hq@dvl-ckl2.net");
            plain.line(&["registrationRequest", "hq@dvl-ckl2.net", "009033410004"]);
        }
        for (_, mut client) in both(&portward) {
            client.send(request(5, "tls.example.net", "ckl"));
            assert_eq!(confirmed_by(&mut client), "tls.example.net");
            tls.line(&["registrationRequest", "tls.example.net", "ckl"]);
        }
    });
}

#[test]
fn explain_says_what_the_daemon_does() {
    within(60, || {
        let target = Target::recorder();
        let portward = front(target.port(), target.port()).start();
        for (url, expected) in [
            ("h323:hq@dvl-ckl2.net/branch-b", format!("127.0.0.1:{}", target.port())),
            ("h323s:dvl-ckl2.net", format!("127.0.0.1:{}", target.port())),
            ("h323:nobody.example", "unknown-host".to_owned()),
            ("h323:a@b@dvl-ckl2.net", "malformed".to_owned()),
            ("h323:hq@", "no-name".to_owned()),
        ] {
            let config = portward.config();
            let said = command(20, portward.dir(), &["explain", "--config", config.to_str().unwrap(), url]);
            assert!(said.all().contains(&expected), "{url}: {}", said.all());
        }
    });
}
