//! Converts a host between JSON and its `[[host]]` table, in the same shape. The code that reads rules files checks the
//! contents.

use serde_json::{Map, Value as Json};
use toml_edit::{Array, InlineTable, Item, Table, Value};

/// The deepest nesting of tables within a host.
const DEPTH: usize = 8;

/// The `[[host]]` table of a host in JSON.
///
/// # Errors
/// The part of the JSON that TOML does not have.
pub(crate) fn from_json(json: &Map<String, Json>) -> Result<Table, String> {
    let mut table = Table::new();
    for (key, value) in json {
        table.insert(key, Item::Value(value_of(key, value, DEPTH)?));
    }
    Ok(table)
}

fn value_of(key: &str, json: &Json, depth: usize) -> Result<Value, String> {
    let Some(depth) = depth.checked_sub(1) else { return Err(format!("`{key}` is nested too deeply")) };
    Ok(match json {
        Json::Null => return Err(format!("`{key}` is null; leave it out")),
        Json::Bool(value) => (*value).into(),
        Json::Number(number) => match (number.as_i64(), number.as_f64()) {
            (Some(whole), _) => whole.into(),
            (None, Some(number)) if number.is_finite() => number.into(),
            _ => return Err(format!("`{key}` is out of range")),
        },
        Json::String(text) => text.as_str().into(),
        Json::Array(list) => {
            let list = list.iter().map(|one| value_of(key, one, depth));
            Value::Array(list.collect::<Result<Array, _>>()?)
        }
        Json::Object(object) => {
            let mut table = InlineTable::new();
            for (key, value) in object {
                table.insert(key, value_of(key, value, depth)?);
            }
            Value::InlineTable(table)
        }
    })
}

/// The JSON of a host's table.
pub(crate) fn to_json(table: &Table) -> Json {
    let entries = table.iter().map(|(key, item)| (key.to_owned(), item_to_json(item)));
    Json::Object(entries.collect())
}

fn item_to_json(item: &Item) -> Json {
    match item {
        Item::None => Json::Null,
        Item::Value(value) => value_to_json(value),
        Item::Table(table) => to_json(table),
        Item::ArrayOfTables(list) => list.iter().map(to_json).collect(),
    }
}

fn value_to_json(value: &Value) -> Json {
    match value {
        Value::String(text) => text.value().as_str().into(),
        Value::Integer(number) => (*number.value()).into(),
        Value::Float(number) => (*number.value()).into(),
        Value::Boolean(value) => (*value.value()).into(),
        Value::Datetime(time) => time.value().to_string().into(),
        Value::Array(list) => list.iter().map(value_to_json).collect(),
        Value::InlineTable(table) => {
            let entries = table.iter().map(|(key, value)| (key.to_owned(), value_to_json(value)));
            Json::Object(entries.collect())
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn a_host_goes_to_toml_and_back() {
        let host = json!({
            "name": "hq.example.net",
            "aliases": ["uno.example.net", "a\"b\\\n"],
            "target": ["192.0.2.1", "192.0.2.2"],
            "enabled": true,
            "http": ["/a", { "path": "/b", "tcp": 8080, "tls": false }],
            "sip": { "tcp": 5060, "tls": false },
            "odd key": 1.5,
        });
        let table = from_json(host.as_object().unwrap()).unwrap();
        assert_eq!(to_json(&table), host);
        let text = table.to_string();
        let read: toml_edit::DocumentMut = text.parse().unwrap();
        assert_eq!(to_json(read.as_table()), host, "{text}");
    }

    #[test]
    fn what_toml_has_not_is_told() {
        let mut deep = json!(1);
        for _ in 0..20 {
            deep = json!([deep]);
        }
        for (host, why) in [
            (json!({ "sip": null }), "`sip` is null"),
            (json!({ "sip": { "tcp": null } }), "`tcp` is null"),
            (json!({ "http": deep }), "nested too deeply"),
        ] {
            assert!(from_json(host.as_object().unwrap()).unwrap_err().contains(why), "{host}");
        }
        // It is a valid number in TOML, but out of every valid range.
        let large = json!({ "tcp": u64::MAX });
        assert!(from_json(large.as_object().unwrap()).is_ok());
    }
}
