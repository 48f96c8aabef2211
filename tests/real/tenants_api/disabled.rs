//! A disabled tenant disables everything below it: new requests at once, running connections after the drain time.

use ldap3_proto::proto::LdapResultCode::Success;
use portward::demo::ras;
use serde_json::json;

use super::House;
use crate::harness::directory::{entries, search};
use crate::harness::h323::confirmed_by;
use crate::harness::sip::{next_message, request};
use crate::harness::{Target, Wire, eventually, within};

fn confirmed(house: &House, host: &str) -> Wire {
    let mut client = Wire::plain(house.portward.port("h323"));
    client.send(ras::request(7, host, "100"));
    assert_eq!(confirmed_by(&mut client), "here");
    client
}

/// A download that ends when the test wants it to.
fn endless() -> Target {
    Target::scripted(|conn| {
        while conn.try_request().is_some() {
            let head = "HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n";
            if conn.try_send(head).is_err() || conn.try_send("begun").is_err() {
                return;
            }
        }
    })
}

#[test]
fn item_5_a_disabled_parent_takes_all_services_below_it_along() {
    within(120, || {
        let house = House::start(|setup| setup.set("limits.drain_timeout", "\"3s\""));
        for (id, parent) in [("top", ""), ("one", "top"), ("two", "")] {
            let mut body = json!({ "target": "127.0.0.1" });
            if !parent.is_empty() {
                body["parent"] = parent.into();
            }
            assert_eq!(house.put(id, &body).0, 201);
        }
        house.host("one.example", "one");
        house.host("two.example", "two");
        let slow = endless();
        let body = json!({ "tenant": "one", "http": [{ "path": "/", "tcp": slow.port() }] });
        assert_eq!(house.ask("PUT", "hosts/slow.example", Some(&body)).0, 201);

        let (mut phone, mut book) = (house.registered("one.example").1, house.bound("one.example").1);
        let mut keeper = confirmed(&house, "one.example");
        let mut web = house.portward.plain();
        assert_eq!(web.get("one.example", "/x").text(), "here");
        let mut download = house.portward.plain();
        download.send("GET /x HTTP/1.1\r\nHost: slow.example\r\n\r\n");
        assert_eq!(download.head().status(), 200);
        assert_eq!(download.exactly(5), b"begun");
        let (mut others_phone, mut others_book) =
            (house.registered("two.example").1, house.bound("two.example").1);
        let mut others_keeper = confirmed(&house, "two.example");
        let before = (house.web.connections(), house.phone.connections(), house.book.connections());

        let mark = house.portward.mark();
        house.switch("top", "disable");
        house.portward.line_after(mark, &["an administrator (user ", " disables the tenant top"]);
        // New requests are refused at once, on open connections and on new ones.
        web.send("GET /x HTTP/1.1\r\nHost: one.example\r\n\r\n");
        assert_eq!(web.response().status(), 403);
        assert_eq!((house.status("one.example"), house.registered("one.example").0), (403, 403));
        assert!(!house.bound("one.example").0);
        let mut new = Wire::plain(house.portward.port("h323"));
        new.send(ras::request(8, "one.example", "101"));
        house.portward.decision_after(mark, &["h323:", "rejected: disabled"]);
        let after = (house.web.connections(), house.phone.connections(), house.book.connections());
        assert_eq!(after, before, "nothing of it reaches a target");

        // Running connections go on for the drain time. Then they end.
        book.send(search(7, ""));
        assert_eq!(entries(&mut book, 7), (1, Success));
        book.rest();
        phone.rest();
        keeper.rest();
        assert_eq!(download.rest(), b"");
        for service in ["ldap:", "sip:", "h323:"] {
            house.portward.line_after(mark, &[service, "ended by policy in relay (disabled)"]);
        }
        eventually("the targets see it", || {
            house.phone.closed(0) && house.book.closed(0) && house.keeper.closed(0) && slow.closed(0)
        });

        // Another tenant is not disturbed.
        others_phone.send(request("REGISTER", "a@two.example", ""));
        assert_eq!(next_message(&mut others_phone).unwrap().status(), 200);
        others_book.send(search(9, ""));
        assert_eq!(entries(&mut others_book, 9), (1, Success));
        others_keeper.send(ras::request(9, "two.example", "100"));
        assert_eq!(confirmed_by(&mut others_keeper), "here");
        assert_eq!(house.status("two.example"), 200);

        house.switch("top", "enable");
        assert_eq!((house.status("one.example"), house.registered("one.example").0), (200, 200));
    });
}

/// The same by a change of a file, and by the removal of a tenant.
#[test]
fn item_5_a_file_that_disables_a_tenant_and_a_tenant_that_goes_end_what_runs() {
    within(120, || {
        let house = House::start(|setup| setup.set("limits.drain_timeout", "\"1s\""));
        house.host("rules-2.example", "below");
        let (status, mut phone) = house.registered("rules-2.example");
        assert_eq!(status, 200);
        let mark = house.portward.mark();
        let rules = house.portward.dir().join("rules");
        let mut file = std::fs::read_dir(&rules).unwrap().map(|entry| entry.unwrap().path());
        let file = file.find(|path| path.extension().is_some_and(|kind| kind == "toml")).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("[tenant.rules]\n", "[tenant.rules]\nenabled = false\n")).unwrap();
        assert_eq!(house.ask("POST", "reload", None).0, 200);
        assert_eq!(house.registered("rules-2.example").0, 403);
        phone.rest();
        house.portward.line_after(mark, &["sip:", "ended by policy in relay (disabled)"]);
        std::fs::write(&file, text).unwrap();
        assert_eq!(house.ask("POST", "reload", None).0, 200);
        assert_eq!(house.registered("rules-2.example").0, 200);
    });
}
