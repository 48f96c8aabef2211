//! Sessions: how a browser logs in and out, and what another site can make it do.

use super::{Admin, RULES, bearer, json, start, usual};
use crate::harness::{Message, Portward, command, curl, eventually, free_port, within};

const JSON: &str = "Content-Type: application/json";

/// The cookie of an answer, as a browser sends it back.
fn cookie(answer: &Message) -> String {
    let set = answer.header("set-cookie").unwrap();
    format!("Cookie: {}", set.split(';').next().unwrap())
}

fn log_in(admin: &Admin, body: &str) -> Message {
    admin.ask("POST", "/v1/session", &[JSON], body)
}

fn origin(admin: &Admin) -> String {
    format!("Origin: http://{}", admin.host())
}

#[test]
fn issue_19_a_link_logs_in_once() {
    within(60, || {
        let admin = usual();
        let (status, said) = admin.socket("POST", "/v1/session");
        assert_eq!(status, 201, "{said}");
        let link = said["link"].as_str().unwrap();
        let path = link.strip_prefix(&format!("http://{}", admin.host())).unwrap();
        assert_eq!(admin.status("HEAD", path, &[]), 405, "a look uses nothing up");
        let answer = admin.ask("GET", path, &[], "");
        assert_eq!((answer.status(), answer.header("refresh")), (200, Some("0; url=/")));
        assert_eq!(answer.header("content-type"), Some("text/html; charset=utf-8"));
        assert!(answer.text().contains("<a href=\"/\">"), "{}", answer.text());
        assert!(!answer.text().contains("<script"));
        let set = answer.header("set-cookie").unwrap();
        assert!(
            set.starts_with("portward=")
                && set.contains("; Path=/; Max-Age=43200; HttpOnly; SameSite=Strict")
        );
        assert_eq!(admin.status("GET", "/v1/connections", &[&cookie(&answer)]), 200);
        assert_eq!(admin.status("GET", path, &[]), 401, "once");
        assert_eq!(admin.status("GET", "/login?code=x", &[]), 401);
        // The code also logs in by the API.
        let (_, said) = admin.socket("POST", "/v1/session");
        let code = said["link"].as_str().unwrap().split_once("code=").unwrap().1.to_owned();
        let answer = log_in(&admin, &format!("{{\"code\":\"{code}\"}}"));
        assert_eq!((answer.status(), &json(&answer)["right"]), (201, &"change".into()));
    });
}

#[test]
fn issue_19_a_change_by_a_session_comes_from_our_own_page_alone() {
    within(60, || {
        let admin = usual();
        let answer = log_in(&admin, &format!("{{\"token\":\"{}\"}}", admin.token()));
        assert_eq!(answer.status(), 201);
        let (cookie, own) = (cookie(&answer), origin(&admin));
        let add = |fields: &[&str]| {
            let fields = [&[&*cookie], fields].concat();
            admin.ask("POST", "/v1/blacklist", &fields, "{\"address\":\"192.0.2.9\"}").status()
        };
        for (fields, status) in [
            (&[JSON][..], 403),
            (&[JSON, "Origin: null"], 403),
            (&[JSON, "Origin: http://evil.example"], 403),
            (&[JSON, "Origin: http://127.0.0.1"], 403),
            (&[JSON, &format!("Origin: http://localhost:{}", admin.port)], 403),
            (&[JSON, &format!("Origin: https://{}", admin.host())], 403),
            (&["Content-Type: text/plain", &own], 415),
            (&["Content-Type: application/x-www-form-urlencoded", &own], 415),
            (&[&*own], 415),
        ] {
            assert_eq!(add(fields), status, "{fields:?}");
        }
        assert_eq!(admin.socket("GET", "/v1/blacklist").1["count"], 0, "nothing has changed");
        assert_eq!(add(&[JSON, &own]), 201);
        admin.portward.line(&["an administrator (session, from 127.0.0.1:"]);
        // The log-out.
        assert_eq!(admin.status("DELETE", "/v1/session", &[&cookie]), 403);
        assert_eq!(admin.status("DELETE", "/v1/session", &[&cookie, &own, JSON]), 200);
        assert_eq!(admin.status("GET", "/v1/status", &[&cookie]), 401);
    });
}

#[test]
fn issue_19_a_session_has_the_right_of_its_token_and_ends_with_a_new_one() {
    within(60, || {
        let mut admin = usual();
        let reads = log_in(&admin, &format!("{{\"token\":\"{}\"}}", admin.reading()));
        assert_eq!(json(&reads)["right"], "read");
        let (reads, own) = (cookie(&reads), origin(&admin));
        assert_eq!(admin.status("GET", "/v1/status", &[&reads]), 200);
        assert_eq!(admin.status("POST", "/v1/reload", &[&reads, &own, JSON]), 403);
        admin.socket("POST", "/v1/token");
        assert_eq!(admin.status("GET", "/v1/status", &[&reads]), 401);
        let again = cookie(&log_in(&admin, &format!("{{\"token\":\"{}\"}}", admin.token())));
        assert_eq!(admin.status("GET", "/v1/status", &[&again]), 200);
        admin.portward = admin.portward.restart();
        admin.portward.line(&["administration on "]);
        assert_eq!(admin.status("GET", "/v1/status", &[&again]), 401, "sessions are in memory alone");
    });
}

/// Another server of the same machine may set many cookies of the same name, which come before ours (RFC 6265 section
/// 8.5).
#[test]
fn issue_23_of_several_sessions_the_one_that_may_change_counts() {
    within(60, || {
        let admin = usual();
        let [reads, changes] = [admin.reading(), admin.token()]
            .map(|token| cookie(&log_in(&admin, &format!("{{\"token\":\"{token}\"}}"))));
        let (_, id) = changes.split_once("portward=").unwrap();
        let wrong = "portward=wrong; ".repeat(20);
        let all = format!("Cookie: {wrong}{}; portward={id}", reads.strip_prefix("Cookie: ").unwrap());
        assert_eq!(admin.status("POST", "/v1/reload", &[&all, &origin(&admin), JSON]), 200);
    });
}

#[test]
fn issue_19_another_site_cannot_log_a_browser_in_and_guesses_are_throttled() {
    within(60, || {
        let admin = usual();
        let body = format!("{{\"token\":\"{}\"}}", admin.token());
        let log_in = |fields: &[&str], body: &str| admin.ask("POST", "/v1/session", fields, body).status();
        assert_eq!(log_in(&[JSON, "Origin: http://evil.example"], &body), 403);
        assert_eq!(log_in(&["Content-Type: text/plain", &origin(&admin)], &body), 415);
        assert_eq!(log_in(&[JSON, &origin(&admin)], &body), 201);
        assert_eq!(log_in(&[JSON], "{"), 400);
        assert_eq!(log_in(&[JSON], "{\"token\":1}"), 400);
        let statuses: Vec<_> = (0..11).map(|_| log_in(&[JSON], "{\"code\":\"x\"}")).collect();
        assert_eq!(statuses, [vec![401; 10], vec![429]].concat());
        assert_eq!(log_in(&[JSON], &body), 201);
    });
}

#[test]
fn issue_19_a_cookie_of_another_server_logs_nobody_out() {
    within(60, || {
        let admin = usual();
        let answer = log_in(&admin, &format!("{{\"token\":\"{}\"}}", admin.token()));
        let (id, own) = (cookie(&answer).split_off("Cookie: ".len()), origin(&admin));
        // Cookies do not depend on the port, and the one with the longer path comes first.
        let cookies = format!("Cookie: portward=of-another; {id}");
        assert_eq!(admin.status("GET", "/v1/connections", &[&cookies]), 200);
        assert_eq!(admin.status("DELETE", "/v1/session", &[&cookies, &own, JSON]), 200);
        assert_eq!(admin.status("GET", "/v1/connections", &[&format!("Cookie: {id}")]), 401);
    });
}

#[test]
fn issue_19_without_a_port_there_is_no_link() {
    within(60, || {
        let admin = start(Portward::rules(RULES));
        let config = std::fs::read_to_string(admin.portward.config()).unwrap();
        let lines: Vec<_> = config.lines().filter(|line| !line.contains(&admin.host())).collect();
        std::fs::write(admin.portward.config(), lines.join("\n")).unwrap();
        admin.portward.hang_up();
        admin.portward.line(&["no more administration on ", &admin.host()]);
        let (status, said) = admin.socket("POST", "/v1/session");
        assert!(status == 409 && said["error"].as_str().unwrap().contains("admin.listen is empty"), "{said}");
        assert_eq!(admin.socket("GET", "/v1/status").0, 200);
    });
}

#[test]
fn issue_23_item_3_the_page_learns_what_its_session_may_do() {
    within(60, || {
        let mut admin = usual();
        let look = |admin: &Admin, fields: &[&str]| admin.ask("GET", "/v1/session", fields, "");
        for fields in [&[][..], &["Cookie: portward=x"], &["Authorization: Bearer x"]] {
            let answer = look(&admin, fields);
            assert_eq!(answer.status(), 401, "{fields:?}");
            assert!(answer.header("www-authenticate").unwrap().starts_with("Bearer"), "{fields:?}");
        }
        for (token, right) in [(admin.token(), "change"), (admin.reading(), "read")] {
            let begun = log_in(&admin, &format!("{{\"token\":\"{token}\"}}"));
            let seen = look(&admin, &[&cookie(&begun)]);
            assert_eq!((seen.status(), &json(&seen)["right"]), (200, &right.into()));
            assert!(seen.header("set-cookie").is_none());
            // Both answers name the same moment. The requests come one after the other, so the times differ by the time
            // of a request.
            let [begun, seen] = [begun, seen].map(|answer| {
                let time = json(&answer)["expires"].as_str().unwrap().to_owned();
                time::OffsetDateTime::parse(&time, &time::format_description::well_known::Rfc3339).unwrap()
            });
            assert!((seen - begun).whole_seconds().abs() <= 60, "{seen} {begun}");
            let seen = look(&admin, &[&bearer(&token)]);
            assert_eq!(json(&seen), serde_json::json!({ "right": right, "expires": null }));
        }
        let begun = cookie(&log_in(&admin, &format!("{{\"token\":\"{}\"}}", admin.token())));
        assert_eq!(admin.status("HEAD", "/v1/session", &[&begun]), 200);
        assert_eq!(admin.status("DELETE", "/v1/session", &[&begun, &origin(&admin), JSON]), 200);
        assert_eq!(look(&admin, &[&begun]).status(), 401);
        assert_eq!(admin.socket("GET", "/v1/session"), admin.socket("DELETE", "/v1/session"));
        assert_eq!(admin.socket("GET", "/v1/session").0, 400);
        let begun = cookie(&log_in(&admin, &format!("{{\"token\":\"{}\"}}", admin.token())));
        admin.portward = admin.portward.restart();
        admin.portward.line(&["administration on "]);
        assert_eq!(look(&admin, &[&begun]).status(), 401);
    });
}

/// Contract section 8: a page of another site can make the browser neither change nor show something. Another port of
/// this machine is `same-site`, and gets `SameSite` cookies.
#[test]
fn issue_23_item_3_what_a_browser_sends_for_another_site_is_refused() {
    within(60, || {
        let admin = start(Portward::rules(RULES).set("admin.token", "\"changes\""));
        let begun = cookie(&log_in(&admin, &format!("{{\"token\":\"{}\"}}", admin.token())));
        let token = bearer(&admin.token());
        let asks = |how: &str| {
            let [site, mode, dest] = how.split(' ').collect::<Vec<_>>().try_into().unwrap();
            [("Site", site), ("Mode", mode), ("Dest", dest)]
                .map(|(name, value)| format!("Sec-Fetch-{name}: {value}"))
        };
        let status = |method: &str, path: &str, how: &str, more: &[&str]| {
            let fields = asks(how);
            let fields: Vec<_> = fields.iter().map(String::as_str).chain(more.iter().copied()).collect();
            admin.status(method, path, &fields)
        };
        for site in ["cross-site", "same-site"] {
            for (path, without) in
                [("/", 200), ("/dashboard/main.js", 200), ("/v1/status", 200), ("/v1/decisions", 401)]
            {
                for how in
                    ["no-cors script", "no-cors image", "cors empty", "navigate iframe", "navigate object"]
                {
                    let how = format!("{site} {how}");
                    assert_eq!(status("GET", path, &how, &[]), 403, "{path} {how}");
                    assert_eq!(status("GET", path, &how, &[&begun]), 403, "{path} {how}");
                    assert_eq!(status("GET", path, &how, &[&token]), 403, "{path} {how}");
                }
                // The browser may follow a link.
                assert_eq!(status("GET", path, &format!("{site} navigate document"), &[]), without, "{path}");
            }
            let how = format!("{site} navigate document");
            for (method, path) in [("POST", "/v1/session"), ("DELETE", "/v1/session"), ("POST", "/v1/reload")]
            {
                assert_eq!(
                    status(method, path, &how, &[&begun, &origin(&admin), JSON]),
                    403,
                    "{method} {path}"
                );
            }
        }
        let own = "same-origin cors empty";
        assert_eq!(status("GET", "/v1/decisions", own, &[&begun]), 200);
        assert_eq!(status("GET", "/", "none navigate document", &[]), 200);
        let (_, said) = admin.socket("POST", "/v1/session");
        let path = said["link"].as_str().unwrap().split_once(&admin.host()).unwrap().1.to_owned();
        assert_eq!(status("GET", &path, "cross-site navigate iframe", &[]), 403, "it uses nothing up");
        assert_eq!(status("GET", &path, "cross-site navigate document", &[]), 200, "a link in a chat");
        assert_eq!(status("DELETE", "/v1/session", own, &[&begun, &origin(&admin), JSON]), 200);
    });
}

#[test]
fn issue_23_item_3_a_link_is_given_only_where_it_leads_somewhere() {
    within(60, || {
        let dashboard = |portward: &Portward, more: &[&str]| {
            let config = portward.config().display().to_string();
            command(20, portward.dir(), &[&["dashboard", "--config", &config], more].concat())
        };
        let socket_is_there = |portward: &Portward| {
            let socket = portward.dir().join("portward.sock");
            eventually("the socket is there", || std::os::unix::net::UnixStream::connect(&socket).is_ok());
        };
        // Without a port.
        let portward = Portward::rules(RULES).start();
        socket_is_there(&portward);
        let said = dashboard(&portward, &[]);
        assert_eq!((said.code, &*said.out), (1, ""), "{said:?}");
        assert!(said.errors.contains("admin.listen is empty; write listen = \"127.0.0.1:9400\""), "{said:?}");
        // A port that is in use, and a port without its certificate.
        let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let listen = format!("\"{}\"", taken.local_addr().unwrap());
        for (certificate, why) in [("\"\"", "cannot be opened"), ("\"none\"", "there is no certificate none")]
        {
            let setup =
                Portward::rules(RULES).set("admin.listen", &listen).set("admin.certificate", certificate);
            let portward = setup.start();
            socket_is_there(&portward);
            eventually("it says so", || dashboard(&portward, &[]).errors.contains(why));
            let said = dashboard(&portward, &[]);
            assert!(said.code == 1 && said.errors.contains("admin.listen is closed: "), "{said:?}");
        }
        // Every form of a port has a link that a client can follow.
        for (listen, plain) in [("[::1]", "false"), ("0.0.0.0", "true"), ("[::]", "true")] {
            let port = free_port();
            let setup = Portward::rules(RULES).set("admin.listen", &format!("\"{listen}:{port}\""));
            let portward = setup.set("admin.plain", plain).start();
            socket_is_there(&portward);
            portward.line(&[&format!("administration on {listen}:{port}")]);
            let said = dashboard(&portward, &["--json"]);
            let said: serde_json::Value = serde_json::from_str(&said.out).unwrap();
            assert!(said["expires"].is_string(), "{said}");
            let followed = curl(&["-w", "%{http_code}", said["link"].as_str().unwrap()]);
            assert!(followed.out.ends_with("200"), "{said} {followed:?}");
        }
    });
}
