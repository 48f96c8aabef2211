//! At which SIP domains a credential counts that speaks for a tenant (SPEC section 9).

use super::{Host, Tenant};
use crate::service::Service;

impl Host<'_> {
    /// Whether a credential that speaks for `tenant` counts here: SIP is served, and the host belongs to the tenant, to one below it,
    /// or to none.
    pub fn is_domain_of(self, tenant: Tenant<'_>) -> bool {
        self.serves(Service::Sip) && self.tenant().is_none_or(|own| own.is_within(tenant))
    }
}
