//! SIP: at Kamailio, and at a registrar of our own that obeys the test.

use std::net::IpAddr;

use super::{Dice, SEEDS, address, digest, is_served, judged, nonce_of, rules, the_21st_lists};
use crate::harness::kamailio::Kamailio;
use crate::harness::sip::next_message;
use crate::harness::{Message, Portward, Target, Wire, within};

/// A request with a Call-ID and CSeq of its own.
fn sip_request(method: &str, user: &str, call: usize, more: &str) -> String {
    format!(
        "{method} sip:one.example.net SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK{call}\r\nMax-Forwards: 70\r\n\
         From: <sip:{user}@one.example.net>;tag=a\r\nTo: <sip:{user}@one.example.net>\r\nCall-ID: {call}@10.0.0.1\r\n\
         CSeq: {call} {method}\r\nContact: <sip:{user}@127.0.0.1>\r\n{more}Content-Length: 0\r\n\r\n"
    )
}

/// Guesses passwords at a SIP registrar, and remembers every nonce.
struct SipGuesser<'p> {
    portward: &'p Portward,
    from: IpAddr,
    wires: Vec<Wire>,
    nonces: Vec<String>,
    call: usize,
}

impl SipGuesser<'_> {
    /// The index of a connection: one of a few, or a new one.
    fn wire(&mut self, dice: &mut Dice) -> usize {
        if self.wires.len() < 4 {
            self.wires.push(Wire::plain_from(self.from, self.portward.port("sip")));
        }
        dice.roll(self.wires.len())
    }

    /// Gets a nonce. Later guesses may use it on other connections.
    fn challenged(&mut self, dice: &mut Dice) {
        let wire = self.wire(dice);
        self.call += 1;
        self.wires[wire].send(sip_request("REGISTER", "a", self.call, ""));
        let answer = next_message(&mut self.wires[wire]).expect("a challenge");
        self.nonces.push(nonce_of(answer.header("WWW-Authenticate").unwrap()));
    }

    fn guess(&mut self, dice: &mut Dice) {
        if self.nonces.is_empty() || dice.roll(3) == 0 {
            self.challenged(dice);
        }
        let nonce = self.nonces[dice.roll(self.nonces.len())].clone();
        let (method, name) = *dice.one(&[
            &("REGISTER", "Authorization"),
            &("INVITE", "Proxy-Authorization"),
            &("REGISTER", "Authorization"),
        ]);
        self.call += 1;
        let call = self.call;
        let mut text = sip_request(method, "a", call, &digest(dice, name, &nonce));
        // Requests behind it must not hide it.
        let behind = dice.roll(4);
        for _ in 0..behind {
            self.call += 1;
            text += &sip_request(dice.one(&["REGISTER", "OPTIONS"]), "b", self.call, "");
        }
        let wire = self.wire(dice);
        self.wires[wire].send(text);
        let mut refused = false;
        for _ in 0..=behind {
            let Some(answer) = next_message(&mut self.wires[wire]) else { break };
            let is_it = answer.header("CSeq").unwrap().starts_with(&format!("{call} "));
            refused |= is_it && matches!(answer.status(), 401 | 407);
            if let Some(challenge) = answer.header("WWW-Authenticate").or(answer.header("Proxy-Authenticate"))
            {
                self.nonces.push(nonce_of(challenge));
            }
        }
        // The last guess may close the connection before its answer is sent.
        assert!(refused || !is_served(self.portward, self.from));
        if dice.roll(3) == 0 {
            self.wires.remove(wire);
        }
    }
}

#[test]
fn c_sip_at_kamailio() {
    within(90, || {
        let (web, kamailio) = (Target::named("here"), Kamailio::start("one.example.net"));
        let portward = judged(&rules(web.port(), 9, kamailio.plain, 9)).start();
        for number in 1..=SEEDS {
            let from = address(number);
            let mut guesser =
                SipGuesser { portward: &portward, from, wires: Vec::new(), nonces: Vec::new(), call: 0 };
            the_21st_lists(&portward, number, |dice| guesser.guess(dice));
        }
    });
}

/// A registrar. The right response is `good`. `Subject: …` asks for another answer. It reads `at_once` requests before
/// it answers them, the last one first.
fn registrar(at_once: usize, realm: &'static str) -> Target {
    Target::scripted(move |conn| {
        let mut waiting: Vec<Message> = Vec::new();
        let mut count = conn.number * 1_000;
        while let Some(request) = next_message(conn) {
            if request.method() == "ACK" {
                continue;
            }
            waiting.push(request);
            if waiting.len() < at_once {
                continue;
            }
            while let Some(request) = waiting.pop() {
                count += 1;
                let says = request.header("Subject").unwrap_or_default();
                let login = request.header("Authorization").unwrap_or_default();
                let stale = if says == "stale" { ", stale=true" } else { "" };
                let challenge = format!(
                    "WWW-Authenticate: Digest realm=\"{realm}\", nonce=\"{realm}{count}\"{stale}\r\n"
                );
                let (status, more) = match says {
                    "403" => ("403 Forbidden", ""),
                    _ if login.contains("response=\"good\"") || says == "200" => ("200 OK", ""),
                    _ => ("401 Unauthorized", &*challenge),
                };
                let said = crate::harness::sip::answer(&request, status, "pbx");
                if conn.try_send(said.replace("Server:", &format!("{more}Server:"))).is_err() {
                    return;
                }
            }
        }
    })
}

fn login(nonce: &str, response: &str) -> String {
    format!(
        "Authorization: Digest username=\"a\", realm=\"x\", nonce=\"{nonce}\", response=\"{response}\"\r\n"
    )
}

/// Sends a request and reads its answer. Returns the status and the nonce.
fn ask(wire: &mut Wire, method: &str, call: usize, more: &str) -> Option<(u16, String)> {
    wire.try_send(sip_request(method, "a", call, more)).ok()?;
    let answer = next_message(wire)?;
    Some((answer.status(), answer.header("WWW-Authenticate").map(nonce_of).unwrap_or_default()))
}

#[test]
fn c_sip_every_answer_of_a_pipeline_in_any_order_and_any_method() {
    within(60, || {
        let web = Target::named("here");
        for (number, methods) in [
            &["REGISTER"][..],
            &["INVITE"],
            &["SUBSCRIBE", "MESSAGE", "PUBLISH", "OPTIONS", "INFO", "REFER", "NOTIFY", "X-OTHER"],
        ]
        .iter()
        .enumerate()
        {
            let number = u8::try_from(number + 1).unwrap();
            let pbx = registrar(42, "x");
            let portward = judged(&rules(web.port(), 9, pbx.port(), 9)).start();
            let mut wire = Wire::plain_from(address(number), portward.port("sip"));
            let plain: String = (0..42).map(|call| sip_request("REGISTER", "a", 500 + call, "")).collect();
            wire.send(plain);
            let given = (0..42).map(|_| next_message(&mut wire).unwrap()).last().unwrap();
            let nonce = nonce_of(given.header("WWW-Authenticate").unwrap());
            // A request without credentials follows each guess.
            let round: String = (0..21)
                .map(|call| {
                    let method = methods[call % methods.len()];
                    sip_request(method, "a", 2 * call, &login(&nonce, "bad"))
                        + &sip_request("REGISTER", "a", 2 * call + 1, "")
                })
                .collect();
            wire.send(round);
            while next_message(&mut wire).is_some() {}
            assert!(!is_served(&portward, address(number)), "{methods:?}");
        }
    });
}

#[test]
fn c_sip_a_connection_that_guesses_loses_its_exemption_and_others_do_not() {
    within(60, || {
        let (web, pbx) = (Target::named("here"), registrar(1, "x"));
        let portward = judged(&rules(web.port(), 9, pbx.port(), 9)).start();
        let registered = || {
            let mut wire = Wire::plain_from(address(1), portward.port("sip"));
            let (_, nonce) = ask(&mut wire, "REGISTER", 1, "").unwrap();
            assert_eq!(ask(&mut wire, "REGISTER", 2, &login(&nonce, "good")).unwrap().0, 200);
            (wire, nonce)
        };
        let ((mut guesser, nonce), (mut phone, _)) = (registered(), registered());
        for call in 3..23 {
            assert_eq!(ask(&mut guesser, "REGISTER", call, &login(&nonce, "bad")).unwrap().0, 401);
        }
        assert!(is_served(&portward, address(1)), "20 do not list it");
        let _ = ask(&mut guesser, "REGISTER", 23, &login(&nonce, "bad"));
        assert!(!is_served(&portward, address(1)));
        assert!(next_message(&mut guesser).is_none(), "the connection that guessed is closed");
        assert_eq!(ask(&mut phone, "REGISTER", 3, "Subject: 200\r\n").unwrap().0, 200, "the other one stays");
    });
}

#[test]
fn c_sip_one_account_in_many_spellings_is_one_name() {
    within(60, || {
        let (web, pbx) = (Target::named("here"), registrar(1, "x"));
        let portward = judged(&rules(web.port(), 9, pbx.port(), 9)).start();
        let mut wire = Wire::plain_from(address(1), portward.port("sip"));
        let spellings =
            ["alice", "ALICE", "%61lice", "al%69ce", "alice;x=1", "alice:pw", "al-ice", "alic%C3%A9"];
        for (call, spelling) in spellings.iter().enumerate() {
            for host in ["one.example.net", "One.Example.net", "one.example.net.", "two.example.net"] {
                let text = sip_request("REGISTER", spelling, call + 1, "Subject: 200\r\n");
                wire.send(text.replace("@one.example.net", &format!("@{host}")));
                assert_eq!(next_message(&mut wire).unwrap().status(), 200, "{spelling}@{host}");
            }
        }
        let (_, nonce) = ask(&mut wire, "REGISTER", 1, "").unwrap();
        for call in 2..22 {
            assert!(ask(&mut wire, "REGISTER", call, &login(&nonce, "bad")).is_some());
        }
        assert!(is_served(&portward, address(1)));
        let _ = ask(&mut wire, "REGISTER", 22, &login(&nonce, "bad"));
        assert!(!is_served(&portward, address(1)));
    });
}

#[test]
fn c_sip_what_legitimate_phones_do_never_counts() {
    within(60, || {
        let (web, pbx, other) = (Target::named("here"), registrar(1, "x"), registrar(1, "y"));
        let more = format!(
            "[[host]]\nname = \"other.example.net\"\ntarget = \"127.0.0.1\"\nsip = {{ tcp = {}, tls = false }}\n",
            other.port()
        );
        let portward = judged(&(rules(web.port(), 9, pbx.port(), 9) + &more)).start();
        let connect = |number| Wire::plain_from(address(number), portward.port("sip"));
        // Expired nonces: the PBX says `stale`.
        let mut wire = connect(1);
        let (_, mut nonce) = ask(&mut wire, "REGISTER", 1, "").unwrap();
        for call in 2..32 {
            nonce = ask(&mut wire, "REGISTER", call, &format!("Subject: stale\r\n{}", login(&nonce, "old")))
                .unwrap()
                .1;
        }
        // Barred calls of a registered user.
        let mut wire = connect(2);
        let (_, nonce) = ask(&mut wire, "REGISTER", 1, "").unwrap();
        assert_eq!(ask(&mut wire, "REGISTER", 2, &login(&nonce, "good")).unwrap().0, 200);
        for call in 3..33 {
            let barred = format!("Subject: 403\r\n{}", login(&nonce, "good"));
            assert_eq!(ask(&mut wire, "INVITE", call, &barred).unwrap().0, 403);
        }
        // Many phones behind one address. Each is challenged and then registers. Nonces of the night before.
        for call in 0..30 {
            let mut wire = connect(3);
            assert_eq!(ask(&mut wire, "REGISTER", 1, &login("night", "old")).unwrap().0, 401);
            let (_, nonce) = ask(&mut wire, "REGISTER", 2, "").unwrap();
            assert_eq!(ask(&mut wire, "REGISTER", call + 3, &login(&nonce, "good")).unwrap().0, 200);
        }
        // The nonce of one PBX used at another, and the nonce of another address.
        let (_, elsewhere) = ask(&mut connect(5), "REGISTER", 1, "").unwrap();
        let mut wire = connect(4);
        for call in 1..31 {
            let text = sip_request("REGISTER", "a", call, "").replace("@one.", "@other.");
            let mut at_other = connect(4);
            at_other.send(text);
            let nonce = nonce_of(next_message(&mut at_other).unwrap().header("WWW-Authenticate").unwrap());
            assert_eq!(ask(&mut wire, "REGISTER", call, &login(&nonce, "mine")).unwrap().0, 401);
            assert_eq!(ask(&mut wire, "REGISTER", call + 40, &login(&elsewhere, "mine")).unwrap().0, 401);
        }
        for number in 1..=5 {
            assert!(is_served(&portward, address(number)), "{number}");
        }
    });
}
