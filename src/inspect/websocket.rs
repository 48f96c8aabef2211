//! Reads WebSocket messages (RFC 6455) from the octets of a connection: frames, fragments, and control frames between
//! fragments. tungstenite decodes the header of a frame. This module assembles messages and detects violations, so that
//! a connection between two messages holds no memory.
//!
//! No extension is ever negotiated here, so all reserved bits must be zero (§5.2). A client must mask every frame, and
//! a server none (§5.1).

use std::io::Cursor;

use tokio_tungstenite::tungstenite::protocol::frame::FrameHeader;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{CloseCode, Control, Data, OpCode};

use crate::reason::Reason;

/// The longest message that is read, in octets (contract section 9).
pub const MESSAGE_LIMIT: usize = 64 * 1024;

/// The longest payload of a control frame (§5.5).
const CONTROL_LIMIT: usize = 125;

/// The longest header of a frame.
const HEADER_LIMIT: usize = 14;

/// The sender of the octets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// A client, which masks its frames.
    Client,
    /// A server, which does not mask its frames.
    Server,
}

/// A violation by a peer. It ends the connection with a close code (§7.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Violation {
    /// 1002: a protocol error.
    Protocol,
    /// 1007: a text message, or the reason of a close, is not UTF-8.
    NotText,
    /// 1009: a message has more than [`MESSAGE_LIMIT`] octets.
    TooLong,
}

impl Violation {
    /// The close code.
    pub const fn code(self) -> u16 {
        match self {
            Self::Protocol => 1002,
            Self::NotText => 1007,
            Self::TooLong => 1009,
        }
    }

    /// The reason in the log.
    pub const fn reason(self) -> Reason {
        match self {
            Self::Protocol | Self::NotText => Reason::Malformed,
            Self::TooLong => Reason::TooLarge,
        }
    }
}

/// The payload of a control frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Payload {
    octets: [u8; CONTROL_LIMIT],
    len: usize,
}

impl Payload {
    /// The octets.
    pub fn as_slice(&self) -> &[u8] {
        self.octets.get(..self.len).unwrap_or_default()
    }

    /// Reads a payload, which may be masked. It has at most [`CONTROL_LIMIT`] octets.
    fn read(payload: &[u8], mask: [u8; 4]) -> Self {
        let mut octets = [0; CONTROL_LIMIT];
        let len = payload.len().min(CONTROL_LIMIT);
        for (octet, came) in octets.iter_mut().zip(payload) {
            *octet = *came;
        }
        apply_mask(octets.get_mut(..len).unwrap_or_default(), mask, 0);
        Self { octets, len }
    }
}

/// An event on the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Event {
    /// A message is complete.
    Message,
    /// A ping, whose payload must be sent back.
    Ping(Payload),
    /// A pong.
    Pong,
    /// The peer closes, with this code if it gives one.
    Close(Option<u16>),
}

/// The result of a read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Read {
    /// How many octets were taken.
    pub taken: usize,
    /// The event after these octets. `None`: more octets are needed.
    pub event: Option<Event>,
}

/// Reads frames. It remembers its position in a message. The caller keeps the message itself.
#[derive(Debug)]
pub struct Reader {
    sender: Sender,
    /// The data frame of which octets are still to come.
    frame: Option<Frame>,
    /// The message that has begun, and whether it is a text.
    begun: Option<bool>,
}

/// The rest of a data frame.
#[derive(Debug, Clone, Copy)]
struct Frame {
    left: usize,
    mask: [u8; 4],
    /// How many octets of the frame were read.
    at: usize,
    is_final: bool,
}

impl Reader {
    /// A reader for the frames of `sender`.
    pub const fn of(sender: Sender) -> Self {
        Self { sender, frame: None, begun: None }
    }

    /// Whether neither a frame nor a message has begun.
    pub const fn is_between(&self) -> bool {
        self.frame.is_none() && self.begun.is_none()
    }

    /// Reads up to the next event. Payload of a message is appended to `message`. The caller must empty `message` after
    /// each [`Event::Message`], and must not change it otherwise. A control frame is taken when it is complete.
    ///
    /// # Errors
    /// A violation by the peer. Nothing may be read after it.
    pub fn read(&mut self, input: &[u8], message: &mut Vec<u8>) -> Result<Read, Violation> {
        let mut taken = 0;
        loop {
            let rest = input.get(taken..).unwrap_or_default();
            let Some(frame) = &mut self.frame else {
                match self.begin(rest, message.len())? {
                    Begun::NeedMore => return Ok(Read { taken, event: None }),
                    Begun::Data { len } => taken += len,
                    Begun::Control { len, event } => {
                        return Ok(Read { taken: taken + len, event: Some(event) });
                    }
                }
                continue;
            };
            let count = frame.left.min(rest.len());
            let before = message.len();
            message.extend_from_slice(rest.get(..count).unwrap_or_default());
            apply_mask(message.get_mut(before..).unwrap_or_default(), frame.mask, frame.at);
            frame.left -= count;
            frame.at += count;
            taken += count;
            if frame.left > 0 {
                return Ok(Read { taken, event: None });
            }
            let is_final = frame.is_final;
            self.frame = None;
            if is_final {
                let is_text = self.begun.take().unwrap_or_default();
                if is_text && std::str::from_utf8(message).is_err() {
                    return Err(Violation::NotText);
                }
                return Ok(Read { taken, event: Some(Event::Message) });
            }
        }
    }

    /// Reads the header of a data frame, or a whole control frame. `before`: how many octets of the message have come.
    fn begin(&mut self, input: &[u8], before: usize) -> Result<Begun, Violation> {
        let seen = input.get(..HEADER_LIMIT).unwrap_or(input);
        let mut cursor = Cursor::new(seen);
        let header = FrameHeader::parse(&mut cursor).map_err(|_| Violation::Protocol)?;
        // The header is incomplete. Its first two octets are enough to refuse a violation.
        let Some((header, length)) = header else { return self.hopeless(input) };
        let len = usize::try_from(cursor.position()).map_err(|_| Violation::Protocol)?;
        let mask = self.sound(&header)?;
        // The length must have the shortest form (§5.2).
        if header.len(length) != len {
            return Err(Violation::Protocol);
        }
        match header.opcode {
            OpCode::Control(control) => {
                let length = usize::try_from(length).unwrap_or(usize::MAX);
                if !header.is_final || length > CONTROL_LIMIT {
                    return Err(Violation::Protocol);
                }
                let Some(payload) = input.get(len..len + length) else { return Ok(Begun::NeedMore) };
                let event = control_event(control, Payload::read(payload, mask))?;
                Ok(Begun::Control { len: len + length, event })
            }
            OpCode::Data(data) => {
                match (data, self.begun) {
                    (Data::Continue, Some(_)) => {}
                    (Data::Text, None) => self.begun = Some(true),
                    (Data::Binary, None) => self.begun = Some(false),
                    _ => return Err(Violation::Protocol),
                }
                let left = usize::try_from(length).map_err(|_| Violation::TooLong)?;
                if left > MESSAGE_LIMIT.saturating_sub(before) {
                    return Err(Violation::TooLong);
                }
                self.frame = Some(Frame { left, mask, at: 0, is_final: header.is_final });
                Ok(Begun::Data { len })
            }
        }
    }

    /// An incomplete header. A violation in its first two octets is refused without waiting for more.
    fn hopeless(&self, input: &[u8]) -> Result<Begun, Violation> {
        let [first, second, ..] = input else { return Ok(Begun::NeedMore) };
        let is_masked = second & 0x80 != 0;
        let is_control = first & 0x08 != 0;
        let is_long_control = is_control && (first & 0x80 == 0 || usize::from(second & 0x7f) > CONTROL_LIMIT);
        let wrong = first & 0x70 != 0 || is_masked != (self.sender == Sender::Client) || is_long_control;
        if wrong { Err(Violation::Protocol) } else { Ok(Begun::NeedMore) }
    }

    /// Checks the header of a frame and returns its mask.
    fn sound(&self, header: &FrameHeader) -> Result<[u8; 4], Violation> {
        let reserved = header.rsv1 || header.rsv2 || header.rsv3;
        match (reserved, self.sender, header.mask) {
            (false, Sender::Client, Some(mask)) => Ok(mask),
            (false, Sender::Server, None) => Ok([0; 4]),
            _ => Err(Violation::Protocol),
        }
    }
}

/// The beginning of a frame.
enum Begun {
    NeedMore,
    /// A data frame. Its header has `len` octets.
    Data {
        len: usize,
    },
    /// A control frame of `len` octets.
    Control {
        len: usize,
        event: Event,
    },
}

fn control_event(control: Control, payload: Payload) -> Result<Event, Violation> {
    match control {
        Control::Ping => Ok(Event::Ping(payload)),
        Control::Pong => Ok(Event::Pong),
        Control::Reserved(_) => Err(Violation::Protocol),
        Control::Close => match payload.as_slice() {
            [] => Ok(Event::Close(None)),
            [high, low, why @ ..] => {
                let code = u16::from_be_bytes([*high, *low]);
                if !CloseCode::from(code).is_allowed() {
                    return Err(Violation::Protocol);
                }
                std::str::from_utf8(why).map_err(|_| Violation::NotText)?;
                Ok(Event::Close(Some(code)))
            }
            [_] => Err(Violation::Protocol),
        },
    }
}

/// Masks or unmasks octets (§5.3). `at`: how many octets of the frame come before them.
pub fn apply_mask(octets: &mut [u8], mask: [u8; 4], at: usize) {
    let mut mask = mask;
    mask.rotate_left(at % 4);
    let [a, b, c, d] = mask;
    let wide = u64::from_ne_bytes([a, b, c, d, a, b, c, d]);
    let (pieces, rest) = octets.as_chunks_mut::<8>();
    for piece in pieces {
        *piece = (u64::from_ne_bytes(*piece) ^ wide).to_ne_bytes();
    }
    for (octet, key) in rest.iter_mut().zip(mask.iter().cycle()) {
        *octet ^= key;
    }
}

/// The kind of a frame to write.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A whole text message.
    Text,
    /// A whole binary message.
    Binary,
    /// A close.
    Close,
    /// A ping.
    Ping,
    /// A pong.
    Pong,
}

/// Writes the header of a frame with a payload of `length` octets. The frame is a whole message or a control frame. If
/// there is a mask, the payload must be masked ([`apply_mask`]).
pub fn put_header(out: &mut Vec<u8>, kind: Kind, length: usize, mask: Option<[u8; 4]>) {
    let opcode = match kind {
        Kind::Text => OpCode::Data(Data::Text),
        Kind::Binary => OpCode::Data(Data::Binary),
        Kind::Close => OpCode::Control(Control::Close),
        Kind::Ping => OpCode::Control(Control::Ping),
        Kind::Pong => OpCode::Control(Control::Pong),
    };
    let header = FrameHeader { is_final: true, rsv1: false, rsv2: false, rsv3: false, opcode, mask };
    // Writing to memory does not fail.
    let _ = header.format(length as u64, out);
}

#[cfg(test)]
mod tests;
