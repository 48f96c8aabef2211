//! `PUT` and `DELETE /v1/hosts/NAME`: hosts of the API. The body is JSON in the shape of a `[[host]]` table.

use hyper::StatusCode;
use serde_json::{Value, json};

use super::super::condition::condition;
use super::super::{Answer, Asked, wrong};
use super::{normal, put_field, shown, tagged, unknown};
use crate::server::{HostChange, HostChanged, HostUnchanged};
use crate::state::made::form;

/// Makes a host, or changes it.
pub(super) async fn put(asked: &Asked<'_>, name: String) -> Answer {
    let host = match wanted(&name, asked.body) {
        Ok(host) => host,
        Err(why) => return Answer::wrong(StatusCode::UNPROCESSABLE_ENTITY, &why),
    };
    let definition = form::to_json(&host);
    let change =
        HostChange { name: name.clone().into(), host: Some(host), condition: condition(&asked.head.headers) };
    match asked.control.change_host(change, asked.by()).await {
        Ok(Ok(HostChanged { is_new, is_changed, snapshot, found })) => {
            let Some(host) = snapshot.table.named(&name) else { return unknown(&snapshot.table, &name) };
            let mut json = shown::host(&snapshot.table, host);
            put_field(&mut json, "definition", definition);
            put_field(&mut json, "changed", is_changed.into());
            put_field(&mut json, "diagnostics", found.to_json());
            let status = if is_new { StatusCode::CREATED } else { StatusCode::OK };
            tagged(Answer::json(status, &json), host)
        }
        Ok(Err(why)) => unchanged(asked, &name, &why),
        Err(stopping) => Answer::stopping(stopping),
    }
}

/// Removes a host.
pub(super) async fn remove(asked: &Asked<'_>, name: String) -> Answer {
    let change =
        HostChange { name: name.clone().into(), host: None, condition: condition(&asked.head.headers) };
    match asked.control.change_host(change, asked.by()).await {
        Ok(Ok(_)) => Answer::ok(&json!({ "removed": 1 })),
        Ok(Err(why)) => unchanged(asked, &name, &why),
        Err(stopping) => Answer::stopping(stopping),
    }
}

/// The host's table in the body. The name may be left out, and is then the name in the path.
fn wanted(name: &str, body: &[u8]) -> Result<toml_edit::Table, String> {
    let json: Value = serde_json::from_slice(body).map_err(|error| format!("this is not JSON: {error}"))?;
    let Value::Object(mut host) = json else { return Err("a host is a JSON object".to_owned()) };
    let own = match host.shift_remove("name") {
        None => name.to_owned(),
        Some(Value::String(own)) if normal(&own).as_deref() == Ok(name) => own,
        Some(own) => {
            return Err(format!("`name` is {own}, but the path says {name}: leave it out, or say the same"));
        }
    };
    let mut table = toml_edit::Table::new();
    table.insert("name", toml_edit::value(own));
    table.extend(form::from_json(&host)?);
    Ok(table)
}

fn unchanged(asked: &Asked<'_>, name: &str, why: &HostUnchanged) -> Answer {
    match why {
        HostUnchanged::OfRules { host, file, line } => {
            let file = file.display().to_string();
            let error = format!(
                "the host {host} is from the rules: it is changed in {file}, line {line}; enable and disable are possible here"
            );
            Answer::json(StatusCode::CONFLICT, &json!({ "error": error, "file": file, "line": line }))
        }
        HostUnchanged::Realm(tenant) => Answer::wrong(
            StatusCode::CONFLICT,
            &format!("{name} is a realm of the tenant {tenant}, and is changed there"),
        ),
        HostUnchanged::Alias(host) => Answer::wrong(
            StatusCode::CONFLICT,
            &format!("{name} is an alias of the host {host}, which is changed by its own name"),
        ),
        HostUnchanged::Unknown => unknown(&asked.shared.snapshot.load().table, name),
        HostUnchanged::Condition => Answer::wrong(
            StatusCode::PRECONDITION_FAILED,
            "the host is not as If-Match or If-None-Match says: read it again, and change what it is now",
        ),
        HostUnchanged::Forbidden(refused) => wrong(StatusCode::FORBIDDEN, refused),
        HostUnchanged::Wrong(refused) => wrong(StatusCode::UNPROCESSABLE_ENTITY, refused),
        HostUnchanged::NotStored(refused) => wrong(StatusCode::INTERNAL_SERVER_ERROR, refused),
    }
}
