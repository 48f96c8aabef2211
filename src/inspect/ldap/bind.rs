//! A BindRequest (RFC 4511 §4.2): the name that binds, and the kind of proof. The password is never copied.

use super::ber::{Elements, Malformed, natural};
use super::name;
use super::user::{Domain, Unclear, User};
use crate::reason::Reason;

/// A complete and sound bind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Bind {
    /// The messageID.
    pub id: u32,
    /// The domain and the user, or the error that the name has several readings. The domain is empty if the name has
    /// none.
    pub name: Result<(Domain, User), Unclear>,
    /// The kind of proof.
    pub proof: Proof,
}

/// The demand of a bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Wants<'a> {
    /// The host of the user's domain.
    Host(&'a [u8]),
    /// A bind with a name without a domain.
    NoDomain,
    /// An anonymous bind (an empty password or an empty name), or SASL, whose user Portward does not read.
    Anonymous,
    /// A bind that never passes, and why.
    Never(Reason),
}

impl Bind {
    /// The demand of the bind (contract sections 2 and 3).
    pub fn wants(&self) -> Wants<'_> {
        match (self.proof, &self.name) {
            (Proof::SaslRefused, _) => Wants::Never(Reason::Method),
            (_, Err(Unclear)) => Wants::Never(Reason::Malformed),
            (Proof::Empty | Proof::Sasl, Ok(_)) => Wants::Anonymous,
            (Proof::Password, Ok((domain, _))) if domain.is_empty() => Wants::NoDomain,
            (Proof::Password, Ok((domain, _))) => Wants::Host(domain),
        }
    }

    /// The user that is proven if the directory accepts this bind. It is empty if no user is proven: an anonymous bind
    /// succeeds with any name, and SASL has a name of its own (RFC 4513 §5.2).
    pub fn proven_user(&self) -> &[u8] {
        if self.proof == Proof::Password { self.user() } else { &[] }
    }

    /// The user's name for the log. It is empty if the bind has no readable name.
    pub fn user(&self) -> &[u8] {
        self.name.as_ref().map_or(&[], |(_, user)| user)
    }
}

/// The AuthenticationChoice of a bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Proof {
    /// A password and a name. Both are not empty.
    Password,
    /// An empty password or an empty name. The bind is anonymous even if the other one is not empty (RFC 4513 §5.1.1,
    /// §5.1.2). A server may refuse a password without a name, but many servers answer success. A name of blanks counts
    /// as empty.
    Empty,
    /// SASL with a mechanism that has no security layer.
    Sasl,
    /// SASL with a mechanism that never passes: EXTERNAL (Portward's certificate would be the proof), a mechanism with
    /// a security layer (GSSAPI, GSS-SPNEGO, DIGEST-MD5: messages after it could not be read), and every unknown
    /// mechanism.
    SaslRefused,
}

/// The mechanisms that pass if SASL passes. They have no security layer (the IANA registry of SASL mechanisms).
/// Mechanisms of the SCRAM family (RFC 5802, RFC 7677) are recognised by their prefix. The rest of their names may have
/// any characters that RFC 4422 §3.1 allows.
const WITHOUT_LAYER: [&[u8]; 6] = [b"PLAIN", b"CRAM-MD5", b"LOGIN", b"ANONYMOUS", b"OAUTHBEARER", b"XOAUTH2"];
const SCRAM: &[u8] = b"SCRAM-SHA-";

/// Reads the content of a BindRequest.
///
/// # Errors
/// It is no BindRequest of version 2 or 3. The fields that are read here are the same in version 2 (RFC 1777 §4.1), and
/// old phones use it.
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

/// SaslCredentials: a mechanism and optional credentials.
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
