//! The API as docs/openapi.json and docs/api.md describe it, checked with the running daemon and traffic of all
//! services.

use std::fs;
use std::path::Path;

use crate::harness::{Wire, curl, eventually, free_port};

use super::{Inside, started, traffic};
use crate::harness::Portward;

mod conformance;
mod page;

/// A daemon with a port for administration and something of every kind.
struct Busy {
    portward: Portward,
    port: u16,
    _inside: Inside,
    _open: Vec<Wire>,
}

/// A time at which an entry ends, far after any test, in Unix time.
const LATER: u64 = 4_102_444_800;

impl Busy {
    fn start() -> Self {
        let inside = Inside::new();
        let (port, dead) = (free_port(), free_port());
        let more = format!(
            "[[host]]\nname = \"hq.example.net\"\naliases = [\"uno.example.net\"]\ntarget = \"127.0.0.1\"\n\
             http = [{{ path = \"/\", tcp = {dead} }}, {{ path = \"/old\", redirect = \"https\" }}]\n\
             [[host]]\nname = \"off.example.net\"\nenabled = false\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"/\", tcp = {dead} }}]\n\
             [[host]]\nname = \"example.net/branch\"\ntarget = \"name.invalid\"\nsip = true\n"
        );
        let setup = inside.setup().set("admin.listen", &format!("\"127.0.0.1:{port}\""));
        // As an earlier Portward has written it: an automatic entry.
        let listed = format!(
            "{{\"address\":\"203.0.113.77\",\"since\":1700000000,\"until\":{LATER},\"manual\":false,\"reason\":\"unknown-host\",\"count\":21}}\n"
        );
        write(&setup.dir().join("state/blacklist.jsonl"), &listed);
        write(&setup.dir().join("rules/more.toml"), &more);
        let portward = started(setup);
        portward.line(&[&format!("administration on 127.0.0.1:{port}")]);
        let mut open = traffic(&portward);
        for (host, path, status) in [("hq.example.net", "/", 502), ("hq.example.net", "/old", 308)] {
            let mut client = portward.plain();
            assert_eq!(client.get(host, path).status(), status, "{host}{path}");
            open.push(client);
        }
        let mut client = portward.plain();
        client.send("GET / HTTP/1.1\r\nHost: off.example.net\r\n\r\n");
        client.rest();
        let busy = Self { portward, port, _inside: inside, _open: open };
        busy.ask("POST", "/v1/blacklist", "{\"address\": \"203.0.113.9\", \"note\": \"by hand\"}");
        busy.ask("PUT", "/v1/hosts/made.example.net", "{\"target\": \"192.0.2.9\", \"sip\": true}");
        busy.ask(
            "PUT",
            "/v1/tenants/made-1",
            "{\"name\": \"Made Ltd\", \"target\": \"192.0.2.9\", \"realms\": [\"made-1.example.net\"]}",
        );
        eventually("a step of the history has ended", || {
            !busy.ask("GET", "/v1/history", "").contains("\"count\":0,")
        });
        busy
    }

    fn socket(&self) -> String {
        self.portward.dir().join("portward.sock").display().to_string()
    }

    /// Asks over the socket; the answer's content.
    fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let url = format!("http://portward{path}");
        curl(&["--fail", "--unix-socket", &self.socket(), "-X", method, "--data", body, &url]).out
    }

    fn token(&self, read: &str) -> String {
        let answer: serde_json::Value =
            serde_json::from_str(&self.ask("GET", &format!("/v1/token{read}"), "")).unwrap();
        answer["token"].as_str().unwrap().to_owned()
    }
}

fn write(file: &Path, text: &str) {
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(file, text).unwrap();
}
