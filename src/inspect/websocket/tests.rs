//! Frames that a browser may send, and frames that it must not send.

use proptest::prelude::*;

use super::*;

const MASK: [u8; 4] = [0x37, 0xfa, 0x21, 0x3d];

/// One frame of a client.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    masked(first, payload, MASK)
}

fn masked(first: u8, payload: &[u8], mask: [u8; 4]) -> Vec<u8> {
    let mut out = vec![first];
    match payload.len() {
        len @ ..126 => out.push(0x80 | u8::try_from(len).unwrap()),
        len @ 126..65536 => {
            out.push(0xfe);
            out.extend(u16::try_from(len).unwrap().to_be_bytes());
        }
        len => {
            out.push(0xff);
            out.extend((len as u64).to_be_bytes());
        }
    }
    out.extend(mask);
    out.extend(payload.iter().zip(mask.iter().cycle()).map(|(octet, key)| octet ^ key));
    out
}

/// The events that a reader finds in octets that come in pieces: messages as texts, control frames in brackets.
fn read(pieces: &[&[u8]]) -> Result<Vec<String>, (Vec<String>, Violation)> {
    let (mut reader, mut message, mut waiting) = (Reader::of(Sender::Client), Vec::new(), Vec::new());
    let mut seen = Vec::new();
    for piece in pieces {
        waiting.extend_from_slice(piece);
        loop {
            let read = match reader.read(&waiting, &mut message) {
                Ok(read) => read,
                Err(violation) => return Err((seen, violation)),
            };
            waiting.drain(..read.taken);
            seen.push(match read.event {
                None => break,
                Some(Event::Message) => String::from_utf8_lossy(&std::mem::take(&mut message)).into_owned(),
                Some(Event::Ping(payload)) => format!("[ping {}]", payload.as_slice().len()),
                Some(Event::Pong) => "[pong]".to_owned(),
                Some(Event::Close(code)) => format!("[close {code:?}]"),
            });
        }
        assert!(waiting.len() < HEADER_LIMIT + CONTROL_LIMIT, "no more than a control frame waits");
    }
    Ok(seen)
}

#[test]
fn item_1_fragments_make_one_message_with_control_frames_between_them() {
    let stream = [
        frame(0x01, b"REGISTER "),
        frame(0x89, b"are you there"),
        frame(0x00, b""),
        frame(0x8a, b""),
        frame(0x80, b"sip:a"),
        frame(0x82, b"binary"),
        frame(0x81, &[b'x'; 300]),
        frame(0x88, &[0x03, 0xe9]),
    ]
    .concat();
    let whole = read(&[&stream]).unwrap();
    let x = "x".repeat(300);
    assert_eq!(whole, ["[ping 13]", "[pong]", "REGISTER sip:a", "binary", &x, "[close Some(1001)]"]);
    for cut in 0..stream.len() {
        assert_eq!(read(&[&stream[..cut], &stream[cut..]]).unwrap(), whole, "cut at {cut}");
    }
    let single: Vec<&[u8]> = stream.chunks(1).collect();
    assert_eq!(read(&single).unwrap(), whole);
}

#[test]
fn item_1_what_a_client_must_not_send() {
    use Violation::{NotText, Protocol, TooLong};
    let euro = "\u{20ac}".as_bytes();
    for (what, stream, violation) in [
        ("no mask", b"\x81\x01a".to_vec(), Protocol),
        ("no mask, begun", b"\x81\x7e".to_vec(), Protocol),
        ("a reserved bit", frame(0xc1, b"a"), Protocol),
        ("a reserved opcode", frame(0x83, b"a"), Protocol),
        ("a reserved control opcode", frame(0x8b, b""), Protocol),
        ("a continuation of nothing", frame(0x80, b"a"), Protocol),
        ("a message within a message", [frame(0x01, b"a"), frame(0x81, b"b")].concat(), Protocol),
        ("a ping in fragments", frame(0x09, b""), Protocol),
        ("a long ping", frame(0x89, &[0; 126]), Protocol),
        ("a length that is not the shortest", b"\x81\xfe\x00\x01\0\0\0\0a".to_vec(), Protocol),
        ("half a close code", frame(0x88, b"\x03"), Protocol),
        ("a close code that is not sent", frame(0x88, b"\x03\xed"), Protocol),
        ("a close code that is none", frame(0x88, b"\x00\x01"), Protocol),
        ("a reason that is no text", frame(0x88, b"\x03\xe8\xff"), NotText),
        ("a text that is none", frame(0x81, b"\xff"), NotText),
        ("half a character at the end", [frame(0x01, &euro[..1]), frame(0x80, b"")].concat(), NotText),
        ("too long", frame(0x82, &vec![0; MESSAGE_LIMIT + 1]), TooLong),
        ("too long, as is said", b"\x82\xff\x7f\xff\xff\xff\xff\xff\xff\xff\0\0\0\0".to_vec(), TooLong),
        ("too long in all", [frame(2, &vec![0; MESSAGE_LIMIT]), frame(0x80, b"a")].concat(), TooLong),
    ] {
        assert_eq!(read(&[&stream]).map_err(|(_, why)| why), Err(violation), "{what}");
    }
    let split = [frame(0x01, &euro[..1]), frame(0x80, &euro[1..])].concat();
    assert_eq!(read(&[&split]).unwrap(), ["\u{20ac}"]);
    assert_eq!(read(&[&frame(0x82, &vec![b'a'; MESSAGE_LIMIT])]).unwrap()[0].len(), MESSAGE_LIMIT);
}

#[test]
fn item_1_a_server_masks_nothing() {
    let mut message = Vec::new();
    let mut out = Vec::new();
    put_header(&mut out, Kind::Text, 2, None);
    out.extend_from_slice(b"ab");
    let read = Reader::of(Sender::Server).read(&out, &mut message);
    assert_eq!((read, &*message), (Ok(Read { taken: 4, event: Some(Event::Message) }), &b"ab"[..]));
    let masked = frame(0x81, b"ab");
    assert_eq!(Reader::of(Sender::Server).read(&masked, &mut message), Err(Violation::Protocol));
}

proptest! {
    /// The same messages are read, however they are divided into frames and the frames into pieces.
    #[test]
    fn item_1_every_fragmentation_is_the_same_message(
        texts in prop::collection::vec(("[a-z\u{e4}\u{20ac}]{0,40}", prop::collection::vec(0usize..40, 0..4)), 1..5),
        mask in any::<[u8; 4]>(),
        cuts in prop::collection::vec(1usize..9, 1..6),
    ) {
        let mut stream = Vec::new();
        for (text, at) in &texts {
            let mut ends: Vec<usize> = at.iter().map(|at| (*at).min(text.len())).collect();
            ends.sort_unstable();
            ends.push(text.len());
            let mut from = 0;
            for (number, end) in ends.iter().enumerate() {
                let fin = if number + 1 == ends.len() { 0x80 } else { 0 };
                let opcode = u8::from(number == 0);
                stream.extend(masked(fin | opcode, &text.as_bytes()[from..*end], mask));
                stream.extend(masked(0x89, b"p", mask));
                from = *end;
            }
        }
        let mut pieces: Vec<&[u8]> = Vec::new();
        let (mut rest, mut sizes) = (&stream[..], cuts.iter().cycle());
        while !rest.is_empty() {
            let (piece, behind) = rest.split_at((*sizes.next().unwrap()).min(rest.len()));
            pieces.push(piece);
            rest = behind;
        }
        let mut seen = read(&pieces).unwrap();
        seen.retain(|event| event != "[ping 1]");
        let sent: Vec<_> = texts.iter().map(|(text, _)| text.clone()).collect();
        prop_assert_eq!(seen, sent);
    }

    /// The laws of an inspector: nothing panics, and the answer does not depend on how the octets are divided.
    #[test]
    fn item_1_any_octets_are_read_alike_in_any_pieces(octets in prop::collection::vec(any::<u8>(), 0..200)) {
        let single: Vec<&[u8]> = octets.chunks(1).collect();
        prop_assert_eq!(read(&[&octets]), read(&single));
    }
}
