//! `/v1/blacklist`: the list in pages, an entry of an administrator's own, and the way off it.

use std::time::Duration;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Asked};
use crate::admin::query::{Query, decoded};
use crate::config;
use crate::guard::blacklist::Cursor;
use crate::guard::{Change, Counted, Policy, Why, kept, unix_now};

/// The longest note.
const NOTE: usize = 500;

/// `/v1/blacklist`.
pub(super) fn list(asked: &Asked<'_>) -> Answer {
    match asked.head.method {
        Method::POST => add(asked),
        Method::DELETE => {
            let removed = asked.shared.guard.apply(Change::Clear, asked.origin()).unwrap_or_default();
            Answer::ok(&json!({ "removed": removed }))
        }
        _ => page(asked).unwrap_or_else(Answer::bad),
    }
}

fn page(asked: &Asked<'_>) -> Result<Answer, String> {
    let query = Query::of(&asked.head.uri, &["limit", "after"])?;
    let list = asked.shared.guard.blacklist();
    let page = list.page(unix_now(), query.after(Cursor::parse)?, query.limit()?);
    let entries: Vec<String> = page.entries.iter().map(kept::to_json).collect();
    let (count, entries) = (list.len(), entries.join(","));
    let next = page.next.map_or(Value::Null, |next| next.to_string().into());
    let json = format!("{{\"count\":{count},\"entries\":[{entries}],\"next\":{next}}}");
    Ok(Answer::written(StatusCode::OK, json))
}

fn add(asked: &Asked<'_>) -> Answer {
    let Asked { shared, body, .. } = *asked;
    let (who, note, expiration) = match wanted(body) {
        Ok(wanted) => wanted,
        Err(why) => return Answer::bad(why),
    };
    let change = Change::List { who, why: Why::Manual { note: note.into() }, expiration };
    if let Err(full) = shared.guard.apply(change, asked.origin()) {
        return Answer::wrong(StatusCode::INSUFFICIENT_STORAGE, &full.to_string());
    }
    let entry = shared.guard.blacklist().entry(who, unix_now());
    let entry = entry.as_ref().map_or_else(|| "null".to_owned(), kept::to_json);
    let warning = without_effect(&shared.snapshot.load().config.guard, who);
    Answer::written(StatusCode::CREATED, with_warning(entry, warning))
}

/// Why an entry for `who` changes nothing: `blacklist.allow` goes before the list.
fn without_effect(policy: &Policy, who: Counted) -> Option<String> {
    let network = policy.allowing(who)?;
    Some(format!("{network} is in blacklist.allow: nothing from there is refused for this entry"))
}

/// The object `entry` with one field more, if there is a warning.
fn with_warning(entry: String, warning: Option<String>) -> String {
    match (warning, entry.strip_suffix('}')) {
        (Some(warning), Some(fields)) => format!("{fields},\"warning\":{}}}", Value::from(warning)),
        _ => entry,
    }
}

/// `/v1/blacklist/ADDRESS`.
pub(super) fn one(asked: &Asked<'_>, address: &str) -> Answer {
    let address = decoded(address).unwrap_or_default();
    let who = match Counted::wanted(&address) {
        Ok(who) => who,
        Err(why) => return Answer::bad(why),
    };
    let guard = &asked.shared.guard;
    let missing = || Answer::missing(format_args!("{who} is not listed"));
    match asked.head.method {
        Method::DELETE => match guard.apply(Change::Remove { who }, asked.origin()) {
            Ok(removed @ 1..) => Answer::ok(&json!({ "removed": removed })),
            _ => missing(),
        },
        _ => match guard.blacklist().entry(who, unix_now()) {
            Some(entry) => Answer::written(StatusCode::OK, kept::to_json(&entry)),
            None => missing(),
        },
    }
}

/// Whom to list, why, and for how long.
fn wanted(body: &[u8]) -> Result<(Counted, String, Option<Duration>), String> {
    let json: Value = serde_json::from_slice(body).map_err(|error| format!("this is not JSON: {error}"))?;
    let text = |name: &str| json.get(name).and_then(Value::as_str);
    let who =
        Counted::wanted(text("address").unwrap_or_default()).map_err(|why| format!("`address`: {why}"))?;
    let note = text("note").unwrap_or_default();
    if note.chars().count() > NOTE {
        return Err(format!("a note has at most {NOTE} characters"));
    }
    let expiration = text("expiration").unwrap_or("never");
    let expiration = config::expiration(expiration).map_err(|why| format!("`expiration`: {why}"))?;
    Ok((who, note.to_owned(), expiration))
}
