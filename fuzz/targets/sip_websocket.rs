//! Octets of a browser in a WebSocket, up to those that reach a PBX by TCP, and the PBX's answer back to the browser
//! (RFC 6455, RFC 7118).

#![no_main]

use libfuzzer_sys::fuzz_target;
use portward::inspect::Inspect;
use portward::inspect::sip::{Ask, FieldKind, Inspector, Message, entries};
use portward::inspect::websocket::{Event, Reader, Sender};
use portward::io::{Buffer, Came, End, Messages as _};
use portward::proof::token::Tokens;
use portward::relay::sip::{Browser, Disguise, Login, SipAction, SipMessages, SipPolicy, SipWatch, respond};
use portward::relay::watched::{Next, Replies, Watch as _};

/// A policy that lets everything pass.
struct Open(Tokens);

impl SipPolicy for Open {
    fn examines(&self) -> bool {
        true
    }

    fn judge(&mut self, _: &[u8], _: &Message) -> SipAction {
        SipAction::Pass
    }

    fn login(&mut self, _: Login, _: &[u8], _: &Message) {}

    fn tokens(&self) -> &Tokens {
        &self.0
    }
}

/// The messages in frames that come in pieces of this length, and the result.
fn messages(input: &[u8], piece: usize) -> (Vec<Vec<u8>>, String) {
    let mut reader = Reader::of(Sender::Client);
    let (mut whole, mut message, mut held) = (Vec::new(), Vec::new(), Vec::new());
    for piece in input.chunks(piece) {
        held.extend_from_slice(piece);
        loop {
            match reader.read(&held, &mut message) {
                Ok(read) => {
                    held.drain(..read.taken);
                    match read.event {
                        None => break,
                        Some(Event::Message) => whole.push(std::mem::take(&mut message)),
                        Some(Event::Close(code)) => return (whole, format!("{code:?}")),
                        Some(Event::Ping(_) | Event::Pong) => {}
                    }
                }
                Err(violation) => return (whole, format!("{violation:?}")),
            }
        }
    }
    (whole, String::new())
}

/// Feeds octets to one side of a watch. Returns the octets that pass. `None`: the connection ends.
fn feed(octets: &[u8], mut hear: impl FnMut(&[u8], &mut Replies<'_>) -> Next) -> Option<Vec<u8>> {
    let (mut on, mut back, mut rest) = (Vec::new(), Buffer::default(), octets);
    while !rest.is_empty() {
        let mut onward = Buffer::default();
        let (gone, pass) = match hear(rest, &mut Replies { onward: &mut onward, back: &mut back }) {
            Next::Pass(count) | Next::Part(count) => (0, count),
            Next::Replace { count, pass } => (count, pass),
            Next::NeedMore => panic!("a whole message is enough"),
            Next::End(_) => return None,
        };
        on.extend_from_slice(onward.filled());
        rest = &rest[gone..];
        let pass = usize::try_from(pass).unwrap().min(rest.len());
        on.extend_from_slice(&rest[..pass]);
        rest = &rest[pass..];
    }
    Some(on)
}

/// The message in these octets, which contain nothing else.
fn sole(octets: &[u8], mut inspector: Inspector) -> (&[u8], Message) {
    let Inspect::Found { ask: Ask::Message(message), len } = inspector.inspect(octets) else {
        panic!("{:?}", String::from_utf8_lossy(octets))
    };
    assert_eq!(len + message.body as usize, octets.len());
    (&octets[..len], message)
}

fn top_via<'a>(head: &'a [u8], message: &Message) -> Option<&'a [u8]> {
    entries(message.fields_of(FieldKind::Via).next()?.value.of_input(head)).next()
}

fuzz_target!(|input: &[u8]| {
    let all = messages(input, input.len().max(1));
    assert_eq!(all, messages(input, 1));
    assert_eq!(all, messages(input, 7));

    // The end of a message for a browser: reading the length alone gives the same result as the whole inspection.
    if let Inspect::Found { ask: Ask::Message(message), len } = Inspector::of_target().inspect(input) {
        assert_eq!(SipMessages.end(input), End::At(len + message.body as usize));
    }

    let mut watch = SipWatch::new(Open(Tokens::new([9; 32])), None, false, 64 * 1024).for_browser(Browser {
        named: Box::from(&b"web.example"[..]),
        tls: true,
        disguise: Some(Disguise::new("192.0.2.1:5070".parse().unwrap(), false)),
    });
    // An input without frames is a message itself.
    let all = if all.0.is_empty() { vec![input.to_vec()] } else { all.0 };
    for mut message in all {
        match SipMessages.came(&mut message) {
            Came::Read if !message.is_empty() => {}
            Came::Refused { .. } => return,
            _ => continue,
        }
        let Some(on) = feed(&message, |octets, replies| watch.hear_client(octets, replies)) else { return };
        if on.is_empty() {
            continue;
        }
        // A PBX also reads exactly one message there.
        let (said, was) = sole(&message, Inspector::of_client());
        let (head, shown) = sole(&on, Inspector::of_client());
        if was.method(said).is_none_or(|method| method == b"ACK") {
            continue;
        }
        let mut answer = Vec::new();
        respond("200 OK", head, &shown, "pbx", "", &mut answer);
        let Some(back) = feed(&answer, |octets, replies| watch.hear_target(octets, replies)) else {
            panic!("{:?}", String::from_utf8_lossy(&answer))
        };
        // One message of a WebSocket, with the browser's own Via at the top.
        assert_eq!(SipMessages.end(&back), End::At(back.len()));
        let (back, given) = sole(&back, Inspector::of_target());
        assert_eq!(top_via(back, &given), top_via(said, &was));
    }
});
