//! `portward explain`: the questions that administrators type, and the meaning of the answers for a script.

use crate::harness::{Portward, Target, command, within};

/// Issue 18, item 23: usual questions are understood, and the help explains the exit codes.
#[test]
fn item_23_explain_takes_websockets_and_bare_hosts_and_names_the_nearest_path() {
    within(60, || {
        let target = Target::named("here");
        let port = target.port();
        let rules = format!(
            "[[host]]\nname = \"hq.example.net\"\ntarget = \"127.0.0.1\"\n\
             http = [{{ path = \"/PBX0/APPS\", tcp = {port} }}, {{ path = \"/soap/\", tcp = {port} }}]\n"
        );
        let setup = Portward::rules(&rules);
        let config = setup.write().display().to_string();
        let explain = |url: &str| command(20, setup.dir(), &["explain", "--config", &config, url]);
        for (url, code, expected) in [
            (
                "wss://hq.example.net/PBX0/APPS/ws",
                0,
                format!("wss://hq.example.net/PBX0/APPS/ws -> 127.0.0.1:{port} (plain)"),
            ),
            ("ws://hq.example.net/PBX0/APPS", 0, format!("-> 127.0.0.1:{port} (plain)")),
            ("hq.example.net/PBX0/APPS", 0, format!("https://hq.example.net/PBX0/APPS -> 127.0.0.1:{port}")),
            ("hq.example.net", 1, "https://hq.example.net rejected: no-path".to_owned()),
            ("hq.example.com", 1, "https://hq.example.com rejected: unknown-host".to_owned()),
            ("wss://hq.example.net/pbx0/apps", 1, "the nearest is /PBX0/APPS at ".to_owned()),
            ("https://hq.example.net/PBX0/APSP/x", 1, "the nearest is /PBX0/APPS at ".to_owned()),
            ("https://hq.example.net/soap", 1, "with the slash at its end".to_owned()),
        ] {
            let said = explain(url);
            assert!(said.code == code && said.out.contains(&expected), "{url}: {said:?}");
        }
        for url in ["ftp://hq.example.net/", "ckl@hq.example.net", "htps://hq.example.net/"] {
            let said = explain(url);
            assert!(said.code == 2 && said.errors.contains("a URL is like https://"), "{url}: {said:?}");
        }
        let help = command(20, setup.dir(), &["explain", "--help"]);
        for part in [
            "Exit codes:",
            "0  each of these",
            "1  one would be refused, or that is not known",
            "2  wrong usage",
        ] {
            assert!(help.out.contains(part), "{part}: {help:?}");
        }
    });
}
