//! What an import changes: accounts are compared with the existing tenants.
//!
//! An import owns the tenants that it has made. Their name, realm, parent and state (enabled or disabled) follow the
//! accounts. Targets, logins and secrets stay as they are, because the accounts do not have them. So a tenant that was
//! moved to another target stays there.

use std::collections::{BTreeMap, BTreeSet};

use super::kazoo::{Account, Accounts};
use super::text::Remark;

/// An existing tenant.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ExistingTenant {
    /// Its friendly name.
    pub name: Option<Box<str>>,
    /// The tenant that it belongs to.
    pub parent: Option<Box<str>>,
    /// Its realms.
    pub realms: Vec<Box<str>>,
    /// Whether it is enabled itself.
    pub enabled: bool,
    /// Whether it has a target of its own.
    pub has_target: bool,
    /// The place of its definition, if it is from the rules files. No import changes such a tenant.
    pub of_rules: Option<String>,
    /// Whether an import has made it.
    pub is_imported: bool,
}

/// What a tenant is to be, as far as an import defines it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct PlannedTenant {
    /// Its friendly name.
    pub name: Option<Box<str>>,
    /// The tenant that it belongs to.
    pub parent: Option<Box<str>>,
    /// Its realms.
    pub realms: Vec<Box<str>>,
    /// Whether it is enabled.
    pub enabled: bool,
    /// Whether it gets the target that the import was given.
    pub gets_target: bool,
}

/// One change.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Change {
    /// A new tenant.
    Make(PlannedTenant),
    /// A tenant that changes: its new definition, and a few words for each difference.
    Alter(PlannedTenant, Vec<String>),
    /// A tenant that is removed.
    Remove,
}

/// The changes of an import.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Plan {
    /// The changes by tenant id. Parents come before the tenants below them. Removals come last, and in the opposite
    /// order.
    pub changes: Vec<(Box<str>, Change)>,
    /// The number of tenants that need no change.
    pub unchanged: usize,
    /// What is left out, and what the administrator should know.
    pub warnings: Vec<Remark>,
    /// Tenants that an import has made and that have no account any more. They stay.
    pub left: Vec<Box<str>>,
    /// The first new tenant that has a realm and no target.
    pub needs_target: Option<Box<str>>,
}

/// Compares accounts with tenants. `has_target`: the import was given a target. `prune`: tenants that an import has
/// made and that have no account any more are removed.
pub fn plan(
    accounts: Accounts,
    known: &BTreeMap<Box<str>, ExistingTenant>,
    has_target: bool,
    prune: bool,
) -> Plan {
    let Accounts { list, warnings } = accounts;
    let mut planning =
        Planning { known, plan: Plan { warnings, ..Plan::default() }, wanted: BTreeMap::new() };
    for account in &list {
        planning.take(account);
    }
    let accounts: BTreeMap<&str, &Account> = list.iter().map(|account| (&*account.id, account)).collect();
    planning.add_ancestors(&list, &accounts);
    let order = planning.in_order();
    planning.break_circles(&order, &accounts);
    planning.aim(&order, has_target);
    planning.compare(order, prune)
}

struct Planning<'k> {
    known: &'k BTreeMap<Box<str>, ExistingTenant>,
    plan: Plan,
    wanted: BTreeMap<Box<str>, PlannedTenant>,
}

impl Planning<'_> {
    fn warn(&mut self, account: &Account, text: String) {
        self.plan.warnings.push(Remark { position: account.position, text });
    }

    fn take(&mut self, account: &Account) {
        let Account { id, enabled, .. } = account;
        if let Some(place) = self.known.get(id).and_then(|known| known.of_rules.clone()) {
            return self
                .warn(account, format!("the tenant {id} stands in {place}: it is left as it is there"));
        }
        let mut wanted = PlannedTenant {
            name: account.name.clone(),
            parent: account.tree.last().cloned(),
            realms: account.realm.iter().cloned().collect(),
            enabled: *enabled,
            gets_target: false,
        };
        if let Some(name) = wanted.name.clone()
            && let Some(other) = self.other(id, |known| known.name.as_ref() == Some(&name))
        {
            self.warn(
                account,
                format!(
                    "the name {name:?} of the account {id} is that of the tenant {other}: {id} is without it"
                ),
            );
            wanted.name = None;
        }
        if let Some(realm) = account.realm.clone()
            && let Some(other) = self.other(id, |known| known.realms.contains(&realm))
        {
            self.warn(
                account,
                format!(
                    "the realm {realm} of the account {id} is that of the tenant {other}: {id} is without it"
                ),
            );
            wanted.realms.clear();
        }
        self.wanted.insert(id.clone(), wanted);
    }

    /// The id of another tenant of which `is_it` is true and which no import has made. Tenants that imports have made follow the
    /// accounts.
    fn other(&self, id: &str, is_it: impl Fn(&ExistingTenant) -> bool) -> Option<Box<str>> {
        let mut others = self.known.iter().filter(|(other, known)| ***other != *id && !known.is_imported);
        others.find(|(_, known)| is_it(known)).map(|(other, _)| other.clone())
    }

    /// An ancestor that is neither a tenant nor an account becomes an empty, enabled tenant.
    fn add_ancestors(&mut self, list: &[Account], accounts: &BTreeMap<&str, &Account>) {
        for account in
            list.iter().filter(|account| self.known.get(&account.id).is_none_or(|k| k.of_rules.is_none()))
        {
            for (at, id) in account.tree.iter().enumerate() {
                let above = at.checked_sub(1).and_then(|at| account.tree.get(at)).cloned();
                if accounts.contains_key(&**id) {
                    continue;
                }
                if let Some(other) = self.wanted.get(id) {
                    if other.parent != above {
                        self.warn(
                            account,
                            format!(
                                "the accounts do not agree on what stands above {id}: the first one counts"
                            ),
                        );
                    }
                    continue;
                }
                match self.known.get(id) {
                    // No import has made this tenant, so it stays as it is.
                    Some(known) if !known.is_imported => continue,
                    Some(known) => {
                        let kept = PlannedTenant {
                            name: known.name.clone(),
                            realms: known.realms.clone(),
                            enabled: known.enabled,
                            ..PlannedTenant::default()
                        };
                        self.wanted.insert(id.clone(), PlannedTenant { parent: above, ..kept });
                    }
                    None => {
                        self.warn(account, format!("the account {id} above {} is not here: an empty tenant is made, which is enabled", account.id));
                        self.wanted.insert(
                            id.clone(),
                            PlannedTenant { parent: above, enabled: true, ..PlannedTenant::default() },
                        );
                    }
                }
            }
        }
    }

    /// The parent that a tenant will have after the import.
    fn parent(&self, id: &str) -> Option<&str> {
        match self.wanted.get(id) {
            Some(wanted) => wanted.parent.as_deref(),
            None => self.known.get(id)?.parent.as_deref(),
        }
    }

    /// The ids of all wanted tenants, parents first. Tenants whose parents form a circle come in the order in which
    /// they are found.
    fn in_order(&self) -> Vec<Box<str>> {
        let (mut done, mut order) = (BTreeSet::new(), Vec::new());
        for start in self.wanted.keys() {
            let (mut way, mut next) = (Vec::new(), Some(&**start));
            while let Some(id) =
                next.filter(|id| self.wanted.contains_key(*id) && done.insert((*id).to_owned()))
            {
                way.push(Box::from(id));
                next = self.parent(id);
            }
            order.extend(way.into_iter().rev());
        }
        order
    }

    /// Removes the parent of a tenant whose parents form a circle.
    fn break_circles(&mut self, order: &[Box<str>], accounts: &BTreeMap<&str, &Account>) {
        for id in order {
            let mut above = std::iter::successors(self.parent(id), |id| self.parent(id))
                .take(self.wanted.len() + self.known.len());
            if !above.any(|above| *above == **id) {
                continue;
            }
            if let Some(wanted) = self.wanted.get_mut(id) {
                wanted.parent = None;
            }
            if let Some(account) = accounts.get(&**id) {
                self.warn(
                    account,
                    format!("the accounts above {id} stand in a circle: {id} is made without a parent"),
                );
            }
        }
    }

    /// Gives the target to tenants that need one. A tenant below a tenant with a target does not get it.
    fn aim(&mut self, order: &[Box<str>], has_target: bool) {
        let mut aimed: BTreeSet<Box<str>> = BTreeSet::new();
        for id in order {
            let has_own = self.known.get(id).is_some_and(|known| known.has_target);
            let has_above =
                self.parent(id).is_some_and(|parent| aimed.contains(parent) || self.leads(parent));
            let is_empty =
                self.wanted.get(id).is_none_or(|wanted| wanted.realms.is_empty() && wanted.name.is_none());
            if has_own || has_above {
                aimed.insert(id.clone());
            } else if has_target && !is_empty {
                aimed.insert(id.clone());
                if let Some(wanted) = self.wanted.get_mut(id) {
                    wanted.gets_target = true;
                }
            } else if !has_target && self.wanted.get(id).is_some_and(|wanted| !wanted.realms.is_empty()) {
                self.plan.needs_target.get_or_insert(id.clone());
            }
        }
    }

    /// Whether an existing tenant, or one above it, has a target.
    fn leads(&self, id: &str) -> bool {
        let above =
            std::iter::successors(Some(id), |id| self.parent(id)).take(self.wanted.len() + self.known.len());
        above.filter_map(|id| self.known.get(id)).any(|known| known.has_target)
    }

    fn compare(mut self, order: Vec<Box<str>>, prune: bool) -> Plan {
        let mut gone: Vec<(usize, Box<str>)> = Vec::new();
        for (id, _) in
            self.known.iter().filter(|(id, known)| known.is_imported && !self.wanted.contains_key(*id))
        {
            let above =
                std::iter::successors(self.known.get(id), |known| self.known.get(known.parent.as_ref()?));
            gone.push((above.take(self.known.len()).count(), id.clone()));
        }
        for id in order {
            let Some(wanted) = self.wanted.remove(&id) else { continue };
            match self.known.get(&id) {
                None => self.plan.changes.push((id, Change::Make(wanted))),
                Some(known) => match differences(known, &wanted) {
                    what if what.is_empty() => self.plan.unchanged += 1,
                    what => self.plan.changes.push((id, Change::Alter(wanted, what))),
                },
            }
        }
        // Lower tenants are removed first.
        gone.sort_by_key(|(depth, _)| std::cmp::Reverse(*depth));
        let gone = gone.into_iter().map(|(_, id)| id);
        match prune {
            true => self.plan.changes.extend(gone.map(|id| (id, Change::Remove))),
            false => self.plan.left = gone.collect(),
        }
        self.plan
    }
}

fn differences(known: &ExistingTenant, wanted: &PlannedTenant) -> Vec<String> {
    let mut what = Vec::new();
    let shown = |text: &Option<Box<str>>| text.as_deref().unwrap_or("none").to_owned();
    if known.name != wanted.name {
        what.push(format!("name {} -> {}", shown(&known.name), shown(&wanted.name)));
    }
    if known.parent != wanted.parent {
        what.push(format!("parent {} -> {}", shown(&known.parent), shown(&wanted.parent)));
    }
    if known.realms != wanted.realms {
        let list =
            |realms: &[Box<str>]| if realms.is_empty() { "none".to_owned() } else { realms.join(", ") };
        what.push(format!("realms {} -> {}", list(&known.realms), list(&wanted.realms)));
    }
    if known.enabled != wanted.enabled {
        what.push(if wanted.enabled { "enabled" } else { "disabled" }.to_owned());
    }
    if wanted.gets_target {
        what.push("target".to_owned());
    }
    what
}

#[cfg(test)]
mod tests;
