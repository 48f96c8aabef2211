//! Item 6: hosts that an administrator enables and disables over the socket, whatever the rules say (contract section
//! 8).

use std::fs;
use std::os::unix::net::UnixStream;

use ldap3_proto::proto::LdapResultCode::Success;
use serde_json::Value;

use crate::harness::directory::{answer, bind, directory, entries, search};
use crate::harness::sip::{next_message, pbx, request};
use crate::harness::{PASSWORD, Portward, Setup, Target, Wire, command, curl, eventually, within};

const KNOWN: &[&str] = &["a@one.example.net", "a@two.example.net"];

/// Two hosts with all services, a host that the rules disable, and a wildcard.
struct Inside {
    web: Target,
    phone: Target,
    book: Target,
}

impl Inside {
    fn new() -> Self {
        Self { web: Target::named("here"), phone: pbx("here"), book: directory(KNOWN, PASSWORD, 1) }
    }

    fn rules(&self) -> String {
        let host = |names: &str| {
            format!(
                "[[host]]\nname = {names}\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"/\", tcp = {} }}]\n\
                 sip = {{ tcp = {}, tls = false }}\nldap = {{ tcp = {}, tls = false }}\n",
                self.web.port(),
                self.phone.port(),
                self.book.port()
            )
        };
        host("\"one.example.net\"\naliases = [\"uno.example.net\", \"one.example.net/branch\"]")
            + &host("\"two.example.net\"")
            + &host("\"off.example.net\"\nenabled = false")
            + &host("\"*.wild.example.net\"")
    }

    fn setup(&self) -> Setup {
        let setup = Portward::rules(&self.rules()).set("log.ended", "\"all\"").set("reject", "\"answer\"");
        setup.listen("sip").listen("ldap")
    }
}

fn started(portward: Portward) -> Portward {
    eventually("it can be asked", || UnixStream::connect(portward.dir().join("portward.sock")).is_ok());
    portward
}

/// The status and the JSON of an answer.
fn ask(portward: &Portward, method: &str, resource: &str) -> (u16, Value) {
    let socket = portward.dir().join("portward.sock").display().to_string();
    let url = format!("http://portward/v1/{resource}");
    let said = curl(&["--unix-socket", &socket, "--globoff", "-X", method, "-w", "%{http_code}", &url]).out;
    let (json, status) = said.rsplit_once('\n').unwrap();
    (status.parse().unwrap(), serde_json::from_str(json).unwrap())
}

/// Enables or disables a host. Returns whether that changed anything.
fn switch(portward: &Portward, host: &str, action: &str) -> bool {
    let (status, said) = ask(portward, "POST", &format!("hosts/{host}/{action}"));
    assert_eq!(status, 200, "{said}");
    assert_eq!(said["enabled"], action == "enable", "{said}");
    said["changed"].as_bool().unwrap()
}

/// The status of a request for the host.
fn status(portward: &Portward, host: &str) -> u16 {
    portward.plain().get(host, "/x").status()
}

fn registered(portward: &Portward, host: &str) -> Wire {
    let mut phone = Wire::plain(portward.port("sip"));
    phone.send(request("REGISTER", &format!("a@{host}"), ""));
    assert_eq!(next_message(&mut phone).unwrap().status(), 200);
    phone
}

fn bound(portward: &Portward, name: &str) -> Wire {
    let mut book = Wire::plain(portward.port("ldap"));
    book.send(bind(1, name, PASSWORD));
    assert_eq!(answer(&mut book, 1).0, Success);
    book
}

#[test]
fn item_6_a_disabled_host_is_refused_at_once_and_its_relays_end_after_the_drain_time() {
    within(90, || {
        let inside = Inside::new();
        let portward = started(inside.setup().set("limits.drain_timeout", "\"3s\"").start());
        let mut phone = registered(&portward, "one.example.net");
        let mut book = bound(&portward, "a@one.example.net");
        let mut web = portward.plain();
        assert_eq!(web.get("one.example.net", "/x").text(), "here");
        let (mut others_phone, mut others_book) =
            (registered(&portward, "two.example.net"), bound(&portward, "a@two.example.net"));
        let before = (inside.web.connections(), inside.phone.connections(), inside.book.connections());

        // The other host is disabled by mistake and enabled again in time.
        assert!(switch(&portward, "two.example.net", "disable"));
        assert!(switch(&portward, "two.example.net", "enable"));

        let mark = portward.mark();
        assert!(switch(&portward, "uno.example.net", "disable"), "an alias leads to the host");
        portward.line_after(mark, &["an administrator (user ", " disables the host one.example.net"]);
        // New requests are refused at once, on open connections and on new ones, under each name of the host.
        web.send("GET /x HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
        assert_eq!(web.response().status(), 403);
        for host in ["one.example.net", "uno.example.net"] {
            assert_eq!(status(&portward, host), 403, "{host}");
        }
        portward.decision_after(mark, &["http://one.example.net GET /x HTTP/1.1 rejected: disabled"]);
        let mut new = Wire::plain(portward.port("sip"));
        new.send(request("REGISTER", "b@one.example.net", ""));
        assert_eq!(next_message(&mut new).unwrap().status(), 403);
        portward.decision_after(mark, &["sip:b@one.example.net REGISTER", "rejected: disabled"]);
        let mut new = Wire::plain(portward.port("ldap"));
        new.send(bind(1, "a@one.example.net", PASSWORD));
        assert_ne!(answer(&mut new, 1).0, Success);
        portward.decision_after(mark, &["ldap://one.example.net BIND", "rejected: disabled"]);
        let after = (inside.web.connections(), inside.phone.connections(), inside.book.connections());
        assert_eq!(after, before, "nothing of it reaches a target");

        // Running connections go on for the drain time. Then they end.
        phone.send(request("MESSAGE", "a@one.example.net", ""));
        book.send(search(7, ""));
        assert_eq!(entries(&mut book, 7), (1, Success));
        assert_eq!(book.rest(), b"");
        portward.line_after(mark, &["ldap://", "ended by policy in relay (disabled)"]);
        phone.rest();
        portward.line_after(mark, &["sip:", "ended by policy in relay (disabled)"]);
        eventually("the targets see it", || inside.phone.closed(0) && inside.book.closed(0));

        // Connections of another host go on undisturbed.
        others_phone.send(request("REGISTER", "a@two.example.net", ""));
        assert_eq!(next_message(&mut others_phone).unwrap().status(), 200);
        others_book.send(search(9, ""));
        assert_eq!(entries(&mut others_book, 9), (1, Success));
        assert_eq!(status(&portward, "two.example.net"), 200);

        let mark = portward.mark();
        assert!(switch(&portward, "one.example.net", "enable"));
        portward.line_after(mark, &["an administrator (user ", " enables the host one.example.net"]);
        assert_eq!(status(&portward, "one.example.net"), 200);
        registered(&portward, "one.example.net");
        bound(&portward, "a@one.example.net");
    });
}

#[test]
fn item_6_what_an_administrator_has_said_outlives_reloads_and_restarts() {
    within(90, || {
        let inside = Inside::new();
        let portward = started(inside.setup().start());
        let file = portward.dir().join("state/overrides.toml");
        let said = |portward: &Portward| {
            ["one", "two", "off", "a.wild"].map(|name| status(portward, &format!("{name}.example.net")))
        };
        assert_eq!(said(&portward), [200, 200, 403, 200]);
        assert!(!switch(&portward, "one.example.net", "enable"), "it is enabled");
        assert!(!switch(&portward, "off.example.net", "disable"), "the rules say so");
        assert!(!fs::exists(&file).unwrap(), "there is nothing to keep");

        assert!(switch(&portward, "ONE.example.net%2fbranch", "disable"), "any of its names, in any case");
        assert!(switch(&portward, "off.example.net", "enable"));
        assert!(switch(&portward, "*.wild.example.net", "disable"));
        assert!(!switch(&portward, "one.example.net/branch", "disable"), "it is disabled");
        let (_, shown) = ask(&portward, "POST", "hosts/one.example.net/disable");
        assert_eq!((&shown["name"], &shown["enabled_by_rules"]), (&"one.example.net".into(), &true.into()));
        assert!(shown["rule"].as_str().unwrap().ends_with("test.toml:2"), "{shown}");
        assert_eq!(said(&portward), [403, 200, 200, 403]);
        let kept = fs::read_to_string(&file).unwrap();
        assert!(kept.contains("name = \"one.example.net\"\nenabled = false"), "{kept}");

        let mark = portward.mark();
        portward.hang_up();
        portward.line_after(mark, &["reloaded: 4 hosts"]);
        assert_eq!(said(&portward), [403, 200, 200, 403]);
        let portward = started(portward.restart());
        assert_eq!(said(&portward), [403, 200, 200, 403]);
        assert_eq!(fs::read_to_string(&file).unwrap(), kept, "it is written when something changes");

        // `check` and `explain` know the state, too.
        let config = portward.config().display().to_string();
        let run = |args: &[&str]| command(30, portward.dir(), &[args, &["--config", &config]].concat());
        let explained = run(&["explain", "http://one.example.net/"]);
        assert!(explained.out.contains("disabled by an administrator, not by the rules"), "{explained:?}");
        assert_eq!(run(&["explain", "http://off.example.net/"]).code, 0);
        assert!(!run(&["check"]).all().contains("overrides"));
        portward.write_rules(&inside.rules().replace("*.wild", "*.tame"));
        let checked = run(&["check"]);
        assert!(checked.errors.contains("no rule is for the host *.wild.example.net"), "{checked:?}");
        assert_eq!(checked.code, 0, "{checked:?}");
        let mark = portward.mark();
        assert_eq!(ask(&portward, "POST", "reload").0, 200);
        portward.line_after(mark, &["no rule is for the host *.wild.example.net"]);
        // The host comes back, and is still disabled.
        portward.write_rules(&inside.rules());
        assert_eq!(ask(&portward, "POST", "reload").0, 200);
        assert_eq!(said(&portward), [403, 200, 200, 403]);

        for host in ["one.example.net", "*.wild.example.net"] {
            assert!(switch(&portward, host, "enable"));
        }
        assert!(switch(&portward, "off.example.net", "disable"));
        assert_eq!(said(&portward), [200, 200, 403, 200]);
        assert!(!fs::read_to_string(&file).unwrap().contains("[["), "nothing of what the rules say");
        let portward = started(portward.restart());
        assert_eq!(said(&portward), [200, 200, 403, 200]);
    });
}

#[test]
fn item_6_unknown_hosts_and_wrong_questions_are_told() {
    within(60, || {
        let inside = Inside::new();
        let portward = started(inside.setup().start());
        for (method, resource, status, why) in [
            ("POST", "hosts/on.example.net/disable", 404, "there is no host on.example.net; there is one"),
            ("POST", "hosts/a.wild.example.net/disable", 404, "; *.wild.example.net stands for it"),
            ("POST", "hosts/wild.example.net/disable", 404, "; there is *.wild.example.net"),
            ("POST", "hosts/elsewhere.example/enable", 404, "there is no host elsewhere.example"),
            ("POST", "hosts/a%20b/enable", 400, "this is not a host name: "),
            ("POST", "hosts/%ff/enable", 400, "this is not a host name: "),
            ("POST", "hosts//enable", 404, "there is no such resource"),
            ("GET", "hosts/one.example.net/enable", 405, "possible: POST"),
            ("DELETE", "hosts/one.example.net/disable", 405, "possible: POST"),
            ("POST", "hosts/one.example.net/other", 405, "possible: GET, HEAD, PUT, DELETE"),
            ("POST", "hosts", 405, "possible: GET"),
            ("GET", "hosts/", 404, "there is no such resource"),
        ] {
            let (was, said) = ask(&portward, method, resource);
            assert_eq!(was, status, "{resource}: {said}");
            assert!(said["error"].as_str().unwrap().contains(why), "{resource}: {said}");
        }
        assert_eq!(status(&portward, "one.example.net"), 200);
        assert!(!fs::exists(portward.dir().join("state/overrides.toml")).unwrap());
    });
}

/// An unreadable file is not replaced, and nothing changes because of it.
#[test]
fn item_6_a_damaged_file_is_refused_with_its_place_and_nothing_changes() {
    within(90, || {
        let inside = Inside::new();
        let portward = started(inside.setup().start());
        assert!(switch(&portward, "one.example.net", "disable"));
        let file = portward.dir().join("state/overrides.toml");
        let good = fs::read_to_string(&file).unwrap();
        let damaged = format!("{good}\n[[host]]\nname = \"two.example.net\"\nenabled = fals\n");
        let place = format!("overrides.toml:{}:11", damaged.lines().count());
        fs::write(&file, &damaged).unwrap();

        let mark = portward.mark();
        let (status_of_reload, said) = ask(&portward, "POST", "reload");
        assert_eq!(status_of_reload, 422, "{said}");
        assert!(said["error"].as_str().unwrap().contains(&place), "{said}");
        let columns: Vec<_> =
            said["diagnostics"].as_array().unwrap().iter().map(|one| &one["column"]).collect();
        assert!(columns.contains(&&11.into()), "{said}");
        portward.line_after(mark, &["reload refused: everything stays as it was"]);
        for (host, action) in
            [("one.example.net", "enable"), ("two.example.net", "disable"), ("one.example.net", "disable")]
        {
            let mark = portward.mark();
            let (status, said) = ask(&portward, "POST", &format!("hosts/{host}/{action}"));
            assert_eq!(status, 500, "{said}");
            assert!(said["error"].as_str().unwrap().contains(&place), "{said}");
            portward.line_after(mark, &[&format!("cannot {action} the host {host}: it stays as it was")]);
        }
        assert_eq!([status(&portward, "one.example.net"), status(&portward, "two.example.net")], [403, 200]);
        assert_eq!(fs::read_to_string(&file).unwrap(), damaged);

        // At a start it is an error, as in a rules file. `check` reports it before.
        let config = portward.config().display().to_string();
        for args in [&["check", "--config", &config][..], &["run", "--config", &config]] {
            let refused = command(30, portward.dir(), args);
            assert_eq!(refused.code, 1, "{refused:?}");
            assert!(refused.errors.contains(&place), "{refused:?}");
        }
        let explained =
            command(30, portward.dir(), &["explain", "http://two.example.net/", "--config", &config]);
        assert_eq!(explained.code, 1, "{explained:?}");
        assert!(explained.errors.contains(&place), "{explained:?}");

        fs::write(&file, damaged.replace("fals\n", "false\n")).unwrap();
        assert_eq!(ask(&portward, "POST", "reload").0, 200);
        assert_eq!([status(&portward, "one.example.net"), status(&portward, "two.example.net")], [403, 403]);
        // The folder is removed. The states in force stay, and cannot be changed.
        let state = portward.dir().join("state");
        fs::rename(&state, portward.dir().join("elsewhere")).unwrap();
        fs::write(&state, "in the way").unwrap();
        assert_eq!(ask(&portward, "POST", "reload").0, 422);
        assert_eq!(ask(&portward, "POST", "hosts/one.example.net/enable").0, 500);
        assert_eq!(status(&portward, "one.example.net"), 403);
        fs::remove_file(&state).unwrap();
        fs::rename(portward.dir().join("elsewhere"), &state).unwrap();
        assert!(switch(&portward, "one.example.net", "enable"));
        assert_eq!(status(&portward, "one.example.net"), 200);
    });
}
