//! The effect of a PBX's answers to a client's logins on the guard (contract section 6). A confirmed registration or
//! bind adds a name to those of the client's address, and the connection stays when the address is listed. A refused
//! login is an offence.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};
use std::net::IpAddr;
use std::num::NonZeroU16;
use std::sync::Arc;

use smallvec::SmallVec;

use super::client::Client;
use super::ending::{Report, Told, suspect};
use crate::config::Config;
use crate::ending::Ending;
use crate::guard::{Exemption, Offence};
use crate::reason::Reason;
use crate::route::held_route::HeldRoute;
use crate::rules::decide::Rule;
use crate::rules::{Address, Endpoint, Ports};
use crate::service::{Carrier, Transport};
use crate::state::Shared;

/// The doors of a target: one number for each address and port in the rule. Two rules that share a door lead to the
/// same PBX. When names are counted, the first door identifies the PBX.
#[derive(Debug, Clone, Default)]
pub(super) struct Doors(SmallVec<[u64; 2]>);

/// How many addresses of a target get doors.
const ADDRESSES: usize = 4;

impl Doors {
    pub(super) fn of(endpoints: &[Endpoint], ports: Ports) -> Self {
        let number =
            |door: (&Address, NonZeroU16)| BuildHasherDefault::<DefaultHasher>::default().hash_one(door);
        let addresses = endpoints.iter().take(ADDRESSES).map(|endpoint| &endpoint.address);
        let doors = addresses.flat_map(|address| {
            [ports.tcp, ports.tls].into_iter().flatten().map(move |port| number((address, port)))
        });
        Self(doors.collect())
    }

    /// The first door, which identifies the PBX.
    pub(super) fn pbx(&self) -> u64 {
        self.0.first().copied().unwrap_or_default()
    }

    pub(super) fn of_rule(rule: Option<&Rule>) -> Self {
        rule.map(|rule| Self::of(&rule.endpoints, rule.ports.ports())).unwrap_or_default()
    }
}

/// The client of a connection, and the target at which it logs in.
#[derive(Debug)]
pub(super) struct LoginResults {
    shared: Arc<Shared>,
    exemption: Arc<Exemption>,
    told: Told,
    doors: Doors,
}

impl LoginResults {
    /// For a connection to one target.
    pub(super) fn of(client: &Client, held_route: &HeldRoute) -> Self {
        let shared = client.worker.shared.clone();
        let exemption = client.permit.exemption().clone();
        let told = Told::from(&client.facts);
        Self { shared, exemption, told, doors: Doors::of_rule(held_route.rule()) }
    }

    /// For one HTTP request.
    pub(super) fn of_request(
        shared: &Arc<Shared>,
        exemption: &Arc<Exemption>,
        told: Told,
        doors: Doors,
    ) -> Self {
        Self { shared: shared.clone(), exemption: exemption.clone(), told, doors }
    }

    /// A report about the connection under `config`.
    pub(super) fn report<'a>(&'a self, config: &'a Config) -> Report<'a> {
        Report::of(&self.shared, config, self.told)
    }

    /// The state that all connections share.
    pub(super) fn shared(&self) -> &Arc<Shared> {
        &self.shared
    }

    /// The transport by which the client came.
    pub(super) fn transport(&self) -> Transport {
        self.told.about.carrier.transport()
    }

    /// The carrier of the connection.
    pub(super) fn carrier(&self) -> Carrier {
        self.told.about.carrier
    }

    /// The client's address.
    pub(super) fn client(&self) -> IpAddr {
        self.told.about.client
    }

    /// The number that identifies the PBX when names are counted.
    pub(super) fn pbx(&self) -> u64 {
        self.doors.pbx()
    }

    /// The client has committed an offence that is not to be logged.
    pub(super) fn offends(&self, config: &Config, ended: Ending) {
        let Some(reason) = ended.reason else { return };
        let offence = Offence { reason, weight: ended.weight, path: b"" };
        suspect(&self.shared, config, &self.told.about, offence);
    }

    /// The PBX has confirmed a registration or a bind of `name`. `name` is the user alone.
    pub(super) fn confirmed(&self, name: &[u8]) {
        self.shared.guard.confirm(self.told.about.client, &self.exemption, self.pbx(), name);
    }

    /// The PBX has given the client a nonce.
    pub(super) fn gave(&self, nonce: u64) {
        let snapshot = self.shared.snapshot.load();
        self.shared.guard.note_nonce(self.told.about.client, &self.doors.0, nonce, &snapshot.config.guard);
    }

    /// Whether the PBX has given this nonce to the client's address within five minutes.
    pub(super) fn has_given(&self, nonce: u64) -> bool {
        self.shared.guard.knows_nonce(self.told.about.client, &self.doors.0, nonce)
    }

    /// The number of the connection.
    pub(super) fn id(&self) -> u64 {
        self.told.about.id
    }

    /// A login has failed on this connection. If the address is listed for that, this connection is closed as well.
    pub(super) fn note_failed_login(&self, config: &Config) {
        self.shared.guard.note_failed_login(&self.exemption, &config.guard);
    }

    /// The PBX has refused a login. `blacklist.failed_logins` says whether that counts.
    pub(super) fn failed(&self) {
        let snapshot = self.shared.snapshot.load();
        self.note_failed_login(&snapshot.config);
        let reason = Reason::FailedLogin;
        let offence = Offence { reason, weight: reason.weight(), path: b"" };
        suspect(&self.shared, &snapshot.config, &self.told.about, offence);
    }
}
