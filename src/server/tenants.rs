//! Tenants that are made, changed, removed, enabled and disabled over the API while the server runs (contract section 9).
//!
//! What is asked in a short while is one batch: one new table, one write to the disk, and then every request of it is answered.
//! Where the requests of a batch do not go together it is tried in halves, so that a request is refused for its own mistakes
//! alone. A request is all or nothing.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::hosts::Condition;
use super::{By, Refused, Server};
use crate::config::Diagnostics;
use crate::log::Level;
use crate::rules::Table;
use crate::state::made::tenants::Definition;
use crate::state::{Snapshot, overrides};

mod work;

use self::work::Work;

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
type TenantsResult = Result<TenantsChanged, TenantUnchanged>;

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) change: TenantChange,
    pub(super) by: By,
    pub(super) answer: oneshot::Sender<TenantsResult>,
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
