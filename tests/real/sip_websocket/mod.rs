//! SIP over WebSocket (RFC 7118, contract section 9): browsers that call PBXs by TCP and TLS, which know nothing of WebSocket.

mod balanced;
pub(crate) mod browser;
mod calls;
mod ends;
mod frames;
mod handshake;
mod onward;
mod phone;
mod pieces;
mod sanity;

use crate::harness::sip::{answer, next_message};
use crate::harness::{Conn, Portward, Setup, Target};

/// The host of the WebSocket, and a SIP host `pbx.example.net` with this rule.
fn rules(sip: &str) -> String {
    format!(
        "[[host]]\nname = \"web.example.net\"\nhttp = [{{ path = \"/sip\", websocket = \"sip\" }}]\n\
         [[host]]\nname = \"pbx.example.net\"\ntarget = \"127.0.0.1\"\nsip = {{ {sip}, check_certificate = false }}\n"
    )
}

fn setup(sip: &str) -> Setup {
    Portward::rules(&rules(sip)).set("log.forwarded", "\"all\"").set("log.ended", "[\"sip\"]")
}

/// A PBX that answers every request with the request's Contacts, and calls the Contact of a registration.
fn pbx() -> Target {
    Target::scripted(|conn| serve(conn, true))
}

fn serve(conn: &mut Conn, calls: bool) {
    while let Some(request) = next_message(conn) {
        if request.start.starts_with("SIP/2.0") || request.method() == "ACK" {
            continue;
        }
        let contacts: String =
            request.all("contact").iter().map(|contact| format!("Contact: {contact};x=y\r\n")).collect();
        let ok = answer(&request, "200 OK", "pbx").replacen("Server:", &format!("{contacts}Server:"), 1);
        // A server adds the observed address and port (RFC 3261 §18.2.1, RFC 3581).
        let via = request.header("via").unwrap().to_owned();
        let mut said = ok.replacen(&via, &format!("{via};received=127.0.0.1;rport=1"), 1);
        if calls && request.method() == "REGISTER" {
            let contact = request.header("contact").unwrap();
            let uri = contact.split(['<', '>']).nth(1).unwrap();
            let via = "SIP/2.0/TCP 127.0.0.1:5060;branch=z9hG4bKpbx";
            said += &format!(
                "INVITE {uri} SIP/2.0\r\nVia: {via}\r\nFrom: <sip:b@pbx.example.net>;tag=b\r\nTo: <sip:a@pbx.example.net>\r\n\
                 Call-ID: call\r\nCSeq: 1 INVITE\r\nContact: <sip:b@127.0.0.1:5060;transport=tcp>\r\nMax-Forwards: 70\r\n\
                 Content-Length: 5\r\n\r\nv=0\r\n"
            );
        }
        if conn.try_send(said).is_err() {
            return;
        }
    }
}
