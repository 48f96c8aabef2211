//! `PUT` and `DELETE /v1/tenants/ID`, and `POST /v1/tenants` for several at once. A body is JSON in the shape of the `[tenant.ID]`
//! table.

use hyper::StatusCode;
use serde_json::{Map, Value, json};

use super::super::condition::condition;
use super::super::{Answer, Asked, put_field};
use super::{is_tenant_id, shown, tagged, unchanged, unknown};
use crate::credentials::{LONGEST_USER, MOST_SECRETS};
use crate::server::{Condition, TenantAct, TenantChange};

/// Makes a tenant, or changes it.
pub(super) async fn put(asked: &Asked<'_>, id: &str) -> Answer {
    let definition = match wanted(id, asked.body) {
        Ok(definition) => definition,
        Err(why) => return Answer::wrong(StatusCode::UNPROCESSABLE_ENTITY, &why),
    };
    let acts = vec![(id.into(), TenantAct::Put(definition))];
    let change = TenantChange { acts, condition: condition(&asked.head.headers) };
    match asked.control.change_tenants(change, asked.by()).await {
        Ok(Ok(done)) => {
            let Some(tenant) = done.snapshot.table.tenants().by_id(id) else {
                return unknown(&done.snapshot, id);
            };
            let mut json = shown::whole(shown::TenantContext::from(&*done.snapshot), tenant);
            put_field(&mut json, "changed", (!done.changed.is_empty()).into());
            let status = if done.new.is_empty() { StatusCode::OK } else { StatusCode::CREATED };
            tagged(Answer::json(status, &json), &done.snapshot, tenant)
        }
        Ok(Err(why)) => unchanged(asked, &why),
        Err(stopping) => Answer::stopping(stopping),
    }
}

/// Removes a tenant.
pub(super) async fn remove(asked: &Asked<'_>, id: &str) -> Answer {
    let acts = vec![(id.into(), TenantAct::Remove)];
    let change = TenantChange { acts, condition: condition(&asked.head.headers) };
    match asked.control.change_tenants(change, asked.by()).await {
        Ok(Ok(_)) => Answer::ok(&json!({ "removed": 1 })),
        Ok(Err(why)) => unchanged(asked, &why),
        Err(stopping) => Answer::stopping(stopping),
    }
}

/// Makes, changes and removes several tenants, all of them or none: `{"tenants": {"ID": {…}, "ID": null}}`.
pub(super) async fn several(asked: &Asked<'_>) -> Answer {
    let acts = match acts(asked.body) {
        Ok(acts) => acts,
        Err(why) => return Answer::wrong(StatusCode::UNPROCESSABLE_ENTITY, &why),
    };
    let change = TenantChange { acts, condition: Condition::default() };
    match asked.control.change_tenants(change, asked.by()).await {
        Ok(Ok(done)) => Answer::ok(&json!({ "new": done.new, "changed": done.changed })),
        Ok(Err(why)) => unchanged(asked, &why),
        Err(stopping) => Answer::stopping(stopping),
    }
}

fn object(body: &[u8]) -> Result<Map<String, Value>, String> {
    // The message has no details, because the body may hold secrets.
    let json: Value = serde_json::from_slice(body)
        .map_err(|error| format!("this is not JSON: see line {}, column {}", error.line(), error.column()))?;
    match json {
        Value::Object(object) => Ok(object),
        _ => Err("this is not a JSON object".to_owned()),
    }
}

/// The tenant's table in the body. The id may be left out, and is then the id in the path.
fn wanted(id: &str, body: &[u8]) -> Result<Map<String, Value>, String> {
    let mut definition = object(body)?;
    match definition.shift_remove("id") {
        None => Ok(definition),
        Some(Value::String(own)) if own == id => Ok(definition),
        Some(own) => Err(format!("`id` is {own}, but the path says {id}: leave it out, or say the same")),
    }
}

/// Reads `{"user": "NAME", "hash": "$2y$…"}`. Without a hash the user is removed.
pub(super) fn login(body: &[u8]) -> Result<TenantAct, String> {
    let body = object(body)?;
    known(&body, &["user", "hash"])?;
    let user = match body.get("user") {
        Some(Value::String(user)) if is_user(user) => user.as_str(),
        _ => {
            return Err(format!(
                "`user` is a name of at most {LONGEST_USER} octets, without colons and control characters"
            ));
        }
    };
    let hash = match body.get("hash") {
        None | Some(Value::Null) => None,
        Some(Value::String(hash)) if !hash.contains([':', '\n']) => Some(hash.as_str().into()),
        Some(_) => return Err("`hash` is a hash as htpasswd writes it".to_owned()),
    };
    Ok(TenantAct::Login { user: user.into(), hash })
}

fn is_user(user: &str) -> bool {
    (1..=LONGEST_USER).contains(&user.len()) && !user.contains(|c: char| c == ':' || c.is_control())
}

/// Reads `{"secret": "…", "keep": 3}`: a new secret before the first `keep` existing ones. `{"keep": 0}` removes all
/// secrets.
pub(super) fn secret(body: &[u8]) -> Result<TenantAct, String> {
    let body = object(body)?;
    known(&body, &["secret", "keep"])?;
    let secret = match body.get("secret") {
        None | Some(Value::Null) => None,
        Some(Value::String(secret)) if !secret.is_empty() => Some(secret.as_str().into()),
        Some(_) => return Err("`secret` is a text".to_owned()),
    };
    let keep = match body.get("keep") {
        None | Some(Value::Null) => MOST_SECRETS - 1,
        Some(keep) => match keep.as_u64().and_then(|keep| usize::try_from(keep).ok()) {
            Some(keep) if keep <= MOST_SECRETS => keep,
            _ => return Err(format!("`keep` is a number up to {MOST_SECRETS}")),
        },
    };
    Ok(TenantAct::Secret { secret, keep })
}

fn known(body: &Map<String, Value>, keys: &[&str]) -> Result<(), String> {
    match body.keys().find(|key| !keys.contains(&key.as_str())) {
        Some(key) => Err(format!("there is no field `{key}` here; possible: {}", keys.join(", "))),
        None => Ok(()),
    }
}

fn acts(body: &[u8]) -> Result<Vec<(Box<str>, TenantAct)>, String> {
    let mut body = object(body)?;
    let Some(Value::Object(tenants)) = body.shift_remove("tenants") else {
        return Err("`tenants` is an object: tenants by their ids, null for one that is to go".to_owned());
    };
    if let Some(key) = body.keys().next() {
        return Err(format!("there is no field `{key}` here; possible: tenants"));
    }
    let act = |(id, value): (String, Value)| {
        if !is_tenant_id(&id) {
            return Err("`tenants` holds what is not the id of a tenant".to_owned());
        }
        match value {
            Value::Null => Ok((id.into(), TenantAct::Remove)),
            Value::Object(definition) => Ok((id.into(), TenantAct::Put(definition))),
            _ => Err(format!("the tenant {id} is neither an object nor null")),
        }
    };
    tenants.into_iter().map(act).collect()
}
