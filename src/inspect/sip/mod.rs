//! SIP (RFC 3261) on a stream: where a message ends, who has sent it, and whether it is sound enough for a PBX.
//!
//! Decisions depend on this module alone. The usual parser, rsip, is not used: it knows no compact form of From, no
//! folded line and no space before a colon. It reads the host of `sip:user;par=u%40x@pbx` as `user`, and takes the
//! first of two From headers. Each of these either opens a way around the rules or refuses a phone. Of the messages in
//! RFC 4475, rsip finds the From host in 17, misses it in 9, and accepts 10 that must be refused. A test checks these
//! numbers.
//!
//! `field` cuts a header section into fields, `message` makes a [`Message`] of them, `uri` reads URIs, `readings`
//! refuses texts that two parsers would read differently, `enclosed` finds the message in a WebSocket message.
//!
//! # What is read
//! [`Inspector`] cuts the stream: single CRLFs between messages (RFC 5626 §3.5.1), then a header section of at most
//! [`HEAD_LIMIT`] octets and [`FIELD_LIMIT`] fields (of a target: [`TARGET_HEAD_LIMIT`] and [`TARGET_FIELD_LIMIT`]). It
//! answers when the section is complete, so that no second From can follow an answer. The caller counts the body, and
//! limits its length.
//!
//! # What a client's message must be
//! Line ends are CRLF, because parsers disagree about a bare CR or LF. Start line and SIP version are those of §7.1 and
//! §7.2. From, To, Call-ID, CSeq and Content-Length each occur once (§18.3 demands Content-Length on a stream). There
//! is at least one Via. CSeq has a number below 2^31 and the method of the request (§8.1.1.5). Max-Forwards may be
//! missing, as in RFC 2543, because no PBX demands it. Two Max-Forwards or a value above 255 are refused. A From or To
//! in which two parsers could find different addresses is refused. `readings` has the other texts that parsers read
//! differently, which are refused as well. Everything else is left to the PBX. In a target's message only the framing
//! must be right.

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

/// The longest header section of a client, with its start line and empty line. Phones send up to 4 KiB. Other proxies
/// accept 16 KiB.
pub const HEAD_LIMIT: usize = 16 * 1024;

/// The longest header section of a target that is read. The 200 to a REGISTER lists all bindings of the address of
/// record (RFC 3261 §10.3). A longer header section is forwarded unread, see [`LongHead`].
pub const TARGET_HEAD_LIMIT: usize = 64 * 1024;

/// The longest message of a client that is read to its end, with its body (contract section 3, `max_message`). A longer
/// message ends the connection.
pub const MESSAGE_LIMIT: u32 = 1024 * 1024;

/// The most header fields of a client. A request that has passed thirty proxies has seventy.
pub const FIELD_LIMIT: usize = 128;

/// The most header fields of a target that are read. There is a Contact for each binding.
pub const TARGET_FIELD_LIMIT: usize = 1024;

/// The next item on a stream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// One CRLF between two messages. Two of them are a ping, and one is a pong (RFC 5626 §3.5.1). The caller counts
    /// them.
    KeepAlive,
    /// The header section of a message. Its body follows.
    Message(Message),
    /// The header section of a request that must not be forwarded, but is answered. Only an inspector that examines
    /// finds it, see [`Inspector::examine`].
    Faulty(Faulty),
}

/// The content of a message's header section.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Message {
    /// Request or response.
    pub kind: Kind,
    /// The length of the body in octets. It is [`u32::MAX`] if a client declares as many or more. The caller limits it.
    pub body: u32,
    /// From. It is empty if a target's message has no readable From.
    pub from: Party,
    /// To. It may be empty like From.
    pub to: Party,
    /// The tag of To. Empty: there is none.
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

/// The kind of a message, from its start line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A request (§7.1).
    Request {
        /// The method. Case matters.
        method: Span,
        /// The Request-URI.
        uri: Span,
    },
    /// A response (§7.2).
    Response {
        /// The status code.
        status: u16,
    },
}

/// The address in From or To.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Party {
    /// The URI.
    pub uri: Span,
    /// The user of the URI.
    pub user: Span,
    /// The host of the URI, see [`Uri::host`]. It is empty in a URI without a host, such as `tel:`.
    pub host: Span,
}

impl Party {
    /// Whether the number is withheld (RFC 3323 §4.1). Then the host has no meaning.
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

    /// The header fields of this kind.
    pub fn fields_of(&self, kind: FieldKind) -> impl DoubleEndedIterator<Item = &Field> {
        self.fields.iter().filter(move |field| field.kind == kind)
    }
}

/// The sender of the stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Sender {
    Client,
    Target,
}

impl Sender {
    /// The longest header section of this sender, and the most fields in it.
    const fn limits(self) -> (usize, usize) {
        match self {
            Self::Client => (HEAD_LIMIT, FIELD_LIMIT),
            Self::Target => (TARGET_HEAD_LIMIT, TARGET_FIELD_LIMIT),
        }
    }
}

/// Cuts one message after the other off a stream. Call [`Self::reset`] after each message.
#[derive(Debug)]
pub struct Inspector {
    sender: Sender,
    /// Whether a request that is not sound is read to the end of its header section.
    examines: bool,
    /// The beginning of the first line that was not examined completely.
    line: usize,
    /// How far that line was searched for its end.
    searched: usize,
    /// How many fields begin in the lines before it.
    fields: usize,
}

impl Inspector {
    /// An inspector for a client's messages, each of which must be sound.
    pub const fn of_client() -> Self {
        Self { sender: Sender::Client, examines: false, line: 0, searched: 0, fields: 0 }
    }

    /// An inspector for a target's messages, of which only the framing must be right.
    pub const fn of_target() -> Self {
        Self { sender: Sender::Target, examines: false, line: 0, searched: 0, fields: 0 }
    }

    /// Sets whether requests of a client are checked against all demands of RFC 3261 §8.1.1. Requests that are not
    /// sound are then found as [`Ask::Faulty`], so that they can be answered (contract section 9).
    pub fn examine(&mut self, examines: bool) {
        if std::mem::replace(&mut self.examines, examines && self.sender == Sender::Client) != self.examines {
            self.reset();
        }
    }

    /// Begins the next message.
    pub fn reset(&mut self) {
        (self.line, self.searched, self.fields) = (0, 0, 0);
    }

    /// Examines the octets from the beginning of a message. The length in [`Inspect::Found`] is the length of the
    /// header section.
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
        // A target's head that is too long may be forwarded unread. So it must have begun like a message.
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

    /// Takes a whole line with its line end.
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

    /// Checks a whole line.
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
