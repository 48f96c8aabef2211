//! `/v1/status` and `portward status`.

use std::fs;

use portward::tls::{DevCa, Validity};

use super::{Inside, ask, get, run, started, traffic};
use crate::harness::{Portward, command, free_port, within};

#[test]
fn item_1_status_counts_what_was_decided_by_service_and_reason() {
    within(90, || {
        let inside = Inside::new();
        let portward = inside.start();
        let open = traffic(&portward);
        let status = get(&portward, "status");
        assert_eq!(status["version"], env!("CARGO_PKG_VERSION"));
        assert!(status["uptime"].as_u64().is_some_and(|uptime| uptime < 90), "{status}");
        assert!(status["since"].as_str().unwrap().ends_with('Z'), "{status}");
        let rules = &status["rules"];
        assert_eq!(
            (&rules["generation"], &rules["hosts"], &rules["disabled"]),
            (&1.into(), &1.into(), &0.into())
        );
        assert!(status["last_reload"].is_null(), "{status}");
        let counters = &status["counters"];
        for (service, carrier, forwarded, rejected) in
            [("http", "tcp", 1, 1), ("sip", "tls", 1, 1), ("ldap", "tcp", 1, 0), ("h323", "tcp", 1, 0)]
        {
            let of = &counters[service];
            assert_eq!(of["decisions"]["forwarded"], forwarded, "{service}: {of}");
            assert_eq!(of["decisions"]["rejected"], rejected, "{service}: {of}");
            assert_eq!(of["open"][carrier], 1, "{service}: {of}");
            assert!(of["bytes"]["up"].as_u64() > Some(10), "{service}: {of}");
        }
        assert_eq!(counters["http"]["rejected"], serde_json::json!({ "no-path": 1 }));
        assert_eq!(counters["sip"]["rejected"], serde_json::json!({ "unknown-host": 1 }));
        assert_eq!((&status["connections"], &status["blacklist"]), (&4.into(), &0.into()), "{status}");
        assert_eq!(status["handshakes"]["client"], serde_json::json!({ "succeeded": 1, "failed": 0 }));

        let said = run(&portward, &["status"]);
        assert_eq!(said.code, 0, "{said:?}");
        for part in [
            concat!("Portward ", env!("CARGO_PKG_VERSION"), " runs for "),
            "nothing is wrong",
            "1 host; generation 1",
            "none since the start",
            "4 open",
            "no-path",
            "unknown-host",
        ] {
            assert!(said.out.contains(part), "{part}: {}", said.out);
        }
        let json: serde_json::Value =
            serde_json::from_str(&run(&portward, &["status", "--json"]).out).unwrap();
        assert_eq!(json["counters"]["h323"]["decisions"]["forwarded"], 1);
        drop(open);
    });
}

#[test]
fn item_1_status_says_first_what_is_wrong() {
    within(90, || {
        let inside = Inside::new();
        // No certificate covers this host, and the other host's target port is closed.
        let dead = free_port();
        let more = format!(
            "[[host]]\nname = \"one.example.com\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"/\", tcp = {dead} }}]\n"
        );
        let portward = started(inside.setup());
        portward.write_rules(&(inside.rules() + &more));
        portward.hang_up();
        portward.line(&["reloaded: 2 hosts"]);
        portward.plain().get("one.example.com", "/");
        let status = get(&portward, "status");
        let warnings = status["warnings"].as_array().unwrap();
        assert_eq!(status["warning_count"], warnings.len(), "{status}");
        let has = |part: &str| warnings.iter().any(|one| one["message"].as_str().unwrap().contains(part));
        assert!(has("no certificate covers one.example.com"), "{status}");
        assert!(has(&format!("127.0.0.1:{dead} is down")), "{status}");
        let last = &status["last_reload"];
        assert_eq!((&last["by"], &last["successful"]), (&"a signal".into(), &true.into()), "{status}");
        assert_eq!(status["rules"]["generation"], 2, "{status}");

        portward.write_rules("[[host]]\nname = 7\n");
        assert_eq!(ask(&portward, "POST", "reload").0, 422);
        let status = get(&portward, "status");
        assert_eq!(
            (&status["last_reload"]["successful"], &status["rules"]["generation"]),
            (&false.into(), &2.into())
        );
        assert!(status["last_reload"]["error"].as_str().unwrap().contains("test.toml:2:"), "{status}");
        assert!(status["last_reload"]["by"].as_str().unwrap().starts_with("an administrator"), "{status}");
        let said = run(&portward, &["status"]);
        assert_eq!(said.code, 0, "it runs: {said:?}");
        let at = |part: &str| said.out.find(part).unwrap_or_else(|| panic!("no {part}: {}", said.out));
        assert!(
            at("things to look at:") < at("was refused, so that everything is as it was before: ")
                && at("is down") < at("SERVICE"),
            "{said:?}"
        );
        assert!(at("no certificate covers one.example.com") < at("generation 2"), "{said:?}");
        let refused = said.out.lines().find(|line| line.contains("was refused, so")).unwrap();
        assert!(refused.contains("test.toml:2:"), "it says where: {refused}");
        let count: usize = said
            .out
            .lines()
            .find_map(|line| line.strip_suffix(" things to look at:"))
            .unwrap()
            .parse()
            .unwrap();
        let things = said.out.lines().skip_while(|line| !line.ends_with("look at:")).skip(1);
        assert_eq!(things.take_while(|line| line.starts_with("  ")).count(), count, "{said:?}");
    });
}

#[test]
fn item_1_status_of_what_does_not_run_says_so() {
    let setup = Portward::rules("");
    let config = setup.write().display().to_string();
    let said = command(20, setup.dir(), &["status", "--config", &config]);
    assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:?}");
    assert!(
        said.errors.contains("no Portward answers on") && said.errors.contains("systemctl status"),
        "{said:?}"
    );
}

#[test]
fn item_1_a_certificate_near_its_end_is_a_warning_and_no_new_generation() {
    within(60, || {
        let inside = Inside::new();
        let portward = inside.start();
        // The new certificate ends soon. It is noticed without a reload.
        let soon = DevCa::new().unwrap().server_valid(&["*.example.net"], Validity::days(-1, 10)).unwrap();
        let certs = portward.dir().join("certs");
        fs::write(certs.join("server.crt"), &soon.cert_pem).unwrap();
        fs::write(certs.join("server.key"), &soon.key_pem).unwrap();
        portward.line(&["have changed and were read again"]);
        let status = get(&portward, "status");
        let warnings = status["warnings"].as_array().unwrap();
        let expiry = |one: &&serde_json::Value| one["message"].as_str().unwrap().contains("expires on");
        assert_eq!(warnings.iter().filter(expiry).count(), 1, "{status}");
        assert_eq!(status["rules"]["generation"], 1, "certificates are no rules: {status}");
    });
}

/// Contract section 8: exit code 2 means wrong usage, whether the command or the daemon finds it.
#[test]
fn a_filter_that_is_not_understood_is_wrong_usage() {
    within(60, || {
        let inside = Inside::new();
        let portward = started(inside.setup());
        for args in [
            &["connections", "--service", "smtp"][..],
            &["log", "--service", "smtp"],
            &["log", "--reason", "nothing"],
            &["targets", "--host", "two words"],
        ] {
            let said = run(&portward, args);
            assert!(said.code == 2 && said.errors.starts_with("error: "), "{args:?}: {said:?}");
        }
        let none = run(&portward, &["connections", "--limit", "0", "--json"]);
        assert!(none.code == 2 && none.out.is_empty(), "{none:?}");
    });
}

/// A target that is down does not matter once no rule leads to it.
#[test]
fn issue_23_a_target_that_is_down_is_named_as_long_as_a_rule_leads_there() {
    within(60, || {
        let to = |port: u16| {
            format!(
                "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {port} }}]\n"
            )
        };
        let [first, second] = [free_port(), free_port()];
        let portward = started(Portward::rules(&to(first)));
        assert_eq!(portward.plain().get("one.example.net", "/").status(), 502);
        let down = |portward: &Portward| {
            let status = get(portward, "status");
            let warnings = status["warnings"].as_array().unwrap().iter();
            warnings.filter_map(|one| one["target"].as_str().map(ToOwned::to_owned)).collect::<Vec<_>>()
        };
        assert_eq!(down(&portward), [format!("127.0.0.1:{first}")]);
        portward.write_rules(&to(second));
        assert_eq!(run(&portward, &["reload"]).code, 0);
        assert_eq!(down(&portward), [""; 0]);
    });
}
