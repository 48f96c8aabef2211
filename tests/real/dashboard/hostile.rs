//! Texts of clients and administrators are shown as text on the page, whatever they contain.

use serde_json::json;

use super::busy::Busy;
use super::{Desk, row};
use crate::harness::sip::request;
use crate::harness::within;

const IMAGE: &str = "<img src=x onerror=alert(1)>";
const SCRIPT: &str = "</script><script>alert(2)</script>";
const TURNED: &str = "\u{202e}moc.elpmaxe\u{2066}\u{200f}";

/// Every kind of client sends these texts.
fn send(busy: &Busy) {
    let clients = busy.ports();
    let long = "A".repeat(4096);
    for (number, text) in [IMAGE, SCRIPT, TURNED, &long].iter().enumerate() {
        let client = format!("198.51.100.{}", 50 + number);
        let path = text.replace(' ', "%20");
        for (host, path, agent) in [
            ("hq.dvl-ckl2.net", &*format!("/{path}"), *text),
            (*text, "/x", "x"),
            ("hq.dvl-ckl2.net", "/x", *text),
        ] {
            clients.send(
                &client,
                &format!(
                    "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: {agent}\r\nReferer: {agent}\r\n\r\n"
                ),
            );
        }
        // One of them is forwarded, so that it is in the live table as well.
        clients.send(
            &client,
            &format!("GET /PBX0/APPS/{path} HTTP/1.1\r\nHost: hq.dvl-ckl2.net\r\nConnection: close\r\n\r\n"),
        );
        let user: String = text
            .bytes()
            .map(|octet| {
                if octet.is_ascii_alphanumeric() {
                    char::from(octet).to_string()
                } else {
                    format!("%{octet:02X}")
                }
            })
            .collect();
        clients.sip(
            &client,
            &request("REGISTER", &format!("{user}@dvl-ckl2.net"), &format!("User-Agent: {text}\r\n")),
        );
        clients.sip(&client, &request("REGISTER", &format!("{text}@nobody.example"), ""));
        let short: String = text.chars().take(100).collect();
        drop(clients.book(&client, &format!("dvl-ckl2.net\\{short}")));
        drop(clients.book(&client, &format!("nobody.example\\{short}")));
        drop(clients.endpoint(&client, "dvl-ckl2.net", &short));
        drop(clients.endpoint(&client, &short, "x"));
    }
}

#[test]
fn hostile_text_is_text() {
    within(110, || {
        let busy = Busy::start();
        send(&busy);
        let clients = busy.ports();
        let kept = [
            clients.phone("198.51.100.70", "%3Cimg%20src%3Dx%20onerror%3Dalert(1)%3E@dvl-ckl2.net", false),
            clients.endpoint("198.51.100.71", "dvl-ckl2.net", IMAGE),
            clients.endpoint("198.51.100.71", "dvl-ckl2.net", TURNED),
        ];
        for (number, text) in [IMAGE, SCRIPT, TURNED, &"A".repeat(500), &"A".repeat(4096)].iter().enumerate()
        {
            let address = format!("192.0.2.{}", 10 + number);
            busy.ask("POST", "/v1/blacklist", Some(&json!({ "address": address, "note": text })));
            let tenant = json!({ "name": text, "target": "192.0.2.1" });
            busy.ask("PUT", &format!("/v1/tenants/t{number}"), Some(&tenant));
        }
        let desk = Desk::at(&busy, busy.admin);
        let elements =
            "document.querySelectorAll('img, script, iframe, object, embed, link, base, style').length";
        let before = desk.run(elements);
        desk.log_in(&busy.token());
        desk.row("#blacklist", &[IMAGE]);
        desk.row("#blacklist", &[SCRIPT]);
        desk.row("#blacklist", &["\\u{202e}moc.elpmaxe\\u{2066}\\u{200f}"]);
        desk.row("#tenants", &[IMAGE]);
        desk.row("#tenants", &[SCRIPT]);
        desk.row("#connections", &["198.51.100.70"]);
        desk.row("#decisions", &["198.51.100.53"]);
        // Opens every "why?", and every question that contains one of these texts.
        let buttons = desk.rows("#decisions");
        assert!(buttons > 30, "{buttons}");
        desk.run("document.querySelectorAll('#decisions button.why').forEach((one) => one.click())");
        desk.until("!document.querySelector('#decisions').innerText.includes('Asking…')");
        desk.click(&format!("{}.querySelector('button')", row("#blacklist", &[IMAGE])));
        desk.answers("Remove", false);
        desk.click(&format!("{}.querySelector('button')", row("#tenants", &[IMAGE])));
        desk.answers("Disable tenant", false);
        desk.click(&format!("{}.querySelector('button')", row("#connections", &["198.51.100.71"])));
        desk.answers("End the connection", false);
        assert_eq!(desk.run(elements), before, "nothing of it became an element");
        // Characters that turn the direction of text are shown as escapes.
        let turned = desk.run(
            "[...document.querySelectorAll('main td')].flatMap((cell) => {
                const walker = document.createTreeWalker(cell, NodeFilter.SHOW_TEXT);
                const found = [];
                while (walker.nextNode()) {
                    if (/[\\u200e\\u200f\\u202a-\\u202e\\u2066-\\u2069]/.test(walker.currentNode.data)) found.push(cell.innerHTML);
                }
                return found;
            })",
        );
        assert_eq!(turned, json!([]));
        for width in [360, 1440] {
            desk.size((width, 740), width == 360);
            desk.until("document.documentElement.scrollWidth <= document.documentElement.clientWidth");
        }
        desk.is_well();
        drop(kept);
        busy.portward.assert_alive();
    });
}
