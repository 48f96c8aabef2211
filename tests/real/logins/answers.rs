//! Which logins are accepted, the answers to all others, and the times of these answers.

use std::time::{Duration, Instant};

use super::{HOST, base64, basic, get, line, octets, setup};
use crate::harness::{Target, curl, within};

/// Wrong logins, each wrong in another way.
const WRONG: [(&str, &str, &str, &str); 8] = [
    ("a wrong password", "/mno/ACME/metadata", "key", "wrong"),
    ("an unknown user", "/mno/ACME/metadata", "nokey", "s3cret-of-acme"),
    ("another tenant's login", "/mno/ACME/metadata", "key", "s3cret-of-other"),
    ("an unknown tenant", "/mno/UNKNOWN/metadata", "key", "s3cret-of-acme"),
    ("a tenant without logins", "/mno/NOBODY/metadata", "key", "s3cret-of-acme"),
    ("a disabled tenant", "/mno/GONE/metadata", "key", "wrong"),
    ("one below a disabled tenant", "/mno/BELOW/metadata", "key", "wrong"),
    ("no user and no password", "/mno/ACME/metadata", "", ""),
];

#[test]
fn item_3_a_right_login_passes_and_is_not_passed_on() {
    within(60, || {
        let target = Target::mirror();
        let portward = setup(&target, "").start();
        let mut wire = portward.tls(HOST);
        for (user, password) in [("key", "s3cret-of-acme"), ("second", "another: one")] {
            for _ in 0..3 {
                let answer = get(&mut wire, "/mno/ACME/metadata?a=b", &basic(user, password));
                assert_eq!(answer.status(), 200, "{answer:?}");
                assert!(answer.text().contains("GET /mno/ACME/metadata?a=b"), "{answer:?}");
            }
        }
        // A scheme in another case, and a scheme whose name only begins in the same way.
        let field = basic("key", "s3cret-of-acme")
            .replace("Basic", "bASIC")
            .replace("Authorization", "aUTHORIZATION");
        assert_eq!(get(&mut wire, "/mno/ACME", &field).status(), 200);
        // A path without a login: Portward demands nothing, and a login passes as it came.
        let answer = get(&mut wire, "/mno/ACME/saml/consume", &basic("mine", "own"));
        assert!(answer.status() == 200 && answer.text().contains(&base64(b"mine:own")), "{answer:?}");
        assert_eq!(get(&mut wire, "/mno/ACME/saml-admin", "").status(), 401, "whole segments");
        let seen = target.transcript();
        assert!(!seen.contains(&base64(b"key:s3cret-of-acme")) && !seen.contains("bASIC"), "{seen}");
        portward.line(&["GET /mno/ACME/metadata?… HTTP/1.1 user=key -> "]);
        portward.line(&["user=second -> "]);
        let log = portward.lines().join("\n");
        for secret in ["s3cret", "another: one", &base64(b"key:s3cret-of-acme")[..12], "$2y$"] {
            assert!(!log.contains(secret), "{secret} in {log}");
        }
    });
}

#[test]
fn item_3_every_wrong_login_gets_the_same_octets() {
    within(120, || {
        let target = Target::named("inside");
        let portward = setup(&target, "").start();
        let mark = portward.mark();
        let asked = octets(portward.tls(HOST), "/mno/ACME/metadata", "");
        assert!(asked.starts_with("HTTP/1.1 401 Unauthorized\r\n"), "{asked}");
        let challenge = format!("WWW-Authenticate: Basic realm=\"{HOST}\", charset=\"UTF-8\"\r\n");
        assert!(asked.contains(&challenge), "{asked}");
        portward.line_after(mark, &["GET /mno/ACME/metadata HTTP/1.1 -> login"]);
        for path in ["/mno/UNKNOWN/metadata", "/mno/GONE/metadata", "/mno/BELOW/metadata", "/mno/NOBODY/x"] {
            assert_eq!(octets(portward.tls(HOST), path, ""), asked, "{path} without a login");
        }
        for other in ["Authorization: Bearer abc\r\n", "Authorization: Digest username=\"key\"\r\n"] {
            assert_eq!(octets(portward.tls(HOST), "/mno/ACME/metadata", other), asked, "{other}");
        }
        let begun = portward.mark();
        for (what, path, user, password) in WRONG {
            let mark = portward.mark();
            assert_eq!(octets(portward.tls(HOST), path, &basic(user, password)), asked, "{what}");
            let shown = if user == "key" && !path.contains("UNKNOWN") && !path.contains("NOBODY") {
                " user=key"
            } else {
                ""
            };
            portward.line_after(mark, &[&format!("GET {path} HTTP/1.1{shown} rejected: failed-login")]);
        }
        for broken in
            ["Basic", "Basic !!!", "Basic a2V5", "Basic a2V5OnMzY3JldC1vZi1hY21l=", "Basic a2V5OmEKYg=="]
        {
            let field = format!("Authorization: {broken}\r\n");
            assert_eq!(octets(portward.tls(HOST), "/mno/ACME/metadata", &field), asked, "{broken}");
        }
        assert!(portward.lines_since(begun).iter().all(|line| !line.contains("s3cret")));
        target.assert_untouched("nothing of a wrong login reaches the inside");
    });
}

#[test]
fn item_3_a_disabled_tenant_tells_its_own_users() {
    within(60, || {
        let target = Target::named("inside");
        let portward = setup(&target, "").start();
        for (path, password) in [("/mno/GONE/x", "s3cret-of-gone"), ("/mno/BELOW/x", "s3cret-of-below")] {
            // Twice, because a remembered login still needs an enabled tenant.
            for _ in 0..2 {
                let answer = get(&mut portward.tls(HOST), path, &basic("key", password));
                assert_eq!(answer.status(), 403, "{path}: {answer:?}");
            }
        }
        portward.line(&["GET /mno/GONE/x HTTP/1.1 user=key rejected: disabled"]);
        target.assert_untouched("a disabled tenant is served nothing");
    });
}

/// The answer to a wrong login comes at a multiple of half a second after the request, whatever the fault is.
#[test]
fn item_3_every_wrong_login_is_answered_at_the_same_time() {
    within(180, || {
        let target = Target::named("inside");
        let portward = setup(&target, "").start();
        let mut medians = Vec::new();
        for (what, path, user, password) in WRONG {
            let mut took: Vec<Duration> = (0..7)
                .map(|_| {
                    let mut wire = portward.tls(HOST);
                    let begun = Instant::now();
                    assert_eq!(get(&mut wire, path, &basic(user, password)).status(), 401);
                    begun.elapsed()
                })
                .collect();
            took.sort();
            assert!(took[0] >= Duration::from_millis(500), "{what}: {took:?}");
            medians.push((took[3].as_millis() / 500, what, took));
        }
        // All are in the same step of the grid. On a busy machine one may miss it.
        let steps: Vec<u128> = medians.iter().map(|(step, ..)| *step).collect();
        assert!(steps.iter().max() <= steps.iter().min().map(|step| step + 1).as_ref(), "{medians:?}");
    });
}

#[test]
fn item_3_a_login_is_verified_once_in_five_minutes() {
    within(120, || {
        let target = Target::named("inside");
        let portward = crate::harness::Portward::rules(&super::rules(&target, 12, "")).one_worker().start();
        let mut wire = portward.tls(HOST);
        let mut ask =
            || assert_eq!(get(&mut wire, "/mno/ACME/x", &basic("key", "s3cret-of-acme")).status(), 200);
        let ticks = portward.processor_ticks();
        ask();
        let first = portward.processor_ticks() - ticks;
        let ticks = portward.processor_ticks();
        (0..50).for_each(|_| ask());
        let others = portward.processor_ticks() - ticks;
        assert!(others < 10 * first.max(5), "one hash: {first} ticks; fifty requests behind it: {others}");
        // Other lines make Portward forget the login. A reload with the same lines does not.
        portward.write_rules(&super::rules(&target, 4, "").replace("s3cret-of-acme", "x"));
        portward.hang_up();
        portward.line(&["reloaded"]);
        assert_eq!(
            get(&mut portward.tls(HOST), "/mno/OTHER/x", &basic("key", "s3cret-of-acme")).status(),
            401
        );
    });
}

#[test]
fn item_3_curl_logs_in() {
    within(60, || {
        let target = Target::mirror();
        let portward = setup(&target, "").start();
        let url = format!("https://{HOST}:{}/mno/ACME/account/group/5", portward.https);
        let resolve = format!("{HOST}:{}:127.0.0.1", portward.https);
        let ask = |more: &[&str]| {
            let usual =
                ["-k", "--resolve", &resolve, "-o", "/dev/null", "-w", "%{http_code} %{num_connects}"];
            curl(&[&usual, more, &[&url]].concat()).out
        };
        assert_eq!(ask(&[]), "401 1");
        assert_eq!(ask(&["--user", "key:s3cret-of-acme"]), "200 1");
        assert_eq!(ask(&["--user", "key:s3cret-of-acme", "--request", "DELETE"]), "200 1");
        // curl first asks for the scheme, and then logs in, on the same connection.
        assert_eq!(ask(&["--anyauth", "--user", "key:s3cret-of-acme"]), "200 1");
        assert_eq!(ask(&["--anyauth", "--user", "key:s3cret-of-acme", "--data", "a body"]), "200 1");
        assert_eq!(
            ask(&["--user", "key:s3cret-of-acme", "--data", "a body", "-H", "Expect: 100-continue"]),
            "200 1"
        );
        assert_eq!(ask(&["--user", "key:wrong"]), "401 1");
        assert_eq!(ask(&["--user", "key:wrong", "--data", "a body", "-H", "Expect: 100-continue"]), "401 1");
        assert_eq!(ask(&["--http1.0", "--no-alpn", "--user", "key:s3cret-of-acme"]), "200 1");
        assert_eq!(ask(&["--digest", "--user", "key:s3cret-of-acme"]), "401 1");
    });
}

/// Browsers send a login to paths beside and below the path that demanded it.
#[test]
fn item_3_a_login_that_strays_to_an_open_path_is_no_target_s_to_see() {
    within(60, || {
        let target = Target::mirror();
        let users = line("staff", "s3cret-of-staff", 4);
        let more = format!(
            r#"{{ path = "/staff", login = "users", tcp = {port} }},
               {{ path = "/pass/{{tenant}}", login = "tenant", pass_login = true, tcp = {port} }},
               {{ path = "/pass/{{tenant}}/open", tcp = {port} }},
               {{ path = "", tcp = {port} }},
            "#,
            port = target.port()
        );
        let setup = setup(&target, &more);
        std::fs::write(setup.dir().join("rules/users"), users + "\n").unwrap();
        let portward = setup.start();
        let mut wire = portward.tls(HOST);
        let mut passes = |path: &str, user: &str| {
            let answer = get(&mut wire, path, &basic(user, "s3cret-of-acme"));
            assert_eq!(answer.status(), 200, "{path}: {answer:?}");
            answer.text().to_ascii_lowercase().contains("authorization: basic ")
        };
        for (path, user, expected) in [
            ("/mno/ACME/saml/x", "key", false),
            ("/mno/ACME/saml", "second", false),
            ("/mno/ACME/saml/x", "staff", false),
            ("/x/y", "staff", false),
            ("/", "staff", false),
            // Users of the application, and users of other tenants.
            ("/mno/ACME/saml/x", "someone", true),
            ("/mno/NOBODY/saml/x", "key", true),
            ("/x/y", "key", true),
            // The application shall get these.
            ("/pass/ACME/open", "key", true),
        ] {
            assert_eq!(passes(path, user), expected, "{path} {user}");
        }
        // Portward never uses other schemes.
        let answer = get(&mut wire, "/mno/ACME/saml", "Authorization: Bearer key\r\n");
        assert!(answer.text().to_ascii_lowercase().contains("authorization: bearer key"), "{answer:?}");
    });
}
