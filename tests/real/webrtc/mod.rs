//! Real browsers: JsSIP and SIP.js in Chromium register and call through Kamailio, which knows nothing of WebSocket (issue 22,
//! items 1 and 5). The sound goes from page to page.

mod example;
mod phone;

use phone::{Library, Phone, browser, browser_with, pages};

use crate::harness::baresip::Baresip;
use crate::harness::kamailio::Kamailio;
use crate::harness::{Cable, Namespace, Portward, Setup, Target, within};
use crate::sip_credentials::{Credential, SECRET, at};

/// The page and the WebSocket at `web.example.net`, and a SIP host `pbx.example.net` with this rule.
fn setup(pages: &Target, sip: &str) -> Setup {
    let rules = format!(
        "[[host]]\nname = \"web.example.net\"\ntarget = \"127.0.0.1\"\n\
         http = [{{ path = \"/sip\", websocket = \"sip\" }}, {{ path = \"\", tcp = {} }}]\n\
         [[host]]\nname = \"pbx.example.net\"\ntarget = \"127.0.0.1\"\nsip = {{ {sip}, check_certificate = false }}\n",
        pages.port()
    );
    Portward::rules(&rules).set("log.forwarded", "\"all\"").set("log.ended", "[\"sip\"]")
}

/// Two pages call each other, both ways; each puts the other on hold, and each hangs up.
fn calls(first: Library, second: Library, by_tls: bool) {
    let (kamailio, pages) = (Kamailio::start("pbx.example.net"), pages());
    let (rule, kept) = match by_tls {
        true => (format!("tls = {}", kamailio.tls), "\"rp.example.net\""),
        false => (format!("tcp = {}", kamailio.plain), "\"\""),
    };
    let portward = setup(&pages, &rule).set("sip.public_address", kept).start();
    let browser = browser(&portward, portward.https);
    let alice = Phone::start(&browser, "alice", first);
    let bob = Phone::start(&browser, "bob", second);
    alice.call("bob", &bob);
    alice.hold(&bob);
    bob.hold(&alice);
    alice.hang_up(&bob);
    bob.call("alice", &alice);
    alice.hang_up(&bob);
    alice.call("bob", &bob);
    bob.hang_up(&alice);
    portward.decision(&["sipwss:alice@pbx.example.net REGISTER", " -> 127.0.0.1:"]);
    portward.decision(&["sipwss:bob@pbx.example.net REGISTER", " -> 127.0.0.1:"]);
    portward.assert_alive();
}

#[test]
fn item_5_two_pages_with_jssip_call_each_other_through_kamailio_by_tcp() {
    within(110, || calls(Library::JsSip, Library::JsSip, false));
}

#[test]
fn item_5_two_pages_with_jssip_call_each_other_through_kamailio_by_tls() {
    within(110, || calls(Library::JsSip, Library::JsSip, true));
}

#[test]
fn item_5_two_pages_with_sip_js_call_each_other_through_kamailio_by_tcp() {
    within(110, || calls(Library::SipJs, Library::SipJs, false));
}

#[test]
fn item_5_jssip_and_sip_js_call_each_other_through_kamailio_by_tls() {
    within(110, || calls(Library::JsSip, Library::SipJs, true));
}

/// The browser's network changes in the middle of a call. The browser registers again by itself on another WebSocket.
/// JsSIP keeps the call, whose sound has never stopped, changes it there and ends it. SIP.js gives the call up.
fn network_changes(library: Library) {
    let (kamailio, pages) = (Kamailio::start("pbx.example.net"), pages());
    let rule = format!("tcp = {}", kamailio.plain);
    let portward = setup(&pages, &rule).set("sip.public_address", "\"rp.example.net\"").start();
    let cable = Cable::to(portward.https);
    let moving = browser(&portward, cable.port);
    let staying = browser(&portward, portward.https);
    let alice = Phone::start(&moving, "alice", library);
    let bob = Phone::start(&staying, "bob", library);
    alice.call("bob", &bob);
    let mark = portward.mark();
    cable.cut();
    alice.until("disconnected");
    alice.until("registered");
    portward.decision_after(mark, &["sipwss:alice@pbx.example.net REGISTER", " -> 127.0.0.1:"]);
    match library {
        Library::JsSip => {
            alice.hold(&bob);
            alice.hang_up(&bob);
        }
        Library::SipJs => {
            alice.until("ended");
            bob.run("phone.hangUp(); true");
            bob.until("ended");
        }
    }
    bob.call("alice", &alice);
    bob.hang_up(&alice);
}

#[test]
fn item_1_a_page_with_jssip_goes_on_after_its_network_has_changed() {
    within(110, || network_changes(Library::JsSip));
}

#[test]
fn item_1_a_page_with_sip_js_goes_on_after_its_network_has_changed() {
    within(110, || network_changes(Library::SipJs));
}

/// Portward challenges by digest with MD5 and qop (RFC 7616), and both libraries answer correctly. A PBX behind it does
/// not challenge. A browser that comes back is challenged again.
#[test]
fn item_5_jssip_and_sip_js_prove_themselves_with_ephemeral_credentials() {
    within(110, || {
        let (kamailio, pages) = (Kamailio::trusting("pbx.example.net"), pages());
        let rule = format!("tcp = {}, credentials = \"ephemeral\"", kamailio.plain);
        let portward = setup(&pages, &rule).set("sip.secrets", "[\"north\"]").start();
        let cable = Cable::to(portward.https);
        let browser = browser(&portward, cable.port);
        let start = |user, library| {
            let Credential { username, password } = Credential::good(user);
            let phone = Phone::open(&browser, user, library, [&username, &password]);
            phone.until("registered");
            phone
        };
        let (alice, bob) = (start("alice", Library::JsSip), start("bob", Library::SipJs));
        alice.call("bob", &bob);
        bob.hang_up(&alice);
        bob.call("alice", &alice);
        alice.hang_up(&bob);
        cable.cut();
        for phone in [&alice, &bob] {
            phone.until("disconnected");
            phone.until("registered");
        }
        alice.call("bob", &bob);
        alice.hang_up(&bob);
        for library in [Library::JsSip, Library::SipJs] {
            let Credential { username, password } = Credential::of(&format!("{}:carol", at(-5)), SECRET);
            let carol = Phone::open(&browser, "carol", library, [&username, &password]);
            carol.until("refused 403 Credential expired");
            let dave =
                Phone::open(&browser, "dave", library, [&username.replace("carol", "dave"), &password]);
            dave.run("(async () => { while (!story.some((what) => what.startsWith('refused 40'))) await pause(); })()");
        }
        // Two registrations, and two more after the change of network.
        kamailio.has_registered(4);
    });
}

/// The page calls a softphone that is registered by TLS at the same PBX, and the softphone calls the page. Both hear
/// sound.
#[test]
fn item_5_a_page_and_baresip_call_each_other() {
    within(110, || {
        Namespace::with_interface().inside(page_and_baresip);
    });
}

fn page_and_baresip() {
    let (kamailio, pages) = (Kamailio::start("pbx.example.net"), pages());
    let portward = setup(&pages, &format!("tcp = {}", kamailio.plain)).start();
    let browser = browser_with(&portward, portward.https, &["about:blank"]);
    let alice = Phone::start(&browser, "alice", Library::JsSip);
    let bob = Baresip::for_browsers("bob", "pbx.example.net", kamailio.tls);
    bob.registered();
    alice.dial("bob");
    bob.answer();
    alice.until("confirmed");
    alice.hears();
    bob.event("CALL_RTPESTAB");
    bob.hang_up();
    alice.until("ended");
    bob.forget();
    bob.dial("sip:alice@pbx.example.net");
    alice.answer();
    bob.event("CALL_ESTABLISHED");
    alice.hears();
    bob.event("CALL_RTPESTAB");
    alice.run("phone.hangUp(); true");
    bob.event("CALL_CLOSED");
}
