//! H.323 call signalling (H.225.0) with tunnelled registrations (H.460.17): which host a message asks for.
//!
//! Four small steps: `tpkt` frames (RFC 1006), `q931` finds the User-user information element, `h225` reads it, and
//! `identifier` finds the host name in it. `registration` has registrations and `alias` their names. `speaks` has the
//! endpoints that a message speaks for, and the answers of a gatekeeper.
//!
//! A User-user element is malformed if it cannot be read, or if another parser may find it elsewhere. This holds before
//! the decision and after it, because a registration may be hidden in such an element (contract section 3). A message
//! without a User-user element decides nothing. Reading any message takes less than 1 MiB (`tests/h323_memory.rs`).

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

/// The most octets before the decision, which is also the longest message among them (contract section 1, step 3).
pub const OPENING_LIMIT: usize = 16 * 1024;

/// The longest message after the decision. A TPKT cannot be longer (RFC 1006 §6).
pub const MESSAGE_LIMIT: usize = 65_535;

/// The kind of a client's message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ask {
    /// An empty TPKT.
    KeepAlive,
    /// A request to be registered as an endpoint.
    Registration(Registration),
    /// A call.
    Setup(Setup),
    /// RAS messages that speak for an endpoint and register none.
    Ras(Speaks),
    /// Anything else.
    Other(Other),
}

/// Messages that decide nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Other {
    /// A message that may come before a registration: NOTIFY, STATUS, STATUS ENQUIRY, INFORMATION, ESCAPE, and every
    /// message without a User-user element except a Setup.
    Early {
        /// Whether its information elements can be read.
        readable: bool,
    },
    /// Any other message that can be read.
    Late,
    /// A message whose elements cannot be read, but in which no other parser can find a User-user element. Or a Setup
    /// without a User-user element.
    Unreadable,
}

/// A Setup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// The call reference value, with the flag of the originating side.
    pub call_reference: u16,
    /// The called parties.
    pub destinations: Vec<Alias>,
    /// The caller.
    pub speaks: Speaks,
}

impl Setup {
    /// The domain of the destination's aliases. `None`: there is none.
    ///
    /// # Errors
    /// Two aliases have different domains.
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

/// Reads one message of a client as soon as it is complete.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Inspector {
    limit: usize,
}

impl Inspector {
    /// An inspector for messages of at most `limit` octets.
    pub const fn new(limit: usize) -> Self {
        Self { limit }
    }

    /// Examines the octets so far. `input` must begin with the octets of the previous call.
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

/// Reads up to the message that decides. Empty TPKTs and [`Other::Early`] messages are skipped, within
/// [`OPENING_LIMIT`].
#[derive(Debug, Default, Clone, PartialEq, Eq)]
pub struct Opening {
    /// The number of octets that decide nothing.
    seen: usize,
    /// Whether some of these octets cannot be read.
    unclear: bool,
}

impl Opening {
    /// Whether something before the found message cannot be read.
    pub const fn is_unclear(&self) -> bool {
        self.unclear
    }

    /// Whether only complete messages that decide nothing have come. Keep-alives are no part of a request.
    pub const fn is_idle(&self, input: &[u8]) -> bool {
        self.seen > 0 && self.seen == input.len()
    }

    /// Examines the octets so far. The found octets end with the message that decides. It is an [`Ask::Registration`]
    /// or an [`Ask::Setup`].
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

/// The length of the message that begins here, from a client or a gatekeeper. `None`: it is not known yet.
///
/// # Errors
/// It is no TPKT.
pub fn size(input: &[u8]) -> Result<Option<usize>, Reason> {
    tpkt::size(input, MESSAGE_LIMIT)
}

/// The reply in a complete message of a gatekeeper. It is empty if the message cannot be read.
pub fn reply(message: &[u8]) -> Reply {
    let found = tpkt::frame(message, MESSAGE_LIMIT).ok().flatten().and_then(|(content, _)| {
        let user = q931::read(content)?.user_user?;
        h225::user_information(user)
    });
    found.map(|found| found.reply).unwrap_or_default()
}

/// The message in a TPKT.
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
        // The message type and the body disagree whether this is a call. A PBX may decide by either of them.
        Some(_) => Err(Reason::Malformed),
        None if signal.kind == q931::Kind::Setup => Err(Reason::Malformed),
        None if !found.speaks.is_empty() => Ok(Ask::Ras(found.speaks)),
        None => Ok(Ask::Other(match signal.kind {
            q931::Kind::Early if !found.ras => Other::Early { readable: true },
            _ => Other::Late,
        })),
    }
}

/// A message whose elements cannot be read. It is malformed if another parser may find a User-user element in it.
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
