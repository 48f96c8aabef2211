//! `POST /v1/explain` and `portward explain --live`.

use super::{Inside, run, started};
use crate::harness::{free_port, within};

#[test]
fn item_5_explain_asks_the_running_daemon_what_it_alone_knows() {
    within(90, || {
        let inside = Inside::new();
        let portward = started(inside.setup().set("blacklist.allow", "[]"));
        let url = "http://one.example.net/open/x";
        let explain = |more: &[&str]| run(&portward, &[&["explain", url], more].concat());
        let (files, live) = (explain(&[]), explain(&["--live"]));
        assert_eq!((files.code, live.code), (0, 0), "{live:?}");
        let target = format!("127.0.0.1:{}", inside.web.port());
        assert_eq!(
            live.out,
            format!("{}  target  {target} is unknown: nothing has shown yet whether it is up\n", files.out),
            "{live:?}"
        );

        // The present files are not in force.
        let dead = free_port();
        let other = inside.rules().replace(
            &format!("tcp = {}, tls = false }}]", inside.web.port()),
            &format!("tcp = {dead}, tls = false }}]"),
        );
        portward.write_rules(&other);
        assert!(explain(&[]).out.contains(&format!("127.0.0.1:{dead}")));
        assert!(explain(&["--live"]).out.contains(&target));
        assert_eq!(run(&portward, &["reload"]).code, 0);
        portward.plain().get("one.example.net", "/open");
        let live = explain(&["--live"]);
        assert!(live.out.contains(&format!("target  127.0.0.1:{dead} is down")), "{live:?}");
        assert_eq!(live.code, 0, "the rules lead there: {live:?}");

        // The blacklist, and a host that was disabled at run time.
        assert_eq!(run(&portward, &["blacklist", "add", "203.0.113.9"]).code, 0);
        let listed = explain(&["--live", "--from", "203.0.113.9"]);
        assert_eq!(listed.code, 1, "{listed:?}");
        assert!(
            listed.out.contains("rejected: blacklisted")
                && listed.out.contains("client  203.0.113.9 is on the blacklist"),
            "{listed:?}"
        );
        let other = explain(&["--live", "--json", "--from", "2001:db8::9"]);
        let json: serde_json::Value = serde_json::from_str(&other.out).unwrap();
        assert_eq!(
            (&json["granted"], &json["live"]["client"]["counted_as"]),
            (&true.into(), &"2001:db8::/64".into()),
            "{json}"
        );
        assert_eq!(super::ask(&portward, "POST", "hosts/*.example.net/disable").0, 200);
        let disabled = explain(&["--live"]);
        assert!(disabled.code == 1 && disabled.out.contains("rejected: disabled"), "{disabled:?}");

        for (args, code) in [
            (&["explain", "--live", "ftp://x/"][..], 2),
            (&["explain", "--live", "https://nowhere.example/"], 1),
        ] {
            assert_eq!(run(&portward, args).code, code, "{args:?}");
        }
    });
}
