//! Issue 19, item 2: `portward host` edits rules files as its caller, and the daemon reloads.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, symlink};
use std::os::unix::net::UnixStream;
use std::path::PathBuf;

use serde_json::Value;

use crate::harness::{Output, Portward, Setup, Target, command, curl, eventually, within};

/// A rules file with comments in it. No preset is needed.
fn rules(port: u16) -> String {
    format!(
        "# The hosts of the house.\n\n# Headquarters\n[[host]]\nname = \"HQ.example.net\"   # as on the sign\naliases = [\"uno.example.net\"]\n\
         target = \"127.0.0.1\"\nhttp = [{{ path = \"/\", tcp = {port} }}] # all\n\n\
         # The branch\n[[host]]\nname = 'example.net/branch-b'\ntarget = \"192.0.2.2\"\nldap   =   true\n\n\
         [[host]]\nname = \"*.wild.example.net\"\nenabled = false # for now\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"/\", tcp = {port} }}]\n"
    )
}

struct House {
    portward: Portward,
    web: Target,
}

impl House {
    fn new(more: impl FnOnce(Setup) -> Setup) -> Self {
        let web = Target::named("here");
        let setup = Portward::rules(&rules(web.port())).set("reject", "\"answer\"");
        let portward = more(setup).start();
        eventually("it can be asked", || UnixStream::connect(portward.dir().join("portward.sock")).is_ok());
        Self { portward, web }
    }

    fn host(&self, args: &[&str]) -> Output {
        let config = self.portward.config().display().to_string();
        command(60, self.portward.dir(), &[&["host", "--config", &config], args].concat())
    }

    /// The only rules file.
    fn file(&self) -> PathBuf {
        let json: Value = serde_json::from_str(&self.host(&["list", "--json"]).out).unwrap();
        let rule = json["hosts"][0]["rule"].as_str().unwrap().to_owned();
        PathBuf::from(rule.rsplit_once(':').unwrap().0)
    }

    fn text(&self) -> String {
        fs::read_to_string(self.file()).unwrap()
    }

    fn status(&self, host: &str) -> u16 {
        self.portward.plain().get(host, "/x").status()
    }

    fn api(&self, method: &str, resource: &str, body: &str) -> u16 {
        let socket = self.portward.dir().join("portward.sock").display().to_string();
        let url = format!("http://portward/v1/hosts/{resource}");
        let args =
            ["--unix-socket", &socket, "--globoff", "-X", method, "-o", "/dev/null", "-w", "%{http_code}"];
        let args = [&args[..], &["--data-binary", body, &url]].concat();
        curl(&args).out.parse().unwrap()
    }
}

fn good(said: &Output) {
    assert_eq!(said.code, 0, "{said:?}");
}

#[test]
fn item_2_hosts_are_disabled_and_enabled_in_their_files() {
    within(90, || {
        let house = House::new(|setup| setup);
        let before = house.text();
        let file = house.file();
        fs::set_permissions(&file, Permissions::from_mode(0o640)).unwrap();
        chown(&file, Some(64_000), Some(64_001)).unwrap();
        let was = fs::metadata(&file).unwrap();
        assert_eq!(house.status("hq.example.net"), 200);
        let dry = house.host(&["disable", "hq.example.net", "--dry-run"]);
        assert!(dry.code == 0 && dry.out.contains("+enabled = false"), "{dry:?}");
        assert_eq!(house.text(), before);

        let mark = house.portward.mark();
        good(&house.host(&["disable", "UNO.example.net."]));
        house.portward.line_after(mark, &["an administrator (user ", "asks for a reload"]);
        assert_eq!(house.status("hq.example.net"), 403);
        let off = house.text();
        assert_eq!(off, before.replace("}] # all\n", "}] # all\nenabled = false\n"));
        let again = house.host(&["disable", "hq.example.net"]);
        assert!(again.code == 0 && again.out.contains("is disabled already"), "{again:?}");
        good(&house.host(&["enable", "hq.example.net"]));
        assert_eq!(house.status("hq.example.net"), 200);
        good(&house.host(&["enable", "*.wild.example.net"]));
        assert_eq!(house.status("a.wild.example.net"), 200);
        assert!(house.text().contains("enabled = true # for now"), "{}", house.text());
        let is = fs::metadata(&file).unwrap();
        assert_eq!((was.uid(), was.gid(), was.mode()), (is.uid(), is.gid(), is.mode()));

        // The state that was set over the API is dropped.
        assert_eq!(house.api("POST", "hq.example.net/disable", ""), 200);
        let said = house.host(&["list"]);
        assert!(said.out.contains("no, by an administrator"), "{said:?}");
        let said = house.host(&["enable", "hq.example.net"]);
        assert!(said.code == 0 && said.errors.contains("that setting is removed"), "{said:?}");
        assert_eq!(house.status("hq.example.net"), 200);
        assert_eq!(house.api("POST", "hq.example.net/disable", ""), 200);
        good(&house.host(&["disable", "hq.example.net"]));
        good(&house.host(&["enable", "hq.example.net"]));
        assert_eq!(house.status("hq.example.net"), 200);
        for (name, why) in [
            ("hq.example.nets", "there is hq.example.net"),
            ("a.wild.example.net", "*.wild.example.net stands for it"),
            ("elsewhere.example", "there is no host elsewhere.example"),
        ] {
            let said = house.host(&["disable", name]);
            assert!(said.code == 1 && said.errors.contains(why), "{said:?}");
        }
        assert_eq!(house.host(&["disable", "a b"]).code, 2);
    });
}

#[test]
fn item_2_hosts_are_added_shown_and_removed() {
    within(90, || {
        let house = House::new(|setup| setup);
        let before = house.text();
        let listed = house.host(&["list"]);
        for part in
            ["hq.example.net (uno.example.net)", "example.net/branch-b", "192.0.2.2", "ldap", ".toml:"]
        {
            assert!(listed.out.contains(part), "{part}: {listed:?}");
        }
        let add =
            ["add", "bücher.example.net", "--target", "192.0.2.7", "--preset", "innovaphone-pbx", "--sip"];
        let added =
            house.host(&[&add[..], &["--ldap", "--http", "/x", "--alias", "due.example.net"]].concat());
        good(&added);
        let shown = house.host(&["show", "due.example.net", "--json"]);
        let json: Value = serde_json::from_str(&shown.out).unwrap();
        assert_eq!(
            (&json["name"], &json["sip"]["tls"]),
            (&"xn--bcher-kva.example.net".into(), &5061.into()),
            "{json}"
        );
        assert!(
            house.host(&["show", "due.example.net"]).out.contains("(innovaphone-pbx)"),
            "presets are shown"
        );
        assert_eq!(house.api("GET", "due.example.net", ""), 200);
        let again = house.host(&add);
        assert!(
            again.code == 1 && again.errors.contains("there is a host xn--bcher-kva.example.net already: "),
            "{again:?}"
        );

        // A fault is named with its place, and nothing has changed.
        let text = house.text();
        for (args, code, why) in [
            (&["add", "a.example", "--target", "192.0.2.1"][..], 2, "nothing would be forwarded"),
            (
                &["add", "a.example", "--target", "192.0.2.1:80", "--sip"],
                1,
                "ports are given beside the target",
            ),
            (&["add", "a.example", "--target", "192.0.2.1", "--preset", "inovaphone-pbx"], 1, "did you mean"),
            (
                &["add", "a.example", "--target", "192.0.2.1", "--alias", "uno.example.net", "--sip"],
                1,
                "is defined twice",
            ),
            (&["add", "a.example", "--target", "192.0.2.1", "--sip", "--file", "/nowhere/a.toml"], 2, ""),
        ] {
            let said = house.host(args);
            assert!(said.code == code && said.errors.contains(why), "{args:?}: {said:?}");
        }
        assert_eq!(house.text(), text);
        assert_eq!(house.host(&["show", "a.example"]).code, 1);

        let alias = house.host(&["remove", "uno.example.net"]);
        assert!(alias.code == 1 && alias.errors.contains("is an alias of hq.example.net"), "{alias:?}");
        let dry = house.host(&["remove", "example.net/branch-b", "--dry-run"]);
        assert!(dry.out.contains("-# The branch\n-[[host]]\n-name = 'example.net/branch-b'"), "{dry:?}");
        good(&house.host(&["remove", "xn--bcher-kva.example.net"]));
        good(&house.host(&["remove", "hq.example.net"]));
        assert_eq!(house.status("hq.example.net"), 421);
        let left = house.text();
        assert!(left.starts_with("# The hosts of the house.\n") && !left.contains("Headquarters"), "{left}");
        assert!(left.ends_with(&before[before.find("# The branch").unwrap()..]), "{left}");

        // A host of the API can only be changed over the API.
        let body = "{\"target\":\"192.0.2.1\",\"ldap\":true}";
        assert_eq!(house.api("PUT", "api.example.net", body), 201);
        assert!(house.host(&["show", "api.example.net"]).out.contains("made over the API"));
        good(&house.host(&["disable", "api.example.net"]));
        good(&house.host(&["remove", "api.example.net"]));
        assert_eq!(house.api("GET", "api.example.net", ""), 404);
        drop(house.web);
    });
}

#[test]
fn item_2_a_host_that_portward_toml_names_stays() {
    within(60, || {
        let house = House::new(|setup| setup.set("ldap.default_host", "\"example.net/branch-b\""));
        let before = house.text();
        let said = house.host(&["remove", "example.net/branch-b"]);
        assert!(
            said.code == 1 && said.errors.contains("no rule is for the host example.net/branch-b"),
            "{said:?}"
        );
        assert!(said.errors.contains("portward.toml:"), "{said:?}");
        assert_eq!(house.text(), before);
        // A file is not changed either if the rules have a fault already.
        house.portward.write_rules(&format!("{before}\n[[host]\n"));
        let said = house.host(&["disable", "hq.example.net"]);
        assert!(said.code == 1 && said.errors.contains(".toml:"), "{said:?}");
    });
}

#[test]
fn item_2_links_stay_and_a_daemon_need_not_run() {
    within(60, || {
        let house = House::new(|setup| setup);
        let file = house.file();
        let real = house.portward.dir().join("real.toml");
        fs::rename(&file, &real).unwrap();
        symlink(&real, &file).unwrap();
        house.portward.terminate();
        house.portward.wait();
        let said = house.host(&["disable", "hq.example.net"]);
        assert!(said.code == 0 && said.errors.contains("in force when Portward starts"), "{said:?}");
        assert!(fs::symlink_metadata(&file).unwrap().is_symlink());
        assert!(fs::read_to_string(&real).unwrap().contains("enabled = false\n"));
    });
}

/// Several commands and an editor at the same time: no change is lost.
#[test]
fn item_2_commands_at_once_lose_nothing() {
    within(120, || {
        let house = House::new(|setup| setup);
        let house = &house;
        let file = house.file().file_name().unwrap().to_str().unwrap().to_owned();
        let is_folder = house.file().parent().is_some_and(|parent| parent.ends_with("rules"));
        std::thread::scope(|scope| {
            for number in 0..6 {
                let file = file.clone();
                scope.spawn(move || {
                    let name = format!("h{number}.example.net");
                    let mut args = vec!["add", &name, "--target", "192.0.2.9", "--ldap"];
                    if is_folder {
                        args.extend(["--file", &file]);
                    }
                    good(&house.host(&args));
                });
            }
        });
        let json: Value = serde_json::from_str(&house.host(&["list", "--json"]).out).unwrap();
        assert_eq!(json["count"], 9, "{json}");
        for number in 0..6 {
            assert_eq!(house.api("GET", &format!("h{number}.example.net"), ""), 200);
        }
    });
}

/// `--json` of every command that changes something: the host's new state, whether the daemon follows, and its new
/// warnings.
#[test]
fn item_2_changes_are_said_to_programs_too() {
    within(90, || {
        let house = House::new(|setup| setup);
        let json = |args: &[&str]| -> Value {
            let said = house.host(&[args, &["--json"]].concat());
            assert_eq!(said.code, 0, "{said:?}");
            serde_json::from_str(&said.out).unwrap_or_else(|error| panic!("{error}: {said:?}"))
        };
        let file = house.file().display().to_string();
        let off = json(&["disable", "hq.example.net"]);
        for (field, value) in [
            ("host", Value::from("hq.example.net")),
            ("did", "disabled".into()),
            ("changed", true.into()),
            ("file", file.as_str().into()),
            ("in_force", true.into()),
        ] {
            assert_eq!(off[field], value, "{field}: {off}");
        }
        let again = json(&["disable", "hq.example.net"]);
        assert_eq!((&again["changed"], &again["in_force"]), (&false.into(), &Value::Null), "{again}");
        let before = house.text();
        let dry = json(&["enable", "hq.example.net", "--dry-run"]);
        assert!(dry["difference"].as_str().unwrap().contains("+enabled = true"), "{dry}");
        assert_eq!((&dry["changed"], house.text()), (&false.into(), before), "{dry}");

        let added = json(&["add", "new.example.org", "--target", "192.0.2.9", "--ldap"]);
        assert_eq!((&added["did"], &added["in_force"]), (&"added".into(), &true.into()), "{added}");
        let removed = json(&["remove", "new.example.org"]);
        assert_eq!((&removed["did"], &removed["changed"]), (&"removed".into(), &true.into()), "{removed}");
        assert_eq!(house.api("PUT", "api.example.net", "{\"target\":\"192.0.2.1\",\"ldap\":true}"), 201);
        assert_eq!(json(&["remove", "api.example.net"])["file"], Value::Null);

        // Without a daemon the file is shown, not a running state.
        house.portward.terminate();
        house.portward.wait();
        let said = house.host(&["enable", "hq.example.net", "--json"]);
        let on: Value = serde_json::from_str(&said.out).unwrap();
        assert_eq!(
            (said.code, &on["changed"], &on["in_force"]),
            (0, &true.into(), &false.into()),
            "{said:?}"
        );
    });
}
