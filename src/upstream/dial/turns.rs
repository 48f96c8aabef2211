//! The order in which the addresses of a target are tried.

use std::net::SocketAddr;

use smallvec::SmallVec;

use super::ConnectionWanted;
use crate::rules::{Endpoint, FAILBACK};
use crate::upstream::Health;
use crate::upstream::health::Turn;

/// Decides the order in which the addresses of a target are tried. Each is asked about once: an address whose pause is
/// over gets its old place for one connection only.
pub(super) struct Turns<'a> {
    health: &'a Health,
    /// SIP and H.323 return to an address only after a while.
    is_for_phones: bool,
    /// An address that is tried last, whatever its state is.
    vanished: Option<SocketAddr>,
    /// Any address will do.
    may_choose: bool,
    /// There is more than one address, so that the order matters.
    pub(super) has_several: bool,
    known: SmallVec<[(SocketAddr, Turn); 4]>,
}

impl<'a> Turns<'a> {
    /// The turns of the addresses for `wanted`. `vanished` is tried last.
    pub(super) fn new(
        health: &'a Health,
        wanted: &ConnectionWanted<'_>,
        vanished: Option<SocketAddr>,
    ) -> Self {
        let may_choose = wanted.only.is_none();
        let has_several = wanted.endpoints.len() > 1 && may_choose;
        let is_for_phones = wanted.service.is_for_phones();
        Self { health, is_for_phones, vanished, may_choose, has_several, known: SmallVec::new() }
    }

    /// Takes note that a name has this many addresses.
    pub(super) fn resolved(&mut self, count: usize) {
        self.has_several |= self.may_choose && count > 1;
    }

    /// The turn of `address`.
    pub(super) fn of(&mut self, address: SocketAddr, endpoint: &Endpoint) -> Turn {
        if self.vanished == Some(address) {
            self.known.push((address, Turn::Silent));
            return Turn::Silent;
        }
        if !self.has_several || (self.known.is_empty() && self.health.is_quiet()) {
            return Turn::InOrder;
        }
        if let Some((_, turn)) = self.known.iter().find(|(known, _)| *known == address) {
            return *turn;
        }
        let failback = self.is_for_phones.then(|| endpoint.options.failback.unwrap_or(FAILBACK));
        let turn = self.health.turn(address, failback);
        self.known.push((address, turn));
        turn
    }

    /// Whether no address is left for a later turn.
    pub(super) fn are_all_in_order(&self) -> bool {
        self.known.iter().all(|(_, turn)| *turn == Turn::InOrder)
    }
}
