//! `GET /v1/hosts`: the hosts that pass the filters, in the order of the rules.

use serde_json::json;

use super::super::{Answer, Asked};
use super::{normal, shown};
use crate::admin::query::{Query, made_by};
use crate::rules::{Endpoint, Host, Table};
use crate::service::Service;

/// The filter for hosts.
struct Filter {
    /// The number of the host that a request for this name is routed to.
    host: Option<Option<usize>>,
    /// A part of a name.
    search: Option<String>,
    service: Option<Service>,
    /// An address or a DNS name.
    target: Option<String>,
    enabled: Option<bool>,
    is_made: Option<bool>,
}

/// `/v1/hosts`.
pub(in crate::admin::v1) fn list(asked: &Asked<'_>) -> Answer {
    page(asked).unwrap_or_else(Answer::bad)
}

fn page(asked: &Asked<'_>) -> Result<Answer, String> {
    let keys = ["host", "search", "service", "target", "enabled", "made_by", "limit", "after"];
    let query = Query::of(&asked.head.uri, &keys)?;
    let snapshot = asked.shared.snapshot.load();
    let table = &*snapshot.table;
    let filter = Filter::of(&query, table)?;
    let limit = query.limit()?;
    let begin = match query.text("after") {
        None => 0,
        Some(last) => {
            let host = table.named(last).ok_or("`after` is no host any more; begin again without it")?;
            host.number().saturating_add(1)
        }
    };
    let mut wanted = table.iter().skip(begin).filter(|host| filter.takes(*host));
    let hosts: Vec<Host<'_>> = wanted.by_ref().take(limit).collect();
    let next = hosts.last().filter(|_| wanted.next().is_some()).map(|host| host.name());
    let shown: Vec<_> = hosts.iter().map(|host| shown::host(table, *host)).collect();
    Ok(Answer::ok(&json!({ "count": table.len(), "hosts": shown, "next": next })))
}

impl Filter {
    fn of(query: &Query, table: &Table) -> Result<Self, String> {
        let host = query.text("host").map(normal).transpose().map_err(|why| format!("`host`: {why}"))?;
        let leads = |name: String| table.host(&name).map(Host::number);
        Ok(Self {
            host: host.map(leads),
            search: query.text("search").map(str::to_lowercase),
            service: query.service()?,
            target: query.text("target").map(|text| text.trim_matches(['[', ']']).to_lowercase()),
            enabled: query.value("enabled", "true or false", |text| text.parse().ok())?,
            is_made: query.value("made_by", "api or rules", made_by)?,
        })
    }

    fn takes(&self, host: Host<'_>) -> bool {
        let Self { host: number, search, service, target, enabled, is_made } = self;
        let mut names = std::iter::once(host.name()).chain(host.aliases().map(|(name, _)| name));
        number.is_none_or(|number| number == Some(host.number()))
            && enabled.is_none_or(|enabled| enabled == host.own_enabled())
            && is_made.is_none_or(|is_made| is_made == host.is_made())
            && service.is_none_or(|service| host.serves(service))
            && search.as_ref().is_none_or(|text| names.any(|name| name.contains(text.as_str())))
            && target.as_ref().is_none_or(|target| leads_to(host, target))
    }
}

fn leads_to(host: Host<'_>, target: &str) -> bool {
    let has = |endpoints: &[Endpoint]| shown::addresses(endpoints).iter().any(|address| address == target);
    host.ways().any(|way| has(way.endpoints))
}
