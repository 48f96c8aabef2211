//! Whether a request may open a WebSocket with SIP in it (RFC 6455 section 4.2, RFC 7118 section 4, contract section 9). No I/O.

use crate::credentials::brought::HandshakeCredential;
use crate::inspect::http::{Field, Request};
use crate::reason::Reason;
use crate::rules::WebSocketRule;
use crate::service::Transport;

/// The subprotocol (RFC 7118 section 4.1).
pub const SUBPROTOCOL: &str = "sip";

/// The only version of the protocol (RFC 6455 section 4.1).
const VERSION: &[u8] = b"13";

/// Why a request may not open a WebSocket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HandshakeRefusal {
    /// The status of the answer.
    pub status: u16,
    /// The reason, for the log.
    pub reason: Reason,
    /// Whether the reason counts, as it does elsewhere.
    pub counts: bool,
}

/// A request to a rule that ends WebSockets.
#[derive(Debug, Clone, Copy)]
pub struct Handshake<'a> {
    /// The head of the request.
    pub head: &'a [u8],
    /// What the inspector has read in it.
    pub request: &'a Request,
    /// The Host, as it came.
    pub host: &'a [u8],
    /// The client's transport, as far as it is believed.
    pub came_by: Transport,
}

impl<'a> Handshake<'a> {
    /// The client's key, if the WebSocket may be opened.
    ///
    /// The Origin is checked before everything that counts. Otherwise a page of another site could make a browser's
    /// office look like a scanner.
    ///
    /// # Errors
    /// Why it may not be opened.
    pub fn judge(&self, rule: &WebSocketRule) -> Result<&'a [u8], HandshakeRefusal> {
        let broken = HandshakeRefusal { status: 400, reason: Reason::Malformed, counts: true };
        // A browser that opens the URL as a page, or a monitor. It is only told which protocol is spoken here (RFC 9110
        // section 15.5.22).
        let other_protocol = HandshakeRefusal { status: 426, reason: Reason::Malformed, counts: false };
        if !self.request.websocket {
            return Err(other_protocol);
        }
        let origin = self.once(b"origin").map_err(|()| broken)?;
        if !rule.origins.admit(origin, self.host, self.came_by) {
            return Err(HandshakeRefusal { status: 403, reason: Reason::Origin, counts: false });
        }
        if self.once(b"sec-websocket-version") != Ok(Some(VERSION)) {
            return Err(other_protocol);
        }
        let key = self.once(b"sec-websocket-key").ok().flatten().filter(|key| is_key(key)).ok_or(broken)?;
        let offered =
            self.all(b"sec-websocket-protocol").flat_map(|value| value.split(|octet| *octet == b','));
        if !offered.into_iter().any(|name| name.trim_ascii() == SUBPROTOCOL.as_bytes()) {
            return Err(broken);
        }
        Ok(key)
    }

    /// The credential that the request brings. `target`: its path with its query. `logged_in`: its Authorization was
    /// for the path.
    pub fn brought(&self, target: &[u8], logged_in: bool) -> Option<HandshakeCredential> {
        let authorization = self.all(b"authorization").next().filter(|_| !logged_in);
        HandshakeCredential::read(target, authorization)
    }

    /// The values of all fields of this name.
    fn all(&self, name: &'static [u8]) -> impl Iterator<Item = &'a [u8]> + use<'a> {
        let head = self.head;
        let is_it = move |field: &&Field| field.name.of_input(head).eq_ignore_ascii_case(name);
        self.request.fields.iter().filter(is_it).map(move |field| field.value.of_input(head))
    }

    /// The value of a field that may occur only once.
    fn once(&self, name: &'static [u8]) -> Result<Option<&'a [u8]>, ()> {
        let mut all = self.all(name);
        let first = all.next();
        if all.next().is_some() { Err(()) } else { Ok(first) }
    }
}

/// Whether a key is 16 octets in base64 (RFC 6455 section 4.1).
fn is_key(key: &[u8]) -> bool {
    let Some((digits, b"==")) = key.split_at_checked(22) else { return false };
    digits.iter().all(|digit| digit.is_ascii_alphanumeric() || b"+/".contains(digit))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::inspect::Inspect;
    use crate::inspect::http::Inspector;
    use crate::rules::{Origins, WEBSOCKET_WAIT};

    const LINES: [&str; 6] = [
        "Upgrade: websocket",
        "Connection: Upgrade",
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version: 13",
        "Sec-WebSocket-Protocol: sip",
        "Origin: https://pbx.example",
    ];

    /// The result for a handshake in which each of `lines` replaces the usual line of the same name.
    fn judge(lines: &[&str]) -> Result<String, (u16, Reason, bool)> {
        let name = |line: &str| line.split(':').next().unwrap_or_default().to_owned();
        let kept = LINES.iter().filter(|usual| lines.iter().all(|line| name(line) != name(usual)));
        let shown = lines.iter().filter(|line| line.contains(": "));
        let text: String = kept.chain(shown).map(|line| format!("{line}\r\n")).collect();
        let text = format!("GET /sip HTTP/1.1\r\nHost: pbx.example\r\n{text}\r\n");
        let Inspect::Found { ask: request, len } = Inspector::default().inspect(text.as_bytes()) else {
            panic!("{text}")
        };
        let head = &text.as_bytes()[..len];
        let rule = WebSocketRule { origins: Origins::Own, wait: WEBSOCKET_WAIT, onward: None };
        let handshake = Handshake { head, request: &request, host: b"pbx.example", came_by: Transport::Tls };
        match handshake.judge(&rule) {
            Ok(key) => Ok(String::from_utf8(key.to_vec()).unwrap()),
            Err(HandshakeRefusal { status, reason, counts }) => Err((status, reason, counts)),
        }
    }

    #[test]
    fn item_1_a_handshake_is_what_the_rfcs_say() {
        let key = Ok("dGhlIHNhbXBsZSBub25jZQ==".to_owned());
        assert_eq!(judge(&[]), key);
        assert_eq!(judge(&["Sec-WebSocket-Protocol: chat,  sip ,x"]), key);
        assert_eq!(judge(&["Sec-WebSocket-Protocol: chat", "Sec-WebSocket-Protocol: sip"]), key);
        assert_eq!(judge(&["Sec-WebSocket-Extensions: permessage-deflate"]), key, "it is not taken up");
        let (broken, other) = (Err((400, Reason::Malformed, true)), Err((426, Reason::Malformed, false)));
        for (lines, refused) in [
            (&["Upgrade"][..], &other),
            (&["Upgrade: h2c"], &other),
            (&["Sec-WebSocket-Version"], &other),
            (&["Sec-WebSocket-Version: 8"], &other),
            (&["Sec-WebSocket-Version: 13", "Sec-WebSocket-Version: 13"], &other),
            (&["Sec-WebSocket-Key"], &broken),
            (&["Sec-WebSocket-Key: c2hvcnQ="], &broken),
            (&["Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQAA"], &broken),
            (&["Sec-WebSocket-Protocol"], &broken),
            (&["Sec-WebSocket-Protocol: SIP"], &broken),
            (&["Sec-WebSocket-Protocol: sips"], &broken),
            (&["Origin: https://pbx.example", "Origin: https://pbx.example"], &broken),
        ] {
            assert_eq!(&judge(lines), refused, "{lines:?}");
        }
        let foreign = Err((403, Reason::Origin, false));
        for lines in
            [&["Origin"][..], &["Origin: https://evil.example", "Sec-WebSocket-Key: x"], &["Origin: null"]]
        {
            assert_eq!(judge(lines), foreign, "{lines:?}");
        }
    }
}
