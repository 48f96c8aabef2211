//! The daemon goes away and comes back, and so does the network. The page says so and continues by itself.

use serde_json::json;

use super::busy::Busy;
use super::{Desk, live};
use crate::harness::{Cable, within};

#[test]
fn the_page_says_that_the_daemon_is_gone_and_asks_for_a_log_in_when_it_is_back() {
    within(100, || {
        let busy = Busy::start();
        busy.ports().get("198.51.100.7", "hq.dvl-ckl2.net", "/PBX0/APPS/before");
        let desk = Desk::open(&busy);
        desk.row("#decisions", &["/before"]);
        busy.portward.terminate();
        busy.portward.wait();
        desk.until("(() => { const lost = document.querySelector('#lost'); return !lost.hidden && lost.getAttribute('role') === 'alert' && lost.textContent.includes('does not answer'); })()");
        // The earlier contents can still be read.
        desk.row("#decisions", &["/before"]);
        let busy = busy.restart();
        // Sessions end with the daemon. The page says so, and does not send requests in vain.
        desk.until("!document.querySelector('#log-in').hidden");
        desk.shows("#log-in", "The session has ended");
        desk.log_in(&busy.token());
        desk.until("document.querySelector('#lost').hidden");
        busy.ports().get("198.51.100.7", "hq.dvl-ckl2.net", "/PBX0/APPS/after");
        live::only(&desk, &["/after"]);
        desk.is_well();
    });
}

#[test]
fn a_page_that_gets_no_answer_at_its_start_says_so_and_asks_again() {
    within(60, || {
        let busy = Busy::start();
        let desk = Desk::at(&busy, busy.admin);
        desk.log_in(&busy.token());
        // The page's files are loaded, and then Portward is gone.
        desk.call("Network.setBlockedURLs", json!({ "urls": ["*/v1/*"] }));
        desk.go(&format!("{}/", desk.origin));
        desk.shows("#log-in", "Portward does not answer");
        assert_eq!(desk.run("document.querySelector('#log-in button').disabled"), true);
        desk.call("Network.setBlockedURLs", json!({ "urls": [] }));
        // The session is still valid.
        desk.until("!document.querySelector('#content').hidden");
        desk.is_well();
    });
}

#[test]
fn a_connection_that_is_lost_for_a_moment_costs_neither_a_log_in_nor_a_row() {
    within(90, || {
        let busy = Busy::start();
        let cable = Cable::to(busy.admin);
        let desk = Desk::at(&busy, cable.port);
        desk.log_in(&busy.token());
        let get = |path: &str| busy.ports().get("198.51.100.7", "hq.dvl-ckl2.net", path);
        get("/PBX0/APPS/one");
        live::only(&desk, &["/one"]);
        // The connections are cut only once. The page follows again at once.
        cable.cut();
        get("/PBX0/APPS/two");
        live::only(&desk, &["/one", "/two"]);
        cable.unplug();
        desk.until("!document.querySelector('#lost').hidden");
        get("/PBX0/APPS/three");
        get("/PBX0/APPS/four");
        cable.plug();
        live::only(&desk, &["/one", "/two", "/three", "/four"]);
        desk.until("document.querySelector('#lost').hidden");
        assert_eq!(desk.run("document.querySelector('#log-in').hidden"), true);
        get("/PBX0/APPS/five");
        live::only(&desk, &["/one", "/two", "/three", "/four", "/five"]);
        desk.is_well();
    });
}
