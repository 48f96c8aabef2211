//! A host that vanishes without an error: packets to it are lost.

use std::time::{Duration, Instant};

use super::targets;
use crate::dead_hosts::{GET, Network};
use crate::harness::{Wire, within};

/// Row: a machine that is switched off. Its address costs one connect timeout in all of Portward, not one for each
/// request.
#[test]
fn a_silently_dead_first_address_costs_one_timeout_for_all() {
    within(110, || {
        let network = Network::start();
        network.lose_the_first_host();
        let wave = |count: usize| {
            let mut clients: Vec<Wire> = (0..count).map(|_| network.client()).collect();
            let before = network.opened();
            let begin = Instant::now();
            clients.iter_mut().for_each(|client| client.send(GET));
            assert!(clients.iter_mut().all(|client| client.response().text() == "second"));
            println!("{count} answers after {:.1} s", begin.elapsed().as_secs_f64());
            (network.opened() - before, begin.elapsed())
        };
        // All of these come before the fault is known. Each waits for a second at most, and one of them for the whole
        // timeout.
        let (_, time) = wave(40);
        assert!(time < Duration::from_secs(15), "{time:?}");
        // In the next ten seconds the dead address is dialled at most once.
        let (opened, time) = wave(40);
        assert!(opened <= 41, "{opened} connections for 40 requests");
        assert!(time < Duration::from_secs(10), "{time:?}");
        let line = network.portward.line(&["target 10.73.0.2:", "is down: timed-out"]);
        let told = network.portward.lines().iter().filter(|other| other.contains("is down")).count();
        assert_eq!(told, 1, "{line}");
        // The administration socket shows the same.
        let all = targets(&network.portward);
        assert!(all.iter().any(|one| one["state"] == "down" && one["why"] == "timed-out"), "{all:?}");
    });
}
