//! A JSON body: an object with the fields that a resource knows. A field with a misspelt name is refused. Otherwise an
//! entry of the blacklist with a misspelt `expiration` would last for ever.

use serde_json::{Map, Value};

/// The fields of a body. A field that is null counts as absent.
#[derive(Debug)]
pub(super) struct Fields(Map<String, Value>);

impl Fields {
    /// Reads the object in `body`, whose fields must be among `known`.
    ///
    /// # Errors
    /// What is wrong with the body, in a sentence.
    pub(super) fn of(body: &[u8], known: &[&str]) -> Result<Self, String> {
        let json: Value =
            serde_json::from_slice(body).map_err(|error| format!("this is not JSON: {error}"))?;
        let Value::Object(fields) = json else {
            return Err(format!("this is not an object; possible fields: {}", known.join(", ")));
        };
        match fields.keys().find(|key| !known.contains(&key.as_str())) {
            Some(key) => Err(format!("there is no field `{key}` here; possible: {}", known.join(", "))),
            None => Ok(Self(fields)),
        }
    }

    /// The value of a text field.
    ///
    /// # Errors
    /// The value is no text.
    pub(super) fn text(&self, name: &str) -> Result<Option<&str>, String> {
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::String(text)) => Ok(Some(text)),
            Some(_) => Err(format!("`{name}` is not text")),
        }
    }

    /// The value of a field with a list of texts.
    ///
    /// # Errors
    /// The value is no list of texts.
    pub(super) fn texts(&self, name: &str) -> Result<Vec<String>, String> {
        let wrong = || format!("`{name}` is not a list of texts");
        match self.0.get(name) {
            None | Some(Value::Null) => Ok(Vec::new()),
            Some(Value::Array(list)) => {
                list.iter().map(|one| one.as_str().map(ToOwned::to_owned).ok_or_else(wrong)).collect()
            }
            Some(_) => Err(wrong()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_field_is_what_it_is_to_be_or_that_is_said() {
        let fields = Fields::of(br#"{"a": "x", "b": ["y"], "c": null}"#, &["a", "b", "c"]).unwrap();
        assert_eq!(
            (fields.text("a"), fields.text("c"), fields.text("d")),
            (Ok(Some("x")), Ok(None), Ok(None))
        );
        assert_eq!((fields.texts("b"), fields.texts("c")), (Ok(vec!["y".to_owned()]), Ok(Vec::new())));
        assert_eq!(fields.text("b").unwrap_err(), "`b` is not text");
        assert_eq!(fields.texts("a").unwrap_err(), "`a` is not a list of texts");
        for (body, part) in [
            ("", "not JSON"),
            ("[]", "not an object; possible fields: a, b"),
            (r#"{"A": 1}"#, "no field `A`"),
        ] {
            let why = Fields::of(body.as_bytes(), &["a", "b"]).unwrap_err();
            assert!(why.contains(part), "{body}: {why}");
        }
    }
}
