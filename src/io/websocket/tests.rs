//! The stream of a WebSocket between a far end in memory and a reader and writer.

use std::future::poll_fn;

use super::*;
use crate::io::Leg;
use crate::io::memory::{Far, leg};

/// Messages of lines. A message that begins with `?` is answered, with `!` refused, and with `-` dropped.
#[derive(Debug)]
struct Lines;

impl Messages for Lines {
    fn came(&self, message: &mut Vec<u8>) -> Came {
        match message.first() {
            Some(b'?') => Came::Answered(b"yes\n"),
            Some(b'!') => Came::Refused { answer: b"no\n".to_vec(), code: 1008, reason: Reason::Method },
            Some(b'-') => Came::Dropped,
            _ => {
                message.push(b'\n');
                Came::Read
            }
        }
    }

    fn end(&self, octets: &[u8]) -> End {
        match octets {
            [b'.', ..] => End::Nowhere,
            // A length comes first.
            [digit @ b'0'..=b'9', ..] => End::At(1 + usize::from(digit - b'0')),
            _ => memchr::memchr(b'\n', octets).map_or(End::NeedMore, |at| End::At(at + 1)),
        }
    }
}

const MASK: [u8; 4] = [1, 2, 3, 4];

/// One frame of a client, with a short payload.
fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut out = vec![first, 0x80 | u8::try_from(payload.len()).unwrap()];
    out.extend(MASK);
    let before = out.len();
    out.extend_from_slice(payload);
    apply_mask(&mut out[before..], MASK, 0);
    out
}

fn socket() -> (Leg, Far) {
    let (Leg { stream, .. }, far) = leg();
    (Leg::new(stream.into_websocket(Buffer::default(), &Lines)), far)
}

/// The text that can be read now, and how the read ended.
async fn read(leg: &mut Leg) -> (String, Option<Result<(), io::Error>>) {
    let ended = poll_fn(|cx| {
        loop {
            match leg.poll_fill(cx, BUFFER) {
                Poll::Ready(Ok(0)) => return Poll::Ready(Some(Ok(()))),
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(error)) => return Poll::Ready(Some(Err(error))),
                Poll::Pending => return Poll::Ready(None),
            }
        }
    })
    .await;
    let text = String::from_utf8(leg.buffer.filled().to_vec()).unwrap();
    leg.buffer.consume(text.len());
    (text, ended)
}

#[tokio::test(start_paused = true)]
async fn item_1_messages_are_read_one_behind_the_other() {
    for piece in [1, 2, 5, usize::MAX] {
        let (mut leg, far) = socket();
        far.pieces(piece);
        far.send([frame(0x01, b"o"), frame(0x89, b"p"), frame(0x80, b"ne"), frame(0x82, b"two")].concat());
        far.send([frame(0x81, b"?"), frame(0x81, b"-x"), frame(0x81, b""), frame(0x81, b"3")].concat());
        assert_eq!(read(&mut leg).await.0, "one\ntwo\n\n3\n", "pieces of {piece}");
        assert_eq!(far.heard(), b"\x8a\x01p\x81\x04yes\n");
        assert!(leg.buffer.is_empty());
        far.send(frame(0x88, b"\x03\xe8bye"));
        assert!(matches!(read(&mut leg).await, (text, Some(Ok(()))) if text.is_empty()));
        assert_eq!(far.heard(), b"\x88\x02\x03\xe8");
        assert!(leg.write_all(b"late\n").await.is_err(), "nothing is said after a close");
    }
}

#[tokio::test(start_paused = true)]
async fn item_1_an_idle_one_holds_no_buffer() {
    let (mut leg, far) = socket();
    far.send(frame(0x81, b"one"));
    read(&mut leg).await;
    leg.write_all(b"one\n").await.unwrap();
    let Stream::WebSocket(socket) = &leg.stream else { panic!() };
    let size = size_of_val(&**socket);
    assert!(size <= 512, "{size}");
    for buffer in [&socket.raw, &socket.message, &socket.written, &socket.sending] {
        assert_eq!(buffer.capacity(), 0);
    }
}

#[tokio::test(start_paused = true)]
async fn item_1_each_message_that_is_written_is_one_frame() {
    for piece in [1, 2, 7, usize::MAX] {
        let (mut leg, far) = socket();
        far.pieces(piece);
        for octets in ["4ab", "c", "done\nt", "wo\n9123456789", "1\u{e4}"] {
            leg.write_all(octets.as_bytes()).await.unwrap();
        }
        let frames = b"\x81\x054abcd\x81\x04one\n\x81\x04two\n\x81\x0a9123456789\x82\x021\xc3";
        assert_eq!(far.heard(), frames);
    }
    let (mut leg, _far) = socket();
    assert!(leg.write_all(b".").await.is_err());
}

#[tokio::test(start_paused = true)]
async fn item_1_a_longer_message_has_a_longer_header() {
    for (length, header) in [
        (125, vec![0x81, 125]),
        (126, vec![0x81, 126, 0, 126]),
        (65535, vec![0x81, 126, 0xff, 0xff]),
        (65536, vec![0x81, 127, 0, 0, 0, 0, 0, 1, 0, 0]),
    ] {
        let (mut leg, far) = socket();
        let line = [vec![b'x'; length - 1], b"\n".to_vec()].concat();
        leg.write_all(&line).await.unwrap();
        assert_eq!(far.heard(), [header, line].concat());
    }
}

#[tokio::test(start_paused = true)]
async fn item_1_a_violation_is_said_and_is_no_end() {
    for (sent, said, reason) in [
        (b"\x81\x01a".to_vec(), &b"\x88\x02\x03\xea"[..], Reason::Malformed),
        (frame(0x81, b"\xff"), b"\x88\x02\x03\xef", Reason::Malformed),
        (frame(0x81, b"!"), b"\x81\x03no\n\x88\x02\x03\xf0", Reason::Method),
    ] {
        let (mut leg, far) = socket();
        far.send(sent);
        let (_, ended) = read(&mut leg).await;
        let error = ended.unwrap().unwrap_err();
        assert_eq!(violation(&error), Some(reason));
        assert_eq!(far.heard(), said);
        far.send(vec![0; 100]);
        far.end();
        leg.close().await;
        assert!(far.is_told() && far.unread() == 0 && far.heard().is_empty());
    }
}

#[tokio::test(start_paused = true)]
async fn item_1_a_close_says_why() {
    let (mut leg, far) = socket();
    leg.stream.close_with(1013);
    leg.write_all(b"half a mess").await.unwrap();
    far.end();
    leg.close().await;
    assert_eq!(far.heard(), b"\x88\x02\x03\xf5");
}

#[tokio::test(start_paused = true)]
async fn item_1_a_peer_that_does_not_answer_pings_is_gone_within_ninety_seconds() {
    let (mut leg, far) = socket();
    let begin = Instant::now();
    let gone = poll_fn(|cx| leg.poll_fill(cx, BUFFER)).await.unwrap_err();
    assert_eq!((gone.kind(), violation(&gone)), (io::ErrorKind::TimedOut, None));
    assert_eq!((begin.elapsed(), far.heard()), (DEAD, b"\x89\0\x89\0".to_vec()));
    // A peer that answers pings stays.
    let (mut leg, far) = socket();
    let answers = async {
        for _ in 0..20 {
            tokio::time::sleep(PING).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
            assert_eq!(far.heard(), b"\x89\0");
            far.send(frame(0x8a, b""));
            tokio::time::sleep(PING).await;
            far.heard();
        }
        far.send(frame(0x81, b"there"));
    };
    let (read, ()) = tokio::join!(poll_fn(|cx| leg.poll_fill(cx, BUFFER)), answers);
    assert_eq!(read.unwrap(), 6);
}

#[tokio::test(start_paused = true)]
async fn item_1_pings_without_end_are_not_answered_without_end() {
    let (mut leg, far) = socket();
    far.takes(0);
    far.send(frame(0x89, &[b'x'; 100]).repeat(1000));
    assert!(read(&mut leg).await.1.is_none());
    assert!(far.unread() > 0, "reading has stopped");
    let Stream::WebSocket(socket) = &leg.stream else { panic!() };
    assert!(socket.sending.len() <= ANSWERS_LIMIT + 127);
    far.takes(usize::MAX);
    assert!(read(&mut leg).await.1.is_none());
    assert_eq!((far.heard().len(), far.unread()), (102 * 1000, 0));
}

#[tokio::test(start_paused = true)]
async fn item_1_a_client_masks_what_it_says() {
    let (Leg { stream, .. }, far) = leg();
    let socket = WebSocket::with_server(stream, Buffer::default(), &Lines, || MASK);
    let mut leg = Leg::new(Stream::WebSocket(Box::new(socket)));
    leg.write_all(b"one\n").await.unwrap();
    assert_eq!(far.heard(), frame(0x81, b"one\n"));
    far.send(b"\x89\x01p\x81\x03two");
    assert_eq!(read(&mut leg).await.0, "two\n");
    assert_eq!(far.heard(), frame(0x8a, b"p"));
}

#[tokio::test(start_paused = true)]
async fn item_1_a_message_that_has_begun_has_to_be_whole_in_time() {
    const TEN: Duration = Duration::from_secs(10);
    let whole = frame(0x01, b"one");
    for (what, part) in [
        ("half a frame", whole[..8].to_vec()),
        ("one octet", whole[..1].to_vec()),
        ("half a message", whole.clone()),
        ("half a ping", frame(0x89, b"ping")[..7].to_vec()),
        ("half a message behind a whole one", [frame(0x81, b"two"), whole.clone()].concat()),
    ] {
        let (mut leg, far) = socket();
        leg.stream.expect_within(Some(TEN));
        // A peer that sends nothing has the whole time of pings.
        tokio::time::sleep(PING - Duration::from_secs(1)).await;
        assert!(read(&mut leg).await.1.is_none(), "{what}");
        far.send(part);
        read(&mut leg).await;
        assert!(leg.stream.holds_part(), "{what}");
        let begin = Instant::now();
        let drips = async {
            // Further octets of the message, or a ping within it, give no more time.
            for _ in 0..9 {
                tokio::time::sleep(Duration::from_secs(1)).await;
                if what == "half a message" {
                    far.send([frame(0x00, b"x"), frame(0x89, b"")].concat());
                }
            }
        };
        let (ended, ()) = tokio::join!(poll_fn(|cx| leg.poll_fill(cx, BUFFER)), drips);
        assert_eq!(violation(&ended.unwrap_err()), Some(Reason::Timeout), "{what}");
        assert_eq!(begin.elapsed(), TEN, "{what}");
        assert!(far.heard().ends_with(b"\x88\x02\x03\xe9"), "{what}");
    }
}

#[tokio::test(start_paused = true)]
async fn item_1_each_message_has_its_own_time() {
    let (mut leg, far) = socket();
    leg.stream.expect_within(Some(Duration::from_secs(10)));
    for _ in 0..5 {
        far.send(frame(0x01, b"o"));
        assert_eq!(read(&mut leg).await.0, "");
        tokio::time::sleep(Duration::from_secs(6)).await;
        assert!(read(&mut leg).await.1.is_none());
        far.send(frame(0x80, b"ne"));
        assert_eq!(read(&mut leg).await.0, "one\n");
        assert!(!leg.stream.holds_part());
    }
    // Without a limit the message may take as long as the peer answers pings.
    leg.stream.expect_within(None);
    far.send(frame(0x01, b"o"));
    read(&mut leg).await;
    tokio::time::sleep(DEAD - Duration::from_secs(5)).await;
    assert!(read(&mut leg).await.1.is_none());
}
