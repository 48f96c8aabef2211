//! A BindRequest (RFC 4511 §4.2): whose it is and what is shown as a proof. The password is never copied.

use super::ber::{Elements, Malformed, natural};
use super::name;
use super::user::{Domain, Unclear, User};
use crate::reason::Reason;

/// A bind, complete and sound.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// The messageID.
    pub id: u32,
    /// Domain and user, or that the name has several readings. The domain is empty where the name has none.
    pub name: Result<(Domain, User), Unclear>,
    /// What is shown.
    pub proof: Proof,
}

/// What a bind asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants<'a> {
    /// A host, by the domain of the user.
    Host(&'a [u8]),
    /// To be known by a name without a domain.
    NoDomain,
    /// An anonymous bind (an empty password or an empty name), or SASL, whose user Portward does not read.
    Anonymous,
    /// What never passes, and why.
    Never(Reason),
}

impl Bind {
    /// What it asks for (contract sections 2 and 3).
    pub fn wants(&self) -> Wants<'_> {
        match (self.proof, &self.name) {
            (Proof::SaslRefused, _) => Wants::Never(Reason::Method),
            (_, Err(Unclear)) => Wants::Never(Reason::Malformed),
            (Proof::Empty | Proof::Sasl, Ok(_)) => Wants::Anonymous,
            (Proof::Password, Ok((domain, _))) if domain.is_empty() => Wants::NoDomain,
            (Proof::Password, Ok((domain, _))) => Wants::Host(domain),
        }
    }

    /// The user that is proven if the directory accepts this bind. Empty where none is: an anonymous bind succeeds whatever
    /// name it carries, and SASL has a name of its own (RFC 4513 §5.2).
    pub fn proven_user(&self) -> &[u8] {
        if self.proof == Proof::Password { self.user() } else { &[] }
    }

    /// The user's name for the log; empty if the bind has none that can be read.
    pub fn user(&self) -> &[u8] {
        self.name.as_ref().map_or(&[], |(_, user)| user)
    }
}

/// The AuthenticationChoice of a bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A password for a name. Neither is empty.
    Password,
    /// An empty password or an empty name: the bind is anonymous, whatever the other one is (RFC 4513 §5.1.1, §5.1.2). A
    /// server that is given a password without a name may refuse it, but many answer success. Blanks alone are an empty
    /// name.
    Empty,
    /// SASL with a mechanism that has no security layer.
    Sasl,
    /// SASL with a mechanism that never passes: EXTERNAL (the proof would be Portward's certificate), one with a
    /// security layer (GSSAPI, GSS-SPNEGO, DIGEST-MD5: nothing after it could be read), and every unknown one.
    SaslRefused,
}

/// The mechanisms that pass where SASL passes: they have no security layer (the IANA registry of SASL mechanisms).
/// Those of the SCRAM family (RFC 5802, RFC 7677) are known by their prefix; the rest of their names are characters that
/// RFC 4422 §3.1 allows.
const WITHOUT_LAYER: [&[u8]; 6] = [b"PLAIN", b"CRAM-MD5", b"LOGIN", b"ANONYMOUS", b"OAUTHBEARER", b"XOAUTH2"];
const SCRAM: &[u8] = b"SCRAM-SHA-";

/// Reads the content of a BindRequest.
///
/// # Errors
/// What is no BindRequest of version 2 or 3. Version 2 differs in nothing that is looked at (RFC 1777 §4.1), and old
/// phones speak it.
pub(super) fn read(id: u32, content: &[u8]) -> Result<Bind, Malformed> {
    let mut parts = Elements(content);
    if !matches!(natural(parts.expect(0x02)?)?, 2 | 3) {
        return Err(Malformed);
    }
    let name = parts.expect(0x04)?;
    let proof = match parts.take()? {
        (0x80, []) => Proof::Empty,
        (0x80, _) if name::is_blank(name) => Proof::Empty,
        (0x80, _) => Proof::Password,
        (0xa3, content) => sasl(content)?,
        _ => return Err(Malformed),
    };
    if !parts.is_empty() {
        return Err(Malformed);
    }
    Ok(Bind { id, name: name::read(name), proof })
}

/// SaslCredentials: a mechanism, and what it wants to say.
fn sasl(content: &[u8]) -> Result<Proof, Malformed> {
    let mut parts = Elements(content);
    let mechanism = parts.expect(0x04)?;
    if !parts.is_empty() {
        parts.expect(0x04)?;
    }
    if !parts.is_empty() {
        return Err(Malformed);
    }
    let scram = mechanism.split_at_checked(SCRAM.len()).is_some_and(|(prefix, hash)| {
        let is_name = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_');
        prefix.eq_ignore_ascii_case(SCRAM) && hash.iter().all(is_name)
    });
    let passes = scram || WITHOUT_LAYER.iter().any(|known| mechanism.eq_ignore_ascii_case(known));
    Ok(if passes { Proof::Sasl } else { Proof::SaslRefused })
}
