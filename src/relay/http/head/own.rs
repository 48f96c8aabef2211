//! Answers of our own, whole.

use std::fmt::Write as _;

/// The fields that an answer of our own may have beside those that it is given.
pub(crate) const OWN_FIELDS: [&str; 4] = ["Date", "Content-Type", "Content-Length", "Connection"];

/// A small answer of our own.
pub(crate) fn own_response(status: u16, extra: &str, persistent: bool, bodiless: bool) -> Vec<u8> {
    let phrase = match status {
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        408 => "Request Timeout",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        431 => "Request Header Fields Too Large",
        502 => "Bad Gateway",
        504 => "Gateway Timeout",
        _ => "Service Unavailable",
    };
    let start = format!("{status} {phrase}");
    let body = format!("{start}\n");
    own(&start, &format!("{extra}Content-Type: text/plain\r\n"), body.as_bytes(), persistent, bodiless)
}

/// A small document of our own.
pub(crate) fn own_document(body: &[u8], persistent: bool, bodiless: bool) -> Vec<u8> {
    let fields = "Content-Type: application/octet-stream\r\nCache-Control: no-store\r\n";
    own("200 OK", fields, body, persistent, bodiless)
}

fn own(status: &str, fields: &str, body: &[u8], persistent: bool, bodiless: bool) -> Vec<u8> {
    let date = httpdate::fmt_http_date(std::time::SystemTime::now());
    let mut head = String::new();
    let _ = write!(head, "HTTP/1.1 {status}\r\nDate: {date}\r\n{fields}Content-Length: {}\r\n", body.len());
    head.push_str(if persistent { "\r\n" } else { "Connection: close\r\n\r\n" });
    let mut answer = head.into_bytes();
    if !bodiless {
        answer.extend_from_slice(body);
    }
    answer
}
