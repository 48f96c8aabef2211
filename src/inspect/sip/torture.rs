//! The torture messages of RFC 4475, each with the right outcome for a relay on a stream, and the reason.
//!
//! The messages are files, octet for octet as on the wire. Messages that the RFC shows on UDP are taken as if they had
//! come by TCP. Only two of them have another outcome because of that (`clerr`, `inv2543`).
//!
//! The file is long because it is one table in the order of the RFC's sections.

use super::tests::hold_laws;
use super::*;

#[derive(Debug, PartialEq, Eq)]
enum Expected {
    /// A request with this method, and this host in From. An empty host: there is none.
    Request(&'static str, &'static str),
    /// A response with this status.
    Response(u16),
    /// Refused for this reason.
    Refused(Reason),
}

use Expected::{Refused, Request, Response};

/// Section, message, outcome, and the reason of the outcome.
const TABLE: &[(&str, &[u8], Expected, &str)] = &[
    (
        "3.1.1.1 wsinv",
        include_bytes!("../../../tests/fixtures/rfc4475/wsinv.sip"),
        Request("INVITE", "example.com"),
        "white space, folds and compact forms in every place that the grammar allows",
    ),
    (
        "3.1.1.2 intmeth",
        include_bytes!("../../../tests/fixtures/rfc4475/intmeth.sip"),
        Refused(Reason::Malformed),
        "a NUL in a quoted pair: a reader in C ends there (everything else in it is taken, see below)",
    ),
    (
        "3.1.1.3 esc01",
        include_bytes!("../../../tests/fixtures/rfc4475/esc01.sip"),
        Request("INVITE", "example.net"),
        "an escaped @ in a user part is no separator",
    ),
    (
        "3.1.1.4 escnull",
        include_bytes!("../../../tests/fixtures/rfc4475/escnull.sip"),
        Request("REGISTER", "example.com"),
        "an escaped NUL is three ordinary characters",
    ),
    (
        "3.1.1.5 esc02",
        include_bytes!("../../../tests/fixtures/rfc4475/esc02.sip"),
        Request("RE%47IST%45R", "example.com"),
        "a percent sign in a method or a field name escapes nothing: this is no REGISTER",
    ),
    (
        "3.1.1.6 lwsdisp",
        include_bytes!("../../../tests/fixtures/rfc4475/lwsdisp.sip"),
        Request("OPTIONS", "example.com"),
        "no white space between name and bracket is needed",
    ),
    (
        "3.1.1.7 longreq",
        include_bytes!("../../../tests/fixtures/rfc4475/longreq.sip"),
        Request("INVITE", "example.net"),
        "long values, long names and thirty-four Vias fit into the limits",
    ),
    (
        "3.1.1.8 dblreq",
        include_bytes!("../../../tests/fixtures/rfc4475/dblreq.sip"),
        Request("REGISTER", "example.com"),
        "what follows a body of no octets is the next message",
    ),
    (
        "3.1.1.9 semiuri",
        include_bytes!("../../../tests/fixtures/rfc4475/semiuri.sip"),
        Request("OPTIONS", "example.org"),
        "semicolons in a user part are of the user part",
    ),
    (
        "3.1.1.10 transports",
        include_bytes!("../../../tests/fixtures/rfc4475/transports.sip"),
        Request("OPTIONS", "example.com"),
        "a Via may name a transport that nobody knows",
    ),
    (
        "3.1.1.11 mpart01",
        include_bytes!("../../../tests/fixtures/rfc4475/mpart01.sip"),
        Request("MESSAGE", "example.com"),
        "a binary body is counted, not read; the octets of its second part are not the RFC's, whose certificate says nothing here",
    ),
    (
        "3.1.1.12 unreason",
        include_bytes!("../../../tests/fixtures/rfc4475/unreason.sip"),
        Response(200),
        "a reason phrase is UTF-8",
    ),
    (
        "3.1.1.13 noreason",
        include_bytes!("../../../tests/fixtures/rfc4475/noreason.sip"),
        Response(100),
        "a reason phrase may be empty",
    ),
    (
        "3.1.2.1 badinv01",
        include_bytes!("../../../tests/fixtures/rfc4475/badinv01.sip"),
        Request("INVITE", "example.net"),
        "Via and Contact are wrong, and the PBX may say so: no decision rests on them",
    ),
    (
        "3.1.2.2 clerr",
        include_bytes!("../../../tests/fixtures/rfc4475/clerr.sip"),
        Request("INVITE", "example.net"),
        "on a stream the missing octets are simply not there yet",
    ),
    (
        "3.1.2.3 ncl",
        include_bytes!("../../../tests/fixtures/rfc4475/ncl.sip"),
        Refused(Reason::Malformed),
        "a negative length",
    ),
    (
        "3.1.2.4 scalar02",
        include_bytes!("../../../tests/fixtures/rfc4475/scalar02.sip"),
        Refused(Reason::Malformed),
        "CSeq and Max-Forwards beyond what they may hold",
    ),
    (
        "3.1.2.5 scalarlg",
        include_bytes!("../../../tests/fixtures/rfc4475/scalarlg.sip"),
        Refused(Reason::Malformed),
        "CSeq beyond what it may hold, in a response",
    ),
    (
        "3.1.2.6 quotbal",
        include_bytes!("../../../tests/fixtures/rfc4475/quotbal.sip"),
        Refused(Reason::Malformed),
        "a quote that is not closed: some readers see an address behind it",
    ),
    (
        "3.1.2.7 ltgtruri",
        include_bytes!("../../../tests/fixtures/rfc4475/ltgtruri.sip"),
        Refused(Reason::Malformed),
        "a Request-URI has no brackets",
    ),
    (
        "3.1.2.8 lwsruri",
        include_bytes!("../../../tests/fixtures/rfc4475/lwsruri.sip"),
        Refused(Reason::Malformed),
        "white space inside the Request-URI",
    ),
    (
        "3.1.2.9 lwsstart",
        include_bytes!("../../../tests/fixtures/rfc4475/lwsstart.sip"),
        Refused(Reason::Malformed),
        "two spaces in the start line",
    ),
    (
        "3.1.2.10 trws",
        include_bytes!("../../../tests/fixtures/rfc4475/trws.sip"),
        Refused(Reason::Malformed),
        "white space behind the start line",
    ),
    (
        "3.1.2.11 escruri",
        include_bytes!("../../../tests/fixtures/rfc4475/escruri.sip"),
        Request("INVITE", "example.net"),
        "header fields in a Request-URI are the PBX's to refuse: Portward does not act on them",
    ),
    (
        "3.1.2.12 baddate",
        include_bytes!("../../../tests/fixtures/rfc4475/baddate.sip"),
        Request("INVITE", "example.net"),
        "a date of the wrong zone is nobody's business here",
    ),
    (
        "3.1.2.13 regbadct",
        include_bytes!("../../../tests/fixtures/rfc4475/regbadct.sip"),
        Request("REGISTER", "example.com"),
        "a Contact that needs brackets: the registrar answers 400",
    ),
    (
        "3.1.2.14 badaspec",
        include_bytes!("../../../tests/fixtures/rfc4475/badaspec.sip"),
        Refused(Reason::Malformed),
        "white space around the URI of To: some readers take it, some do not",
    ),
    (
        "3.1.2.15 baddn",
        include_bytes!("../../../tests/fixtures/rfc4475/baddn.sip"),
        Refused(Reason::Malformed),
        "a comma in a name without quotes: some readers see two addresses",
    ),
    (
        "3.1.2.16 badvers",
        include_bytes!("../../../tests/fixtures/rfc4475/badvers.sip"),
        Refused(Reason::Malformed),
        "a version that nobody speaks",
    ),
    (
        "3.1.2.17 mismatch01",
        include_bytes!("../../../tests/fixtures/rfc4475/mismatch01.sip"),
        Refused(Reason::Malformed),
        "CSeq names another method than the start line",
    ),
    (
        "3.1.2.18 mismatch02",
        include_bytes!("../../../tests/fixtures/rfc4475/mismatch02.sip"),
        Refused(Reason::Malformed),
        "the same with a method that nobody knows",
    ),
    (
        "3.1.2.19 bigcode",
        include_bytes!("../../../tests/fixtures/rfc4475/bigcode.sip"),
        Refused(Reason::Malformed),
        "a status code of ten digits",
    ),
    (
        "3.2.1 badbranch",
        include_bytes!("../../../tests/fixtures/rfc4475/badbranch.sip"),
        Request("OPTIONS", "example.org"),
        "a branch without a value behind the cookie is the transaction layer's to refuse",
    ),
    (
        "3.3.1 insuf",
        include_bytes!("../../../tests/fixtures/rfc4475/insuf.sip"),
        Refused(Reason::Malformed),
        "From, To and Call-ID are missing",
    ),
    (
        "3.3.2 unkscm",
        include_bytes!("../../../tests/fixtures/rfc4475/unkscm.sip"),
        Request("OPTIONS", "example.net"),
        "the Request-URI's scheme is the PBX's business",
    ),
    (
        "3.3.3 novelsc",
        include_bytes!("../../../tests/fixtures/rfc4475/novelsc.sip"),
        Request("OPTIONS", "example.net"),
        "the same with a scheme that somebody knows",
    ),
    (
        "3.3.4 unksm2",
        include_bytes!("../../../tests/fixtures/rfc4475/unksm2.sip"),
        Request("REGISTER", ""),
        "From is no SIP URI: it names no host, so only a default host can have it",
    ),
    (
        "3.3.5 bext01",
        include_bytes!("../../../tests/fixtures/rfc4475/bext01.sip"),
        Request("OPTIONS", "example.net"),
        "what is required of proxies the PBX answers for: Portward is invisible",
    ),
    (
        "3.3.6 invut",
        include_bytes!("../../../tests/fixtures/rfc4475/invut.sip"),
        Request("INVITE", "example.net"),
        "an unknown content type is the PBX's business",
    ),
    (
        "3.3.7 regaut01",
        include_bytes!("../../../tests/fixtures/rfc4475/regaut01.sip"),
        Request("REGISTER", "example.com"),
        "so is an unknown authorization scheme",
    ),
    (
        "3.3.8 multi01",
        include_bytes!("../../../tests/fixtures/rfc4475/multi01.sip"),
        Refused(Reason::Malformed),
        "two of everything that may be there once, two Froms among them",
    ),
    (
        "3.3.9 mcl01",
        include_bytes!("../../../tests/fixtures/rfc4475/mcl01.sip"),
        Refused(Reason::Malformed),
        "two lengths",
    ),
    (
        "3.3.10 bcast",
        include_bytes!("../../../tests/fixtures/rfc4475/bcast.sip"),
        Response(200),
        "whose Via is whose the PBX decides",
    ),
    (
        "3.3.11 zeromf",
        include_bytes!("../../../tests/fixtures/rfc4475/zeromf.sip"),
        Request("OPTIONS", "example.net"),
        "no hops left: Portward is none, and the PBX is where it wanted to go",
    ),
    (
        "3.3.12 cparam01",
        include_bytes!("../../../tests/fixtures/rfc4475/cparam01.sip"),
        Request("REGISTER", "example.com"),
        "an unknown parameter of Contact",
    ),
    (
        "3.3.13 cparam02",
        include_bytes!("../../../tests/fixtures/rfc4475/cparam02.sip"),
        Request("REGISTER", "example.com"),
        "an unknown parameter of the URI in Contact",
    ),
    (
        "3.3.14 regescrt",
        include_bytes!("../../../tests/fixtures/rfc4475/regescrt.sip"),
        Request("REGISTER", "example.com"),
        "a header field in the URI of Contact",
    ),
    (
        "3.3.15 sdp01",
        include_bytes!("../../../tests/fixtures/rfc4475/sdp01.sip"),
        Request("INVITE", "example.net"),
        "what a client accepts is not inspected",
    ),
    (
        "3.4.1 inv2543",
        include_bytes!("../../../tests/fixtures/rfc4475/inv2543.sip"),
        Refused(Reason::Malformed),
        "RFC 2543: good on UDP, but on a stream nobody knows where it ends (RFC 3261 §18.3)",
    ),
];

#[test]
fn every_torture_message_has_its_outcome() {
    assert_eq!(TABLE.len(), 49, "RFC 4475 has forty-nine messages");
    for (name, octets, expected, why) in TABLE {
        let (found, len) = outcome(octets);
        assert_eq!(found, *expected, "{name}: {why}");
        if *name == "3.1.1.8 dblreq" {
            let rest = octets.get(len..).unwrap_or_default();
            let next = rest.strip_prefix(b"\r\n").unwrap_or(rest);
            assert_eq!(outcome(next).0, Request("INVITE", "example.net"));
        }
    }
}

/// The message has every character that is allowed in a token, a user part and a quoted pair, except NUL.
#[test]
fn without_its_nul_intmeth_is_taken() {
    let (name, octets, ..) = TABLE[1];
    assert_eq!(name, "3.1.1.2 intmeth");
    let octets: Vec<u8> = octets.iter().map(|octet| if *octet == 0 { 1 } else { *octet }).collect();
    let method = "!interesting-Method0123456789_*+`.%indeed'~";
    assert_eq!(outcome(octets.leak()).0, Request(method, "example.com"));
}

/// The answer of an inspector that examines, and the reason: the text of each section. `None`: the message is forwarded
/// and the PBX answers it, or it is a response.
fn answer(name: &str) -> Option<&'static str> {
    Some(match name {
        "3.1.1.2 intmeth" => "400 Bad Line End Or Control Character", // because of its NUL, see above
        "3.1.2.1 badinv01" => "400 Bad Via",
        "3.1.2.3 ncl" => "400 Bad Content-Length",
        "3.1.2.4 scalar02" => "400 Bad CSeq",
        "3.1.2.6 quotbal" => "400 Bad To",
        "3.1.2.7 ltgtruri" | "3.1.2.8 lwsruri" | "3.1.2.9 lwsstart" | "3.1.2.10 trws" => {
            "400 Bad Request-Line"
        }
        "3.1.2.11 escruri" => "400 Bad Request-URI",
        "3.1.2.13 regbadct" => "400 Bad Contact",
        "3.1.2.14 badaspec" => "400 Bad To",
        "3.1.2.15 baddn" => "400 Bad From",
        "3.1.2.16 badvers" => "505 Version Not Supported",
        "3.1.2.17 mismatch01" | "3.1.2.18 mismatch02" => "400 CSeq Of Another Method",
        "3.2.1 badbranch" => "400 Bad Via",
        "3.3.1 insuf" => "400 Missing From",
        "3.3.2 unkscm" | "3.3.3 novelsc" => "416 Unsupported URI Scheme",
        "3.3.4 unksm2" => "400 Bad To", // as a registrar answers
        "3.3.8 multi01" => "400 Repeated From",
        "3.3.9 mcl01" => "400 Repeated Content-Length",
        "3.3.11 zeromf" => "483 Too Many Hops",
        "3.4.1 inv2543" => "400 Missing Content-Length",
        _ => return None,
    })
}

#[test]
fn w3_every_torture_message_has_the_answer_that_its_text_asks_for() {
    let mut wrong = Vec::new();
    for (name, octets, before, _) in TABLE {
        let mut inspector = Inspector::of_client();
        inspector.examine(true);
        let found = match inspector.inspect(octets) {
            Inspect::Found { ask: Ask::Faulty(faulty), .. } => {
                let framed = !matches!(
                    faulty.fault,
                    Fault::Characters
                        | Fault::Missing(FieldKind::ContentLength)
                        | Fault::Repeated(FieldKind::ContentLength)
                        | Fault::Bad(FieldKind::ContentLength)
                );
                assert!(framed || !faulty.ends, "{name}");
                Some(faulty.fault.status())
            }
            Inspect::Found { .. } => {
                assert!(!matches!(before, Refused(_)), "{name} was refused, and goes on");
                None
            }
            // Responses get no answer.
            Inspect::Reject(reason) => {
                assert!(octets.starts_with(b"SIP/") && *before == Refused(reason), "{name}");
                None
            }
            other @ Inspect::NeedMore => panic!("{name}: {other:?}"),
        };
        if found != answer(name) {
            wrong.push(format!("{name}: {found:?}, not {:?}", answer(name)));
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn the_laws_hold_for_torture_messages() {
    TABLE.iter().for_each(|(_, octets, ..)| hold_laws(octets));
}

/// The result of rsip for the same messages, and why no decision depends on it. The test fails if a new version of rsip
/// does better.
#[test]
fn rsip_is_no_inspector() {
    use rsip::prelude::HeadersExt as _;
    let from_host = |octets: &[u8]| {
        let message = rsip::SipMessage::try_from(octets).ok()?;
        let uri = match &message {
            rsip::SipMessage::Request(request) => request.from_header().ok()?.uri().ok()?,
            rsip::SipMessage::Response(response) => response.from_header().ok()?.uri().ok()?,
        };
        Some(uri.host().to_string())
    };
    let (mut right, mut missed, mut accepted) = (Vec::new(), Vec::new(), Vec::new());
    for (name, octets, expected, _) in TABLE {
        match (expected, from_host(octets)) {
            (Request(_, host), Some(found)) if *host == found => right.push(*name),
            (Request(_, host), _) if !host.is_empty() => missed.push(*name),
            (Refused(_), Some(_)) => accepted.push(*name),
            _ => {}
        }
    }
    let counts = (right.len(), missed.len(), accepted.len());
    assert_eq!(counts, (17, 9, 10), "right {right:?}\nmissed {missed:?}\naccepted {accepted:?}");
}

fn outcome(octets: &'static [u8]) -> (Expected, usize) {
    let text = |span: Span| std::str::from_utf8(span.of_input(octets)).unwrap();
    match Inspector::of_client().inspect(octets) {
        Inspect::Found { ask: Ask::Message(message), len } => match message.kind {
            Kind::Request { method, .. } => (Request(text(method), text(message.from.host)), len),
            Kind::Response { status } => (Response(status), len),
        },
        Inspect::Reject(reason) => (Refused(reason), 0),
        other => panic!("{other:?}"),
    }
}
