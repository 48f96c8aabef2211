//! Only the keyboard is used: from the log-in to every section, and through a question.

use serde_json::json;

use super::Desk;
use super::busy::Busy;
use crate::harness::within;

/// Presses Tab until the focus is on the element for the selector.
fn tab_to(desk: &Desk, selector: &str) {
    for _ in 0..250 {
        if desk.run(&format!("document.activeElement?.matches({}) === true", json!(selector))) == true {
            return;
        }
        desk.press("Tab");
    }
    panic!("the focus does not come to {selector}");
}

/// The sections and regions that the focus visits from here to the end of the page. In each place the focus is visible.
fn tour(desk: &Desk) -> Vec<String> {
    let mut visited = Vec::new();
    for _ in 0..400 {
        desk.press("Tab");
        let place = desk.run(
            "(() => {
                const now = document.activeElement;
                if (now === null || now === document.body) return '';
                const style = getComputedStyle(now);
                const isSeen = style.outlineStyle !== 'none' && parseFloat(style.outlineWidth) > 0 || style.boxShadow !== 'none';
                const name = now.closest('section, dialog, nav, header')?.id || now.closest('nav, header, main')?.tagName || now.className;
                return isSeen ? name : `${name}: the focus is not to be seen on ${now.outerHTML}`;
            })()",
        );
        let place = place.as_str().unwrap().to_owned();
        if place.is_empty() {
            break;
        }
        assert!(!place.contains("not to be seen"), "{place}");
        if visited.last() != Some(&place) {
            visited.push(place);
        }
    }
    visited
}

#[test]
fn everything_can_be_done_by_keyboard() {
    within(110, || {
        let busy = Busy::start();
        busy.ask("POST", "/v1/blacklist", Some(&json!({ "address": "198.51.100.7" })));
        let mut anna = busy.ports().phone("203.0.113.40", "anna@dvl-ckl2.net", false).unwrap();
        busy.ports().get("203.0.113.41", "hq.dvl-ckl2.net", "/secret");
        let desk = Desk::at(&busy, busy.admin);
        desk.until("document.activeElement?.id === 'token'");
        desk.type_text(&busy.token());
        desk.press("Enter");
        desk.until("!document.querySelector('#content').hidden");
        desk.row("#connections", &["anna@"]);
        desk.row("#blacklist", &["198.51.100.7"]);
        desk.row("#tenants", &["XYZ"]);
        desk.row("#decisions", &["/secret"]);

        // From the top to the end, in the order of the page. The first tour began after the log-in.
        tour(&desk);
        let visited = tour(&desk);
        let mut sections = visited.iter();
        for section in ["NAV", "now", "connections", "blacklist", "hosts", "tenants", "explain"] {
            assert!(
                sections.any(|one| one == section || section == "NAV" && one == "top"),
                "{section} in its turn: {visited:?}"
            );
        }

        // A question: the focus goes into it and stays there, Escape means no, and then the focus goes back.
        tab_to(&desk, "#reload");
        desk.press("Enter");
        desk.until("document.querySelector('#ask').open");
        for _ in 0..6 {
            let inside = desk.run("document.querySelector('#ask').contains(document.activeElement) || document.activeElement === document.body");
            assert_eq!(inside, true);
            desk.press("Tab");
        }
        desk.press("Escape");
        desk.until("!document.querySelector('#ask').open && document.activeElement?.id === 'reload'");
        assert_eq!(busy.get("/v1/status")["last_reload"], json!(null));

        // A connection is ended.
        tab_to(&desk, "#connections td.actions button");
        desk.press("Enter");
        desk.until("document.querySelector('#ask').open");
        tab_to(&desk, "#ask-yes");
        desk.press("Enter");
        desk.says("was ended");
        assert!(anna.rest().is_empty());
        // An entry is removed by Space.
        tab_to(&desk, "#blacklist td.actions button");
        desk.press("Space");
        desk.until("document.querySelector('#ask').open");
        tab_to(&desk, "#ask-yes");
        desk.press("Space");
        desk.says("is off the blacklist");
        // "Why?", and the remedy.
        tab_to(&desk, "#decisions button.why");
        desk.press("Enter");
        desk.until("document.querySelector('#decisions .detail .remedy') !== null");
        tab_to(&desk, "#decisions .detail summary");
        desk.press("Enter");
        desk.until("document.querySelector('#decisions .detail .remedy').open");
        // The form of explain.
        tab_to(&desk, "#e-url");
        desk.type_text("https://hq.dvl-ckl2.net/PBX0/APPS/x");
        desk.press("Enter");
        desk.shows("#answer", "Let in");
        tab_to(&desk, "#log-out");
        desk.press("Enter");
        desk.until("document.activeElement?.id === 'token'");
        desk.is_well();
    });
}
