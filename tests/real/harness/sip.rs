//! SIP messages for tests, and a PBX that answers every request.

use super::{Message, Target, Wire};

/// A request from and to `from`; `more` are further lines, each with its CRLF.
pub fn request(method: &str, from: &str, more: &str) -> String {
    request_to(method, from, &format!("<sip:{from}>"), more, "")
}

/// A request with this To and this body.
pub fn request_to(method: &str, from: &str, to: &str, more: &str, body: &str) -> String {
    format!(
        "{method} sip:pbx.example.net SIP/2.0\r\nVia: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         From: <sip:{from}>;tag=a\r\nTo: {to}\r\nCall-ID: 1@10.0.0.1\r\nCSeq: 7 {method}\r\n{more}\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

/// The answer to a request. It copies lines of the request, and adds the name of the server.
pub fn answer(request: &Message, status: &str, server: &str) -> String {
    let copied = ["via", "record-route", "from", "to", "call-id", "cseq"];
    let lines = request.headers.iter().filter(|(name, _)| copied.contains(&&*name.to_lowercase()));
    let lines: String = lines.map(|(name, value)| format!("{name}: {value}\r\n")).collect();
    let tagged = if request.header("to").is_some_and(|to| to.contains("tag=")) { "" } else { ";tag=pbx" };
    let lines = match lines.find("To: ").and_then(|at| lines[at..].find("\r\n").map(|end| at + end)) {
        Some(end) => format!("{}{tagged}{}", &lines[..end], &lines[end..]),
        None => lines,
    };
    format!("SIP/2.0 {status}\r\n{lines}Server: {server}\r\nContent-Length: 0\r\n\r\n")
}

/// The next message that is not a keep-alive. `None`: the connection has ended.
pub fn next_message(wire: &mut Wire) -> Option<Message> {
    loop {
        let message = wire.try_request()?;
        if !message.start.is_empty() {
            return Some(message);
        }
    }
}

/// A PBX that answers 200 to every request except ACK, and tells its name.
pub fn pbx(name: &'static str) -> Target {
    Target::scripted(move |conn| serve(conn, name))
}

/// Serves one connection of [`pbx`].
pub fn serve(wire: &mut Wire, name: &str) {
    while let Some(request) = next_message(wire) {
        if request.method() == "ACK" || request.start.starts_with("SIP/2.0") {
            continue;
        }
        if wire.try_send(answer(&request, "200 OK", name)).is_err() {
            return;
        }
    }
}
