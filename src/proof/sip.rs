//! SIP: the user of From; a REGISTER's To must be the same, because To is what it registers.

use super::{Claim, Names};
use crate::inspect::sip::Message;

/// Whether the certificate proves who the request says it is from; `head` is its header section.
pub fn request(names: &Names, head: &[u8], request: &Message) -> bool {
    let part = |span: crate::inspect::Span| span.of_input(head);
    let (from, to) = (&request.from, &request.to);
    let same = || {
        part(from.user).eq_ignore_ascii_case(part(to.user))
            && part(from.host).eq_ignore_ascii_case(part(to.host))
    };
    let registers = request.method(head) == Some(b"REGISTER");
    user(names, part(from.user), part(from.host))
        && is_all(part(from.uri), part(from.user))
        && (!registers || is_all(part(to.uri), part(to.user)) && same())
}

/// Whether nothing but the user stands in front of the host, no password either (RFC 3261 §19.1.1).
fn is_all(uri: &[u8], user: &[u8]) -> bool {
    let behind_scheme = uri.splitn(2, |octet| *octet == b':').nth(1);
    behind_scheme.and_then(|rest| rest.strip_prefix(user)).is_some_and(|rest| rest.starts_with(b"@"))
}

/// Whether it proves this user at this host. A user part with parameters, a password or an escape has more than one
/// reading, and so none.
pub fn user(names: &Names, user: &[u8], host: &[u8]) -> bool {
    let (Ok(name), Ok(host)) = (str::from_utf8(user), str::from_utf8(host)) else { return false };
    !name.is_empty() && !name.contains([';', ':', '%', '@']) && names.prove(Claim { name, host })
}

/// Whether nobody is named (RFC 3323 §4.1): user and host, because a PBX may look at the user alone.
pub fn is_anonymous(head: &[u8], request: &Message) -> bool {
    request.from.is_anonymous(head) && request.from.user.of_input(head).eq_ignore_ascii_case(b"anonymous")
}
