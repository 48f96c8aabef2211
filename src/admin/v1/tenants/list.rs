//! `GET /v1/tenants`: the tenants that pass the filters. Those of the rules files come first.

use serde_json::json;

use super::super::{Answer, Asked};
use super::shown;
use crate::admin::query::{Query, made_by};
use crate::rules::{Tenant, Tenants};

/// The filter for tenants.
struct Filter<'t> {
    /// A part of an id or a name.
    search: Option<String>,
    /// The id of the parent.
    parent: Option<Tenant<'t>>,
    /// A tenant that stands above them, at any distance.
    above: Option<Tenant<'t>>,
    enabled: Option<bool>,
    alive: Option<bool>,
    is_made: Option<bool>,
}

/// `GET /v1/tenants`.
pub(super) fn list(asked: &Asked<'_>) -> Answer {
    page(asked).unwrap_or_else(Answer::bad)
}

fn page(asked: &Asked<'_>) -> Result<Answer, String> {
    let keys = ["search", "parent", "above", "enabled", "alive", "made_by", "limit", "after"];
    let query = Query::of(&asked.head.uri, &keys)?;
    let snapshot = asked.shared.snapshot.load();
    let tenants = snapshot.table.tenants();
    let filter = Filter::of(&query, tenants)?;
    let limit = query.limit()?;
    let begin = match query.text("after") {
        None => 0,
        Some(last) => {
            let tenant =
                tenants.by_id(last).ok_or("`after` is no tenant any more; begin again without it")?;
            tenant.order().saturating_add(1)
        }
    };
    let mut wanted = tenants.iter().skip(begin).filter(|tenant| filter.takes(*tenant));
    let page: Vec<Tenant<'_>> = wanted.by_ref().take(limit).collect();
    let next = page.last().filter(|_| wanted.next().is_some()).map(|tenant| tenant.id());
    let shown: Vec<_> =
        page.iter().map(|tenant| shown::tenant(shown::TenantContext::from(&**snapshot), *tenant)).collect();
    Ok(Answer::ok(&json!({ "count": tenants.len(), "tenants": shown, "next": next })))
}

impl<'t> Filter<'t> {
    fn of(query: &Query, tenants: &'t Tenants) -> Result<Self, String> {
        let one = |key: &str| match query.text(key) {
            None => Ok(None),
            Some(id) => {
                tenants.by_id(id).map(Some).ok_or_else(|| format!("`{key}`: there is no tenant {id}"))
            }
        };
        let truth = |key: &str| query.value(key, "true or false", |text| text.parse().ok());
        Ok(Self {
            search: query.text("search").map(str::to_lowercase),
            parent: one("parent")?,
            above: one("above")?,
            enabled: truth("enabled")?,
            alive: truth("alive")?,
            is_made: query.value("made_by", "api or rules", made_by)?,
        })
    }

    fn takes(&self, tenant: Tenant<'_>) -> bool {
        let contains = |search: &String| {
            let name = tenant.name().unwrap_or_default();
            [tenant.id(), name].iter().any(|text| text.to_lowercase().contains(search.as_str()))
        };
        self.search.as_ref().is_none_or(contains)
            && self.parent.is_none_or(|parent| tenant.parent().is_some_and(|above| above.id() == parent.id()))
            && self.above.is_none_or(|above| tenant.id() != above.id() && tenant.is_within(above))
            && self.enabled.is_none_or(|enabled| tenant.enabled() == enabled)
            && self.alive.is_none_or(|alive| tenant.is_alive() == alive)
            && self.is_made.is_none_or(|made| tenant.is_made() == made)
    }
}
