//! The hosts of the API as they were read: kept for as long as their text and the targets of their tenants are the same, so that
//! changes of tenants do not read them again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::super::context::Context;
use crate::rules::{Builder, Endpoint, HostDef, Tenants};
use crate::service::Service;

/// The hosts that were read last.
#[derive(Debug, Default)]
pub(super) struct Last(Mutex<Option<Arc<ReadHosts>>>);

/// Hosts in which nothing was found.
#[derive(Debug)]
pub(super) struct ReadHosts {
    text: Arc<String>,
    hosts: Vec<HostDef>,
    /// The tenants that they belong to, and where those led.
    targets: BTreeMap<Box<str>, Option<Arc<[Endpoint]>>>,
}

impl Last {
    /// Those of this text, if nothing that they stand on is different.
    pub(super) fn of(&self, text: &Arc<String>, tenants: &Tenants) -> Option<Arc<ReadHosts>> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|last| last.text == *text && last.stands(tenants)).cloned()
    }

    /// Has them read again.
    pub(super) fn forget(&self) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = None;
    }

    /// Keeps hosts.
    pub(super) fn keep(&self, text: &Arc<String>, hosts: Vec<HostDef>, tenants: &Tenants) {
        let named = hosts.iter().filter_map(|host| tenants.by_id(host.tenant.as_deref()?));
        let targets = named.map(|tenant| (tenant.id().into(), tenant.target().cloned())).collect();
        let read = ReadHosts { text: Arc::clone(text), hosts, targets };
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = Some(Arc::new(read));
    }
}

impl ReadHosts {
    /// Whether their tenants lead where they led.
    fn stands(&self, tenants: &Tenants) -> bool {
        self.targets.iter().all(|(id, before)| {
            let Some(tenant) = tenants.by_id(id) else { return false };
            match (tenant.target(), before) {
                (Some(now), Some(before)) => Arc::ptr_eq(now, before),
                (None, None) => true,
                _ => false,
            }
        })
    }

    /// What is read after them has to agree with them.
    pub(super) fn note(&self, context: &mut Context) {
        note(&self.hosts, context);
    }

    /// Adds them. False: a name is taken, and they are to be read again, so that it is told where.
    pub(super) fn add_to(&self, builder: &mut Builder) -> bool {
        self.hosts.iter().all(|host| builder.add(host.clone()).is_ok())
    }
}

/// Notes what hosts that were read before say of their targets.
pub(super) fn note(hosts: &[HostDef], context: &mut Context) {
    for host in hosts {
        for service in Service::decided_once() {
            if let Some(rule) = &host.rules[service] {
                context.agreement.note_rule(service, rule);
            }
        }
    }
}
