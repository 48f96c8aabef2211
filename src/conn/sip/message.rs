//! What messages are decided by, and how the log shows them.

use crate::config::Config;
use crate::inspect::sip::Message;
use crate::log::Subject;
use crate::proof::own::{Own, PublicAddress};
use crate::proof::token::Tokens;
use crate::route::signalling::Terms;
use crate::service::Transport;
use crate::state::Snapshot;

/// What messages are decided by.
pub(super) fn terms<'s>(snapshot: &'s Snapshot, tokens: &'s Tokens, came_by: Transport) -> Terms<'s> {
    let config = &snapshot.config;
    let is_tls = came_by == Transport::Tls;
    let address = public_address(config, came_by).and_then(|address| PublicAddress::new(address, is_tls));
    Terms {
        table: &snapshot.table,
        default_host: config.default_hosts.sip.as_deref(),
        methods: &config.sip.methods,
        own: Own { tokens, address },
    }
}

/// What the client is told to come back to.
pub(super) fn public_address(config: &Config, came_by: Transport) -> Option<&str> {
    match came_by {
        Transport::Plain => config.sip.public_address_tcp.as_deref(),
        Transport::Tls => config.sip.public_address_tls.as_deref(),
    }
}

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
pub(super) fn subject<'a>(
    who: &'a [u8],
    head: &'a [u8],
    request: &Message,
    certificate: &'a str,
) -> Subject<'a> {
    Subject::Signalling { who, verb: request.method(head).unwrap_or_default(), name: b"", certificate }
}
