//! ACME's HTTP-01 challenges (contract section 4): an ACME client behind Portward uses a folder, or a port of its own.

use std::fs;

use crate::harness::{Output, Portward, Target, command, curl, ok, within};

const CHALLENGE: &str = "/.well-known/acme-challenge/";

fn rules(port: u16) -> String {
    format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\n\
         http = [{{ path = \"/open\", tcp = {port} }}, {{ default = true, redirect = \"https\", tls = {port} }}]\n\
         [[host]]\nname = \"web.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {port} }}]\n\
         [[host]]\nname = \"off.example.net\"\nenabled = false\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {port} }}]\n"
    )
}

fn explain(portward: &Portward, url: &str) -> Output {
    let config = portward.config().display().to_string();
    command(20, portward.dir(), &["explain", "--config", &config, url])
}

/// Issue 18, item 23: `explain` names the ACME client that answers, as the daemon does.
#[test]
fn item_23_explain_knows_who_answers_challenges() {
    within(60, || {
        let pbx = Target::named("the PBX");
        let acme = Target::named("the ACME client");
        let setup = Portward::rules(&rules(pbx.port())).set("tls.acme_webroot", "\"acme\"");
        let folder = setup.dir().join("acme/.well-known/acme-challenge");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("there"), "there.thumbprint").unwrap();
        let portward = setup.start();
        let url = |host: &str, token: &str| format!("http://{host}.example.net{CHALLENGE}{token}");
        let said = explain(&portward, &url("one", "there"));
        let file = folder.join("there").display().to_string();
        assert!(said.code == 0 && said.out.contains(&format!(" -> 200 {file}\n")), "{said:?}");
        assert_eq!(
            portward.plain().get("one.example.net", &format!("{CHALLENGE}there")).text(),
            "there.thumbprint"
        );
        // Without the file the rules decide, and differently for each host.
        let file = folder.join("missing").display().to_string();
        for (host, code, expected) in [("one", 1, " rejected: no-path"), ("web", 0, " (plain)")] {
            let said = explain(&portward, &url(host, "missing"));
            assert!(said.code == code && said.out.contains(expected), "{said:?}");
            assert!(
                said.out.contains(&format!("tls.acme_webroot has no {file}, so the rules decide")),
                "{said:?}"
            );
        }
        let said = explain(&portward, &url("off", "there"));
        assert!(said.code == 1 && said.out.contains(" rejected: disabled"), "{said:?}");
        let said = explain(&portward, &url("one", "there").replace("http:", "https:"));
        assert!(said.code == 1 && said.out.contains(" rejected: no-path"), "by TLS there are none: {said:?}");

        let address = format!("127.0.0.1:{}", acme.port());
        let setup = Portward::rules(&rules(pbx.port())).set("tls.acme_target", &format!("\"{address}\""));
        let portward = setup.start();
        let said = explain(&portward, &url("one", "anything"));
        assert!(said.code == 0 && said.out.contains(&format!(" -> {address} (plain)\n")), "{said:?}");
        assert!(said.out.contains("rule    tls.acme_target\n"), "{said:?}");
        assert_eq!(
            portward.plain().get("one.example.net", &format!("{CHALLENGE}anything")).text(),
            "the ACME client"
        );
    });
}

#[test]
fn challenges_are_answered_from_a_folder() {
    within(60, || {
        let pbx = Target::named("the PBX");
        let setup = Portward::rules(&rules(pbx.port())).set("tls.acme_webroot", "\"acme\"");
        let folder = setup.dir().join("acme/.well-known/acme-challenge");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("aZ0-_"), "aZ0-_.thumbprint").unwrap();
        std::os::unix::fs::symlink("/etc/hostname", folder.join("link")).unwrap();
        let portward = setup.start();
        // The authority asks for any host of the rules, by the plain port, whatever the host's own rules are.
        for host in ["one.example.net", "web.example.net"] {
            let resolve = format!("{host}:{}:127.0.0.1", portward.http);
            let url = format!("http://{host}:{}{CHALLENGE}aZ0-_", portward.http);
            let seen = curl(&["--resolve", &resolve, "-i", &url]);
            assert!(
                seen.out.starts_with("HTTP/1.1 200 ") && seen.out.ends_with("\r\n\r\naZ0-_.thumbprint"),
                "{seen:?}"
            );
            portward.decision(&[&format!("http://{host}"), "-> acme_webroot"]);
        }
        pbx.assert_untouched("the challenges were answered here");
        // The connection goes on. The answer to HEAD has no body.
        let mut client = portward.plain();
        assert_eq!(client.get("one.example.net", &format!("{CHALLENGE}aZ0-_")).text(), "aZ0-_.thumbprint");
        assert_eq!(client.get("one.example.net", "/open").text(), "the PBX");
        client.send(format!(
            "HEAD {CHALLENGE}aZ0-_ HTTP/1.1\r\nHost: one.example.net\r\nConnection: close\r\n\r\n"
        ));
        let head = String::from_utf8(client.rest()).unwrap();
        assert!(head.contains("Content-Length: 16\r\n") && head.ends_with("\r\n\r\n"), "{head}");
        // The rules decide about all other requests: a missing file, other methods, other ports, other hosts.
        let seen = pbx.bytes();
        for (path, status) in
            [("missing", 404), ("link", 404), ("a.b", 404), ("../../../rules/test.toml", 0), ("aZ0-_/x", 404)]
        {
            let mut client = portward.plain();
            client.send(format!(
                "GET {CHALLENGE}{path} HTTP/1.1\r\nHost: one.example.net\r\nConnection: close\r\n\r\n"
            ));
            let answer = String::from_utf8(client.rest()).unwrap();
            match status {
                0 => assert_eq!(answer, "", "{path}"),
                status => assert!(answer.starts_with(&format!("HTTP/1.1 {status} ")), "{path}: {answer}"),
            }
        }
        assert_eq!(
            portward.tls("one.example.net").get("one.example.net", &format!("{CHALLENGE}aZ0-_")).status(),
            404
        );
        for host in ["off.example.net", "nobody.example"] {
            let mut client = portward.plain();
            client.send(format!("GET {CHALLENGE}aZ0-_ HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            assert_eq!(client.rest(), b"", "{host}");
        }
        assert_eq!(pbx.bytes(), seen);
        // If there is no answer the PBX may have one.
        assert_eq!(portward.plain().get("web.example.net", &format!("{CHALLENGE}missing")).text(), "the PBX");
        let mut client = portward.plain();
        client.send(format!(
            "POST {CHALLENGE}aZ0-_ HTTP/1.1\r\nHost: web.example.net\r\nContent-Length: 0\r\n\r\n"
        ));
        assert_eq!(client.response().text(), "the PBX");
    });
}

#[test]
fn challenges_are_sent_to_a_target() {
    within(60, || {
        let pbx = Target::named("the PBX");
        let client = Target::http(|request, _| {
            ok(&format!("{} {}", request.target(), request.header("host").unwrap()))
        });
        let portward = Portward::rules(&rules(pbx.port()))
            .set("tls.acme_target", &format!("\"127.0.0.1:{}\"", client.port()))
            .start();
        for host in ["one.example.net", "web.example.net"] {
            let said = portward.plain().get(host, &format!("{CHALLENGE}token")).text();
            assert_eq!(said, format!("{CHALLENGE}token {host}"));
            portward.decision(&[&format!("http://{host}"), &format!("-> 127.0.0.1:{}", client.port())]);
        }
        assert_eq!(portward.plain().get("one.example.net", "/open").text(), "the PBX");
        let mut other = portward.plain();
        other.send(format!("GET {CHALLENGE}token HTTP/1.1\r\nHost: nobody.example\r\n\r\n"));
        assert_eq!(other.rest(), b"");
        assert_eq!(client.transcript().matches("GET ").count(), 2);
    });
}
