//! SIP: the users for whom a client's message speaks (contract section 5).
//!
//! From names the sender, and a REGISTER's To names the user that is registered. P-Asserted-Identity,
//! P-Preferred-Identity and Remote-Party-ID are shown to the called party in place of From. A certificate must prove all
//! of them.
//!
//! A phone answers a call under the address that was called. That may be an extension that no certificate has. The
//! phone's own requests in that dialog use this address too (RFC 3261 §12.1.1). [`Dialogs`] remembers such addresses,
//! because the PBX gave them to the phone.

mod address;
mod credential;
mod dialogs;
mod seen;

pub use credential::{ClaimLimits, Speaker};
pub use dialogs::Dialogs;
pub use seen::SeenDialogs;

use address::is_all;

use super::{Claim, Names};
use crate::inspect::Span;
use crate::inspect::sip::{Field, FieldKind, Message, Scheme, entries, name_addr, uri};

/// A connection that went out by TLS because its client's certificate proves the name.
#[derive(Debug)]
pub struct Verified {
    names: Names,
    dialogs: Dialogs,
}

impl Verified {
    /// The state of a connection whose certificate has these names.
    pub fn new(names: Names) -> Self {
        Self { names, dialogs: Dialogs::default() }
    }

    /// The first URI of a request that is not the client's own. `None`: the request speaks for its sender alone.
    /// `is_here` tells whether a host is one of the hosts to which the connection belongs.
    pub fn other<'h>(
        &self,
        head: &'h [u8],
        request: &Message,
        is_here: impl Fn(&[u8]) -> bool,
    ) -> Option<&'h [u8]> {
        let dialog = self.dialogs.of_client(head, request);
        // A REGISTER registers a name whatever tags it has, so it belongs to no dialog.
        let registers = request.method(head) == Some(b"REGISTER");
        let in_dialog = |said: &[u8]| !registers && dialog.has(said);
        other(head, request, |said| is_own(&self.names, said, &is_here) || in_dialog(said))
    }

    /// The fields of a client's response that speak for another user.
    pub fn other_fields<'m>(
        &self,
        head: &[u8],
        response: &'m Message,
        is_here: impl Fn(&[u8]) -> bool,
    ) -> impl Iterator<Item = &'m Field> {
        let dialog = self.dialogs.of_target(head, response);
        let fine =
            move |said: &[u8]| is_withheld(said) || is_own(&self.names, said, &is_here) || dialog.has(said);
        let identities_of = response.fields_of(FieldKind::Identity);
        identities_of.filter(move |field| !identities(head, field).all(&fine))
    }

    /// Takes note of a request of the PBX. The client answers it under the address in To.
    pub fn heard(&mut self, head: &[u8], request: &Message) {
        if matches!(request.method(head), Some(b"INVITE" | b"SUBSCRIBE" | b"REFER")) {
            self.dialogs.note(head, request);
        }
    }
}

/// Whether the certificate proves every user for whom a first request speaks. `is_here` is as for [`Verified::other`].
pub fn request(names: &Names, head: &[u8], request: &Message, is_here: impl Fn(&[u8]) -> bool) -> bool {
    !is_anonymous(head, request) && other(head, request, |said| is_own(names, said, &is_here)).is_none()
}

/// The first URI of a request for which `own` is false.
fn other<'h>(head: &'h [u8], request: &Message, own: impl Fn(&[u8]) -> bool) -> Option<&'h [u8]> {
    let part = |span: Span| span.of_input(head);
    let (from, to) = (&request.from, &request.to);
    let registers = request.method(head) == Some(b"REGISTER");
    let same = || {
        part(from.user).eq_ignore_ascii_case(part(to.user))
            && part(from.host).eq_ignore_ascii_case(part(to.host))
    };
    // A withheld number is no name, so there is nothing to prove. A registration must have a name.
    let withheld = !registers && is_anonymous(head, request);
    let is_sip = |uri: Span, host: Span| !host.is_empty() && own(part(uri));
    if !withheld && !is_sip(from.uri, from.host) {
        return Some(part(from.uri));
    }
    if registers && !(is_sip(to.uri, to.host) && same()) {
        return Some(part(to.uri));
    }
    let said = request.fields_of(FieldKind::Identity).flat_map(|field| identities(head, field));
    said.into_iter().find(|said| !is_withheld(said) && !own(said))
}

/// The URIs of an identity field. A value that cannot be read is returned whole: no certificate proves it.
fn identities<'h>(head: &'h [u8], field: &Field) -> impl Iterator<Item = &'h [u8]> {
    let values = entries(field.value.of_input(head));
    values.map(|value| name_addr(value).map_or(value, |address| address.uri))
}

/// Whether the certificate proves that this URI is the client's, at a host to which the connection belongs.
fn is_own(names: &Names, said: &[u8], is_here: impl Fn(&[u8]) -> bool) -> bool {
    let Some(cut) = uri(said) else { return false };
    if cut.scheme == Scheme::Other {
        return telephone(said).is_some_and(|number| user(names, number, b""));
    }
    user(names, cut.user, cut.host) && is_all(said, cut.user) && is_here(cut.host)
}

/// The number of a `tel:` URI (RFC 3966).
fn telephone(uri: &[u8]) -> Option<&[u8]> {
    let (scheme, number) = uri.split_at_checked(4)?;
    scheme.eq_ignore_ascii_case(b"tel:").then_some(number)
}

/// Whether the certificate proves this user at this host. A user part with parameters, a password or an escape has more
/// than one reading. So it is never proven.
pub fn user(names: &Names, user: &[u8], host: &[u8]) -> bool {
    let (Ok(name), Ok(host)) = (str::from_utf8(user), str::from_utf8(host)) else { return false };
    !name.is_empty() && !name.contains([';', ':', '%', '@']) && names.prove(Claim { name, host })
}

/// Whether From is anonymous (RFC 3323 §4.1). User and host must both be, because a PBX may look at the user alone.
pub fn is_anonymous(head: &[u8], request: &Message) -> bool {
    is_withheld(request.from.uri.of_input(head))
}

/// Whether a URI stands for a withheld number.
pub fn is_withheld(said: &[u8]) -> bool {
    uri(said).is_some_and(|cut| {
        cut.user.eq_ignore_ascii_case(b"anonymous")
            && cut.host.eq_ignore_ascii_case(b"anonymous.invalid")
            && is_all(said, cut.user)
    })
}

#[cfg(test)]
mod tests;
