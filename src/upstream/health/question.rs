//! What a check says to a target once it is connected, and what it makes of the answer (SPEC section 8, Health). Pure.

use crate::cause::Cause;
use crate::inspect::ldap;
use crate::rules::Probe;

/// The longest head of an answer.
const HEAD: usize = 16 * 1024;

/// A search of the root DSE for no attribute (RFC 4511 §4.5.1, RFC 4512 §5.1), message 1, and an unbind behind it.
const ROOT_DSE: &[u8] = &[
    0x30, 0x2a, 0x02, 0x01, 0x01, // LDAPMessage, messageID 1
    0x63, 0x25, 0x04, 0x00, // SearchRequest of the entry with the empty name
    0x0a, 0x01, 0x00, 0x0a, 0x01, 0x00, // baseObject, neverDerefAliases
    0x02, 0x01, 0x01, 0x02, 0x01, 0x05, // sizeLimit 1, timeLimit 5
    0x01, 0x01, 0x00, // typesOnly FALSE
    0x87, 0x0b, b'o', b'b', b'j', b'e', b'c', b't', b'C', b'l', b'a', b's', b's', // present
    0x30, 0x05, 0x04, 0x03, b'1', b'.', b'1', // no attributes
];

/// The question of a check to the target that `host` names. `token` makes it one of its own.
pub(super) struct Question<'a> {
    pub(super) probe: &'a Probe,
    /// A host of the rules that leads to the target.
    pub(super) host: &'a str,
    pub(super) is_tls: bool,
    /// Letters and digits.
    pub(super) token: &'a str,
}

impl Question<'_> {
    /// What is sent; empty: that there is a connection is answer enough.
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

    /// What the answer says, as far as it has come; `None`: not enough of it has come.
    pub(super) fn verdict(&self, answer: &[u8]) -> Option<Result<(), Cause>> {
        let verdict = match self.probe {
            Probe::Tcp | Probe::Tls => Some(Ok(())),
            Probe::Http { .. } => http(answer),
            Probe::Sip => sip(answer),
            Probe::Ldap => root_dse(answer),
        };
        verdict.or_else(|| (answer.len() > HEAD).then_some(Err(Cause::BadAnswer)))
    }
}

/// The status of a status line `PROTOCOLn NNN …`; `None`: it is not there yet.
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

/// An entry or the result of the search, which is message 1 (RFC 4511 §4.5.2).
fn root_dse(answer: &[u8]) -> Option<Result<(), Cause>> {
    match ldap::answer(answer) {
        Ok(None) => return None,
        Ok(Some(_)) => {}
        Err(_) => return Some(Err(Cause::BadAnswer)),
    }
    // The length of the outside has one octet, or says in how many it stands.
    let length = answer.get(1).map_or(0, |first| usize::from(first.saturating_sub(0x80)));
    let content = answer.get(2 + length..)?;
    let [0x02, 0x01, 0x01, tag, ..] = content else {
        return (content.len() >= 4).then_some(Err(Cause::BadAnswer));
    };
    Some(if matches!(tag, 0x64 | 0x65 | 0x73) { Ok(()) } else { Err(Cause::BadAnswer) })
}

/// The final answer to GET. Interim ones before it are passed over (RFC 9110 §15.2).
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

/// The final answer to OPTIONS. What comes before it is passed over: keep-alives (RFC 5626 §4.4.1) and provisional answers
/// (RFC 3261 §13.2.2.1).
fn sip(answer: &[u8]) -> Option<Result<(), Cause>> {
    let mut rest = answer;
    loop {
        while let Some(after) = rest.strip_prefix(b"\r\n") {
            rest = after;
        }
        if rest.is_empty() || rest == b"\r" {
            return None;
        }
        match status(rest, b"SIP/2.0 ")? {
            Err(cause) => return Some(Err(cause)),
            Ok(503) => return Some(Err(Cause::Unavailable)),
            Ok(200..) => return Some(Ok(())),
            // A provisional answer to OPTIONS has no body.
            Ok(_) => rest = rest.get(memchr::memmem::find(rest, b"\r\n\r\n")? + 4..)?,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn question(probe: &Probe) -> Question<'_> {
        Question { probe, host: "hq.example.net", is_tls: true, token: "abc1" }
    }

    /// The verdict on a whole answer, and that none falls before the last octet that it needs.
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
        for good in
            ["SIP/2.0 200 OK\r\n", "SIP/2.0 404 No\r\n", "\r\n\r\nSIP/2.0 405 No\r\n", "SIP/2.0 600 Busy\r\n"]
        {
            assert_eq!(judged(&Probe::Sip, good.as_bytes()), Some(Ok(())), "{good}");
        }
        let trying = "SIP/2.0 100 Trying\r\nContent-Length: 0\r\n\r\n";
        assert_eq!(judged(&Probe::Sip, trying.as_bytes()), None);
        let then = format!("{trying}SIP/2.0 503 Service Unavailable\r\n");
        assert_eq!(judged(&Probe::Sip, then.as_bytes()), Some(Err(Cause::Unavailable)));
        assert_eq!(judged(&Probe::Sip, b"OPTIONS sip:x SIP/2.0\r\n"), Some(Err(Cause::BadAnswer)));
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
