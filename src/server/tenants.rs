//! Makes, changes, removes, enables and disables tenants over the API while the server runs (contract section 9).
//!
//! Requests that come within a short time form one batch. A batch makes one new table and one write to the disk. After
//! that every request in it is answered. If the requests of a batch cannot be done together, halves of it are tried. So
//! a request is refused only for its own mistakes. Each request is done as a whole, or not at all.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;

use tokio::sync::oneshot;

use super::hosts::Condition;
use super::{By, Server, ServerError};
use crate::config::Diagnostics;
use crate::log::Level;
use crate::rules::Table;
use crate::state::made::tenants::Definition;
use crate::state::{Snapshot, overrides};

mod work;

use self::work::Work;

/// A change of a tenant.
#[derive(Debug, Clone)]
pub(crate) enum TenantAct {
    /// The tenant gets this definition. If logins or secrets are missing in it, the old ones stay.
    Put(Definition),
    /// The tenant is removed.
    Remove,
    /// The tenant is enabled or disabled, whatever the rules say.
    Enable(bool),
    /// One of its logins gets this hash. Without a hash the login is removed.
    Login { user: Box<str>, hash: Option<Box<str>> },
    /// This secret is put before its own secrets. That many of them are kept.
    Secret { secret: Option<Box<str>>, keep: usize },
}

/// Changes of tenants, which take effect together or not at all.
#[derive(Debug, Clone)]
pub struct TenantChange {
    /// The changes with the tenants' ids, in this order.
    pub(crate) acts: Vec<(Box<str>, TenantAct)>,
    /// The condition of the change. It is for one tenant only.
    pub(crate) condition: Condition,
}

/// Tenants after a successful change.
#[derive(Debug)]
pub struct TenantsChanged {
    /// The tenants that did not exist before.
    pub new: Vec<Box<str>>,
    /// The tenants that differ from before, including the new ones.
    pub changed: Vec<Box<str>>,
    /// The snapshot in force.
    pub snapshot: Arc<Snapshot>,
}

/// Why nothing has changed.
#[derive(Debug)]
pub enum TenantUnchanged {
    /// The tenant is in the rules files. It must be changed there.
    OfRules {
        /// Its id.
        id: Box<str>,
        /// The file of its definition.
        file: PathBuf,
        /// The line, from 1.
        line: u32,
    },
    /// There is no such tenant.
    Unknown(Box<str>),
    /// Other tenants or hosts need the tenant.
    Needed {
        /// Its id.
        id: Box<str>,
        /// The tenants below it.
        tenants: Vec<Box<str>>,
        /// The hosts that belong to it.
        hosts: Vec<Box<str>>,
    },
    /// The condition is not met.
    Condition,
    /// The change is not allowed over the API.
    Forbidden(ServerError),
    /// The new definition is invalid.
    Wrong(ServerError),
    /// The change cannot be stored.
    NotStored(ServerError),
}

/// The result of a request.
type TenantsResult = Result<TenantsChanged, TenantUnchanged>;

/// A request that waits for its answer.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) change: TenantChange,
    pub(super) by: By,
    pub(super) answer: oneshot::Sender<TenantsResult>,
}

/// The result of a request within a batch.
type Fate = Result<Touched, TenantUnchanged>;

#[derive(Debug, Default)]
struct Touched {
    new: Vec<Box<str>>,
    changed: Vec<Box<str>>,
}

impl Server {
    /// Makes the changes of a batch, and answers its requests.
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
            // The caller may have stopped waiting. The log has the result as well.
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
            Err(TenantUnchanged::NotStored(ServerError { text, .. })) => {
                let text = format!("{}\n{by} cannot change tenants: they stay as they were", text.trim_end());
                self.shared.note(Level::Error, &text);
            }
            Err(_) => {}
        }
    }

    /// Tries all changes at once, and otherwise in halves.
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

    /// The result of each change. `Err`: the changes cannot be made together, and nothing has changed.
    fn change_all(&self, changes: &[&TenantChange]) -> Result<Vec<Fate>, TenantUnchanged> {
        let before = self.shared.snapshot.load_full();
        let mut work = Work::new(&before);
        let fates: Vec<Fate> = changes.iter().map(|change| work.take(change)).collect();
        if work.touched.is_empty() {
            return Ok(fates);
        }
        let not_stored = |found: Diagnostics| TenantUnchanged::NotStored(ServerError::from(&found));
        let state = &before.config.state;
        let (mut table, found) = match work.are_definitions_changed {
            true => work.table()?,
            false => (Table::clone(&before.table), None),
        };
        let switches = work.switches.iter().filter_map(|(id, enabled)| Some((&**id, (*enabled)?)));
        table.set_tenants_enabled(switches);
        let after = before
            .with_tenants(table, found, work.tenants.clone())
            .map_err(|found| TenantUnchanged::Wrong(ServerError::from(&found)))?;
        if work.are_definitions_changed {
            work.tenants.keep(state).map_err(not_stored)?;
        }
        let said = work.switches.iter().map(|(id, enabled)| (&**id, *enabled));
        if let Err(found) = overrides::keep_tenants(state, &after.table, said) {
            // Nothing may change now, so the disk gets what is in force again.
            if work.are_definitions_changed {
                before.tenants().keep(state).map_err(not_stored)?;
            }
            return Err(not_stored(found));
        }
        self.shared.replace_beside(after);
        Ok(fates)
    }
}

/// Cuts the changes into parts. A part ends before a change with a condition on a tenant that an earlier change of the
/// part touches.
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
