//! Access to the page: the log-in by token and by link, the end of a session, the read-only session, and other sites.

use serde_json::json;

use super::busy::Busy;
use super::{Desk, one};
use crate::harness::{Chromium, Message, Target, command, within};

#[test]
fn a_token_logs_in_by_the_form_and_out_again() {
    within(60, || {
        let busy = Busy::start();
        let desk = Desk::at(&busy, busy.admin);
        // Before the log-in the page has no data.
        desk.until("!document.querySelector('#log-in').hidden");
        assert_eq!(desk.run("document.querySelector('#content').checkVisibility()"), false);
        desk.try_log_in("wrong");
        desk.shows("#log-in-failed", "This token is wrong");
        assert!(desk.cookies().is_empty());
        desk.log_in(&busy.token());
        let cookies = desk.cookies();
        assert_eq!(cookies.len(), 1, "{cookies:?}");
        assert_eq!((&cookies[0]["httpOnly"], &cookies[0]["sameSite"]), (&json!(true), &json!("Strict")));
        // Scripts can read neither the cookie nor the token.
        assert_eq!(
            desk.run("document.cookie + JSON.stringify({ ...localStorage, ...sessionStorage })"),
            "{}"
        );
        assert_eq!(desk.run("document.querySelector('#token').value"), "");
        // The session survives a reload of the page.
        desk.go(&format!("{}/", desk.origin));
        desk.until("!document.querySelector('#content').hidden");
        desk.click(&one("#log-out"));
        desk.until("!document.querySelector('#log-in').hidden");
        desk.shows("#log-in", "You are logged out");
        // No data of the session stays in the document.
        assert_eq!(desk.run("document.querySelectorAll('#content td, #findings > *, #facts > *').length"), 0);
        assert!(desk.cookies().is_empty());
        desk.go(&format!("{}/", desk.origin));
        desk.until("!document.querySelector('#log-in').hidden");
        desk.is_well();
    });
}

#[test]
fn a_guess_after_many_is_told_that_there_were_too_many() {
    within(60, || {
        let busy = Busy::start();
        let desk = Desk::at(&busy, busy.admin);
        for _ in 0..11 {
            desk.run("document.querySelector('#log-in-failed').textContent = ''");
            desk.try_log_in("wrong");
            desk.shows("#log-in-failed", "This token is wrong");
        }
        desk.shows("#log-in-failed", "Too many wrong tokens");
        // The right token still logs in.
        desk.log_in(&busy.token());
        desk.is_well();
    });
}

#[test]
fn over_https_the_cookie_is_for_this_port_alone_and_never_goes_out_in_the_clear() {
    within(60, || {
        let busy = Busy::start_with(|setup| {
            setup
                .set("admin.certificate", "\"dvl-ckl2.net\"")
                .set("admin.names", "[\"portward.dvl-ckl2.net\"]")
        });
        let origin = format!("https://portward.dvl-ckl2.net:{}", busy.admin);
        let desk = Desk::visit(&busy, "MAP portward.dvl-ckl2.net 127.0.0.1", origin);
        desk.log_in(&busy.token());
        let cookies = desk.cookies();
        assert_eq!(
            (cookies.len(), &cookies[0]["secure"], &cookies[0]["httpOnly"]),
            (1, &json!(true), &json!(true))
        );
        assert!(cookies[0]["name"].as_str().unwrap().starts_with("__Host-"), "{cookies:?}");
        // Changes are possible as well.
        busy.ask("POST", "/v1/blacklist", Some(&json!({ "address": "198.51.100.7" })));
        desk.click_in_row("#blacklist", &["198.51.100.7"], "button");
        desk.answers("Remove 198.51.100.7", true);
        desk.says("198.51.100.7");
        assert_eq!(busy.get("/v1/blacklist")["count"], 0);
        desk.is_well();
    });
}

#[test]
fn a_link_of_the_command_logs_in_once() {
    within(60, || {
        let busy = Busy::start();
        let config = busy.portward.config().display().to_string();
        let said = command(20, busy.portward.dir(), &["dashboard", "--config", &config]);
        assert_eq!(said.code, 0, "{said:?}");
        let link = said.out.trim();
        assert!(link.starts_with(&format!("{}/login?code=", busy.origin())), "{link}");
        let desk = Desk::at(&busy, busy.admin);
        desk.go(link);
        desk.until("location.pathname === '/' && !document.querySelector('#content').hidden");
        // The code is removed from the address.
        assert_eq!(desk.run("location.href"), format!("{}/", desk.origin));
        desk.click(&one("#log-out"));
        desk.until("!document.querySelector('#log-in').hidden");
        desk.go(link);
        desk.until("document.body.innerText.includes('This link has been used')");
        desk.go(&format!("{}/", desk.origin));
        desk.until("!document.querySelector('#log-in').hidden");
        desk.is_well();
    });
}

#[test]
fn a_session_that_only_reads_has_no_buttons_that_change() {
    within(60, || {
        let busy = Busy::start();
        busy.ask("POST", "/v1/blacklist", Some(&json!({ "address": "198.51.100.7" })));
        let _anna = busy.ports().phone("203.0.113.40", "anna@dvl-ckl2.net", false).unwrap();
        busy.ports().get("203.0.113.41", "hq.dvl-ckl2.net", "/secret");
        let desk = Desk::open_with(&busy, &busy.reading_token());
        desk.row("#blacklist", &["198.51.100.7"]);
        desk.row("#connections", &["anna@"]);
        desk.row("#hosts", &["hq.dvl-ckl2.net"]);
        // "Why?" only reads.
        desk.click_in_row("#decisions", &["/secret"], "button");
        desk.shows("#decisions .detail", "no-path");
        let visible = desk.run(
            "[...document.querySelectorAll('button')].filter((one) => one.checkVisibility()).map((one) => one.textContent)",
        );
        let visible: Vec<&str> =
            visible.as_array().unwrap().iter().map(|one| one.as_str().unwrap()).collect();
        for word in ["Remove", "Add", "End", "Disable", "Enable", "Reload", "Blacklist"] {
            assert!(!visible.iter().any(|one| one.starts_with(word)), "{word}: {visible:?}");
        }
        desk.is_well();
    });
}

#[test]
fn the_page_goes_to_the_form_by_itself_when_its_token_is_replaced() {
    within(60, || {
        let busy = Busy::start();
        let desk = Desk::open(&busy);
        let config = busy.portward.config().display().to_string();
        let said = command(20, busy.portward.dir(), &["admin", "token", "--new", "--config", &config]);
        assert_eq!(said.code, 0, "{said:?}");
        desk.until("!document.querySelector('#log-in').hidden");
        desk.shows("#log-in", "The session has ended");
        assert_eq!(desk.run("document.querySelector('#content').checkVisibility()"), false);
        desk.log_in(said.out.trim());
        desk.is_well();
    });
}

/// A page of another origin. It shows the dashboard in a frame, asks the API, and tries to change something.
fn foreign(admin: u16) -> Target {
    Target::http(move |_: &Message, _| {
        let page = format!(
            "<!doctype html><title>elsewhere</title><iframe src=\"http://127.0.0.1:{admin}/\"></iframe>
             <script>
             const at = 'http://127.0.0.1:{admin}';
             const post = (headers, mode) => fetch(at + '/v1/blacklist', {{ method: 'POST', credentials: 'include', mode, headers,
                 body: JSON.stringify({{ address: '192.0.2.99' }}) }}).then((answer) => answer.status || answer.type, () => 'refused');
             window.done = Promise.all([
                 fetch(at + '/v1/status', {{ credentials: 'include' }}).then((answer) => answer.text(), () => 'refused'),
                 post({{ 'Content-Type': 'text/plain' }}, 'no-cors'),
                 post({{ 'Content-Type': 'application/json' }}, 'cors'),
             ]);
             </script>"
        );
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{page}", page.len())
    })
}

#[test]
fn another_site_can_neither_frame_nor_read_nor_change() {
    within(60, || {
        let busy = Busy::start();
        // The browser is logged in. Another port of the same machine is the same site, so the cookie is sent.
        let desk = Desk::open(&busy);
        let elsewhere = foreign(busy.admin);
        desk.go(&format!("http://127.0.0.1:{}/", elsewhere.port()));
        let came = desk.run("window.done");
        assert_eq!(came, json!(["refused", "refused", "refused"]));
        let frames = desk.call("Page.getFrameTree", json!({}));
        let frame = &frames["frameTree"]["childFrames"][0]["frame"];
        assert_eq!(frame["unreachableUrl"], format!("{}/", desk.origin), "{frames}");
        assert_eq!(busy.get("/v1/blacklist")["count"], 0);
    });
}

#[test]
fn a_name_that_is_not_the_ports_own_is_refused() {
    within(60, || {
        let busy = Busy::start();
        // DNS rebinding: a name of another site leads to this machine.
        let map = "MAP rebound.example 127.0.0.1, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1, EXCLUDE localhost";
        let browser = Chromium::start(&busy.portward.dir().join("ca.crt"), map, &["about:blank"]);
        let page = browser.watched();
        page.go(&format!("http://rebound.example:{}/", busy.admin));
        page.until("document.body.innerText.length > 0");
        assert_eq!(page.run("document.querySelector('#log-in')"), json!(null));
        let status = page.run("performance.getEntriesByType('navigation')[0].responseStatus");
        assert_eq!(status, 421);
        // Under the name localhost the page works as well.
        page.go(&format!("http://localhost:{}/", busy.admin));
        page.until("document.querySelector('#log-in') !== null");
    });
}
