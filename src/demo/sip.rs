//! SIP requests of telephones (RFC 3261 §8.1.1), as small as they can be.

/// A request. `from` is its sender: `user@domain`, with or without a registration location.
pub(super) fn request(method: &str, from: &str) -> String {
    let domain = from.split(['@', '/']).nth(1).unwrap_or_default();
    format!(
        "{method} sip:{domain} SIP/2.0\r\nVia: SIP/2.0/TCP 192.0.2.1;branch=z9hG4bKdemo\r\nMax-Forwards: 70\r\n\
         From: <sip:{from}>;tag=demo\r\nTo: <sip:{from}>\r\nCall-ID: demo@192.0.2.1\r\nCSeq: 1 {method}\r\n\
         Contact: <sip:ckl@192.0.2.1;transport=tcp>\r\nContent-Length: 0\r\n\r\n"
    )
}
