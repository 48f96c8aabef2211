//! Which requests count toward the blacklist: those with wrong credentials do. Requests of a customer's or another
//! site's page do not.

use std::net::{IpAddr, Ipv4Addr};

use serde_json::{Value, json};

use super::{Door, HOST, brought, now};
use crate::harness::{Wire, within};

/// The statuses of 25 requests of one address. 0: the connection was refused.
fn asked(door: &Door, number: u8, path: &str, fields: &str, body: &Value) -> Vec<u16> {
    let from: IpAddr = Ipv4Addr::new(127, 0, 8, number).into();
    let body = body.to_string();
    let request = format!(
        "POST {path} HTTP/1.1\r\nHost: {HOST}\r\nContent-Type: application/json\r\n{fields}Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let once = |_| {
        let wire = Wire::plain_from(from, door.portward.https);
        let Ok(mut wire) = wire.try_into_tls(crate::harness::client_config(rustls::DEFAULT_VERSIONS), HOST)
        else {
            return 0;
        };
        let sent = wire.try_send(&request);
        sent.ok().and_then(|()| wire.try_head()).map_or(0, |answer| answer.status())
    };
    (0..25).map(once).collect()
}

#[test]
fn item_2_wrong_credentials_count_and_mistakes_do_not() {
    within(180, || {
        let door = Door::with(|setup| {
            setup.set("blacklist.allow", "[]").set("limits.new_connections_per_second", "0")
        });
        let good = brought(now() + 600, "alice", "newest of XYZ");
        let wrong = brought(now() + 600, "alice", "other");
        let expired = brought(now() - 60, "alice", "newest of XYZ");
        let named = brought(now() + 600, "alice@voxbone.example", "newest of XYZ");
        let evil = "Origin: https://evil.example\r\n";
        let xyz = "/token/XYZ";
        for (number, (path, fields, body, status)) in (1..).zip([
            (xyz, "", &good, 200),
            (xyz, "", &expired, 403),
            (xyz, "", &named, 403),
            (xyz, evil, &wrong, 403),
            ("/token/NOBODY", evil, &wrong, 403),
            ("/token/GONE", "", &good, 403),
            (xyz, "", &json!({}), 400),
            (xyz, "Content-Type: text/plain\r\n", &good, 415),
        ]) {
            let statuses = asked(&door, number, path, fields, body);
            assert_eq!(statuses, [status; 25], "{path} {fields} {body}");
        }
        for (number, path, body, status) in [(100, xyz, &wrong, 403), (101, "/token/NOBODY", &wrong, 404)] {
            let statuses = asked(&door, number, path, "", body);
            assert!(statuses.starts_with(&[status; 20]), "{statuses:?}");
            assert_eq!(statuses.last(), Some(&0), "it is listed: {statuses:?}");
        }
        door.portward.line(&["127.0.8.100 blacklisted"]);
    });
}
