//! At which SIP domains a credential counts that speaks for a tenant (contract section 9), and which of them is meant where
//! nothing says so. The second is worked out when a table is made, and only for one in which credentials are exchanged.

use super::paths::NONE;
use super::{Host, Table, Tenant};
use crate::service::Service;

impl Host<'_> {
    /// Whether a credential that speaks for `tenant` counts here: SIP is served, and the host belongs to the tenant, to one
    /// below it, or to none.
    pub fn is_domain_of(self, tenant: Tenant<'_>) -> bool {
        self.serves(Service::Sip) && self.tenant().is_none_or(|own| own.is_within(tenant))
    }
}

/// How good a domain is for a tenant; less is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// Portward asks for no credentials there.
    unasked: bool,
    distance: Distance,
    /// Its place in the order of the rules.
    host: u32,
}

/// Whose the domain is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Distance {
    Own,
    OfOneBelow,
    OfNone,
}

/// The domain of every tenant.
#[derive(Debug, Clone, Default)]
pub(super) struct Domains {
    /// By the tenants' numbers: of hosts that belong to a tenant.
    best: Box<[Option<Rank>]>,
    /// Of hosts that belong to no tenant.
    of_none: Option<Rank>,
}

impl Table {
    /// The domain that is meant where a credential speaks for `tenant` and nothing else is said: one of its own before one of a
    /// tenant below it before one of no tenant, and in that order the first one in the rules. Before all others are those where
    /// Portward asks for credentials. `None`: there is none, or the table has no rule that exchanges credentials.
    pub fn domain_of(&self, tenant: Tenant<'_>) -> Option<Host<'_>> {
        let best = self.domains.best.get(tenant.order()).copied().flatten();
        let rank = best.into_iter().chain(self.domains.of_none).min()?;
        self.at(rank.host)
    }

    /// Works out the domains, if any rule exchanges credentials.
    pub(super) fn settle_domains(&mut self) {
        self.domains = match self.treatments.iter().any(|treatment| treatment.exchange.is_some()) {
            true => self.domains(),
            false => Domains::default(),
        };
    }

    fn domains(&self) -> Domains {
        let mut best: Box<[Option<Rank>]> = vec![None; self.tenants().len()].into();
        let mut of_none = None;
        let better = |old: Option<Rank>, new: Rank| Some(old.map_or(new, |old| old.min(new)));
        for (host, at) in self.iter().zip(0..NONE) {
            let Some(rule) = host.rule(Service::Sip).filter(|_| !host.name().starts_with('*')) else {
                continue;
            };
            let rank = |distance| Rank { unasked: rule.credentials.is_none(), distance, host: at };
            let Some(own) = host.tenant() else {
                of_none = better(of_none, rank(Distance::OfNone));
                continue;
            };
            let above = own.ancestors().map(|above| (above, Distance::OfOneBelow));
            for (tenant, distance) in std::iter::once((own, Distance::Own)).chain(above) {
                let Some(old) = best.get_mut(tenant.order()) else { break };
                // Then everything above has one that is as good: it came from there, or from below, earlier in the rules.
                if old.is_some_and(|old| old <= rank(distance)) {
                    break;
                }
                *old = Some(rank(distance));
            }
        }
        Domains { best, of_none }
    }
}
