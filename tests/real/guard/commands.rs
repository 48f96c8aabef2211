//! `portward blacklist`, `explain --from`, and a list that survives a restart.

use serde_json::Value;

use super::{address, is_served, judged, rules, scan};
use crate::harness::{Output, Portward, command, eventually, program, within};

fn blacklist(portward: &Portward, args: &[&str]) -> Output {
    let config = portward.config().display().to_string();
    command(20, portward.dir(), &[&["blacklist", "--config", &config], args].concat())
}

#[test]
fn the_list_is_read_and_changed_while_it_runs() {
    within(60, || {
        let portward = judged(&rules(9, 9, 9, 9)).start();
        assert_eq!(blacklist(&portward, &[]).out, "no address is listed\n");
        (0..21).for_each(|_| scan(&portward, address(1)));
        assert!(!is_served(&portward, address(1)));
        let added =
            blacklist(&portward, &["add", "127.0.9.2", "--for", "90d", "--note", "a \u{1b}[31mscanner"]);
        assert!(
            added.code == 0
                && added.out.contains("127.0.9.2")
                && added.out.contains("by hand: a \\u{1b}[31mscanner"),
            "{added:?}"
        );
        let list = blacklist(&portward, &["list"]);
        let lines: Vec<&str> = list.out.lines().collect();
        assert_eq!(lines.len(), 2, "{list:?}");
        assert!(lines[0].starts_with("127.0.9.2 ") && lines[1].starts_with("127.0.9.1 "), "{list:?}");
        assert!(lines[1].contains("unknown-host (21 in a minute)"), "{list:?}");
        let json: Value = serde_json::from_str(&blacklist(&portward, &["--json"]).out).unwrap();
        assert_eq!((&json["count"], &json["entries"][1]["reason"]), (&2.into(), &"unknown-host".into()));

        let explain = |from: &str| {
            let config = portward.config().display().to_string();
            command(
                20,
                portward.dir(),
                &["explain", "--config", &config, "--from", from, "http://one.example.net/open"],
            )
        };
        let said = explain("127.0.9.1");
        assert!(
            said.code == 1
                && said.out.contains("rejected: blacklisted")
                && said.out.contains("unknown-host (21"),
            "{said:?}"
        );
        let said = explain("127.0.9.3");
        assert!(said.code == 0 && said.out.contains("-> 127.0.0.1:9 "), "{said:?}");

        assert!(!is_served(&portward, address(2)) && is_served(&portward, address(3)));
        assert_eq!(blacklist(&portward, &["remove", "127.0.9.1"]).code, 0);
        assert!(is_served(&portward, address(1)));
        let again = blacklist(&portward, &["remove", "127.0.9.1"]);
        assert!(again.code == 1 && again.errors.contains("127.0.9.1 is not listed"), "{again:?}");
        for (args, wrong) in [
            (&["add", "nonsense"][..], "neither an address nor a network"),
            (&["add", "10.0.0.1/8"], "write 10.0.0.0/8, or 10.0.0.1 for this address alone"),
            (&["remove", "10.0.0.0/33"], "neither an address nor a network"),
            (&["add", "127.0.9.7", "--for", "soon"], "--for soon: this is not a duration"),
            (
                &["add", "127.0.9.7", "--for", "5"],
                "--for 5: the duration has no unit; write a number and a unit",
            ),
            (&["add", "127.0.9.7", "--for", "permanent"], "write \"never\""),
        ] {
            let said = blacklist(&portward, args);
            assert!(said.code == 2 && said.errors.contains(wrong), "{args:?}: {said:?}");
        }
        assert_eq!(
            blacklist(&portward, &["add", "2001:db8::1"]).out.split(' ').next(),
            Some("2001:db8::/64")
        );
        assert_eq!(blacklist(&portward, &["clear"]).out, "2 entries removed\n");
        assert!(is_served(&portward, address(2)));
    });
}

/// Issue 18, item 23: a user who cannot ask the daemon is told so, and gets no positive answer.
#[test]
fn item_23_explain_from_is_no_yes_if_the_daemon_cannot_be_asked() {
    within(60, || {
        let portward = judged(&rules(9, 9, 9, 9)).set("blacklist.allow", "[\"127.0.9.9\"]").start();
        let config = portward.config().display().to_string();
        let dir = portward.dir().to_owned();
        let socket = dir.join("portward.sock");
        let url = |path: &str| format!("http://one.example.net{path}");
        let args = |from: &str, path: &str| {
            ["explain", "--config", &config, "--from", from, &url(path)].map(str::to_owned)
        };
        let explain = |from: &str, path: &str| {
            let args = args(from, path);
            command(20, &dir, &args.each_ref().map(String::as_str))
        };
        let is_unknown = |said: &Output, why: &str| {
            let line = format!(
                "{} unknown: whether 127.0.9.3 is on the blacklist cannot be told: {why}",
                url("/open")
            );
            said.code == 1
                && said.out.starts_with(&line)
                && said.out.contains("else    -> 127.0.0.1:9 (plain)")
        };
        let said = explain("127.0.9.3", "/open");
        assert!(said.code == 0 && said.out.contains(" -> 127.0.0.1:9 (plain)"), "{said:?}");

        // Without the right to ask: root has every right, so its capabilities are dropped, and the socket belongs to
        // another user.
        let mut parts = std::process::Command::new(program("setpriv", "util-linux"));
        parts.args(["--inh-caps=-all", "--bounding-set=-all", "--", env!("CARGO_BIN_EXE_portward")]);
        assert!(rustix::process::geteuid().is_root(), "this test gives rights up: run it as root");
        std::os::unix::fs::chown(&socket, Some(65534), Some(65534)).unwrap();
        std::fs::set_permissions(&socket, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        let output = parts.args(args("127.0.9.3", "/open")).current_dir(&dir).output().unwrap();
        let said = Output {
            code: output.status.code().unwrap(),
            out: String::from_utf8(output.stdout).unwrap(),
            errors: String::from_utf8(output.stderr).unwrap(),
        };
        let why = format!("the socket {} is for root and the group portward-admin\n", socket.display());
        assert!(is_unknown(&said, &why), "{said:?}");

        portward.terminate();
        portward.wait();
        let said = explain("127.0.9.3", "/open");
        let why = format!("no Portward answers on {}\n", socket.display());
        assert!(is_unknown(&said, &why), "{said:?}");
        // A program that reads only the decision gets no positive answer either.
        let args = args("127.0.9.3", "/open");
        let args = [&args.each_ref().map(String::as_str)[..], &["--json"]].concat();
        let json: Value = serde_json::from_str(&command(20, &dir, &args).out).unwrap();
        assert_eq!((&json["decision"], &json["otherwise"]), (&"unknown".into(), &"forward".into()), "{json}");
        // A request that is refused anyway is refused. For an address that is never listed the daemon is not asked.
        let said = explain("127.0.9.3", "/nowhere");
        assert!(said.code == 1 && said.out.contains(" rejected: no-path\n"), "{said:?}");
        assert!(
            said.out.contains("and     whether 127.0.9.3 is on the blacklist cannot be told"),
            "{said:?}"
        );
        let said = explain("127.0.9.9", "/open");
        assert!(said.code == 0 && said.out.contains(" -> 127.0.0.1:9 (plain)"), "{said:?}");
    });
}

/// Issue 18, item 26: the statement of docs/guard.md about an entry for an address in `allow`.
#[test]
fn item_26_an_entry_for_an_address_in_allow_has_no_effect_and_says_so() {
    within(60, || {
        let portward = judged(&rules(9, 9, 9, 9)).set("blacklist.allow", "[\"127.0.9.8/29\"]").start();
        let said = blacklist(&portward, &["add", "127.0.9.9"]);
        assert!(said.code == 0 && said.out.starts_with("127.0.9.9 "), "{said:?}");
        assert_eq!(
            said.errors,
            "warning: 127.0.9.8/29 is in blacklist.allow: nothing from there is refused for this entry\n"
        );
        assert!(is_served(&portward, address(9)));
        let json = blacklist(&portward, &["add", "127.0.9.10", "--json"]);
        let json: Value = serde_json::from_str(&json.out).unwrap();
        assert!(json["warning"].as_str().is_some_and(|text| text.contains("127.0.9.8/29")), "{json}");
        let said = blacklist(&portward, &["add", "127.0.9.7"]);
        assert!(said.code == 0 && said.errors.is_empty(), "{said:?}");
        assert!(!is_served(&portward, address(7)));
        assert!(blacklist(&portward, &[]).out.contains("127.0.9.9 "), "it is kept all the same");
        let page = std::fs::read_to_string("docs/guard.md").unwrap();
        assert!(
            page.split_whitespace().collect::<Vec<_>>().join(" ").contains("and `blacklist add` says so")
        );
    });
}

#[test]
fn it_survives_a_restart_and_a_damaged_file_does_not_prevent_one() {
    within(90, || {
        let portward = judged(&rules(9, 9, 9, 9)).set("blacklist.expiration", "\"1h\"").start();
        (0..21).for_each(|_| scan(&portward, address(1)));
        assert_eq!(blacklist(&portward, &["add", "127.0.9.2", "--note", "for good"]).code, 0);
        let file = portward.dir().join("state/blacklist.jsonl");
        eventually("it is written while it runs", || {
            std::fs::read_to_string(&file).is_ok_and(|text| text.lines().count() == 2)
        });
        let portward = portward.restart();
        assert!(
            !is_served(&portward, address(1))
                && !is_served(&portward, address(2))
                && is_served(&portward, address(3))
        );
        // The last changes are written at the end.
        assert_eq!(blacklist(&portward, &["remove", "127.0.9.2"]).code, 0);
        let portward = portward.restart();
        assert!(!is_served(&portward, address(1)) && is_served(&portward, address(2)));
        let text = std::fs::read_to_string(&file).unwrap();
        portward.terminate();
        portward.wait();
        std::fs::write(&file, format!("{text}{{\"address\":")).unwrap();
        let portward = portward.restart();
        // An entry and the record of its removal come before the damaged line.
        portward.line(&["blacklist.jsonl was damaged in line 3; "]);
        assert!(!is_served(&portward, address(1)));
        assert!(file.with_extension("jsonl.damaged").exists());
    });
}

/// Issue 16, item 7: a removal leaves a record, which names the user who has removed the entry, and survives a restart.
#[test]
fn item_7_a_removal_leaves_a_trace_on_disk() {
    within(90, || {
        let portward = judged(&rules(9, 9, 9, 9)).set("blacklist.expiration", "\"1h\"").start();
        let traces = |portward: &Portward| -> Vec<Value> {
            let text =
                std::fs::read_to_string(portward.dir().join("state/blacklist.jsonl")).unwrap_or_default();
            let lines = text.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
            lines.filter(|line| line.get("removed").is_some()).collect()
        };
        (0..21).for_each(|_| scan(&portward, address(1)));
        assert_eq!(blacklist(&portward, &["remove", "127.0.9.1"]).code, 0);
        assert_eq!(blacklist(&portward, &["add", "127.0.9.2"]).code, 0);
        let user = rustix::process::getuid().as_raw();
        let mut portward = portward;
        for _ in 0..2 {
            portward = portward.restart();
            let traces = traces(&portward);
            assert_eq!(traces.len(), 1, "{traces:?}");
            assert_eq!((&traces[0]["address"], &traces[0]["user"]), (&"127.0.9.1".into(), &user.into()));
            assert!(is_served(&portward, address(1)) && !is_served(&portward, address(2)));
        }
        // When the list is cleared one record says so.
        assert_eq!(blacklist(&portward, &["clear"]).out, "1 entry removed\n");
        let portward = portward.restart();
        assert!(is_served(&portward, address(2)));
        let traces = traces(&portward);
        assert_eq!(traces.len(), 2, "{traces:?}");
        assert_eq!((&traces[0]["all"], &traces[0]["by"]), (&true.into(), &"administrator".into()));
    });
}

#[test]
fn the_socket_is_nobodys_but_the_administrators() {
    use std::os::unix::fs::PermissionsExt as _;
    use std::os::unix::net::UnixStream;
    within(60, || {
        let portward = judged(&rules(9, 9, 9, 9)).start();
        let socket = portward.dir().join("portward.sock");
        eventually("it listens", || UnixStream::connect(&socket).is_ok());
        let mode = std::fs::metadata(&socket).unwrap().permissions().mode() & 0o777;
        assert!(mode == 0o660 || mode == 0o600, "{mode:o}");
        // The socket answers as HTTP does, and names mistakes.
        let curl = |args: &[&str]| {
            let socket = socket.display().to_string();
            crate::harness::curl(&[&["--unix-socket", &socket, "-w", "%{http_code}"], args].concat()).out
        };
        assert!(curl(&["http://x/v1/blacklist"]).ends_with("200"));
        assert!(curl(&["http://x/v1/nothing"]).ends_with("404"));
        assert!(curl(&["-X", "PUT", "http://x/v1/blacklist"]).ends_with("405"));
        assert!(curl(&["-d", "{", "http://x/v1/blacklist"]).contains("this is not JSON"));
        assert!(curl(&["-d", &"x".repeat(70_000), "http://x/v1/blacklist"]).ends_with("413"));
        let said = command(20, portward.dir(), &["blacklist", "--config", "/nonexistent.toml"]);
        assert_eq!(said.code, 1);
        let config = portward.config().display().to_string();
        portward.terminate();
        portward.wait();
        let said = command(20, portward.dir(), &["blacklist", "--config", &config]);
        assert!(said.code == 1 && said.errors.contains("no Portward answers on"), "{said:?}");
    });
}
