//! `POST /v1/hosts/NAME/enable` and `…/disable`: in place of the rules, at once, over reloads and restarts.

use std::fmt::Write as _;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::api::{Answer, Asked, wrong};
use crate::inspect::sip::unescaped;
use crate::rules::{Host, Table, name, near};
use crate::server::{Refused, Switched, Unswitched};

/// Answers for what is below `/v1/hosts/`; `rest` is what follows. A NAME is percent-encoded, its slash may stand as it is.
pub(super) async fn answer(request: &Asked<'_>, rest: &str) -> Answer {
    let Some((host, action @ ("enable" | "disable"))) = rest.rsplit_once('/') else {
        return wrong(StatusCode::NOT_FOUND, "there is no such thing");
    };
    if *request.method != Method::POST {
        return wrong(StatusCode::METHOD_NOT_ALLOWED, "POST is possible");
    }
    let host: Vec<u8> = unescaped(host.as_bytes()).collect();
    let host = match str::from_utf8(&host).map(name::normalise) {
        Ok(Ok(host)) => host,
        Ok(Err(bad)) => return wrong(StatusCode::BAD_REQUEST, &format!("this is not a host name: {bad}")),
        Err(_) => return wrong(StatusCode::BAD_REQUEST, "this is not a host name: it is not UTF-8"),
    };
    let (control, by) = (request.control, request.asker());
    let answered = match action {
        "enable" => control.enable(&host, by).await,
        _ => control.disable(&host, by).await,
    };
    match answered {
        Ok(Ok(Switched { host, is_changed, snapshot })) => match snapshot.table.named(&host) {
            Some(host) => (StatusCode::OK, shown(&snapshot.table, host, is_changed).to_string()),
            None => unknown(&snapshot.table, &host),
        },
        Ok(Err(Unswitched::UnknownHost)) => unknown(&request.shared.snapshot.load().table, &host),
        Ok(Err(Unswitched::Unkept(Refused { text, found }))) => {
            let refused = json!({ "error": text.trim_end(), "diagnostics": found.to_json() });
            (StatusCode::INTERNAL_SERVER_ERROR, refused.to_string())
        }
        Err(stopping) => wrong(StatusCode::SERVICE_UNAVAILABLE, &stopping.to_string()),
    }
}

/// A host: its name in the rules, whether it is enabled and whether the rules say so, where it stands.
fn shown(table: &Table, host: Host<'_>, is_changed: bool) -> Value {
    let source = host.source();
    json!({
        "name": host.name(),
        "enabled": host.enabled(),
        "enabled_by_rules": host.enabled_by_rules(),
        "rule": format!("{}:{}", table.file(source).display(), source.line),
        "changed": is_changed,
    })
}

/// No rule is for it, but maybe one is for what was meant.
fn unknown(table: &Table, asked: &str) -> Answer {
    let mut why = format!("no rule is for the host {asked}");
    let leads = table.host(asked).map(Host::name);
    let _ = match (leads, near::wildcard(table, asked).or_else(|| near::name(table, asked))) {
        (Some(wildcard), _) => write!(why, " alone; {wildcard} stands for it"),
        (None, Some(near)) => write!(why, "; there is {near}"),
        (None, None) => Ok(()),
    };
    wrong(StatusCode::NOT_FOUND, &why)
}
