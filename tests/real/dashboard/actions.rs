//! An administrator's actions on the page: each asks for confirmation, each result is described, and each takes effect.

use serde_json::json;

use super::busy::Busy;
use super::{Desk, one};
use crate::harness::{eventually, within};

#[test]
fn an_entry_of_the_blacklist_is_removed_and_added_by_clicking() {
    within(90, || {
        let busy = Busy::start();
        let body = json!({ "address": "198.51.100.7", "note": "scans every night" });
        busy.ask("POST", "/v1/blacklist", Some(&body));
        busy.ask("POST", "/v1/blacklist", Some(&json!({ "address": "2001:db8:66::/48" })));
        let desk = Desk::open(&busy);
        desk.row("#blacklist", &["198.51.100.7", "scans every night"]);
        assert!(busy.ports().get("198.51.100.7", "hq.dvl-ckl2.net", "/PBX0/APPS/x").is_none());

        // The question is asked and cancelled. Nothing has changed.
        desk.click_in_row("#blacklist", &["198.51.100.7"], "button");
        desk.answers("Remove 198.51.100.7", false);
        desk.row("#blacklist", &["198.51.100.7"]);
        assert_eq!(busy.get("/v1/blacklist")["count"], 2);

        desk.click_in_row("#blacklist", &["198.51.100.7"], "button");
        desk.answers("Remove 198.51.100.7", true);
        desk.says("198.51.100.7");
        desk.no_row("#blacklist", &["198.51.100.7"]);
        assert_eq!(
            busy.ports().get("198.51.100.7", "hq.dvl-ckl2.net", "/PBX0/APPS/x").unwrap().status(),
            200
        );
        // A network, whose text has characters that paths must escape.
        desk.click_in_row("#blacklist", &["2001:db8:66::/48"], "button");
        desk.answers("Remove 2001:db8:66::/48", true);
        desk.shows("#blacklist", "No address is blacklisted");
        assert_eq!(busy.get("/v1/blacklist")["count"], 0);

        desk.fill(&one("#b-address"), "203.0.113.0/24");
        desk.fill(&one("#b-note"), "by the form");
        desk.choose(&one("#b-expiration"), "1h");
        desk.click(&one("#blacklist form button"));
        desk.answers("Blacklist 203.0.113.0/24", true);
        desk.says("203.0.113.0/24 is blacklisted for an hour");
        desk.row("#blacklist", &["203.0.113.0/24", "by the form"]);
        let entry = &busy.get("/v1/blacklist")["entries"][0];
        assert_eq!((&entry["manual"], &entry["note"]), (&json!(true), &json!("by the form")));
        assert!(busy.ports().get("203.0.113.200", "hq.dvl-ckl2.net", "/PBX0/APPS/x").is_none());

        // An invalid address is refused with a message, and stays in the form.
        desk.fill(&one("#b-address"), "nonsense");
        desk.click(&one("#blacklist form button"));
        desk.answers("Blacklist nonsense", true);
        desk.until("document.querySelector('#said .bad') !== null");
        assert_eq!(desk.run("document.querySelector('#b-address').value"), "nonsense");
        desk.is_well();
    });
}

#[test]
fn a_client_is_blacklisted_from_what_it_asked_for() {
    within(60, || {
        let busy = Busy::start();
        let desk = Desk::open(&busy);
        busy.ports().get("198.51.100.9", "hq.dvl-ckl2.net", "/secret/place");
        desk.row("#decisions", &["198.51.100.9", "/secret/place"]);
        desk.click_in_row("#decisions", &["198.51.100.9", "/secret/place"], "button");
        desk.click(&one("#decisions .detail .buttons button[data-change]"));
        desk.until("document.activeElement === document.querySelector('#b-address')");
        assert_eq!(
            desk.run("[document.querySelector('#b-address').value, document.querySelector('#b-note').value]"),
            json!(["198.51.100.9", "no-path"])
        );
        desk.click(&one("#blacklist form button"));
        desk.answers("Blacklist 198.51.100.9", true);
        desk.row("#blacklist", &["198.51.100.9", "no-path"]);

        // The page still tells why the request was refused. It also tells that the client is listed now.
        desk.click_in_row("#decisions", &["GET", "/secret/place"], "button");
        desk.until("document.querySelector('#decisions .detail') === null");
        desk.click_in_row("#decisions", &["GET", "/secret/place"], "button");
        desk.shows("#decisions .detail", "198.51.100.9 is blacklisted now");
        desk.shows("#decisions .detail", "none of the");
        desk.is_well();
    });
}

#[test]
fn a_connection_is_ended_by_clicking() {
    within(60, || {
        let busy = Busy::start();
        let clients = busy.ports();
        let mut anna = clients.phone("203.0.113.40", "anna@dvl-ckl2.net", true).unwrap();
        let mut bert = clients.phone("203.0.113.41", "bert@dvl-ckl2.net", true).unwrap();
        let desk = Desk::open(&busy);
        desk.row("#connections", &["203.0.113.41", "bert@"]);
        desk.click_in_row("#connections", &["203.0.113.40", "anna@"], "button");
        desk.answers("End the connection of 203.0.113.40", false);
        assert!(!anna.is_closed());
        desk.click_in_row("#connections", &["203.0.113.40", "anna@"], "button");
        desk.answers("End the connection of 203.0.113.40", true);
        desk.says("The connection of 203.0.113.40 was ended");
        assert!(anna.rest().is_empty());
        desk.no_row("#connections", &["anna@"]);
        desk.row("#connections", &["bert@"]);
        assert!(!bert.is_closed());
        desk.is_well();
    });
}

#[test]
fn the_connections_have_filters() {
    within(60, || {
        let busy = Busy::start();
        let clients = busy.ports();
        let _kept = [
            clients.phone("203.0.113.40", "anna@dvl-ckl2.net", true),
            clients.phone("203.0.113.41", "x7@customer.s.2600hz.example", false),
            clients.book("203.0.113.42", "dvl-ckl2.net\\ldap-guest"),
        ];
        let desk = Desk::open(&busy);
        for (control, value, client) in [
            ("#c-service", "ldap", "203.0.113.42"),
            ("#c-client", "203.0.113.40", "203.0.113.40"),
            ("#c-host", "customer.s.2600hz.example", "203.0.113.41"),
            ("#c-target", "127.31.31.50", "203.0.113.41"),
        ] {
            desk.until("document.querySelectorAll('#connections tbody tr').length === 3");
            let set = |value| match control {
                "#c-service" => desk.choose(&one(control), value),
                _ => desk.fill(&one(control), value),
            };
            set(value);
            desk.until("document.querySelectorAll('#connections tbody tr').length === 1");
            desk.row("#connections", &[client]);
            set("");
        }
        desk.fill(&one("#c-client"), "192.0.2.250");
        desk.shows("#connections", "No connection passes these filters");
        desk.is_well();
    });
}

#[test]
fn a_host_and_a_tenant_are_disabled_and_enabled_by_clicking() {
    within(90, || {
        let busy = Busy::start();
        let clients = busy.ports();
        let desk = Desk::open(&busy);
        let status =
            |host: &str, path: &str| clients.get("198.51.100.7", host, path).map(|answer| answer.status());
        let (hq, app) = ("hq.dvl-ckl2.net", "/PBX0/APPS/x");
        assert_eq!(status(hq, app), Some(200));
        desk.click_in_row("#hosts", &[hq], "button");
        desk.answers("Disable hq.dvl-ckl2.net", false);
        assert_eq!(status(hq, app), Some(200));
        desk.click_in_row("#hosts", &[hq], "button");
        desk.answers("Disable hq.dvl-ckl2.net", true);
        desk.says("hq.dvl-ckl2.net is disabled");
        desk.row("#hosts", &[hq, "disabled"]);
        assert_eq!(status(hq, app), None);
        desk.click_in_row("#hosts", &[hq, "Enable"], "button");
        desk.answers("Enable hq.dvl-ckl2.net", true);
        desk.says("hq.dvl-ckl2.net is enabled");
        desk.row("#hosts", &[hq, "Disable"]);
        assert_eq!(status(hq, app), Some(200));
        // The host that the rules disable.
        desk.row("#hosts", &["old.dvl-ckl2.net", "disabled"]);

        let (demo, session) = ("demo.webtrit.example", "/tenant/XYZ/api");
        assert_eq!(status(demo, session), Some(200));
        desk.click_in_row("#tenants", &["XYZ Ltd"], "button");
        desk.answers("Disable tenant XYZ", true);
        desk.says("Tenant XYZ is disabled");
        desk.row("#tenants", &["XYZ Ltd", "disabled"]);
        assert_eq!(status(demo, session), Some(403));
        assert_eq!(status(demo, "/tenant/ABC/api"), Some(200));
        desk.click_in_row("#tenants", &["XYZ Ltd", "Enable"], "button");
        desk.answers("Enable tenant XYZ", true);
        desk.says("Tenant XYZ is enabled");
        assert_eq!(status(demo, session), Some(200));
        // A tenant below a disabled one is shown as disabled.
        desk.click_in_row("#tenants", &["2600hz Master"], "button");
        desk.answers("Disable tenant 2600hz", true);
        desk.row("#tenants", &["A customer of 2600hz", "disabled from above"]);
        desk.is_well();
    });
}

#[test]
fn the_rules_are_reloaded_and_a_broken_file_changes_nothing() {
    within(60, || {
        let busy = Busy::start();
        let desk = Desk::open(&busy);
        let rules = busy.rules();
        let more = format!(
            "{rules}\n[[host]]\nname = \"new.dvl-ckl2.net\"\ntarget = \"127.31.31.2\"\nhttp = [\"/x\"]\n"
        );
        busy.portward.write_rules(&more);
        desk.click(&one("#reload"));
        desk.answers("Reload", false);
        assert_eq!(busy.get("/v1/status")["rules"]["generation"], 1);
        desk.click(&one("#reload"));
        desk.answers("Reload", true);
        desk.says("1 host added");
        // One of the certificates is near its end.
        desk.answers("Reloaded, with warnings", false);
        desk.row("#hosts", &["new.dvl-ckl2.net"]);

        let line = rules.lines().count() + 1;
        busy.portward.write_rules(&format!(
            "{rules}[[host]]\nname = \"broken.dvl-ckl2.net\"\ntarget = \"127.31.31.2\"\nhttpp = [\"/x\"]\n"
        ));
        desk.click(&one("#reload"));
        desk.until("document.querySelector('#ask').open");
        desk.click(&one("#ask-yes"));
        desk.until("document.querySelector('#ask-title').textContent.includes('Not reloaded')");
        desk.shows("#ask", "httpp");
        desk.shows("#ask", &format!("test.toml:{}", line + 3));
        desk.click(&one("#ask-no"));
        desk.until("!document.querySelector('#ask').open");
        // The old table stays in force, and the head of the page shows a warning.
        desk.row("#hosts", &["new.dvl-ckl2.net"]);
        desk.shows("#wrong", "The last reload was refused");
        assert_eq!(
            busy.ports().get("198.51.100.7", "hq.dvl-ckl2.net", "/PBX0/APPS/x").unwrap().status(),
            200
        );
        busy.portward.write_rules(&rules);
        desk.click(&one("#reload"));
        desk.answers("Reload", true);
        desk.says("1 host removed");
        desk.answers("Reloaded, with warnings", false);
        desk.until("!document.querySelector('#wrong').innerText.includes('was refused')");
        desk.is_well();
    });
}

/// A question that waits for another opens in the same moment in which that one is closed.
#[test]
fn questions_are_asked_one_after_the_other() {
    within(60, || {
        let busy = Busy::start();
        let desk = Desk::open(&busy);
        desk.run(
            "(async () => {
                const { ask, show } = await import('/dashboard/ask.js');
                window.answers = [];
                ask({ title: 'First?', text: [], yes: 'Yes' }).then((answer) => window.answers.push(answer));
                ask({ title: 'Second?', text: [], yes: 'Yes' }).then((answer) => window.answers.push(answer));
                show({ title: 'Third', content: [] }).then((answer) => window.answers.push(answer));
            })()",
        );
        desk.answers("First", true);
        desk.answers("Second", false);
        desk.answers("Third", false);
        assert_eq!(desk.run("window.answers"), json!([true, false, false]));
        assert_eq!(desk.run("document.querySelector('#ask').open"), false);
        desk.is_well();
    });
}

#[test]
fn what_is_wrong_stands_first() {
    within(60, || {
        let busy = Busy::start();
        let desk = Desk::open(&busy);
        // The branch's PBX is down, and a certificate ends in twelve days.
        desk.shows("#wrong", "127.31.31.3");
        desk.shows("#wrong", "webtrit.example");
        desk.until("document.querySelector('#state').textContent.includes('to look at')");
        desk.row("#targets", &["127.31.31.3", "down"]);
        desk.row("#targets", &["127.31.31.2", "up"]);
        desk.row("#certificates", &["webtrit.example", "in 1"]);
        // The order of contract section 8.
        let order = desk.run("[...document.querySelectorAll('main#content > section')].map((one) => one.id)");
        let wanted = json!([
            "wrong",
            "now",
            "connections",
            "blacklist",
            "hosts",
            "tenants",
            "targets",
            "certificates",
            "explain"
        ]);
        assert_eq!(order, wanted);
        desk.is_well();
    });
}

/// Without tenants there is no section for them. Empty sections say what to do.
#[test]
fn an_empty_portward_says_what_to_do() {
    within(60, || {
        let busy = Busy::start();
        busy.portward.write_rules("");
        let desk = Desk::open(&busy);
        busy.ask("POST", "/v1/reload", None);
        desk.shows("#hosts", "There is no host yet");
        desk.shows("#targets", "No rule leads to a target yet");
        desk.shows("#connections", "No client is connected");
        desk.shows("#blacklist", "No address is blacklisted");
        desk.shows("#now", "Nothing was asked for yet");
        desk.until("document.querySelector('#tenants').hidden");
        eventually("it is alive", || busy.get("/v1/status")["rules"]["hosts"] == 0);
        desk.is_well();
    });
}
