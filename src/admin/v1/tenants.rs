//! `/v1/tenants`: the owners of hosts and paths (contract section 9). Tenants of the API are made, changed and removed
//! here. Every tenant can be enabled and disabled here, whatever the rules say. That takes effect at once and survives
//! reloads and restarts.
//!
//! `shown` has the JSON of a tenant, `list` the pages of the list, and `change` makes, changes and removes tenants.
//! Answers never contain hashes or secrets.

mod change;
mod list;
mod shown;

use hyper::{Method, StatusCode};
use serde_json::json;

use super::{Answer, Asked, condition, put_field, wrong};
use crate::admin::query::decoded;
use crate::rules::{Tenant, is_tenant_id, near};
use crate::server::{TenantAct, TenantChange, TenantUnchanged};
use crate::state::Snapshot;
use crate::state::made::tenants::tag;

pub(crate) use shown::{TenantContext, tenant as tenant_to_json, whole as whole_tenant_to_json};

/// `/v1/tenants`.
pub(super) async fn all(asked: &Asked<'_>) -> Answer {
    match asked.head.method {
        Method::POST => change::several(asked).await,
        _ => list::list(asked),
    }
}

/// `/v1/tenants/ID`.
pub(super) async fn tenant(asked: &Asked<'_>, id: &str) -> Answer {
    let id = match named(id) {
        Ok(id) => id,
        Err(why) => return Answer::bad(why),
    };
    match asked.head.method {
        Method::PUT => change::put(asked, &id).await,
        Method::DELETE => change::remove(asked, &id).await,
        _ => {
            let snapshot = asked.shared.snapshot.load();
            match snapshot.table.tenants().by_id(&id) {
                Some(tenant) => tagged(
                    Answer::ok(&shown::whole(TenantContext::from(&**snapshot), tenant)),
                    &snapshot,
                    tenant,
                ),
                None => unknown(&snapshot, &id),
            }
        }
    }
}

/// `POST /v1/tenants/ID/enable` and `…/disable`.
pub(super) async fn switch(asked: &Asked<'_>, id: &str, enabled: bool) -> Answer {
    let id = match named(id) {
        Ok(id) => id,
        Err(why) => return Answer::bad(why),
    };
    switched(asked, &id, TenantAct::Enable(enabled)).await
}

/// `POST /v1/tenants/ID/login`: sets or removes one of its logins.
pub(super) async fn login(asked: &Asked<'_>, id: &str) -> Answer {
    act_in_body(asked, id, change::login).await
}

/// `POST /v1/tenants/ID/secrets`: sets a new secret, or removes all.
pub(super) async fn secrets(asked: &Asked<'_>, id: &str) -> Answer {
    act_in_body(asked, id, change::secret).await
}

async fn act_in_body(asked: &Asked<'_>, id: &str, read: fn(&[u8]) -> Result<TenantAct, String>) -> Answer {
    match (named(id), read(asked.body)) {
        (Err(why), _) => Answer::bad(why),
        (_, Err(why)) => Answer::wrong(StatusCode::UNPROCESSABLE_ENTITY, &why),
        (Ok(id), Ok(act)) => switched(asked, &id, act).await,
    }
}

async fn switched(asked: &Asked<'_>, id: &str, act: TenantAct) -> Answer {
    let change =
        TenantChange { acts: vec![(id.into(), act)], condition: condition::condition(&asked.head.headers) };
    match asked.control.change_tenants(change, asked.by()).await {
        Ok(Ok(done)) => match done.snapshot.table.tenants().by_id(id) {
            Some(tenant) => {
                let mut json = shown::state(TenantContext::from(&*done.snapshot), tenant);
                put_field(&mut json, "changed", (!done.changed.is_empty()).into());
                tagged(Answer::ok(&json), &done.snapshot, tenant)
            }
            None => unknown(&done.snapshot, id),
        },
        Ok(Err(why)) => unchanged(asked, &why),
        Err(stopping) => Answer::stopping(stopping),
    }
}

/// The decoded id. Its case is kept.
fn named(id: &str) -> Result<String, String> {
    let id = decoded(id).ok_or("this is not the id of a tenant: it is not UTF-8")?;
    match is_tenant_id(&id) {
        true => Ok(id),
        false => Err(
            "this is not the id of a tenant, which has 1 to 64 of A-Z a-z 0-9 . _ - and is neither . nor .."
                .to_owned(),
        ),
    }
}

/// The answer with the tenant's ETag.
fn tagged(answer: Answer, snapshot: &Snapshot, tenant: Tenant<'_>) -> Answer {
    condition::tagged(answer, &tag(snapshot.tenants(), tenant))
}

/// The answer if there is no such tenant. It may suggest a similar id.
fn unknown(snapshot: &Snapshot, id: &str) -> Answer {
    Answer::missing(near::unknown_tenant(snapshot.table.tenants(), id))
}

fn unchanged(asked: &Asked<'_>, why: &TenantUnchanged) -> Answer {
    match why {
        TenantUnchanged::OfRules { id, file, line } => {
            let file = file.display().to_string();
            let error = format!(
                "the tenant {id} is from the rules: it is changed in {file}, line {line}; enable and disable are possible here"
            );
            Answer::json(StatusCode::CONFLICT, &json!({ "error": error, "file": file, "line": line }))
        }
        TenantUnchanged::Unknown(id) => unknown(&asked.shared.snapshot.load(), id),
        TenantUnchanged::Needed { id, tenants, hosts } => {
            let error = format!(
                "the tenant {id} is needed by {}: move or remove those first",
                needed(tenants, hosts)
            );
            let needed_by = json!({ "tenants": shown::first(tenants), "hosts": shown::first(hosts) });
            Answer::json(StatusCode::CONFLICT, &json!({ "error": error, "needed_by": needed_by }))
        }
        TenantUnchanged::Condition => Answer::wrong(
            StatusCode::PRECONDITION_FAILED,
            "the tenant is not as If-Match or If-None-Match says: read it again, and change what it is now",
        ),
        TenantUnchanged::Forbidden(refused) => wrong(StatusCode::FORBIDDEN, refused),
        TenantUnchanged::Wrong(refused) => wrong(StatusCode::UNPROCESSABLE_ENTITY, refused),
        TenantUnchanged::NotStored(refused) => wrong(StatusCode::INTERNAL_SERVER_ERROR, refused),
    }
}

/// The first of the tenants and hosts that need a tenant, and how many more there are.
fn needed(tenants: &[Box<str>], hosts: &[Box<str>]) -> String {
    const NAMED: usize = 5;
    let group = |what: &str, all: &[Box<str>]| {
        let names: Vec<_> = all.iter().take(NAMED).map(|name| &**name).collect();
        let more = all.len().saturating_sub(NAMED);
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        let s = if all.len() == 1 { "" } else { "s" };
        (!all.is_empty()).then(|| format!("the {what}{s} {}{more}", names.join(", ")))
    };
    [group("tenant", tenants), group("host", hosts)].into_iter().flatten().collect::<Vec<_>>().join(" and ")
}
