//! The hosts of the API as they were last read. They are kept as long as their text and the targets of their tenants
//! are the same, so that changes of tenants do not read them again.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use super::super::context::Context;
use crate::rules::{Builder, Endpoint, HostDef, Tenants};
use crate::service::Service;

/// The hosts as they were last read.
#[derive(Debug, Default)]
pub(super) struct Last(Mutex<Option<Arc<ReadHosts>>>);

/// Hosts without diagnostics.
#[derive(Debug)]
pub(super) struct ReadHosts {
    text: Arc<String>,
    hosts: Vec<HostDef>,
    /// The tenants that they belong to, and the targets of these tenants at that time.
    targets: BTreeMap<Box<str>, Option<Arc<[Endpoint]>>>,
}

impl Last {
    /// The hosts of this text, unless something that they depend on has changed.
    pub(super) fn of(&self, text: &Arc<String>, tenants: &Tenants) -> Option<Arc<ReadHosts>> {
        let last = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        last.as_ref().filter(|last| last.text == *text && last.stands(tenants)).cloned()
    }

    /// Forgets the hosts, so that they are read again.
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
    /// Whether their tenants still have the same targets.
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

    /// Notes the statements of the hosts, so that hosts which are read later must agree with them.
    pub(super) fn note(&self, context: &mut Context) {
        note(&self.hosts, context);
    }

    /// Adds the hosts to the builder. `false`: a name is taken, and the hosts must be read again to find the place for
    /// the message.
    pub(super) fn add_to(&self, builder: &mut Builder) -> bool {
        self.hosts.iter().all(|host| builder.add(host.clone()).is_ok())
    }
}

/// Notes the statements of hosts that were read before about their targets.
pub(super) fn note(hosts: &[HostDef], context: &mut Context) {
    for host in hosts {
        for service in Service::decided_once() {
            if let Some(rule) = &host.rules[service] {
                context.agreement.note_rule(service, rule);
            }
        }
    }
}
