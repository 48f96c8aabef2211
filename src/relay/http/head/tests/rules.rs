//! What a rule changes of a request, whatever the client sends.

use std::sync::Arc;

use proptest::prelude::*;

use super::*;
use crate::inspect::http::{Request, put_target};
use crate::route::http::RuleEdits;
use crate::rules::path::request_path;
use crate::rules::{SetField, Treatment, ValuePart};

/// The values of the fields that are set: the tenant's id, its name, and the client's address.
pub(super) fn treatment() -> Treatment {
    let field = |name: &str, value: Vec<ValuePart>| SetField { name: name.into(), value: value.into() };
    let set = Box::new([
        field("X-Tenant", vec![ValuePart::Text("t=".into()), ValuePart::Tenant]),
        field("X_Name", vec![ValuePart::TenantName]),
        field("X-Client", vec![ValuePart::Client]),
    ]);
    Treatment { strip: true, set, ..Treatment::default() }
}

/// Reads the request in `text` and applies a rule that takes off that many octets.
pub(super) fn with_edits<R>(
    text: &str,
    (stripped, trusted): (usize, bool),
    treatment: &Treatment,
    then: impl FnOnce(&Asked<'_>, &Edits<'_>) -> R,
) -> R {
    let mut buffer = Buffer::default();
    buffer.extend(text.as_bytes());
    let Inspect::Found { ask, len } = Inspector::default().inspect(buffer.filled()) else { panic!("{text}") };
    let asked = Asked::take(&mut buffer, &ask, len);
    let mut protected = FieldNames::default();
    treatment.set.iter().for_each(|field| protected.insert(&field.name));
    let protected = Arc::new(protected);
    let client = [198, 51, 100, 7].into();
    let by_rule = RuleEdits {
        treatment,
        tenant: "XYZ".into(),
        tenant_name: Some("XYZ & \u{e4}\r\nX: y".into()),
        stripped,
        client,
    };
    let forwarding = Forwarding { peer: client, transport: Transport::Tls, trusted };
    let connection = asked.connection();
    let protected = Some(&protected).filter(|names| !names.is_empty());
    let takes_login = by_rule.treatment.takes_login();
    then(&asked, &Edits { forwarding, connection, protected, takes_login, by_rule: Some(Box::new(by_rule)) })
}

fn sent_by(text: &str, how: (usize, bool), treatment: &Treatment) -> String {
    let mut out = Vec::new();
    with_edits(text, how, treatment, |asked, edits| request_head(&mut out, asked, edits, None));
    String::from_utf8(out).unwrap()
}

#[test]
fn item_2_the_matched_part_is_taken_off() {
    for (asked, stripped, target, prefix) in [
        ("/tenant/XYZ/api/v1?q=/tenant/XYZ", 11, "/api/v1?q=/tenant/XYZ", "/tenant/XYZ"),
        ("/tenant/XYZ/", 11, "/", "/tenant/XYZ"),
        ("/tenant/XYZ", 11, "/", "/tenant/XYZ"),
        ("/tenant/XYZ?a=b", 11, "/?a=b", "/tenant/XYZ"),
        ("/tenant/XYZ/a", 12, "/a", "/tenant/XYZ"),
        ("http://h/tenant/XYZ/a?b", 11, "/a?b", "/tenant/XYZ"),
        ("http://h/tenant/XYZ?b", 11, "/?b", "/tenant/XYZ"),
        ("/t%C3%A4/\u{e4};\"/\u{20ac}?\u{20ac}", 17, "/%E2%82%AC?%E2%82%AC", "/t%C3%A4/%C3%A4%3B%22"),
        ("/a/b", 99, "/", "/a/b"),
        ("/a", 0, "/a", ""),
        ("http://h", 0, "/", ""),
    ] {
        let text = format!(
            "GET {asked} HTTP/1.1\r\nHost: h\r\nX-Forwarded-Prefix: /evil\r\nx_forwarded_prefix: /e\r\n\r\n"
        );
        let sent = sent_by(&text, (stripped, false), &treatment());
        assert!(sent.starts_with(&format!("GET {target} HTTP/1.1\r\nHost: h\r\n")), "{asked}: {sent}");
        let said =
            sent.split("\r\nX-Forwarded-Prefix: ").nth(1).map(|rest| rest.split("\r\n").next().unwrap());
        assert_eq!(said.unwrap_or_default(), prefix, "{asked}");
        assert!(!sent.contains("/e\r\n") && !sent.contains("evil"), "{sent}");
    }
    let star = sent_by("OPTIONS * HTTP/1.1\r\nHost: h\r\n\r\n", (1, false), &treatment());
    assert!(star.starts_with("OPTIONS * HTTP/1.1\r\n") && !star.contains("-Prefix"), "{star}");
}

#[test]
fn item_2_a_trusted_peer_says_what_it_took_off_before() {
    for (said, stripped, whole) in [
        ("X-Forwarded-Prefix: /app/\r\n", 2, "/app/a"),
        ("X-Forwarded-Prefix: /other\r\nX-Forwarded-Prefix: /app\r\n", 0, "/app"),
        ("X-Forwarded-Prefix: //app\r\n", 2, "/a"),
        ("X-Forwarded-Prefix: app\r\n", 2, "/a"),
        ("X-Forwarded-Prefix: /app, /x\r\n", 2, "/a"),
        ("X-Forwarded-Prefix: /\r\nX_Forwarded_Prefix: /app\r\n", 2, "/a"),
    ] {
        let text = format!("GET /a/b HTTP/1.1\r\nHost: h\r\n{said}\r\n");
        let sent = sent_by(&text, (stripped, true), &treatment());
        assert_eq!(sent.matches("Prefix").count(), 1, "{sent}");
        assert!(sent.contains(&format!("\r\nX-Forwarded-Prefix: {whole}\r\n")), "{said}: {sent}");
    }
}

#[test]
fn item_2_a_websocket_handshake_is_stripped_and_set_like_every_request() {
    let text = "GET /t/XYZ/ws HTTP/1.1\r\nHost: h\r\nUpgrade: websocket\r\nConnection: Upgrade, X-Tenant\r\nX-Tenant: evil\r\n\r\n";
    assert_eq!(
        sent_by(text, (6, false), &treatment()),
        "GET /ws HTTP/1.1\r\nHost: h\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nX-Tenant: t=XYZ\r\n\
         X_Name: XYZ%20%26%20%C3%A4%0D%0AX%3A%20y\r\nX-Client: 198.51.100.7\r\nX-Forwarded-For: 198.51.100.7\r\n\
         X-Forwarded-Proto: https\r\nX-Forwarded-Host: h\r\nX-Forwarded-Prefix: /t/XYZ\r\n\
         Forwarded: for=198.51.100.7;host=h;proto=https\r\n\r\n"
    );
}

#[test]
fn item_2_the_target_is_told_its_own_name_and_the_client_s_stands_beside_it() {
    let mut out = Vec::new();
    let text = "GET /a HTTP/1.1\r\nHost: Front.example:8\r\n\r\n";
    let treatment = Treatment { host_of_target: true, ..Treatment::default() };
    with_edits(text, (0, false), &treatment, |asked, edits| {
        request_head(&mut out, asked, edits, Some("adapter.example:8443"));
    });
    let sent = String::from_utf8(out).unwrap();
    assert!(sent.starts_with("GET /a HTTP/1.1\r\nHost: adapter.example:8443\r\n"), "{sent}");
    assert!(sent.contains("\r\nX-Forwarded-Host: Front.example:8\r\n"), "{sent}");
    assert!(sent.contains(";host=\"Front.example:8\";"), "{sent}");
}

#[test]
fn item_2_no_text_of_a_rule_breaks_a_line() {
    let set = SetField { name: "X-A".into(), value: Box::new([ValuePart::Text("a\r\nB: c\0\u{7f}".into())]) };
    let treatment = Treatment { set: Box::new([set]), ..Treatment::default() };
    let sent = sent_by("GET / HTTP/1.1\r\nHost: h\r\n\r\n", (0, false), &treatment);
    assert!(sent.contains("\r\nX-A: a%0D%0AB: c%00%7F\r\n"), "{sent}");
}

/// Spellings of the protected names and of other names, and values with all kinds of octets.
fn field() -> impl Strategy<Value = String> {
    let name = prop_oneof![
        "[xX][-_.~!][tT]enant",
        "[xX][-_*][nN]ame",
        "X-[cC]lient",
        "X-Forwarded-Prefix",
        "[a-zA-Z][a-zA-Z-]{0,8}x"
    ];
    (name, "[ -~\t\u{e4}]{0,12}").prop_map(|(name, value)| format!("{name}: {value}\r\n"))
}

proptest! {
    #[test]
    fn item_2_whatever_a_client_sends_the_head_has_one_copy_of_each_set_field(
        path in "/[a-c%;=.:@\u{e4}/]{0,12}",
        query in "(\\?[a-z/?=%]{0,6})?",
        fields in proptest::collection::vec(field(), 0..6),
        segments in 0..4_usize,
        (absolute, trusted) in any::<(bool, bool)>(),
    ) {
        let path = format!("/t/XYZ{path}");
        prop_assume!(request_path(path.as_bytes(), &mut Vec::new()).is_ok());
        let mut ascii = Vec::new();
        put_target(&mut ascii, format!("{path}{query}").as_bytes());
        let target = String::from_utf8(ascii).unwrap();
        let end = target.find('?').unwrap_or(target.len());
        let stripped = target[..end].match_indices('/').map(|(at, _)| at).chain([end]).nth(segments).unwrap_or(end);
        let form = if absolute { "http://h" } else { "" };
        let text = format!("GET {form}{path}{query} HTTP/1.1\r\nHost: h\r\n{}\r\n", fields.concat());
        let mut inspector = Inspector::default();
        prop_assume!(matches!(inspector.inspect(text.as_bytes()), Inspect::Found { .. }));
        let sent = sent_by(&text, (stripped, trusted), &treatment());

        let Inspect::Found { ask, len } = Inspector::default().inspect(sent.as_bytes()) else { panic!("{sent}") };
        prop_assert_eq!(len, sent.len());
        let head = sent.as_bytes();
        let named = |request: &Request, known: &str| {
            let mut set = FieldNames::default();
            set.insert(known);
            request.fields.iter().filter(|field| set.contains(field.name.of_input(head))).count()
        };
        for (name, count) in [("X-Tenant", 1), ("X-Name", 1), ("X-Client", 1), ("Host", 1)] {
            prop_assert_eq!(named(&ask, name), count, "{}: {}", name, sent);
        }
        prop_assert!(named(&ask, "X-Forwarded-Prefix") <= 1);
        let rest = &target[stripped..];
        let rest = if rest.starts_with('/') { rest.to_owned() } else { format!("/{rest}") };
        prop_assert_eq!(ask.target.of_input(head), rest.as_bytes());
    }
}
