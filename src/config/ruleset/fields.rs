//! `set` and `response` of an entry of `http`: fields toward the target and toward the client (contract section 9).
//!
//! Names are compared in the form in which gateways distinguish them ([`folded_name`]). So a rule cannot set a field
//! that decides how a message is read, or that names its sender, in any spelling of the field's name.

use std::collections::HashMap;
use std::ops::Range;

use super::super::report::Fault;
use super::super::suggest;
use super::super::walk::Value;
use crate::field_names::folded_name;
use crate::rules::{ResponseField, SetField, ValuePart};

/// The greatest length of a field's name and value together, so that the head of a request stays within the limits of
/// servers.
const LONGEST: usize = 4096;

/// The greatest number of fields.
const MOST: usize = 32;

/// Fields that Portward itself writes or reads in both directions: framing, and hop-by-hop fields (RFC 9110 section
/// 7.6.1).
const BOTH: [&str; 16] = [
    "connection",
    "keep-alive",
    "proxy-connection",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-authentication-info",
    "te",
    "trailer",
    "trailers",
    "transfer-encoding",
    "content-length",
    "upgrade",
    "http2-settings",
    "proxy",
    "via",
    "close",
];

/// Request fields that say where a request goes, which client asks, or how the request is read.
const OF_REQUESTS: [&str; 9] = [
    "host",
    "authorization",
    "expect",
    "forwarded",
    "x-forwarded",
    "x-real-ip",
    "x-original-url",
    "x-original-host",
    "x-rewrite-url",
];

/// Prefixes of request fields that belong to Portward: forwarding, and the handshake of a WebSocket.
const HEADS_OF_REQUESTS: [&str; 2] = ["x-forwarded-", "sec-websocket-"];

/// Answer fields that a rule cannot know, such as when the answer was made or where it redirects to. Cookies belong to
/// the application: a cookie from a rule would be in every answer and replace the application's.
const OF_ANSWERS: [&str; 9] = [
    "date",
    "set-cookie",
    "location",
    "content-encoding",
    "content-range",
    "content-type",
    "www-authenticate",
    "authentication-info",
    "expect",
];

/// Fields that clients send by themselves. If a rule sets one of them, the client's own value is removed on every host.
const USUAL: [&str; 9] = [
    "accept",
    "accept-encoding",
    "content-type",
    "cookie",
    "user-agent",
    "origin",
    "referer",
    "range",
    "if-match",
];

/// Whether a name is a token (RFC 9110 section 5.6.2).
fn is_token(name: &str) -> bool {
    let is_mark = |c: char| "!#$%&'*+-.^_`|~".contains(c);
    !name.is_empty() && name.chars().all(|c| c.is_ascii_alphanumeric() || is_mark(c))
}

/// The entries of `set` or `response` with valid names. Each name occurs once.
fn entries<'w>(value: &Value<'w>, is_reserved: impl Fn(&str) -> bool) -> Vec<Value<'w>> {
    let wanted = "a table of header names and values, { X-Name = \"…\" }";
    let Some(mut section) = value.section("a table of header fields", wanted) else { return Vec::new() };
    let mut seen: HashMap<String, Range<usize>> = HashMap::new();
    let mut entries = section.entries();
    section.finish(|_| None);
    entries.sort_by_key(|entry| entry.key_span.start);
    if let Some(entry) = entries.get(MOST) {
        entry.error_at_key(Fault::new(format!("these are more than {MOST} header fields")));
        entries.truncate(MOST);
    }
    entries.retain(|entry| {
        let name = folded_name(entry.key);
        let fault = if !is_token(entry.key) {
            Fault::new("this cannot be the name of a header field")
                .help("a name has letters, digits and hyphens")
        } else if is_reserved(&name) {
            Fault::new(format!("a rule cannot set `{}`", entry.key))
                .help("Portward or the other end sets it for each message; choose another name")
        } else if let Some(first) = seen.get(&name) {
            let place = entry.report.place(first.clone());
            Fault::new(format!("the header field `{}` is there twice", entry.key))
                .label("again")
                .related(place, "first here")
                .help("case does not count in names, and servers may read `_` as `-`")
        } else {
            seen.insert(name, entry.key_span.clone());
            return true;
        };
        entry.error_at_key(fault);
        false
    });
    entries
}

/// `set`: fields toward the target. `has_tenant`: a tenant is known, so its placeholders may be used.
pub(super) fn set(value: &Value<'_>, has_tenant: bool) -> Vec<SetField> {
    let is_reserved = |name: &str| {
        BOTH.contains(&name)
            || OF_REQUESTS.contains(&name)
            || HEADS_OF_REQUESTS.iter().any(|head| name.starts_with(head))
    };
    let field = |entry: Value<'_>| {
        let value = entry.parsed("a text", |text| {
            checked(text)?;
            template(text, has_tenant)
        })?;
        if USUAL.contains(&folded_name(entry.key).as_str()) {
            entry.warn_at_key(
                Fault::new(format!(
                    "with this rule the `{}` of clients is removed, on every host",
                    entry.key
                ))
                .help("a field that a rule sets is removed from every client's request; choose another name"),
            );
        }
        Some(SetField { name: entry.key.into(), value: value.into() })
    };
    entries(value, is_reserved).into_iter().filter_map(field).collect()
}

/// `response`: fields toward the client.
pub(super) fn response(value: &Value<'_>) -> Vec<ResponseField> {
    let is_reserved =
        |name: &str| BOTH.contains(&name) || OF_ANSWERS.contains(&name) || name.starts_with("sec-websocket-");
    let field = |entry: Value<'_>| {
        let value = entry.parsed("a text", |text| checked(text).map(|()| text))?;
        if let Some(at) = value.find("{tenant").or_else(|| value.find("{client}")) {
            let fault = Fault::new("in an answer braces stand for themselves").at(at..at + 1);
            entry.warn(fault.help("only `set` knows {tenant}, {tenant.name} and {client}"));
        }
        Some(ResponseField { name: entry.key.into(), value: value.into() })
    };
    entries(value, is_reserved).into_iter().filter_map(field).collect()
}

/// Checks a value: text without control characters, and without blanks around it, because those would be lost on the
/// way.
fn checked(text: &str) -> Result<(), Fault> {
    if let Some((at, c)) = text.char_indices().find(|(_, c)| c.is_control()) {
        let fault = Fault::new("the value of a header field has no control characters and no line ends");
        return Err(fault.at(at..at + c.len_utf8()));
    }
    if let Some((at, c)) = text.char_indices().find(|(_, c)| !c.is_ascii()) {
        let fault = Fault::new("the value of a header field is ASCII").at(at..at + c.len_utf8());
        return Err(fault.help("servers read other characters in different ways; percent-encode them"));
    }
    if text.trim() != text {
        return Err(
            Fault::new("the value of a header field begins or ends with a blank").help("leave it out")
        );
    }
    if text.len() > LONGEST {
        return Err(Fault::new(format!("the value of a header field is longer than {LONGEST} characters")));
    }
    Ok(())
}

/// A value with the placeholders `{tenant}`, `{tenant.name}` and `{client}`. `{{` and `}}` stand for braces.
fn template(text: &str, has_tenant: bool) -> Result<Vec<ValuePart>, Fault> {
    const WORDS: [(&str, ValuePart); 3] = [
        ("tenant", ValuePart::Tenant),
        ("tenant.name", ValuePart::TenantName),
        ("client", ValuePart::Client),
    ];
    let (mut pieces, mut plain, mut at) = (Vec::new(), String::new(), 0);
    while let Some(rest) = text.get(at..).filter(|rest| !rest.is_empty()) {
        let Some(brace) = rest.find(['{', '}']) else {
            plain.push_str(rest);
            break;
        };
        plain.push_str(rest.get(..brace).unwrap_or_default());
        let from = rest.get(brace..).unwrap_or_default();
        at += brace;
        if from.starts_with("{{") || from.starts_with("}}") {
            plain.push_str(from.get(..1).unwrap_or_default());
            at += 2;
            continue;
        }
        let end = from.find('}').filter(|_| from.starts_with('{'));
        let Some(end) = end else {
            let fault = Fault::new("this brace has no other one").at(at..at + 1);
            return Err(fault.help("write {{ or }} for a brace"));
        };
        let span = at..at + end + 1;
        let word = from.get(1..end).unwrap_or_default();
        let Some((_, piece)) = WORDS.iter().find(|(known, _)| *known == word) else {
            let fault = Fault::new(format!("`{{{word}}}` stands for nothing")).at(span);
            return Err(match suggest::closest(word, WORDS.iter().map(|(known, _)| *known)) {
                Some(near) => fault.label(format!("did you mean `{{{near}}}`?")),
                None => fault.help("there are {tenant}, {tenant.name} and {client}; {{ and }} are braces"),
            });
        };
        if !has_tenant && *piece != ValuePart::Client {
            let fault = Fault::new(format!("no tenant is known here for `{{{word}}}`")).at(span);
            return Err(fault.help("write {tenant} in the path, or let the host belong to a tenant"));
        }
        if !plain.is_empty() {
            pieces.push(ValuePart::Text(std::mem::take(&mut plain).into()));
        }
        pieces.push(piece.clone());
        at += end + 1;
    }
    if !plain.is_empty() {
        pieces.push(ValuePart::Text(plain.into()));
    }
    Ok(pieces)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Option<String> {
        let pieces = template(text, true).ok()?;
        let shown = pieces.iter().map(|piece| match piece {
            ValuePart::Text(text) => format!("[{text}]"),
            other => format!("<{other:?}>"),
        });
        Some(shown.collect())
    }

    #[test]
    fn item_2_a_template_is_text_and_known_words() {
        for (text, pieces) in [
            ("", ""),
            ("a b", "[a b]"),
            ("{tenant}", "<Tenant>"),
            ("x-{tenant.name}/{client}", "[x-]<TenantName>[/]<Client>"),
            ("{{tenant}}", "[{tenant}]"),
            ("{{{tenant}}}", "[{]<Tenant>[}]"),
        ] {
            assert_eq!(read(text).as_deref(), Some(pieces), "{text}");
        }
        for text in ["{", "}", "{tenant", "a}b", "{id}", "{ tenant }", "{}", "{tenant}}"] {
            assert_eq!(read(text), None, "{text}");
        }
        assert!(template("{tenant}", false).is_err() && template("{client}", false).is_ok());
    }

    #[test]
    fn item_2_names_are_folded_as_gateways_fold_them() {
        for name in ["X_Forwarded.For", "x-forwarded-for", "X!FORWARDED!FOR"] {
            assert_eq!(folded_name(name), "x-forwarded-for", "{name}");
        }
        for (name, good) in
            [("X-Tenant", true), ("X_T.1~", true), ("", false), ("X Tenant", false), ("X:", false)]
        {
            assert_eq!(is_token(name), good, "{name}");
        }
    }
}
