//! Kamailio as the PBX behind credentials. It asks for a password of its own, and gets registrations by wss and by TLS.

use super::browser::{Browser, By};
use super::{Challenge, Credential, House, Request, SECRET, ask, at, log_in, server};
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
        // Our challenge comes first, then Kamailio's.
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
        kamailio.has_registered(2);
    });
}

/// Kamailio does not demand `qop`, but accepts it.
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

/// Portward refuses every credential that Kamailio's own module refuses. Kamailio accepts every one that Portward
/// accepts. Portward is stricter in two points: a time has only one spelling, and the lifetime has a limit.
#[test]
fn w5_portward_and_kamailios_module_take_the_same_credentials() {
    within(100, || {
        let (kamailio, house) = (Kamailio::ephemeral("pbx.example", SECRET), House::plain());
        let altered = |mut credential: Credential| {
            let first = if credential.password.starts_with('A') { "B" } else { "A" };
            credential.password.replace_range(..1, first);
            credential
        };
        for (what, credential, [kamailio_takes, portward_takes]) in [
            ("good", Credential::good("alice"), [true, true]),
            ("altered", altered(Credential::good("alice")), [false, false]),
            ("other secret", Credential::of(&format!("{}:alice", at(300)), "south"), [false, false]),
            ("expired", Credential::of(&format!("{}:alice", at(-60)), SECRET), [false, false]),
            ("leading zero", Credential::of(&format!("0{}:alice", at(300)), SECRET), [true, false]),
            ("for days", Credential::of(&format!("{}:alice", at(900_000)), SECRET), [true, false]),
        ] {
            let register = Request::of("REGISTER", ALICE);
            let mut direct = Wire::plain(kamailio.plain);
            let challenge = challenge_of_kamailio(&ask(&mut direct, &register));
            let status = ask(&mut direct, &register.answered(&challenge, &credential, 1)).status();
            assert_eq!(status == 200, kamailio_takes, "{what}: {status}");
            let answer = log_in(&mut house.tcp(), &register, &credential);
            assert_eq!(server(&answer).is_some(), portward_takes, "{what}: {answer:?}");
        }
    });
}
