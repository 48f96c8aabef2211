//! Tenants that are made, changed, removed, enabled and disabled over the API while the server runs (SPEC section 9).
//!
//! What is asked in a short while is one batch: one new table, one write to the disk, and then every request of it is answered.
//! Where the requests of a batch do not go together it is tried in halves, so that a request is refused for its own mistakes
//! alone. A request is all or nothing.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::oneshot;

use super::hosts::Condition;
use super::{By, Refused, Server};
use crate::config::Diagnostics;
use crate::log::Level;
use crate::rules::{Host, Table, Tenant};
use crate::state::made::Ground;
use crate::state::made::tenants::{Definition, HIDDEN, IMPORTED, Kept, Tenants, tag};
use crate::state::{Snapshot, overrides};

/// What is to become of a tenant.
#[derive(Debug, Clone)]
pub(crate) enum TenantAct {
    /// It is to be this. Logins and secrets that are not said stay as they are.
    Put(Definition),
    /// It is to go.
    Remove,
    /// It is to be enabled or disabled, in place of the rules.
    Enable(bool),
    /// One of its logins is to be this; without a hash it is to go.
    Login { user: Box<str>, hash: Option<Box<str>> },
    /// It is to have this secret before its own, of which so many are kept.
    Secret { secret: Option<Box<str>>, keep: usize },
}

/// What is to become of tenants. All or nothing.
#[derive(Debug, Clone)]
pub struct TenantChange {
    /// By id, in this order.
    pub(crate) acts: Vec<(Box<str>, TenantAct)>,
    /// On which condition; for one tenant.
    pub(crate) condition: Condition,
}

/// Tenants that are as they were asked to be.
#[derive(Debug)]
pub struct TenantsChanged {
    /// There was none before.
    pub new: Vec<Box<str>>,
    /// Those of which something is different now, the new ones among them.
    pub changed: Vec<Box<str>>,
    /// What is in force.
    pub snapshot: Arc<Snapshot>,
}

/// Why nothing has changed.
#[derive(Debug)]
pub enum TenantUnchanged {
    /// The tenant is from the rules files: it is changed there.
    OfRules {
        /// Its id.
        id: Box<str>,
        /// Where it stands.
        file: PathBuf,
        /// The line, from 1.
        line: u32,
    },
    /// There is no such tenant.
    Unknown(Box<str>),
    /// Others need it.
    Needed {
        /// Its id.
        id: Box<str>,
        /// The tenants below it.
        tenants: Vec<Box<str>>,
        /// The hosts that belong to it.
        hosts: Vec<Box<str>>,
    },
    /// The condition does not hold.
    Condition,
    /// It is not possible over the API.
    Forbidden(Refused),
    /// It is wrong.
    Wrong(Refused),
    /// It cannot be kept.
    Unkept(Refused),
}

/// How a request ends.
type Outcome = Result<TenantsChanged, TenantUnchanged>;

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) change: TenantChange,
    pub(super) by: By,
    pub(super) answer: oneshot::Sender<Outcome>,
}

/// What has become of a request within a batch.
type Fate = Result<Touched, TenantUnchanged>;

#[derive(Debug, Default)]
struct Touched {
    new: Vec<Box<str>>,
    changed: Vec<Box<str>>,
}

impl Server {
    /// Does what a batch asks for, and answers.
    pub(super) fn change_tenants(&self, batch: Vec<Waiting>) {
        let changes: Vec<_> = batch.iter().map(|waiting| &waiting.change).collect();
        let mut fates = Vec::with_capacity(batch.len());
        for part in parts(&changes) {
            self.attempt(part, &mut fates);
        }
        let snapshot = self.shared.snapshot.load_full();
        for (Waiting { change, by, answer }, fate) in batch.into_iter().zip(fates) {
            self.tell_tenants(&change, by, &fate);
            let snapshot = Arc::clone(&snapshot);
            // Nobody may wait for an answer: the log has it.
            let _ =
                answer.send(fate.map(|Touched { new, changed }| TenantsChanged { new, changed, snapshot }));
        }
    }

    fn tell_tenants(&self, change: &TenantChange, by: By, fate: &Fate) {
        match fate {
            Ok(Touched { new, changed }) => {
                for (id, act) in change.acts.iter().filter(|(id, _)| changed.contains(id)) {
                    let verb = match act {
                        TenantAct::Put(_) if new.contains(id) => "makes",
                        TenantAct::Put(_) => "changes",
                        TenantAct::Login { .. } => "changes a login of",
                        TenantAct::Secret { .. } => "changes the secrets of",
                        TenantAct::Remove => "removes",
                        TenantAct::Enable(true) => "enables",
                        TenantAct::Enable(false) => "disables",
                    };
                    self.shared.note(Level::Info, &format!("{by} {verb} the tenant {id}"));
                }
            }
            Err(TenantUnchanged::Unkept(Refused { text, .. })) => {
                let text = format!("{}\n{by} cannot change tenants: they stay as they were", text.trim_end());
                self.shared.note(Level::Error, &text);
            }
            Err(_) => {}
        }
    }

    /// All of them at once, or else in halves.
    fn attempt(&self, changes: &[&TenantChange], fates: &mut Vec<Fate>) {
        match (self.change_all(changes), changes) {
            (Ok(all), _) => fates.extend(all),
            (Err(why), [_]) => fates.push(Err(why)),
            (Err(_), _) => {
                let (one, other) = changes.split_at(changes.len() / 2);
                self.attempt(one, fates);
                self.attempt(other, fates);
            }
        }
    }

    /// What has become of each of them. `Err`: they do not go together, and nothing has changed.
    fn change_all(&self, changes: &[&TenantChange]) -> Result<Vec<Fate>, TenantUnchanged> {
        let before = self.shared.snapshot.load_full();
        let mut work = Work::new(&before);
        let fates: Vec<Fate> = changes.iter().map(|change| work.take(change)).collect();
        if work.touched.is_empty() {
            return Ok(fates);
        }
        let unkept = |found: Diagnostics| TenantUnchanged::Unkept(Refused::from(&found));
        let state = &before.config.state;
        let (mut table, found) = match work.are_definitions_changed {
            true => work.table()?,
            false => (Table::clone(&before.table), None),
        };
        let switches = work.switches.iter().filter_map(|(id, enabled)| Some((&**id, (*enabled)?)));
        table.set_tenants_enabled(switches);
        let after = before
            .with_tenants(table, found, work.tenants.clone())
            .map_err(|found| TenantUnchanged::Wrong(Refused::from(&found)))?;
        if work.are_definitions_changed {
            work.tenants.keep(state).map_err(unkept)?;
        }
        let said = work.switches.iter().map(|(id, enabled)| (&**id, *enabled));
        if let Err(found) = overrides::keep_tenants(state, &after.table, said) {
            // All or nothing: what is on disk is again what is in force.
            if work.are_definitions_changed {
                before.tenants().keep(state).map_err(unkept)?;
            }
            return Err(unkept(found));
        }
        self.shared.replace_beside(after);
        Ok(fates)
    }
}

/// The list under a key of a definition.
fn list(definition: &Definition, key: &str) -> Vec<Value> {
    definition.get(key).and_then(Value::as_array).cloned().unwrap_or_default()
}

/// Cut where a condition asks of a tenant that an earlier request of the same part has changed.
fn parts<'a, 'c>(changes: &'a [&'c TenantChange]) -> Vec<&'a [&'c TenantChange]> {
    let (mut parts, mut rest) = (Vec::new(), changes);
    while !rest.is_empty() {
        let (mut seen, mut end) = (BTreeSet::new(), 0);
        for change in rest {
            let is_again = change.acts.iter().any(|(id, _)| seen.contains(id));
            if is_again && change.condition != Condition::default() {
                break;
            }
            seen.extend(change.acts.iter().map(|(id, _)| id));
            end += 1;
        }
        let (part, behind) = rest.split_at(end.max(1));
        parts.push(part);
        rest = behind;
    }
    parts
}

/// The tenants while they are changed.
struct Work<'s> {
    before: &'s Snapshot,
    tenants: Tenants,
    /// What administrators have said; `None`: it is forgotten.
    switches: BTreeMap<Box<str>, Option<bool>>,
    touched: BTreeSet<Box<str>>,
    are_definitions_changed: bool,
}

impl<'s> Work<'s> {
    fn new(before: &'s Snapshot) -> Self {
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

    /// The tenant of this id in the table that is in force.
    fn known(&self, id: &str) -> Option<Tenant<'s>> {
        self.before.table.tenants().by_id(id)
    }

    /// All that one request asks for. Where something of it is not possible, nothing has changed.
    fn take(&mut self, change: &TenantChange) -> Fate {
        if let [(id, _)] = &*change.acts
            && !change.condition.is_met(self.known(id).map(|tenant| tag(self.before.tenants(), tenant)))
        {
            return Err(TenantUnchanged::Condition);
        }
        let (mut touched, mut undo) = (Touched::default(), Vec::new());
        let were_changed = self.are_definitions_changed;
        let mut outcome = Ok(());
        for (id, act) in &change.acts {
            undo.push((id, self.tenants.kept(id), self.switches.get(id).copied()));
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
                if self.tenants.kept(id).is_some_and(|before| before.is_same(&kept)) {
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

    /// What the definition of a tenant is to be.
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

    /// A definition as it would be kept, judged by itself.
    fn read(&self, id: &str, mut wanted: Definition) -> Result<Kept, TenantUnchanged> {
        let before = self.tenants.get(id);
        for key in HIDDEN.into_iter().chain([IMPORTED]) {
            if let (None, Some(kept)) = (wanted.get(key), before.and_then(|before| before.get(key))) {
                wanted.insert(key.to_owned(), kept.clone());
            }
        }
        let is_empty = |value: &Value| value.as_array().is_some_and(Vec::is_empty);
        wanted.retain(|key, value| !(value.is_null() || HIDDEN.contains(&key.as_str()) && is_empty(value)));
        Kept::new(self.ground(), &self.before.table, id, wanted).map_err(|unmade| {
            let refused = Refused::from(&unmade.found);
            match unmade.is_forbidden {
                true => TenantUnchanged::Forbidden(refused),
                false => TenantUnchanged::Wrong(refused),
            }
        })
    }

    /// Whether no tenant and no host needs the one with this id.
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

    /// The table with all of them, as administrators have said before.
    fn table(&self) -> Result<(Table, Option<Diagnostics>), TenantUnchanged> {
        let unkept = |found: Diagnostics| TenantUnchanged::Unkept(Refused::from(&found));
        let made = self.tenants.in_force(self.ground(), &self.before.table).map_err(unkept)?;
        let Some(mut table) = made.table else {
            let refused = Refused::from(&made.found);
            return Err(match made.is_forbidden {
                true => TenantUnchanged::Forbidden(refused),
                false => TenantUnchanged::Wrong(refused),
            });
        };
        let found = overrides::apply(&self.before.config.state, &mut table, Some(&self.before.table));
        if found.errors() > 0 {
            return Err(unkept(found));
        }
        Ok((table, Some(made.found)))
    }
}
