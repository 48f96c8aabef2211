//! Messages as clients and targets send them, for the benches that read them.
#![allow(dead_code, reason = "not every bench reads all of them")]

pub(crate) const HOST: &str = "pbx.example.net";
pub(crate) const PATH: &str = "/PBX0/APPS/app_manager/137758/websocket";

/// The request of curl.
pub(crate) fn curl() -> Vec<u8> {
    format!("GET {PATH} HTTP/1.1\r\nHost: {HOST}\r\nUser-Agent: curl/7.88.1\r\nAccept: */*\r\n\r\n")
        .into_bytes()
}

/// The request of a browser, with 15 fields.
pub(crate) fn browser() -> Vec<u8> {
    format!(
        "GET {PATH}?v=137758 HTTP/1.1\r\nHost: {HOST}\r\nConnection: keep-alive\r\n\
         sec-ch-ua: \"Chromium\";v=\"128\", \"Not;A=Brand\";v=\"24\"\r\nsec-ch-ua-mobile: ?0\r\n\
         sec-ch-ua-platform: \"Linux\"\r\nUpgrade-Insecure-Requests: 1\r\n\
         User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/128.0.0.0 Safari/537.36\r\n\
         Accept: text/html,application/xhtml+xml,application/xml;q=0.9,image/avif,image/webp,*/*;q=0.8\r\n\
         Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n\
         Referer: https://{HOST}/PBX0/APPCLIENT/appclient.htm\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n\
         Accept-Language: de-DE,de;q=0.9,en;q=0.8\r\nCookie: session=0123456789abcdef0123456789abcdef\r\n\r\n"
    )
    .into_bytes()
}

/// The head of a small answer.
pub(crate) const ANSWER: &[u8] =
    b"HTTP/1.1 200 OK\r\nServer: nginx/1.22.1\r\nDate: Sun, 22 Nov 2026 04:00:00 GMT\r\n\
    Content-Type: text/plain\r\nContent-Length: 9\r\nConnection: keep-alive\r\n\r\n";

/// A phone's registration.
pub(crate) fn register() -> Vec<u8> {
    format!(
        "REGISTER sip:{HOST} SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.17:5061;branch=z9hG4bK-524287-1---0f3eb40b11f97a9c;rport\r\n\
         Max-Forwards: 70\r\nContact: <sip:ckl@10.0.0.17:5061;transport=tls>;expires=600;+sip.instance=\"<urn:uuid:0>\"\r\n\
         To: \"C. K.\" <sip:ckl@{HOST}>\r\nFrom: \"C. K.\" <sip:ckl@{HOST}>;tag=5e00e125\r\nCall-ID: wSSsR1c-lUjKuRhxr0iEKA..\r\n\
         CSeq: 2 REGISTER\r\nAllow: INVITE, ACK, CANCEL, BYE, NOTIFY, REFER, MESSAGE, OPTIONS, INFO, SUBSCRIBE\r\n\
         Supported: replaces, outbound, path\r\nUser-Agent: phone 5.6.1\r\nAuthorization: Digest username=\"ckl\",realm=\"{HOST}\",\
         nonce=\"84a4cc6f3082121f32b42a2187831a9e\",uri=\"sip:{HOST}\",response=\"7587245234b3434cc3412213e5f113a5\",algorithm=MD5\r\n\
         Content-Length: 0\r\n\r\n"
    )
    .into_bytes()
}

/// An LDAP bind with this name. Its elements must be short.
pub(crate) fn bind(name: &str) -> Vec<u8> {
    let element = |tag: u8, content: &[u8]| [&[tag, content.len() as u8], content].concat();
    let parts = [element(2, &[3]), element(4, name.as_bytes()), element(0x80, b"s3cret-of-all")].concat();
    element(0x30, &[element(2, &[1]), element(0x60, &parts)].concat())
}

/// A captured message of an H.323 telephone.
pub(crate) fn captured(name: &str) -> Vec<u8> {
    std::fs::read(format!("tests/fixtures/h323/captures/{name}.bin")).unwrap()
}

/// The name of a captured registration.
pub(crate) const RRQ: &str = "mock_00_tcp_tpkt_c2s_FACILITY_empty_h46017_RRQ";
