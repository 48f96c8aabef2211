//! Issue 19, item 7: the blacklist takes networks, and every change by hand is logged with its user.

use serde_json::Value;

use super::{address, is_served, judged, rules};
use crate::harness::{Output, Portward, Wire, command, eventually, program, within};

fn blacklist(portward: &Portward, args: &[&str]) -> Output {
    let config = portward.config().display().to_string();
    command(20, portward.dir(), &[&["blacklist", "--config", &config], args].concat())
}

fn explain(portward: &Portward, from: &str) -> Output {
    let config = portward.config().display().to_string();
    let url = "http://one.example.net/open";
    command(20, portward.dir(), &["explain", "--config", &config, "--from", from, url])
}

#[test]
fn item_7_a_network_is_refused_and_let_in_again() {
    within(90, || {
        let portward = judged(&rules(9, 9, 9, 9)).start();
        let mut open = Wire::plain_from(address(1), portward.http);
        open.send("GET /missing HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
        eventually("it is accepted", || portward.lines().iter().any(|line| line.contains("no-path")));
        let mark = portward.mark();
        let added = blacklist(&portward, &["add", "127.0.9.0/24", "--for", "1h", "--note", "a scanner's"]);
        assert!(added.code == 0 && added.out.starts_with("127.0.9.0/24 "), "{added:?}");
        portward.line_after(mark, &["an administrator (user ", "lists 127.0.9.0/24 for 1h: a%20scanner"]);
        open.rest();
        for number in [0, 1, 255] {
            assert!(!is_served(&portward, address(number)), "{number}");
        }
        assert!(is_served(&portward, std::net::Ipv4Addr::new(127, 0, 10, 1).into()));
        let said = explain(&portward, "127.0.9.77");
        assert!(said.code == 1 && said.out.contains("rejected: blacklisted"), "{said:?}");
        assert!(said.out.contains("127.0.9.0/24"), "{said:?}");
        assert_eq!(explain(&portward, "127.0.10.1").code, 0);

        let listed: Value = serde_json::from_str(&blacklist(&portward, &["--json"]).out).unwrap();
        assert_eq!(listed["entries"][0]["address"], "127.0.9.0/24", "{listed}");
        let one = blacklist(&portward, &["remove", "127.0.9.1"]);
        let why = "127.0.9.1 is not listed by itself; the network 127.0.9.0/24 is";
        assert!(one.code == 1 && one.errors.contains(why), "{one:?}");
        assert_eq!(blacklist(&portward, &["add", "127.0.9.1"]).code, 0);
        let wider = blacklist(&portward, &["remove", "127.0.8.0/21"]);
        assert!(wider.code == 1 && wider.errors.contains("2 entries are within it"), "{wider:?}");

        // Over a restart.
        let portward = portward.restart();
        assert!(!is_served(&portward, address(200)));
        let mark = portward.mark();
        assert_eq!(blacklist(&portward, &["remove", "127.0.9.0/24"]).code, 0);
        portward.line_after(mark, &["an administrator (user ", "takes 127.0.9.0/24 off the blacklist"]);
        assert!(is_served(&portward, address(200)) && !is_served(&portward, address(1)));
        assert_eq!(blacklist(&portward, &["clear"]).out, "1 entry removed\n");
        portward.line_after(mark, &["clears the blacklist: 1 entry removed"]);
        assert!(is_served(&portward, address(1)));
    });
}

#[test]
fn item_7_what_an_administrator_may_not_have_thought_of_is_said() {
    within(60, || {
        let setup = judged(&rules(9, 9, 9, 9)).set("blacklist.allow", "[\"127.0.9.8/29\"]");
        let portward = setup
            .set("listen.forwarded_from", "[\"192.0.2.1\"]")
            .set("outside.own_address", "\"198.51.100.7\"")
            .start();
        for (who, warning) in [
            ("127.0.9.8", "127.0.9.8/29 is in blacklist.allow"),
            ("127.0.9.0/24", "127.0.9.8/29 is in blacklist.allow"),
            ("192.0.2.0/24", "192.0.2.1/32 is in listen.proxy_protocol_from or listen.forwarded_from"),
            ("198.51.100.0/24", "198.51.100.7 is an address of Portward"),
            ("::/0", "this machine itself"),
        ] {
            let said = blacklist(&portward, &["add", who]);
            assert!(
                said.code == 0 && said.errors.contains(&format!("warning: {warning}")),
                "{who}: {said:?}"
            );
        }
        let said = blacklist(&portward, &["add", "203.0.113.0/24"]);
        assert!(said.code == 0 && said.errors.is_empty(), "{said:?}");
        // Allowed addresses are still served.
        assert!(is_served(&portward, address(9)) && !is_served(&portward, address(1)));
        // The user's name is logged.
        let name = std::process::Command::new(program("id", "coreutils")).arg("-un").output().unwrap().stdout;
        let user = String::from_utf8(name).unwrap();
        let user = format!(", {})", user.trim());
        portward.line(&["an administrator (user ", &user, " lists 203.0.113.0/24 until it is removed"]);
    });
}
