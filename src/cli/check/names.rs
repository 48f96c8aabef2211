//! Shows how the names of targets resolve at present, for `portward check`. A name that does not resolve is no error,
//! because it may be in the DNS tomorrow. The wait for names is short.

use std::collections::BTreeSet;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::Instant;

use super::super::terminal::{harmless, print_line};
use super::connect::words;
use crate::cause::Cause;
use crate::rules::{Address, Table};
use crate::upstream::Resolver;

/// How long all names together may take.
const PATIENCE: Duration = Duration::from_secs(3);
/// How many names of each kind are shown. `--json` shows all of them.
const SHOWN: usize = 20;

/// The result for one name.
type Found = Result<Arc<[IpAddr]>, Cause>;

/// The results for all names, in the order of the names.
#[derive(Default)]
pub(super) struct Names(Vec<(String, Found)>);

impl Names {
    /// Resolves the names of all targets of `table` at the same time. If no runtime can be made, none is resolved.
    pub(super) fn of(table: &Table) -> Self {
        let names: BTreeSet<&str> =
            table.endpoints().flat_map(|list| list.iter()).filter_map(|one| one.address.name()).collect();
        if names.is_empty() {
            return Self::default();
        }
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else {
            return Self::default();
        };
        let found = runtime.block_on(ask(&names));
        // The runtime does not wait for names that are still being resolved.
        runtime.shutdown_background();
        Self(found)
    }

    /// The addresses of a target, as far as they are known.
    pub(super) fn machines<'a>(&'a self, address: &'a Address) -> &'a [IpAddr] {
        match address {
            Address::Ip(ip) => std::slice::from_ref(ip),
            Address::Name(name) => {
                let at = self.0.binary_search_by(|(known, _)| (**known).cmp(name)).ok();
                let found = at.and_then(|at| self.0.get(at));
                found.and_then(|(_, found)| found.as_deref().ok()).unwrap_or_default()
            }
        }
    }

    /// Names with a known address, and names without one.
    #[cfg(test)]
    pub(super) fn known(good: &[(&str, &str)], bad: &[&str]) -> Self {
        let good = good.iter().map(|(name, ip)| (name.to_string(), Ok(Arc::from([ip.parse().unwrap()]))));
        let mut all: Vec<_> =
            good.chain(bad.iter().map(|name| (name.to_string(), Err(Cause::NameNotFound)))).collect();
        all.sort_by(|a, b| a.0.cmp(&b.0));
        Self(all)
    }

    /// Writes to standard output which names resolve and which do not.
    pub(super) fn show(&self) {
        let (good, bad): (Vec<_>, Vec<_>) = self.0.iter().partition(|(_, found)| found.is_ok());
        for (name, found) in good.iter().take(SHOWN).chain(bad.iter().take(SHOWN)) {
            print_line(harmless(&text(name, found)));
        }
        let more = good.len().saturating_sub(SHOWN) + bad.len().saturating_sub(SHOWN);
        if more > 0 {
            print_line(format_args!("{more} more names of targets: --json shows them all"));
        }
    }

    /// One object for each name, beside the diagnostics.
    pub(super) fn to_json(&self) -> impl Iterator<Item = Value> {
        self.0.iter().map(|(name, found)| {
            let addresses: &[IpAddr] = found.as_ref().map_or(&[], |addresses| addresses);
            json!({
                "severity": "note",
                "message": text(name, found),
                "name": name,
                "addresses": addresses.iter().map(ToString::to_string).collect::<Vec<_>>(),
                "cause": found.as_ref().err().map(|cause| cause.name()),
            })
        })
    }
}

fn text(name: &str, found: &Found) -> String {
    match found {
        Ok(addresses) => {
            let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
            format!("note: the target {name} resolves to {}", addresses.join(", "))
        }
        Err(cause) => format!("note: the target {name} does not resolve now: {}", words(*cause)),
    }
}

async fn ask(names: &BTreeSet<&str>) -> Vec<(String, Found)> {
    let resolver = Arc::new(Resolver::default());
    resolver.watch(names.iter().copied());
    let asking = tokio::spawn(Arc::clone(&resolver).run());
    let end = Instant::now() + PATIENCE;
    let mut found = Vec::with_capacity(names.len());
    for name in names {
        let patience = end.saturating_duration_since(Instant::now());
        found.push(((*name).to_owned(), resolver.addresses(name, patience).await));
    }
    asking.abort();
    found
}
