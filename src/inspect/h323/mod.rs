//! H.323 call signalling (H.225.0) with tunnelled registrations (H.460.17): who is asked for.
//!
//! Four small steps: `tpkt` frames (RFC 1006), `q931` finds the User-user information element, `h225` reads it, and
//! `identifier` makes a host name of what stands there.
//!
//! The aligned PER is read by `rasn`, decode-only, with the part of H.225.0 that matters here; `h225` says what that
//! crate does and what is added. What it cannot read is told from what is malformed: in front of the decision both are
//! refused, after it call signalling passes whatever it holds. Reading one message, of whatever octets, takes less than
//! 1 MiB (`tests/h323_memory.rs`).

mod h225;
mod identifier;
mod q931;
mod tpkt;

pub use h225::Alias;
pub use identifier::host as host_of_identifier;

use super::Inspect;
use crate::reason::Reason;

/// The most octets before the decision, and the longest message among them (SPEC section 1, step 3).
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
    /// Anything else.
    Other(Other),
}

/// What decides nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Other {
    /// NOTIFY, STATUS, INFORMATION or ESCAPE: may come in front of a registration, whatever it holds.
    Early {
        /// What it holds can be read.
        readable: bool,
    },
    /// Any other message that can be read.
    Late,
    /// One that cannot be read.
    Unreadable,
}

/// The RAS messages of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// GatekeeperRequest.
    Gatekeeper,
    /// RegistrationRequest.
    Registration,
}

impl Verb {
    /// The short name that the field uses.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gatekeeper => "GRQ",
            Self::Registration => "RRQ",
        }
    }
}

/// A GatekeeperRequest or a RegistrationRequest, or several in one message that agree.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Registration {
    /// What the first of them is.
    pub verb: Verb,
    /// requestSeqNum of the first.
    pub sequence: u16,
    /// The gatekeeper identifier without trailing NULs; `None`: there is none, or it is empty.
    pub identifier: Option<String>,
    /// All aliases of all of them.
    pub aliases: Vec<Alias>,
    /// Whether it only keeps a registration alive.
    pub keep_alive: bool,
    /// There is a RegistrationRequest among them.
    pub registers: bool,
    /// One of those is no keep-alive and has no alias.
    pub unnamed: bool,
    /// More is registered than the aliases say, or they are added to what there is: additiveRegistration,
    /// terminalAliasPattern, the prefixes of a gateway.
    pub adds: bool,
}

impl Registration {
    /// The host that the identifier names (SPEC section 2); `None`: none.
    pub fn host(&self) -> Option<&str> {
        self.identifier.as_deref().map(identifier::host).filter(|host| !host.is_empty())
    }

    /// Whether both ask for the same gatekeeper.
    fn agrees(&self, other: &Self) -> bool {
        match (&self.identifier, &other.identifier) {
            (Some(one), Some(two)) => one.eq_ignore_ascii_case(two),
            (None, None) => true,
            _ => false,
        }
    }
}

/// A Setup.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Setup {
    /// The call reference value, with the flag of its origin.
    pub call_reference: u16,
    /// Who is called.
    pub destinations: Vec<Alias>,
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
                Inspect::Found { ask: Ask::Other(Other::Late), .. } => {
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

/// What a gatekeeper makes of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answer {
    /// RegistrationConfirm.
    Confirmed,
    /// RegistrationReject for security: the login is wrong.
    Denied,
    /// RegistrationReject for another reason.
    Rejected,
}

/// What a whole message of a gatekeeper says of a registration; `None`: nothing that can be read.
pub fn answer(message: &[u8]) -> Option<Answer> {
    let (content, _) = tpkt::frame(message, MESSAGE_LIMIT).ok()??;
    h225::user_information(q931::read(content)?.user_user?)?.answer
}

/// How many octets the message takes that begins here, of a client or of a gatekeeper; `None`: not known yet.
///
/// # Errors
/// It is no TPKT.
pub fn size(input: &[u8]) -> Result<Option<usize>, Reason> {
    tpkt::size(input, MESSAGE_LIMIT)
}

/// What is in a TPKT.
fn message(content: &[u8]) -> Result<Ask, Reason> {
    if content.is_empty() {
        return Ok(Ask::KeepAlive);
    }
    let early = q931::kind(content).is_some_and(q931::Kind::is_early);
    let [other, unreadable] = match early {
        true => [Other::Early { readable: true }, Other::Early { readable: false }],
        false => [Other::Late, Other::Unreadable],
    }
    .map(Ask::Other);
    let Some(signal) = q931::read(content) else { return Ok(unreadable) };
    if signal.repeated {
        // Readers differ in which of them counts.
        return Err(Reason::Malformed);
    }
    let Some(user) = signal.user_user else {
        let needs = matches!(signal.kind, q931::Kind::Setup | q931::Kind::Facility);
        return Ok(if needs { unreadable } else { other });
    };
    let Some(found) = h225::user_information(user) else { return Ok(unreadable) };
    if found.unreadable && !found.registrations.is_empty() {
        // Somebody else may be able to read the other one, and it may be a registration as well.
        return Err(Reason::Malformed);
    }
    let mut registrations = found.registrations.into_iter();
    if let Some(mut first) = registrations.next() {
        for next in registrations {
            if !first.agrees(&next) {
                return Err(Reason::Malformed);
            }
            first.keep_alive &= next.keep_alive;
            first.registers |= next.registers;
            first.unnamed |= next.unnamed;
            first.adds |= next.adds;
            first.aliases.extend(next.aliases);
        }
        return Ok(Ask::Registration(first));
    }
    Ok(match found.destinations {
        _ if found.unreadable => unreadable,
        Some(destinations) if signal.kind == q931::Kind::Setup => {
            Ask::Setup(Setup { call_reference: signal.call_reference, destinations })
        }
        _ if signal.kind == q931::Kind::Setup => unreadable,
        _ => other,
    })
}

#[cfg(test)]
mod tests;
