//! How the log shows messages.

use crate::conn::certificate::Worth;
use crate::inspect::sip::Message;
use crate::log::Subject;

/// `user@host` of From, or the whole URI where it has no host.
pub(super) fn who(head: &[u8], message: &Message) -> Vec<u8> {
    let (user, host) = (message.from.user.of_input(head), message.from.host.of_input(head));
    match (user, host) {
        (_, []) => message.from.uri.of_input(head).to_vec(),
        ([], host) => host.to_vec(),
        (user, host) => [user, b"@", host].concat(),
    }
}

/// A request as the log shows it.
pub(super) fn subject<'a>(who: &'a [u8], head: &'a [u8], request: &Message, cert: &'a Worth) -> Subject<'a> {
    cert.subject(who, request.method(head).unwrap_or_default(), b"")
}
