//! The sockets that are open: those that the configuration wants. Sockets that are open already are taken over.

use std::sync::Arc;

use socket2::SockRef;

use super::closed::{Closed, complaint};
use super::socket::{self, Socket};
use crate::manager::{Inherited, Origin};
use crate::state::Snapshot;

/// Sorts the inherited sockets. Sockets whose address is in the configuration are taken over, for now or for a later
/// certificate. Sockets of the store whose address was removed from portward.toml are returned apart. A socket unit's
/// other sockets are an error.
pub(super) fn take_over(
    snapshot: &Snapshot,
    inherited: Vec<Inherited>,
) -> Result<(Vec<Arc<Socket>>, Vec<Inherited>), String> {
    let listeners = &snapshot.config.listen.listeners;
    let (mut sockets, mut stale, mut errors) = (Vec::new(), Vec::new(), Vec::new());
    let mut closed: Vec<Closed> = Vec::new();
    for one in inherited {
        let (address, origin) = (one.address, one.origin);
        match listeners.iter().find(|listener| listener.address == address) {
            Some(listener) => match Socket::inherit(*listener, one) {
                Ok(socket) => sockets.push(Arc::new(socket)),
                Err(error) => closed.push((*listener, error)),
            },
            None if origin == Origin::Store => stale.push(one),
            None => errors.push(format!(
                "error: a socket on {address} was passed by LISTEN_FDS, but [listen] has no such address\n  \
                 help: make the socket unit's ListenStream= and portward.toml say the same, or disable the socket unit"
            )),
        }
    }
    if !closed.is_empty() {
        errors.push(complaint(&closed));
    }
    if errors.is_empty() { Ok((sockets, stale)) } else { Err(errors.join("\n")) }
}

/// Whether a socket of `list` has the same address as `socket`.
pub(super) fn is_at(list: &[Arc<Socket>], socket: &Socket) -> bool {
    list.iter().any(|other| other.listener.address == socket.listener.address)
}

/// The socket unit's sockets among `at_hand` that are not in `sockets`. They cannot be opened again, so they are kept.
pub(super) fn unused(at_hand: &[Arc<Socket>], sockets: &[Arc<Socket>]) -> Vec<Arc<Socket>> {
    at_hand.iter().filter(|one| one.origin == Origin::Unit && !is_at(sockets, one)).cloned().collect()
}

/// The sockets that a snapshot wants, and warnings. Sockets that are open already are taken over, even if another
/// service used them before. Sockets in `stale` will be closed, and so will unwanted sockets in `open`.
pub(super) fn open(
    snapshot: &Snapshot,
    open: &[Arc<Socket>],
    stale: &[Inherited],
) -> Result<(Vec<Arc<Socket>>, Vec<String>), String> {
    let (config, tls) = (&snapshot.config, &snapshot.server_tls);
    let (mut sockets, mut notes) = (Vec::new(), Vec::new());
    let mut closed: Vec<Closed> = Vec::new();
    let unwanted = |socket: &&Arc<Socket>| {
        let address = socket.listener.address;
        !config.listen.listeners.iter().any(|listener| listener.address == address)
    };
    let leaving: Vec<_> = open
        .iter()
        .filter(unwanted)
        .map(|socket| socket.view())
        .chain(stale.iter().map(|one| SockRef::from(&one.socket)))
        .collect();
    for listener in &config.listen.listeners {
        if listener.transport.is_tls() && tls.acceptor(listener.service).is_none() {
            continue; // its own warning comes with the certificates
        }
        if let Some(socket) = open.iter().find(|socket| socket.listener.address == listener.address) {
            let is_same = socket.listener == *listener;
            sockets.push(if is_same { socket.clone() } else { Arc::new(socket.speaking(*listener)) });
            continue;
        }
        match Socket::open(*listener, &leaving) {
            Ok(socket) => sockets.push(Arc::new(socket)),
            Err(error) if listener.address.is_ipv6() && socket::no_such_family(&error) => {
                notes.push(format!("no IPv6 in this kernel: {} stays closed", listener.address));
            }
            Err(error) => closed.push((*listener, error)),
        }
    }
    if closed.is_empty() { Ok((sockets, notes)) } else { Err(complaint(&closed)) }
}
