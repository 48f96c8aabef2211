//! A browser: Chromium loads a page with assets from two hosts over HTTPS, follows the redirect from HTTP, opens a
//! WebSocket and uploads a file.

use std::sync::mpsc::channel;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::Value;

use crate::harness::{Chromium, Message, Portward, Target, TestCa, WebSocketEcho, within};

const PAGE: &str = include_str!("browser.html");
const SCRIPT: &str = include_str!("browser.js");

fn answer(kind: &str, body: &str) -> Vec<u8> {
    format!(
        "HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nAccess-Control-Allow-Origin: https://one.example.net\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .into_bytes()
}

/// The first host: the page, its script, and the script's peers.
fn first_host(request: &Message) -> Vec<u8> {
    match request.target() {
        "/" => answer("text/html", PAGE),
        "/app.js" => answer("text/javascript", SCRIPT),
        "/upload" => {
            let expected =
                (0..5 * 1024 * 1024_u32).map(|at| (at.wrapping_mul(31).wrapping_add(at >> 12) & 0xff) as u8);
            let same = request.body.iter().copied().eq(expected);
            answer("text/plain", &format!("{} {} {same}", request.method(), request.body.len()))
        }
        path => answer("text/plain", path),
    }
}

/// The second host: the assets.
fn second_host(request: &Message) -> Vec<u8> {
    match request.target() {
        "/style.css" => answer("text/css", "#text { color: rgb(1, 2, 3); }"),
        "/picture.svg" => {
            answer("image/svg+xml", "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"17\" height=\"5\"/>")
        }
        _ => answer("text/plain", "from the second host"),
    }
}

#[test]
fn chromium_loads_a_page_opens_a_web_socket_and_uploads() {
    within(100, || {
        let (sender, done) = channel::<String>();
        let sender = Mutex::new(sender);
        let one = Target::http(move |request, _| {
            if request.target() == "/done" {
                let _ = sender.lock().unwrap().send(request.text());
            }
            first_host(request)
        })
        .forgetful();
        let seen = Arc::new(Mutex::new(Vec::new()));
        let hosts = Arc::clone(&seen);
        let identity = TestCa::shared().issue(&["two.example.net"]);
        let two = Target::scripted_tls(&identity, move |conn| {
            while let Some(request) = conn.try_request() {
                hosts.lock().unwrap().push(request.header("host").unwrap_or_default().to_owned());
                if conn.try_send(second_host(&request)).is_err() {
                    return;
                }
            }
        });
        let echo = WebSocketEcho::plain();
        let rules = format!(
            "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [\n\
             {{ path = \"\", tcp = {one} }},\n{{ path = \"/echo\", tcp = {echo} }},\n{{ path = \"/echo-path/\", tcp = {one} }},\n\
             {{ default = true, redirect = \"https\", tcp = {one} }},\n]\n\
             [[host]]\nname = \"two.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [\n\
             {{ path = \"/style.css\", tls = {two} }},\n{{ path = \"/picture.svg\", tls = {two} }},\n{{ path = \"/data\", tls = {two} }},\n]\n",
            one = one.port(),
            two = two.port(),
            echo = echo.port(),
        );
        let portward = Portward::with_rules(&rules);
        // The browser believes that it uses the standard ports.
        let map = format!(
            "MAP *.example.net:80 127.0.0.1:{}, MAP *.example.net:443 127.0.0.1:{}, MAP * ~NOTFOUND",
            portward.http, portward.https
        );
        let browser = Chromium::start(
            &portward.dir().join("ca.crt"),
            &map,
            // Only the server may redirect.
            &["--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable", "http://one.example.net/"],
        );
        let results = done.recv_timeout(Duration::from_secs(60)).unwrap_or_else(|_| {
            panic!("the page did not say what came of it; the browser said:\n{}", browser.lines().join("\n"))
        });
        let results: Value = serde_json::from_str(&results).unwrap();
        for (what, expected) in [
            ("page", Value::from("https://one.example.net/")),
            ("style", Value::from("rgb(1, 2, 3)")),
            ("picture", Value::from(17)),
            ("protocol", Value::from("http/1.1")),
            ("echo", Value::from("knock knock")),
            ("put", Value::from("200 PUT 5242880 true")),
            ("post", Value::from("200 POST 5242880 true")),
            ("other", Value::from("from the second host")),
            ("many", Value::from(true)),
        ] {
            assert_eq!(results[what], expected, "{what}: {results}");
        }
        // A path without a rule gets an answer that the page may not read, because the answer names no origin.
        assert!(results["missing"].as_str().unwrap_or_default().contains("Failed to fetch"), "{results}");
        assert!(seen.lock().unwrap().iter().all(|host| host == "two.example.net"));
        portward.decision(&["http://one.example.net GET / ", "-> redirect https://one.example.net/"]);
        portward.decision(&["https://one.example.net GET /echo "]);
        portward.decision(&["https://two.example.net GET /hidden ", "rejected: no-path"]);
        let stranger = portward.lines().into_iter().find(|line| {
            line.contains("REVERSE-PROXY")
                && !line.contains("one.example.net")
                && !line.contains("two.example.net")
                && !line.contains("aborted")
        });
        assert_eq!(stranger, None, "the browser was only asked for two hosts");
    });
}
