//! Where an LDAP bind leads (contract section 2).

use super::Refused;
use crate::inspect::ldap::{Bind, Wants};
use crate::reason::Reason;
use crate::rules::Table;
use crate::rules::decide::{self, Route};
use crate::service::{Service, Transport};

/// The settings by which a bind is decided.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'s> {
    /// The rules.
    pub table: &'s Table,
    /// `ldap.default_host`: the host for binds that name no domain.
    pub default_host: Option<&'s str>,
}

impl<'s> Terms<'s> {
    /// The host that the first bind of a connection asks for.
    ///
    /// # Errors
    /// The bind names no domain and there is no default host, or its name may not be forwarded.
    pub fn host<'a>(&self, bind: &'a Bind) -> Result<&'a [u8], Reason>
    where
        's: 'a,
    {
        match bind.wants() {
            Wants::Host(domain) => Ok(domain),
            Wants::NoDomain | Wants::Anonymous => self.default_host.map(str::as_bytes).ok_or(Reason::NoName),
            Wants::Never(reason) => Err(reason),
        }
    }

    /// The route of a bind for `host` that came by `came_by`.
    ///
    /// # Errors
    /// Why the bind is refused.
    pub fn decide(&self, came_by: Transport, host: &[u8]) -> Result<Route<'s>, Refused<'s>> {
        decide::signalling(self.table, Service::Ldap, came_by, host, |_| false).map_err(Refused::from)
    }
}
