//! Whole answers that Portward itself gives.

/// The fields that an answer of our own may have in addition to those that its caller gives.
pub(crate) const OWN_FIELDS: [&str; 4] = ["Date", "Content-Type", "Content-Length", "Connection"];

/// A small answer of our own.
pub(crate) fn own_response(status: u16, extra: &str, persistent: bool, bodiless: bool) -> Vec<u8> {
    let start = status_line(status);
    let body = format!("{start}\n");
    answer(&start, &format!("{extra}Content-Type: text/plain\r\n"), body.as_bytes(), persistent, bodiless)
}

fn status_line(status: u16) -> String {
    let phrase = match status {
        200 => "OK",
        308 => "Permanent Redirect",
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        405 => "Method Not Allowed",
        408 => "Request Timeout",
        413 => "Content Too Large",
        415 => "Unsupported Media Type",
        421 => "Misdirected Request",
        426 => "Upgrade Required",
        431 => "Request Header Fields Too Large",
        502 => "Bad Gateway",
        504 => "Gateway Timeout",
        _ => "Service Unavailable",
    };
    format!("{status} {phrase}")
}

/// A small answer of our own in JSON.
pub(crate) fn own_json(
    status: u16,
    extra: &str,
    json: &serde_json::Value,
    persistent: bool,
    bodiless: bool,
) -> Vec<u8> {
    let body = zeroize::Zeroizing::new(format!("{json}\n"));
    let fields = format!("{extra}Content-Type: application/json\r\n");
    answer(&status_line(status), &fields, body.as_bytes(), persistent, bodiless)
}

/// A 204. It has no body and no field about one (RFC 9110 section 8.6).
pub(crate) fn own_nothing(extra: &str, persistent: bool) -> Vec<u8> {
    head("204 No Content", extra, persistent).into_bytes()
}

/// A small document of our own.
pub(crate) fn own_document(body: &[u8], persistent: bool, bodiless: bool) -> Vec<u8> {
    let fields = "Content-Type: application/octet-stream\r\nCache-Control: no-store\r\n";
    answer("200 OK", fields, body, persistent, bodiless)
}

fn answer(status: &str, fields: &str, body: &[u8], persistent: bool, bodiless: bool) -> Vec<u8> {
    let mut answer =
        head(status, &format!("{fields}Content-Length: {}\r\n", body.len()), persistent).into_bytes();
    if !bodiless {
        answer.extend_from_slice(body);
    }
    answer
}

fn head(status: &str, fields: &str, persistent: bool) -> String {
    let date = httpdate::fmt_http_date(std::time::SystemTime::now());
    let end = if persistent { "\r\n" } else { "Connection: close\r\n\r\n" };
    format!("HTTP/1.1 {status}\r\nDate: {date}\r\n{fields}{end}")
}
