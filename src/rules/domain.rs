//! The SIP domains at which a tenant's credential is valid (contract section 9), and the domain that is meant if a
//! credential names none. The second is computed when a table is made, and only if the table has a rule that exchanges
//! credentials.

use super::paths::NONE;
use super::{Host, Table, Tenant};
use crate::service::Service;

impl Host<'_> {
    /// Whether a credential of `tenant` is valid at this host. The host must serve SIP, and must belong to the tenant,
    /// to a tenant below it, or to no tenant.
    pub fn is_domain_of(self, tenant: Tenant<'_>) -> bool {
        self.serves(Service::Sip) && self.tenant().is_none_or(|own| own.is_within(tenant))
    }
}

/// The rank of a domain for a tenant. A lower rank is better.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
struct Rank {
    /// Portward asks for no credentials there.
    unasked: bool,
    distance: Distance,
    /// The host's position in the order of the rules.
    host: u32,
}

/// The owner of a domain, as seen from a tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Distance {
    Own,
    OfOneBelow,
    OfNone,
}

/// The best domain of every tenant.
#[derive(Debug, Clone, Default)]
pub(super) struct Domains {
    /// The best domains of hosts that belong to a tenant. The index is the tenant's number.
    best: Box<[Option<Rank>]>,
    /// The best domain of hosts that belong to no tenant.
    of_none: Option<Rank>,
}

impl Table {
    /// The domain that is meant if a credential of `tenant` names none. Domains where Portward demands credentials come
    /// first. After that the tenant's own domains come first, then those of tenants below it, then those of no tenant,
    /// and among equals the first in the rules. `None`: there is no domain, or the table has no rule that exchanges
    /// credentials.
    pub fn domain_of(&self, tenant: Tenant<'_>) -> Option<Host<'_>> {
        let best = self.domains.best.get(tenant.order()).copied().flatten();
        let rank = best.into_iter().chain(self.domains.of_none).min()?;
        self.at(rank.host)
    }

    /// Computes the domains, if a rule exchanges credentials.
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
                // Then every tenant above has a domain that is at least as good. It came up the same way, earlier in
                // the rules.
                if old.is_some_and(|old| old <= rank(distance)) {
                    break;
                }
                *old = Some(rank(distance));
            }
        }
        Domains { best, of_none }
    }
}
