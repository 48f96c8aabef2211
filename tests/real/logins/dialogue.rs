//! The dialogue in which a browser asks its user for a login. Chromium's DevTools protocol shows and answers it (domain
//! Fetch: `authRequired`, `continueWithAuth`).

use serde_json::{Value, json};

use super::{HOST, setup};
use crate::harness::{Chromium, Page, Target, within};

/// Goes to a URL. The user answers the dialogues with `logins`, in turn, and closes the next one. Returns the dialogues
/// and the text of the page.
fn visit(page: &Page, url: &str, logins: &[(&str, &str)]) -> (Vec<Value>, String) {
    page.command("Page.navigate", json!({ "url": url }));
    let mut dialogues = Vec::new();
    loop {
        let event = page.event();
        let request = &event["params"]["requestId"];
        match event["method"].as_str() {
            Some("Fetch.requestPaused") => {
                page.command("Fetch.continueRequest", json!({ "requestId": request }));
            }
            Some("Fetch.authRequired") => {
                let answer = match logins.get(dialogues.len()) {
                    Some((user, password)) => {
                        json!({ "response": "ProvideCredentials", "username": user, "password": password })
                    }
                    None => json!({ "response": "CancelAuth" }),
                };
                dialogues.push(event["params"]["authChallenge"].clone());
                let params = json!({ "requestId": request, "authChallengeResponse": answer });
                page.command("Fetch.continueWithAuth", params);
            }
            Some("Page.loadEventFired") => break,
            _ => {}
        }
    }
    let text = page.run("document.body.innerText + ' ' + (document.images[0]?.naturalWidth ?? '')");
    (dialogues, text.as_str().unwrap_or_default().trim().to_owned())
}

fn application(path: &str) -> Vec<u8> {
    let (kind, body) = if path.ends_with(".svg") {
        ("image/svg+xml", "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"17\" height=\"5\"/>".to_owned())
    } else {
        ("text/html", format!("<!doctype html><title>x</title><p>{path}</p><img src=\"picture.svg\">"))
    };
    format!("HTTP/1.1 200 OK\r\nContent-Type: {kind}\r\nContent-Length: {}\r\n\r\n{body}", body.len())
        .into_bytes()
}

#[test]
fn item_3_chromium_asks_its_user_and_remembers_the_login() {
    within(100, || {
        let target = Target::http(|request, _| application(request.target()));
        let portward = setup(&target, "").set("log.forwarded", "\"all\"").start();
        // The browser believes that it uses the standard ports.
        let map = format!(
            "MAP {HOST}:80 127.0.0.1:{}, MAP {HOST}:443 127.0.0.1:{}, MAP * ~NOTFOUND",
            portward.http, portward.https
        );
        let args = ["--disable-features=HttpsUpgrades,HttpsFirstBalancedModeAutoEnable", "about:blank"];
        let browser = Chromium::start(&portward.dir().join("ca.crt"), &map, &args);
        let page = browser.open("about:blank");
        page.call("Page.enable", json!({}));
        page.call("Fetch.enable", json!({ "handleAuthRequests": true }));

        // By plain HTTP there is no dialogue: the browser is redirected to HTTPS first. After a wrong password there is
        // another dialogue.
        let logins = [("key", "wrong"), ("key", "s3cret-of-acme")];
        let (dialogues, text) = visit(&page, &format!("http://{HOST}/mno/ACME/page"), &logins);
        assert_eq!(text, "/mno/ACME/page 17");
        let challenge = json!({ "source": "Server", "origin": format!("https://{HOST}"), "scheme": "basic", "realm": HOST });
        assert_eq!(dialogues, [challenge.clone(), challenge.clone()]);
        portward.decision(&["GET /mno/ACME/page", "-> login"]);
        portward.decision(&["GET /mno/ACME/page", "rejected: failed-login"]);
        portward.decision(&["GET /mno/ACME/page", "user=key -> "]);

        // The next pages of the tenant, and their pictures, need no dialogue.
        let (dialogues, text) = visit(&page, &format!("https://{HOST}/mno/ACME/other/page"), &[]);
        assert_eq!((dialogues, &*text), (Vec::new(), "/mno/ACME/other/page 17"));

        // Another tenant's pages need one. A user who closes the dialogue sees that a login is needed.
        let (dialogues, text) = visit(&page, &format!("https://{HOST}/mno/OTHER/page"), &[]);
        assert_eq!((dialogues, &*text), (vec![challenge], "401 Unauthorized"));
        let (_, text) =
            visit(&page, &format!("https://{HOST}/mno/OTHER/page"), &[("key", "s3cret-of-other")]);
        assert_eq!(text, "/mno/OTHER/page 17");

        assert!(!target.transcript().contains("Authorization"), "the login is Portward's");

        // Single sign-on needs no dialogue.
        let (dialogues, text) = visit(&page, &format!("https://{HOST}/mno/OTHER/saml/page"), &[]);
        assert_eq!((dialogues, &*text), (Vec::new(), "/mno/OTHER/saml/page 17"));
        assert!(
            !target.transcript().contains("Authorization"),
            "a login that strays there is Portward's as well"
        );
    });
}
