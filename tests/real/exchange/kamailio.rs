//! Kamailio's `auth_ephemeral` accepts Portward's credentials. Credentials that it refuses are refused by Portward,
//! too.

use std::fs;
use std::path::Path;
use std::process::Command;

use serde_json::Value;
use tempfile::TempDir;

use super::{Door, brought, now, password};
use crate::harness::kamailio::module_folder;
use crate::harness::sip::next_message;
use crate::harness::{
    Child, Message, Portward, Target, Wire, command, eventually, free_port, program, within,
};
use crate::sip_credentials::{Challenge, Credential, Request, ask};

/// The secret of Portward and Kamailio.
const SECRET: &str = "newest of sip";

/// A Kamailio that demands a credential for `auth_ephemeral`: for a REGISTER by digest, and for a MESSAGE by digest or
/// by the fields `X-User` and `X-Password`.
struct Gateway {
    port: u16,
    _child: Child,
    _dir: TempDir,
}

impl Gateway {
    fn start() -> Self {
        let dir = TempDir::new().unwrap();
        let modules = module_folder("auth_ephemeral", "kamailio-autheph-modules");
        for _ in 0..5 {
            let port = free_port();
            fs::write(dir.path().join("kamailio.cfg"), config(port, &modules)).unwrap();
            let mut child = launch(dir.path());
            let mut ended = None;
            eventually("kamailio listens", || {
                ended = child.ended();
                ended.is_some() || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok()
            });
            if ended.is_none() {
                return Self { port, _child: child, _dir: dir };
            }
            let lines = child.lines().join("\n");
            assert!(lines.contains("Address already in use"), "kamailio ended:\n{lines}");
        }
        panic!("no free port for kamailio");
    }

    /// Whether it accepts a plain username and password.
    fn takes(&self, username: &str, password: &str) -> bool {
        let mut wire = Wire::plain(self.port);
        let fields = format!("X-User: {username}\r\nX-Password: {password}\r\n");
        let answer = ask(&mut wire, &Request::of("MESSAGE", "alice@voxbone.example").with(&fields));
        assert!(matches!(answer.status(), 200 | 403), "{answer:?}");
        answer.status() == 200
    }

    /// The status of a request that answers its challenge.
    fn by_digest(&self, request: &Request<'_>, credential: &Credential) -> u16 {
        logged_in(&mut Wire::plain(self.port), request, credential).status()
    }
}

/// The answer after the request was repeated with an answer to the challenge.
fn logged_in(wire: &mut Wire, request: &Request<'_>, credential: &Credential) -> Message {
    let challenge = Challenge::first(&ask(wire, request));
    ask(wire, &request.answered(&challenge, credential, 1))
}

fn launch(dir: &Path) -> Child {
    let mut command = Command::new(program("kamailio", "kamailio"));
    command.arg("-f").arg(dir.join("kamailio.cfg")).args(["-DD", "-E", "-m", "32", "-M", "8", "-Y"]).arg(dir);
    Child::start(command.arg("-w").arg(dir))
}

fn config(port: u16, modules: &str) -> String {
    format!(
        r#"debug=1
log_stderror=yes
children=1
tcp_children=2
auto_aliases=no
dns=no
rev_dns=no
listen=tcp:127.0.0.1:{port}
mpath="{modules}"
loadmodule "sl.so"
loadmodule "pv.so"
loadmodule "siputils.so"
loadmodule "textops.so"
loadmodule "auth.so"
loadmodule "auth_ephemeral.so"
modparam("auth", "algorithm", "MD5")
modparam("auth_ephemeral", "secret", "older of sip")
modparam("auth_ephemeral", "secret", "{SECRET}")
request_route {{
    if (is_present_hf("X-User")) {{
        if (autheph_authenticate("$hdr(X-User)", "$hdr(X-Password)")) {{ sl_send_reply("200", "Good"); }}
        else {{ sl_send_reply("403", "Wrong"); }}
        exit;
    }}
    if (is_method("REGISTER")) {{
        if (!autheph_www("$fd")) {{ www_challenge("$fd", "1"); exit; }}
    }} else {{
        if (!autheph_proxy("$fd")) {{ proxy_challenge("$fd", "1"); exit; }}
    }}
    sl_send_reply("200", "Good");
}}
"#
    )
}

/// The credential in an answer, or in the output of `portward token --json`.
fn of_json(json: &Value) -> Credential {
    let text = |key: &str| json[key].as_str().unwrap().to_owned();
    Credential { username: text("username"), password: text("password") }
}

#[test]
fn item_2_kamailio_takes_what_portward_makes() {
    within(180, || {
        let gateway = Gateway::start();
        let door = Door::open();
        let config = door.portward.config().display().to_string();
        let token = |args: &[&str]| {
            let said =
                command(60, door.portward.dir(), &[&["token", "--json", "--config", &config], args].concat());
            of_json(&serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{said:?}")))
        };
        let given = door.post("XYZ", &brought(now() + 600, "alice", "newest of XYZ"));
        let credentials = [
            token(&["--sip", "--user", "alice"]),
            token(&["XYZ", "--sip", "--user", "alice@voxbone.example", "--ttl", "30m"]),
            of_json(&serde_json::from_slice(&given.body).unwrap()),
        ];
        let other = token(&["XYZ", "--user", "alice"]);
        for credential in &credentials {
            assert!(gateway.takes(&credential.username, &credential.password), "{credential:?}");
        }
        assert!(!gateway.takes(&other.username, &other.password), "it is under a secret of the tenant");
        for method in ["REGISTER", "MESSAGE", "INVITE"] {
            let request = Request::of(method, "alice@voxbone.example");
            for credential in &credentials {
                assert_eq!(gateway.by_digest(&request, credential), 200, "{method} {credential:?}");
            }
            let refused = gateway.by_digest(&request, &other);
            assert!(matches!(refused, 401 | 407), "{method}: {refused}");
        }
    });
}

/// Each way in which a credential may be wrong, at Kamailio, in Portward's exchange and at its SIP port.
#[test]
fn item_2_what_kamailio_refuses_portward_refuses() {
    within(240, || {
        let gateway = Gateway::start();
        // The same secrets, for a tenant with an exchange and for a host that demands credentials.
        let pbx = crate::harness::sip::pbx("pbx");
        let door = Door::with_rules(|rules| {
            rules.replace("[\"newest of XYZ\", \"older of XYZ\"]", "[\"newest of sip\", \"older of sip\"]")
        });
        let portward = asking(&pbx);
        let altered = |mut text: String, at: usize| {
            let other = if &text[at..=at] == "A" { "B" } else { "A" };
            text.replace_range(at..=at, other);
            text
        };
        let good = format!("{}:alice", now() + 600);
        let of = |username: &str, secret: &str| password("sha1", secret, username);
        let mut rows = vec![
            ("good", good.clone(), of(&good, SECRET), true),
            ("by the older secret", good.clone(), of(&good, "older of sip"), true),
            ("by another secret", good.clone(), of(&good, "of nobody"), false),
            ("by no secret", good.clone(), String::new(), false),
            ("without its padding", good.clone(), of(&good, SECRET).trim_end_matches('=').to_owned(), false),
            ("for another user", format!("{}:bob", now() + 600), of(&good, SECRET), false),
        ];
        for at in [0, 5, 13, 26] {
            rows.push(("altered by a character", good.clone(), altered(of(&good, SECRET), at), false));
        }
        for (what, username) in [
            ("expired", format!("{}:alice", now() - 120)),
            ("long expired", "1:alice".to_owned()),
            ("negative", format!("-{}:alice", now() + 600)),
            ("no timestamp", "alice".to_owned()),
            ("an empty timestamp", ":alice".to_owned()),
            ("the other order", format!("alice:{}", now() + 600)),
        ] {
            let right = of(&username, SECRET);
            rows.push((what, username, right, false));
        }
        // Kamailio may accept more here. Portward may not.
        let mut stricter = Vec::new();
        for (what, username) in [
            ("a leading zero", format!("0{}:alice", now() + 600)),
            ("a plus", format!("+{}:alice", now() + 600)),
            ("huge", "99999999999:alice".to_owned()),
            ("for too long", format!("{}:alice", now() + 100_000)),
            ("an empty user", format!("{}:", now() + 600)),
        ] {
            let right = of(&username, SECRET);
            stricter.push((what, username, right));
        }
        let judged = |username: &str, password: &str| {
            let given = door.post("XYZ", &serde_json::json!({ "username": username, "password": password }));
            let credential = Credential { username: username.to_owned(), password: password.to_owned() };
            let mut wire = Wire::plain(portward.port("sip"));
            let request = Request::of("REGISTER", "alice@pbx.example");
            wire.send(request.text());
            let challenge = Challenge::first(&next_message(&mut wire).unwrap());
            let answer = ask(&mut wire, &request.answered(&challenge, &credential, 1));
            (given.status() == 200, answer.status() == 200)
        };
        for (what, username, password, is_good) in &rows {
            assert_eq!(gateway.takes(username, password), *is_good, "Kamailio: {what}, {username}");
            assert_eq!(judged(username, password), (*is_good, *is_good), "Portward: {what}, {username}");
        }
        let before = pbx.bytes();
        for (what, username, password) in &stricter {
            assert_eq!(judged(username, password), (false, false), "Portward: {what}, {username}");
        }
        assert_eq!(pbx.bytes(), before, "nothing reaches the PBX");
    });
}

/// A Portward that demands credentials under the secrets of `[sip]`, in front of this PBX.
fn asking(pbx: &Target) -> Portward {
    let rules = format!(
        "[[host]]\nname = \"pbx.example\"\nsip = {{ target = \"127.0.0.1\", tcp = {}, tls = false, credentials = \"ephemeral\" }}\n",
        pbx.port()
    );
    Portward::rules(&rules).listen("sip").set("sip.secrets", "[\"newest of sip\", \"older of sip\"]").start()
}
