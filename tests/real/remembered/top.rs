//! `/v1/top`.

use std::net::IpAddr;

use serde_json::{Value, json};

use super::{get, refused, start};
use crate::harness::{Portward, Target, Wire, within};

fn client(last: u8) -> IpAddr {
    IpAddr::from([127, 0, 0, last])
}

/// Item 2, top: hosts of the rules by requests to their targets, clients by decisions, clients by refusals.
#[test]
fn the_busiest_hosts_and_clients_and_the_most_refused_ones() {
    within(90, || {
        let web = Target::named("web");
        let path = format!("target = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {} }}]\n", web.port());
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\naliases = [\"other.example.net\"]\n{path}\n\
             [[host]]\nname = \"*.wild.example\"\n{path}"
        );
        let portward = start(Portward::rules(&rules));
        for (last, host, count) in
            [(2, "one.example.net", 7), (2, "other.example.net", 2), (3, "a.wild.example", 1)]
        {
            let mut wire = Wire::plain_from(client(last), portward.http);
            for _ in 0..count {
                assert_eq!(wire.get(host, "/a").status(), 200);
            }
        }
        // Under a wildcard clients choose the names. They count for the host of the rules.
        for number in 0..40 {
            let host = format!("x{number}.wild.example");
            assert_eq!(Wire::plain_from(client(3), portward.http).get(&host, "/a").status(), 200);
        }
        // A name that is no host of the rules is not counted as a host, whatever it contains.
        for number in 0..30 {
            let mut stranger = Wire::plain_from(client(9), portward.http);
            stranger.send(format!("GET / HTTP/1.1\r\nHost: evil{number}\x1b[31m.example\r\n\r\n"));
            assert!(stranger.rest().is_empty());
        }
        let top = get(&portward, "top");
        assert_eq!(
            top["hosts"],
            json!([
                { "host": "*.wild.example", "count": 41, "over": 0 },
                { "host": "one.example.net", "count": 9, "over": 0 },
            ])
        );
        let clients: Vec<(&str, u64)> = top["clients"]
            .as_array()
            .unwrap()
            .iter()
            .map(|one| (one["client"].as_str().unwrap(), one["count"].as_u64().unwrap()))
            .collect();
        assert_eq!(clients, [("127.0.0.3", 41), ("127.0.0.9", 30), ("127.0.0.2", 9)]);
        let refusals = top["refused"].as_array().unwrap();
        assert_eq!((refusals.len(), &refusals[0]["client"]), (1, &"127.0.0.9".into()), "{top}");
        assert_eq!(refusals[0]["count"], 30);
        assert!(refusals[0]["reason"].is_string(), "{top}");
        assert!(top["seconds"].as_u64().is_some_and(|seconds| (1..=360).contains(&seconds)), "{top}");

        let least = get(&portward, "top?limit=1");
        let lengths = ["hosts", "clients", "refused"].map(|kind| least[kind].as_array().map(Vec::len));
        assert_eq!(lengths, [Some(1); 3]);
        assert!(refused(&portward, "top?host=x").contains("possible: limit"));
    });
}

/// Item 2, top: a blacklisted address is refused before an octet of it is read. It is counted all the same.
#[test]
fn a_client_that_is_turned_away_at_the_door_is_seen() {
    within(60, || {
        let setup =
            Portward::rules("[[host]]\nname = \"a.example\"\ntarget = \"127.0.0.1\"\nhttp = [\"/\"]\n");
        let portward =
            start(setup.set("blacklist.allow", "[]").set("blacklist.block", "[\"127.0.0.66/32\"]"));
        for _ in 0..12 {
            assert!(Wire::plain_from(client(66), portward.http).rest().is_empty());
        }
        let top: Value = get(&portward, "top");
        assert_eq!(
            top["refused"],
            json!([{ "client": "127.0.0.66", "count": 12, "over": 0, "reason": "blocked" }])
        );
    });
}
