//! axe-core, which checks the WCAG, finds nothing: light and dark, large and small, empty and full.

use std::fs;

use serde_json::{Value, json};

use super::busy::Busy;
use super::traffic::Traffic;
use super::{Desk, one};
use crate::harness::{Page, node_file, within};

/// Every finding of axe-core, in words.
fn findings(page: &Page) -> Vec<String> {
    if page.run("typeof axe") != "object" {
        let axe = fs::read_to_string(node_file("node_modules/axe-core/axe.min.js")).unwrap();
        page.run(&format!("{axe}; true"));
    }
    let found =
        page.run("axe.run(document, { resultTypes: ['violations'] }).then(({ violations }) => violations)");
    let all = found.as_array().unwrap().iter();
    all.map(|one| {
        let nodes = one["nodes"].as_array().unwrap().iter().take(5);
        let nodes: Vec<String> =
            nodes.map(|node| format!("{}\n    {}", node["html"], node["failureSummary"])).collect();
        format!("{} ({}): {}\n  {}", one["id"], one["impact"], one["help"], nodes.join("\n  "))
    })
    .collect()
}

/// Checks the page in both colours, on a desktop and on a phone.
fn is_accessible(page: &Page, what: &str) {
    for (colours, width, height) in
        [("light", 1440, 900), ("dark", 1440, 900), ("light", 360, 740), ("dark", 360, 740)]
    {
        page.prefers(&[("prefers-color-scheme", colours), ("prefers-reduced-motion", "reduce")]);
        page.size((width, height), width == 360);
        let found = findings(page);
        assert!(found.is_empty(), "{what}, {colours}, {width}: {}", found.join("\n"));
        let wide = page.run("[document.documentElement.scrollWidth, document.documentElement.clientWidth]");
        assert!(wide[0].as_f64() <= wide[1].as_f64(), "{what} scrolls sideways at {width}: {wide}");
    }
    page.size((1440, 900), false);
}

/// A page whose Content-Security-Policy lets axe-core work.
fn desk(busy: &Busy) -> Desk {
    let desk = Desk::at(busy, busy.admin);
    desk.call("Page.setBypassCSP", json!({ "enabled": true }));
    desk.go(&format!("{}/", desk.origin));
    desk
}

#[test]
fn axe_finds_nothing_in_the_log_in_form_and_the_empty_page() {
    within(120, || {
        let busy = Busy::start();
        busy.portward.write_rules("");
        busy.ask("POST", "/v1/reload", None);
        let desk = desk(&busy);
        desk.until("!document.querySelector('#log-in').hidden");
        is_accessible(&desk, "the log-in form");
        desk.try_log_in("wrong");
        desk.until("document.querySelector('#log-in-failed').textContent !== ''");
        is_accessible(&desk, "the log-in form after a wrong token");
        desk.log_in(&busy.token());
        desk.shows("#hosts", "There is no host yet");
        is_accessible(&desk, "the empty page");
    });
}

#[test]
fn axe_finds_nothing_in_the_busy_page_and_its_questions() {
    within(170, || {
        let busy = Busy::start();
        busy.ask("POST", "/v1/blacklist", Some(&json!({ "address": "198.51.100.7", "note": "by hand" })));
        let traffic = Traffic::start(busy.ports(), std::time::Duration::from_millis(50));
        let desk = desk(&busy);
        desk.log_in(&busy.token());
        desk.until_within(
            std::time::Duration::from_secs(40),
            "document.querySelectorAll('#decisions tbody tr').length > 50",
        );
        drop(traffic);
        busy.ports().get("198.51.100.30", "hq.dvl-ckl2.net", "/secret/place");
        desk.row("#decisions", &["/secret/place"]);
        desk.click(&one("#pause"));
        desk.row("#hosts", &["hq.dvl-ckl2.net"]);
        desk.row("#tenants", &["XYZ"]);
        desk.row("#certificates", &["webtrit.example"]);
        is_accessible(&desk, "the busy page");
        desk.click_in_row("#decisions", &["/secret/place"], "button");
        desk.click(&one("#decisions .detail .remedy summary"));
        desk.fill(&one("#e-url"), "sip:anna@nobody.example");
        desk.press("Enter");
        desk.shows("#answer", "Refused");
        is_accessible(&desk, "the page with answers");
        desk.click(&one("#reload"));
        desk.until("document.querySelector('#ask').open");
        is_accessible(&desk, "a question");
        desk.click(&one("#ask-yes"));
        desk.until("document.querySelector('#said').childElementCount > 0");
        is_accessible(&desk, "a result");
        let languages: Value = desk.run("[document.documentElement.lang, document.title]");
        assert_eq!(languages[0], "en");
    });
}
