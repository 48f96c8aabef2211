//! The present traffic: decisions appear, filters, the pause, "why?", "let this in", and the curves.

use serde_json::{Value, json};

use super::busy::Busy;
use super::{Desk, one, row};
use crate::harness::sip::request;
use crate::harness::{eventually, within};

#[test]
fn decisions_appear_while_requests_run() {
    within(90, || {
        let busy = Busy::start();
        let desk = Desk::open(&busy);
        desk.shows("#now", "Nothing was asked for yet");
        let clients = busy.ports();
        for number in 0..3 {
            let path = format!("/PBX0/APPS/x{number}");
            assert_eq!(clients.get("198.51.100.7", "hq.dvl-ckl2.net", &path).unwrap().status(), 200);
            desk.row("#decisions", &["198.51.100.7", "hq.dvl-ckl2.net", &path, "127.31.31.2"]);
        }
        let mut phone = clients.phone("203.0.113.40", "anna@dvl-ckl2.net", true).unwrap();
        desk.row("#decisions", &["203.0.113.40", "REGISTER", "anna@dvl-ckl2.net"]);
        let _book = clients.book("203.0.113.41", "dvl-ckl2.net\\ldap-guest");
        desk.row("#decisions", &["203.0.113.41", "LDAP"]);
        let _endpoint = clients.endpoint("2001:db8:40::17", "dvl-ckl2.net", "branch-b").unwrap();
        desk.row("#decisions", &["2001:db8:40::17", "H.323", "branch-b"]);
        clients.send("192.0.2.66", "GET /boaform/admin HTTP/1.1\r\nHost: 192.0.2.1\r\n\r\n");
        desk.row("#decisions", &["192.0.2.66", "/boaform/admin", "unknown-host"]);
        // The newest decision is first. Each is shown once.
        let first = desk.run("document.querySelector('#decisions tbody tr').textContent");
        assert!(first.as_str().unwrap().contains("/boaform/admin"), "{first}");
        assert_eq!(desk.rows("#decisions"), 7);
        // The connected client is shown as well, with its route.
        desk.row("#connections", &["203.0.113.40", "anna@dvl-ckl2.net", "dvl-ckl2.net", "127.31.31.2"]);
        assert!(!phone.is_closed());
        desk.is_well();
    });
}

/// The list has exactly these rows, one for each text.
pub(super) fn only(desk: &Desk, texts: &[&str]) {
    desk.until(&format!(
        "(() => {{
            const rows = [...document.querySelectorAll('#decisions tbody tr')].map((row) => row.textContent);
            const texts = {};
            return rows.length === texts.length && texts.every((text) => rows.filter((row) => row.includes(text)).length === 1);
        }})()",
        json!(texts)
    ));
}

/// Sets a filter.
fn filter(desk: &Desk, control: &str, value: &str) {
    if ["#d-client", "#d-host"].contains(&control) {
        desk.fill(&one(control), value);
        desk.point_away();
    } else {
        desk.choose(&one(control), value);
    }
}

#[test]
fn each_filter_shows_what_passes_it() {
    within(120, || {
        let busy = Busy::start();
        let clients = busy.ports();
        clients.get("198.51.100.7", "hq.dvl-ckl2.net", "/PBX0/APPS/one");
        clients.get("198.51.100.8", "apps.dvl-ckl2.net", "/two");
        clients.get("198.51.100.8", "hq.dvl-ckl2.net", "/three");
        drop(clients.phone("203.0.113.40", "anna@dvl-ckl2.net", false));
        clients.sip("198.51.100.8", &request("REGISTER", "x@nobody.example", ""));
        let all = ["/one", "/two", "/three", "anna@", "nobody.example"];

        // Decisions from before the page was opened are shown, too.
        let desk = Desk::open(&busy);
        only(&desk, &all);
        for (control, value, passes) in [
            ("#d-service", "sip", &["anna@", "nobody.example"][..]),
            ("#d-outcome", "rejected", &["/three", "nobody.example"]),
            ("#d-outcome", "forwarded", &["/one", "/two", "anna@"]),
            ("#d-reason", "unknown-host", &["nobody.example"]),
            ("#d-reason", "no-path", &["/three"]),
            ("#d-client", "198.51.100.8", &["/two", "/three", "nobody.example"]),
            ("#d-host", "apps.dvl-ckl2.net", &["/two"]),
        ] {
            filter(&desk, control, value);
            only(&desk, passes);
            filter(&desk, control, "");
            only(&desk, &all);
        }
        // Two filters at once. A new decision is shown if it passes both.
        filter(&desk, "#d-service", "http");
        filter(&desk, "#d-client", "198.51.100.8");
        only(&desk, &["/two", "/three"]);
        clients.get("198.51.100.7", "hq.dvl-ckl2.net", "/PBX0/APPS/four");
        clients.get("198.51.100.8", "hq.dvl-ckl2.net", "/PBX0/APPS/five");
        only(&desk, &["/two", "/three", "/five"]);
        filter(&desk, "#d-service", "");
        filter(&desk, "#d-client", "");
        only(&desk, &[&all[..], &["/four", "/five"]].concat());

        // No decision passes, or the filter is invalid: the page shows a message.
        filter(&desk, "#d-client", "192.0.2.250");
        desk.shows("#now", "No decision passes these filters");
        filter(&desk, "#d-client", "nonsense");
        desk.shows("#now", "\"nonsense\" is not an IP address");
        desk.is_well();
    });
}

#[test]
fn the_list_can_be_paused_and_goes_on_without_a_loss() {
    within(90, || {
        let busy = Busy::start();
        let desk = Desk::open(&busy);
        let get = |path: &str| busy.ports().get("198.51.100.7", "hq.dvl-ckl2.net", path);
        get("/PBX0/APPS/one");
        only(&desk, &["/one"]);
        desk.click(&one("#pause"));
        assert_eq!(desk.run("document.querySelector('#pause').getAttribute('aria-pressed')"), "true");
        get("/PBX0/APPS/two");
        get("/PBX0/APPS/three");
        desk.until("document.querySelector('#now .note').textContent.includes('2 new')");
        only(&desk, &["/one"]);
        desk.click(&one("#pause"));
        only(&desk, &["/one", "/two", "/three"]);
        // The list also pauses while the pointer is in it, so that no row moves under a click.
        desk.click(&row("#decisions", &["/one"]));
        get("/PBX0/APPS/four");
        desk.until("document.querySelector('#now .note').textContent.includes('1 new')");
        only(&desk, &["/one", "/two", "/three"]);
        desk.point_away();
        only(&desk, &["/one", "/two", "/three", "/four"]);
        desk.is_well();
    });
}

#[test]
fn why_shows_the_rule_and_what_would_let_a_refused_one_in() {
    within(90, || {
        let busy = Busy::start();
        let desk = Desk::open(&busy);
        let clients = busy.ports();
        clients.get("198.51.100.7", "hq.dvl-ckl2.net", "/PBX0/APPS/one");
        clients.get("198.51.100.8", "hq.dvl-ckl2.net", "/secret/place");
        desk.row("#decisions", &["/secret/place"]);
        let rules = busy.rules();
        let line = |text: &str| rules.lines().position(|line| line.contains(text)).unwrap() + 1;

        desk.click_in_row("#decisions", &["/PBX0/APPS/one"], "button");
        desk.shows("#decisions .detail", "Let in");
        desk.shows("#decisions .detail", &format!("test.toml:{}", line("\"/PBX0/APPS\"")));
        assert_eq!(desk.run("document.querySelectorAll('#decisions .detail .remedy').length"), 0);
        // A second click closes it.
        desk.click_in_row("#decisions", &["GET", "/PBX0/APPS/one"], "button");
        desk.until("document.querySelector('#decisions .detail') === null");

        desk.click_in_row("#decisions", &["/secret/place"], "button");
        desk.shows("#decisions .detail", "Refused");
        desk.shows("#decisions .detail", "no-path");
        desk.shows("#decisions .detail", &format!("test.toml:{}", line("name = \"hq.dvl-ckl2.net\"")));
        desk.click(&one("#decisions .detail .remedy summary"));
        desk.until("document.querySelector('#decisions .detail .remedy').open");
        let toml = desk.until("document.querySelector('#decisions .detail .remedy .toml').textContent");
        assert!(toml.as_str().unwrap().contains("path = \"/secret"), "{toml}");
        // The remedy was only shown, not applied.
        let answer = clients.get("198.51.100.8", "hq.dvl-ckl2.net", "/secret/place");
        assert_eq!(answer.unwrap().status(), 404);
        desk.is_well();
    });
}

/// The count in the history of the API.
fn in_history(busy: &Busy, service: &str, outcome: &str) -> u64 {
    let history = busy.get("/v1/history");
    history["services"][service][outcome].as_array().unwrap().iter().filter_map(Value::as_u64).sum()
}

#[test]
fn the_curves_move_and_agree_with_the_api() {
    within(110, || {
        let busy = Busy::start();
        let desk = Desk::open(&busy);
        let drawn = |service: &str| {
            let figure = format!("#now figure[data-service=\"{service}\"]");
            desk.run(&format!(
                "({{ label: document.querySelector({}).getAttribute('aria-label') ?? '', path: document.querySelector({}).getAttribute('d') ?? '' }})",
                json!(format!("{figure} .drawing")),
                json!(format!("{figure} .let-in"))
            ))
        };
        desk.until("document.querySelectorAll('#now figure').length === 4");
        let before = drawn("HTTP");
        let clients = busy.ports();
        for number in 0..7 {
            clients.get("198.51.100.7", "hq.dvl-ckl2.net", &format!("/PBX0/APPS/{number}"));
        }
        for number in 0..2 {
            clients.get("198.51.100.8", "hq.dvl-ckl2.net", &format!("/{number}"));
        }
        drop(clients.phone("203.0.113.40", "anna@dvl-ckl2.net", false));
        eventually("the step is over", || in_history(&busy, "sip", "forwarded") == 1);
        assert_eq!((in_history(&busy, "http", "forwarded"), in_history(&busy, "http", "rejected")), (7, 2));
        let says = |service: &str, words: &str| {
            let figure = format!("#now figure[data-service=\"{service}\"] .drawing");
            desk.until(&format!(
                "document.querySelector({}).getAttribute('aria-label').includes({})",
                json!(figure),
                json!(words)
            ));
        };
        says("HTTP", "7 let in and 2 refused");
        says("SIP", "1 let in and 0 refused");
        says("LDAP", "0 let in and 0 refused");
        let after = drawn("HTTP");
        assert_ne!(before["path"], after["path"]);
        // The curves can be read with the arrow keys.
        desk.run("document.querySelector('#now figure .drawing').focus()");
        desk.press("ArrowLeft");
        desk.until("document.querySelector('#now figure .reading').textContent.includes('let in')");
        // The busiest hosts and clients are named.
        desk.shows("#now .tops", "hq.dvl-ckl2.net");
        desk.shows("#now .tops", "198.51.100.8");
        desk.is_well();
    });
}

/// With many clients of one request each the daemon can only estimate the busiest. So none of them is shown.
#[test]
fn the_busiest_are_shown_only_if_they_are_known() {
    within(120, || {
        let busy = Busy::start();
        let clients = busy.ports();
        for client in 0..1500 {
            let address = format!("198.18.{}.{}", client / 250, client % 250 + 1);
            clients.get(&address, "hq.dvl-ckl2.net", "/PBX0/APPS/x");
        }
        for _ in 0..200 {
            clients.get("203.0.113.41", "hq.dvl-ckl2.net", "/PBX0/APPS/x");
        }
        let top = busy.get("/v1/top?limit=5");
        let guessed = |one: &&Value| one["over"].as_u64().unwrap() * 2 > one["count"].as_u64().unwrap();
        let guesses: Vec<_> = top["clients"].as_array().unwrap().iter().filter(guessed).collect();
        assert!(!guesses.is_empty(), "{top}");
        let desk = Desk::open(&busy);
        desk.shows("#now .tops", "203.0.113.41");
        assert_eq!(desk.run("document.querySelector('#now .tops').innerText.includes('198.18.')"), false);
        desk.is_well();
    });
}
