//! Kamailio as the PBX behind credentials: it asks for a password of its own, and gets registrations by wss and by TLS.

use super::browser::{Browser, By};
use super::{Challenge, Credential, Request, SECRET, ask, log_in};
use crate::harness::kamailio::{Kamailio, PASSWORD};
use crate::harness::{Portward, Wire, within};

const ALICE: &str = "alice@pbx.example";

fn portward(kamailio: &Kamailio) -> Portward {
    let rules = format!(
        "[[host]]\nname = \"web.example\"\nhttp = [{{ path = \"/sip\", websocket = \"sip\" }}]\n\
         [[host]]\nname = \"pbx.example\"\nsip = {{ target = \"127.0.0.1\", tcp = {}, tls = {}, check_certificate = false, \
         credentials = \"ephemeral\" }}\n",
        kamailio.plain, kamailio.tls
    );
    Portward::rules(&rules)
        .certificate("server", &["pbx.example", "web.example"])
        .listen("sips")
        .set("sip.secrets", &format!("[\"{SECRET}\"]"))
        .start()
}

#[test]
fn w5_kamailio_is_registered_at_by_tls_and_by_wss() {
    within(100, || {
        let kamailio = Kamailio::start("pbx.example");
        let portward = portward(&kamailio);
        let of_kamailio = Credential { username: "alice".to_owned(), password: PASSWORD.to_owned() };
        let contact = "Contact: <sip:alice@10.0.0.1;transport=tcp>\r\n";
        let register = Request::of("REGISTER", ALICE).with(contact);
        let mut phone = Wire::tls(portward.port("sips"), "pbx.example");
        // Ours first, then Kamailio's.
        let answer = log_in(&mut phone, &register, &Credential::good("alice"));
        assert_eq!(answer.status(), 401, "{answer:?}");
        let challenge = challenge_of_kamailio(&answer);
        let answer = ask(&mut phone, &register.answered(&challenge, &of_kamailio, 1));
        assert_eq!(answer.status(), 200, "{answer:?}");
        kamailio.line(&["SAVED alice over tls"]);

        let alice = Credential::good("alice");
        let mut browser = Browser::open(portward.tls("web.example"), "https", By::Query, &alice);
        let answer = browser.ask(&register);
        assert_eq!(answer.status(), 401, "{answer:?}");
        let challenge = challenge_of_kamailio(&answer);
        let answer = browser.ask(&register.answered(&challenge, &of_kamailio, 1));
        assert_eq!(answer.status(), 200, "{answer:?}");
        assert_eq!(kamailio.registrations(), 2);
    });
}

/// Kamailio demands no `qop`; it takes one.
fn challenge_of_kamailio(answer: &crate::harness::Message) -> Challenge {
    let value = answer.header("www-authenticate").unwrap();
    let part =
        |name: &str| value.split(&format!("{name}=\"")).nth(1).unwrap().split('"').next().unwrap().to_owned();
    assert!(answer.header("server").unwrap_or_default().contains("kamailio"), "{answer:?}");
    Challenge {
        realm: part("realm"),
        nonce: part("nonce"),
        algorithm: "MD5".to_owned(),
        stale: false,
        field: "Authorization",
    }
}
