//! SIP (RFC 3261) on a stream: where a message ends, who it is from, and whether it is sound enough to be shown to a PBX.
//!
//! The decision rests on this module alone. rsip, the parser that one would reach for, knows no compact form of From,
//! no folded line and no space before a colon, reads the host of `sip:user;par=u%40x@pbx` as `user`, and takes the first
//! of two From headers: each of them a way around the rules, or a phone that is turned away. Of RFC 4475's messages it
//! finds the From host of 17 that have one, misses it in 9, and takes 10 that must be refused; a test holds it to that.
//!
//! `field` cuts a header section into fields, `message` makes a [`Message`] of them, `uri` reads URIs, `readings` refuses
//! what two readers would read differently, `enclosed` finds the message in a WebSocket message.
//!
//! # What is read
//! [`Inspector`] cuts the stream: single CRLFs between messages (RFC 5626 §3.5.1), then a header section of at most
//! [`HEAD_LIMIT`] octets and [`FIELD_LIMIT`] fields (of a target: [`TARGET_HEAD_LIMIT`] and [`TARGET_FIELD_LIMIT`]). It
//! answers when the section is complete, so that no second From can follow an answer. The body is the caller's to count, and
//! how long it may be is the caller's to say.
//!
//! # What a client's message must be
//! Line ends are CRLF (a bare CR or LF is read differently by every second parser). Start line and SIP version as §7.1
//! and §7.2. Exactly one of From, To, Call-ID, CSeq and Content-Length (§18.3 demands it on a stream), at least one Via,
//! CSeq with a number below 2^31 and the method of the request (§8.1.1.5). Max-Forwards may be missing, as in RFC 2543,
//! where no PBX minds; two of them, or a value beyond 255, are refused, and so is a From or To in which two readers could
//! find two addresses. `readings` has the rest of what two readers could read differently, which is refused as well.
//! Everything else is the PBX's business. Of a target's message only the framing must be right.

mod enclosed;
mod fault;
mod field;
mod long;
mod message;
mod readings;
mod sanity;
mod scanner;
mod uri;

#[cfg(test)]
mod hostile;
#[cfg(test)]
mod tests;
#[cfg(test)]
mod torture;

use smallvec::SmallVec;

pub use enclosed::{Enclosed, enclosed, message_length};
pub use fault::Fault;
pub use field::{Field, FieldKind};
pub use long::{LongHead, Passed};
pub use sanity::{Faulty, fault};
pub use scanner::is_scanner;
pub use uri::{NameAddr, Scheme, Uri, entries, host_port, name_addr, param, parameters, unescaped, uri};

use super::{Inspect, Span};
use crate::reason::Reason;

/// The longest header section of a client with its start line and empty line. Phones send up to 4 KiB; 16 KiB is what
/// proxies take.
pub const HEAD_LIMIT: usize = 16 * 1024;

/// The longest header section of a target that is read. The 200 to a REGISTER lists all bindings of the address of record
/// (RFC 3261 §10.3). A longer one is passed on unread, see [`LongHead`].
pub const TARGET_HEAD_LIMIT: usize = 64 * 1024;

/// The longest message of a client that is read to its end, body included (contract section 3, `max_message`). A
/// longer one ends the connection.
pub const MESSAGE_LIMIT: u32 = 1024 * 1024;

/// The most header fields of a client: a request that has passed thirty proxies has seventy.
pub const FIELD_LIMIT: usize = 128;

/// The most header fields of a target that are read: a Contact for each binding.
pub const TARGET_FIELD_LIMIT: usize = 1024;

/// What stands on a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// One CRLF between two messages. Two are a ping, one is a pong (RFC 5626 §3.5.1); who counts them is the caller.
    KeepAlive,
    /// The header section of a message; its body follows.
    Message(Message),
    /// The header section of a request that must not go on, but is to be answered. Only an inspector that examines finds
    /// it, see [`Inspector::examine`].
    Faulty(Faulty),
}

/// A message, as far as its header section says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Request or response.
    pub kind: Kind,
    /// How many octets of body follow; [`u32::MAX`] where a client declares as many or more. Whether so many are taken
    /// is the caller's to say.
    pub body: u32,
    /// From. Empty in a target's message that has none to be read.
    pub from: Party,
    /// To, as From.
    pub to: Party,
    /// The tag of To; empty: there is none.
    pub to_tag: Span,
    /// The number of CSeq.
    pub cseq: u32,
    /// The method of CSeq.
    pub cseq_method: Span,
    /// Call-ID.
    pub call_id: Span,
    /// Every header field, in order.
    pub fields: SmallVec<[Field; 24]>,
}

/// The start line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// §7.1.
    Request {
        /// The method; case counts.
        method: Span,
        /// The Request-URI.
        uri: Span,
    },
    /// §7.2.
    Response {
        /// The status code.
        status: u16,
    },
}

/// Who a message is from, or to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Party {
    /// The URI.
    pub uri: Span,
    /// Its user.
    pub user: Span,
    /// Its host, see [`Uri::host`]; empty in a URI that has none, as `tel:`.
    pub host: Span,
}

impl Party {
    /// The number is withheld (RFC 3323 §4.1): the host says nothing.
    pub fn is_anonymous(self, head: &[u8]) -> bool {
        self.host.of_input(head).eq_ignore_ascii_case(b"anonymous.invalid")
    }
}

impl Message {
    /// The method, if it is a request.
    pub fn method<'a>(&self, head: &'a [u8]) -> Option<&'a [u8]> {
        match self.kind {
            Kind::Request { method, .. } => Some(method.of_input(head)),
            Kind::Response { .. } => None,
        }
    }

    /// Its fields of one kind.
    pub fn fields_of(&self, kind: FieldKind) -> impl DoubleEndedIterator<Item = &Field> {
        self.fields.iter().filter(move |field| field.kind == kind)
    }
}

/// Who the stream is from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    Client,
    Target,
}

impl Sender {
    /// The longest header section of such a sender, and the most fields in it.
    const fn limits(self) -> (usize, usize) {
        match self {
            Self::Client => (HEAD_LIMIT, FIELD_LIMIT),
            Self::Target => (TARGET_HEAD_LIMIT, TARGET_FIELD_LIMIT),
        }
    }
}

/// Cuts one message after the other off a stream; to be told when one is done with.
#[derive(Debug)]
pub struct Inspector {
    sender: Sender,
    /// Requests that are not sound are read to the end of their header section.
    examines: bool,
    /// Where the first line begins that was not looked at whole.
    line: usize,
    /// How far that line was searched for its end.
    searched: usize,
    /// Lines before it that begin a field.
    fields: usize,
}

impl Inspector {
    /// For what a client sends: every message must be sane.
    pub const fn of_client() -> Self {
        Self { sender: Sender::Client, examines: false, line: 0, searched: 0, fields: 0 }
    }

    /// For what a target sends: only the framing must be right.
    pub const fn of_target() -> Self {
        Self { sender: Sender::Target, examines: false, line: 0, searched: 0, fields: 0 }
    }

    /// Whether requests of a client are held to all that RFC 3261 §8.1.1 demands, and those that are not sound are found
    /// as [`Ask::Faulty`], so that they can be answered (contract section 9).
    pub fn examine(&mut self, examines: bool) {
        if std::mem::replace(&mut self.examines, examines && self.sender == Sender::Client) != self.examines {
            self.reset();
        }
    }

    /// Begins with the next message.
    pub fn reset(&mut self) {
        (self.line, self.searched, self.fields) = (0, 0, 0);
    }

    /// Looks at the octets from the beginning of a message. [`Inspect::Found`]'s length is that of the header section.
    pub fn inspect(&mut self, input: &[u8]) -> Inspect<Ask> {
        match input {
            [] | [b'\r'] => return Inspect::NeedMore,
            [b'\r', b'\n', ..] => return Inspect::Found { ask: Ask::KeepAlive, len: 2 },
            _ => {}
        }
        let (limit, _) = self.sender.limits();
        let seen = input.get(..limit).unwrap_or(input);
        loop {
            let begin = self.line;
            let unsearched = seen.get(self.searched..).unwrap_or_default();
            let Some(end) = memchr::memchr(b'\n', unsearched) else { break };
            let end = self.searched + end;
            let line = seen.get(begin..=end).unwrap_or_default();
            if begin > 0 && (line == b"\r\n" || self.examines && line == b"\n") {
                let head = seen.get(..=end).unwrap_or_default();
                return match self.read(head) {
                    Some(ask) => Inspect::Found { ask, len: end + 1 },
                    None => Inspect::Reject(Reason::Malformed),
                };
            }
            if let Err(reason) = self.line(line, begin == 0) {
                return Inspect::Reject(reason);
            }
            (self.line, self.searched) = (end + 1, end + 1);
        }
        // A target's head that is too long may be passed on unread, so that it must have begun like a message.
        let is_endless = self.sender == Sender::Target && seen.len() >= limit;
        if self.line == 0 && (is_endless || !message::may_begin(seen)) {
            return Inspect::Reject(Reason::Malformed);
        }
        self.searched = seen.len();
        if seen.len() < limit { Inspect::NeedMore } else { Inspect::Reject(Reason::TooLarge) }
    }

    /// A whole header section.
    fn read(&self, head: &[u8]) -> Option<Ask> {
        if !self.examines {
            return message::read(head, self.sender).ok().map(Ask::Message);
        }
        let mut lines = head.split_inclusive(|octet| *octet == b'\n').enumerate();
        let fault = match lines.find_map(|(number, line)| self.sound(line, number == 0).err()) {
            Some(fault) => fault,
            None => match message::read(head, self.sender) {
                Ok(message) => match sanity::fault(head, &message) {
                    None => return Some(Ask::Message(message)),
                    Some(fault) => return Some(Ask::Faulty(Faulty { fault, message, ends: true })),
                },
                Err(fault) => fault,
            },
        };
        sanity::faulty(head, fault).map(Ask::Faulty)
    }

    /// A whole line with its line end.
    fn line(&mut self, line: &[u8], is_start: bool) -> Result<(), Reason> {
        let is_read_on = self.examines && (!is_start || sanity::is_request(line));
        if !is_read_on && self.sound(line, is_start).is_err() {
            return Err(Reason::Malformed);
        }
        if !is_start && !matches!(line.first(), Some(b' ' | b'\t' | b'\r' | b'\n')) {
            self.fields += 1;
            let (_, limit) = self.sender.limits();
            if self.fields > limit {
                return Err(Reason::TooLarge);
            }
        }
        Ok(())
    }

    /// What is wrong with a whole line.
    fn sound(&self, line: &[u8], is_start: bool) -> Result<(), Fault> {
        let text = line.strip_suffix(b"\r\n").ok_or(Fault::Characters)?;
        if memchr::memchr(b'\r', text).is_some() {
            return Err(Fault::Characters);
        }
        if is_start {
            return message::check_start(text);
        }
        if self.sender == Sender::Target {
            return Ok(());
        }
        if !message::is_text(text) {
            return Err(Fault::Characters);
        }
        match text.first() {
            Some(b' ' | b'\t') if !readings::is_plain_fold(text) => Err(Fault::Field),
            _ => Ok(()),
        }
    }
}
