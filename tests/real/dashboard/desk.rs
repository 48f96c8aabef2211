//! An administrator's browser on the dashboard.

use std::ops::Deref;

use serde_json::json;

use super::busy::Busy;
use crate::harness::{Chromium, Page};

/// A browser on the dashboard.
pub struct Desk {
    page: Page,
    /// `http://127.0.0.1:PORT`, as the browser calls it.
    pub origin: String,
    _browser: Chromium,
}

impl Deref for Desk {
    type Target = Page;

    fn deref(&self) -> &Page {
        &self.page
    }
}

impl Desk {
    /// A browser on the page of that port, not logged in.
    pub fn at(busy: &Busy, port: u16) -> Self {
        // Hosts other than this machine do not exist for it.
        Self::visit(busy, "EXCLUDE localhost", format!("http://127.0.0.1:{port}"))
    }

    /// The same under another name, which leads there by this resolver rule.
    pub fn visit(busy: &Busy, map: &str, origin: String) -> Self {
        let map = format!("{map}, MAP * ~NOTFOUND, EXCLUDE 127.0.0.1");
        let browser = Chromium::start(&busy.portward.dir().join("ca.crt"), &map, &["about:blank"]);
        let page = browser.watched();
        page.size((1440, 900), false);
        page.go(&format!("{origin}/"));
        Self { page, origin, _browser: browser }
    }

    /// The same, logged in with the token that allows changes.
    pub fn open(busy: &Busy) -> Self {
        Self::open_with(busy, &busy.token())
    }

    /// The same, logged in with this token.
    pub fn open_with(busy: &Busy, token: &str) -> Self {
        let desk = Self::at(busy, busy.admin);
        desk.log_in(token);
        desk
    }

    /// Types the token into the form, and waits for the page.
    pub fn log_in(&self, token: &str) {
        self.try_log_in(token);
        self.until("document.querySelector('#log-in').hidden && !document.querySelector('#content').hidden");
        self.until("document.querySelector('#facts').childElementCount > 0");
    }

    /// Types the token into the form.
    pub fn try_log_in(&self, token: &str) {
        self.until("!document.querySelector('#log-in').hidden");
        self.fill(&one("#token"), token);
        self.click(&one("#log-in button"));
    }

    /// Waits for a row of a table that has all of these texts.
    pub fn row(&self, table: &str, texts: &[&str]) {
        self.until(&row(table, texts));
    }

    /// Waits until there is no such row.
    pub fn no_row(&self, table: &str, texts: &[&str]) {
        self.until(&format!("!{}", row(table, texts)));
    }

    /// The number of rows.
    pub fn rows(&self, table: &str) -> u64 {
        self.run(&format!("document.querySelectorAll({}).length", json!(format!("{table} tbody tr"))))
            .as_u64()
            .unwrap()
    }

    /// Clicks a button in a row.
    pub fn click_in_row(&self, table: &str, texts: &[&str], button: &str) {
        self.click(&format!("{}?.querySelector({})", row(table, texts), json!(button)));
    }

    /// Waits for the question with this title, answers it, and waits until the dialog was closed. The next question may
    /// open at once, so the dialog's `close` event is awaited and not its state.
    pub fn answers(&self, title: &str, yes: bool) {
        self.until(&format!(
            "(() => {{
                const dialog = document.querySelector('#ask');
                if (!dialog.open || !document.querySelector('#ask-title').textContent.includes({})) return false;
                window.wasAnswered = false;
                dialog.addEventListener('close', () => {{ window.wasAnswered = true; }}, {{ once: true }});
                return true;
            }})()",
            json!(title)
        ));
        self.click(&one(if yes { "#ask-yes" } else { "#ask-no" }));
        self.until("window.wasAnswered");
    }

    /// Waits until the page shows this message.
    pub fn says(&self, words: &str) {
        self.until(&format!("document.querySelector('#said').textContent.includes({})", json!(words)));
    }

    /// Waits until a section shows this text.
    pub fn shows(&self, section: &str, text: &str) {
        self.until(&format!(
            "document.querySelector({})?.innerText.includes({})",
            json!(section),
            json!(text)
        ));
    }

    /// Moves the pointer away from the page's contents.
    pub fn point_away(&self) {
        self.call("Input.dispatchMouseEvent", json!({ "type": "mouseMoved", "x": 2, "y": 2 }));
    }

    /// Fails the test if the page had errors, or if it asked another server.
    pub fn is_well(&self) {
        self.page.is_well(&self.origin);
    }
}

/// The element for this selector, as a JavaScript expression.
pub fn one(selector: &str) -> String {
    format!("document.querySelector({})", json!(selector))
}

/// The row of a table that has all of these texts, as a JavaScript expression.
pub fn row(table: &str, texts: &[&str]) -> String {
    format!(
        "[...document.querySelectorAll({})].find((row) => {}.every((text) => row.textContent.includes(text)))",
        json!(format!("{table} tbody tr")),
        json!(texts)
    )
}
