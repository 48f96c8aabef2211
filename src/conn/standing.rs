//! What a PBX says of a client's logins (SPEC section 6): a registration or a bind that it confirms makes a name of the
//! client's address a known one, and the connection one that stays; a login that it refuses is an offence.

use std::net::IpAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::{Client, outcome};
use crate::guard::Offence;
use crate::reason::Reason;
use crate::state::Shared;

/// Who logs in on a connection.
#[derive(Debug)]
pub(super) struct Standing {
    shared: Arc<Shared>,
    confirmed: Arc<AtomicBool>,
    address: IpAddr,
    id: u64,
}

impl Standing {
    pub(super) fn of(client: &Client) -> Self {
        let shared = client.worker.shared.clone();
        let confirmed = client.permit.confirmation().clone();
        Self { shared, confirmed, address: client.facts.client.ip(), id: client.facts.id }
    }

    /// The PBX has confirmed a registration or a bind of `name`.
    pub(super) fn confirmed(&self, name: &[u8]) {
        self.confirmed.store(true, Ordering::Relaxed);
        self.shared.guard.confirm(self.address, name);
    }

    /// The PBX has refused a login; whether that counts, `blacklist.failed_logins` says.
    pub(super) fn failed(&self) {
        failed_login(&self.shared, self.id, self.address);
    }
}

/// A login of `client` that a target has refused.
pub(super) fn failed_login(shared: &Shared, id: u64, client: IpAddr) {
    let snapshot = shared.snapshot.load();
    if snapshot.config.blacklist.failed_logins {
        let offence = Offence { reason: Reason::FailedLogin, path: b"" };
        outcome::suspect(shared, &snapshot.config, id, client, offence);
    }
}
