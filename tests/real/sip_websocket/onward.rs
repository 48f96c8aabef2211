//! PBXs that are reached by WebSocket themselves (`ws`, `wss`, `ws_path`).

use std::sync::{Arc, Mutex};

use tokio_tungstenite::tungstenite::handshake::server::{ErrorResponse, Request, Response};
use tokio_tungstenite::tungstenite::{Message as Frame, accept_hdr};

use super::browser::{Browser, CONTACT, VIA, read, request};
use super::setup;
use crate::harness::sip::answer;
use crate::harness::{Conn, Portward, Target, TestCa, within};

/// What a PBX has received: the handshake and the messages.
type Seen = Arc<Mutex<Vec<String>>>;

/// A PBX that speaks only SIP over WebSocket, and answers without a Content-Length.
fn serve(conn: &mut Conn, seen: &Seen, speaks: bool) {
    #[expect(clippy::result_large_err, reason = "the type of the callback is tungstenite's")]
    let note = |request: &Request, mut response: Response| -> Result<Response, ErrorResponse> {
        let mut lines: Vec<_> =
            request.headers().iter().map(|(name, value)| format!("{name}: {value:?}")).collect();
        lines.sort();
        seen.lock().unwrap().push(format!("{} {}", request.uri(), lines.join("\n")));
        if speaks {
            response.headers_mut().insert("Sec-WebSocket-Protocol", "sip".parse().unwrap());
        }
        Ok(response)
    };
    let Ok(mut socket) = accept_hdr(&mut **conn, note) else { return };
    while let Ok(frame) = socket.read() {
        if !frame.is_text() && !frame.is_binary() {
            continue;
        }
        let text = frame.into_text().unwrap().to_string();
        seen.lock().unwrap().push(text.clone());
        let ok = answer(&read(&text), "200 OK", "pbx").replace("Content-Length: 0\r\n", "");
        if socket.send(Frame::text(ok)).is_err() {
            return;
        }
    }
}

fn register(portward: &Portward, mut browser: Browser) {
    let answer = browser.register("a");
    assert_eq!((answer.all("via"), answer.header("server")), (vec![VIA], Some("pbx")));
    drop((portward, browser));
}

#[test]
fn item_1_a_pbx_with_websocket_gets_what_the_browser_said() {
    within(60, || {
        let seen = Seen::default();
        let (plain_seen, tls_seen) = (Arc::clone(&seen), Arc::clone(&seen));
        let plain = Target::scripted(move |conn| serve(conn, &plain_seen, true));
        let tls = Target::scripted_tls(&TestCa::shared().issue(&["pbx.example.net"]), move |conn| {
            serve(conn, &tls_seen, true);
        });
        let sent = request("REGISTER", "a", &format!("Contact: {CONTACT}\r\n"))
            .replace("Route: <sip:web.example.net;transport=ws;lr>\r\n", "")
            .replace("\r\n\r\n", "\r\nContent-Length: 0\r\n\r\n");
        let ports = format!("ws = {}, wss = {}, ws_path = \"/asterisk/ws?x\"", plain.port(), tls.port());
        // The setting is in the rule of the host that From names, or in the rule of the WebSocket.
        let in_http = format!(
            "[[host]]\nname = \"web.example.net\"\nhttp = [{{ path = \"/sip\", websocket = \"sip\", target = \"127.0.0.1\", \
             {ports} }}]\n[[host]]\nname = \"pbx.example.net\"\ntarget = \"127.0.0.2\"\nsip = {{ tcp = 5060 }}\n"
        );
        for portward in [setup(&format!("tcp = 5060, {ports}")).start(), Portward::with_rules(&in_http)] {
            register(&portward, Browser::wss(&portward));
            register(&portward, Browser::ws(&portward));
            let seen = std::mem::take(&mut *seen.lock().unwrap());
            assert_eq!([&seen[1], &seen[3]], [&sent, &sent], "what the browser said");
            for handshake in [&seen[0], &seen[2]] {
                assert!(handshake.starts_with("/asterisk/ws?x "), "{handshake}");
                assert!(
                    handshake.contains("host: \"pbx.example.net:") && !handshake.contains("origin"),
                    "{handshake}"
                );
            }
        }
        assert_eq!((plain.connections(), tls.connections()), (2, 2));
    });
}

#[test]
fn item_1_a_pbx_that_does_not_speak_sip_there_is_down() {
    within(60, || {
        for speaks_http in [false, true] {
            let pbx = match speaks_http {
                true => Target::named("web server"),
                false => Target::scripted(|conn| serve(conn, &Seen::default(), false)),
            };
            let portward = setup(&format!("tcp = 5060, ws = {}", pbx.port())).start();
            let mut browser = Browser::ws(&portward);
            browser.say(request("REGISTER", "a", ""));
            assert_eq!(browser.message().status(), 503);
            assert_eq!(browser.closed(), 1013);
            portward.decision(&["sipws:a@pbx.example.net REGISTER rejected: target-down", "bad-answer"]);
        }
    });
}
