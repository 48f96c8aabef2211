//! Many decisions: the page's size stays constant. `cargo bench --bench dashboard` measures this for five minutes.

use super::Desk;
use super::busy::Busy;
use super::traffic::flood;
use crate::harness::{eventually, within};

/// The page's size after a garbage collection.
fn taken(desk: &Desk) -> (f64, f64) {
    (desk.measured("Nodes"), desk.measured("JSHeapUsedSize"))
}

#[test]
fn fifty_thousand_decisions_leave_the_page_as_large_as_ten_thousand() {
    within(240, || {
        // A fast machine makes more new connections a second than the limit of an address.
        let busy = Busy::start_with(|setup| {
            setup.set("log.forwarded", "[]").set("limits.new_connections_per_second", "100000")
        });
        let desk = Desk::open(&busy);
        let ports = busy.ports();
        let marked = |text: &str| {
            ports.get("198.51.100.200", "hq.dvl-ckl2.net", &format!("/PBX0/APPS/{text}"));
            desk.row("#decisions", &[text]);
        };
        flood(ports, 10_000, None);
        marked("first-part");
        let (nodes, heap) = taken(&desk);
        flood(ports, 40_000, None);
        marked("second-part");
        assert!(desk.rows("#decisions") <= 110);
        // A few rows more or less, and compiled code that the engine keeps. The engine frees removed rows after a
        // while. A leak would exceed this.
        eventually("the page is as large as before", || {
            let (more_nodes, more_heap) = taken(&desk);
            println!("nodes: {nodes}, then {more_nodes}; heap: {heap}, then {more_heap}");
            more_nodes < nodes * 1.15 + 500.0 && more_heap < heap * 1.25 + 1_000_000.0
        });
        desk.is_well();
    });
}
