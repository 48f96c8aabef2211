//! `/v1/blacklist`: the list in pages, and entries of administrators for an address or a network. Changes are logged
//! with the administrator who makes them.

use std::net::IpAddr;
use std::time::Duration;

use hyper::{Method, StatusCode};
use serde_json::{Value, json};

use super::{Answer, Asked};
use crate::admin::body::Fields;
use crate::admin::query::{Query, decoded};
use crate::config::{self, Config};
use crate::guard::blacklist::Cursor;
use crate::guard::{Change, Network, Why, blacklist_file, unix_now};
use crate::log::{Level, escaped, human};

/// The longest note.
const NOTE: usize = 500;

/// `/v1/blacklist`.
pub(super) fn list(asked: &Asked<'_>) -> Answer {
    match asked.head.method {
        Method::POST => add(asked),
        Method::DELETE => {
            let removed = asked.shared.guard.apply(Change::Clear, asked.origin()).unwrap_or_default();
            logged(
                asked,
                &format!("clears the blacklist: {}", blacklist_file::words::removed(removed as u64)),
            );
            Answer::ok(&json!({ "removed": removed }))
        }
        _ => page(asked).unwrap_or_else(Answer::bad),
    }
}

fn page(asked: &Asked<'_>) -> Result<Answer, String> {
    let query = Query::of(&asked.head.uri, &["limit", "after"])?;
    let list = asked.shared.guard.blacklist();
    let page = list.page(unix_now(), query.after(Cursor::parse)?, query.limit()?);
    let entries: Vec<String> = page.entries.iter().map(blacklist_file::to_json).collect();
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
    let text = in_words(who, expiration, &note);
    let change = Change::List { who, why: Why::Manual { note: note.into() }, expiration };
    if let Err(full) = shared.guard.apply(change, asked.origin()) {
        return Answer::wrong(StatusCode::INSUFFICIENT_STORAGE, &full.to_string());
    }
    logged(asked, &text);
    let entry = shared.guard.blacklist().exact(who, unix_now());
    let entry = entry.as_ref().map_or_else(|| "null".to_owned(), blacklist_file::to_json);
    let snapshot = shared.snapshot.load();
    let sockets = snapshot.listeners.iter().map(|socket| socket.ip());
    let warnings = doubts(&snapshot.config, sockets, who);
    let warning = (!warnings.is_empty()).then(|| warnings.join("; "));
    Answer::written(StatusCode::CREATED, with_warning(entry, warning))
}

/// The entry in words: `lists 203.0.113.0/24 until it is removed: spam`.
fn in_words(who: Network, expiration: Option<Duration>, note: &str) -> String {
    let time =
        expiration.map_or_else(|| "until it is removed".to_owned(), |time| format!("for {}", human(time)));
    let note = if note.is_empty() { String::new() } else { format!(": {}", escaped(note.as_bytes(), NOTE)) };
    format!("lists {who} {time}{note}")
}

/// Logs a change, with its administrator.
fn logged(asked: &Asked<'_>, what: &str) {
    asked.shared.note(Level::Info, &format!("{} {what}", asked.by()));
}

/// Effects of an entry that an administrator may not have expected: clients that it does not refuse, and other clients
/// that it refuses as well. `sockets` are the addresses on which Portward listens.
fn doubts(config: &Config, sockets: impl Iterator<Item = IpAddr>, who: Network) -> Vec<String> {
    let mut doubts = Vec::new();
    if let Some(network) = config.guard.allowing(who) {
        doubts.push(format!("{network} is in blacklist.allow: nothing from there is refused for this entry"));
    }
    if let Some(network) = config.guard.balancing(who) {
        doubts.push(format!(
            "{network} is in listen.proxy_protocol_from or listen.forwarded_from: all clients behind that balancer may be \
             refused with it"
        ));
    }
    let has = |address: IpAddr| who.contains(address.into());
    let outside = [&config.outside.address, &config.outside.own_address];
    let configured = outside.into_iter().filter_map(|text| text.parse::<IpAddr>().ok());
    let own = sockets.chain(configured).filter(|address| !address.is_unspecified() && !address.is_loopback());
    if let Some(own) = own.map(|address| address.to_canonical()).find(|address| has(*address)) {
        doubts.push(format!(
            "{own} is an address of Portward or of its router: what comes from there is refused"
        ));
    }
    if LOOPBACK.into_iter().any(has) {
        doubts.push("this machine itself is among these addresses: what comes from it is refused".to_owned());
    }
    doubts
}

/// The loopback networks (RFC 1122 section 3.2.1.3 and RFC 4291 section 2.5.3).
const LOOPBACK: [IpAddr; 2] =
    [IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), IpAddr::V6(std::net::Ipv6Addr::LOCALHOST)];

/// The object `entry` with a further field, if there is a warning.
fn with_warning(entry: String, warning: Option<String>) -> String {
    match (warning, entry.strip_suffix('}')) {
        (Some(warning), Some(fields)) => format!("{fields},\"warning\":{}}}", Value::from(warning)),
        _ => entry,
    }
}

/// `/v1/blacklist/ADDRESS`.
pub(super) fn entry(asked: &Asked<'_>, address: &str) -> Answer {
    let address = decoded(address).unwrap_or_default();
    let who = match Network::wanted(&address) {
        Ok(who) => who,
        Err(why) => return Answer::bad(why),
    };
    let guard = &asked.shared.guard;
    let list = guard.blacklist();
    match asked.head.method {
        Method::DELETE => match guard.apply(Change::Remove { who }, asked.origin()) {
            Ok(removed @ 1..) => {
                logged(asked, &format!("takes {who} off the blacklist"));
                Answer::ok(&json!({ "removed": removed }))
            }
            _ => Answer::missing(match (list.entry(who, unix_now()), list.within(who, unix_now())) {
                (Some(around), _) => format!("{who} is not listed by itself; the network {} is", around.who),
                (None, 0) => format!("{who} is not listed"),
                (None, within) => format!("{who} is not listed as a whole; {within} entries are within it"),
            }),
        },
        _ => match list.entry(who, unix_now()) {
            Some(entry) => Answer::written(StatusCode::OK, blacklist_file::to_json(&entry)),
            None => Answer::missing(format_args!("{who} is not listed")),
        },
    }
}

/// The address or network to list, the note, and the duration.
fn wanted(body: &[u8]) -> Result<(Network, String, Option<Duration>), String> {
    let fields = Fields::of(body, &["address", "note", "expiration"])?;
    let address = fields.text("address")?.unwrap_or_default();
    let who = Network::wanted(address).map_err(|why| format!("`address`: {why}"))?;
    let note = fields.text("note")?.unwrap_or_default();
    if note.chars().count() > NOTE {
        return Err(format!("a note has at most {NOTE} characters"));
    }
    let expiration = fields.text("expiration")?.unwrap_or("never");
    let expiration = config::expiration(expiration).map_err(|why| format!("`expiration`: {why}"))?;
    Ok((who, note.to_owned(), expiration))
}
