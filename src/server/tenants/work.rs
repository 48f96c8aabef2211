//! The tenants while a batch changes them: the changes of each request, and the table that follows.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{Fate, TenantAct, TenantChange, TenantUnchanged, Touched};
use crate::config::Diagnostics;
use crate::rules::{Host, Table, Tenant};
use crate::server::ServerError;
use crate::state::made::Ground;
use crate::state::made::tenants::{Definition, HIDDEN, IMPORTED, StoredTenant, Tenants, tag};
use crate::state::{Snapshot, overrides};

/// The tenants during a batch.
pub(super) struct Work<'s> {
    before: &'s Snapshot,
    pub(super) tenants: Tenants,
    /// The administrators' states of tenants. `None`: the state is forgotten.
    pub(super) switches: BTreeMap<Box<str>, Option<bool>>,
    pub(super) touched: BTreeSet<Box<str>>,
    pub(super) are_definitions_changed: bool,
}

impl<'s> Work<'s> {
    pub(super) fn new(before: &'s Snapshot) -> Self {
        Self {
            before,
            tenants: before.tenants().clone(),
            switches: BTreeMap::new(),
            touched: BTreeSet::new(),
            are_definitions_changed: false,
        }
    }

    fn ground(&self) -> Ground<'s> {
        Ground { foundation: self.before.foundation(), config: &self.before.config }
    }

    /// The tenant with this id in the table in force.
    fn known(&self, id: &str) -> Option<Tenant<'s>> {
        self.before.table.tenants().by_id(id)
    }

    /// Makes all changes of one request. If one of them is impossible nothing has changed.
    pub(super) fn take(&mut self, change: &TenantChange) -> Fate {
        if let [(id, _)] = &*change.acts
            && !change.condition.is_met(self.known(id).map(|tenant| tag(self.before.tenants(), tenant)))
        {
            return Err(TenantUnchanged::Condition);
        }
        let (mut touched, mut undo) = (Touched::default(), Vec::new());
        let were_changed = self.are_definitions_changed;
        let mut outcome = Ok(());
        for (id, act) in &change.acts {
            undo.push((id, self.tenants.stored(id), self.switches.get(id).copied()));
            outcome = self.act(id, act, &mut touched);
            if outcome.is_err() {
                break;
            }
        }
        let mut removed = change.acts.iter().filter(|(_, act)| matches!(act, TenantAct::Remove));
        let outcome = outcome.and_then(|()| removed.try_for_each(|(id, _)| self.is_free(id)));
        if let Err(why) = outcome {
            for (id, kept, switch) in undo.into_iter().rev() {
                self.tenants.restore(id, kept);
                match switch {
                    Some(switch) => drop(self.switches.insert(id.clone(), switch)),
                    None => drop(self.switches.remove(id)),
                }
            }
            self.are_definitions_changed = were_changed;
            return Err(why);
        }
        self.touched.extend(touched.changed.iter().cloned());
        Ok(touched)
    }

    fn act(&mut self, id: &str, act: &TenantAct, touched: &mut Touched) -> Result<(), TenantUnchanged> {
        let is_there = self.tenants.get(id).is_some();
        let of_rules = self.known(id).filter(|tenant| !tenant.is_made());
        match act {
            TenantAct::Enable(enabled) => {
                let known = match (is_there, self.known(id)) {
                    (false, Some(known)) if known.is_made() => {
                        return Err(TenantUnchanged::Unknown(id.into()));
                    }
                    (false, None) => return Err(TenantUnchanged::Unknown(id.into())),
                    (_, known) => known.map(Tenant::enabled),
                };
                let now = self.switches.get(id).copied().flatten().or(known);
                if now != Some(*enabled) {
                    self.switches.insert(id.into(), Some(*enabled));
                    touched.changed.push(id.into());
                }
                return Ok(());
            }
            _ if of_rules.is_some() => {
                let source = of_rules.map(Tenant::source).unwrap_or_default();
                let (id, file) = (id.into(), self.before.table.file(source).to_owned());
                return Err(TenantUnchanged::OfRules { id, file, line: source.line });
            }
            TenantAct::Put(_) | TenantAct::Login { .. } | TenantAct::Secret { .. } => {
                let wanted = self.wanted(id, act)?;
                let kept = self.read(id, wanted)?;
                if self.tenants.stored(id).is_some_and(|before| before.is_same(&kept)) {
                    return Ok(());
                }
                self.tenants.put(id, kept);
                if !is_there {
                    touched.new.push(id.into());
                }
            }
            TenantAct::Remove => {
                if !self.tenants.remove(id) {
                    return Err(TenantUnchanged::Unknown(id.into()));
                }
                self.switches.insert(id.into(), None);
            }
        }
        self.are_definitions_changed = true;
        touched.changed.push(id.into());
        Ok(())
    }

    /// The new definition of a tenant.
    fn wanted(&self, id: &str, act: &TenantAct) -> Result<Definition, TenantUnchanged> {
        if let TenantAct::Put(wanted) = act {
            return Ok(wanted.clone());
        }
        let mut wanted = self.tenants.get(id).ok_or_else(|| TenantUnchanged::Unknown(id.into()))?.clone();
        match act {
            TenantAct::Login { user, hash } => {
                let mut lines = list(&wanted, "login");
                let is_its = |line: &Value| {
                    line.as_str().and_then(|line| line.split_once(':')).is_some_and(|(own, _)| *own == **user)
                };
                let line = hash.as_ref().map(|hash| Value::from(format!("{user}:{hash}")));
                match (lines.iter().position(is_its).and_then(|at| lines.get_mut(at)), line) {
                    (Some(own), Some(line)) => *own = line,
                    (None, Some(line)) => lines.push(line),
                    (_, None) => lines.retain(|line| !is_its(line)),
                }
                wanted.insert("login".to_owned(), lines.into());
            }
            TenantAct::Secret { secret, keep } => {
                let old = list(&wanted, "secrets").into_iter().take(*keep);
                let secrets: Vec<Value> = secret.iter().map(|new| Value::from(&**new)).chain(old).collect();
                wanted.insert("secrets".to_owned(), secrets.into());
            }
            TenantAct::Put(_) | TenantAct::Remove | TenantAct::Enable(_) => {}
        }
        Ok(wanted)
    }

    /// The definition as it would be stored, checked by itself.
    fn read(&self, id: &str, mut wanted: Definition) -> Result<StoredTenant, TenantUnchanged> {
        let before = self.tenants.get(id);
        for key in HIDDEN.into_iter().chain([IMPORTED]) {
            if let (None, Some(kept)) = (wanted.get(key), before.and_then(|before| before.get(key))) {
                wanted.insert(key.to_owned(), kept.clone());
            }
        }
        let is_empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
        wanted.retain(|key, value| !(value.is_null() || HIDDEN.contains(&key.as_str()) && is_empty(value)));
        StoredTenant::new(self.ground(), &self.before.table, id, wanted).map_err(|unmade| {
            let refused = ServerError::from(&unmade.found);
            match unmade.is_forbidden {
                true => TenantUnchanged::Forbidden(refused),
                false => TenantUnchanged::Wrong(refused),
            }
        })
    }

    /// Checks that no tenant and no host needs the tenant with this id.
    fn is_free(&self, id: &str) -> Result<(), TenantUnchanged> {
        let tenants: Vec<Box<str>> = self.tenants.below(id).map(Box::from).collect();
        let table = &self.before.table;
        let file = Tenants::file(&self.before.config.state);
        let is_its = |host: &Host<'_>| {
            host.tenant().is_some_and(|tenant| tenant.id() == id) && table.file(host.source()) != file
        };
        let hosts: Vec<Box<str>> = match self.known(id) {
            Some(_) => table.iter().filter(is_its).map(|host| host.name().into()).collect(),
            None => Vec::new(),
        };
        match tenants.is_empty() && hosts.is_empty() {
            true => Ok(()),
            false => Err(TenantUnchanged::Needed { id: id.into(), tenants, hosts }),
        }
    }

    /// The table with all tenants, enabled and disabled as administrators have ordered.
    pub(super) fn table(&self) -> Result<(Table, Option<Diagnostics>), TenantUnchanged> {
        let not_stored = |found: Diagnostics| TenantUnchanged::NotStored(ServerError::from(&found));
        let made = self.tenants.in_force(self.ground(), &self.before.table).map_err(not_stored)?;
        let Some(mut table) = made.table else {
            let refused = ServerError::from(&made.found);
            return Err(match made.is_forbidden {
                true => TenantUnchanged::Forbidden(refused),
                false => TenantUnchanged::Wrong(refused),
            });
        };
        let found = overrides::apply(&self.before.config.state, &mut table, Some(&self.before.table));
        if found.errors() > 0 {
            return Err(not_stored(found));
        }
        Ok((table, Some(made.found)))
    }
}

/// The list under a key of a definition.
fn list(definition: &Definition, key: &str) -> Vec<Value> {
    definition.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
}
