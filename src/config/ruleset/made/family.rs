//! Whom tenants of the API belong to, and whether ids and names are theirs alone: judged in view of all tenants.

use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

use super::MadeTenant;
use crate::rules::{Tenant, Tenants};

type Index<'a> = HashMap<String, &'a str, foldhash::fast::RandomState>;

/// What is wrong, by the ids of the tenants of which it is wrong. Of two equal ones the first is good.
pub(super) fn judge(rules: &Tenants, made: &[Arc<MadeTenant>]) -> BTreeMap<Box<str>, String> {
    let mut ids: Index<'_> =
        rules.iter().map(|tenant| (tenant.id().to_ascii_lowercase(), tenant.id())).collect();
    let mut names: Index<'_> = HashMap::default();
    let mut wrong = BTreeMap::new();
    let parents: HashMap<&str, Option<&str>, foldhash::fast::RandomState> =
        made.iter().map(|one| (one.id(), one.definition().parent.as_deref())).collect();
    for one in made {
        let id = one.id();
        let mut say = |why: String| {
            wrong.entry(Box::from(id)).or_insert(why);
        };
        match ids.insert(id.to_ascii_lowercase(), id) {
            Some(first) if first == id => say("the rules files have a tenant of this id".to_owned()),
            Some(first) => say(format!("its id differs from that of the tenant {first} in case only")),
            None => {}
        }
        if let Some(name) = one.definition().name.as_deref() {
            let of_rules = rules.by_name(name).map(Tenant::id);
            if let Some(first) = of_rules.or_else(|| names.insert(name.to_owned(), id)) {
                say(format!("its name is that of the tenant {first}"));
            }
        }
        if let Err(why) = (Lineage { rules, parents: &parents }).judge(one) {
            say(why);
        }
    }
    wrong
}

struct Lineage<'a> {
    rules: &'a Tenants,
    parents: &'a HashMap<&'a str, Option<&'a str>, foldhash::fast::RandomState>,
}

impl<'a> Lineage<'a> {
    /// The parent of a tenant; `Err`: there is no such tenant.
    fn parent(&self, id: &'a str) -> Result<Option<&'a str>, &'a str> {
        match self.parents.get(id) {
            Some(parent) => Ok(*parent),
            None => Ok(self.rules.by_id(id).ok_or(id)?.parent().map(Tenant::id)),
        }
    }

    fn judge(&self, one: &'a MadeTenant) -> Result<(), String> {
        let Some(parent) = one.definition().parent.as_deref() else { return Ok(()) };
        let unknown = |id: &str| format!("there is no tenant {id}, which is said to be its parent");
        self.parent(parent).map_err(unknown)?;
        let (mut above, mut next) = (Vec::new(), Some(parent));
        while let Some(id) = next {
            if id == one.id() {
                above.push(id);
                let way = std::iter::once(id).chain(above).collect::<Vec<_>>().join(" -> ");
                return Err(format!("it would stand above itself: {way}"));
            }
            // A circle above it that it is no part of is told of those that are.
            if above.contains(&id) {
                return Ok(());
            }
            above.push(id);
            next = self.parent(id).unwrap_or_default();
        }
        above.reverse();
        match one.line() {
            Some(line) if line.iter().map(|id| &**id).ne(above.iter().copied()) => {
                Err(format!("its line from the root is {}", above.join(", ")))
            }
            _ => Ok(()),
        }
    }
}
