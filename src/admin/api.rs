//! What can be asked for: resources under `/v1`, JSON in and out. What is wrong is said in `error`.

use std::time::Duration;

use hyper::{Method, StatusCode, Uri};
use serde_json::{Value, json};

use crate::config;
use crate::guard::{Counted, blacklist, kept, unix_now};
use crate::state::Shared;

/// As many entries as are shown unless more are asked for.
const SHOWN: usize = 1_000;
/// The longest note.
const NOTE: usize = 500;

/// Status and body.
type Answer = (StatusCode, Value);

/// An answer that says what is wrong.
pub(super) fn wrong(status: StatusCode, why: &str) -> Answer {
    (status, json!({ "error": why }))
}

/// Answers a request.
pub(super) fn answer(shared: &Shared, method: &Method, uri: &Uri, body: &[u8]) -> Answer {
    match uri.path().strip_prefix("/v1/blacklist") {
        Some("") => all(shared, method, uri, body),
        Some(rest) if rest.starts_with('/') => match Counted::parse(rest.trim_start_matches('/')) {
            Some(who) => one(shared, method, who),
            None => wrong(StatusCode::BAD_REQUEST, "this is not an address"),
        },
        _ => wrong(StatusCode::NOT_FOUND, "there is no such thing"),
    }
}

/// `/v1/blacklist`.
fn all(shared: &Shared, method: &Method, uri: &Uri, body: &[u8]) -> Answer {
    let list = shared.guard.blacklist();
    match *method {
        Method::GET => {
            let limit = uri.query().and_then(|query| query.strip_prefix("limit="));
            let limit = limit.map_or(Some(SHOWN), |limit| limit.parse().ok());
            let Some(limit) = limit else {
                return wrong(StatusCode::BAD_REQUEST, "the limit is not a number");
            };
            let entries: Vec<Value> = list.entries(unix_now(), limit).iter().map(kept::to_json).collect();
            (StatusCode::OK, json!({ "count": list.len(), "entries": entries }))
        }
        Method::POST => match wanted(body) {
            Ok((who, note, expiration)) => {
                if !shared.guard.list_by_hand(who, &note, expiration) {
                    let why = format!("there are {} manual entries already", blacklist::MANUAL);
                    return wrong(StatusCode::INSUFFICIENT_STORAGE, &why);
                }
                let entry = list.entry(who, unix_now());
                (StatusCode::CREATED, entry.as_ref().map_or(Value::Null, kept::to_json))
            }
            Err(why) => wrong(StatusCode::BAD_REQUEST, &why),
        },
        Method::DELETE => (StatusCode::OK, json!({ "removed": list.clear() })),
        _ => wrong(StatusCode::METHOD_NOT_ALLOWED, "GET, POST and DELETE are possible"),
    }
}

/// `/v1/blacklist/ADDRESS`.
fn one(shared: &Shared, method: &Method, who: Counted) -> Answer {
    let list = shared.guard.blacklist();
    let missing = || wrong(StatusCode::NOT_FOUND, &format!("{who} is not listed"));
    match *method {
        Method::GET => match list.entry(who, unix_now()) {
            Some(entry) => (StatusCode::OK, kept::to_json(&entry)),
            None => missing(),
        },
        Method::DELETE if list.remove(who, unix_now()) => (StatusCode::OK, json!({ "removed": 1 })),
        Method::DELETE => missing(),
        _ => wrong(StatusCode::METHOD_NOT_ALLOWED, "GET and DELETE are possible"),
    }
}

/// Whom to list, why, and for how long.
fn wanted(body: &[u8]) -> Result<(Counted, String, Option<Duration>), String> {
    let json: Value = serde_json::from_slice(body).map_err(|error| format!("this is not JSON: {error}"))?;
    let text = |name: &str| json.get(name).and_then(Value::as_str);
    let who = text("address").and_then(Counted::parse).ok_or("`address` is not an address")?;
    let note = text("note").unwrap_or_default();
    if note.chars().count() > NOTE {
        return Err(format!("a note has at most {NOTE} characters"));
    }
    let expiration = match text("expiration") {
        None | Some("never") => None,
        Some(text) => Some(config::duration(text).map_err(|why| format!("`expiration`: {why}"))?),
    };
    Ok((who, note.to_owned(), expiration))
}
