//! A telephone in a page of a real browser.

use std::fs;

use serde_json::{Value, json};

use crate::harness::kamailio::PASSWORD;
use crate::harness::{Chromium, Message, Page, Portward, Target, eventually, node_file};

/// The library that speaks SIP in a page.
#[derive(Clone, Copy, Debug)]
pub(super) enum Library {
    JsSip,
    SipJs,
}

/// The web server of the page.
pub(super) fn pages() -> Target {
    Target::http(|request: &Message, _| {
        let (kind, body) = match request.target() {
            "/lib/jssip.js" => ("text/javascript", fs::read(node_file("jssip.js")).unwrap()),
            "/lib/sip.js" => ("text/javascript", fs::read(node_file("sip.js")).unwrap()),
            "/phone.js" => ("text/javascript", include_bytes!("phone.js").to_vec()),
            _ => ("text/html", include_bytes!("phone.html").to_vec()),
        };
        let length = body.len();
        let head = format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {length}\r\n\r\n");
        [head.into_bytes(), body].concat()
    })
    .forgetful()
}

/// A browser whose connections to `*.example.net` and `*.example` lead to this port of Portward. It has a microphone
/// that beeps.
pub(super) fn browser(portward: &Portward, port: u16) -> Chromium {
    // The sound between pages uses loopback.
    browser_with(portward, port, &["--allow-loopback-in-peer-connection", "about:blank"])
}

/// The same with these arguments.
pub(super) fn browser_with(portward: &Portward, port: u16, more: &[&str]) -> Chromium {
    let usual = [
        "--use-fake-device-for-media-stream",
        "--use-fake-ui-for-media-stream",
        "--autoplay-policy=no-user-gesture-required",
        "--disable-features=WebRtcHideLocalIpsWithMdns",
        // Pages in the background keep their timers, too.
        "--disable-background-timer-throttling",
        "--disable-backgrounding-occluded-windows",
        "--disable-renderer-backgrounding",
    ];
    let end = format!("127.0.0.1:{port}");
    let map = format!("MAP *.example.net:443 {end}, MAP *.example:443 {end}, MAP * ~NOTFOUND");
    Chromium::start(&portward.dir().join("ca.crt"), &map, &[&usual, more].concat())
}

/// A page with a telephone.
pub(super) struct Phone {
    page: Page,
}

impl Phone {
    /// Opens the page and registers, with the PBX's password.
    pub(super) fn start(browser: &Chromium, user: &str, library: Library) -> Self {
        let phone = Self::open(browser, user, library, [user, PASSWORD]);
        phone.until("registered");
        phone
    }

    /// Opens the page, which registers with this login.
    pub(super) fn open(
        browser: &Chromium,
        user: &str,
        library: Library,
        [login, password]: [&str; 2],
    ) -> Self {
        let page = browser.open("https://web.example.net/");
        eventually("the page is there", || page.run("typeof SipJsPhone") == "function");
        let phone = Self { page };
        let class = match library {
            Library::JsSip => "JsSipPhone",
            Library::SipJs => "SipJsPhone",
        };
        let who = json!({ "user": user, "domain": "pbx.example.net", "login": login, "password": password });
        phone.run(&format!("phone = new {class}({who}); phone.start(); true"));
        phone
    }

    /// The value of a JavaScript expression in the page. A failure shows the page's events.
    pub(super) fn run(&self, expression: &str) -> Value {
        self.page.try_run(expression).unwrap_or_else(|error| {
            let story = self.page.try_run("story.join('\\n')");
            panic!("{expression}: {error}; the page saw:\n{story:#?}")
        })
    }

    /// Waits for an event.
    pub(super) fn until(&self, what: &str) {
        self.run(&format!("until({})", json!(what)));
    }

    /// Calls somebody.
    pub(super) fn dial(&self, user: &str) {
        self.run(&format!("phone.call({}); true", json!(user)));
    }

    /// Takes the incoming call.
    pub(super) fn answer(&self) {
        self.until("rings");
        self.run("phone.answer(); true");
        self.until("confirmed");
    }

    /// Calls another page, which takes the call. Waits until both have sound.
    pub(super) fn call(&self, user: &str, other: &Self) {
        self.dial(user);
        other.answer();
        self.until("confirmed");
        self.hears();
        other.hears();
    }

    /// Waits until there is sound from the other side.
    pub(super) fn hears(&self) {
        self.run("heard()");
    }

    /// Puts the call on hold, and takes it back.
    pub(super) fn hold(&self, other: &Self) {
        self.run("phone.hold()");
        self.run("direction('sendonly')");
        other.run("direction('recvonly')");
        self.run("phone.unhold()");
        self.run("direction('sendrecv')");
        other.run("direction('sendrecv')");
    }

    /// Ends the call. The other side is told.
    pub(super) fn hang_up(&self, other: &Self) {
        self.run("phone.hangUp(); true");
        self.until("ended");
        other.until("ended");
    }
}
