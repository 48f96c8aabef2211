//! The target that a request reaches. A refused request reaches none (contract sections 1 to 3).

use crate::harness::{Nginx, Portward, Recorder, Target, curl, within};

/// Two hosts, two nginx servers.
fn two_hosts(one: &Nginx, two: &Nginx) -> String {
    format!(
        r#"
[[host]]
name = "one.example.net"
target = "127.0.0.1"
http = [{{ path = "/PBX0/", tcp = {}, tls = {} }}, {{ path = "/PBX0/APPS", tcp = {}, tls = {} }}]

[[host]]
name = "two.example.net"
http = [{{ path = "", target = "127.0.0.1", tcp = {}, tls = {} }}]
"#,
        one.plain, one.tls, one.plain, one.tls, two.plain, two.tls
    )
}

/// One host with one path, on a recorder.
fn one_host(recorder: &Recorder) -> String {
    format!(
        "[[host]]\nname = \"one.example.net\"\naliases = [\"alias.example.net\"]\ntarget = \"127.0.0.1\"\n\
         http = [{{ path = \"/PBX0/APPS\", tcp = {} }}]\n\
         [[host]]\nname = \"off.example.net\"\nenabled = false\ntarget = \"127.0.0.1\"\n\
         http = [{{ path = \"\", tcp = {} }}]\n\
         [[host]]\nname = \"phones.example.net\"\ntarget = \"127.0.0.1\"\nldap = {{ tcp = {} }}\n",
        recorder.port(),
        recorder.port(),
        recorder.port()
    )
}

#[test]
fn two_hosts_on_one_connection_reach_two_servers() {
    within(60, || {
        let (one, two) = (Nginx::start("pbx-one"), Nginx::start("pbx-two"));
        let portward = Portward::with_rules(&two_hosts(&one, &two));
        for mut client in portward.both("one.example.net") {
            for _ in 0..3 {
                let first = client.get("one.example.net", "/PBX0/APPS/x/y");
                assert_eq!((first.status(), first.header("x-server")), (200, Some("pbx-one")), "{first:?}");
                assert!(first.text().contains("uri=/PBX0/APPS/x/y\nhost=one.example.net\n"), "{first:?}");
                let second = client.get("two.example.net", "/anything?a=b");
                assert_eq!(
                    (second.status(), second.header("x-server")),
                    (200, Some("pbx-two")),
                    "{second:?}"
                );
                assert!(second.text().contains("uri=/anything?a=b\nhost=two.example.net\n"), "{second:?}");
            }
        }
    });
}

#[test]
fn curl_reaches_both_servers_over_one_connection() {
    within(60, || {
        let (one, two) = (Nginx::start("pbx-one"), Nginx::start("pbx-two"));
        let portward = Portward::with_rules(&two_hosts(&one, &two));
        // Only the Host header differs, so curl keeps its connection.
        let url = format!("http://127.0.0.1:{}/PBX0/user.soap", portward.http);
        let told = "connects=%{num_connects}\n";
        let seen = curl(&[
            "--write-out",
            told,
            "-H",
            "Host: one.example.net",
            &url,
            "--next",
            "--silent",
            "--write-out",
            told,
            "-H",
            "Host: two.example.net",
            &url,
        ]);
        assert_eq!(seen.code, 0, "{seen:?}");
        let order: Vec<&str> = seen
            .out
            .lines()
            .filter(|line| line.starts_with("server=") || line.starts_with("connects="))
            .collect();
        assert_eq!(order, ["server=pbx-one", "connects=1", "server=pbx-two", "connects=0"], "{seen:?}");

        let resolve = format!("one.example.net:{}:127.0.0.1", portward.https);
        let url = format!("https://one.example.net:{}/PBX0/APPS", portward.https);
        let ca = portward.dir().join("ca.crt");
        let seen = curl(&["--resolve", &resolve, "--cacert", ca.to_str().unwrap(), &url]);
        assert_eq!(seen.code, 0, "{seen:?}");
        assert!(seen.out.contains("server=pbx-one\n") && seen.out.contains("scheme=https\n"), "{seen:?}");
    });
}

#[test]
fn a_forbidden_path_after_an_allowed_one_is_404_and_reaches_nobody() {
    within(60, || {
        let nginx = Nginx::start("pbx-one");
        let recorder = Target::recorder();
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [\n\
             {{ path = \"/open\", tcp = {}, tls = {} }},\n{{ path = \"/else/where\", tcp = {} }},\n]\n",
            nginx.plain,
            nginx.tls,
            recorder.port()
        );
        let portward = Portward::with_rules(&rules);
        for mut client in portward.both("one.example.net") {
            assert_eq!(client.get("one.example.net", "/open/door").status(), 200);
            let refused = client.get("one.example.net", "/else/admin");
            assert_eq!(refused.status(), 404, "{refused:?}");
            assert_eq!(refused.header("x-server"), None);
        }
        portward.decision(&["http://one.example.net GET /else/admin HTTP/1.1", "rejected: no-path"]);
        portward.decision(&["https://one.example.net GET /else/admin HTTP/1.1", "rejected: no-path"]);
        assert!(!nginx.access_log().contains("/else/admin"));
        recorder.assert_untouched("no path matches");
    });
}

#[test]
fn what_no_rule_names_is_closed_without_a_byte() {
    within(60, || {
        let recorder = Target::recorder();
        let portward = Portward::with_rules(&one_host(&recorder));
        let cases = [
            ("GET /PBX0/APPS HTTP/1.1\r\nHost: other.example.net\r\n\r\n", "unknown-host"),
            ("GET /PBX0/APPS HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n", "unknown-host"),
            ("GET /PBX0/APPS HTTP/1.1\r\nHost: example.net\r\n\r\n", "unknown-host"),
            ("GET /PBX0/APPS HTTP/1.1\r\nHost: deep.one.example.net\r\n\r\n", "unknown-host"),
            ("GET / HTTP/1.1\r\nHost: off.example.net\r\n\r\n", "disabled"),
            ("GET / HTTP/1.1\r\nHost: phones.example.net\r\n\r\n", "no-service"),
            ("GET / HTTP/1.1\r\n\r\n", "no-name"),
            ("GET / HTTP/1.0\r\n\r\n", "no-name"),
            ("GET /PBX0/APPS/../x HTTP/1.1\r\nHost: one.example.net\r\n\r\n", "unsafe-path"),
            ("OPTIONS * HTTP/1.1\r\nHost: other.example.net\r\n\r\n", "unknown-host"),
            ("CONNECT one.example.net:443 HTTP/1.1\r\nHost: one.example.net:443\r\n\r\n", "method"),
            ("\x16\x03\x01\x02\x00\x01\x00\x01\x00\r\n\r\n", "malformed"),
        ];
        for (request, reason) in cases {
            for (mut client, scheme) in
                [(portward.plain(), "http"), (portward.tls("one.example.net"), "https")]
            {
                let mark = portward.mark();
                client.send(request);
                assert_eq!(client.rest(), b"", "{scheme} {request:?}");
                portward.decision_after(mark, &[&format!("rejected: {reason}")]);
            }
        }
        recorder.assert_untouched("nothing of it is allowed");
    });
}

#[test]
fn names_are_compared_without_case_dot_and_port() {
    within(60, || {
        let target = Target::named("here");
        let portward = Portward::with_rules(&one_host(&target));
        for host in [
            "one.example.net",
            "ONE.Example.NET",
            "one.example.net.",
            "one.example.net:90",
            "one.example.net.:8080",
            "alias.example.net",
        ] {
            let answer = portward.plain().get(host, "/PBX0/APPS");
            assert_eq!(answer.text(), "here", "{host}: {answer:?}");
        }
        let answer = portward
            .plain()
            .ask("GET http://one.example.net/PBX0/APPS/absolute HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
        assert_eq!(answer.text(), "here", "{answer:?}");
    });
}

#[test]
fn reject_answer_says_what_is_wrong() {
    within(60, || {
        let recorder = Target::recorder();
        let portward = Portward::rules(&one_host(&recorder))
            .set("reject", "\"answer\"")
            .set("limits.inspect_timeout", "\"4s\"")
            .start();
        let long = format!("GET / HTTP/1.1\r\nHost: one.example.net\r\nX: {}\r\n\r\n", "x".repeat(300_000));
        let cases: [(&str, &[u16]); 8] = [
            ("GET / HTTP/1.1\r\nHost: other.example.net\r\n\r\n", &[421]),
            ("GET /PBX0/x HTTP/1.1\r\nHost: one.example.net\r\n\r\n", &[404]),
            ("GET / HTTP/1.1\r\nHost: one.example.net\r\nHost: one.example.net\r\n\r\n", &[400]),
            ("GET / HTTP/1.1\r\n\r\n", &[400]),
            ("GET / HTTP/1.1\nHost: one.example.net\n\n", &[400]),
            ("GET / HTTP/1.1\r\nHost: off.example.net\r\n\r\n", &[403]),
            ("GET /PBX0/APPS/../x HTTP/1.1\r\nHost: one.example.net\r\n\r\n", &[400, 403]),
            ("GET /PBX0/APPS HTTP/1.1\r\nHost: one.exa", &[408]),
        ];
        for (request, codes) in cases {
            for mut client in portward.both("one.example.net") {
                let answer = client.ask(request);
                assert!(codes.contains(&answer.status()), "{request:?}: {answer:?}");
            }
        }
        let mut client = portward.plain();
        let _ = client.try_send(long);
        assert_eq!(client.response().status(), 431);
        recorder.assert_untouched("nothing of it is allowed");
    });
}
