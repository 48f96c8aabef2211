//! `/v1/history`.

use serde_json::Value;

use super::{get, refused, start};
use crate::harness::sip::{next_message, pbx, request};
use crate::harness::{Portward, Target, Wire, eventually, within};

fn sum(column: &Value) -> u64 {
    column.as_array().unwrap().iter().map(|number| number.as_u64().unwrap()).sum()
}

/// Item 1, history: events are in the ten-second step in which they happened, by service and outcome.
#[test]
fn the_last_hour_stands_in_steps_by_service_and_outcome() {
    within(90, || {
        let (web, phone) = (Target::named("web"), pbx("one"));
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"/\", tcp = {} }}]\n\
             sip = {{ tcp = {}, tls = false }}\n",
            web.port(),
            phone.port()
        );
        let portward = start(Portward::rules(&rules).listen("sip"));
        let mut client = portward.plain();
        for _ in 0..5 {
            assert_eq!(client.get("one.example.net", "/a").status(), 200);
        }
        for _ in 0..3 {
            let mut stranger = portward.plain();
            stranger.send("GET / HTTP/1.1\r\nHost: nobody.example\r\n\r\n");
            assert!(stranger.rest().is_empty());
        }
        let mut sip = Wire::plain(portward.port("sip"));
        sip.send(request("REGISTER", "ckl@one.example.net", ""));
        assert_eq!(next_message(&mut sip).unwrap().status(), 200);

        let mut history = Value::Null;
        eventually("the step is over", || {
            history = get(&portward, "history");
            sum(&history["services"]["sip"]["forwarded"]) == 1
        });
        let http = &history["services"]["http"];
        assert_eq!(history["step"], 10);
        for (column, count) in [("connections", 4), ("forwarded", 5), ("rejected", 3), ("redirected", 0)] {
            assert_eq!(sum(&http[column]), count, "{column}: {history}");
        }
        assert!(sum(&http["bytes"]["up"]) > 5 * 40 && sum(&http["bytes"]["down"]) > 5 * 40, "{history}");
        assert_eq!(http["open"].as_array().unwrap().last().unwrap(), 1, "{history}");
        assert_eq!(sum(&history["rejected"]["unknown-host"]), 3, "{history}");
        assert_eq!(history["rejected"].as_object().unwrap().len(), 1, "{history}");
        let count = history["count"].as_u64().unwrap();
        assert_eq!(http["forwarded"].as_array().unwrap().len() as u64, count);
        let start = history["start"].as_str().unwrap();
        assert!(start.ends_with('Z') && start.len() == 24, "{start}");

        let only = get(&portward, "history?service=sip");
        assert_eq!(only["services"].as_object().unwrap().keys().collect::<Vec<_>>(), ["sip"]);
        // A program that asks again names what it has seen, and gets only new steps.
        let seen = history["first"].as_u64().unwrap() + count;
        let later = get(&portward, &format!("history?after={seen}"));
        assert_eq!(sum(&later["services"]["http"]["forwarded"]), 0, "{later}");
        assert_eq!(later["first"], seen);
        let first = get(&portward, "history?limit=1");
        assert_eq!((&first["count"], first["next"].is_null()), (&1.into(), count == 1), "{first}");

        for (query, why) in [
            ("service=smtp", "`service`: \"smtp\" is not a service; possible: http, sip, ldap, h323"),
            ("after=x", "`after`: \"x\" is not the number of a step"),
            ("limit=0", "`limit`: \"0\" is not a number from 1 to 360"),
            ("since=1", "there is no parameter `since` here; possible: service, limit, after"),
        ] {
            assert_eq!(refused(&portward, &format!("history?{query}")), why);
        }
    });
}
