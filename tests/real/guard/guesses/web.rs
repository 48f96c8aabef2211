//! HTTP: Basic and Digest, at a web server that answers before it has the body.

use super::{SEEDS, address, digest, is_served, judged, nonce_of, rules, the_21st_lists};
use crate::harness::{Target, Wire, ok, within};

/// A web server that answers every head with 401 at once, before the body has come.
fn refusing_web_server() -> Target {
    Target::scripted(|conn| {
        let mut count = conn.number * 1_000;
        while let Some(head) = conn.try_head() {
            count += 1;
            let answer = format!(
                "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Basic realm=\"x\"\r\n\
                 WWW-Authenticate: Digest realm=\"x\", nonce=\"{count:040x}\", qop=\"auth\"\r\nContent-Length: 0\r\n\r\n"
            );
            let owed = head.header("content-length").is_some_and(|length| length != "0")
                || head.header("transfer-encoding").is_some();
            if conn.try_send(answer).is_err() || owed {
                break;
            }
        }
        while !conn.some().is_empty() {}
    })
}

/// Beginnings of requests whose answer can be read while the body is missing, and some requests without a body.
const REQUESTS: [&str; 8] = [
    "GET /login HTTP/1.1\r\n",
    "HEAD /login HTTP/1.1\r\n",
    "POST /login HTTP/1.1\r\nContent-Length: 1\r\n",
    "PUT /login HTTP/1.1\r\nTransfer-Encoding: chunked\r\n",
    "POST /login HTTP/1.1\r\nContent-Length: 5\r\nExpect: 100-continue\r\n",
    "GET /login HTTP/1.1\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
     Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n",
    "DELETE /login HTTP/1.1\r\n",
    "GET /login HTTP/1.1\r\nConnection: close\r\n",
];

#[test]
fn c_http_basic_and_digest() {
    within(90, || {
        let (web, login) = (Target::http(|_, _| ok("here")), refusing_web_server());
        let portward = judged(&rules(web.port(), login.port(), 9, 9)).start();
        for number in 1..=SEEDS {
            let from = address(number);
            let mut nonces: Vec<String> = Vec::new();
            let mut kept: Option<Wire> = None;
            the_21st_lists(&portward, number, |dice| {
                let mut wire = kept.take().unwrap_or_else(|| Wire::plain_from(from, portward.http));
                let start = *dice.one(&[&0, &1, &2, &3, &4, &5, &6, &7]);
                if nonces.is_empty() {
                    let head = wire.ask("GET /login HTTP/1.1\r\nHost: one.example.net\r\n\r\n");
                    nonces.push(nonce_of(head.all("www-authenticate")[1]));
                }
                let credentials = match dice.roll(3) {
                    0 => format!(
                        "{} {:x}\r\n",
                        dice.one(&["Authorization: Basic", "authorization:  bASIC"]),
                        dice.0
                    ),
                    _ => {
                        let nonce = nonces[dice.roll(nonces.len())].clone();
                        let nonce = if dice.roll(2) == 0 { nonce.to_uppercase() } else { nonce };
                        digest(dice, "Authorization", &nonce)
                    }
                };
                let request = format!("{}Host: one.example.net\r\n{credentials}\r\n", REQUESTS[start]);
                let behind = start < 2 && dice.roll(2) == 0;
                let more = if behind { "GET /open HTTP/1.1\r\nHost: one.example.net\r\n\r\n" } else { "" };
                if wire.try_send(request + more).is_err() {
                    return;
                }
                if let Some(head) = wire.try_head() {
                    assert_eq!(head.status(), 401);
                    nonces.push(nonce_of(head.all("www-authenticate")[1]));
                }
                // Then the client leaves, in one of several ways, or goes on.
                match dice.roll(3) {
                    0 => wire.reset(),
                    1 if start < 2 && !behind => kept = Some(wire),
                    _ => {}
                }
            });
        }
    });
}

#[test]
fn c_http_guesses_with_an_owed_body_count_while_they_are_held_open() {
    within(60, || {
        let (web, login) = (Target::named("here"), refusing_web_server());
        let portward = judged(&rules(web.port(), login.port(), 9, 9)).start();
        let mut held = Vec::new();
        for _ in 0..21 {
            let mut wire = Wire::plain_from(address(1), portward.http);
            wire.send(
                "POST /login HTTP/1.1\r\nHost: one.example.net\r\nAuthorization: Basic YTpi\r\nContent-Length: 1\r\n\r\n",
            );
            held.push(wire);
            if let Some(head) = held.last_mut().unwrap().try_head() {
                assert_eq!(head.status(), 401);
            }
        }
        assert!(!is_served(&portward, address(1)));
        for wire in &mut held {
            assert_eq!(wire.rest(), b"", "all of them are closed");
        }
    });
}

#[test]
fn c_http_what_legitimate_browsers_do_never_counts() {
    within(60, || {
        let stale = Target::http(|request, number| {
            let (nonce, stale) = match request.header("x-fresh") {
                Some(_) => (format!("first{number}"), ""),
                None => ("next".to_owned(), ", stale=true"),
            };
            format!(
                "HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Digest realm=\"x\", nonce=\"{nonce}\"{stale}\r\n\
                 Content-Length: 0\r\n\r\n"
            )
        });
        let web = refusing_web_server();
        let portward = judged(&rules(web.port(), stale.port(), 9, 9)).start();
        let get = |wire: &mut Wire, path: &str, lines: &str| {
            wire.ask(format!("GET {path} HTTP/1.1\r\nHost: one.example.net\r\n{lines}\r\n"))
        };
        let mut wire = Wire::plain_from(address(1), portward.http);
        for _ in 0..30 {
            // An expired nonce, a nonce of another web server, no nonce, and a token.
            let login = |nonce: &str| format!("Authorization: Digest username=\"a\", nonce=\"{nonce}\"\r\n");
            get(&mut wire, "/login", "");
            get(&mut wire, "/login", &login("next"));
            get(&mut wire, "/open", &login("next"));
            get(&mut wire, "/open", "Authorization: Bearer abc\r\n");
        }
        assert_eq!(get(&mut wire, "/open", "").status(), 401);
        assert_eq!(get(&mut Wire::plain_from(address(1), portward.http), "/open", "").status(), 401);
    });
}
