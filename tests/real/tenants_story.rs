//! Issue 21, item 6: the stories of docs/tenants.md are true, with the shipped rules unchanged. Each runs in a network
//! of its own, in which the names and addresses of the examples exist.

use std::fs;
use std::net::{Ipv4Addr, SocketAddr};
use std::os::unix::net::UnixStream;

use crate::harness::sip::{next_message, request, serve};
use crate::harness::{
    Identity, Message, Namespace, Output, Portward, Setup, Target, TestCa, Wire, command, eventually, ok,
    within,
};

const PAGE: &str = include_str!("../../docs/tenants.md");
const WEBTRIT: &str = include_str!("../../rules/examples/webtrit.toml");
const MAESTRANO: &str = include_str!("../../rules/examples/maestrano.toml");
const KAZOO: &str = include_str!("../../rules/examples/kazoo.toml");

const ASTERISK: &str = "asterisk-adapter.example";
const PORTASWITCH: &str = "portaswitch-adapter.example";

/// The part of the page below this headline.
fn section(title: &str) -> &'static str {
    let from = PAGE.find(&format!("\n## {title}\n")).unwrap() + 1;
    let part = &PAGE[from..];
    part.find("\n## ").map_or(part, |end| &part[..end])
}

/// The lines that a reader types.
fn typed(section: &'static str) -> Vec<&'static str> {
    let mut is_typed = false;
    let mut lines = Vec::new();
    for line in section.lines() {
        match line {
            "```sh" => is_typed = true,
            "```" => is_typed = false,
            line if is_typed => lines.push(line),
            _ => {}
        }
    }
    assert!(!lines.is_empty());
    lines
}

/// The words of a line, as a shell splits it.
fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    for (at, part) in line.split('"').enumerate() {
        match at % 2 {
            0 => words.extend(part.split_whitespace().map(str::to_owned)),
            _ => words.push(part.to_owned()),
        }
    }
    words
}

/// A machine inside. It records its requests, and tells its name and the request in its answer.
fn machine(at: (Ipv4Addr, u16), identity: Option<&Identity>, name: &'static str) -> Target {
    Target::listen_at(SocketAddr::from(at), identity, move |conn| {
        while let Some(request) = conn.try_request() {
            if conn.try_send(ok(&got(name, &request))).is_err() {
                return;
            }
        }
    })
}

fn got(name: &str, request: &Message) -> String {
    let field =
        |name: &str| request.header(name).map(|value| format!("{name}: {value}\n")).unwrap_or_default();
    let fields = ["Host", "X-WebTrit-Tenant-ID", "X-Forwarded-Prefix", "X-Tenant", "Authorization"];
    let fields: String = fields.iter().map(|name| field(name)).collect();
    format!("{name}\n{}\n{fields}", request.start)
}

/// A network with the examples' names and addresses, and a Portward in it.
struct Story {
    namespace: Namespace,
    portward: Portward,
    _files: tempfile::TempDir,
}

impl Story {
    fn start(rules: &str, machines: impl FnOnce(&Namespace), set: impl FnOnce(Setup) -> Setup) -> Self {
        let namespace = Namespace::new();
        let files = tempfile::tempdir().unwrap();
        let hosts = files.path().join("hosts");
        fs::write(&hosts, format!("127.0.0.1 localhost\n127.0.0.21 {ASTERISK}\n127.0.0.22 {PORTASWITCH}\n"))
            .unwrap();
        namespace.run(&format!("mount --bind {} /etc/hosts", hosts.display()));
        for address in ["172.31.31.40/32", "172.31.31.50/32"] {
            namespace.run(&format!("ip addr add {address} dev lo"));
        }
        machines(&namespace);
        let portward = set(Portward::rules(rules).inside(&namespace)).start();
        eventually("it can be asked", || UnixStream::connect(portward.dir().join("portward.sock")).is_ok());
        Self { namespace, portward, _files: files }
    }

    /// Runs a line of the page.
    fn type_line(&self, line: &str) -> Output {
        let words = words(line);
        assert_eq!(words[0], "portward", "{line}");
        let config = self.portward.config().display().to_string();
        let mut args: Vec<&str> = words[1..].iter().map(String::as_str).collect();
        args.extend(["--config", &config]);
        command(60, self.portward.dir(), &args)
    }

    /// Status and body of the answer to a request of the app.
    fn get(&self, path: &str) -> (u16, String) {
        let port = self.portward.http;
        self.namespace.inside(|| {
            let answer = Wire::plain(port).get("demo.webtrit.example", path);
            (answer.status(), answer.text())
        })
    }

    fn curl(&self, words: &[&str]) -> String {
        let to = format!("app.example:443:127.0.0.1:{}", self.portward.https);
        let mut command = self.namespace.command("curl");
        command.args([
            "--disable",
            "--silent",
            "--show-error",
            "--max-time",
            "20",
            "--noproxy",
            "*",
            "--insecure",
        ]);
        let output = command.args(["--connect-to", &to, "-w", "%{http_code}"]).args(words).output().unwrap();
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The status of a telephone's registration.
    fn registered(&self, realm: &str) -> u16 {
        let port = self.portward.port("sip");
        self.namespace.inside(|| {
            let mut phone = Wire::plain(port);
            phone.send(request("REGISTER", &format!("1000@{realm}"), ""));
            next_message(&mut phone).unwrap().status()
        })
    }
}

/// What an adapter gets of a request for `/tenant/ID/api/v1/session`.
fn of_tenant(adapter: &str, id: &str) -> String {
    format!(
        "{adapter}\nGET /api/v1/session HTTP/1.1\nHost: {adapter}\nX-WebTrit-Tenant-ID: {id}\nX-Forwarded-Prefix: /tenant/{id}\n"
    )
}

#[test]
fn item_6_two_thousand_boxes_are_moved_as_the_page_says() {
    within(180, || {
        let mut adapters = Vec::new();
        let story = Story::start(
            WEBTRIT,
            |namespace| {
                namespace.inside(|| {
                    adapters.push(machine((Ipv4Addr::new(127, 0, 0, 21), 80), None, ASTERISK));
                    adapters.push(machine((Ipv4Addr::new(127, 0, 0, 22), 80), None, PORTASWITCH));
                });
            },
            // The adapters are on loopback. By default tenants of the API may not lead there.
            |setup| setup.set("admin.hosts", "\"any\""),
        );
        let part = section("Two thousand Asterisk boxes, moved one by one");
        let mut steps = typed(part).into_iter();

        // The table agrees with `explain`, and with the adapters' requests.
        let rows: Vec<Vec<&str>> = part
            .lines()
            .filter(|line| line.starts_with("| `/"))
            .map(|line| line.split('|').map(|cell| cell.trim().trim_matches('`')).collect())
            .collect();
        assert_eq!(rows.len(), 3);
        for row in rows {
            let (path, target, rest, field) = (row[1], row[2], row[3], row[4]);
            let line = steps.next().unwrap();
            assert!(line.ends_with(path), "{line}");
            let said = story.type_line(line);
            assert_eq!(said.code, 0, "{said:?}");
            assert!(said.out.contains(&format!(" -> {target}:443 (TLS)\n")), "{said:?}");
            let path_line = format!("\n  path    {rest} is what the target gets\n");
            assert!(rest == path || said.out.contains(&path_line), "{said:?}");
            assert!(field.is_empty() || said.out.contains(&format!("\n  sends   {field}\n")), "{said:?}");
            let (status, body) = story.get(path);
            let expected = format!("{target}\nGET {rest} HTTP/1.1\nHost: {target}\n{field}");
            assert!(status == 200 && body.starts_with(&expected), "{status} {body}");
            assert!(!field.is_empty() || !body.contains("X-WebTrit"), "{body}");
        }

        // Then come the lines, each with the new target of ABD's requests. Requests of the other tenant never move.
        let expected = [
            ("tenant add ABD --name \"ABD Ltd\"", ASTERISK, "ABD is added"),
            ("tenant list", ASTERISK, "ABD Ltd"),
            ("tenant move ABD --target", PORTASWITCH, "ABD is moved"),
            ("tenant show ABD", PORTASWITCH, PORTASWITCH),
            ("tenant move ABD --no-target", ASTERISK, "ABD is moved"),
            ("tenant disable ABD", "", "ABD is disabled"),
            ("tenant enable ABD", ASTERISK, "ABD is enabled"),
            ("tenant remove ABD", PORTASWITCH, "ABD is removed"),
        ];
        for (mark, adapter, says) in expected {
            let line = steps.next().unwrap();
            assert!(line.contains(mark), "{mark}: {line}");
            let said = story.type_line(line);
            assert!(said.code == 0 && said.out.contains(says), "{line}: {said:?}");
            let before: usize = adapters.iter().map(Target::bytes).sum();
            let (status, body) = story.get("/tenant/ABD/api/v1/session");
            match adapter {
                "" => {
                    assert_eq!(status, 403, "{line}");
                    assert_eq!(adapters.iter().map(Target::bytes).sum::<usize>(), before, "{line}");
                }
                adapter => assert_eq!((status, body), (200, of_tenant(adapter, "ABD")), "{line}"),
            }
            assert_eq!(story.get("/tenant/XYZ/api/v1/session"), (200, of_tenant(ASTERISK, "XYZ")), "{line}");
        }
        assert_eq!(steps.next(), None, "every line of the page is followed");
    });
}

#[test]
fn item_6_marketplaces_log_in_on_all_five_routes_but_those_of_single_sign_on() {
    within(120, || {
        let identity = TestCa::shared().issue(&["app.example"]);
        let mut app = None;
        let story = Story::start(
            MAESTRANO,
            |namespace| {
                let at = (Ipv4Addr::new(172, 31, 31, 40), 443);
                app = Some(namespace.inside(|| machine(at, Some(&identity), "the application")));
            },
            |setup| setup.certificate("app", &["app.example"]),
        );
        let app = app.unwrap();
        let url = |rest: &str| format!("https://app.example/mno-enterprise/maestrano{rest}");
        for (method, rest, has_login) in [
            ("GET", "/metadata", true),
            ("GET", "/saml/initialize?group_id=cld-1", false),
            ("POST", "/saml/consume", false),
            ("DELETE", "/account/group/cld-1", true),
            ("DELETE", "/account/group/cld-1/user/usr-1", true),
            ("POST", "/connec/receive", true),
        ] {
            let url = url(rest);
            let expected = format!(
                "the application\n{method} /mno-enterprise/maestrano{rest} HTTP/1.1\nHost: app.example\nX-Tenant: maestrano\n200"
            );
            let body: &[&str] = if method == "POST" { &["--data", "x=1"] } else { &[] };
            let ask = |login: &[&str]| story.curl(&[&["-X", method, &url], body, login].concat());
            if has_login {
                let before = app.bytes();
                assert!(ask(&[]).ends_with("401"), "{rest}");
                assert!(ask(&["-u", "app-9:key-of-acme"]).ends_with("401"), "{rest}: another's login");
                assert_eq!(app.bytes(), before, "{rest}");
                assert_eq!(ask(&["-u", "app-1:key-of-maestrano"]), expected);
            } else {
                assert_eq!(ask(&[]), expected);
            }
        }
        for line in typed(section("Marketplaces with logins")) {
            let words = words(line);
            assert_eq!(words[0], "curl");
            let words: Vec<&str> = words[1..].iter().map(String::as_str).collect();
            let said = story.curl(&words);
            assert!(said.ends_with("X-Tenant: maestrano\n200"), "{line}: {said}");
        }
    });
}

#[test]
fn item_6_accounts_register_by_their_realm_and_go_with_those_above() {
    within(120, || {
        let mut pbx = None;
        let story = Story::start(
            KAZOO,
            |namespace| {
                let at = SocketAddr::from((Ipv4Addr::new(172, 31, 31, 50), 5060));
                pbx = Some(namespace.inside(|| Target::listen_at(at, None, |conn| serve(conn, "Kazoo"))));
            },
            |setup| setup.listen("sip"),
        );
        let pbx = pbx.unwrap();
        let realms = ["2600hz.s.2600hz.example", "customer.s.2600hz.example"];
        let mut status = 200;
        for line in typed(section("Accounts below accounts")) {
            for realm in realms {
                let before = pbx.bytes();
                assert_eq!(story.registered(realm), status, "{realm} before {line}");
                assert_eq!(pbx.bytes() > before, status == 200, "{realm} before {line}");
            }
            if line.contains(" import ") {
                let seed = fs::read_to_string("tests/fixtures/kazoo-account.json").unwrap();
                fs::write(story.portward.dir().join("accounts.json"), seed).unwrap();
            }
            let said = story.type_line(line);
            assert_eq!(said.code, 0, "{line}: {said:?}");
            status = if line.contains(" disable ") { 403 } else { 200 };
        }
    });
}
