//! Messages that are longer than the other side accepts, or too long to be read.

use super::*;

/// A watch toward a PBX that takes messages of 1,000 octets.
fn narrow() -> SipWatch<Fixed> {
    let tokens = Tokens::new(KEY);
    SipWatch::new(Fixed(tokens), None, false, 1_000)
}

/// A MESSAGE of that many octets. A PBX with a small buffer would take parts of its body for messages.
fn long(octets: usize, more: &str) -> String {
    let inside =
        request("REGISTER", "sip:pbx.example", "sip:bob@pbx.example", "<sip:bob@pbx.example>", "", "");
    let body = inside.repeat(1 + octets / inside.len());
    let bare = |body: &str| {
        request("MESSAGE", "sip:b@pbx.example", "sip:a@pbx.example", "<sip:b@pbx.example>", more, body)
    };
    let most = octets - bare("").len();
    let mut texts = (0..10).map(|less| bare(&body[..most - less]));
    texts.find(|text| text.len() == octets).unwrap()
}

#[test]
fn a_message_longer_than_the_pbx_takes_is_answered_and_read_to_its_end() {
    let after = request("REGISTER", "sip:pbx.example", "sip:c@pbx.example", "<sip:c@pbx.example>", "", "");
    let (fits, too_long) = (long(1_000, ""), long(1_001, ""));
    assert_eq!(up(&mut narrow(), &fits), (fits.clone(), String::new(), None));
    for refused in [too_long, long(60_000, ""), long(1024 * 1024, "")] {
        let (on, back, ended) = up(&mut narrow(), &format!("{refused}{after}"));
        assert_eq!((on, ended), (after.clone(), None));
        assert!(back.starts_with("SIP/2.0 513 Message Too Large\r\nVia: "), "{back}");
        assert_eq!(back.matches("SIP/2.0 513 ").count(), 1, "{back}");
        assert!(back.contains("<sip:b@pbx.example>;tag=") && back.ends_with("\r\nContent-Length: 0\r\n\r\n"));
    }
    let beyond = long(1024 * 1024 + 1, "");
    let (on, back, ended) = up(&mut narrow(), &beyond);
    assert_eq!((on.as_str(), ended), ("", Some(by_client(Reason::TooLarge).uncounted())));
    assert!(back.starts_with("SIP/2.0 513 "), "{back}");
    let endless = after.replace("Content-Length: 0", "Content-Length: 99999999999999999999");
    assert_eq!(up(&mut narrow(), &endless).2, Some(by_client(Reason::TooLarge).uncounted()));
}

#[test]
fn what_has_no_answer_and_is_too_long_is_dropped() {
    let after = request("BYE", "sip:b@pbx.example", "sip:a@pbx.example", "<sip:b@pbx.example>;tag=1", "", "");
    let body = "x".repeat(2_000);
    let ack =
        request("ACK", "sip:b@pbx.example", "sip:a@pbx.example", "<sip:b@pbx.example>;tag=1", "", &body);
    let response = ack.replacen("ACK sip:b@pbx.example SIP/2.0", "SIP/2.0 200 OK", 1);
    for dropped in [ack, response] {
        let seen = up(&mut narrow(), &format!("{dropped}{after}"));
        assert_eq!(seen, (after.clone(), String::new(), None), "{dropped}");
        let beyond = dropped.replace("Content-Length: 2000", "Content-Length: 2000000");
        let (on, back, ended) = up(&mut narrow(), &beyond);
        assert_eq!((on.as_str(), back.as_str()), ("", ""));
        assert_eq!(ended, Some(by_client(Reason::TooLarge).uncounted()));
    }
}

/// The limit also holds for a message that would be dropped otherwise: nothing beyond the limit is read to its end.
#[test]
fn an_ack_to_a_refusal_of_ours_has_the_same_end() {
    let mut watch = narrow();
    let (_, back, _) = up(&mut watch, &invite("sip:a@other.example", ""));
    let tag = back.split("To: <sip:b@pbx.example>;tag=").nth(1).unwrap().split("\r\n").next().unwrap();
    let to = format!("<sip:b@pbx.example>;tag={tag}");
    let ack = request("ACK", "sip:b@pbx.example", "sip:a@other.example", &to, "", "");
    assert_eq!(up(&mut watch, &ack), (String::new(), String::new(), None));
    let beyond = ack.replace("Content-Length: 0", "Content-Length: 4000000000");
    assert_eq!(up(&mut watch, &beyond).2, Some(by_client(Reason::TooLarge).uncounted()));
}

#[test]
fn the_length_that_counts_is_that_toward_the_pbx() {
    let own = format!("Route: <sip:{}>\r\n", ours());
    let text = long(1_000 + own.len(), &own);
    let (on, back, ended) = up(&mut narrow(), &text);
    assert_eq!((on.len(), back.as_str(), ended), (1_000, "", None), "our entry is taken off");
    // A strict router swaps its entry with the Request-URI. The latter moves into brackets, in a Route field of its
    // own.
    let strict = format!("Route: <sip:{}>, <sip:strict@pbx.example>\r\n", ours());
    let mut grown = SipWatch::new(Fixed(Tokens::new(KEY)), None, false, u32::MAX);
    let text = long(1_000, &strict);
    let (on, ..) = up(&mut grown, &text);
    let mut exact = SipWatch::new(Fixed(Tokens::new(KEY)), None, false, u32::try_from(on.len()).unwrap());
    assert_eq!(up(&mut exact, &text).0, on);
    let mut less = SipWatch::new(Fixed(Tokens::new(KEY)), None, false, u32::try_from(on.len()).unwrap() - 1);
    let (on, back, _) = up(&mut less, &text);
    assert!(on.is_empty() && back.starts_with("SIP/2.0 513 "), "{on}{back}");
}

#[test]
fn what_the_pbx_sends_may_be_long() {
    let body = "x".repeat(300_000);
    let notify =
        request("NOTIFY", "sip:a@10.0.0.1", "sip:b@pbx.example", "<sip:a@pbx.example>;tag=1", "", &body);
    assert_eq!(down(&mut narrow(), &notify), notify);
}

/// The answer to a REGISTER, with that many bindings.
fn bindings(count: usize) -> String {
    let contact = |n| format!("Contact: <sip:phone{n}@10.0.0.1:5060;transport=tcp>;expires=60\r\n");
    let contacts: String = (0..count).map(contact).collect();
    format!(
        "SIP/2.0 200 OK\r\nVia: SIP/2.0/TCP 10.0.0.1;branch=z9hG4bK1\r\nFrom: <sip:a@pbx.example>;tag=1\r\n\
         To: <sip:a@pbx.example>;tag=2\r\nCall-ID: 1\r\nCSeq: 1 REGISTER\r\n{contacts}Content-Length: 3\r\n\r\nabc"
    )
}

#[test]
fn n36_long_messages_of_the_pbx_pass_whole_and_end_nothing() {
    for count in [200, 900, 1_100, 5_000] {
        let stream = bindings(count) + "\r\n" + &bindings(1);
        let mut watch = watch(None, false, false);
        assert!(down(&mut watch, &stream) == stream, "{count} bindings in one piece");
        // The octets arrive a piece at a time. No more is held than the limit allows.
        let (mut on, mut held) = (Vec::new(), Vec::new());
        let mut pass = 0;
        for octet_run in stream.as_bytes().chunks(1000) {
            held.extend_from_slice(octet_run);
            loop {
                let gone = usize::try_from(pass).map_or(held.len(), |pass: usize| pass.min(held.len()));
                on.extend(held.drain(..gone));
                pass -= gone as u64;
                if pass > 0 || held.is_empty() {
                    break;
                }
                let (mut onward, mut back) = (Buffer::default(), Buffer::default());
                let replies = &mut Replies { onward: &mut onward, back: &mut back };
                match watch.hear_target(&held, replies) {
                    Next::Pass(count) | Next::Part(count) => pass = count,
                    Next::NeedMore => break,
                    other => panic!("{other:?}"),
                }
            }
            assert!(held.len() <= SipWatch::<Fixed>::TARGET_LIMIT);
        }
        assert!(on == stream.as_bytes(), "{count} bindings in pieces");
    }
}
