//! Fields that Portward adds to a request, and fields that it removes (contract section 3).

use crate::harness::{Message, Portward, Target, Wire, within};

fn rules(target: &Target) -> String {
    format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {} }}]\n",
        target.port()
    )
}

/// Sends a request with these lines. Returns it as the target saw it, with field names in lower case.
fn seen(client: &mut Wire, lines: &str) -> Message {
    let answer = client.ask(format!("GET /x HTTP/1.1\r\nHost: one.example.net\r\n{lines}\r\n"));
    assert_eq!(answer.status(), 200, "{answer:?}");
    let text = answer.text();
    let headers = text.lines().skip(1).map(|line| line.split_once(": ").unwrap_or((line, "")));
    Message {
        start: text.lines().next().unwrap().to_owned(),
        headers: headers
            .map(|(name, value)| (name.trim_end_matches(':').to_owned(), value.to_owned()))
            .collect(),
        body: Vec::new(),
        trailers: Vec::new(),
    }
}

#[test]
fn the_target_is_told_who_asked_and_how() {
    within(60, || {
        let target = Target::mirror();
        let portward = Portward::with_rules(&rules(&target));
        for (mut client, proto) in [(portward.plain(), "http"), (portward.tls("one.example.net"), "https")] {
            let request = seen(&mut client, "X-Own: kept\r\n");
            assert_eq!(request.all("x-forwarded-for"), ["127.0.0.1"], "{request:?}");
            assert_eq!(request.all("x-forwarded-proto"), [proto], "{request:?}");
            assert_eq!(request.all("x-forwarded-host"), ["one.example.net"], "{request:?}");
            assert_eq!(request.all("host"), ["one.example.net"], "{request:?}");
            assert_eq!(request.all("x-own"), ["kept"], "{request:?}");
            let forwarded = request.all("forwarded");
            assert_eq!(forwarded.len(), 1, "{request:?}");
            for part in ["for=127.0.0.1", &format!("proto={proto}"), "host="] {
                assert!(forwarded[0].to_ascii_lowercase().contains(part), "{part} in {request:?}");
            }
        }
    });
}

#[test]
fn what_a_stranger_says_about_itself_is_dropped() {
    within(60, || {
        let target = Target::mirror();
        let portward = Portward::with_rules(&rules(&target));
        let lies = [
            "X-Forwarded-For: 6.6.6.6",
            "X-Forwarded-Proto: liar",
            "X-Forwarded-Host: liar.example",
            "Forwarded: for=6.6.6.6;proto=liar",
            "X_Forwarded_For: 6.6.6.6",
            "X-Forwarded_For: 6.6.6.6",
            "x_forwarded-for: 6.6.6.6",
            "X_Forwarded_Proto: liar",
            "X_Forwarded_Host: liar.example",
            "x-FORWARDED-for: 6.6.6.6",
        ];
        let mut client = portward.plain();
        for lie in lies {
            for lines in
                [format!("{lie}\r\n"), format!("{lie}\r\n{lie}\r\n"), format!("Connection: X-Y\r\n{lie}\r\n")]
            {
                let request = seen(&mut client, &lines);
                let text = format!("{request:?}");
                assert!(!text.contains("6.6.6.6") && !text.contains("liar"), "{lie}: {request:?}");
                assert_eq!(request.all("x-forwarded-for"), ["127.0.0.1"], "{lie}: {request:?}");
                assert!(!text.contains("x_forwarded") && !text.contains("forwarded_"), "{lie}: {request:?}");
            }
        }
        // A client cannot remove our own fields by naming them as hop-by-hop.
        for name in ["X-Forwarded-For", "X-Forwarded-Proto", "Forwarded", "X-Forwarded-Host"] {
            let request = seen(&mut client, &format!("Connection: close, {name}\r\n"));
            assert_eq!(request.all(name).len(), 1, "{name}: {request:?}");
            client = portward.plain();
        }
    });
}

#[test]
fn a_trusted_proxy_in_front_is_believed() {
    within(60, || {
        let target = Target::mirror();
        let portward =
            Portward::rules(&rules(&target)).set("listen.forwarded_from", "[\"127.0.0.1/32\"]").start();
        let request = seen(
            &mut portward.plain(),
            "X-Forwarded-For: 6.6.6.6, 203.0.113.7\r\nX-Forwarded-Proto: https\r\n",
        );
        let chain = request.header("x-forwarded-for").unwrap().to_owned();
        assert!(chain.contains("203.0.113.7"), "{request:?}");
        // The right-most address that is not trusted is the client's.
        portward.decision(&[" 203.0.113.7 ", "GET /x HTTP/1.1"]);

        let request = seen(
            &mut Wire::plain_from("127.0.0.9".parse().unwrap(), portward.http),
            "X-Forwarded-For: 203.0.113.8\r\n",
        );
        assert_eq!(request.all("x-forwarded-for"), ["127.0.0.9"], "{request:?}");
    });
}

#[test]
fn hop_by_hop_headers_go_one_hop() {
    within(60, || {
        let target = Target::mirror();
        let portward = Portward::with_rules(&rules(&target));
        let lines = "Connection: keep-alive, X-Mine\r\nConnection: x-other\r\nKeep-Alive: timeout=5\r\nX-Mine: 1\r\n\
                     X-OTHER: 2\r\nProxy-Connection: keep-alive\r\nTE: gzip\r\nUpgrade: h2c\r\nHTTP2-Settings: AAMAAABk\r\n\
                     X-Kept: 3\r\nAuthorization: Basic dTpw\r\nCookie: a=b\r\n";
        let request = seen(&mut portward.plain(), lines);
        for name in ["keep-alive", "x-mine", "x-other", "proxy-connection", "upgrade", "http2-settings"] {
            assert_eq!(request.header(name), None, "{name}: {request:?}");
        }
        let connection = request.all("connection").join(",").to_ascii_lowercase();
        assert!(!connection.contains("x-mine") && !connection.contains("upgrade"), "{request:?}");
        for (name, value) in [("x-kept", "3"), ("authorization", "Basic dTpw"), ("cookie", "a=b")] {
            assert_eq!(request.all(name), [value], "{request:?}");
        }
    });
}

/// A client cannot remove the fields that give the request its meaning.
#[test]
fn connection_does_not_remove_what_matters() {
    within(60, || {
        let target = Target::mirror();
        let portward = Portward::with_rules(&rules(&target));
        let mut client = portward.plain();
        client.send(
            "POST /x HTTP/1.1\r\nHost: one.example.net\r\nConnection: Host, Content-Length, Transfer-Encoding\r\n\
             Content-Length: 5\r\n\r\nhello",
        );
        // It is refused, or forwarded with both fields. It is never forwarded without them.
        if let Some(mut answer) = client.try_head() {
            client.body(&mut answer, true);
            assert!(answer.text().contains("\nhost: one.example.net\n"), "{answer:?}");
            assert!(answer.text().contains("\ncontent-length: 5\n"), "{answer:?}");
        }
    });
}

#[test]
fn response_hop_by_hop_headers_are_the_targets_own() {
    within(60, || {
        let target = Target::http(|_, _| {
            "HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: keep-alive, X-Hop\r\nKeep-Alive: timeout=99\r\n\
             X-Hop: 1\r\nUpgrade: h2c\r\nX-Kept: 2\r\nSet-Cookie: a=b\r\nSet-Cookie: c=d\r\n\r\nok"
        });
        let portward = Portward::with_rules(&rules(&target));
        let answer = portward.plain().get("one.example.net", "/");
        for name in ["x-hop", "keep-alive", "upgrade"] {
            assert_eq!(answer.header(name), None, "{answer:?}");
        }
        assert_eq!(answer.all("x-kept"), ["2"]);
        assert_eq!(answer.all("set-cookie"), ["a=b", "c=d"]);
        assert_eq!(answer.text(), "ok");
    });
}

#[test]
fn redirect_to_https_names_the_outside_port() {
    within(60, || {
        let target = Target::mirror();
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\n\
             http = [{{ default = true, tcp = {0}, redirect = \"https\" }}, {{ path = \"/a\", tcp = {0} }}]\n",
            target.port()
        );
        for (port, origin) in [(443, "https://one.example.net/"), (8443, "https://one.example.net:8443/")] {
            let reached = target.connections();
            let portward =
                Portward::rules(&rules).set("outside.ports", &format!("{{ https = {port} }}")).start();
            let answer = portward.plain().get("one.example.net", "/");
            assert_eq!((answer.status(), answer.header("location")), (308, Some(origin)), "{answer:?}");
            let answer = portward.plain().get("one.example.net:90", "/?a=b");
            assert_eq!(answer.header("location"), Some(format!("{origin}?a=b").as_str()), "{answer:?}");
            assert_eq!(target.connections(), reached);
            let answer = portward.tls("one.example.net").get("one.example.net", "/");
            assert_eq!(answer.status(), 200, "{answer:?}");
            drop(portward);
        }
        assert!(target.connections() > 0);
    });
}
