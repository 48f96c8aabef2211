//! Numbers and tokens that a target could read differently pass in one form, or not at all (issue 15, A1, A2, A4 and
//! A5).

use crate::harness::{Portward, Target, Wire, eventually, ok, within};

fn rules(target: &Target) -> String {
    format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {} }}]\n",
        target.port()
    )
}

/// The octets that the target receives of a request with these lines and a body. The request is sent in one piece, or
/// octet by octet.
fn received(lines: &str, body: &str, octet_by_octet: bool) -> String {
    let target = Target::http(|_, _| ok(""));
    let portward = Portward::with_rules(&rules(&target));
    let mut client = portward.plain();
    let sent = format!("POST /x HTTP/1.1\r\nHost: one.example.net\r\n{lines}\r\n{body}");
    if octet_by_octet {
        client.send_pieces(sent.as_bytes().chunks(1), std::time::Duration::from_millis(1));
    } else {
        client.send(sent);
    }
    assert_eq!(client.response().status(), 200, "{lines}{body}");
    String::from_utf8(target.received(0)).unwrap()
}

#[test]
fn a4_lengths_of_requests_go_on_in_their_shortest_form() {
    within(60, || {
        for (length, body, written) in [
            ("010", "0123456789", "10"),
            ("0000000000000000005", "hello", "5"),
            ("000", "", "0"),
            ("0", "", "0"),
        ] {
            let seen = received(&format!("content-LENGTH:\t{length} \r\n"), body, false);
            assert!(seen.contains(&format!("\r\nContent-Length: {written}\r\n")), "{seen}");
            assert!(seen.ends_with(&format!("\r\n\r\n{body}")), "{seen}");
        }
    });
}

#[test]
fn a4_chunk_sizes_go_on_in_their_shortest_form() {
    within(60, || {
        let body = "000a;x=y\r\n0123456789\r\n010 \r\n0123456789abcdef\r\n0000\r\n\r\n";
        for octet_by_octet in [false, true] {
            let seen = received("tRANSFER-eNCODING:  ChunKed\r\n", body, octet_by_octet);
            assert!(seen.contains("\r\nTransfer-Encoding: chunked\r\n"), "{seen}");
            let wanted = "\r\n\r\na\r\n0123456789\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n";
            assert!(seen.ends_with(wanted), "{seen}");
        }
    });
}

#[test]
fn a4_lengths_of_responses_go_on_in_their_shortest_form() {
    within(60, || {
        let target = Target::scripted(|conn| {
            while let Some(request) = conn.try_head() {
                let answer = match request.target() {
                    "/length" => "HTTP/1.1 200 OK\r\ncontent-length: 005\r\n\r\nhello",
                    "/twice" => "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 005\r\n\r\nhello",
                    "/nothing" => "HTTP/1.1 200 OK\r\nContent-Length: 00\r\n\r\n",
                    "/head" => "HTTP/1.1 200 OK\r\nContent-Length: 0010\r\n\r\n",
                    _ => {
                        "HTTP/1.1 200 OK\r\ntransfer-encoding: CHUNKED\r\n\r\n0005\r\nhello\r\n00010\r\n\
                         0123456789abcdef\r\n000\r\n\r\n"
                    }
                };
                if conn.try_send(answer).is_err() {
                    return;
                }
            }
        });
        let portward = Portward::with_rules(&rules(&target));
        let raw = |method: &str, path: &str| {
            let mut client = portward.plain();
            client.send(format!(
                "{method} {path} HTTP/1.1\r\nHost: one.example.net\r\nConnection: close\r\n\r\n"
            ));
            String::from_utf8(client.rest()).unwrap()
        };
        for (method, path, length, body) in [
            ("GET", "/length", "5", "hello"),
            ("GET", "/twice", "5", "hello"),
            ("GET", "/nothing", "0", ""),
            ("HEAD", "/head", "10", ""),
        ] {
            let answer = raw(method, path);
            assert!(answer.contains(&format!("\r\nContent-Length: {length}\r\n")), "{answer}");
            assert!(answer.ends_with(&format!("\r\n\r\n{body}")), "{answer}");
            assert_eq!(answer.matches("ength: ").count(), 1, "{answer}");
        }
        let answer = raw("GET", "/chunks");
        assert!(answer.contains("\r\nTransfer-Encoding: chunked\r\n"), "{answer}");
        assert!(answer.ends_with("\r\n\r\n5\r\nhello\r\n10\r\n0123456789abcdef\r\n0\r\n\r\n"), "{answer}");
    });
}

#[test]
fn a1_expect_goes_on_in_one_form() {
    within(60, || {
        let seen = received("eXPECT: 100-CONTINUE\r\nContent-Length: 5\r\n", "hello", false);
        assert!(seen.contains("\r\nExpect: 100-continue\r\n"), "{seen}");
    });
}

/// A target that ignores case takes `head` for HEAD. It would send an answer without the body for which we wait.
#[test]
fn a1_methods_in_other_case_are_refused() {
    within(60, || {
        let target = Target::mirror();
        let portward = Portward::with_rules(&rules(&target));
        for method in
            ["get", "Get", "gET", "head", "Head", "options", "connect", "Connect", "put", "delete", "trace"]
        {
            let mark = portward.mark();
            let mut client = portward.plain();
            client.send(format!("{method} /x HTTP/1.1\r\nHost: one.example.net\r\n\r\n"));
            assert!(client.some().is_empty(), "{method}");
            portward.line_after(mark, &["rejected: malformed"]);
        }
        target.assert_untouched("methods in other case");
        // fetch() leaves `patch` as the page wrote it, and no framing depends on that method.
        let mut client = portward.plain();
        let answer = client.ask("patch /x HTTP/1.1\r\nHost: one.example.net\r\nContent-Length: 0\r\n\r\n");
        assert!(answer.text().starts_with("patch /x HTTP/1.1\n"), "{answer:?}");
    });
}

#[test]
fn a1_fields_that_a_gateway_folds_do_not_pass() {
    within(60, || {
        let target = Target::mirror();
        let portward = Portward::with_rules(&rules(&target));
        for line in ["Content_Length: 5", "Transfer_Encoding: chunked", "Proxy_Authorization: Basic YTpi"] {
            let mut client = portward.plain();
            client.send(format!("POST /x HTTP/1.1\r\nHost: one.example.net\r\n{line}\r\n\r\n"));
            assert!(client.some().is_empty(), "{line}");
        }
        target.assert_untouched("fields in another spelling");
        for name in [
            "X_Forwarded_For",
            "X-Forwarded_Host",
            "X-Forwarded-Prefix",
            "X-Original-URL",
            "X_Original_URL",
            "X-Rewrite-URL",
            "X-Original-Host",
            "Proxy",
        ] {
            let mut client = portward.plain();
            let answer =
                client.ask(format!("GET /x HTTP/1.1\r\nHost: one.example.net\r\n{name}: spoof\r\n\r\n"));
            assert_eq!(answer.status(), 200, "{name}");
            assert!(!answer.text().contains("spoof"), "{name}: {answer:?}");
        }
    });
}

#[test]
fn a2_two_logins_are_refused() {
    within(60, || {
        let target = Target::mirror();
        let portward = Portward::with_rules(&rules(&target));
        for lines in [
            "Authorization: Basic YTpi\r\nAuthorization: Basic YTpj\r\n",
            "Authorization: Basic YTpi\r\nX: y\r\nauthorization: Basic YTpi\r\n",
            "Authorization: Bearer a\r\nAuthorization: Basic YTpi\r\n",
            "Authorization: Basic YTpi, Basic YTpj\r\n",
            "Authorization: Digest username=\"a\", nonce=\"x\", nonce=\"real\"\r\n",
            "Authorization: Digest username=\"a\", username=\"b\", nonce=\"x\"\r\n",
            "Authorization: Digest realm=\"a\", realm=\"b\", nonce=\"x\"\r\n",
            "Authorization: Digest uri=\"/a\", uri=\"/b\", nonce=\"x\"\r\n",
            "Authorization: Digest response=\"a\", Response=\"b\", nonce=\"x\"\r\n",
            "Proxy-Authorization: Basic YTpi\r\nProxy-Authorization: Basic YTpj\r\n",
            "Proxy-Authorization: Digest nonce=\"x\", nonce=\"y\"\r\n",
        ] {
            let mark = portward.mark();
            let mut client = portward.plain();
            client.send(format!("GET /x HTTP/1.1\r\nHost: one.example.net\r\n{lines}\r\n"));
            assert!(client.some().is_empty(), "{lines}");
            portward.line_after(mark, &["rejected: malformed"]);
        }
        target.assert_untouched("two logins");
        for lines in [
            "Authorization: Basic YTpi\r\nProxy-Authorization: Basic YTpj\r\n",
            "Authorization: Digest username=\"DOMAIN\\user\", realm=\"a, b\", nonce=\"n\", uri=\"/x\", response=\"0a\", \
             qop=auth, nc=00000001, cnonce=\"c\"\r\n",
        ] {
            let mut client = portward.plain();
            let answer = client.ask(format!("GET /x HTTP/1.1\r\nHost: one.example.net\r\n{lines}\r\n"));
            assert_eq!(answer.status(), 200, "{lines}");
        }
    });
}

/// A port with leading zeros has two readings, and Host is passed on as it came.
#[test]
fn a4_a_port_with_leading_zeros_is_no_port() {
    within(60, || {
        let target = Target::mirror();
        let portward = Portward::with_rules(&rules(&target));
        for host in
            ["one.example.net:080", "one.example.net:00", "one.example.net:0x50", "one.example.net:+80"]
        {
            let mark = portward.mark();
            let mut client = portward.plain();
            client.send(format!("GET /x HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            assert!(client.some().is_empty(), "{host}");
            portward.line_after(mark, &["rejected: malformed"]);
        }
        target.assert_untouched("ports");
    });
}

#[test]
fn a5_what_a_balancer_says_cannot_swallow_what_we_say() {
    within(60, || {
        let target = Target::mirror();
        let portward =
            Portward::rules(&rules(&target)).set("listen.forwarded_from", "[\"127.0.0.1\"]").start();
        for (said, kept) in [
            ("for=1.2.3.4", true),
            ("for=\"[2001:db8::1]\";by=\"a\\\"b\"", true),
            ("for=\"spoof", false),
            ("for=\"spoof\\\"", false),
            ("for=a, for=\"spoof\";host=\"", false),
        ] {
            let mut client = portward.plain();
            let answer =
                client.ask(format!("GET /x HTTP/1.1\r\nHost: one.example.net\r\nForwarded: {said}\r\n\r\n"));
            let ours = "for=127.0.0.1;host=one.example.net;proto=http\n";
            let wanted =
                if kept { format!("\nforwarded: {said}, {ours}") } else { format!("\nforwarded: {ours}") };
            assert!(answer.text().contains(&wanted), "{said}: {answer:?}");
        }
    });
}

#[test]
fn a5_what_moves_into_a_location_is_still_what_it_was() {
    within(60, || {
        let target = Target::mirror();
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\n\
             http = [{{ path = \"\", tcp = {}, redirect = \"https\" }}]\n",
            target.port()
        );
        let portward = Portward::rules(&rules).set("outside.ports", "{ https = 8443 }").start();
        let location = |line: &str, host: &str| {
            let mut client: Wire = portward.plain();
            client.send(format!("{line} HTTP/1.1\r\nHost: {host}\r\n\r\n"));
            let head = client.try_head()?;
            assert_eq!(head.status(), 308, "{line} {host}");
            Some(head.header("location").unwrap().to_owned())
        };
        let origin = "https://one.example.net:8443";
        for (line, host, wanted) in [
            ("GET /a?b=//c", "one.example.net:90", Some(format!("{origin}/a?b=//c"))),
            ("GET /a", "one.example.net:", Some(format!("{origin}/a"))),
            ("GET HTTP://one.example.net", "one.example.net", Some(format!("{origin}/"))),
            // After a name, `*` would be part of it.
            ("OPTIONS *", "one.example.net", Some(origin.to_owned())),
            ("GET //evil.example/", "one.example.net", None),
            ("GET /a", "one.example.net@evil.example", None),
            ("GET /a", "one.example.net:80@evil.example", None),
            ("GET /a", "evil.example#one.example.net", None),
            ("GET /a", "one.example.net\\.evil.example", None),
        ] {
            assert_eq!(location(line, host), wanted, "{line} {host}");
        }
        // In the log line of a redirect client text is escaped and capped as elsewhere.
        let mark = portward.mark();
        location(&format!("GET /a->b{}", "c".repeat(20_000)), "one.example.net").unwrap();
        let line = portward.decision_after(mark, &["-> redirect https://one.example.net:8443/a-%3Ebccc"]);
        assert!(line.len() < 2000, "{line}");
        eventually("the target stays untouched", || target.connections() == 0);
    });
}
