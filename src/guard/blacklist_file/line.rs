//! A line of the blacklist's file: an entry, or the trace of a removal, as a JSON object.
//!
//! A trace is written as an entry that ended when it was removed, with the further fields `removed`, `by` and `user` or
//! `from`. A program that knows only entries ignores it like every entry that has ended. The trace of a cleared list
//! has the address 0.0.0.0 and the field `all`.

use std::net::SocketAddr;

use serde_json::Value;

use crate::accounts::Administrator;
use crate::guard::blacklist::entry::{Entry, Origin, Why};
use crate::guard::blacklist::removals::Removal;
use crate::guard::network::Network;
use crate::reason::Reason;

/// An entry as JSON for programs, in the file and from the admin socket. It is written as text directly, because there
/// may be a million entries.
pub fn to_json(entry: &Entry) -> String {
    let Entry { who, since, until, why } = entry;
    let until = until.map_or_else(|| "null".to_owned(), |until| until.to_string());
    let head = format_args!("\"address\":\"{who}\",\"since\":{since},\"until\":{until}");
    match why {
        Why::Automatic { reason, count } => {
            let reason = reason.name();
            format!("{{{head},\"manual\":false,\"reason\":\"{reason}\",\"count\":{count}}}")
        }
        Why::Manual { note } => format!("{{{head},\"manual\":true,\"note\":{}}}", Value::from(&**note)),
    }
}

/// A trace of a removal.
pub(super) fn trace_to_json(removal: &Removal) -> String {
    let Removal { who, since, at, by } = removal;
    let all = if who.is_none() { ",\"all\":true" } else { "" };
    let address = who.map_or_else(|| "0.0.0.0".to_owned(), |who| who.to_string());
    let entry = format_args!(
        "\"address\":\"{address}\",\"since\":{since},\"until\":{at},\"manual\":true,\"note\":\"\""
    );
    let by = match by {
        Origin::Administrator(Administrator::User { user: Some(user) }) => {
            format!("\"administrator\",\"user\":{user}")
        }
        Origin::Administrator(Administrator::User { user: None }) => "\"administrator\"".to_owned(),
        Origin::Administrator(Administrator::Token { ip, port }) => {
            format!("\"token\",\"from\":\"{}\"", SocketAddr::new(*ip, *port))
        }
        Origin::Administrator(Administrator::Session { ip, port }) => {
            format!("\"session\",\"from\":\"{}\"", SocketAddr::new(*ip, *port))
        }
        Origin::Guard => "\"guard\"".to_owned(),
        Origin::File => "\"file\"".to_owned(),
    };
    format!("{{{entry},\"removed\":{at},\"by\":{by}{all}}}")
}

/// A line of the file.
#[derive(Debug)]
pub(super) enum Line {
    Entry(Entry),
    Removal(Removal),
}

/// Parses a line.
pub(super) fn from_json(line: &str) -> Option<Line> {
    let json: Value = serde_json::from_str(line).ok()?;
    let number = |name: &str| json.get(name)?.as_u64().and_then(|number| u32::try_from(number).ok());
    let who = Network::parse(json.get("address")?.as_str()?)?;
    let since = number("since")?;
    if json.get("removed").is_some() {
        let all = json.get("all").is_some();
        let from = || {
            let from: SocketAddr = json.get("from")?.as_str()?.parse().ok()?;
            Some((from.ip(), from.port()))
        };
        let by = match json.get("by")?.as_str()? {
            "administrator" => Origin::Administrator(Administrator::User { user: number("user") }),
            "token" => {
                let (ip, port) = from()?;
                Origin::Administrator(Administrator::Token { ip, port })
            }
            "session" => {
                let (ip, port) = from()?;
                Origin::Administrator(Administrator::Session { ip, port })
            }
            "guard" => Origin::Guard,
            "file" => Origin::File,
            _ => return None,
        };
        return Some(Line::Removal(Removal {
            who: (!all).then_some(who),
            since,
            at: number("removed")?,
            by,
        }));
    }
    let until = match json.get("until")? {
        Value::Null => None,
        _ => Some(number("until")?),
    };
    let why = match json.get("manual")?.as_bool()? {
        true => Why::Manual { note: json.get("note")?.as_str()?.into() },
        false => {
            let name = json.get("reason")?.as_str()?;
            let reason = Reason::ALL.into_iter().find(|reason| reason.name() == name)?;
            Why::Automatic { reason, count: number("count")? }
        }
    };
    Some(Line::Entry(Entry { who, since, until, why }))
}
