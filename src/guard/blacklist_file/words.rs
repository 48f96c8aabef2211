//! An entry of the blacklist in words, from its JSON.

use serde_json::Value;
use time::OffsetDateTime;
use time::macros::format_description;

use crate::log::harmless;

/// An entry as `203.0.113.9  since 2026-11-24 13:05:11 UTC  until 2026-11-24 13:10:11 UTC  unknown-host (21 in a minute)`.
pub fn line(entry: &Value) -> String {
    let address = entry.get("address").and_then(Value::as_str).unwrap_or_default();
    format!("{address:<20}  {}", facts(entry))
}

/// The same in a sentence: addresses are not aligned.
pub fn text(entry: &Value) -> String {
    let address = entry.get("address").and_then(Value::as_str).unwrap_or_default();
    format!("{address}  {}", facts(entry))
}

/// Everything but the address.
fn facts(entry: &Value) -> String {
    let field = |name: &str| entry.get(name).unwrap_or(&Value::Null);
    let time = |name: &str| {
        let format = format_description!("[year]-[month]-[day] [hour]:[minute]:[second] UTC");
        let time = field(name).as_i64().and_then(|time| OffsetDateTime::from_unix_timestamp(time).ok());
        time.and_then(|time| time.format(format).ok())
    };
    let since = time("since").unwrap_or_default();
    let until =
        time("until").map_or_else(|| "until it is removed".to_owned(), |time| format!("until {time}"));
    let why = match field("reason").as_str() {
        Some(reason) => format!("{reason} ({} in a minute)", field("count")),
        None => match field("note").as_str().filter(|note| !note.is_empty()) {
            Some(note) => format!("by hand: {}", harmless(note)),
            None => "by hand".to_owned(),
        },
    };
    format!("since {since}  {until}  {why}")
}

/// How many entries were removed.
pub fn removed(count: u64) -> String {
    let entries = if count == 1 { "entry" } else { "entries" };
    format!("{count} {entries} removed")
}

#[cfg(test)]
mod tests {
    #[test]
    fn issue_19_a_note_neither_steers_a_terminal_nor_turns_its_text() {
        let entry = serde_json::json!({ "address": "192.0.2.1", "note": "a\u{1b}[2J\u{202e}gpj" });
        let line = super::line(&entry);
        assert!(line.ends_with("by hand: a\\u{1b}[2J\\u{202e}gpj"), "{line}");
    }
}
