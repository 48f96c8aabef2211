//! What a rule changes of a request, as text: the path that the target gets, and the values of the fields that the rule sets. The
//! relay writes it into the head, and `explain` shows it.

use std::borrow::Cow;
use std::io::Write as _;
use std::net::IpAddr;

use crate::rules::{SetField, Treatment, ValuePart};

/// What a rule changes of a request on its way, and of its answer (contract section 9).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RuleEdits<'t> {
    /// What the rule says.
    pub treatment: &'t Treatment,
    /// The captured tenant's id, or what the path has in its place where no tenant has it: what `{tenant}` stands for. It is
    /// ASCII without control characters. Where nothing is captured it is that of the host's tenant, or empty.
    pub tenant: Cow<'t, str>,
    /// The friendly name of that tenant, or what the path has in its place, decoded: what `{tenant.name}` stands for.
    pub tenant_name: Option<Cow<'t, str>>,
    /// How many octets are taken off [`Ask::target`](super::Ask::target), from its first. The rest begins with a slash
    /// or with the query, or is empty.
    pub stripped: usize,
    /// Who asks, as far as it is believed.
    pub client: IpAddr,
}

impl RuleEdits<'_> {
    /// The part of path and query that is taken off, and the rest. `None`: nothing is taken off.
    pub fn split<'a>(&self, target: &'a [u8]) -> Option<(&'a [u8], &'a [u8])> {
        let path = memchr::memchr(b'?', target).unwrap_or(target.len());
        let takes_off = self.stripped > 0 && target.first() == Some(&b'/');
        target.split_at_checked(self.stripped.min(path)).filter(|_| takes_off)
    }

    /// Writes path and query as the target gets them. The path is never empty, and begins with one slash. `*` has nothing to
    /// take off.
    pub fn put_target(&self, out: &mut Vec<u8>, target: &[u8]) {
        let Some((_, mut rest)) = self.split(target) else { return out.extend_from_slice(target) };
        while let Some(less) = rest.strip_prefix(b"/") {
            rest = less;
        }
        out.push(b'/');
        out.extend_from_slice(rest);
    }

    /// Writes the value of a field that the rule sets. `put_client` writes what `{client}` stands for.
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

/// A text, in which a control character would be percent-encoded.
fn put_text(out: &mut Vec<u8>, text: &str) {
    text.bytes().for_each(|octet| put_escaped(out, octet, !octet.is_ascii_control()));
}

/// Writes an octet as it is if it `passes`, else percent-encoded.
pub(crate) fn put_escaped(out: &mut Vec<u8>, octet: u8, passes: bool) {
    if passes {
        out.push(octet);
    } else {
        let _ = write!(out, "%{octet:02X}");
    }
}

/// RFC 3986 section 2.3.
pub(crate) const fn is_unreserved(octet: u8) -> bool {
    octet.is_ascii_alphanumeric() || matches!(octet, b'-' | b'.' | b'_' | b'~')
}
