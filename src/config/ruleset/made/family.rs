//! Checks the parents of tenants of the API, and that ids and names are unique. All tenants are needed for that.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::Arc;

use super::MadeTenant;
use crate::rules::{Tenant, Tenants};

type Index<'a> = HashMap<String, &'a str, foldhash::fast::RandomState>;

/// The faults, by the ids of the tenants that have them. Of two equal tenants the first is right.
pub(super) fn judge(rules: &Tenants, made: &[Arc<MadeTenant>]) -> BTreeMap<Box<str>, String> {
    let mut ids: Index<'_> =
        rules.iter().map(|tenant| (tenant.id().to_ascii_lowercase(), tenant.id())).collect();
    let mut names: Index<'_> = HashMap::default();
    let mut wrong = BTreeMap::new();
    let lineage = Lineage::new(rules, made);
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
        if let Err(why) = lineage.judge(one) {
            say(why);
        }
    }
    wrong
}

/// How many tenants of a circle or of a line are named at most.
const SHOWN: usize = 8;

struct Lineage<'a> {
    rules: &'a Tenants,
    parents: HashMap<&'a str, Option<&'a str>, foldhash::fast::RandomState>,
    /// The tenants that would stand above themselves.
    circles: HashSet<&'a str, foldhash::fast::RandomState>,
}

impl<'a> Lineage<'a> {
    fn new(rules: &'a Tenants, made: &'a [Arc<MadeTenant>]) -> Self {
        let parents = made.iter().map(|one| (one.id(), one.definition().parent.as_deref())).collect();
        let mut lineage = Self { rules, parents, circles: HashSet::default() };
        lineage.find_circles(made);
        lineage
    }

    /// Follows the parents of each tenant up to a tenant that was visited before. So every tenant is visited once.
    fn find_circles(&mut self, made: &'a [Arc<MadeTenant>]) {
        let mut seen: HashMap<&str, usize, foldhash::fast::RandomState> = HashMap::default();
        for (number, one) in made.iter().enumerate() {
            let (mut way, mut next) = (Vec::new(), Some(one.id()));
            while let Some(id) = next {
                if let Some(before) = seen.insert(id, number) {
                    if before == number {
                        self.circles.extend(way.iter().skip_while(|passed| **passed != id));
                    }
                    break;
                }
                way.push(id);
                next = self.parent(id).unwrap_or_default();
            }
        }
    }

    /// The parent of a tenant. `Err`: the parent does not exist.
    fn parent(&self, id: &'a str) -> Result<Option<&'a str>, &'a str> {
        match self.parents.get(id) {
            Some(parent) => Ok(*parent),
            None => Ok(self.rules.by_id(id).ok_or(id)?.parent().map(Tenant::id)),
        }
    }

    /// A tenant and all tenants above it.
    fn up(&self, id: &'a str) -> impl Iterator<Item = &'a str> {
        std::iter::successors(Some(id), |id| self.parent(id).unwrap_or_default())
    }

    fn judge(&self, one: &'a MadeTenant) -> Result<(), String> {
        let Some(parent) = one.definition().parent.as_deref() else { return Ok(()) };
        let unknown = |id: &str| format!("there is no tenant {id}, which is said to be its parent");
        self.parent(parent).map_err(unknown)?;
        if self.circles.contains(one.id()) {
            let mut way = vec![one.id()];
            way.extend(self.up(parent).take(SHOWN).take_while(|id| *id != one.id()));
            if self.up(parent).take(SHOWN).all(|id| id != one.id()) {
                way.push("\u{2026}");
            }
            way.push(one.id());
            return Err(format!("it would stand above itself: {}", way.join(" -> ")));
        }
        let Some(line) = one.line() else { return Ok(()) };
        let said = line.iter().rev().map(|id| &**id);
        // One step more than the line is compared, so that a line which does not begin at the root is found.
        if self.up(parent).take(line.len() + 1).eq(said) {
            return Ok(());
        }
        // A circle above this tenant is reported for the tenants in the circle.
        if self.has_circle_above(parent) {
            return Ok(());
        }
        let mut there: Vec<_> = self.up(parent).take(SHOWN).collect();
        if self.up(parent).nth(SHOWN).is_some() {
            there.push("\u{2026}");
        }
        there.reverse();
        Err(format!(
            "`parent` is not the line from the root to {parent}, which is {}: say that, or \"{parent}\" alone",
            there.join(", ")
        ))
    }

    /// Whether a circle is above the tenant.
    fn has_circle_above(&self, id: &'a str) -> bool {
        self.up(id).any(|id| self.circles.contains(id))
    }
}
