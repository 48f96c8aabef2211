//! In which order the addresses of a target are tried.

use std::net::SocketAddr;

use smallvec::SmallVec;

use super::ConnectionWanted;
use crate::rules::{Endpoint, FAILBACK};
use crate::upstream::Health;
use crate::upstream::health::Turn;

/// In which order the addresses of a target are tried. Each is asked about once, because an address whose pause is over has
/// its place for one connection alone.
pub(super) struct Turns<'a> {
    health: &'a Health,
    /// SIP and H.323 return to an address only after a while.
    is_for_phones: bool,
    /// An address that is tried last, whatever is known of it.
    vanished: Option<SocketAddr>,
    /// Any address will do.
    may_choose: bool,
    /// There is more than one address, so that the order matters.
    pub(super) has_several: bool,
    known: SmallVec<[(SocketAddr, Turn); 4]>,
}

impl<'a> Turns<'a> {
    /// Of the addresses for `wanted`. `vanished` is tried last.
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

    /// A name has so many addresses.
    pub(super) fn resolved(&mut self, count: usize) {
        self.has_several |= self.may_choose && count > 1;
    }

    /// When `address` is tried.
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

    /// Whether nothing is left for a later turn.
    pub(super) fn are_all_in_order(&self) -> bool {
        self.known.iter().all(|(_, turn)| *turn == Turn::InOrder)
    }
}
