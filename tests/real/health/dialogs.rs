//! Calls with two PBXs: the route entry names the PBX that knows the dialog (contract section 3 and section 8, Health).

use super::{becomes, ip, target, target_at};
use crate::harness::sip::{next_message, request, request_to, serve};
use crate::harness::{Portward, Wire, within};

/// A call with its two ends. Returns the phone's route entry, and the name of the PBX.
fn call(portward: &Portward) -> (String, String) {
    let mut phone = Wire::plain(portward.port("sip"));
    phone.send(request("REGISTER", "a@one.example.net", ""));
    next_message(&mut phone).unwrap();
    let recorded = "Record-Route: <sip:pbx.example.net;lr>\r\n";
    phone.send(request_to("INVITE", "a@one.example.net", "<sip:b@one.example.net>", recorded, ""));
    let answer = next_message(&mut phone).unwrap();
    let entry = answer.all("record-route").into_iter().find(|entry| entry.contains("pw-")).unwrap();
    (entry.to_owned(), answer.header("server").unwrap().to_owned())
}

/// A request of that dialog on a new connection. Returns the name of the answering PBX.
fn in_dialog(portward: &Portward, method: &str, entry: &str) -> Option<String> {
    let mut phone = Wire::plain(portward.port("sip"));
    let route = format!("Route: {entry}\r\n");
    let to = "<sip:b@one.example.net>;tag=pbx";
    phone.send(request_to(method, "a@one.example.net", to, &route, ""));
    Some(next_message(&mut phone)?.header("server")?.to_owned())
}

/// Rows: the phone's connection is gone, and a call is ended or changed on a new one. The request reaches the PBX of
/// the call, though others come first in the rule. If that PBX has left the rule, it reaches none.
#[test]
fn a_request_of_a_dialog_finds_its_pbx_of_two() {
    within(110, || {
        let second = target(92, None, |conn| serve(conn, "second"));
        let port = second.port();
        let rules = |targets: &str| {
            format!(
                "[[host]]\nname = \"one.example.net\"\ntarget = {targets}\nsip = {{ tcp = {port}, tls = false }}\n\
                 [target.\"{}\"]\ncheck = \"sip\"\ncheck_interval = \"1s\"\nfall = 1\nrise = 1\nfailback = \"1s\"\n",
                ip(91)
            )
        };
        let both = format!("[\"{}\", \"{}\"]", ip(91), ip(92));
        let portward = Portward::rules(&rules(&both))
            .listen("sip")
            .set("sip.public_address", "\"rp.example.net\"")
            .set("blacklist.allow", "[]")
            .set("blacklist.suspicious_per_minute", "2")
            .start();
        let (entry, server) = call(&portward);
        assert_eq!(server, "second", "the first one is away");
        let first = target_at(91, port, |conn| serve(conn, "first"));
        becomes(&portward, &format!("{}:{port}", ip(91)), "up");
        crate::harness::eventually("calls go to the first", || call(&portward).1 == "first");
        let (other, _) = call(&portward);
        for _ in 0..3 {
            for method in ["INVITE", "BYE"] {
                assert_eq!(in_dialog(&portward, method, &entry).as_deref(), Some("second"), "{method}");
                assert_eq!(in_dialog(&portward, method, &other).as_deref(), Some("first"), "{method}");
            }
        }
        // The second PBX leaves the rule, and its calls with it.
        portward.write_rules(&rules(&format!("[\"{}\", \"{}\"]", ip(91), ip(93))));
        let mark = portward.mark();
        portward.hang_up();
        portward.line_after(mark, &["reloaded"]);
        let seen = second.connections();
        for _ in 0..6 {
            assert_eq!(in_dialog(&portward, "BYE", &entry), None);
        }
        portward.decision_after(mark, &["BYE", "rejected: target-down"]);
        assert_eq!(second.connections(), seen);
        // It was refused without counting: the phone is no scanner.
        assert_eq!(in_dialog(&portward, "BYE", &other).as_deref(), Some("first"));
        assert!(portward.lines().iter().all(|line| !line.contains("blacklisted")));
        drop(first);
    });
}
