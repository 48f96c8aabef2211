//! Octets that a target may leave unread, and octets that a client sends before its request (contract section 3).

use std::time::Duration;

use crate::harness::{Conn, Portward, Target, Wire, within};

fn rules(port: u16) -> String {
    format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"/open\", tcp = {port} }}]\n"
    )
}

/// Answers a request as soon as its head has come, and takes the body for the next request.
fn careless(status: &'static str) -> Target {
    Target::scripted(move |conn: &mut Conn| {
        while let Some(head) = conn.try_head() {
            let body = head.target().to_owned();
            let answer = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n{body}", body.len());
            if conn.try_send(answer).is_err() {
                return;
            }
        }
    })
}

const HIDDEN: &str = "GET /closed HTTP/1.1\r\nHost: one.example.net\r\nX: ";

fn with_body(method: &str) -> String {
    format!(
        "{method} /open HTTP/1.1\r\nHost: one.example.net\r\nContent-Length: {}\r\n\r\n{HIDDEN}",
        HIDDEN.len()
    )
}

#[test]
fn item_30_a_body_without_meaning_goes_out_alone() {
    within(60, || {
        for method in ["GET", "HEAD", "OPTIONS", "DELETE", "TRACE", "COPY", "UNLOCK", "PURGE", "FOO", "post"]
        {
            let target = careless("200 OK");
            let portward = Portward::rules(&rules(target.port())).one_worker().start();
            // A kept connection, a request that must not use it, and the next requests.
            assert_eq!(portward.plain().get("one.example.net", "/open/1").status(), 200);
            let mut client = portward.plain();
            client.send(with_body(method));
            assert_eq!(client.response_to(method).status(), 200, "{method}");
            for number in 2..6 {
                let answer = portward.plain().get("one.example.net", &format!("/open/{number}"));
                assert_eq!(answer.text(), format!("/open/{number}"), "{method}");
            }
            let alone = String::from_utf8(target.received(1)).unwrap();
            assert!(alone.contains("\r\nConnection: close\r\n"), "{method}: {alone}");
            assert!(alone.ends_with(HIDDEN), "{method}: nothing follows on that connection: {alone}");
            assert!(!String::from_utf8(target.received(0)).unwrap().contains("/closed"), "{method}");
        }
    });
}

#[test]
fn item_30_a_body_that_is_refused_or_sent_elsewhere_poisons_no_shared_connection() {
    within(60, || {
        for (status, more) in
            [("405 Method Not Allowed", ""), ("302 Found", ""), ("308 Else", ""), ("403 Forbidden", "NTLM")]
        {
            let target = careless(status);
            let portward = Portward::rules(&rules(target.port())).one_worker().start();
            let mut client = portward.plain();
            let login =
                if more.is_empty() { String::new() } else { format!("Authorization: {more} AAAA\r\n") };
            client.send(with_body("POST").replace("Content-Length", &format!("{login}Content-Length")));
            assert!(status.starts_with(&client.response().status().to_string()));
            // Neither the same client nor others get the unread octets.
            for number in 0..4 {
                let path = format!("/open/{number}");
                assert_eq!(client.get("one.example.net", &path).text(), path, "{status}");
                assert_eq!(portward.plain().get("one.example.net", &path).text(), path, "{status}");
            }
        }
    });
}

/// A login that holds for the whole connection makes it the client's own. Even so nothing that no rule allows can be
/// read on it.
#[test]
fn item_30_a_login_of_the_connection_keeps_no_unread_body() {
    within(60, || {
        for (method, status) in
            [("GET", "200 OK"), ("DELETE", "404 Not Found"), ("POST", "302 Found"), ("PUT", "405 No")]
        {
            let target = careless(status);
            let portward = Portward::rules(&rules(target.port())).one_worker().start();
            let mut client = portward.plain();
            for login in ["NTLM TlRMTVNTUAAB", "Unheard-Of x"] {
                let head = format!("Host: one.example.net\r\nAuthorization: {login}\r\n");
                client.send(with_body(method).replacen("Host: one.example.net\r\n", &head, 1));
                assert_eq!(client.response().status().to_string(), status[..3], "{method}");
                let next = client.get("one.example.net", "/open/mine");
                assert_eq!(next.text(), "/open/mine", "{method} {login}");
            }
        }
    });
}

/// NTLM takes three requests on one connection. Each of them may have a body.
#[test]
fn item_30_a_login_with_a_body_goes_on_on_its_connection() {
    within(60, || {
        let target = Target::scripted(|conn: &mut Conn| {
            for status in ["401 Who", "401 Who else", "200 OK"] {
                if conn.try_request().is_none() {
                    return;
                }
                let challenge = "WWW-Authenticate: NTLM\r\nContent-Length: 0";
                if conn.try_send(format!("HTTP/1.1 {status}\r\n{challenge}\r\n\r\n")).is_err() {
                    return;
                }
            }
        });
        let portward = Portward::rules(&rules(target.port())).start();
        let mut client = portward.plain();
        for (login, status) in
            [("", 401), ("Authorization: NTLM a\r\n", 401), ("Authorization: NTLM b\r\n", 200)]
        {
            let head = format!("Host: one.example.net\r\n{login}");
            client.send(with_body("POST").replacen("Host: one.example.net\r\n", &head, 1));
            assert_eq!(client.response().status(), status);
        }
    });
}

#[test]
fn item_11_a_connection_with_empty_lines_is_idle() {
    within(60, || {
        let target = Target::named("here");
        let portward = Portward::rules(&rules(target.port()))
            .set("limits.inspect_timeout", "\"300ms\"")
            .set("limits.idle_timeout", "{ http = \"3s\" }")
            .set("reject", "\"answer\"")
            .start();
        let after_a_request =
            |client: &mut Wire| assert_eq!(client.get("one.example.net", "/open").status(), 200);
        for first in [true, false] {
            for empty in ["\r\n", "\r\n\r\n\r\n", "\r\n\r"] {
                let mut client = portward.plain();
                if !first {
                    after_a_request(&mut client);
                }
                client.send(empty);
                std::thread::sleep(Duration::from_millis(900));
                client.send(if empty.ends_with("\n\r") { "\n" } else { "\r\n" });
                after_a_request(&mut client);
                client.send("\r\n");
                assert_eq!(client.rest(), b"", "it ends without a word");
            }
        }
        assert!(!portward.lines().iter().any(|line| line.contains("timeout")), "{:?}", portward.lines());
    });
}

#[test]
fn item_19_utf8_goes_on_encoded() {
    within(60, || {
        let target = Target::mirror();
        let portward = Portward::with_rules(&rules(target.port()));
        let answer = portward.plain().get("one.example.net", "/open/\u{e4}?q=\u{20ac}");
        assert!(answer.text().starts_with("GET /open/%C3%A4?q=%E2%82%AC HTTP/1.1\n"), "{answer:?}");
        let mut broken = portward.plain();
        broken.send(b"GET /open/\xe4 HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
        assert_eq!(broken.rest(), b"");
        assert_eq!(target.connections(), 1);
    });
}

#[test]
fn item_21_pictures_of_another_site_count_a_fifth() {
    within(60, || {
        let target = Target::recorder();
        let portward = Portward::rules(&rules(target.port())).set("blacklist.allow", "[]").start();
        let picture = |number: u32, more: &str| {
            let mut client = portward.plain();
            client.send(format!(
                "GET /{number}.png HTTP/1.1\r\nHost: one.example.net\r\nSec-Fetch-Site: cross-site\r\n{more}\r\n"
            ));
            client.response().status()
        };
        (0..104).for_each(|number| assert_eq!(picture(number, ""), 404));
        assert_eq!(
            picture(104, "Authorization: Basic YTpi\r\n"),
            404,
            "a login is no picture: it counts whole"
        );
        portward.line(&["127.0.0.1 blacklisted for 5m"]);
        target.assert_untouched("no path of a rule was asked for");
    });
}
