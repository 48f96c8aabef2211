//! H.323 call signalling (H.225.0) with tunnelled registrations (H.460.17): who is asked for.
//!
//! Four small steps: `tpkt` frames (RFC 1006), `q931` finds the User-user information element, `h225` reads it, and
//! `identifier` makes a host name of what stands there. `registration` holds what is registered, `alias` by which names,
//! `speaks` for whom a message speaks, and what a gatekeeper answers.
//!
//! A User-user element that cannot be read, or that another reader may find elsewhere, is malformed, in front of the
//! decision and after it: a registration may be hidden in it (contract section 3). A message without one decides nothing.
//! Reading one message, of whatever octets, takes less than 1 MiB (`tests/h323_memory.rs`).

mod alias;
mod found;
mod h225;
mod identifier;
mod q931;
mod registration;
mod speaks;
mod tpkt;

pub use alias::Alias;
pub use identifier::host as host_of_identifier;
pub use registration::{Registration, Verb};
pub use speaks::{Answer, Reply, Speaks};

use super::Inspect;
use crate::reason::Reason;

/// The most octets before the decision, and the longest message among them (contract section 1, step 3).
pub const OPENING_LIMIT: usize = 16 * 1024;

/// The longest message after it: what a TPKT can hold (RFC 1006 §6).
pub const MESSAGE_LIMIT: usize = 65_535;

/// What a message of a client asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// An empty TPKT.
    KeepAlive,
    /// To be known as an endpoint.
    Registration(Registration),
    /// A call.
    Setup(Setup),
    /// RAS messages that speak for an endpoint, and register none.
    Ras(Speaks),
    /// Anything else.
    Other(Other),
}

/// What decides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Other {
    /// May come in front of a registration: NOTIFY, STATUS, STATUS ENQUIRY, INFORMATION, ESCAPE, and every message
    /// without a User-user element but a Setup.
    Early {
        /// Its elements can be read.
        readable: bool,
    },
    /// Any other message that can be read.
    Late,
    /// A message whose elements cannot be read, but in which no other reader can find a User-user element; or a Setup
    /// without a User-user element.
    Unreadable,
}

/// A Setup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// The call reference value, with the flag of its origin.
    pub call_reference: u16,
    /// Who is called.
    pub destinations: Vec<Alias>,
    /// Who calls.
    pub speaks: Speaks,
}

impl Setup {
    /// The domain of the destination's aliases; `None`: there is none.
    ///
    /// # Errors
    /// Two aliases with two domains.
    pub fn domain(&self) -> Result<Option<&str>, Reason> {
        let mut found: Option<&str> = None;
        for domain in self.destinations.iter().filter_map(identifier::domain) {
            if found.is_some_and(|found| !found.eq_ignore_ascii_case(domain)) {
                return Err(Reason::Malformed);
            }
            found = Some(domain);
        }
        Ok(found)
    }
}

/// Reads one message of a client, when it is there as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inspector {
    limit: usize,
}

impl Inspector {
    /// One that takes messages of at most `limit` octets.
    pub const fn new(limit: usize) -> Self {
        Self { limit }
    }

    /// Looks at the octets so far; `input` must begin with what was given before.
    pub fn inspect(&mut self, input: &[u8]) -> Inspect<Ask> {
        let (content, len) = match tpkt::frame(input, self.limit) {
            Ok(Some(frame)) => frame,
            Ok(None) => return Inspect::NeedMore,
            Err(reason) => return Inspect::Reject(reason),
        };
        match message(content) {
            Ok(ask) => Inspect::Found { ask, len },
            Err(reason) => Inspect::Reject(reason),
        }
    }
}

/// Reads up to the message that decides: empty TPKTs and [`Other::Early`] are passed over, within [`OPENING_LIMIT`].
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Opening {
    /// Octets that decide nothing.
    seen: usize,
    /// Some of them cannot be read.
    unclear: bool,
}

impl Opening {
    /// Whether there was something in front of what was found that cannot be read.
    pub const fn is_unclear(&self) -> bool {
        self.unclear
    }

    /// Whether nothing but whole messages that decide nothing has come: keep-alives are no part of a request.
    pub const fn is_idle(&self, input: &[u8]) -> bool {
        self.seen > 0 && self.seen == input.len()
    }

    /// Looks at the octets so far. What is found ends with the message that decides, and is a
    /// [`Ask::Registration`] or a [`Ask::Setup`].
    pub fn inspect(&mut self, input: &[u8]) -> Inspect<Ask> {
        loop {
            let rest = input.get(self.seen..).unwrap_or_default();
            match Inspector::new(OPENING_LIMIT).inspect(rest) {
                Inspect::Found { ask: Ask::KeepAlive, len } => self.seen += len,
                Inspect::Found { ask: Ask::Other(Other::Early { readable }), len } => {
                    self.seen += len;
                    self.unclear |= !readable;
                }
                Inspect::Found { len, .. } if self.seen + len > OPENING_LIMIT => break,
                Inspect::Found { ask: Ask::Ras(_) | Ask::Other(Other::Late), .. } => {
                    return Inspect::Reject(Reason::Method);
                }
                Inspect::Found { ask: Ask::Other(Other::Unreadable), .. } => {
                    return Inspect::Reject(Reason::Malformed);
                }
                Inspect::Found { ask, len } => return Inspect::Found { ask, len: self.seen + len },
                Inspect::Reject(reason) => return Inspect::Reject(reason),
                Inspect::NeedMore if input.len() >= OPENING_LIMIT => break,
                Inspect::NeedMore => return Inspect::NeedMore,
            }
        }
        Inspect::Reject(Reason::TooLarge)
    }
}

/// How many octets the message takes that begins here, of a client or of a gatekeeper; `None`: not known yet.
///
/// # Errors
/// It is no TPKT.
pub fn size(input: &[u8]) -> Result<Option<usize>, Reason> {
    tpkt::size(input, MESSAGE_LIMIT)
}

/// What a whole message of a gatekeeper says; nothing, if it cannot be read.
pub fn reply(message: &[u8]) -> Reply {
    let found = tpkt::frame(message, MESSAGE_LIMIT).ok().flatten().and_then(|(content, _)| {
        let user = q931::read(content)?.user_user?;
        h225::user_information(user)
    });
    found.map(|found| found.reply).unwrap_or_default()
}

/// What is in a TPKT.
fn message(content: &[u8]) -> Result<Ask, Reason> {
    if content.is_empty() {
        return Ok(Ask::KeepAlive);
    }
    let Some(signal) = q931::read(content) else { return outside(content) };
    if signal.ambiguous {
        return Err(Reason::Malformed);
    }
    let Some(user) = signal.user_user else {
        return Ok(Ask::Other(match signal.kind {
            q931::Kind::Setup => Other::Unreadable,
            _ => Other::Early { readable: true },
        }));
    };
    let mut found = h225::user_information(user).ok_or(Reason::Malformed)?;
    if signal.kind == q931::Kind::Setup {
        found.speaks.aliases.extend(signal.calling());
    }
    let mut registrations = found.registrations.into_iter();
    if let Some(mut first) = registrations.next() {
        for next in registrations {
            first.add(next)?;
        }
        first.speaks = found.speaks;
        return Ok(Ask::Registration(first));
    }
    match found.destinations {
        Some(destinations) if signal.kind == q931::Kind::Setup => Ok(Ask::Setup(Setup {
            call_reference: signal.call_reference,
            destinations,
            speaks: found.speaks,
        })),
        // The message type and the body disagree about whether this is a call: a PBX may go by either of them.
        Some(_) => Err(Reason::Malformed),
        None if signal.kind == q931::Kind::Setup => Err(Reason::Malformed),
        None if !found.speaks.is_empty() => Ok(Ask::Ras(found.speaks)),
        None => Ok(Ask::Other(match signal.kind {
            q931::Kind::Early if !found.ras => Other::Early { readable: true },
            _ => Other::Late,
        })),
    }
}

/// A message whose elements cannot be read. It is malformed if another reader may find a User-user element in it.
fn outside(content: &[u8]) -> Result<Ask, Reason> {
    if q931::may_hold_user_user(content) {
        return Err(Reason::Malformed);
    }
    Ok(Ask::Other(match q931::kind(content) {
        Some(q931::Kind::Early | q931::Kind::Escape) => Other::Early { readable: false },
        _ => Other::Unreadable,
    }))
}

#[cfg(test)]
#[allow(dead_code, reason = "the types of the standard stand there whole")]
mod oracle;
#[cfg(test)]
mod tests;
