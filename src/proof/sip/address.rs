//! Parts of an address in a SIP message that are compared octet by octet.

use crate::inspect::sip::{FieldKind, Message, name_addr, param};

/// Whether exactly `user` stands between the scheme and the host of `uri`, without a password (RFC 3261 §19.1.1).
pub(super) fn is_all(uri: &[u8], user: &[u8]) -> bool {
    let behind_scheme = uri.splitn(2, |octet| *octet == b':').nth(1);
    behind_scheme.and_then(|rest| rest.strip_prefix(user)).is_some_and(|rest| rest.starts_with(b"@"))
}

/// The tag of From.
pub(super) fn from_tag<'h>(head: &'h [u8], message: &Message) -> &'h [u8] {
    let from =
        message.fields_of(FieldKind::From).next().and_then(|field| name_addr(field.value.of_input(head)));
    from.and_then(|address| param(address.params, b"tag")).unwrap_or_default()
}
