//! Issue 19, item 1: hosts over the API. They are made, changed and removed while Portward runs. The rules files stay
//! untouched.

use std::fs;
use std::net::Ipv4Addr;
use std::os::unix::net::UnixStream;

use serde_json::{Value, json};

use crate::harness::sip::{next_message, pbx, request};
use crate::harness::{Namespace, Portward, Setup, Target, Wire, command, curl, eventually, ok, within};

/// Rules with one host.
fn rules(port: u16) -> String {
    format!(
        "[[host]]\nname = \"rules.example.net\"\naliases = [\"regeln.example.net\"]\ntarget = \"127.0.0.1\"\n\
         http = [{{ path = \"/\", tcp = {port} }}]\nsip = {{ tcp = {port}, tls = 5061, check_certificate = true }}\n"
    )
}

fn setup(port: u16) -> Setup {
    let setup = Portward::rules(&rules(port)).set("log.ended", "\"all\"").set("reject", "\"answer\"");
    setup.set("admin.hosts", "\"any\"").listen("sip")
}

fn started(portward: Portward) -> Portward {
    eventually("it can be asked", || UnixStream::connect(portward.dir().join("portward.sock")).is_ok());
    portward
}

/// Status, ETag and JSON of an answer.
fn ask_with(
    portward: &Portward,
    method: &str,
    host: &str,
    body: Option<&Value>,
    field: &str,
) -> (u16, String, Value) {
    let socket = portward.dir().join("portward.sock").display().to_string();
    let url = format!("http://portward/v1/hosts{host}");
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

fn ask(portward: &Portward, method: &str, host: &str, body: Option<&Value>) -> (u16, Value) {
    let (status, _, json) = ask_with(portward, method, host, body, "");
    (status, json)
}

fn put(portward: &Portward, host: &str, body: &Value) -> (u16, Value) {
    ask(portward, "PUT", &format!("/{host}"), Some(body))
}

fn status(portward: &Portward, host: &str) -> u16 {
    portward.plain().get(host, "/x").status()
}

fn registers(portward: &Portward, host: &str) -> (u16, Wire) {
    let mut phone = Wire::plain(portward.port("sip"));
    phone.send(request("REGISTER", &format!("a@{host}"), ""));
    (next_message(&mut phone).unwrap().status(), phone)
}

fn reload(portward: &Portward) -> (u16, Value) {
    let socket = portward.dir().join("portward.sock").display().to_string();
    let said =
        curl(&["--unix-socket", &socket, "-X", "POST", "-w", "%{http_code}", "http://portward/v1/reload"])
            .out;
    let (json, status) = said.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), serde_json::from_str(json).unwrap())
}

#[test]
fn item_1_a_host_is_made_served_and_removed() {
    within(90, || {
        let (web, phone) = (Target::named("here"), pbx("here"));
        let setup = setup(web.port()).set("limits.drain_timeout", "\"1s\"");
        let portward = started(setup.start());
        let before = fs::read_to_string(portward.dir().join("rules/test.toml")).ok();
        let name = "new.example.net";
        assert_eq!((status(&portward, name), registers(&portward, name).0), (421, 403));
        let body = json!({
            "target": "127.0.0.1",
            "aliases": ["neu.example.net"],
            "http": [{ "path": "/", "tcp": web.port() }],
            "sip": { "tcp": phone.port(), "tls": false },
        });
        let mark = portward.mark();
        let (code, tag, made) =
            ask_with(&portward, "PUT", "/NEW.example.net.", Some(&body), "If-None-Match: *");
        assert_eq!(code, 201, "{made}");
        assert_eq!((status(&portward, name), status(&portward, "neu.example.net")), (200, 200));
        let (registered, mut relay) = registers(&portward, name);
        assert_eq!(registered, 200);
        portward.line_after(mark, &["an administrator (user ", " makes the host new.example.net"]);
        assert_eq!((&made["made_by"], &made["enabled"]), (&"api".into(), &true.into()), "{made}");
        assert_eq!(made["sip"]["tcp"], phone.port(), "{made}");
        assert!(made["rule"].as_str().unwrap().contains("state/hosts.toml:"), "{made}");

        // A host as it is shown can be changed and put back.
        let (_, again, shown) = ask_with(&portward, "GET", "/neu.example.net", None, "");
        assert_eq!(again, tag);
        assert_eq!(shown["definition"]["target"], "127.0.0.1", "{shown}");
        let (code, unchanged) = put(&portward, name, &shown["definition"]);
        assert_eq!((code, &unchanged["changed"]), (200, &false.into()), "{unchanged}");
        let mut less = shown["definition"].clone();
        less["http"] = json!([{ "path": "/x", "tcp": web.port() }]);
        let (code, _, said) =
            ask_with(&portward, "PUT", "/new.example.net", Some(&less), "If-Match: \"other\"");
        assert_eq!(code, 412, "{said}");
        let (code, new_tag, _) =
            ask_with(&portward, "PUT", "/new.example.net", Some(&less), &format!("If-Match: {tag}"));
        assert!(code == 200 && new_tag != tag, "{code} {new_tag}");
        assert_eq!(portward.plain().get(name, "/other").status(), 404);
        assert_eq!(ask_with(&portward, "PUT", "/new.example.net", Some(&less), "If-None-Match: *").0, 412);

        // It survives reloads and restarts, and `explain` and `check` know it.
        assert_eq!(reload(&portward).0, 200);
        let portward = started(portward.restart());
        assert_eq!(status(&portward, name), 200);
        let config = portward.config().display().to_string();
        let run = |args: &[&str]| command(30, portward.dir(), &[args, &["--config", &config]].concat());
        let explained = run(&["explain", "http://new.example.net/x"]);
        assert!(explained.code == 0 && explained.out.contains("hosts.toml:"), "{explained:?}");
        assert_eq!(run(&["check"]).code, 0);
        drop(relay);
        relay = registers(&portward, name).1;

        // The host is removed: new requests are refused at once, and running ones end after the drain time.
        let mark = portward.mark();
        assert_eq!(ask_with(&portward, "DELETE", "/new.example.net", None, "If-Match: \"other\"").0, 412);
        assert_eq!(ask(&portward, "DELETE", "/new.example.net", None), (200, json!({ "removed": 1 })));
        assert_eq!((status(&portward, name), registers(&portward, name).0), (421, 403));
        portward.line_after(mark, &[" removes the host new.example.net"]);
        portward.line_after(mark, &["sip:", "ended by policy in relay (disabled)"]);
        relay.rest();
        assert_eq!(ask(&portward, "DELETE", "/new.example.net", None).0, 404);
        assert_eq!(status(&portward, "rules.example.net"), 200);
        assert!(!fs::read_to_string(portward.dir().join("state/hosts.toml")).unwrap().contains("[["));
        assert_eq!(before, fs::read_to_string(portward.dir().join("rules/test.toml")).ok());
    });
}

#[test]
fn item_1_a_host_of_the_rules_is_not_changed_and_its_place_is_told() {
    within(60, || {
        let web = Target::named("here");
        let portward = started(setup(web.port()).start());
        for name in ["rules.example.net", "regeln.example.net"] {
            for (method, body) in
                [("PUT", Some(json!({ "target": "192.0.2.1", "ldap": true }))), ("DELETE", None)]
            {
                let (code, said) = ask(&portward, method, &format!("/{name}"), body.as_ref());
                assert_eq!((code, &said["line"]), (409, &2.into()), "{said}");
                let file = said["file"].as_str().unwrap();
                assert!(fs::read_to_string(file).unwrap().contains("name = \"rules.example.net\""), "{said}");
            }
        }
        // It can still be enabled and disabled, and so can a host of the API.
        assert_eq!(ask(&portward, "POST", "/rules.example.net/disable", None).0, 200);
        assert_eq!(status(&portward, "rules.example.net"), 403);
        let body = json!({ "target": "127.0.0.1", "http": [{ "path": "", "tcp": web.port() }] });
        assert_eq!(put(&portward, "*.made.example.net", &body).0, 201);
        assert_eq!(ask(&portward, "POST", "/*.made.example.net/disable", None).0, 200);
        assert_eq!(status(&portward, "a.made.example.net"), 403);
        assert_eq!(put(&portward, "*.made.example.net", &body).0, 200, "what was said of it stays");
        let portward = started(portward.restart());
        assert_eq!(status(&portward, "a.made.example.net"), 403);
        assert_eq!(ask(&portward, "DELETE", "/*.made.example.net", None).0, 200);
        assert_eq!(put(&portward, "*.made.example.net", &body).0, 201);
        assert_eq!(status(&portward, "a.made.example.net"), 200, "a new host is a new host");
    });
}

/// An invalid host is refused with the place of its fault, and nothing has changed.
#[test]
fn item_1_a_wrong_host_is_refused_with_diagnostics() {
    within(60, || {
        let web = Target::named("here");
        let portward = started(setup(web.port()).start());
        let good = json!({ "target": "127.0.0.1", "http": [{ "path": "/", "tcp": web.port() }] });
        assert_eq!(put(&portward, "good.example.net", &good).0, 201);
        let file = portward.dir().join("state/hosts.toml");
        let before = fs::read_to_string(&file).unwrap();
        let http = portward.http;
        for (body, message) in [
            (json!({ "targt": "192.0.2.1" }), "`targt` is unknown"),
            (json!({ "target": "192.0.2.1/8", "ldap": true }), "neither an IP address nor a DNS name"),
            (json!({ "target": 5, "ldap": true }), "`target` must be"),
            (json!({ "ldap": true }), "there is no target for this"),
            (
                json!({ "target": "127.0.0.1", "http": [{ "path": "/", "tcp": http }] }),
                "leads back to Portward itself",
            ),
            (
                json!({ "target": "192.0.2.1", "aliases": ["regeln.example.net"], "ldap": true }),
                "is defined twice",
            ),
            (
                json!({ "target": "192.0.2.1", "aliases": ["good.example.net"], "ldap": true }),
                "is defined twice",
            ),
            (json!({ "target": "192.0.2.1", "preset": ["nothing"] }), "there is no preset"),
            (
                json!({ "target": "127.0.0.1", "sip": { "tcp": 1, "tls": 2, "check_certificate": false } }),
                "do not agree on check_certificate",
            ),
            (json!({ "target": "192.0.2.1", "http": ["/a/../b"] }), "the path is not safe"),
        ] {
            let (code, said) = put(&portward, "bad.example.net", &body);
            assert_eq!(code, 422, "{body}: {said}");
            let found = said["diagnostics"].as_array().unwrap();
            let found = found.iter().find(|one| one["message"].as_str().unwrap().contains(message));
            let found = found.unwrap_or_else(|| panic!("{message}: {said}"));
            assert!(found["line"].is_u64() && found["column"].is_u64(), "{found}");
            assert!(said["error"].as_str().unwrap().contains(message), "{said}");
        }
        for (path, body, code) in [
            ("/bad.example.net", "{", 422),
            ("/bad.example.net", "[]", 422),
            ("/bad.example.net", "{\"name\":\"other.example.net\"}", 422),
            ("/bad.example.net", "{\"sip\":null}", 422),
            ("/a%20b", "{}", 400),
        ] {
            let socket = portward.dir().join("portward.sock").display().to_string();
            let url = format!("http://portward/v1/hosts{path}");
            let args =
                ["--unix-socket", &socket, "-X", "PUT", "-w", "%{http_code}", "--data-binary", body, &url];
            let said = curl(&args).out;
            assert!(said.ends_with(&code.to_string()), "{body}: {said}");
        }
        assert_eq!(fs::read_to_string(&file).unwrap(), before);
        assert_eq!((status(&portward, "bad.example.net"), status(&portward, "good.example.net")), (421, 200));
        // An unfinished edit of the rules is not put in force, and does not prevent the change.
        portward.write_rules("[[host]\n");
        assert_eq!(put(&portward, "more.example.net", &good).0, 201);
        assert_eq!(
            (status(&portward, "more.example.net"), status(&portward, "rules.example.net")),
            (200, 200)
        );
    });
}

/// An administrator must not be able to read keys or reach this machine by that right.
#[test]
fn item_1_what_is_not_possible_over_the_api() {
    within(60, || {
        let web = Target::named("here");
        let portward = started(setup(web.port()).set("admin.hosts", "\"safe\"").start());
        for target in [
            "127.0.0.1",
            "127.9.9.9",
            "::1",
            "[::1]",
            "::ffff:127.0.0.1",
            "::127.0.0.1",
            "64:ff9b::7f00:1",
            "169.254.1.1",
            "fe80::1",
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "0.1.2.3",
        ] {
            for body in [
                json!({ "target": target, "http": [""] }),
                json!({ "target": ["192.0.2.1", target], "http": [""] }),
                json!({ "target": "192.0.2.1", "http": [{ "path": "", "target": target }] }),
                json!({ "ldap": { "target": [target] } }),
            ] {
                let (code, said) = put(&portward, "bad.example.net", &body);
                assert_eq!(code, 403, "{body}: {said}");
                assert!(said["error"].as_str().unwrap().contains("may not lead to this machine"), "{said}");
            }
        }
        for target in ["0.0.0.0", "::", "::ffff:0.0.0.0"] {
            let code = put(&portward, "bad.example.net", &json!({ "target": target, "http": [""] })).0;
            assert!(code == 403 || code == 422, "{target}: {code}");
        }
        let sip = json!({ "tcp": 5060, "tls": 5061, "check_certificate": false });
        assert_eq!(put(&portward, "bad.example.net", &json!({ "target": "192.0.2.1", "sip": sip })).0, 403);
        let trust = json!({ "target": "192.0.2.1", "sip": true, "client_trust": "/etc/ssl/certs" });
        let (code, said) = put(&portward, "bad.example.net", &trust);
        assert!(code == 403 && said["error"].as_str().unwrap().contains("may not name a file"), "{said}");
        // The answer does not show either whether a file exists.
        let checked = json!({ "tcp": 5060, "tls": 5061, "check_certificate": true });
        let said = ["/etc/passwd", "/etc/nothing"].map(|file| {
            let host = json!({ "target": "192.0.2.1", "sip": checked, "client_trust": file });
            put(&portward, "bad.example.net", &host).1["error"].as_str().unwrap().replace(file, "FILE")
        });
        let [there, nowhere] = said.map(|said| said.replace('^', ""));
        assert_eq!(there, nowhere);
        assert!(!portward.dir().join("state/hosts.toml").exists());

        // A name that leads here is not dialled. With admin.hosts = "any", and from the rules files, it is.
        let name =
            String::from_utf8(std::process::Command::new("hostname").output().unwrap().stdout).unwrap();
        let here = ["ip6-localhost", "localhost.localdomain", name.trim()].map(str::to_owned);
        let known = fs::read_to_string("/etc/hosts").unwrap();
        let here = here.iter().find(|name| known.split_whitespace().any(|word| word == *name));
        let here = here.expect("a name of this machine in /etc/hosts");
        let body = json!({ "target": here, "http": [{ "path": "", "tcp": web.port() }], "preset": ["innovaphone-pbx"] });
        assert_eq!(put(&portward, "named.example.net", &body).0, 201);
        assert_eq!((status(&portward, "named.example.net"), web.connections()), (502, 0));
    });
}

/// Addresses of this machine that are not configured, among them the second one of an interface. Their open ports must
/// not be found out, whether a host of the rules leads there or not. A host of the rules must not suffer from it.
#[test]
fn item_1_hosts_of_the_api_do_not_reach_other_addresses_of_this_machine() {
    within(90, || {
        let machine = Namespace::new();
        for address in ["10.77.0.1/24", "10.77.0.2/24"] {
            machine.run(&format!("ip address add {address} dev lo"));
        }
        for address in [Ipv4Addr::new(10, 77, 0, 1), Ipv4Addr::new(10, 77, 0, 2)] {
            let answer = |conn: &mut crate::harness::Conn| {
                while conn.try_request().is_some() && conn.try_send(ok("here")).is_ok() {}
            };
            let web = machine.inside(|| Target::listen(address, None, answer));
            let rules = rules(web.port()).replace("127.0.0.1", &address.to_string());
            let setup = Portward::rules(&rules).set("reject", "\"answer\"").inside(&machine);
            let portward = started(setup.start());
            let get = |host: &str| machine.inside(|| status(&portward, host));
            for port in [web.port(), 9] {
                let host = json!({ "target": address.to_string(), "http": [{ "path": "", "tcp": port }] });
                let name = format!("api-{port}.example.net");
                assert_eq!(put(&portward, &name, &host).0, 201);
                assert_eq!((get(&name), web.connections()), (502, 0), "{address} port {port}");
                let (_, host) = ask(&portward, "GET", &format!("/{name}"), None);
                assert_eq!(host["made_by"], "api");
            }
            // Every worker has idle connections of the rules' host.
            assert!((0..8).all(|_| get("rules.example.net") == 200));
            let before = web.bytes();
            let name = format!("api-{}.example.net", web.port());
            assert!((0..8).all(|_| get(&name) == 502) && web.bytes() == before, "they are not for others");
            assert_eq!(get("rules.example.net"), 200);
            let log = portward.lines().join("\n");
            assert!(log.contains("target-down") && !log.contains("refused"), "{log}");
            assert!(!log.contains(" is down"), "nothing was found out about the target of the rules: {log}");
            drop(portward);
            machine.inside(|| drop(web));
        }
    });
}

#[test]
fn item_1_hosts_are_listed_in_pages_with_filters() {
    within(60, || {
        let web = Target::named("here");
        let portward = started(setup(web.port()).start());
        for number in 0..7 {
            let body = json!({ "target": format!("192.0.2.{number}"), "ldap": true, "enabled": number != 3 });
            assert_eq!(put(&portward, &format!("h{number}.example.net"), &body).0, 201);
        }
        let names = |query: &str| {
            let (code, said) = ask(&portward, "GET", &format!("?{query}"), None);
            assert_eq!(code, 200, "{said}");
            let names = said["hosts"]
                .as_array()
                .unwrap()
                .iter()
                .map(|host| host["name"].as_str().unwrap().to_owned());
            (names.collect::<Vec<_>>().join(" ").replace(".example.net", ""), said["next"].clone())
        };
        let (mut all, mut after) = (Vec::new(), String::new());
        loop {
            let (some, next) = names(&format!("limit=3{after}"));
            all.push(some);
            let Some(next) = next.as_str() else { break };
            after = format!("&after={next}");
        }
        assert_eq!(all, ["rules h0 h1", "h2 h3 h4", "h5 h6"]);
        for (query, expected) in [
            ("service=ldap&enabled=false", "h3"),
            ("service=sip", "rules"),
            ("made_by=rules", "rules"),
            ("made_by=api&limit=1", "h0"),
            ("host=REGELN.example.net", "rules"),
            ("host=nobody.example", ""),
            ("search=H5", "h5"),
            ("search=regeln", "rules"),
            ("target=192.0.2.6", "h6"),
        ] {
            assert_eq!(names(query).0, expected, "{query}");
        }
        for query in
            ["limit=0", "service=x", "enabled=maybe", "made_by=me", "after=nobody.example", "hosts=a"]
        {
            assert_eq!(ask(&portward, "GET", &format!("?{query}"), None).0, 400, "{query}");
        }
        let (code, said) = ask(&portward, "GET", "/h9.example.net", None);
        assert!(code == 404 && said["error"].as_str().unwrap().contains("there is no host"), "{said}");
        assert_eq!(ask(&portward, "POST", "/h1.example.net", None).0, 405);
    });
}

/// A damaged file of ours does not prevent a start. A reload is refused, and the file stays.
#[test]
fn item_1_a_damaged_file() {
    within(90, || {
        let web = Target::named("here");
        let portward = started(setup(web.port()).start());
        let good = json!({ "target": "127.0.0.1", "http": [{ "path": "/", "tcp": web.port() }] });
        for name in ["one.example.net", "two.example.net"] {
            assert_eq!(put(&portward, name, &good).0, 201);
        }
        let file = portward.dir().join("state/hosts.toml");
        let whole = fs::read_to_string(&file).unwrap();
        let damaged = format!("{whole}\n[[host]]\nname = \"three.example.net\nldap = true\n");
        fs::write(&file, &damaged).unwrap();
        let (code, said) = reload(&portward);
        assert_eq!(code, 422, "{said}");
        assert!(said["error"].as_str().unwrap().contains("hosts.toml:"), "{said}");
        assert_eq!(put(&portward, "four.example.net", &good).0, 500);
        assert_eq!(ask(&portward, "DELETE", "/one.example.net", None).0, 500);
        assert_eq!((status(&portward, "one.example.net"), status(&portward, "four.example.net")), (200, 421));
        let portward = started(portward.restart());
        portward.line(&["hosts.toml"]);
        assert_eq!(
            (status(&portward, "rules.example.net"), status(&portward, "one.example.net")),
            (200, 421)
        );
        assert_eq!(put(&portward, "four.example.net", &good).0, 500);
        assert_eq!(fs::read_to_string(&file).unwrap(), damaged);
        let config = portward.config().display().to_string();
        let checked = command(30, portward.dir(), &["check", "--config", &config]);
        assert!(checked.code == 1 && checked.errors.contains("hosts.toml:"), "{checked:?}");

        // The rules have taken the name of one host meanwhile. The others are served.
        fs::write(&file, &whole).unwrap();
        portward.write_rules(&rules(web.port()).replace("regeln", "one"));
        let (code, said) = reload(&portward);
        assert!(code == 422 && said["error"].as_str().unwrap().contains("is defined twice"), "{said}");
        let portward = started(portward.restart());
        assert_eq!((status(&portward, "one.example.net"), status(&portward, "two.example.net")), (200, 200));
        assert_eq!(ask(&portward, "GET", "/two.example.net", None).1["made_by"], "api");
        assert_eq!(ask(&portward, "GET", "/one.example.net", None).1["name"], "rules.example.net");
        assert_eq!(fs::read_to_string(&file).unwrap(), whole);
    });
}
