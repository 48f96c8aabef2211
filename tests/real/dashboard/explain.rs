//! The form that shows where a request would go.

use super::busy::Busy;
use super::{Desk, one};
use crate::harness::within;

#[test]
fn the_form_answers_for_all_four_protocols() {
    within(90, || {
        let busy = Busy::start();
        let desk = Desk::open(&busy);
        let rules = busy.rules();
        let line = |text: &str| {
            format!("test.toml:{}", rules.lines().position(|line| line.contains(text)).unwrap() + 1)
        };
        let ask = |url: &str, more: &[(&str, &str)]| {
            for field in ["#e-from", "#e-bind", "#e-alias", "#e-cert"] {
                let value = more.iter().find(|(name, _)| *name == field).map_or("", |(_, value)| value);
                desk.fill(&one(field), value);
            }
            desk.fill(&one("#e-url"), url);
            desk.press("Enter");
        };
        for (url, more, verdict, text) in [
            ("https://hq.dvl-ckl2.net/PBX0/APPS/x", &[][..], "Let in", line("\"/PBX0/APPS\"")),
            ("https://hq.dvl-ckl2.net/other", &[], "Refused", "no-path".to_owned()),
            ("sips:anna@dvl-ckl2.net", &[("#e-cert", "CN=anna")], "Let in", line("sip = { tcp")),
            ("sip:anna@nobody.example", &[], "Refused", "unknown-host".to_owned()),
            (
                "ldap://dvl-ckl2.net",
                &[("#e-bind", "hq.dvl-ckl2.net\\ldap-guest")],
                "Let in",
                line("ldap = { tcp"),
            ),
            ("h323:dvl-ckl2.net", &[("#e-alias", "branch-b, 4711")], "Let in", line("h323 = { tcp")),
            ("h323:nobody.example", &[("#e-from", "198.51.100.7")], "Refused", "unknown-host".to_owned()),
        ] {
            ask(url, more);
            desk.until(&format!(
                "document.querySelector('#answer .verdict')?.textContent.includes({verdict:?}) && document.querySelector('#answer').innerText.includes({text:?})"
            ));
        }
        // A question that cannot be understood gets a message.
        ask("nonsense://x", &[]);
        desk.until("document.querySelector('#answer .failed') !== null");
        desk.is_well();
    });
}
