//! The changes by a rule to a request, as text: the path for the target, and the values of the fields that the rule
//! sets. The relay writes them into the head, and `explain` shows them.

use std::borrow::Cow;
use std::io::Write as _;
use std::net::IpAddr;

use crate::rules::{SetField, Treatment, ValuePart};

/// The changes by a rule to a request on its way, and to its answer (contract section 9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleEdits<'t> {
    /// The rule's settings.
    pub treatment: &'t Treatment,
    /// The value of `{tenant}`, in ASCII without control characters: the captured tenant's id. If no tenant has the
    /// captured text, the text itself. If nothing is captured, the id of the host's tenant, or nothing.
    pub tenant: Cow<'t, str>,
    /// The value of `{tenant.name}`: the friendly name of that tenant. If no tenant has the captured text, the decoded
    /// text.
    pub tenant_name: Option<Cow<'t, str>>,
    /// How many octets are taken off the front of [`Ask::target`](super::Ask::target). The rest begins with a slash or
    /// with the query, or is empty.
    pub stripped: usize,
    /// The client's address, as far as it is believed.
    pub client: IpAddr,
}

impl RuleEdits<'_> {
    /// Splits path and query into the part that is taken off, and the rest. `None`: nothing is taken off.
    pub fn split<'a>(&self, target: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let path = memchr::memchr(b'?', target).unwrap_or(target.len());
        let takes_off = self.stripped > 0 && target.first() == Some(&b'/');
        target.split_at_checked(self.stripped.min(path)).filter(|_| takes_off)
    }

    /// Writes path and query for the target. The path is never empty, and begins with one slash. `*` stays as it is.
    pub fn put_target(&self, out: &mut Vec<u8>, target: &[u8]) {
        let Some((_, mut rest)) = self.split(target) else { return out.extend_from_slice(target) };
        while let Some(less) = rest.strip_prefix(b"/") {
            rest = less;
        }
        out.push(b'/');
        out.extend_from_slice(rest);
    }

    /// Writes the value of a field that the rule sets. `put_client` writes the value of `{client}`.
    pub fn put_value(&self, out: &mut Vec<u8>, field: &SetField, put_client: impl Fn(&mut Vec<u8>)) {
        for piece in &field.value {
            match piece {
                ValuePart::Text(text) => put_text(out, text),
                ValuePart::Tenant => put_text(out, &self.tenant),
                ValuePart::TenantName => {
                    let name = self.tenant_name.as_deref().unwrap_or_default();
                    name.bytes().for_each(|octet| put_escaped(out, octet, is_unreserved(octet)));
                }
                ValuePart::Client => put_client(out),
            }
        }
    }
}

/// Writes a text. A control character would be percent-encoded.
fn put_text(out: &mut Vec<u8>, text: &str) {
    text.bytes().for_each(|octet| put_escaped(out, octet, !octet.is_ascii_control()));
}

/// Writes an octet as it is if it `passes`. Otherwise it is percent-encoded.
pub(crate) fn put_escaped(out: &mut Vec<u8>, octet: u8, passes: bool) {
    if passes {
        out.push(octet);
    } else {
        let _ = write!(out, "%{octet:02X}");
    }
}

/// Whether an octet is unreserved (RFC 3986 section 2.3).
pub(crate) const fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~')
}
