//! Rules that lead to the same target must agree on Check Certificate (SPEC section 5).
//!
//! A PBX has *Assume TLS* ticked for its reverse proxy as a whole: one rule that sends TLS without the check
//! would prove everybody.

use std::collections::HashMap;

use super::files::Stands;
use crate::rules::{Address, Endpoint, Table};
use crate::service::Service;

/// Who said what first, address by address; rules without a TLS port have no say.
#[derive(Default)]
pub(super) struct Agreement {
    said: HashMap<Address, (bool, Stands), foldhash::fast::RandomState>,
}

impl Agreement {
    /// What the rules of a table say.
    pub(super) fn of(table: &Table) -> Self {
        let mut agreement = Self::default();
        let asks = |service: &Service| service.asks_for_certificate();
        for (service, rule) in table.iter().flat_map(|host| host.rules()) {
            if asks(&service) && rule.ports.ports().tls.is_some() {
                agreement.note(&rule.endpoints, rule.ports.is_checked(), Stands::On(rule.source));
            }
        }
        agreement
    }

    /// Notes what a rule with a TLS port says of its addresses. Gives the first address of which another rule said
    /// the opposite, and where.
    pub(super) fn note<'e>(
        &mut self,
        endpoints: &'e [Endpoint],
        checked: bool,
        here: Stands,
    ) -> Option<(&'e Address, Stands)> {
        let mut disagreement = None;
        for Endpoint { address, .. } in endpoints {
            match self.said.get(address) {
                None => {
                    self.said.insert(address.clone(), (checked, here));
                }
                Some((said, first)) if *said != checked => {
                    disagreement = disagreement.or(Some((address, *first)));
                }
                Some(_) => {}
            }
        }
        disagreement
    }
}
