//! The exchange of credentials for a limited time (contract section 9, `exchange = "sip"`;
//! draft-uberti-behave-turn-rest-00): a client sends a credential that is made with a tenant's own secret, and gets a
//! credential that is made with a secret of `[sip]`. Pure: time is an argument.
//!
//! The new username is `timestamp:TENANT/user@domain`. The new credential never lasts longer than the client's.

use serde_json::Value;
use zeroize::Zeroizing;

use super::Secret;
use super::ephemeral::{self, Ephemeral, Validity};

/// Whether `user` may be part of `TENANT/user@domain`. If it contained a slash or an `@`, two parsers could find
/// different tenants, users or domains.
pub fn is_plain_user(user: &str) -> bool {
    !user.is_empty() && !user.contains(|c: char| c == '/' || c == '@' || c.is_control())
}

/// Makes a credential that speaks for a user of a tenant at a domain. `user` must be [plain](is_plain_user). Ids of
/// tenants contain no slash.
pub fn make(
    expires: u64,
    (tenant, user, domain): (&str, &str, &str),
    secret: &[u8],
) -> (String, Zeroizing<String>) {
    ephemeral::make(expires, &format!("{tenant}/{user}@{domain}"), secret)
}

/// The credential that a client sends.
pub struct BroughtCredential {
    username: Zeroizing<String>,
    password: Zeroizing<String>,
    /// The domain that the client wants, if there are several.
    domain: Option<String>,
}

impl std::fmt::Debug for BroughtCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Brought").finish_non_exhaustive()
    }
}

/// The form of a body.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Form {
    /// `application/x-www-form-urlencoded`.
    UrlEncoded,
    /// `application/json`.
    Json,
}

impl Form {
    /// The form for a Content-Type, whatever its parameters are. `None`: it is another type.
    pub fn of(content_type: &[u8]) -> Option<Self> {
        let essence = content_type.split(|octet| *octet == b';').next().unwrap_or_default().trim_ascii();
        let is = |name: &str| essence.eq_ignore_ascii_case(name.as_bytes());
        match () {
            () if is("application/x-www-form-urlencoded") => Some(Self::UrlEncoded),
            () if is("application/json") => Some(Self::Json),
            () => None,
        }
    }
}

impl BroughtCredential {
    /// Reads a body. `None`: username and password do not occur exactly once. Other fields are ignored.
    pub fn read(form: Form, body: &[u8]) -> Option<Self> {
        let mut brought = [None, None, None];
        let mut put = |name: &str, value: Option<String>| match FIELDS.iter().position(|one| *one == name) {
            None => Some(()),
            Some(at) => match brought.get_mut(at)? {
                Some(_) => None,
                room => {
                    *room = Some(value?);
                    Some(())
                }
            },
        };
        match form {
            Form::UrlEncoded => {
                for pair in body.split(|octet| *octet == b'&').filter(|pair| !pair.is_empty()) {
                    let mut parts = pair.splitn(2, |octet| *octet == b'=');
                    let name = url_decoded(parts.next().unwrap_or_default())?;
                    put(&name, url_decoded(parts.next().unwrap_or_default()))?;
                }
            }
            Form::Json => {
                let Ok(Value::Object(object)) = serde_json::from_slice(body) else { return None };
                if members(body) != object.len() {
                    return None;
                }
                for (name, value) in object {
                    let text = if let Value::String(text) = value { Some(text) } else { None };
                    put(&name, text)?;
                }
            }
        }
        let [username, password, domain] = brought;
        let mut password = Zeroizing::new(password?);
        if form == Form::UrlEncoded && password.contains(' ') {
            // Base64 contains no blank. A blank here is a plus sign that the client has not encoded.
            password = Zeroizing::new(password.replace(' ', "+"));
        }
        Some(Self { username: Zeroizing::new(username?), password, domain })
    }

    /// The wanted domain. `None`: Portward chooses it.
    pub fn domain(&self) -> Option<&str> {
        self.domain.as_deref().filter(|domain| !domain.is_empty())
    }

    /// Judges the credential by the tenant's own secrets at `now`. `longest`: the longest allowed lifetime in seconds.
    ///
    /// # Errors
    /// Why the client gets no credential for it.
    pub fn judge(
        &self,
        secrets: &[Secret],
        now: u64,
        longest: u64,
    ) -> Result<GenuineCredential<'_>, ExchangeRefusal> {
        let read = Ephemeral::read(self.username.as_bytes()).ok_or(ExchangeRefusal::Wrong)?;
        if !read.is_genuine(self.password.as_bytes(), secrets) {
            return Err(ExchangeRefusal::Wrong);
        }
        match read.validity(now, longest) {
            Validity::Good => {}
            Validity::Expired => return Err(ExchangeRefusal::Expired),
            Validity::TooLong => return Err(ExchangeRefusal::Wrong),
        }
        let user = std::str::from_utf8(read.user).ok().filter(|user| is_plain_user(user));
        let user = user.ok_or(ExchangeRefusal::OtherName)?;
        Ok(GenuineCredential { user, expires: read.expires.min(now.saturating_add(longest)) })
    }
}

const FIELDS: [&str; 3] = ["username", "password", "domain"];

/// A genuine and valid credential of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct GenuineCredential<'b> {
    /// The user.
    pub user: &'b str,
    /// The expiry of the new credential, in seconds since 1970.
    pub expires: u64,
}

/// Why a client gets no credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ExchangeRefusal {
    /// The client's credential is not made with a secret of the tenant, or its lifetime is longer than allowed.
    Wrong,
    /// The client's credential is genuine, but has expired.
    Expired,
    /// The client's credential is genuine, but its user could be read as a user of another tenant or domain.
    OtherName,
}

/// How many members the text of a JSON object has. A repeated name counts twice, because some parsers use its first
/// value and others its last (RFC 8259 section 4).
fn members(object: &[u8]) -> usize {
    let (mut count, mut depth, mut in_string, mut is_escaped) = (0, 0_usize, false, false);
    for octet in object {
        match octet {
            _ if is_escaped => is_escaped = false,
            b'\\' => is_escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'{' | b'[' => depth += 1,
            b'}' | b']' => depth = depth.saturating_sub(1),
            b':' if depth == 1 => count += 1,
            _ => {}
        }
    }
    count
}

/// A name or a value of a form (WHATWG URL, section 5.1). `None`: it is not UTF-8. A `%` without two digits stands for itself.
fn url_decoded(text: &[u8]) -> Option<String> {
    let digit = |octet: Option<&u8>| octet.and_then(|octet| char::from(*octet).to_digit(16));
    let mut octets = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, behind @ ..] = rest {
        let escaped = match (first, digit(behind.first()), digit(behind.get(1))) {
            (b'%', Some(high), Some(low)) => u8::try_from(high * 16 + low).ok(),
            _ => None,
        };
        match escaped {
            Some(octet) => {
                octets.push(octet);
                rest = behind.get(2..).unwrap_or_default();
            }
            None => {
                octets.push(if *first == b'+' { b' ' } else { *first });
                rest = behind;
            }
        }
    }
    String::from_utf8(octets).ok()
}

#[cfg(test)]
mod tests;
