//! Health and fail-over (contract section 8, Health): how Portward notices that a target is away, and its reaction. The
//! table in docs/failover.md names these tests.

mod beside;
mod black_hole;
mod blame;
mod checks;
mod dialogs;
mod hostile;
mod moves;
mod names;
mod reload;
mod shown;

use std::net::{Ipv4Addr, SocketAddr};

use serde_json::Value;

use crate::harness::{Conn, Identity, Portward, Target, curl, eventually};

/// A loopback address, so that each target has one of its own.
fn ip(last: u8) -> Ipv4Addr {
    Ipv4Addr::new(127, 0, 1, last)
}

/// A target on such an address, on the port of another target.
fn target_at(last: u8, port: u16, script: impl Fn(&mut Conn) + Send + Sync + 'static) -> Target {
    Target::listen_at(SocketAddr::from((ip(last), port)), None, script)
}

/// The same on any port, and with TLS if there is an identity.
fn target(
    last: u8,
    identity: Option<&Identity>,
    script: impl Fn(&mut Conn) + Send + Sync + 'static,
) -> Target {
    Target::listen(ip(last), identity, script)
}

/// The targets in `/v1/targets`.
fn targets(portward: &Portward) -> Vec<Value> {
    let socket = portward.dir().join("portward.sock").display().to_string();
    let said = curl(&["--silent", "--unix-socket", &socket, "http://portward/v1/targets?limit=1000"]);
    let answer: Value = serde_json::from_str(&said.out).unwrap_or_default();
    answer["targets"].as_array().cloned().unwrap_or_default()
}

/// One of them, by address and port.
fn state_of(portward: &Portward, target: &str) -> Value {
    targets(portward).into_iter().find(|one| one["target"] == target).unwrap_or_default()
}

/// Waits until a target is in a state.
fn becomes(portward: &Portward, target: &str, state: &str) {
    eventually(&format!("{target} is {state}"), || state_of(portward, target)["state"] == state);
}

/// The lines of the log that tell of a change of a target's state.
fn changes(portward: &Portward, target: &str) -> Vec<String> {
    let about = format!("target {target} is ");
    portward.lines().into_iter().filter(|line| line.contains(&about)).collect()
}
