//! Facts that the daemon remembers for people, and how they are shown (contract section 8): the last hour, the busiest
//! hosts and clients, the targets.

mod history;
mod live;
mod targets;
mod top;

use std::os::unix::net::UnixStream;

use serde_json::Value;

use crate::harness::{Portward, Setup, curl, eventually};

/// Starts it, and waits until its socket answers.
fn start(setup: Setup) -> Portward {
    let portward = setup.start();
    eventually("it listens", || UnixStream::connect(portward.dir().join("portward.sock")).is_ok());
    portward
}

/// The status and the JSON of an answer to GET.
fn ask(portward: &Portward, resource: &str) -> (String, Value) {
    let socket = portward.dir().join("portward.sock").display().to_string();
    let url = format!("http://portward/v1/{resource}");
    let said = curl(&["--unix-socket", &socket, "-w", "%{http_code}", &url]).out;
    let (json, status) = said.rsplit_once('\n').unwrap();
    (status.to_owned(), serde_json::from_str(json).unwrap())
}

/// The JSON of an answer with status 200.
fn get(portward: &Portward, resource: &str) -> Value {
    let (status, json) = ask(portward, resource);
    assert_eq!(status, "200", "{json}");
    json
}

/// The message for a question that cannot be understood.
fn refused(portward: &Portward, resource: &str) -> String {
    let (status, json) = ask(portward, resource);
    assert_eq!(status, "400", "{resource}: {json}");
    json["error"].as_str().unwrap().to_owned()
}
