//! `If-Match` and `If-None-Match` (RFC 9110 section 13.1), and ETags.

use hyper::header::{ETAG, HeaderMap, HeaderName, HeaderValue, IF_MATCH, IF_NONE_MATCH};

use super::Answer;
use crate::server::Condition;

/// The condition in the header fields.
pub(super) fn condition(headers: &HeaderMap) -> Condition {
    Condition { matches: tags(headers, &IF_MATCH), differs: tags(headers, &IF_NONE_MATCH) }
}

/// The entity tags of a field, without quotes. `None`: there is no such field. An empty list: the field is `*`. A weak
/// tag, or a tag that Portward has not issued, matches nothing (RFC 9110 section 13.1).
fn tags(headers: &HeaderMap, name: &HeaderName) -> Option<Vec<String>> {
    let mut fields = headers.get_all(name).iter().peekable();
    fields.peek()?;
    let text = fields.map(|field| field.to_str().unwrap_or("?")).collect::<Vec<_>>().join(",");
    if text.trim() == "*" {
        return Some(Vec::new());
    }
    let tag =
        |tag: &str| tag.strip_prefix('"').and_then(|tag| tag.strip_suffix('"')).unwrap_or("?").to_owned();
    Some(text.split(',').map(|one| tag(one.trim())).collect())
}

/// The answer with this ETag (RFC 9110 section 8.8.3).
pub(super) fn tagged(answer: Answer, tag: &str) -> Answer {
    match HeaderValue::from_str(&format!("\"{tag}\"")) {
        Ok(tag) => answer.with(ETAG, tag),
        Err(_) => answer,
    }
}
