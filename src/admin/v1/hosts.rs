//! `/v1/hosts`: hosts with their rules and their places. Hosts of the API are made, changed and removed here. Every
//! host can be enabled and disabled here, whatever the rules say. That takes effect at once and survives reloads and
//! restarts.
//!
//! `shown` has the JSON of a host, `list` the pages of the list, and `change` makes and removes hosts.

mod change;
mod list;
mod shown;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Asked, condition, put_field, wrong};
use crate::admin::query::decoded;
use crate::rules::{Host, Table, fingerprint, name, near};
use crate::server::{SwitchError, Switched};
use crate::state::made::{Hosts, form};

pub(super) use list::list;
pub(crate) use shown::host as host_to_json;
pub(super) use shown::{addresses, place};

/// `/v1/hosts/NAME`. NAME is percent-encoded, except that its slash may be written as it is.
pub(super) async fn host(asked: &Asked<'_>, name: &str) -> Answer {
    let host = match named(name) {
        Ok(host) => host,
        Err(why) => return Answer::bad(why),
    };
    match asked.head.method {
        Method::PUT => change::put(asked, host).await,
        Method::DELETE => change::remove(asked, host).await,
        _ => {
            let snapshot = asked.shared.snapshot.load();
            match snapshot.table.named(&host) {
                Some(found) => whole(asked, &snapshot.table, found),
                None => unknown(&snapshot.table, &host),
            }
        }
    }
}

/// A host with all its details.
fn whole(asked: &Asked<'_>, table: &Table, host: Host<'_>) -> Answer {
    let mut json = shown::host(table, host);
    let definition = host.is_made().then(|| {
        let hosts = Hosts::open(&asked.shared.snapshot.load().config.state).ok()?;
        hosts.get(host.name()).map(form::to_json)
    });
    put_field(&mut json, "definition", definition.flatten().into());
    tagged(Answer::ok(&json), host)
}

/// The answer with the host's ETag.
fn tagged(answer: Answer, host: Host<'_>) -> Answer {
    condition::tagged(answer, &fingerprint::of(host))
}

/// `POST /v1/hosts/NAME/enable` and `…/disable`.
pub(super) async fn switch(asked: &Asked<'_>, name: &str, enabled: bool) -> Answer {
    let host = match named(name) {
        Ok(host) => host,
        Err(why) => return Answer::bad(why),
    };
    let (control, by) = (asked.control, asked.by());
    let answered = if enabled { control.enable(&host, by).await } else { control.disable(&host, by).await };
    match answered {
        Ok(Ok(Switched { host, is_changed, snapshot })) => match snapshot.table.named(&host) {
            Some(host) => tagged(Answer::ok(&switched(&snapshot.table, host, is_changed)), host),
            None => unknown(&snapshot.table, &host),
        },
        Ok(Err(SwitchError::UnknownHost)) => unknown(&asked.shared.snapshot.load().table, &host),
        Ok(Err(SwitchError::NotStored(refused))) => wrong(StatusCode::INTERNAL_SERVER_ERROR, &refused),
        Err(stopping) => Answer::stopping(stopping),
    }
}

/// The host's name in its normal form.
fn named(name: &str) -> Result<String, String> {
    let name = decoded(name).ok_or("this is not a host name: it is not UTF-8")?;
    normal(&name)
}

fn normal(name: &str) -> Result<String, String> {
    name::normalise(name).map(Into::into).map_err(|bad| format!("this is not a host name: {bad}"))
}

/// A host after it was switched: its name in the rules, whether it is enabled, whether the rules say so, and its place.
fn switched(table: &Table, host: Host<'_>, is_changed: bool) -> Value {
    json!({
        "name": host.name(),
        "enabled": host.own_enabled(),
        "enabled_by_rules": host.enabled_by_rules(),
        "rule": shown::place(table, host.source()),
        "changed": is_changed,
    })
}

/// The answer if there is no such host. It may suggest a similar name.
fn unknown(table: &Table, asked: &str) -> Answer {
    Answer::missing(near::unknown(table, asked))
}
