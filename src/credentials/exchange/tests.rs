use super::*;

const NOW: u64 = 1_700_000_000;
const DAY: u64 = 86_400;

fn secrets(texts: &[&str]) -> Vec<Secret> {
    texts.iter().map(|text| Secret::new(text.as_bytes())).collect()
}

fn brought(username: &str, password: &str) -> BroughtCredential {
    let body = serde_json::json!({ "username": username, "password": password }).to_string();
    BroughtCredential::read(Form::Json, body.as_bytes()).unwrap()
}

/// The content of a body: username, password and domain.
fn read(form: Form, body: &str) -> Option<(String, String, Option<String>)> {
    let read = BroughtCredential::read(form, body.as_bytes())?;
    Some((read.username.to_string(), read.password.to_string(), read.domain().map(str::to_owned)))
}

fn said(username: &str, password: &str, domain: Option<&str>) -> Option<(String, String, Option<String>)> {
    Some((username.into(), password.into(), domain.map(str::to_owned)))
}

#[test]
fn item_2_a_credential_of_the_tenant_is_judged_by_its_own_secrets() {
    let own = secrets(&["newest", "older"]);
    for secret in ["newest", "older"] {
        let (username, password) = ephemeral::make(NOW + 60, "alice", secret.as_bytes());
        let genuine =
            brought(&username, &password).judge(&own, NOW, DAY).map(|one| (one.user.to_owned(), one.expires));
        assert_eq!(genuine, Ok(("alice".to_owned(), NOW + 60)), "{secret}");
        for at in 0..password.len() {
            let mut altered = password.as_bytes().to_vec();
            altered[at] = if altered[at] == b'A' { b'B' } else { b'A' };
            let altered = String::from_utf8(altered).unwrap();
            assert_eq!(
                brought(&username, &altered).judge(&own, NOW, DAY),
                Err(ExchangeRefusal::Wrong),
                "{at}"
            );
        }
        let later = username.replacen(&format!("{}", NOW + 60), &format!("{}", NOW + 61), 1);
        assert_eq!(
            brought(&later, &password).judge(&own, NOW, DAY),
            Err(ExchangeRefusal::Wrong),
            "another time"
        );
    }
    let made = |expires: u64, user: &str, secret: &str| {
        let (username, password) = ephemeral::make(expires, user, secret.as_bytes());
        brought(&username, &password).judge(&own, NOW, DAY).map(|one| one.expires)
    };
    for (expires, user, secret, judged) in [
        (NOW, "alice", "newest", Ok(NOW)),
        (NOW + DAY, "alice", "newest", Ok(NOW + DAY)),
        // Clocks may differ, but a new credential never lasts longer than the limit.
        (NOW + DAY + 60, "alice", "newest", Ok(NOW + DAY)),
        (NOW + DAY + 61, "alice", "newest", Err(ExchangeRefusal::Wrong)),
        (NOW - 1, "alice", "newest", Err(ExchangeRefusal::Expired)),
        (NOW - 1, "alice", "other", Err(ExchangeRefusal::Wrong)),
        (NOW + 5, "alice", "other", Err(ExchangeRefusal::Wrong)),
        (NOW + 5, "al:ice", "newest", Ok(NOW + 5)),
        (NOW + 5, "a/b", "newest", Err(ExchangeRefusal::OtherName)),
        (NOW + 5, "OTHER/bob@voxbone.example", "newest", Err(ExchangeRefusal::OtherName)),
        (NOW + 5, "a@b", "newest", Err(ExchangeRefusal::OtherName)),
        (NOW + 5, "a\nb", "newest", Err(ExchangeRefusal::OtherName)),
        (NOW - 1, "a@b", "newest", Err(ExchangeRefusal::Expired)),
        (NOW + 5, "a@b", "other", Err(ExchangeRefusal::Wrong)),
        (NOW + 5, "", "newest", Err(ExchangeRefusal::Wrong)),
        (0, "alice", "newest", Err(ExchangeRefusal::Wrong)),
        (99_999_999_999, "alice", "newest", Err(ExchangeRefusal::Wrong)),
    ] {
        assert_eq!(made(expires, user, secret), judged, "{expires} {user} {secret}");
    }
    let (username, password) = ephemeral::make(NOW + 60, "alice", b"newest");
    assert_eq!(brought(&username, &password).judge(&[], NOW, DAY), Err(ExchangeRefusal::Wrong), "no secrets");
    assert_eq!(brought(&username, "").judge(&own, NOW, DAY), Err(ExchangeRefusal::Wrong));
    assert_eq!(brought("alice", &password).judge(&own, NOW, DAY), Err(ExchangeRefusal::Wrong));
    assert_eq!(
        brought(&format!("0{username}"), &password).judge(&own, NOW, DAY),
        Err(ExchangeRefusal::Wrong)
    );
}

#[test]
fn item_2_what_is_given_names_tenant_user_and_domain() {
    let (username, password) = make(NOW, ("XYZ", "alice", "voxbone.example"), b"of sip");
    assert_eq!(username, "1700000000:XYZ/alice@voxbone.example");
    assert_eq!(password, ephemeral::make(NOW, "XYZ/alice@voxbone.example", b"of sip").1);
}

#[test]
fn item_2_bodies_are_forms_or_json() {
    for (content_type, form) in [
        ("application/json", Some(Form::Json)),
        ("Application/JSON; charset=utf-8", Some(Form::Json)),
        (" application/x-www-form-urlencoded ;charset=UTF-8", Some(Form::UrlEncoded)),
        ("", None),
        ("text/plain", None),
        ("application/jsonp", None),
        ("application/json, text/plain", None),
        ("multipart/form-data; boundary=x", None),
    ] {
        assert_eq!(Form::of(content_type.as_bytes()), form, "{content_type}");
    }
    for (body, is) in [
        ("username=5%3Aa&password=b%2Bc%3D", said("5:a", "b+c=", None)),
        ("username=5:a&password=b+c/d=", said("5:a", "b+c/d=", None)),
        ("username=5%3Aa+b&password=", said("5:a b", "", None)),
        ("&password=x&&service=sip&username=%c3%A4&domain=d.example&", said("ä", "x", Some("d.example"))),
        ("username=a&password=%&domain=", said("a", "%", None)),
        ("username=a&password=%zz%4", said("a", "%zz%4", None)),
        ("username=a", None),
        ("password=a", None),
        ("", None),
        ("username=a&password=b&username=c", None),
        ("username=a&password=b&user%6eame=a", None),
        ("username=a&password=b&domain=c&domain=c", None),
        ("username=%ff&password=b", None),
        ("Username=a&password=b", None),
        ("{\"username\":\"a\",\"password\":\"b\"}", None),
    ] {
        assert_eq!(read(Form::UrlEncoded, body), is, "{body}");
    }
    for (body, is) in [
        (r#"{"username":"5:a","password":"b c"}"#, said("5:a", "b c", None)),
        (r#" {"password":"","x":[1],"username":"\u00e4","domain":"d"} "#, said("ä", "", Some("d"))),
        (r#"{"username":5,"password":"b"}"#, None),
        (r#"{"username":"a","password":null}"#, None),
        (r#"{"username":"a","password":"b","domain":7}"#, None),
        (r#"{"username":"a"}"#, None),
        (r#"["a","b"]"#, None),
        (r#"{"username":"a","password":"b"} x"#, None),
        ("username=a&password=b", None),
        ("", None),
    ] {
        assert_eq!(read(Form::Json, body), is, "{body}");
    }
    let deep =
        format!("{{\"username\":\"a\",\"password\":\"b\",\"x\":{}1{}}}", "[".repeat(4000), "]".repeat(4000));
    assert_eq!(read(Form::Json, &deep), None);
    assert_eq!(
        BroughtCredential::read(Form::Json, b"{\"username\":\"\xff\",\"password\":\"b\"}").map(|_| ()),
        None
    );
    assert_eq!(format!("{:?}", brought("5:hunter2", "hunter2")), "Brought { .. }");
}

#[test]
fn item_2_a_name_stands_once_in_a_json_body_as_in_a_form() {
    for (body, is_read) in [
        (r#"{"username":"1:a","password":"p"}"#, true),
        (
            r#"{"username":"1:a","password":"p","more":{"username":"x","y":["z:",{"a":1}]},"a\":\"":": {"}"#,
            true,
        ),
        (r#"{"username":"1:a","username":"2:b","password":"p"}"#, false),
        (r#"{"username":"1:a","password":"p","user\u006eame":"2:b"}"#, false),
        (r#"{"password":5,"username":"1:a","password":"p"}"#, false),
        (r#"{"username":"1:a","password":"p","x":1,"x":2}"#, false),
    ] {
        assert_eq!(BroughtCredential::read(Form::Json, body.as_bytes()).is_some(), is_read, "{body}");
    }
}
