//! `portward reload`.

use super::{Inside, run};
use crate::harness::{TestCa, within};

#[test]
fn item_7_reload_says_what_has_changed_or_what_is_wrong() {
    within(90, || {
        let inside = Inside::new();
        let portward = inside.start();
        let said = run(&portward, &["reload"]);
        assert_eq!(said.code, 0, "{said:?}");
        assert!(said.out.contains("no host, certificate or listener has changed"), "{said:?}");

        let more = "[[host]]\nname = \"new.example.net\"\ntarget = \"127.0.0.1\"\nldap = true\n";
        portward.write_rules(&(inside.rules().replace("/open", "/opened") + more));
        TestCa::shared().issue(&["*.example.net"]).write(&portward.dir().join("certs"), "server");
        TestCa::shared().issue(&["example.net"]).write(&portward.dir().join("certs"), "second");
        let said = run(&portward, &["reload"]);
        assert_eq!(said.code, 0, "{said:?}");
        for part in [
            "reloaded, 2 hosts in force",
            "1 host added: new.example.net",
            "1 host changed: *.example.net",
            "1 certificate added: second",
            "1 certificate renewed: server",
        ] {
            assert!(said.out.contains(part), "{part}: {said:?}");
        }

        portward.write_rules("[[host]]\nname = 7\n");
        let check = run(&portward, &["check"]);
        let said = run(&portward, &["reload"]);
        assert_eq!((said.code, said.out.as_str()), (1, ""), "{said:?}");
        let shown = check.errors.split("\n\n").find(|one| one.starts_with("error")).unwrap();
        assert!(shown.contains("test.toml:2:") && said.errors.contains(shown), "{shown}\n{}", said.errors);
        assert!(said.errors.contains("everything stays as it was"), "{said:?}");
        assert_eq!(portward.plain().get("one.example.net", "/opened").text(), "here");
        let json = run(&portward, &["reload", "--json"]);
        assert_eq!((json.code, json.errors.as_str()), (1, ""), "{json:?}");
        let json: serde_json::Value = serde_json::from_str(&json.out).unwrap();
        let first = &json["diagnostics"][0];
        assert_eq!((&first["severity"], &first["line"]), (&"error".into(), &2.into()), "{json}");
        assert!(json["error"].as_str().unwrap().contains("test.toml:2:"), "{json}");
    });
}
