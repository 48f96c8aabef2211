//! Issue 21, item 5: tenants over the API and by commands, with traffic of all services (contract section 9, *Commands and API*).

mod changes;
mod commands;
mod disabled;
mod resource;

use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::harness::directory::{answer, bind, directory};
use crate::harness::h323::gatekeeper;
use crate::harness::sip::{next_message, pbx, request};
use crate::harness::{Output, PASSWORD, Portward, Setup, Target, Wire, command, curl, eventually};

/// Servers of all four services, and a daemon whose hosts are made over the API.
struct House {
    portward: Portward,
    web: Target,
    phone: Target,
    book: Target,
    keeper: Target,
}

/// A tenant, one below it, and a host of the rules.
const RULES: &str = "[tenant.rules]\nname = \"Of the rules\"\ntarget = \"127.0.0.1\"\n\
    [tenant.below]\nparent = \"rules\"\n";

impl House {
    fn start(more: impl FnOnce(Setup) -> Setup) -> Self {
        let (web, phone) = (Target::named("here"), pbx("here"));
        let (book, keeper) =
            (directory(&["a@one.example", "a@two.example"], PASSWORD, 1), gatekeeper("here"));
        let host = format!(
            "[[host]]\nname = \"rules.example\"\ntenant = \"below\"\nhttp = [{{ path = \"/\", tcp = {} }}]\n",
            web.port()
        );
        let setup = Portward::rules(&(RULES.to_owned() + &host))
            .set("log.ended", "\"all\"")
            .set("reject", "\"answer\"")
            .set("admin.hosts", "\"any\"")
            .listen("sip")
            .listen("ldap")
            .listen("h323");
        Self { portward: started(more(setup).start()), web, phone, book, keeper }
    }

    /// The status, ETag and JSON of an answer.
    fn tagged(&self, method: &str, path: &str, body: Option<&Value>, field: &str) -> (u16, String, Value) {
        let socket = self.portward.dir().join("portward.sock").display().to_string();
        let url = format!("http://portward/v1/{path}");
        let body = body.map(Value::to_string).unwrap_or_default();
        let mut args = vec!["--unix-socket", &socket, "--globoff", "-X", method];
        args.extend(["-w", "\n%header{etag}\n%{http_code}", &url]);
        if !body.is_empty() {
            args.extend(["--data-binary", &body]);
        }
        if !field.is_empty() {
            args.extend(["-H", field]);
        }
        let said = curl(&args).out;
        let (rest, status) = said.rsplit_once('\n').unwrap();
        let (json, tag) = rest.rsplit_once('\n').unwrap();
        (status.parse().unwrap(), tag.to_owned(), serde_json::from_str(json).unwrap())
    }

    fn ask(&self, method: &str, path: &str, body: Option<&Value>) -> (u16, Value) {
        let (status, _, json) = self.tagged(method, path, body, "");
        (status, json)
    }

    /// Makes a tenant, or changes it.
    fn put(&self, id: &str, body: &Value) -> (u16, Value) {
        self.ask("PUT", &format!("tenants/{id}"), Some(body))
    }

    fn tenant(&self, id: &str) -> Value {
        let (status, json) = self.ask("GET", &format!("tenants/{id}"), None);
        assert_eq!(status, 200, "{json}");
        json
    }

    fn switch(&self, id: &str, verb: &str) -> Value {
        let (status, json) = self.ask("POST", &format!("tenants/{id}/{verb}"), None);
        assert_eq!(status, 200, "{json}");
        json
    }

    /// A host of the API for all services, which belongs to a tenant.
    fn host(&self, name: &str, tenant: &str) {
        let body = json!({
            "tenant": tenant,
            "http": [{ "path": "/", "tcp": self.web.port() }],
            "sip": { "tcp": self.phone.port(), "tls": false },
            "ldap": { "tcp": self.book.port(), "tls": false },
            "h323": { "tcp": self.keeper.port(), "tls": false },
        });
        let (status, said) = self.ask("PUT", &format!("hosts/{name}"), Some(&body));
        assert!(matches!(status, 200 | 201), "{said}");
    }

    /// The status of a request for the host.
    fn status(&self, host: &str) -> u16 {
        self.portward.plain().get(host, "/x").status()
    }

    fn registered(&self, host: &str) -> (u16, Wire) {
        let mut phone = Wire::plain(self.portward.port("sip"));
        phone.send(request("REGISTER", &format!("a@{host}"), ""));
        (next_message(&mut phone).unwrap().status(), phone)
    }

    fn bound(&self, host: &str) -> (bool, Wire) {
        let mut book = Wire::plain(self.portward.port("ldap"));
        book.send(bind(1, &format!("a@{host}"), PASSWORD));
        let code = answer(&mut book, 1).0;
        (code == ldap3_proto::proto::LdapResultCode::Success, book)
    }

    /// `portward tenant`.
    fn run(&self, args: &[&str]) -> Output {
        let config = self.portward.config().display().to_string();
        command(60, self.portward.dir(), &[&["tenant", "--config", &config], args].concat())
    }

    fn restart(self) -> Self {
        Self { portward: started(self.portward.restart()), ..self }
    }
}

fn started(portward: Portward) -> Portward {
    eventually("it can be asked", || UnixStream::connect(portward.dir().join("portward.sock")).is_ok());
    portward
}
