//! Offices behind one address: a hundred phones, one of them with a wrong configuration.

use super::{address, is_served, judged, rules};
use crate::harness::sip::{pbx, request};
use crate::harness::{Wire, sip, within};

#[test]
fn a_hundred_phones_with_a_misconfigured_one_stay_served() {
    within(90, || {
        let phones = pbx("pbx");
        let portward = judged(&rules(9, phones.port(), 9, 9)).start();
        let from = address(1);
        let register = |user: &str, host: &str| {
            let mut wire = Wire::plain_from(from, portward.port("sip"));
            let _ = wire.try_send(request("REGISTER", &format!("{user}@{host}"), ""));
            sip::next_message(&mut wire).map(|answer| answer.status())
        };
        for number in 0..100 {
            assert_eq!(register(&format!("phone{number}"), "one.example.net"), Some(200));
        }
        // It tries twice a second, with the wrong domain. The threshold has grown to fifty times twenty.
        for _ in 0..300 {
            assert_eq!(register("lost", "typo.example.net"), None);
        }
        assert!(is_served(&portward, from));
        assert_eq!(register("phone7", "one.example.net"), Some(200));
        assert!(!portward.lines().iter().any(|line| line.contains("blacklisted")));
        // For an address without confirmed names the threshold has not grown.
        let stranger = |user: usize| {
            let mut wire = Wire::plain_from(address(2), portward.port("sip"));
            let _ = wire.try_send(request("REGISTER", &format!("{user}@typo.example.net"), ""));
            assert!(sip::next_message(&mut wire).is_none());
        };
        (0..21).for_each(stranger);
        portward.line(&["127.0.9.2 blacklisted for 5m: 21"]);
    });
}

#[test]
fn requests_and_refused_logins_make_no_friends() {
    within(60, || {
        // A PBX that refuses every registration.
        let phones = crate::harness::Target::scripted(|conn| {
            while let Some(request) = sip::next_message(conn) {
                conn.send(sip::answer(&request, "404 Not Found", "pbx"));
            }
        });
        let portward = judged(&rules(9, phones.port(), 9, 9)).start();
        for number in 0..30 {
            let mut wire = Wire::plain_from(address(1), portward.port("sip"));
            wire.send(request("REGISTER", &format!("{number}@one.example.net"), ""));
            assert_eq!(sip::next_message(&mut wire).unwrap().status(), 404);
        }
        (0..21).for_each(|_| super::scan(&portward, address(1)));
        portward.line(&["127.0.9.1 blacklisted for 5m: 21"]);
    });
}
