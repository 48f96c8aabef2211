//! What can be asked for: resources under `/v1`, JSON in and out. What is wrong is said in `error`.
//!
//! Lists come in pages (SPEC section 8): `limit` entries at most, and `next`, which the next question gives as `after`.

use std::time::Duration;

use hyper::{Method, StatusCode, Uri};
use serde_json::{Value, json};

use super::{connections, hosts, reload};
use crate::config;
use crate::guard::blacklist::Cursor;
use crate::guard::{Change, Counted, Origin, Policy, Why, blacklist, kept, unix_now};
use crate::server::{By, Control};
use crate::state::Shared;

/// The entries of a page, unless `limit` says otherwise, and the most that there are whatever it says.
pub(super) const PAGE: usize = 100;
pub(crate) const LARGEST_PAGE: usize = 1_000;
/// The longest note.
const NOTE: usize = 500;

/// Status and body, which is JSON.
pub(super) type Answer = (StatusCode, String);

/// An answer that says what is wrong.
pub(super) fn wrong(status: StatusCode, why: &str) -> Answer {
    (status, json!({ "error": why }).to_string())
}

/// What is asked, and by whom.
#[derive(Debug, Clone, Copy)]
pub(super) struct Asked<'a> {
    pub(super) shared: &'a Shared,
    pub(super) control: &'a Control,
    /// The number of the user who asks, where the socket knows it.
    pub(super) user: Option<u32>,
    pub(super) method: &'a Method,
    pub(super) uri: &'a Uri,
    pub(super) body: &'a [u8],
}

impl Asked<'_> {
    /// Who asks the server for something.
    pub(super) fn asker(&self) -> By {
        By::Administrator { user: self.user }
    }

    /// On whose account the blacklist is changed.
    fn by(&self) -> Origin {
        Origin::Administrator { user: self.user }
    }
}

/// Answers a request.
pub(super) async fn answer(request: &Asked<'_>) -> Answer {
    let Asked { shared, method, uri, .. } = *request;
    if uri.path() == "/v1/status" {
        return match *method {
            Method::GET => status(shared),
            _ => wrong(StatusCode::METHOD_NOT_ALLOWED, "GET is possible"),
        };
    }
    if uri.path() == "/v1/reload" {
        return reload::answer(request).await;
    }
    if let Some(rest) = uri.path().strip_prefix("/v1/hosts/") {
        return hosts::answer(request, rest).await;
    }
    if let Some(rest) = uri.path().strip_prefix("/v1/connections")
        && (rest.is_empty() || rest.starts_with('/'))
    {
        return connections::answer(request, rest).await;
    }
    match uri.path().strip_prefix("/v1/blacklist") {
        Some("") => all(request),
        Some(rest) if rest.starts_with('/') => match Counted::wanted(rest.trim_start_matches('/')) {
            Ok(who) => one(request, who),
            Err(why) => wrong(StatusCode::BAD_REQUEST, why),
        },
        _ => wrong(StatusCode::NOT_FOUND, "there is no such thing"),
    }
}

/// `/v1/status`: the version, and the warnings in force. `gone` are those of them that name what is in use although its file
/// is not there any more, which only the running daemon knows.
fn status(shared: &Shared) -> Answer {
    let snapshot = shared.snapshot.load();
    let status = json!({
        "version": env!("CARGO_PKG_VERSION"),
        "warnings": shared.warnings().to_json(),
        "gone": snapshot.gone().to_json(),
    });
    (StatusCode::OK, status.to_string())
}

/// `/v1/blacklist`.
fn all(request: &Asked<'_>) -> Answer {
    let Asked { shared, method, uri, body, .. } = *request;
    let list = shared.guard.blacklist();
    match *method {
        Method::GET => match Paging::asked(uri) {
            Ok(Paging { limit, after }) => {
                let blacklist::Page { entries, next } = list.page(unix_now(), after, limit);
                let entries: Vec<String> = entries.iter().map(kept::to_json).collect();
                let (count, entries) = (list.len(), entries.join(","));
                let next = next.map_or(Value::Null, |next| next.to_string().into());
                (StatusCode::OK, format!("{{\"count\":{count},\"entries\":[{entries}],\"next\":{next}}}"))
            }
            Err(why) => wrong(StatusCode::BAD_REQUEST, why),
        },
        Method::POST => match wanted(body) {
            Ok((who, note, expiration)) => {
                let change = Change::List { who, why: Why::Manual { note: note.into() }, expiration };
                if let Err(full) = shared.guard.apply(change, request.by()) {
                    return wrong(StatusCode::INSUFFICIENT_STORAGE, &full.to_string());
                }
                let entry = list.entry(who, unix_now());
                let entry = entry.as_ref().map_or_else(|| "null".to_owned(), kept::to_json);
                let warning = without_effect(&shared.snapshot.load().config.guard, who);
                (StatusCode::CREATED, with_warning(entry, warning))
            }
            Err(why) => wrong(StatusCode::BAD_REQUEST, &why),
        },
        Method::DELETE => {
            let removed = shared.guard.apply(Change::Clear, request.by()).unwrap_or_default();
            (StatusCode::OK, json!({ "removed": removed }).to_string())
        }
        _ => wrong(StatusCode::METHOD_NOT_ALLOWED, "GET, POST and DELETE are possible"),
    }
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

/// Which page is wanted.
struct Paging {
    limit: usize,
    after: Option<Cursor>,
}

impl Paging {
    /// What the query says: `limit=NUMBER` and `after=CURSOR`, in any order.
    fn asked(uri: &Uri) -> Result<Self, &'static str> {
        let mut page = Self { limit: PAGE, after: None };
        let query = uri.query().unwrap_or_default();
        for (key, value) in query.split('&').filter_map(|part| part.split_once('=')) {
            match key {
                "limit" => {
                    let limit: usize = value.parse().map_err(|_| "the limit is not a number")?;
                    if limit == 0 {
                        return Err("the limit is 0");
                    }
                    page.limit = limit.min(LARGEST_PAGE);
                }
                "after" => page.after = Some(Cursor::parse(value).ok_or("`after` is not what `next` was")?),
                _ => {}
            }
        }
        Ok(page)
    }
}

/// `/v1/blacklist/ADDRESS`.
fn one(request: &Asked<'_>, who: Counted) -> Answer {
    let Asked { shared, method, .. } = *request;
    let list = shared.guard.blacklist();
    let missing = || wrong(StatusCode::NOT_FOUND, &format!("{who} is not listed"));
    match *method {
        Method::GET => match list.entry(who, unix_now()) {
            Some(entry) => (StatusCode::OK, kept::to_json(&entry)),
            None => missing(),
        },
        Method::DELETE => match shared.guard.apply(Change::Remove { who }, request.by()) {
            Ok(removed @ 1..) => (StatusCode::OK, json!({ "removed": removed }).to_string()),
            _ => missing(),
        },
        _ => wrong(StatusCode::METHOD_NOT_ALLOWED, "GET and DELETE are possible"),
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
