//! The relay's watch over SIP messages: which pass, which are changed, and which are answered.

use super::*;
use crate::ending::Ending;
use crate::inspect::sip::Message;
use crate::io::Buffer;
use crate::proof::own_routes::OwnRoutes;
use crate::proof::token::Tokens;
use crate::reason::Reason;
use crate::relay::watched::{Next, Replies, TARGET_DOWN, Watch, by_client};

mod length;
mod route;

const KEY: [u8; 32] = [9; 32];

/// Forbids `other.example`, ends the connection at `nobody.example`, and passes all others.
struct Fixed(Tokens);

impl SipPolicy for Fixed {
    fn judge(&mut self, head: &[u8], request: &Message) -> SipAction {
        match request.from.host.of_input(head) {
            b"other.example" => SipAction::Forbid,
            b"nobody.example" => SipAction::End(by_client(Reason::UnknownHost)),
            _ => SipAction::Pass,
        }
    }

    fn login(&mut self, _: Login, _: &[u8], _: &Message) {}

    fn tokens(&self) -> &Tokens {
        &self.0
    }
}

fn watch(address: Option<&str>, tls: bool, rewrites: bool) -> SipWatch<Fixed> {
    let tokens = Tokens::new(KEY);
    let recording = address.map(|address| Recording::new(&tokens, ("pbx.example", None), address, tls));
    SipWatch::new(Fixed(tokens), recording, rewrites, 64 * 1024)
}

fn ours() -> String {
    format!("{}@rp.example;transport=tcp;lr", Tokens::new(KEY).make("pbx.example", None))
}

/// Feeds a stream to the watch. Returns what passes on, what goes back, and how it ended.
fn feed(
    mut step: impl FnMut(&[u8], &mut Replies<'_>) -> Next,
    stream: &str,
) -> (String, String, Option<Ending>) {
    let (mut on, mut back) = (Vec::new(), Buffer::default());
    let mut rest = stream.as_bytes();
    let mut ended = None;
    while !rest.is_empty() {
        let mut onward = Buffer::default();
        let (gone, pass) = match step(rest, &mut Replies { onward: &mut onward, back: &mut back }) {
            Next::Pass(count) | Next::Part(count) => (0, count),
            Next::Replace { count, pass } => (count, pass),
            Next::NeedMore => break,
            Next::End(cut) => {
                ended = Some(cut);
                break;
            }
        };
        on.extend_from_slice(onward.filled());
        rest = &rest[gone..];
        let pass = usize::try_from(pass).unwrap().min(rest.len());
        on.extend_from_slice(&rest[..pass]);
        rest = &rest[pass..];
    }
    let text = |octets: &[u8]| String::from_utf8(octets.to_vec()).unwrap();
    (text(&on), text(back.filled()), ended)
}

fn up(watch: &mut SipWatch<Fixed>, stream: &str) -> (String, String, Option<Ending>) {
    feed(|octets, replies| watch.hear_client(octets, replies), stream)
}

fn down(watch: &mut SipWatch<Fixed>, stream: &str) -> String {
    let (on, back, ended) = feed(|octets, replies| watch.hear_target(octets, replies), stream);
    assert_eq!((back.as_str(), ended), ("", None));
    on
}

fn request(method: &str, uri: &str, from: &str, to: &str, more: &str, body: &str) -> String {
    format!(
        "{method} {uri} SIP/2.0\r\nVia: SIP/2.0/TLS 10.0.0.1;branch=z9hG4bK1\r\nMax-Forwards: 70\r\n\
         From: <{from}>;tag=a\r\nTo: {to}\r\nCall-ID: 1\r\nCSeq: 7 {method}\r\n{more}Content-Length: {}\r\n\r\n{body}",
        body.len()
    )
}

fn invite(from: &str, more: &str) -> String {
    request("INVITE", "sip:b@pbx.example", from, "<sip:b@pbx.example>", more, "v=0\r\n")
}

#[test]
fn without_an_address_nothing_is_changed() {
    let mut watch = watch(None, true, false);
    let odd = "rEcord-route :\t<sip:other@x;lr>\r\n,<sip:y>\r\nX-Odd:  a\r\n  b \r\nAuthorization: Digest response=\"f00\"\r\n";
    let odd = odd.replace("\r\n,", "\r\n ,");
    let stream = format!("{}\r\n{}", invite("sip:a@pbx.example", &odd), invite("sip:a@pbx.example", ""));
    assert_eq!(up(&mut watch, &stream), (stream.clone(), String::new(), None));
    let response = "SIP/2.0 200 OK\r\nVia: SIP/2.0/TLS x\r\nTo: <sip:b@y>;tag=1\r\nFrom: <sip:a@y>\r\nCall-ID: 1\r\n\
                    CSeq: 1 INVITE\r\nl: 3\r\n\r\nabc\r\n\r\n";
    assert_eq!(down(&mut watch, response), response);
}

#[test]
fn a_later_account_passes_is_forbidden_or_ends_the_connection() {
    let mut watch = watch(None, false, false);
    let refused = invite("sip:a@other.example", "");
    let register = request("REGISTER", "sip:pbx.example", "sip:c@pbx.example", "<sip:c@pbx.example>", "", "");
    let (on, back, ended) = up(&mut watch, &format!("{refused}{register}"));
    assert_eq!((on, ended), (register.clone(), None));
    assert!(
        back.starts_with("SIP/2.0 403 Forbidden\r\nVia: SIP/2.0/TLS 10.0.0.1;branch=z9hG4bK1\r\n"),
        "{back}"
    );
    let tag = back.split("To: <sip:b@pbx.example>;tag=").nth(1).unwrap().split("\r\n").next().unwrap();
    // The ACK to our refusal is dropped. Any other ACK passes.
    let ack = request(
        "ACK",
        "sip:b@pbx.example",
        "sip:a@other.example",
        &format!("<sip:b@pbx.example>;tag={tag}"),
        "",
        "",
    );
    let other = ack.replace(tag, "z");
    assert_eq!(up(&mut watch, &format!("{ack}{other}")), (other, String::new(), None));
    // In a dialog the From is not checked: the PBX's party may have any address.
    let bye =
        request("BYE", "sip:b@pbx.example", "sip:a@nobody.example", "<sip:b@pbx.example>;tag=1", "", "");
    let again =
        request("INVITE", "sip:b@pbx.example", "sip:a@nobody.example", "<sip:b@pbx.example>;tag=1", "", "");
    assert_eq!(up(&mut watch, &format!("{bye}{again}")).0, format!("{bye}{again}"));
    let (on, back, ended) = up(&mut watch, &format!("{register}{}", invite("sip:a@nobody.example", "")));
    assert_eq!((on, back), (register, String::new()));
    assert_eq!(ended, Some(by_client(Reason::UnknownHost)));
}

#[test]
fn pings_are_answered_and_go_on_and_their_pong_is_swallowed() {
    let mut watch = watch(None, false, false);
    assert_eq!(up(&mut watch, "\r\n\r\n"), ("\r\n\r\n".to_owned(), "\r\n".to_owned(), None));
    assert_eq!(down(&mut watch, "\r\n"), "");
    assert_eq!(down(&mut watch, "\r\n\r\n"), "\r\n\r\n");
    // The client answers with a pong.
    assert_eq!(up(&mut watch, "\r\n"), ("\r\n".to_owned(), String::new(), None));
    assert_eq!(down(&mut watch, "\r\n"), "\r\n");
}

#[test]
fn what_cannot_be_framed_ends_it() {
    let (_, _, ended) = up(&mut watch(None, false, false), "\u{1}\u{2}");
    assert_eq!(ended, Some(by_client(Reason::Malformed)));
    let mut watch = watch(None, false, false);
    let (on, _, ended) =
        feed(|octets, replies| watch.hear_target(octets, replies), "HTTP/1.1 200 OK\r\n\r\n");
    assert_eq!((on.as_str(), ended), ("", Some(TARGET_DOWN)));
}

#[test]
fn our_entry_is_first_in_requests_and_last_in_dialog_forming_responses() {
    let mut watch = watch(Some("rp.example"), false, false);
    let own = format!("Record-Route: <sip:{}>\r\n", ours());
    let plain = invite("sip:a@pbx.example", "");
    let via = "Via: SIP/2.0/TLS 10.0.0.1;branch=z9hG4bK1\r\n";
    assert_eq!(down(&mut watch, &plain), plain.replace(via, &format!("{via}{own}")));
    let routed = invite(
        "sip:a@pbx.example",
        "Record-Route: <sip:p1;lr>, <sip:p2;lr>\r\nX: y\r\nRecord-Route: <sip:p3;lr>\r\n",
    );
    assert_eq!(down(&mut watch, &routed), routed.replacen("Record-Route", &format!("{own}Record-Route"), 1));
    let secure = request("INVITE", "sips:a@client", "sip:b@pbx.example", "<sip:a@pbx.example>", "", "");
    assert!(down(&mut watch, &secure).contains(&own.replace("<sip:", "<sips:")));

    let response = |status: &str, method: &str, tag: &str| {
        format!(
            "SIP/2.0 {status}\r\n{via}Record-Route: <sip:p1;lr>\r\nRecord-Route: <sip:p2;lr>,\r\n <sip:p3;lr>\r\n\
             From: <sip:a@pbx.example>\r\nTo: <sip:b@pbx.example>{tag}\r\nCall-ID: 1\r\nCSeq: 7 {method}\r\nContent-Length: 0\r\n\r\n"
        )
    };
    // A fork answers twice, the second time late. Each response forms a dialog of its own (RFC 3261 §13.2.2.4).
    for (status, tag) in
        [("180 Ringing", ";tag=1"), ("183 Progress", ";tag=2"), ("200 OK", ";tag=1"), ("200 OK", ";tag=3")]
    {
        let text = response(status, "INVITE", tag);
        assert_eq!(
            down(&mut watch, &text),
            text.replace("<sip:p3;lr>\r\n", &format!("<sip:p3;lr>\r\n{own}"))
        );
    }
    for (status, method, tag) in [
        ("100 Trying", "INVITE", ";tag=1"),
        ("180 Ringing", "INVITE", ""),
        ("486 Busy Here", "INVITE", ";tag=1"),
        ("200 OK", "REGISTER", ";tag=1"),
        ("200 OK", "BYE", ";tag=1"),
    ] {
        let text = response(status, method, tag);
        assert_eq!(down(&mut watch, &text), text, "{status} {method}");
    }
    assert!(down(&mut watch, &response("200 OK", "SUBSCRIBE", ";tag=1")).contains(&own));
}

#[test]
fn the_pbx_never_sees_our_entry() {
    let mut watch = watch(None, false, false);
    let own = format!("<sip:{}>", ours());
    // The client's response copies Record-Route from the request.
    let response = |recorded: &str| {
        format!(
            "SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP pbx\r\n{recorded}From: <sip:a@x>;tag=1\r\nTo: <sip:b@x>;tag=2\r\n\
             Call-ID: 1\r\nCSeq: 7 INVITE\r\nContent-Length: 0\r\n\r\n"
        )
    };
    for (with, without) in [
        (format!("Record-Route: {own}\r\n"), ""),
        (format!("Record-Route: {own},<sip:p1;lr>\r\n"), "Record-Route: <sip:p1;lr>\r\n"),
        (format!("record-route: {own}\r\nRecord-Route: <sip:p1;lr>\r\n"), "Record-Route: <sip:p1;lr>\r\n"),
    ] {
        assert_eq!(up(&mut watch, &response(&with)).0, response(without));
    }
    // Requests in the dialog, RFC 3261 §16.12.1.1: all hops route loosely.
    let bye = |uri: &str, more: &str| {
        request("BYE", uri, "sip:a@pbx.example", "<sip:b@pbx.example>;tag=1", more, "")
    };
    let target = "sip:callee@u2.domain.com";
    for (with, without) in [
        (
            format!("Route: {own},<sip:p2.example.com;lr>,<sip:p1.example.com;lr>\r\n"),
            "Route: <sip:p2.example.com;lr>, <sip:p1.example.com;lr>\r\n",
        ),
        (format!("Route: {own}\r\nRoute: <sip:p1.example.com;lr>\r\n"), "Route: <sip:p1.example.com;lr>\r\n"),
        (format!("Route: {own}\r\n"), ""),
        // An entry that is not on top is not ours to take off.
        (
            format!("Route: <sip:p1.example.com;lr>,{own}\r\n"),
            &*format!("Route: <sip:p1.example.com;lr>,{own}\r\n"),
        ),
    ] {
        assert_eq!(up(&mut watch, &bye(target, &with)).0, bye(target, without), "{with}");
    }
    // §16.12.1.2: the PBX routes strictly. So it gets what the client would have sent without Portward.
    let with = format!("Route: {own},<sip:p2.middle.com>,<sip:p1.example.com;lr>\r\n");
    let strict =
        bye("sip:p2.middle.com", "Route: <sip:p1.example.com;lr>\r\nRoute: <sip:callee@u2.domain.com>\r\n");
    assert_eq!(up(&mut watch, &bye(target, &with)).0, strict);
    // The client routes strictly: our entry is its Request-URI, and its target is the last route (§16.4).
    let uri = format!("sip:{}", ours());
    let sent = bye(&uri, "Route: <sip:p1.example.com;lr>, <sip:callee@u2.domain.com>\r\n");
    assert_eq!(up(&mut watch, &sent).0, bye(target, "Route: <sip:p1.example.com;lr>\r\n"));
    // A forged entry stays.
    let forged = format!("Route: {}\r\n", own.replace("pbx.example", "hq.example"));
    assert_eq!(up(&mut watch, &bye(target, &forged)).0, bye(target, &forged));
}

#[test]
fn a_dialog_names_its_host_from_a_new_connection() {
    let tokens = Tokens::new(KEY);
    let host = |text: &str| {
        let mut inspector = crate::inspect::sip::Inspector::of_client();
        match inspector.inspect(text.as_bytes()) {
            crate::inspect::Inspect::Found { ask: crate::inspect::sip::Ask::Message(message), len } => {
                let own = OwnRoutes { tokens: &tokens, address: None, front: None };
                own.dialog(&text.as_bytes()[..len], &message).map(|named| named.host)
            }
            other => panic!("{other:?}"),
        }
    };
    let route = format!("Route: <sip:{}>\r\n", ours());
    let bye = |to: &str, more: &str| request("BYE", "sip:b@x", "sip:a@elsewhere.example", to, more, "");
    assert_eq!(host(&bye("<sip:b@x>;tag=1", &route)).as_deref(), Some("pbx.example"));
    assert_eq!(host(&bye("<sip:b@x>", &route)), None);
    assert_eq!(host(&bye("<sip:b@x>;tag=1", "")), None);
    assert_eq!(host(&bye("<sip:b@x>;tag=1", &route.replace("pw-", "pw-0"))), None);
}

#[test]
fn a_rule_may_hide_tls_from_the_pbx() {
    let mut watch = watch(None, true, true);
    let contact = "Contact: \"A\" <sip:a@10.0.0.1:5061;transport=tls>;expires=60, <sips:a@10.0.0.1;ob>\r\n";
    let register =
        request("REGISTER", "sip:pbx.example", "sip:a@pbx.example", "<sip:a@pbx.example>", contact, "");
    let sent = up(&mut watch, &register).0;
    let expected = register
        .replace("SIP/2.0/TLS", "SIP/2.0/TCP")
        .replace("transport=tls", "transport=tcp")
        .replace("<sips:a@10", "<sip:a@10");
    assert_eq!(sent, expected);
    let response = "SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK1;rport=1\r\nFrom: <sip:a@x>;tag=1\r\n\
                    To: <sip:a@x>;tag=2\r\nCall-ID: 1\r\nCSeq: 7 REGISTER\r\n\
                    Contact: <sip:a@10.0.0.1:5061;transport=tcp>;expires=60\r\nContent-Length: 0\r\n\r\n";
    let back = response.replace("SIP/2.0/TCP", "SIP/2.0/TLS").replace("transport=tcp", "transport=tls");
    assert_eq!(down(&mut watch, response), back);
    let call = request(
        "INVITE",
        "sip:a@10.0.0.1:5061;transport=tcp",
        "sip:b@x",
        "<sip:a@x>",
        "Contact: <sip:b@pbx;transport=tcp>\r\n",
        "v=0\r\n",
    );
    assert_eq!(down(&mut watch, &call), call.replacen("transport=tcp", "transport=tls", 1));
}

#[test]
fn one_octet_at_a_time_gives_the_same() {
    let own = format!("Route: <sip:{}>\r\n", ours());
    let stream = format!(
        "\r\n\r\n{}{}\r\n{}",
        invite("sip:a@other.example", ""),
        invite("sip:a@pbx.example", &own),
        request("BYE", "sip:b@x", "sip:a@x", "<sip:b@x>;tag=1", &own, "body")
    );
    let whole = up(&mut watch(None, false, false), &stream);
    let mut watch = watch(None, false, false);
    let (mut on, mut back) = (Vec::new(), Buffer::default());
    let (mut held, mut pass) = (Vec::new(), 0);
    for octet in stream.bytes() {
        held.push(octet);
        if pass == 0 {
            let mut onward = Buffer::default();
            match watch.hear_client(&held, &mut Replies { onward: &mut onward, back: &mut back }) {
                Next::NeedMore => continue,
                Next::Pass(count) | Next::Part(count) => pass = count,
                Next::Replace { count, pass: rest } => {
                    held.drain(..count);
                    pass = rest;
                }
                Next::End(cut) => panic!("{cut:?}"),
            }
            on.extend_from_slice(onward.filled());
        }
        let count = usize::try_from(pass).unwrap().min(held.len());
        on.extend(held.drain(..count));
        pass -= count as u64;
    }
    assert_eq!(
        (String::from_utf8(on).unwrap(), String::from_utf8(back.filled().to_vec()).unwrap(), None),
        whole
    );
}

#[test]
fn n18_what_is_no_sip_is_the_targets_doing() {
    for stream in
        ["GET / HTTP/1.1\r\n\r\n", "SIP/2.0 200 OK\r\nl: x\r\n\r\n", "SIP/2.0 200 OK\r\nX: y\r\n\r\n"]
    {
        let mut watch = watch(None, false, false);
        let (_, _, ended) = feed(|octets, replies| watch.hear_target(octets, replies), stream);
        assert_eq!(ended, Some(TARGET_DOWN), "{stream:?}");
    }
}
