//! Many wrong logins at once: how many are hashed, how many are refused for lack of room, and that others are served.

use std::time::Duration;

use super::{HOST, basic, get, rules};
use crate::harness::{Portward, Target, Wire, within};

#[test]
fn item_3_a_flood_of_wrong_logins_is_bounded_and_others_are_served() {
    within(180, || {
        let target = Target::named("inside");
        let portward = Portward::rules(&rules(&target, 10, "")).start();
        let remembered = basic("key", "s3cret-of-acme");
        let mut good = portward.tls(HOST);
        assert_eq!(get(&mut good, "/mno/ACME/x", &remembered).status(), 200);
        let mut flood: Vec<Wire> = (0..150).map(|_| portward.tls(HOST)).collect();
        flood.iter().for_each(|wire| wire.set_patience(Duration::from_secs(150)));
        let mark = portward.mark();
        for (number, wire) in flood.iter_mut().enumerate() {
            let login = basic("key", &format!("guess-{number}"));
            wire.send(format!("GET /mno/ACME/x HTTP/1.1\r\nHost: {HOST}\r\n{login}\r\n"));
        }
        // Meanwhile a known login, a path without a login and a request without a login are answered.
        let before = portward.lines_since(mark).iter().filter(|line| line.contains("failed-login")).count();
        for _ in 0..50 {
            assert_eq!(get(&mut good, "/mno/ACME/x", &remembered).status(), 200);
            assert_eq!(get(&mut good, "/mno/ACME/saml", "").status(), 200);
            assert_eq!(get(&mut good, "/mno/ACME/x", "").status(), 401);
        }
        let after = portward.lines_since(mark).iter().filter(|line| line.contains("failed-login")).count();
        assert!(after - before < 150, "they did not wait for the flood: {before} {after}");
        let answers: Vec<_> = flood.iter_mut().map(Wire::response).collect();
        let count = |status| answers.iter().filter(|answer| answer.status() == status).count();
        let (wrong, busy) = (count(401), count(503));
        assert_eq!(wrong + busy, 150);
        assert!(wrong >= 64 && busy > 0, "64 wait: {wrong} were hashed, {busy} had no room");
        assert!(
            answers.iter().all(|answer| answer.status() != 503 || answer.header("retry-after") == Some("1"))
        );
        let counted = portward.lines_since(mark).iter().filter(|line| line.contains("failed-login")).count();
        assert_eq!(counted, wrong, "what was not verified does not count");
    });
}
