//! The Host of a request. By DNS rebinding a page of another site may use the port's address. It gets no answer.

use super::{RULES, ask, bearer, start};
use crate::harness::{Portward, Wire, within};

#[test]
fn issue_19_the_port_answers_by_its_names_alone() {
    within(60, || {
        let admin = start(Portward::rules(RULES).set("admin.names", "[\"Portward.example.net\"]"));
        let token = bearer(&admin.token());
        let status = |host: &str, path: &str| {
            ask(Wire::plain(admin.port), host, ("GET", path), (&[&token], "")).status()
        };
        for host in
            [&admin.host(), "127.0.0.1", "localhost:1234", "portward.example.net", "PORTWARD.example.net.:9"]
        {
            assert_eq!(status(host, "/v1/status"), 200, "{host}");
        }
        for host in ["evil.example", "127.0.0.2", "localhost.evil.example", "[::1]", "one.example.net"] {
            for path in ["/v1/status", "/", "/login?code=x", "/metrics"] {
                assert_eq!(status(host, path), 421, "{host}{path}");
            }
        }
        assert_eq!(status("127.0.0.1:x", "/v1/status"), 400);
        let mut twice = Wire::plain(admin.port);
        twice.send(format!(
            "GET /v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\nHost: evil.example\r\n{token}\r\n\r\n"
        ));
        assert_eq!(twice.response().status(), 400);
        let mut none = Wire::plain(admin.port);
        none.send(format!("GET /v1/status HTTP/1.1\r\n{token}\r\n\r\n"));
        assert_eq!(none.response().status(), 400);
        let mut absolute = Wire::plain(admin.port);
        absolute.send(format!(
            "GET http://evil.example/v1/status HTTP/1.1\r\nHost: 127.0.0.1\r\n{token}\r\n\r\n"
        ));
        assert_eq!(absolute.response().status(), 400);
    });
}

#[test]
fn issue_19_no_other_site_may_show_or_read_an_answer() {
    within(60, || {
        let admin = start(Portward::rules(RULES));
        for path in ["/", "/v1/status"] {
            let fields = [bearer(&admin.token()), "Origin: http://evil.example".to_owned()];
            let answer = admin.ask("GET", path, &[&fields[0], &fields[1]], "");
            assert_eq!(answer.header("x-frame-options"), Some("DENY"), "{path}");
            assert!(answer.header("content-security-policy").unwrap().contains("frame-ancestors 'none'"));
            assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
            assert_eq!(answer.header("access-control-allow-origin"), None);
            // The page itself shows none of the daemon's facts, so a browser may keep it.
            let kept = if path == "/" { "no-cache" } else { "no-store" };
            assert_eq!(answer.header("cache-control"), Some(kept));
        }
    });
}
