//! The request of a check, and the verdict on the answer (contract section 8, Health). Pure.

use crate::cause::Cause;
use crate::inspect::sip::{Ask, Faulty, FieldKind, Inspector, Kind};
use crate::inspect::{Inspect, ldap};
use crate::rules::Probe;

/// The longest head of an answer, in octets.
const HEAD: usize = 16 * 1024;

/// A search of the root DSE for no attribute (RFC 4511 §4.5.1, RFC 4512 §5.1) with messageID 1, followed by an unbind.
const ROOT_DSE: &[u8] = &[
    0x30, 0x2a, 0x02, 0x01, 0x01, // LDAPMessage, messageID 1
    0x63, 0x25, 0x04, 0x00, // SearchRequest of the entry with the empty name
    0x0a, 0x01, 0x00, 0x0a, 0x01, 0x00, // baseObject, neverDerefAliases
    0x02, 0x01, 0x01, 0x02, 0x01, 0x05, // sizeLimit 1, timeLimit 5
    0x01, 0x01, 0x00, // typesOnly FALSE
    0x87, 0x0b, b'o', b'b', b'j', b'e', b'c', b't', b'C', b'l', b'a', b's', b's', // present
    0x30, 0x05, 0x04, 0x03, b'1', b'.', b'1', // no attributes
];

/// The request of a check to a target with the name `host`. `token` makes it unique.
pub(super) struct Question<'a> {
    pub(super) probe: &'a Probe,
    /// A host of the rules that leads to the target.
    pub(super) host: &'a str,
    pub(super) is_tls: bool,
    /// Letters and digits.
    pub(super) token: &'a str,
}

impl Question<'_> {
    /// The octets to send. Empty: the connection itself is the result.
    pub(super) fn octets(&self) -> Vec<u8> {
        let Self { probe, host, is_tls, token } = self;
        match probe {
            Probe::Tcp | Probe::Tls => Vec::new(),
            Probe::Http { path } => format!(
                "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: Portward\r\nAccept: */*\r\nConnection: close\r\n\r\n"
            )
            .into_bytes(),
            Probe::Sip => {
                let transport = if *is_tls { "TLS" } else { "TCP" };
                format!(
                    "OPTIONS sip:{host} SIP/2.0\r\n\
                     Via: SIP/2.0/{transport} portward.invalid;branch=z9hG4bK{token};rport\r\n\
                     Max-Forwards: 70\r\n\
                     From: <sip:portward@{host}>;tag={token}\r\n\
                     To: <sip:{host}>\r\n\
                     Call-ID: {token}\r\n\
                     CSeq: 1 OPTIONS\r\n\
                     Accept: application/sdp\r\n\
                     User-Agent: Portward\r\n\
                     Content-Length: 0\r\n\r\n"
                )
                .into_bytes()
            }
            Probe::Ldap => ROOT_DSE.to_vec(),
        }
    }

    /// The verdict on the answer so far. `None`: more octets are needed.
    pub(super) fn verdict(&self, answer: &[u8]) -> Option<Result<(), Cause>> {
        let verdict = match self.probe {
            Probe::Tcp | Probe::Tls => Some(Ok(())),
            Probe::Http { .. } => http(answer),
            Probe::Sip => sip(answer, self.token),
            Probe::Ldap => root_dse(answer),
        };
        verdict.or_else(|| (answer.len() > HEAD).then_some(Err(Cause::BadAnswer)))
    }
}

/// The status in a status line `PROTOCOLn NNN …`. `None`: the line is not complete.
fn status(answer: &[u8], protocol: &[u8]) -> Option<Result<u16, Cause>> {
    let seen = answer.len().min(protocol.len());
    if answer.get(..seen) != protocol.get(..seen) {
        return Some(Err(Cause::BadAnswer));
    }
    let line = answer.get(..memchr::memchr(b'\n', answer)?)?;
    let status =
        line.split(|octet| *octet == b' ').nth(1).and_then(|status| str::from_utf8(status.trim_ascii()).ok());
    let status = status.filter(|status| status.len() == 3).and_then(|status| status.parse().ok());
    Some(status.filter(|status| (100..700).contains(status)).ok_or(Cause::BadAnswer))
}

/// The verdict on the search, whose answer has messageID 1 (RFC 4511 §4.5.2): an entry or the result is good.
fn root_dse(answer: &[u8]) -> Option<Result<(), Cause>> {
    match ldap::answer(answer) {
        Ok(None) => return None,
        Ok(Some(_)) => {}
        Err(_) => return Some(Err(Cause::BadAnswer)),
    }
    // The outer length has one octet, or that octet gives the number of octets of the length.
    let length = answer.get(1).map_or(0, |first| usize::from(first.saturating_sub(0x80)));
    let content = answer.get(2 + length..)?;
    let [0x02, 0x01, 0x01, tag, ..] = content else {
        return (content.len() >= 4).then_some(Err(Cause::BadAnswer));
    };
    Some(if matches!(tag, 0x64 | 0x65 | 0x73) { Ok(()) } else { Err(Cause::BadAnswer) })
}

/// The verdict on the final answer to GET. Interim ones are skipped (RFC 9110 §15.2).
fn http(answer: &[u8]) -> Option<Result<(), Cause>> {
    let mut rest = answer;
    loop {
        match status(rest, b"HTTP/1.")? {
            Err(cause) => return Some(Err(cause)),
            Ok(500..) => return Some(Err(Cause::Unavailable)),
            Ok(200..) => return Some(Ok(())),
            Ok(_) => rest = rest.get(memchr::memmem::find(rest, b"\r\n\r\n")? + 4..)?,
        }
    }
}

/// The verdict on the final answer to OPTIONS. It has our Call-ID (RFC 3261 §8.2.6.2) or, from a simple PBX, none.
/// Other octets are skipped: keep-alives (RFC 5626 §4.4.1), provisional answers (RFC 3261 §13.2.2.1), requests, and
/// other answers.
fn sip(answer: &[u8], call_id: &str) -> Option<Result<(), Cause>> {
    let mut rest = answer;
    loop {
        let (message, len) = match Inspector::of_target().inspect(rest) {
            Inspect::NeedMore => return None,
            Inspect::Found { ask: Ask::KeepAlive, len } => {
                rest = rest.get(len..)?;
                continue;
            }
            Inspect::Found { ask: Ask::Message(message) | Ask::Faulty(Faulty { message, .. }), len } => {
                (message, len)
            }
            // Some of its fields cannot be read, or its length is missing. Its first line is enough.
            Inspect::Reject(_) => match status(rest, b"SIP/2.0 ") {
                Some(Ok(status @ 200..)) => return Some(judged(status)),
                Some(Ok(_)) => {
                    rest = rest.get(memchr::memmem::find(rest, b"\r\n\r\n")? + 4..)?;
                    continue;
                }
                Some(Err(_)) | None => return Some(Err(Cause::BadAnswer)),
            },
        };
        let its = message.fields_of(FieldKind::CallId).next().map(|field| field.value.of_input(rest));
        match message.kind {
            Kind::Response { status: status @ 200.. } if its.is_none_or(|its| its == call_id.as_bytes()) => {
                return Some(judged(status));
            }
            _ => rest = rest.get(len + usize::try_from(message.body).unwrap_or(usize::MAX)..)?,
        }
    }
}

/// The verdict on a final status of SIP.
const fn judged(status: u16) -> Result<(), Cause> {
    if status == 503 { Err(Cause::Unavailable) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(probe: &Probe) -> Question<'_> {
        Question { probe, host: "hq.example.net", is_tls: true, token: "abc1" }
    }

    /// The verdict on a whole answer. It also checks that there is no verdict before the last octet that is needed.
    fn judged(probe: &Probe, answer: &[u8]) -> Option<Result<(), Cause>> {
        let question = question(probe);
        let first = (0..=answer.len()).find_map(|len| question.verdict(&answer[..len]));
        assert_eq!(first, question.verdict(answer), "a verdict stays");
        first
    }

    #[test]
    fn an_http_target_is_well_below_500() {
        let probe = Probe::Http { path: "/health?x".into() };
        let text = String::from_utf8(question(&probe).octets()).unwrap();
        assert!(text.starts_with("GET /health?x HTTP/1.1\r\nHost: hq.example.net\r\n"), "{text}");
        for good in
            ["HTTP/1.1 200 OK\r\n", "HTTP/1.0 404 Not Found\r\n", "HTTP/1.1 499 \r\n", "HTTP/1.1 302\r\n"]
        {
            assert_eq!(judged(&probe, good.as_bytes()), Some(Ok(())), "{good}");
        }
        assert_eq!(judged(&probe, b"HTTP/1.1 500 Oops\r\n"), Some(Err(Cause::Unavailable)));
        let interim = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n";
        assert_eq!(judged(&probe, interim.as_bytes()), None);
        let then = format!("{interim}HTTP/1.1 503 Away\r\n");
        assert_eq!(judged(&probe, then.as_bytes()), Some(Err(Cause::Unavailable)));
        for bad in [
            "SSH-2.0-x\r\n",
            "HTTP/1.1 2000 OK\r\n",
            "HTTP/1.1  200 OK\r\n",
            "HTTP/2 200\r\n",
            "HTTP/1.1\r\n",
        ] {
            assert_eq!(judged(&probe, bad.as_bytes()), Some(Err(Cause::BadAnswer)), "{bad}");
        }
        assert_eq!(judged(&probe, b"HTTP/1.1 200 OK"), None);
        assert_eq!(
            judged(&probe, &[b"HTTP/1.1 ".as_slice(), &[b'1'; HEAD]].concat()),
            Some(Err(Cause::BadAnswer))
        );
    }

    #[test]
    fn a_sip_target_is_well_unless_it_says_503() {
        let text = String::from_utf8(question(&Probe::Sip).octets()).unwrap();
        assert!(
            text.starts_with("OPTIONS sip:hq.example.net SIP/2.0\r\n") && text.contains("/TLS "),
            "{text}"
        );
        for good in ["SIP/2.0 200 OK", "SIP/2.0 404 No", "\r\n\r\nSIP/2.0 405 No", "SIP/2.0 600 Busy"] {
            for more in [&*sound("abc1", ""), "Content-Length: 0\r\n\r\n", "\r\n", "Call-ID: abc1\n\r\n"] {
                let good = format!("{good}\r\n{more}");
                assert_eq!(judged(&Probe::Sip, good.as_bytes()), Some(Ok(())), "{good}");
            }
        }
        for fields in ["Content-Length: 0\r\n", "", "i: abc1\r\n", "odd\r\n"] {
            let trying = format!("SIP/2.0 100 Trying\r\n{fields}\r\n");
            assert_eq!(judged(&Probe::Sip, trying.as_bytes()), None, "{trying}");
            let then = format!("{trying}SIP/2.0 503 Service Unavailable\r\n{}", sound("abc1", ""));
            assert_eq!(judged(&Probe::Sip, then.as_bytes()), Some(Err(Cause::Unavailable)), "{trying}");
        }
        for bad in ["HTTP/1.1 400 Bad\r\n\r\n", "SSH-2.0-OpenSSH_9.2\r\n", "SIP/2.0 2x0 OK\r\n\r\n"] {
            assert_eq!(judged(&Probe::Sip, bad.as_bytes()), Some(Err(Cause::BadAnswer)), "{bad}");
        }
    }

    /// The fields and the body of a message with this Call-ID.
    fn sound(call_id: &str, body: &str) -> String {
        format!("i: {call_id}\r\nCSeq: 1 OPTIONS\r\nContent-Length: {}\r\n\r\n{body}", body.len())
    }

    #[test]
    fn what_a_pbx_sends_for_another_reason_is_no_answer_to_options() {
        let request = format!("NOTIFY sip:x SIP/2.0\r\n{}", sound("other", "SIP/2.0 503 No\r\n\r\n"));
        let stray = format!("SIP/2.0 200 OK\r\n{}", sound("other", ""));
        let stray_503 = format!("SIP/2.0 503 No\r\n{}", sound("other", ""));
        for before in [request.clone(), stray, stray_503, request.repeat(3)] {
            assert_eq!(judged(&Probe::Sip, before.as_bytes()), None, "{before}");
            for (status, verdict) in [("200 OK", Ok(())), ("503 No", Err(Cause::Unavailable))] {
                let answer = format!("{before}SIP/2.0 {status}\r\n{}", sound("abc1", ""));
                assert_eq!(judged(&Probe::Sip, answer.as_bytes()), Some(verdict), "{answer}");
            }
        }
    }

    #[test]
    fn an_ldap_target_is_well_if_it_answers() {
        let request = question(&Probe::Ldap).octets();
        assert_eq!(usize::from(request[1]) + 2, request.len());
        let done = [0x30, 0x0c, 0x02, 0x01, 0x01, 0x65, 0x07, 0x0a, 0x01, 0x00, 0x04, 0x00, 0x04, 0x00];
        assert_eq!(judged(&Probe::Ldap, &done), Some(Ok(())));
        let entry = [0x30, 0x84, 0, 0, 0, 0x09, 0x02, 0x01, 0x01, 0x64, 0x04, 0x04, 0x00, 0x30, 0x00];
        assert_eq!(judged(&Probe::Ldap, &entry), Some(Ok(())));
        let good_bye = [0x30, 0x0c, 0x02, 0x01, 0x00, 0x78, 0x07, 0x0a, 0x01, 0x34, 0x04, 0x00, 0x04, 0x00];
        assert_eq!(judged(&Probe::Ldap, &good_bye), Some(Err(Cause::BadAnswer)), "a notice of disconnection");
        assert_eq!(judged(&Probe::Ldap, b"HTTP/1.1 400"), Some(Err(Cause::BadAnswer)));
    }

    #[test]
    fn a_connection_is_enough_where_nothing_is_asked() {
        for probe in [Probe::Tcp, Probe::Tls] {
            assert!(question(&probe).octets().is_empty());
            assert_eq!(judged(&probe, b""), Some(Ok(())));
        }
    }
}
