//! A login is never sent unencrypted, unless the rule allows it. The guard hears of wrong ones.

use super::{HOST, basic, get, rules, setup};
use crate::harness::{Portward, Target, within};

#[test]
fn item_3_no_login_in_the_clear() {
    within(60, || {
        let target = Target::named("inside");
        let portward = setup(&target, "").start();
        let login = basic("key", "s3cret-of-acme");
        for method in ["GET", "HEAD"] {
            for field in ["", &login] {
                let mut wire = portward.plain();
                wire.send(format!("{method} /mno/ACME/a?b=c HTTP/1.1\r\nHost: {HOST}\r\n{field}\r\n"));
                let answer = wire.response_to(method);
                assert_eq!(answer.status(), 308, "{answer:?}");
                let url = format!("https://{HOST}/mno/ACME/a?b=c");
                assert_eq!(answer.header("location"), Some(url.as_str()));
            }
        }
        for method in ["POST", "PUT", "DELETE", "OPTIONS"] {
            let mut wire = portward.plain();
            wire.send(format!(
                "{method} /mno/ACME/a HTTP/1.1\r\nHost: {HOST}\r\n{login}Content-Length: 1\r\n\r\nx"
            ));
            let answer = wire.response();
            assert_eq!(
                (answer.status(), answer.header("connection")),
                (403, Some("close")),
                "{method}: {answer:?}"
            );
            assert_eq!(wire.rest(), b"", "{method}");
        }
        // An unknown tenant gets the same answer as a known one.
        assert_eq!(get(&mut portward.plain(), "/mno/UNKNOWN/a", "").status(), 308);
        assert_eq!(get(&mut portward.plain(), "/mno/ACME/saml", "").status(), 200);
        assert!(portward.lines().iter().all(|line| !line.contains("failed-login")));
        assert_eq!(target.transcript().matches("GET ").count(), 1);
    });
}

#[test]
fn item_3_the_rule_may_allow_it_and_may_pass_it_on() {
    within(60, || {
        let target = Target::mirror();
        let more = format!(
            "{{ path = \"/open\", login = \"users\", login_plain = true, pass_login = true, tcp = {} }},\n",
            target.port()
        );
        let setup = setup(&target, &more);
        std::fs::write(setup.dir().join("rules/users"), super::line("file-user", "pa55", 5) + "\n").unwrap();
        let portward = setup.start();
        let login = basic("file-user", "pa55");
        let answer = get(&mut portward.plain(), "/open/x", &login);
        assert!(
            answer.status() == 200
                && answer.text().contains(&login.trim_end().replace("Authorization", "authorization")),
            "{answer:?}"
        );
        assert_eq!(get(&mut portward.plain(), "/open/x", "").status(), 401);
        assert_eq!(get(&mut portward.plain(), "/open/x", &basic("key", "s3cret-of-acme")).status(), 401);
        portward.line(&["user=file-user -> "]);
    });
}

#[test]
fn item_3_a_balancer_says_how_the_client_came() {
    within(60, || {
        let target = Target::named("inside");
        let portward = setup(&target, "").set("listen.forwarded_from", "[\"127.0.0.1\"]").start();
        let login = basic("key", "s3cret-of-acme");
        for (said, is_tls, status) in [
            ("X-Forwarded-Proto: https\r\n", false, 200),
            ("X-Forwarded-Proto: http, HTTPS\r\n", false, 200),
            ("X-Forwarded-Proto: https, http\r\n", false, 308),
            ("X-Forwarded-Proto: http\r\n", false, 308),
            ("", false, 308),
            ("X-Forwarded-Proto: http\r\n", true, 308),
            ("", true, 200),
        ] {
            let mut wire = if is_tls { portward.tls(HOST) } else { portward.plain() };
            let field = format!("{said}X-Forwarded-For: 192.0.2.1\r\n{login}");
            assert_eq!(get(&mut wire, "/mno/ACME/a", &field).status(), status, "{said} {is_tls}");
        }
        // The word of a client that is not trusted has no effect.
        let portward = setup(&target, "").start();
        let field = format!("X-Forwarded-Proto: https\r\n{login}");
        assert_eq!(get(&mut portward.plain(), "/mno/ACME/a", &field).status(), 308);
    });
}

#[test]
fn item_3_wrong_logins_are_counted_and_requests_without_one_are_not() {
    within(120, || {
        let target = Target::named("inside");
        let start = || {
            Portward::rules(&rules(&target, 4, ""))
                .set("blacklist.allow", "[]")
                .set("limits.new_connections_per_second", "0")
                .one_worker()
                .start()
        };
        let portward = start();
        let mut wire = portward.tls(HOST);
        for _ in 0..40 {
            assert_eq!(get(&mut wire, "/mno/ACME/x", "").status(), 401);
        }
        assert_eq!(get(&mut wire, "/mno/ACME/x", &basic("key", "s3cret-of-acme")).status(), 200);
        assert_eq!(get(&mut wire, "/mno/GONE/x", &basic("key", "s3cret-of-gone")).status(), 403);
        // Twenty-one wrong logins list an address, even if the clients do not wait for the answers.
        let mut wires: Vec<_> = (0..21).map(|_| portward.tls(HOST)).collect();
        for (number, wire) in wires.iter_mut().enumerate() {
            let path = ["/mno/ACME/x", "/mno/UNKNOWN/x", "/mno/GONE/x"][number % 3];
            wire.send(format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{}\r\n", basic("key", "wrong")));
        }
        portward.line(&["127.0.0.1 blacklisted for 5m: 21 suspicious requests"]);
        assert_eq!(target.transcript().matches("GET ").count(), 1);
        drop(wires);
        // An office that guesses nothing is never listed for first requests without a login.
        let portward = start();
        for _ in 0..20 {
            assert_eq!(get(&mut portward.tls(HOST), "/mno/ACME/x", &basic("key", "wrong")).status(), 401);
        }
        assert_eq!(
            get(&mut portward.tls(HOST), "/mno/ACME/x", &basic("key", "s3cret-of-acme")).status(),
            200
        );
    });
}
