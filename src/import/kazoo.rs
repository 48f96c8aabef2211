//! Account documents of Kazoo: one, a list of them, or the answer of CouchDB to `_all_docs?include_docs=true`.
//!
//! It reads `_id`, `realm`, `name`, `pvt_enabled` and `pvt_tree`. `pvt_type` and `pvt_deleted` tell whether a document
//! is an account at all. It reads nothing else, and in particular not `pvt_api_key`.

use std::collections::{BTreeMap, HashMap};

use serde_json::Value;
use serde_json::value::RawValue;

use super::text::{Places, Remark, TextPosition, syntax, without_comments};
use crate::rules::{LONGEST_TENANT_NAME, is_tenant_id, name::normalise};

/// An account.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Account {
    /// `_id`.
    pub id: Box<str>,
    /// `name`.
    pub name: Option<Box<str>>,
    /// `realm` in normal form.
    pub realm: Option<Box<str>>,
    /// `pvt_enabled`.
    pub enabled: bool,
    /// `pvt_tree`: the accounts above this one. The root comes first and the parent last.
    pub tree: Vec<Box<str>>,
    /// The place of the document in the file.
    pub position: TextPosition,
}

/// The content of a file.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Accounts {
    /// The accounts in the order of the file.
    pub list: Vec<Account>,
    /// What is left out, and why.
    pub warnings: Vec<Remark>,
}

/// A document: its fields as they are written.
type Fields<'t> = BTreeMap<String, &'t RawValue>;

/// How many errors are reported at most.
const MOST_TOLD: usize = 20;

/// Reads a file.
///
/// # Errors
/// The errors, each with its place.
pub fn read(text: &str) -> Result<Accounts, Vec<Remark>> {
    let plain = without_comments(text.strip_prefix('\u{feff}').unwrap_or(text));
    let mut reading =
        Reading { text: &plain, places: Places::of(&plain), found: Accounts::default(), errors: Vec::new() };
    let documents = reading.documents().map_err(|remark| vec![remark])?;
    for document in documents {
        reading.document(document);
    }
    reading.drop_doubles();
    if reading.errors.is_empty() {
        return Ok(reading.found);
    }
    reading.errors.truncate(MOST_TOLD);
    Err(reading.errors)
}

struct Reading<'t> {
    text: &'t str,
    places: Places<'t>,
    found: Accounts,
    errors: Vec<Remark>,
}

impl<'t> Reading<'t> {
    fn remark(&self, part: &str, text: impl Into<String>) -> Remark {
        Remark { position: self.places.of_part(part), text: text.into() }
    }

    fn error(&mut self, part: &str, text: impl Into<String>) {
        let remark = self.remark(part, text);
        self.errors.push(remark);
    }

    fn warn(&mut self, part: &str, text: impl Into<String>) {
        let remark = self.remark(part, text);
        self.found.warnings.push(remark);
    }

    /// The documents of the file, in any of the three forms.
    fn documents(&mut self) -> Result<Vec<&'t RawValue>, Remark> {
        let text = self.text;
        let whole: &RawValue = serde_json::from_str(text).map_err(|error| syntax(text, &error))?;
        if let Ok(list) = serde_json::from_str::<Vec<&RawValue>>(whole.get()) {
            return Ok(list);
        }
        let Ok(fields) = serde_json::from_str::<Fields<'_>>(whole.get()) else {
            return Err(self.remark(whole.get(), "an account document, or a list of them, is expected here"));
        };
        let Some(rows) = fields.get("rows").filter(|_| !fields.contains_key("_id")) else {
            return Ok(vec![whole]);
        };
        let Ok(rows) = serde_json::from_str::<Vec<&RawValue>>(rows.get()) else {
            return Err(self.remark(rows.get(), "`rows` of CouchDB's answer is a list"));
        };
        rows.into_iter().filter_map(|row| self.of_row(row).transpose()).collect()
    }

    /// The document of a row of `_all_docs`. `None`: the document is deleted, or the row has none.
    fn of_row(&self, row: &'t RawValue) -> Result<Option<&'t RawValue>, Remark> {
        let Ok(fields) = serde_json::from_str::<Fields<'t>>(row.get()) else {
            return Err(self.remark(row.get(), "a row of CouchDB's answer is an object"));
        };
        match fields.get("doc") {
            Some(document) => Ok((document.get() != "null").then_some(*document)),
            None if fields.contains_key("error") => Ok(None),
            None => Err(self
                .remark(row.get(), "this row has no document: ask CouchDB with _all_docs?include_docs=true")),
        }
    }

    fn document(&mut self, document: &RawValue) {
        let whole = document.get();
        let Ok(fields) = serde_json::from_str::<Fields<'_>>(whole) else {
            return self.error(whole, "an account document is an object");
        };
        let value = |key: &str| {
            let raw = fields.get(key)?;
            let value = serde_json::from_str::<Value>(raw.get()).ok()?;
            (!value.is_null()).then_some((value, raw.get()))
        };
        let id = value("_id");
        let shown = id.as_ref().and_then(|(id, _)| id.as_str()).unwrap_or("without an _id").to_owned();
        let is_deleted = |key: &str| value(key).is_some_and(|(value, _)| value == Value::Bool(true));
        if is_deleted("pvt_deleted") || is_deleted("_deleted") {
            return self.warn(whole, format!("the account {shown} is deleted: it is left out"));
        }
        match value("pvt_type").map(|(kind, _)| kind) {
            Some(Value::String(kind)) if kind == "account" => {}
            None if !shown.starts_with('_')
                && ["name", "realm", "pvt_tree"].iter().any(|key| fields.contains_key(*key)) => {}
            None => {
                return self.warn(
                    whole,
                    format!("the document {shown} has no pvt_type and is no account: it is left out"),
                );
            }
            Some(kind) => {
                let kind = kind.as_str().map_or_else(|| kind.to_string(), ToOwned::to_owned);
                return self.warn(
                    whole,
                    format!("the document {shown} is of the type {kind} and no account: it is left out"),
                );
            }
        }
        let before = self.errors.len();
        let id = self.id(id, whole);
        let name = value("name").and_then(|(name, at)| self.name(&name, at));
        let realm = value("realm").and_then(|(realm, at)| self.realm(&realm, at));
        let enabled = value("pvt_enabled").is_none_or(|(value, at)| self.truth(&value, at));
        let tree = value("pvt_tree").map(|(tree, at)| self.tree(&tree, at)).unwrap_or_default();
        if self.errors.len() > before {
            return;
        }
        let Some(id) = id else { return };
        if tree.contains(&id) {
            let at = fields.get("pvt_tree").map_or(whole, |raw| raw.get());
            return self.error(at, format!("the account {id} stands above itself"));
        }
        let position = self.places.of_part(whole);
        self.found.list.push(Account { id, name, realm, enabled, tree, position });
    }

    fn id(&mut self, id: Option<(Value, &str)>, whole: &str) -> Option<Box<str>> {
        match id {
            None => {
                self.error(whole, "the account has no `_id`");
                None
            }
            Some((Value::String(id), _)) if is_tenant_id(&id) => Some(id.into()),
            Some((_, at)) => {
                self.error(at, "this cannot be the id of a tenant, which has 1 to 64 of A-Z a-z 0-9 . _ -");
                None
            }
        }
    }

    fn name(&mut self, name: &Value, at: &str) -> Option<Box<str>> {
        let Value::String(name) = name else {
            self.error(at, "`name` is not text");
            return None;
        };
        let name = name.trim();
        if name.is_empty() {
            return None;
        }
        if name.chars().any(char::is_control) || name.chars().count() > LONGEST_TENANT_NAME {
            self.error(
                at,
                format!(
                    "a name has at most {LONGEST_TENANT_NAME} characters, and none of them is a control character"
                ),
            );
            return None;
        }
        Some(name.into())
    }

    fn realm(&mut self, realm: &Value, at: &str) -> Option<Box<str>> {
        let Value::String(realm) = realm else {
            self.error(at, "`realm` is not text");
            return None;
        };
        if realm.is_empty() {
            return None;
        }
        match normalise(realm) {
            Ok(normal) if !normal.contains(['*', '/']) => Some(normal),
            _ => {
                self.error(at, "this realm is no DNS name, by which phones could ask for it");
                None
            }
        }
    }

    fn truth(&mut self, value: &Value, at: &str) -> bool {
        value.as_bool().unwrap_or_else(|| {
            self.error(at, "`pvt_enabled` is true or false");
            true
        })
    }

    fn tree(&mut self, tree: &Value, at: &str) -> Vec<Box<str>> {
        let ids = tree.as_array().map(|list| {
            list.iter()
                .map(|id| id.as_str().filter(|id| is_tenant_id(id)).map(Box::from))
                .collect::<Option<Vec<_>>>()
        });
        match ids {
            Some(Some(ids)) => ids,
            _ => {
                self.error(at, "`pvt_tree` is a list of account ids, from the root to the parent");
                Vec::new()
            }
        }
    }

    /// Of accounts with the same id, name or realm only the first one is kept.
    fn drop_doubles(&mut self) {
        let Self { found: Accounts { list, warnings }, errors, .. } = self;
        let mut ids: HashMap<String, Box<str>> = HashMap::new();
        let mut names: HashMap<Box<str>, Box<str>> = HashMap::new();
        let mut realms: HashMap<Box<str>, Box<str>> = HashMap::new();
        list.retain_mut(|Account { id, name, realm, position, .. }| {
            let mut warn = |text: String| warnings.push(Remark { position: *position, text });
            match ids.get(&id.to_ascii_lowercase()) {
                Some(first) if first == id => {
                    warn(format!("the account {id} is there twice: the second one is left out"));
                    return false;
                }
                Some(first) => {
                    let text = format!("the accounts {first} and {id} differ only in case");
                    errors.push(Remark { position: *position, text });
                    return false;
                }
                None => drop(ids.insert(id.to_ascii_lowercase(), id.clone())),
            }
            for (what, own, taken) in [("name", name, &mut names), ("realm", realm, &mut realms)] {
                let Some(text) = own.clone() else { continue };
                if let Some(first) = taken.get(&text) {
                    warn(format!(
                        "the {what} {text:?} of the account {id} is that of {first}: {id} is without it"
                    ));
                    *own = None;
                } else {
                    taken.insert(text, id.clone());
                }
            }
            true
        });
        warnings.sort_by_key(|warning| warning.position);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SEED: &str = include_str!("../../tests/fixtures/kazoo-account.json");

    #[test]
    fn item_5_the_seeds_document_is_read() {
        let accounts = read(SEED).unwrap();
        assert_eq!(accounts.warnings, []);
        let [account] = &accounts.list[..] else { panic!("{accounts:?}") };
        assert_eq!(&*account.id, "12341234123412341234123412341234");
        assert_eq!(account.name.as_deref(), Some("2600hz Master"));
        assert_eq!(account.realm.as_deref(), Some("2600hz.s.2600hz.com"));
        assert!(account.enabled);
        assert_eq!(account.tree, ["99999999999999999999999".into()]);
        assert!(!format!("{accounts:?}").contains("12345678904236634ba8"), "the key is not read");
    }

    #[test]
    fn item_5_a_list_and_all_docs_say_the_same_as_one() {
        let one = read(SEED).unwrap().list;
        let list = read(&format!("[\n{SEED}\n]")).unwrap().list;
        let rows = format!(
            "{{\"total_rows\": 3, \"offset\": 0, \"rows\": [\n{{\"id\": \"1\", \"key\": \"1\", \"value\": {{}}, \"doc\": {SEED}\n}},\
             {{\"id\": \"2\", \"value\": {{\"deleted\": true}}, \"doc\": null}},\
             {{\"key\": \"3\", \"error\": \"not_found\"}}]}}"
        );
        let rows = read(&rows).unwrap().list;
        let plain = |accounts: Vec<Account>| {
            let position = TextPosition { line: 0, column: 0 };
            accounts.into_iter().map(|account| Account { position, ..account }).collect::<Vec<_>>()
        };
        let one = plain(one);
        assert_eq!((&plain(list), &plain(rows)), (&one, &one));
    }

    #[test]
    fn item_5_what_is_no_account_is_left_out_with_a_warning() {
        let text = r#"[
            {"_id": "a", "name": "A", "pvt_type": "account"},
            {"_id": "b", "pvt_type": "account", "pvt_deleted": true},
            {"_id": "c", "pvt_type": "user", "name": "A"},
            {"_id": "_design/x", "views": {}, "name": "x"},
            {"_id": "d", "name": "A", "realm": "D.example.", "pvt_type": "account", "pvt_enabled": false},
            {"_id": "e", "realm": "d.example", "pvt_tree": ["a"]},
            {"_id": "a", "name": "Z", "pvt_type": "account"}
        ]"#;
        let accounts = read(text).unwrap();
        let shown = |a: &Account| format!("{} {:?} {:?} {} {:?}", a.id, a.name, a.realm, a.enabled, a.tree);
        assert_eq!(
            accounts.list.iter().map(shown).collect::<Vec<_>>(),
            ["a Some(\"A\") None true []", "d None Some(\"d.example\") false []", "e None None true [\"a\"]",]
        );
        let told: Vec<_> =
            accounts.warnings.iter().map(|one| (one.position.line, one.text.as_str())).collect();
        let parts = [
            "b is deleted",
            "type user",
            "no pvt_type",
            "name \"A\" of the account d",
            "realm \"d.example\" of",
            "twice",
        ];
        assert_eq!(told.iter().map(|one| one.0).collect::<Vec<_>>(), [3, 4, 5, 6, 7, 8]);
        told.iter().zip(parts).for_each(|((_, text), part)| assert!(text.contains(part), "{text}"));
    }

    #[test]
    fn item_5_what_is_wrong_is_told_with_its_place() {
        for (text, said) in [
            ("", "1:1: this is not JSON: EOF while parsing a value"),
            ("{\n  \"_id\": \"a\",\n}", "3:1: this is not JSON: key must be a string"),
            ("\"a\"", "1:1: an account document, or a list of them, is expected here"),
            ("[\n 1]", "2:2: an account document is an object"),
            ("[{\"name\": \"a\"}]", "1:2: the account has no `_id`"),
            ("{\"_id\": \"a/b\", \"realm\": \"x\"}", "1:9: this cannot be the id of a tenant"),
            ("{\"_id\": \"a\", \"name\": 1}", "1:22: `name` is not text"),
            ("{\"_id\": \"a\", \"name\": \"a\\nb\"}", "1:22: a name has at most"),
            ("{\"_id\": \"a\", \"realm\": \"*.x\"}", "1:23: this realm is no DNS name"),
            (
                "{\"_id\": \"a\", \"realm\": \"x\", \"pvt_enabled\": 0}",
                "1:43: `pvt_enabled` is true or false",
            ),
            ("{\"_id\": \"a\", \"pvt_tree\": [\"..\"]}", "1:26: `pvt_tree` is a list of account ids"),
            ("{\"_id\": \"a\", \"pvt_tree\": [\"a\"]}", "1:26: the account a stands above itself"),
            ("{\"rows\": [{\"id\": \"a\"}]}", "1:11: this row has no document: ask CouchDB with"),
            (
                "[{\"_id\": \"a\", \"name\": \"x\"}, {\"_id\": \"A\", \"name\": \"y\"}]",
                "1:29: the accounts a and A",
            ),
        ] {
            let errors = read(text).unwrap_err();
            assert!(errors[0].to_string().starts_with(said), "{text}: {}", errors[0]);
        }
        let many = format!("[{}]", vec!["1"; 500].join(","));
        assert_eq!(read(&many).unwrap_err().len(), MOST_TOLD);
    }
}
