//! The page of the example rules, used as a person uses it (issue 22, "Shown by").

use std::thread;
use std::time::Duration;

use serde_json::{Value, json};

use super::phone::browser_with;
use crate::harness::baresip::Baresip;
use crate::harness::kamailio::Kamailio;
use crate::harness::{Message, Namespace, Page, Portward, Target, command, eventually, within};

/// The example's rules with the ports of a PBX on this machine. The page is on a customer's web server.
fn setup(pages: &Target, ports: &str) -> Portward {
    let example = include_str!("../../../rules/examples/voxbone.toml");
    let rules = example.replace("target = \"172.31.31.7\", tcp = 5060, tls = 5061", ports);
    assert_ne!(rules, example);
    let rules = format!(
        "{rules}\n[[host]]\nname = \"www.customer.example\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tcp = {} }}]\n",
        pages.port()
    );
    Portward::rules(&rules)
        .set("sip.secrets", "[\"a secret\"]")
        .certificate("server", &["webrtc.example", "www.customer.example"])
        .set("log.forwarded", "\"all\"")
        .start()
}

/// The customer's web server.
fn pages() -> Target {
    Target::http(|_: &Message, _| {
        let page = include_str!("../../../rules/examples/voxbone.html");
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: {}\r\n\r\n{page}", page.len())
    })
    .forgetful()
}

/// A credential of anna, made by `portward token`: with `--sip`, or a customer's.
fn token(portward: &Portward, whose: &str, ttl: &str) -> [String; 2] {
    let args = ["token", whose, "--user", "anna", "--ttl", ttl, "--json", "--config", "portward.toml"];
    let made = command(20, portward.dir(), &args);
    let made: Value = serde_json::from_str(&made.out).unwrap_or_else(|_| panic!("{}", made.all()));
    ["username", "password"].map(|key| made[key].as_str().unwrap().to_owned())
}

/// Types this into the page's fields and presses Call.
fn call(page: &Page, [user, password]: &[String; 2], number: &str) {
    for (name, value) in [("user", user.as_str()), ("password", password), ("number", number)] {
        page.run(&format!("field.{name}.value = {}", json!(value)));
    }
    page.run("field.call.click()");
}

/// Waits until the page shows this text.
fn says(page: &Page, wanted: &str) {
    let mut said = Value::Null;
    let messages = || page.run("document.getElementById('messages').textContent");
    for _ in 0..300 {
        said = page.run("document.getElementById('status').textContent");
        if said.as_str().is_some_and(|said| said.contains(wanted)) {
            return;
        }
        thread::sleep(Duration::from_millis(50));
    }
    panic!("the page does not say {wanted:?} but {said}; its messages:\n{}", messages());
}

#[test]
fn item_6_a_person_types_a_number_into_the_example_page_and_rings_a_softphone() {
    within(110, || Namespace::with_interface().inside(rings));
}

fn rings() {
    let (kamailio, pages) = (Kamailio::trusting("voxbone.example"), pages());
    let portward = setup(&pages, &format!("target = \"127.0.0.1\", tcp = {}", kamailio.plain));
    let bob = Baresip::for_browsers("4420", "voxbone.example", kamailio.tls);
    bob.registered();
    let browser = browser_with(&portward, portward.https, &["about:blank"]);
    let page = browser.open("https://www.customer.example/");
    eventually("the page is there", || {
        page.run("typeof field") == "object" && page.run("typeof attempt") == "function"
    });
    assert_eq!(page.run("md5('a'.repeat(119))"), "8a7bd0732ed6a28ce75f6dabc90e1613");
    // An expired credential, a forged one, and an unknown number.
    let (short, anna) = (token(&portward, "--sip", "1s"), token(&portward, "--sip", "1h"));
    thread::sleep(Duration::from_secs(3));
    call(&page, &short, "4420");
    says(&page, "Refused: 403 Credential expired");
    portward.decision(&["sipwss:anna@voxbone.example INVITE", "rejected: expired"]);
    call(&page, &[anna[0].clone(), short[1].clone()], "4420");
    says(&page, "Refused: 407 ");
    call(&page, &anna, "1");
    says(&page, "Refused: 404 Not Here");
    // First the other side hangs up, then this one.
    call(&page, &anna, "44 20");
    says(&page, "44 20 rings");
    bob.answer();
    says(&page, "Connected with 44 20");
    hears(&page);
    bob.event("CALL_RTPESTAB");
    bob.hang_up();
    says(&page, "The other side has hung up");
    bob.forget();
    call(&page, &anna, "sip:4420@voxbone.example");
    bob.answer();
    says(&page, "Connected");
    page.run("field.end.click()");
    bob.event("CALL_CLOSED");
    // The call is not answered.
    bob.forget();
    call(&page, &anna, "4420");
    bob.event("CALL_INCOMING");
    page.run("field.end.click()");
    says(&page, "Hung up");
    bob.event("CALL_CLOSED");
    portward.decision(&["sipwss:anna@voxbone.example INVITE", " -> 127.0.0.1:"]);
    // The customer's own credential is exchanged, and the page calls with the result.
    let (short, own) = (token(&portward, "customer", "1s"), token(&portward, "customer", "1h"));
    page.run("field.exchange.value = 'https://webrtc.example/token/customer'");
    bob.forget();
    call(&page, &own, "4420");
    bob.answer();
    says(&page, "Connected with 4420");
    page.run("field.end.click()");
    bob.event("CALL_CLOSED");
    thread::sleep(Duration::from_secs(3));
    call(&page, &short, "4420");
    says(&page, "Refused: 403 the credential has expired");
    // The page can be called, too: by another page in the same browser.
    let other = browser.open("https://www.customer.example/#register=1");
    eventually("the page is there", || other.run("typeof attempt") == "function");
    call(&other, &anna, "");
    says(&other, "Registered");
    bob.forget();
    bob.dial("sip:anna@voxbone.example");
    says(&other, " calls");
    other.run("field.answer.click()");
    says(&other, "Connected");
    bob.event("CALL_ESTABLISHED");
    hears(&other);
    other.run("field.end.click()");
    bob.event("CALL_CLOSED");
}

/// Waits until there is sound from the other side.
fn hears(page: &Page) {
    page.run(
        "(async () => { for (;;) { for (const report of (await call.media.getStats()).values()) { \
         if (report.type === 'inbound-rtp' && report.totalAudioEnergy > 0) return true; } \
         await new Promise((done) => setTimeout(done, 50)); } })()",
    );
}
