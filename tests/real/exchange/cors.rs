//! The pages that may exchange credentials (Fetch, section 3.2): their Origin, and a browser's view of the answers.

use std::sync::Mutex;
use std::sync::mpsc::channel;
use std::time::Duration;

use serde_json::Value;

use super::{Door, HOST, assert_given, brought, form, now};
use crate::harness::{Chromium, Message, Portward, Target, curl, within};

const CUSTOMER: &str = "https://www.customer.example";

#[test]
fn item_2_the_origin_is_echoed_and_others_are_refused() {
    within(120, || {
        let door = Door::open();
        let body = brought(now() + 60, "alice", "newest of XYZ").to_string();
        let post = |path: &str, origin: &str| {
            door.ask("POST", path, &format!("{origin}Content-Type: application/json\r\n"), body.as_bytes())
        };
        let fields = |answer: &Message| {
            assert_eq!(answer.all("vary"), ["Origin"], "{answer:?}");
            assert_eq!(answer.all("cache-control"), ["no-store"], "{answer:?}");
            assert_eq!(answer.header("access-control-allow-credentials"), None, "{answer:?}");
            answer.header("access-control-allow-origin").map(str::to_owned)
        };
        let own = format!("Origin: {CUSTOMER}\r\n");
        let answer = post("/token/XYZ", &own);
        assert_given(&answer, 60, "XYZ/alice@voxbone.example");
        assert_eq!(fields(&answer).as_deref(), Some(CUSTOMER));
        let without = post("/token/XYZ", "");
        assert_given(&without, 60, "XYZ/alice@voxbone.example");
        assert_eq!(fields(&without), None);
        // The page can read refusals as well.
        for (path, status) in [("/token/NOBODY", 404), ("/token/GONE", 403), ("/token/OTHER", 403)] {
            let answer = post(path, &own);
            assert_eq!((answer.status(), fields(&answer).as_deref()), (status, Some(CUSTOMER)), "{path}");
        }
        let get = door.ask("GET", "/token/XYZ", &own, b"");
        assert_eq!((get.status(), fields(&get).as_deref()), (405, Some(CUSTOMER)));
        // Without a list of its own a rule is for pages of its own host.
        let at_home = post("/plain/XYZ", "Origin: https://webrtc.example.net\r\n");
        assert_eq!(fields(&at_home).as_deref(), Some("https://webrtc.example.net"));
        for (path, origin) in [
            ("/token/XYZ", "Origin: null\r\n"),
            ("/token/XYZ", "Origin: https://evil.example\r\n"),
            ("/token/XYZ", "Origin: http://www.customer.example\r\n"),
            ("/token/XYZ", "Origin: https://www.customer.example.evil\r\n"),
            ("/token/XYZ", "Origin: https://webrtc.example.net\r\n"),
            ("/token/XYZ", "Origin:\r\n"),
            (
                "/token/XYZ",
                "Origin: https://www.customer.example\r\nOrigin: https://www.customer.example\r\n",
            ),
            ("/plain/XYZ", "Origin: https://www.customer.example\r\n"),
            ("/plain/XYZ", "Origin: null\r\n"),
            // The Origin is checked before the tenant.
            ("/token/NOBODY", "Origin: https://evil.example\r\n"),
            ("/token/GONE", "Origin: null\r\n"),
        ] {
            let answer = post(path, origin);
            assert_eq!(fields(&answer), None, "{origin}");
            door.is_refused(&answer, 403, "origin");
        }
        for method in ["OPTIONS", "GET", "PUT"] {
            let answer = door.ask(method, "/token/XYZ", "Origin: https://evil.example\r\n", b"");
            assert_eq!((answer.status(), fields(&answer)), (403, None), "{method}");
        }
    });
}

#[test]
fn item_2_a_browser_that_asks_first_is_answered() {
    within(60, || {
        let door = Door::open();
        let mut wire = door.wire();
        for _ in 0..2 {
            wire.send(format!(
                "OPTIONS /token/XYZ HTTP/1.1\r\nHost: {HOST}\r\nOrigin: {CUSTOMER}\r\n\
                 Access-Control-Request-Method: POST\r\nAccess-Control-Request-Headers: content-type\r\n\r\n"
            ));
            let answer = wire.head();
            assert_eq!(answer.status(), 204);
            for (name, value) in [
                ("access-control-allow-origin", Some(CUSTOMER)),
                ("access-control-allow-methods", Some("POST")),
                ("access-control-allow-headers", Some("Content-Type")),
                ("vary", Some("Origin")),
                ("cache-control", Some("no-store")),
                ("access-control-allow-credentials", None),
                ("content-length", None),
                ("transfer-encoding", None),
            ] {
                assert_eq!(answer.header(name), value, "{answer:?}");
            }
        }
        let other = door.ask("OPTIONS", "/token/XYZ", "", b"");
        assert_eq!((other.status(), other.header("allow")), (204, Some("POST, OPTIONS")));
    });
}

#[test]
fn item_2_what_the_curl_of_the_page_shows_works() {
    within(60, || {
        let door = Door::open();
        let url = format!("https://{HOST}:{}/token/XYZ", door.portward.https);
        let connect = format!("{HOST}:{}:127.0.0.1", door.portward.https);
        let ca = door.portward.dir().join("ca.crt").display().to_string();
        let json = brought(now() + 60, "alice", "newest of XYZ");
        let part = |key: &str| json[key].as_str().unwrap().to_owned();
        let (username, password) = (part("username"), part("password"));
        let common = ["--cacert", &ca, "--resolve", &connect];
        let encoded = [format!("username={username}"), format!("password={password}")];
        let text = json.to_string();
        for more in [
            vec!["--data-urlencode", &encoded[0], "--data-urlencode", &encoded[1]],
            vec!["--data", &form(&username, &password)],
            vec!["--http1.0", "--no-alpn", "--data", &form(&username, &password)],
            vec!["-H", "Content-Type: application/json", "-H", "Expect: 100-continue", "--data", &text],
            vec!["-H", "Content-Type: application/json", "-H", "Transfer-Encoding: chunked", "--data", &text],
        ] {
            let said = curl(&[&common[..], &more, &[&url]].concat());
            let json: Value =
                serde_json::from_str(&said.out).unwrap_or_else(|_| panic!("{more:?}: {said:?}"));
            assert!(json["username"].as_str().unwrap().ends_with(":XYZ/alice@voxbone.example"), "{json}");
        }
    });
}

/// A customer's page, a page of another site, and a sandboxed frame, whose Origin is `null`.
const SCRIPT: &str = r#"
const ask = async (url, options) => {
  try {
    const answer = await fetch(url, { method: "POST", ...options });
    return { status: answer.status, body: await answer.json() };
  } catch (error) { return { failed: String(error) }; }
};
const run = async (url, credential) => {
  const json = { headers: { "Content-Type": "application/json" }, body: JSON.stringify(credential) };
  return {
    origin: self.origin,
    json: await ask(url, json),
    form: await ask(url, { body: new URLSearchParams(credential) }),
    wrong: await ask(url, { body: new URLSearchParams({ ...credential, password: "x" }) }),
    cookies: await ask(url, { ...json, credentials: "include" }),
    header: await ask(url, { body: new URLSearchParams(credential), headers: { "X-Other": "1" } }),
  };
};
"#;

#[test]
fn item_2_chromium_lets_the_customers_page_read_it_and_no_other() {
    within(110, || {
        let (sender, done) = channel::<String>();
        let sender = Mutex::new(sender);
        let json = brought(now() + 600, "alice", "newest of XYZ").to_string();
        let site = Target::http(move |request, _| {
            let body = match request.target() {
                "/done" => {
                    let _ = sender.lock().unwrap().send(request.text());
                    String::new()
                }
                "/frame" => format!(
                    "<script>{SCRIPT}run('https://{HOST}/token/XYZ', {json}).then(said => parent.postMessage(said, '*'))</script>"
                ),
                _ => format!(
                    "<iframe sandbox=allow-scripts src=/frame></iframe><script>{SCRIPT}\
                     const own = run('https://{HOST}/token/XYZ', {json});\
                     addEventListener('message', async event => fetch('/done', {{ method: 'POST', body: \
                     JSON.stringify([await own, event.data]) }}));</script>"
                ),
            };
            format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        })
        .forgetful();
        let door = Door::with_rules(|rules| {
            let site = |name: &str| {
                format!(
                    "[[host]]\nname = \"{name}\"\nhttp = [{{ path = \"\", target = \"127.0.0.1\", tcp = {} }}]\n",
                    site.port()
                )
            };
            rules.replace("https://www.customer.example", "https://www.example.net")
                + &site("www.example.net")
                + &site("evil.example.net")
        });
        let map = format!("MAP *.example.net:443 127.0.0.1:{}, MAP * ~NOTFOUND", door.portward.https);
        let ca = door.portward.dir().join("ca.crt");
        let results = |page: &str| -> Value {
            let browser = Chromium::start(&ca, &map, &[page]);
            let said = done.recv_timeout(Duration::from_secs(45));
            let said =
                said.unwrap_or_else(|_| panic!("nothing came of {page}:\n{}", browser.lines().join("\n")));
            serde_json::from_str(&said).unwrap()
        };
        let [own, sandboxed] =
            <[Value; 2]>::try_from(results("https://www.example.net/").as_array().unwrap().clone()).unwrap();
        for way in ["json", "form"] {
            assert_eq!(own[way]["status"], 200, "{own}");
            let username = own[way]["body"]["username"].as_str().unwrap();
            assert!(username.ends_with(":XYZ/alice@voxbone.example"), "{own}");
        }
        assert_eq!(
            (&own["wrong"]["status"], &own["wrong"]["body"]["reason"]),
            (&403.into(), &"failed-login".into()),
            "{own}"
        );
        // If the page sends cookies, or a field that is not allowed, the browser does not give it the answer.
        for way in ["cookies", "header"] {
            assert!(own[way]["failed"].is_string(), "{way}: {own}");
        }
        let evil = results("https://evil.example.net/")[0].clone();
        for (said, origin) in [(&sandboxed, "null"), (&evil, "https://evil.example.net")] {
            assert_eq!(said["origin"], origin, "{said}");
            for way in ["json", "form", "wrong", "cookies", "header"] {
                assert!(said[way]["failed"].is_string(), "{way}: {said}");
            }
        }
        is_uncounted(&door.portward);
    });
}

/// A page of another site that sends requests from an office's browser does the office no harm.
fn is_uncounted(portward: &Portward) {
    let lines = portward.lines();
    assert!(lines.iter().any(|line| line.contains("POST /token/XYZ") && line.contains("rejected: origin")));
    let own = lines.iter().filter(|line| line.contains("rejected: failed-login")).count();
    assert_eq!(own, 1, "{}", lines.join("\n"));
}
