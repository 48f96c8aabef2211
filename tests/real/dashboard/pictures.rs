//! The look of the page: every run makes the pictures for README.md and docs/dashboard.md, and people look at them.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::json;

use super::busy::Busy;
use super::traffic::Traffic;
use super::{Desk, one};
use crate::harness::{Setup, within};

/// For how many minutes clients come before the pictures are made. The curves show an hour.
const MINUTES: &str = "PORTWARD_SCREENSHOT_MINUTES";

/// The largest picture for the documentation, in octets.
const LARGEST: usize = 250_000;

fn folder() -> PathBuf {
    let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).join("dashboard");
    fs::create_dir_all(&folder).unwrap();
    folder
}

fn keep(desk: &Desk, name: &str) {
    // Waits for the fonts and for the last messages.
    desk.run("document.fonts.ready.then(() => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(() => done(true)))))");
    let picture = desk.picture(false);
    assert!(picture.len() < LARGEST, "{name}: {} octets", picture.len());
    fs::write(folder().join(format!("dashboard-{name}.png")), picture).unwrap();
}

#[test]
fn pictures_of_the_page() {
    let minutes: f64 = std::env::var(MINUTES).map_or(0.0, |minutes| minutes.parse().unwrap());
    within(100 + (minutes * 60.0) as u64, move || {
        // Then the paths in the picture are short.
        let busy = Busy::start_with(Setup::relative);
        for (address, note, expiration) in [
            ("198.51.100.0/28", "password spraying, reported to the provider", "30d"),
            ("2001:db8:66::/48", "", "never"),
        ] {
            let body = json!({ "address": address, "note": note, "expiration": expiration });
            busy.ask("POST", "/v1/blacklist", Some(&body));
        }
        let traffic =
            Traffic::start(busy.ports(), Duration::from_millis(if minutes > 1.0 { 700 } else { 60 }));
        let desk = Desk::at(&busy, busy.admin);
        desk.prefers(&[("prefers-color-scheme", "light"), ("prefers-reduced-motion", "reduce")]);
        desk.until("!document.querySelector('#log-in').hidden");
        keep(&desk, "login");
        let token = busy.token();
        desk.log_in(&token);
        std::thread::sleep(Duration::from_secs_f64(minutes * 60.0));
        desk.until_within(
            Duration::from_secs(60),
            "document.querySelectorAll('#decisions tbody tr').length > 60",
        );
        desk.until_within(
            Duration::from_secs(30),
            "(document.querySelector('#now figure .let-in').getAttribute('d') ?? '').length > 12",
        );
        let _connected = traffic.stop();
        busy.ports().get("192.0.2.200", "hq.dvl-ckl2.net", "/PBX0/ADMIN/mod_cmd_login.xml");
        desk.row("#decisions", &["mod_cmd_login"]);
        desk.run("document.activeElement?.blur(); scrollTo(0, 0)");
        for (name, colours, (width, height)) in
            [("light", "light", (1440, 900)), ("dark", "dark", (1440, 900)), ("phone", "light", (360, 740))]
        {
            desk.prefers(&[("prefers-color-scheme", colours), ("prefers-reduced-motion", "reduce")]);
            desk.size((width, height), width == 360);
            desk.run("scrollTo(0, 0)");
            keep(&desk, name);
            let whole = desk.picture(true);
            fs::write(folder().join(format!("whole-{name}.png")), whole).unwrap();
        }
        desk.size((1440, 900), false);
        desk.prefers(&[("prefers-color-scheme", "light"), ("prefers-reduced-motion", "reduce")]);
        desk.click_in_row("#decisions", &["mod_cmd_login"], "button");
        desk.click(&one("#decisions .detail .remedy summary"));
        desk.until("document.querySelector('#decisions .detail .remedy').open");
        desk.point_away();
        desk.run(
            "const list = document.querySelector('#decisions').closest('.table');
             list.scrollIntoView({ block: 'center', behavior: 'instant' });
             list.scrollTo(0, 0)",
        );
        keep(&desk, "why");
        desk.is_well();
    });
}
