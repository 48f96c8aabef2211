//! How an administrator looks at the running daemon (contract section 8): commands and resources, with traffic of all
//! four services.

mod api;
mod certificates;
mod decisions;
mod explain;
mod questions;
mod reload;
mod status;

use std::os::unix::net::UnixStream;

use ldap3_proto::proto::LdapResultCode::Success;
use portward::demo::ras::request as registration;
use serde_json::Value;

use crate::harness::directory::{answer, bind, directory};
use crate::harness::h323::{confirmed_by, gatekeeper};
use crate::harness::sip::{next_message, pbx, request};
use crate::harness::{Output, PASSWORD, Portward, Setup, Target, Wire, command, curl, eventually};

const KNOWN: &[&str] = &["ckl@one.example.net"];

/// A host's targets for all services.
struct Inside {
    web: Target,
    phone: Target,
    book: Target,
    keeper: Target,
}

impl Inside {
    fn new() -> Self {
        Self {
            web: Target::named("here"),
            phone: pbx("here"),
            book: directory(KNOWN, PASSWORD, 1),
            keeper: gatekeeper("here"),
        }
    }

    fn rules(&self) -> String {
        format!(
            "[[host]]\nname = \"*.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"/open\", tcp = {}, tls = false }}]\n\
             sip = {{ tcp = {}, tls = false }}\nldap = {{ tcp = {}, tls = false }}\nh323 = {{ tcp = {}, tls = false }}\n",
            self.web.port(),
            self.phone.port(),
            self.book.port(),
            self.keeper.port()
        )
    }

    fn setup(&self) -> Setup {
        let setup =
            Portward::rules(&self.rules()).set("log.ended", "\"all\"").set("upstream.verify", "\"ca\"");
        setup.listen("sip").listen("sips").listen("ldap").listen("h323")
    }

    fn start(&self) -> Portward {
        started(self.setup())
    }
}

fn started(setup: Setup) -> Portward {
    let portward = setup.start();
    eventually("it can be asked", || UnixStream::connect(portward.dir().join("portward.sock")).is_ok());
    portward
}

/// A decision of each service, and two refused requests. The connections stay open.
fn traffic(portward: &Portward) -> Vec<Wire> {
    let mut http = portward.plain();
    assert_eq!(http.get("one.example.net", "/open/a?token=s3cret").text(), "here");
    http.get("one.example.net", "/shut");
    let mut sip = Wire::tls(portward.port("sips"), "one.example.net");
    sip.send(request("REGISTER", "ckl@one.example.net", ""));
    assert_eq!(next_message(&mut sip).unwrap().status(), 200);
    let mut ldap = Wire::plain(portward.port("ldap"));
    ldap.send(bind(1, KNOWN[0], PASSWORD));
    assert_eq!(answer(&mut ldap, 1).0, Success);
    let mut h323 = Wire::plain(portward.port("h323"));
    h323.send(registration(7, "one.example.net", "009033410004"));
    assert_eq!(confirmed_by(&mut h323), "here");
    let mut lost = Wire::plain(portward.port("sip"));
    lost.send(request("REGISTER", "ckl@elsewhere.example", ""));
    eventually("it is refused", || lost.is_closed());
    vec![http, sip, ldap, h323]
}

/// The status and the JSON of an answer.
fn ask(portward: &Portward, method: &str, resource: &str) -> (u16, Value) {
    let socket = portward.dir().join("portward.sock").display().to_string();
    let url = format!("http://portward/v1/{resource}");
    let said = curl(&["--unix-socket", &socket, "--globoff", "-X", method, "-w", "%{http_code}", &url]).out;
    let (json, status) = said.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), serde_json::from_str(json).unwrap())
}

fn get(portward: &Portward, resource: &str) -> Value {
    let (status, json) = ask(portward, "GET", resource);
    assert_eq!(status, 200, "{resource}: {json}");
    json
}

/// The answer of `POST /v1/explain` to a question.
fn explained(portward: &Portward, question: &Value) -> Value {
    let socket = portward.dir().join("portward.sock").display().to_string();
    let url = "http://portward/v1/explain";
    let said = curl(&["--unix-socket", &socket, "-d", &question.to_string(), url]).out;
    serde_json::from_str(&said).unwrap_or_else(|_| panic!("{question}: {said}"))
}

/// Runs a command with the configuration of a daemon.
fn run(portward: &Portward, args: &[&str]) -> Output {
    let config = portward.config().display().to_string();
    command(30, portward.dir(), &[args, &["--config", &config]].concat())
}
