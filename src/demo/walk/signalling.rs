//! The walk's registrations, calls and binds: each is one message on one connection.

use tokio::sync::mpsc::UnboundedReceiver;

use super::super::decisions::next_decision;
use super::super::network::{Network, PHONE};
use super::super::visitor::Visitor;
use super::super::{ras, sip as message};
use crate::service::{Service, Transport};

/// A step of the walk.
pub(super) struct Call {
    /// What the step demonstrates.
    pub(super) shows: &'static str,
    service: Service,
    transport: Transport,
    /// Whether it comes from a telephone that shows its certificate.
    certified: bool,
    /// The message in words.
    says: String,
    /// The message.
    octets: Vec<u8>,
    /// A text in the decision line.
    line: &'static str,
    /// A part of the answer. `None`: the connection is closed without a byte.
    answer: Option<Vec<u8>>,
}

impl Call {
    /// Whether it should reach a machine inside.
    pub(super) fn reaches(&self) -> bool {
        self.answer.is_some()
    }
}

/// All calls.
pub(super) fn calls() -> Vec<Call> {
    use Transport::{Plain, Tls};
    vec![
        sip(
            "A SIP phone registers at the master PBX, which the domain of its From names",
            (Plain, "REGISTER", "ckl@dvl-ckl2.net"),
            "sip:ckl@dvl-ckl2.net REGISTER -> 127.31.31.2:",
            Some("master PBX, plain"),
        ),
        sip(
            "Another one by TLS, at the slave PBX: without a certificate that proves its name it goes out by plain TCP",
            (Tls, "REGISTER", "ckl@dvl-ckl2.net/branch-b"),
            "sips:ckl@dvl-ckl2.net/branch-b REGISTER cert=none -> 127.31.31.3:",
            Some("slave PBX, plain"),
        ),
        with_certificate(sip(
            "A telephone whose certificate proves its name: it goes out by TLS, which the PBX takes for proven",
            (Tls, "REGISTER", "009033410004-SIP1@dvl-ckl2.net"),
            "sips:009033410004-SIP1@dvl-ckl2.net REGISTER cert=ok(009033410004) -> 127.31.31.2:",
            Some("master PBX, TLS"),
        )),
        with_certificate(sip(
            "The same telephone under a name that is not its own",
            (Tls, "REGISTER", "ckl@dvl-ckl2.net"),
            "sips:ckl@dvl-ckl2.net REGISTER cert=ok(009033410004) -> 127.31.31.2:",
            Some("master PBX, plain"),
        )),
        sip(
            "A telephone of an account of Kazoo, which the realm in its From names",
            (Plain, "REGISTER", "1000@customer.s.2600hz.example"),
            "sip:1000@customer.s.2600hz.example REGISTER -> 127.31.31.50:",
            Some("Kazoo, plain"),
        ),
        sip(
            "A SIP scanner that knows the address only",
            (Plain, "OPTIONS", "100@203.0.113.9"),
            "sip:100@203.0.113.9 OPTIONS rejected: method",
            None,
        ),
        h323(
            "An H.323 phone registers at the master PBX, which its gatekeeper identifier names",
            (Plain, "dvl-ckl2.net"),
            "h323:dvl-ckl2.net RRQ 009033410004 -> 127.31.31.2:",
            Some("master PBX, plain"),
        ),
        h323(
            "Another one by TLS; what precedes the @ does not matter, the registration location names the slave PBX",
            (Tls, "hq@dvl-ckl2.net/branch-b"),
            "h323s:hq@dvl-ckl2.net/branch-b RRQ 009033410004 cert=none -> 127.31.31.3:",
            Some("slave PBX, plain"),
        ),
        with_certificate(h323(
            "The same with its certificate",
            (Tls, "hq@dvl-ckl2.net/branch-b"),
            "h323s:hq@dvl-ckl2.net/branch-b RRQ 009033410004 cert=ok(009033410004) -> 127.31.31.3:",
            Some("slave PBX, TLS"),
        )),
        h323(
            "A gatekeeper identifier that no rule names",
            (Plain, "pbx.example.com"),
            "h323:pbx.example.com RRQ 009033410004 rejected: unknown-host",
            None,
        ),
    ]
}

fn with_certificate(call: Call) -> Call {
    Call { certified: true, ..call }
}

fn h323(
    shows: &'static str,
    (transport, identifier): (Transport, &str),
    line: &'static str,
    answer: Option<&str>,
) -> Call {
    let alias = PHONE;
    Call {
        shows,
        service: Service::H323,
        transport,
        certified: false,
        says: format!("RegistrationRequest {identifier}, alias {alias}"),
        octets: ras::request(1, identifier, alias),
        line,
        answer: answer.map(|who| who.encode_utf16().flat_map(u16::to_be_bytes).collect()),
    }
}

fn sip(
    shows: &'static str,
    (transport, method, from): (Transport, &str, &str),
    line: &'static str,
    answer: Option<&str>,
) -> Call {
    Call {
        shows,
        service: Service::Sip,
        transport,
        certified: false,
        says: format!("{method} From: <sip:{from}>"),
        octets: message::request(method, from).into_bytes(),
        line,
        answer: answer.map(|who| format!("Server: {who}").into_bytes()),
    }
}

/// Makes the call. Returns whether everything was as expected.
pub(super) async fn make(
    call: &Call,
    network: &Network,
    decisions: &mut UnboundedReceiver<String>,
    say: &mut impl FnMut(&str),
) -> bool {
    say(&format!("  > {}", call.says));
    let tls = if call.certified { &network.phone_tls } else { &network.visitor_tls };
    let tls = (call.transport == Transport::Tls).then_some(tls);
    let port = network.port(call.service, call.transport);
    let answer = match Visitor::connect(port, tls, "dvl-ckl2.net").await {
        Ok(mut visitor) => visitor.send(&call.octets).await,
        Err(error) => Err(error),
    };
    let line = next_decision(decisions).await.unwrap_or_default();
    say(&format!("  {line}"));
    let has = |answer: &[u8], wanted: &[u8]| answer.windows(wanted.len()).any(|part| part == wanted);
    let good = match (&answer, &call.answer) {
        (Ok(answer), Some(wanted)) => has(answer, wanted),
        (Ok(answer), None) => answer.is_empty(),
        (Err(_), _) => false,
    } && line.contains(call.line);
    let mark = if good { "<" } else { "!!" };
    say(&match answer {
        Ok(answer) if answer.is_empty() => format!("  {mark} closed without a byte"),
        Ok(answer) => format!("  {mark} {}", shown(call.service, &answer)),
        Err(error) => format!("  {mark} {error}"),
    });
    good
}

/// An answer in words.
fn shown(service: Service, answer: &[u8]) -> String {
    match service {
        Service::Sip => {
            let text = String::from_utf8_lossy(answer);
            let server = text.lines().find(|line| line.starts_with("Server: ")).unwrap_or_default();
            format!("{} ({server})", text.lines().next().unwrap_or_default())
        }
        _ => format!("RegistrationConfirm ({})", ras::confirmed_by(answer).unwrap_or_default()),
    }
}
