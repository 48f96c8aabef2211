//! A telephone in a browser, with the features for calls: it registers, calls, answers and hangs up (RFC 3261, RFC
//! 7118).

use std::io::Write as _;
use std::process::{Command, Stdio};

use super::browser::Browser;
use crate::harness::kamailio::PASSWORD;
use crate::harness::{Message, program};

/// The telephone of one user.
pub(super) struct Phone {
    pub(super) browser: Browser,
    user: String,
    domain: String,
    /// The host name that it invented for itself.
    host: String,
    number: u32,
}

/// A call, as one side sees it.
pub(super) struct Dialog {
    own: String,
    other: String,
    call_id: String,
    target: String,
    route: String,
}

impl Dialog {
    /// Its route set, in order.
    pub(super) fn route(&self) -> &str {
        &self.route
    }
}

impl Phone {
    pub(super) fn new(browser: Browser, user: &str, domain: &str) -> Self {
        let host = format!("{user}0123456789.invalid");
        Self { browser, user: user.into(), domain: domain.into(), host, number: 0 }
    }

    /// Continues in another browser window: with another connection and another host name.
    pub(super) fn go_on(&mut self, browser: Browser) {
        self.browser = browser;
        self.host = format!("again{}.invalid", self.number);
    }

    fn address(&self) -> String {
        format!("<sip:{}@{}>", self.user, self.domain)
    }

    /// Its Contact.
    pub(super) fn contact(&self) -> String {
        format!("sip:{}x@{};transport=ws", self.user, self.host)
    }

    /// Sends a request with the usual head. `more` are further lines. A body follows after an empty line.
    fn send(&mut self, method: &str, uri: &str, cseq: u32, more: &str) {
        self.number += 1;
        let (host, number) = (&self.host, self.number);
        self.browser.say(format!(
            "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/WSS {host};branch=z9hG4bK{host}{number}\r\nMax-Forwards: 69\r\n\
             CSeq: {cseq} {method}\r\n{more}"
        ));
    }

    /// The next final response. It must have the Via of the request only.
    pub(super) fn ended(&mut self) -> Message {
        loop {
            let message = self.browser.message();
            assert!(message.start.starts_with("SIP/2.0 "), "{message:?}");
            let via = format!("SIP/2.0/WSS {};branch=z9hG4bK{}{}", self.host, self.host, self.number);
            assert_eq!(message.all("via"), [via], "one Via, as it was written");
            if message.status() >= 200 {
                return message;
            }
        }
    }

    /// Sends a request, and sends it again with credentials if it is challenged.
    fn ask(&mut self, method: &str, uri: &str, more: &str) -> Message {
        self.send(method, uri, 1, more);
        let challenge = self.ended();
        if challenge.status() != 401 {
            return challenge;
        }
        let login = self.login(&challenge, method, uri);
        self.send(method, uri, 2, &format!("{login}{more}"));
        self.ended()
    }

    /// Registers.
    pub(super) fn register(&mut self) {
        let (address, contact) = (self.address(), self.contact());
        let more = format!(
            "From: {address};tag={0}r\r\nTo: {address}\r\nCall-ID: r{0}\r\nContact: <{contact}>;expires=600\r\n\r\n",
            self.number
        );
        let uri = format!("sip:{}", self.domain);
        let answer = self.ask("REGISTER", &uri, &more);
        assert_eq!(answer.status(), 200, "{answer:?}");
        let contacts = answer.all("contact").join(",");
        assert!(contacts.contains(&format!("<{contact}>")), "{contacts}");
    }

    /// Calls a user who answers in `other`. Returns the call as both sides see it.
    pub(super) fn call(&mut self, other: &mut Self) -> [Dialog; 2] {
        let uri = format!("sip:{}@{}", other.user, other.domain);
        let (from, contact) = (format!("{};tag={}i", self.address(), self.number), self.contact());
        let call_id = format!("c{}{}", self.user, self.number);
        let more = format!(
            "From: {from}\r\nTo: <{uri}>\r\nCall-ID: {call_id}\r\nContact: <{contact};ob>\r\n\
             Content-Type: application/sdp\r\n\r\nv=0\r\n"
        );
        self.send("INVITE", &uri, 1, &more);
        let challenge = self.ended();
        assert_eq!(challenge.status(), 407, "{challenge:?}");
        let ack = |to: &str| format!("From: {from}\r\nTo: {to}\r\nCall-ID: {call_id}\r\n\r\n");
        self.number -= 1;
        self.send("ACK", &uri, 1, &ack(challenge.header("to").unwrap()));
        let login = self.login(&challenge, "INVITE", &uri);
        self.send("INVITE", &uri, 2, &format!("{login}{more}"));
        let invite = other.browser.message();
        assert_eq!(invite.start, format!("INVITE {} SIP/2.0", other.contact()));
        assert_eq!(invite.text(), "v=0\r\n");
        let called = other.answer(&invite, "t");
        let ok = self.ended();
        assert_eq!(ok.status(), 200, "{ok:?}");
        let mut route: Vec<_> = ok.all("record-route").join(", ").split(", ").map(str::to_owned).collect();
        route.reverse();
        let calling = Dialog {
            own: from,
            other: ok.header("to").unwrap().to_owned(),
            call_id,
            target: uri_of(ok.header("contact").unwrap()),
            route: route.join(", "),
        };
        self.within("ACK", 2, &calling, "");
        assert_eq!(other.browser.message().method(), "ACK");
        [calling, called]
    }

    fn login(&self, challenge: &Message, method: &str, uri: &str) -> String {
        let (asked, given) = match challenge.status() {
            401 => ("www-authenticate", "Authorization"),
            _ => ("proxy-authenticate", "Proxy-Authorization"),
        };
        let value = |name: &str| {
            let value = challenge.header(asked).unwrap().split(&format!("{name}=\"")).nth(1).unwrap();
            value.split('"').next().unwrap().to_owned()
        };
        let (realm, nonce, user) = (value("realm"), value("nonce"), &self.user);
        let secret = md5(&format!("{user}:{realm}:{PASSWORD}"));
        let response = md5(&format!("{secret}:{nonce}:{}", md5(&format!("{method}:{uri}"))));
        format!(
            "{given}: Digest username=\"{user}\", realm=\"{realm}\", nonce=\"{nonce}\", uri=\"{uri}\", \
             response=\"{response}\"\r\n"
        )
    }

    /// Answers a request with 200. Returns the dialog, if the request opens one.
    pub(super) fn answer(&mut self, request: &Message, tag: &str) -> Dialog {
        let copied = ["via", "record-route", "from", "call-id", "cseq"];
        let lines = request.headers.iter().filter(|(name, _)| copied.contains(&&*name.to_lowercase()));
        let lines: String = lines.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
        let to = request.header("to").unwrap();
        let to = if to.contains("tag=") { to.to_owned() } else { format!("{to};tag={tag}") };
        let contact = self.contact();
        let body = if request.method() == "INVITE" { "v=0\r\n" } else { "" };
        self.browser.say(format!("SIP/2.0 200 OK\r\n{lines}To: {to}\r\nContact: <{contact}>\r\n\r\n{body}"));
        Dialog {
            own: to,
            other: request.header("from").unwrap().to_owned(),
            call_id: request.header("call-id").unwrap().to_owned(),
            target: request.header("contact").map(uri_of).unwrap_or_default(),
            route: request.all("record-route").join(", "),
        }
    }

    /// Sends a request of a call.
    pub(super) fn within(&mut self, method: &str, cseq: u32, dialog: &Dialog, more: &str) {
        let Dialog { own, other, call_id, target, route } = dialog;
        let more =
            format!("From: {own}\r\nTo: {other}\r\nCall-ID: {call_id}\r\nRoute: {route}\r\n{more}\r\n");
        self.send(method, target, cseq, &more);
    }

    /// Changes a call, as for a hold.
    pub(super) fn change(&mut self, dialog: &Dialog, cseq: u32, other: &mut Self) {
        let contact = format!("Contact: <{}>\r\n", self.contact());
        self.within("INVITE", cseq, dialog, &contact);
        let invite = other.browser.message();
        assert_eq!(invite.method(), "INVITE", "{invite:?}");
        other.answer(&invite, "");
        assert_eq!(self.ended().status(), 200);
        self.within("ACK", cseq, dialog, "");
        assert_eq!(other.browser.message().method(), "ACK");
    }

    /// Ends a call.
    pub(super) fn hang_up(&mut self, dialog: &Dialog, cseq: u32, other: &mut Self) {
        self.within("BYE", cseq, dialog, "");
        let bye = other.browser.message();
        assert!(bye.start.starts_with(&format!("BYE {}", other.contact())), "{bye:?}");
        other.answer(&bye, "");
        assert_eq!(self.ended().status(), 200);
    }
}

fn uri_of(contact: &str) -> String {
    contact.split(['<', '>']).nth(1).unwrap().to_owned()
}

/// MD5 in hexadecimal.
fn md5(text: &str) -> String {
    let mut command = Command::new(program("md5sum", "coreutils"));
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let output = child.wait_with_output().unwrap();
    String::from_utf8(output.stdout).unwrap()[..32].to_owned()
}
