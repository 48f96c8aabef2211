//! The walk's browsers: SIP over WebSocket, to a PBX without WebSocket.

use std::io;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use md5::{Digest as _, Md5};
use serde_json::{Value, json};
use tokio::sync::mpsc::UnboundedReceiver;

use super::super::decisions::next_decision;
use super::super::network::Network;
use super::super::tenants::{CUSTOMER, SIP_SECRET};
use super::super::visitor::{Answer, Dialogue, Visitor};
use crate::credentials::ephemeral;
use crate::service::{Service, Transport};

/// The URL to which browsers connect, and the page with the script.
const SERVER: &str = "wss://webrtc.example/sip";
const PAGE: &str = "https://www.customer.example";

/// The domain of the browsers' users.
const DOMAIN: &str = "voxbone.example";

/// The number of requests that reach the PBX: a registration, two calls and their ends.
pub(super) const REQUESTS: usize = 5;

/// How long a credential is valid, in seconds. An expired one ended that long ago.
const GOOD: u64 = 600;

/// Lets browsers connect. Returns whether everything was as expected.
pub(super) async fn come(
    network: &Network,
    decisions: &mut UnboundedReceiver<String>,
    say: &mut impl FnMut(&str),
) -> bool {
    say("");
    say("A page of another site tries to call through the browsers of its visitors: no WebSocket is opened");
    let mut good = other_page(network, decisions, say).await;
    say("");
    say(
        "A browser registers by WebSocket at a PBX that knows nothing of it: it proves itself with a credential that expires, and calls",
    );
    good &= shown(calls(network, decisions, say).await, say);
    say("");
    say("A credential that has expired: the page is told why");
    good &= shown(expired(network, decisions, say).await, say);
    say("");
    say(
        "The page of a customer: it exchanges the credential that its own web server has made for one of the operator, and calls with that",
    );
    good &= shown(exchanges(network, decisions, say).await, say);
    good
}

/// Returns whether it went well. An error is shown.
fn shown(outcome: io::Result<bool>, say: &mut impl FnMut(&str)) -> bool {
    outcome.unwrap_or_else(|error| {
        say(&format!("  !! {error}"));
        false
    })
}

async fn open(network: &Network, page: &str) -> io::Result<Dialogue> {
    let port = network.port(Service::Http, Transport::Tls);
    let visitor = Visitor::connect(port, Some(&network.visitor_tls), "webrtc.example").await?;
    visitor.open(SERVER, page).await
}

async fn other_page(
    network: &Network,
    decisions: &mut UnboundedReceiver<String>,
    say: &mut impl FnMut(&str),
) -> bool {
    say(&format!("  > {SERVER} with Origin: https://other.example"));
    let opened = open(network, "https://other.example").await;
    let line = next_decision(decisions).await.unwrap_or_default();
    say(&format!("  {line}"));
    let (said, refused) = match opened {
        Ok(_) => (String::from("the WebSocket is open"), false),
        Err(error) => (error.to_string(), line.contains("rejected: origin")),
    };
    say(&format!("  {} {said}", if refused { "<" } else { "!!" }));
    refused
}

async fn calls(
    network: &Network,
    decisions: &mut UnboundedReceiver<String>,
    say: &mut impl FnMut(&str),
) -> io::Result<bool> {
    let mut browser = Browser::open(network, login(true, SIP_SECRET)).await?;
    let mut good = opened(decisions, say).await;
    for (method, to_tag, wanted) in [
        ("REGISTER", "", "SIP/2.0 401 "),
        ("REGISTER", "", "SIP/2.0 200 "),
        ("INVITE", "", "SIP/2.0 200 "),
        ("BYE", ";tag=standin", "SIP/2.0 200 "),
    ] {
        let answer = browser.ask(method, to_tag, say).await?;
        if method == "REGISTER" && answer.starts_with("SIP/2.0 200 ") {
            let line = next_decision(decisions).await.unwrap_or_default();
            say(&format!("  {line}"));
            good &= line.contains("sipwss:anna@voxbone.example REGISTER") && line.contains("-> 127.31.31.7:");
        }
        let is_theirs =
            !answer.starts_with("SIP/2.0 200 ") || answer.contains("Server: PBX for browsers, plain");
        good &= tell(&answer, answer.starts_with(wanted) && is_theirs, say);
        if method == "INVITE" {
            browser.send("ACK", ";tag=standin", say).await?;
        }
    }
    Ok(good)
}

async fn expired(
    network: &Network,
    decisions: &mut UnboundedReceiver<String>,
    say: &mut impl FnMut(&str),
) -> io::Result<bool> {
    let mut browser = Browser::open(network, login(false, SIP_SECRET)).await?;
    let mut good = opened(decisions, say).await;
    let challenge = browser.ask("REGISTER", "", say).await?;
    good &= tell(&challenge, challenge.starts_with("SIP/2.0 401 "), say);
    let answer = browser.ask("REGISTER", "", say).await?;
    let line = next_decision(decisions).await.unwrap_or_default();
    say(&format!("  {line}"));
    good &= tell(&answer, answer.starts_with("SIP/2.0 403 Credential expired\r\n"), say);
    Ok(good && line.contains("rejected: expired"))
}

async fn exchanges(
    network: &Network,
    decisions: &mut UnboundedReceiver<String>,
    say: &mut impl FnMut(&str),
) -> io::Result<bool> {
    let (tenant, secret) = CUSTOMER;
    let (username, password) = login(true, secret);
    let body = json!({ "username": username, "password": password }).to_string();
    let request = format!(
        "POST /token/{tenant} HTTP/1.1\r\nHost: webrtc.example\r\nOrigin: {PAGE}\r\nContent-Type: application/json\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    say(&format!("  > POST /token/{tenant} HTTP/1.1, username {username}"));
    let port = network.port(Service::Http, Transport::Tls);
    let mut page = Visitor::connect(port, Some(&network.visitor_tls), "webrtc.example").await?;
    let answer = page.ask(&request).await?;
    let line = next_decision(decisions).await.unwrap_or_default();
    say(&format!("  {line}"));
    let Answer::Response(status, text) = answer else { return Err(io::ErrorKind::ConnectionAborted.into()) };
    let given: Value = serde_json::from_str(&text)?;
    let part = |name: &str| given.get(name).and_then(Value::as_str).unwrap_or_default().to_owned();
    let login = (part("username"), part("password"));
    let mut good = status == 200 && login.0.ends_with(&format!(":{tenant}/anna@{DOMAIN}"));
    say(&format!("  {} {status}: username {}", if good { "<" } else { "!!" }, login.0));

    let mut browser = Browser::open(network, login).await?;
    good &= opened(decisions, say).await;
    for (method, to_tag, wanted) in [
        ("INVITE", "", "SIP/2.0 407 "),
        ("INVITE", "", "SIP/2.0 200 "),
        ("BYE", ";tag=standin", "SIP/2.0 200 "),
    ] {
        let answer = browser.ask(method, to_tag, say).await?;
        if method == "INVITE" && answer.starts_with("SIP/2.0 200 ") {
            let line = next_decision(decisions).await.unwrap_or_default();
            say(&format!("  {line}"));
            good &= line.contains("sipwss:anna@voxbone.example INVITE") && line.contains("-> 127.31.31.7:");
            browser.send("ACK", ";tag=standin", say).await?;
        }
        good &= tell(&answer, answer.starts_with(wanted), say);
    }
    Ok(good)
}

/// Shows the result of the handshake.
async fn opened(decisions: &mut UnboundedReceiver<String>, say: &mut impl FnMut(&str)) -> bool {
    say(&format!("  > {SERVER} with Origin: {PAGE}"));
    let line = next_decision(decisions).await.unwrap_or_default();
    say(&format!("  {line}"));
    line.contains("-> websocket")
}

/// Shows the first line of an answer, and the PBX that gave it.
fn tell(answer: &str, good: bool, say: &mut impl FnMut(&str)) -> bool {
    let server = answer.lines().find(|line| line.starts_with("Server: "));
    let server = server.map_or_else(String::new, |line| format!(" ({line})"));
    let mark = if good { "<" } else { "!!" };
    say(&format!("  {mark} {}{server}", answer.lines().next().unwrap_or_default()));
    good
}

/// A username and its password, in the form of `portward token`.
fn login(is_good: bool, secret: &str) -> (String, String) {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).as_ref().map_or(0, Duration::as_secs);
    let expires = if is_good { now + GOOD } else { now.saturating_sub(GOOD) };
    let (username, password) = ephemeral::make(expires, "anna", secret.as_bytes());
    (username, password.to_string())
}

/// The browser of the user anna.
struct Browser {
    dialogue: Dialogue,
    login: (String, String),
    number: u32,
    /// The challenge in the last answer, if there was one.
    challenge: Option<String>,
}

impl Browser {
    async fn open(network: &Network, login: (String, String)) -> io::Result<Self> {
        Ok(Self { dialogue: open(network, PAGE).await?, login, number: 0, challenge: None })
    }

    /// Sends a request and returns the answer. If the last answer was a challenge, the request answers it.
    async fn ask(&mut self, method: &str, to_tag: &str, say: &mut impl FnMut(&str)) -> io::Result<String> {
        self.send(method, to_tag, say).await?;
        let answer = self.dialogue.next().await?;
        let is_challenge = ["SIP/2.0 401 ", "SIP/2.0 407 "].iter().any(|asks| answer.starts_with(asks));
        self.challenge = is_challenge.then(|| answer.clone());
        Ok(answer)
    }

    async fn send(&mut self, method: &str, to_tag: &str, say: &mut impl FnMut(&str)) -> io::Result<()> {
        self.number += 1;
        let (number, uri) = (self.number, format!("sip:{DOMAIN}"));
        let to = if method == "REGISTER" { "anna" } else { "4420" };
        let login = self.challenge.take().map(|challenge| answer(&challenge, &self.login, method, &uri));
        say(&format!(
            "  > {method} From: <sip:anna@{DOMAIN}>{}",
            if login.is_some() { ", with the credential" } else { "" }
        ));
        let login = login.unwrap_or_default();
        self.dialogue
            .send(&format!(
                "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/WSS demo.invalid;branch=z9hG4bKdemo{number}\r\nMax-Forwards: 70\r\n\
                 From: <sip:anna@{DOMAIN}>;tag=demo\r\nTo: <sip:{to}@{DOMAIN}>{to_tag}\r\nCall-ID: demo@demo.invalid\r\n\
                 CSeq: {number} {method}\r\nContact: <sip:anna@demo.invalid;transport=ws>\r\n{login}\r\n"
            ))
            .await
    }
}

/// The header field that answers a challenge by digest (RFC 7616).
fn answer(challenge: &str, (username, password): &(String, String), method: &str, uri: &str) -> String {
    let value = |name: &str| {
        let from = challenge.split(&format!("{name}=\"")).nth(1).unwrap_or_default();
        from.split('"').next().unwrap_or_default().to_owned()
    };
    let (realm, nonce) = (value("realm"), value("nonce"));
    let secret = hash(&format!("{username}:{realm}:{password}"));
    let what = hash(&format!("{method}:{uri}"));
    let response = hash(&format!("{secret}:{nonce}:00000001:demo:auth:{what}"));
    let field = if challenge.starts_with("SIP/2.0 407 ") { "Proxy-Authorization" } else { "Authorization" };
    format!(
        "{field}: Digest username=\"{username}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
         response=\"{response}\", qop=auth, nc=00000001, cnonce=\"demo\"\r\n"
    )
}

/// MD5 in hexadecimal.
fn hash(text: &str) -> String {
    Md5::digest(text).iter().map(|octet| format!("{octet:02x}")).collect()
}
