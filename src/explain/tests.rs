//! Explanations agree with decisions, for a table of questions and for messages that were written by hand.

use super::*;
use crate::config::{self, Everything};
use crate::inspect::Inspect;
use crate::inspect::{ldap, sip};
use crate::proof::token::Tokens;
use crate::route::signalling::{Answer, Decided};
use crate::service::Transport;

mod credentials;
mod decided;
mod question;
mod remedy;

/// A configuration in which each kind of answer occurs. `more` is added to portward.toml.
pub(crate) fn loaded(more: &str) -> Everything {
    loaded_with(more, RULES)
}

/// The same with other rules.
pub(crate) fn loaded_with(more: &str, rules: &str) -> Everything {
    let dir = tempfile::tempdir().unwrap();
    let config = format!("rules = \"rules\"\nstate = \"state\"\n{more}");
    std::fs::create_dir_all(dir.path().join("rules/presets")).unwrap();
    std::fs::create_dir_all(dir.path().join("acme")).unwrap();
    std::fs::write(dir.path().join("portward.toml"), config).unwrap();
    std::fs::write(dir.path().join("rules/a.toml"), rules).unwrap();
    std::fs::write(
        dir.path().join("rules/presets/apps.toml"),
        "http = [\n  { path = \"/PBX0/APPS\", tcp = 80, tls = 443 },\n]\n",
    )
    .unwrap();
    config::load_all(&dir.path().join("portward.toml")).map_err(|found| found.render(false)).unwrap()
}

const RULES: &str = r#"[[host]]
name = "hq.dvl-ckl2.net"
target = "172.31.31.2"
preset = ["apps"]
http = [
  { path = "/soap/", target = ["2001:db8::1", "ap.inside"] },
  { default = true, redirect = "https", target = "2001:db8::1" },
]

[[host]]
name = "*.ap.net"
http = [{ path = "", target = ["2001:db8::1", "ap.inside"] }]

[[host]]
name = "off.net"
enabled = false
http = [{ path = "", target = "172.31.31.2" }]

[[host]]
name = "xn--bcher-kva.example"
target = "172.31.31.2"
ldap = true

[[host]]
name = "dvl-ckl2.net"
target = "172.31.31.2"
sip = true
h323 = true
ldap = { tcp = 389, tls = false }

[[host]]
name = "strict.example"
target = "172.31.31.4"
sip = { on_failed_check = "reject" }
"#;

fn listed() -> Listing {
    Listing::Listed { address: "198.51.100.0/24".to_owned(), entry: "x".to_owned() }
}

pub(crate) fn answer(given: &Everything, text: &str, client: &Client) -> Explanation {
    let url = Url::parse(text).unwrap_or_else(|bad| panic!("{text}: {bad}"));
    explain(&Grounds { table: &given.table, config: &given.config, overrides: None }, &url, client)
}

/// `ADDRESS (way)`, or the reason.
fn short(explanation: &Explanation) -> String {
    match &explanation.verdict {
        Verdict::Forward { targets, transport, .. } => format!("{} {transport:?}", targets.join(" ")),
        Verdict::Redirect { location } => location.clone(),
        Verdict::Answered(answer) => format!("{answer:?}"),
        Verdict::WebSocket => "101".to_owned(),
        Verdict::Exchange { domain } => format!("{domain:?}"),
        Verdict::Document { file } => file.display().to_string(),
        Verdict::Rejected { reason, .. } => reason.to_string(),
    }
}

fn with_certificate(names: &str, aliases: &[&str]) -> Client {
    Client {
        names: Names::parse(names),
        aliases: aliases.iter().map(|alias| Alias::H323((*alias).to_owned())).collect(),
        ..Client::default()
    }
}

#[test]
fn item_3_a_phone_is_answered_as_its_first_request_is() {
    let usual = loaded("");
    let default = loaded("[sip]\ndefault_host = \"dvl-ckl2.net\"\n");
    for (given, url, names, expected) in [
        (&usual, "sip:ckl@dvl-ckl2.net", "", "172.31.31.2:5060 Plain"),
        (&usual, "sip:ckl@DVL-CKL2.net.:5070;transport=tcp", "", "172.31.31.2:5060 Plain"),
        (&usual, "sips:ckl@dvl-ckl2.net", "", "172.31.31.2:5060 Plain"),
        (&usual, "sips:ckl@dvl-ckl2.net", "CN=ckl", "172.31.31.2:5061 Tls"),
        (&usual, "sips:ckl@dvl-ckl2.net", "CN=other", "172.31.31.2:5060 Plain"),
        (&usual, "sips:ckl;x=1@dvl-ckl2.net", "CN=ckl", "172.31.31.2:5060 Plain"),
        (&usual, "sips:ckl:secret@dvl-ckl2.net", "CN=ckl", "172.31.31.2:5060 Plain"),
        (&usual, "sips:ckl@strict.example", "CN=other", "certificate"),
        (&usual, "sip:ckl@elsewhere.example", "", "unknown-host"),
        (&usual, "sip:ckl@hq.dvl-ckl2.net", "", "no-service"),
        (&usual, "sip:ckl@off.net", "", "disabled"),
        (&usual, "sip:ckl@a,b", "", "malformed"),
        (&usual, "sip:anonymous@anonymous.invalid", "", "no-name"),
        (&default, "sip:anonymous@anonymous.invalid", "", "172.31.31.2:5060 Plain"),
        (&default, "sip:ckl@anonymous.invalid", "", "172.31.31.2:5060 Plain"),
        // A certificate proves nothing for a withheld name, and nothing at another host.
        (&default, "sips:anonymous@anonymous.invalid", "CN=anonymous", "172.31.31.2:5060 Plain"),
        (&default, "sips:ckl@anonymous.invalid", "CN=ckl", "172.31.31.2:5060 Plain"),
        (&usual, "sip:ckl@dvl-ckl2.net;method=OPTIONS", "", "Methods"),
        (&usual, "sip:ckl@dvl-ckl2.net;method=SUBSCRIBE", "", "Unavailable"),
        (&usual, "sip:ckl@dvl-ckl2.net;transport=tcp;Method=INVITE?Subject=x", "", "172.31.31.2:5060 Plain"),
        (&usual, "sip:ckl@elsewhere.example;method=OPTIONS", "", "method"),
        (&usual, "sip:ckl@dvl-ckl2.net;method=invite", "", "malformed"),
    ] {
        let explanation = answer(given, url, &with_certificate(names, &[]));
        assert_eq!(short(&explanation), expected, "{url} {names}");
    }
    let long = format!("sip:{}@dvl-ckl2.net", "x".repeat(20_000));
    assert_eq!(short(&answer(&usual, &long, &Client::default())), "too-large");
    let only = loaded("[sip]\nmethods = [\"INVITE\"]\n");
    assert_eq!(short(&answer(&only, "sip:ckl@dvl-ckl2.net", &Client::default())), "Unavailable");
}

#[test]
fn item_3_an_endpoint_is_answered_as_its_registration_is() {
    let usual = loaded("");
    let default = loaded("[h323]\ndefault_host = \"dvl-ckl2.net\"\n");
    for (given, url, client, expected) in [
        (&usual, "h323:hq@dvl-ckl2.net", Client::default(), "172.31.31.2:1720 Plain"),
        (&usual, "h323s:hq@dvl-ckl2.net", Client::default(), "172.31.31.2:1720 Plain"),
        (&usual, "h323s:hq@dvl-ckl2.net", with_certificate("CN=ckl", &["ckl"]), "172.31.31.2:1300 Tls"),
        (&usual, "h323s:hq@dvl-ckl2.net", with_certificate("CN=ckl", &[]), "172.31.31.2:1300 Tls"),
        (&usual, "h323s:hq@dvl-ckl2.net", with_certificate("CN=ckl", &["a"]), "172.31.31.2:1720 Plain"),
        (&usual, "h323:nobody.example", Client::default(), "unknown-host"),
        (&usual, "h323:a@b@dvl-ckl2.net", Client::default(), "malformed"),
        (&usual, "h323:hq@", Client::default(), "no-name"),
        (&usual, "h323:", Client::default(), "no-name"),
        (&default, "h323:", Client::default(), "172.31.31.2:1720 Plain"),
        (&default, "h323:hq@", Client::default(), "172.31.31.2:1720 Plain"),
    ] {
        assert_eq!(short(&answer(given, url, &client)), expected, "{url} {client:?}");
    }
}

#[test]
fn item_3_a_page_is_answered_as_its_request_is() {
    let given = loaded("[outside]\nports = { https = 8443 }\n");
    for (url, expected) in [
        ("https://hq.dvl-ckl2.net/PBX0/APPS/x?y=/z#w", "172.31.31.2:443 Tls"),
        ("http://hq.dvl-ckl2.net:80?a=b", "https://hq.dvl-ckl2.net:8443/?a=b"),
        ("http://hq.dvl-ckl2.net?a=\u{e4}", "https://hq.dvl-ckl2.net:8443/?a=%C3%A4"),
        ("https://hq.dvl-ckl2.net/PBX0/APPS/\u{e4}", "172.31.31.2:443 Tls"),
        ("https://hq.dvl-ckl2.net/PBX0/../APPS", "unsafe-path"),
        ("https://hq.dvl-ckl2.net/x", "no-path"),
        ("https://a b/", "malformed"),
        ("https:///x", "no-name"),
        // Some servers do not understand a client that sends one of these.
        ("https://hq.dvl-ckl2.net/PBX0/APPS/a b", "malformed"),
        ("https://192.0.02.1/", "malformed"),
    ] {
        assert_eq!(short(&answer(&given, url, &Client::default())), expected, "{url}");
    }
    let long = format!("https://hq.dvl-ckl2.net/PBX0/APPS/{}", "x".repeat(70_000));
    assert_eq!(short(&answer(&given, &long, &Client::default())), "too-large");
}

#[test]
fn item_3_the_guard_is_asked_by_its_own_rule() {
    let given = loaded("[blacklist]\nallow = [\"192.0.2.0/28\"]\nblock = [\"192.0.2.8/29\"]\n");
    for (address, listing, expected) in [
        ("192.0.2.1", listed(), "172.31.31.2:443 Tls"),
        ("192.0.2.9", Listing::NotListed, "blocked"),
        ("::ffff:192.0.2.9", Listing::Unknown("x".to_owned()), "blocked"),
        ("198.51.100.1", listed(), "blacklisted"),
        ("198.51.100.1", Listing::NotListed, "172.31.31.2:443 Tls"),
    ] {
        let from = Some(From { address: address.parse().unwrap(), listing });
        let client = Client { from, ..Client::default() };
        let explanation = answer(&given, "https://hq.dvl-ckl2.net/PBX0/APPS", &client);
        assert_eq!(short(&explanation), expected, "{address}");
        assert_eq!(explanation.unsure, None, "{address}");
    }
}

#[test]
fn item_23_what_could_not_be_asked_is_no_yes() {
    let given = loaded("[blacklist]\nallow = [\"192.0.2.0/28\"]\n");
    for (address, url, outcome) in [
        ("198.51.100.1", "https://hq.dvl-ckl2.net/PBX0/APPS", Admission::Unknown),
        ("198.51.100.1", "http://hq.dvl-ckl2.net/", Admission::Unknown),
        ("198.51.100.1", "sip:ckl@dvl-ckl2.net", Admission::Unknown),
        ("198.51.100.1", "https://hq.dvl-ckl2.net/x", Admission::No),
        // These results do not depend on the blacklist.
        ("192.0.2.1", "https://hq.dvl-ckl2.net/PBX0/APPS", Admission::Yes),
    ] {
        let listing = Listing::Unknown("no Portward answers".to_owned());
        let from = Some(From { address: address.parse().unwrap(), listing });
        let explanation = answer(&given, url, &Client { from, ..Client::default() });
        assert_eq!(explanation.admission(), outcome, "{address} {url}");
    }
}

#[test]
fn item_23_challenges_have_an_answer_of_their_own() {
    let target = loaded("[tls]\nacme_target = \"127.0.0.1:8080\"\n");
    let webroot = loaded("[tls]\nacme_webroot = \"acme\"\n");
    let path = "/.well-known/acme-challenge/aZ0-_";
    for (host, scheme, expected) in [
        ("hq.dvl-ckl2.net", "http", "127.0.0.1:8080 Plain"),
        ("x.ap.net", "http", "127.0.0.1:8080 Plain"),
        ("x.ap.net", "ws", "127.0.0.1:8080 Plain"),
        ("x.ap.net", "https", "[2001:db8::1]:443 ap.inside:443 Tls"),
        ("hq.dvl-ckl2.net", "https", "no-path"),
        ("off.net", "http", "disabled"),
        ("elsewhere.example", "http", "unknown-host"),
    ] {
        let url = format!("{scheme}://{host}{path}");
        assert_eq!(short(&answer(&target, &url, &Client::default())), expected, "{url}");
        let explanation = answer(&webroot, &url, &Client::default());
        let asks = matches!(scheme, "http" | "ws") && !matches!(expected, "disabled" | "unknown-host");
        assert_eq!(explanation.challenge_file().is_some(), asks, "{url}");
    }
    for (host, by_rules) in [("hq.dvl-ckl2.net", Admission::No), ("x.ap.net", Admission::Yes)] {
        let url = format!("http://{host}{path}");
        let mut explanation = answer(&webroot, &url, &Client::default());
        let file = explanation.challenge_file().expect("a challenge").clone();
        assert!(file.ends_with("acme/.well-known/acme-challenge/aZ0-_"), "{}", file.display());
        assert_eq!(
            explanation.admission(),
            Admission::Unknown,
            "{url}: the caller has not looked for the file"
        );
        explanation.found(Presence::Unknown("permission denied".to_owned()));
        assert_eq!(explanation.admission(), Admission::Unknown, "{url}");
        explanation.found(Presence::No);
        assert_eq!(explanation.admission(), by_rules, "{url}");
        explanation.found(Presence::Yes);
        assert_eq!(
            (explanation.admission(), &explanation.verdict),
            (Admission::Yes, &Verdict::Document { file })
        );
    }
}

#[test]
fn item_23_a_websocket_goes_as_its_handshake() {
    let given = loaded("");
    for (url, expected) in [
        ("wss://hq.dvl-ckl2.net/PBX0/APPS/ws", "172.31.31.2:443 Tls"),
        ("ws://hq.dvl-ckl2.net/PBX0/APPS/ws", "172.31.31.2:80 Plain"),
        ("ws://hq.dvl-ckl2.net/", "https://hq.dvl-ckl2.net/"),
        ("wss://hq.dvl-ckl2.net/x", "no-path"),
        ("x.ap.net", "[2001:db8::1]:443 ap.inside:443 Tls"),
        ("hq.dvl-ckl2.net/PBX0/APPS", "172.31.31.2:443 Tls"),
    ] {
        assert_eq!(short(&answer(&given, url, &Client::default())), expected, "{url}");
    }
}

#[test]
fn what_answers_itself_is_a_yes_only_to_options() {
    let given = loaded("");
    for (method, outcome) in [("OPTIONS", Admission::Yes), ("PUBLISH", Admission::No)] {
        let explanation = answer(&given, &format!("sip:a@dvl-ckl2.net;method={method}"), &Client::default());
        assert_eq!(explanation.admission(), outcome, "{method}");
        assert!(matches!(explanation.verdict, Verdict::Answered(Answer::Methods | Answer::Unavailable)));
    }
}

#[test]
fn item_6_a_yes_is_none_if_the_overrides_are_not_known() {
    let given = loaded("");
    let grounds =
        Grounds { table: &given.table, config: &given.config, overrides: Some("it cannot be read") };
    for (url, outcome) in [
        ("https://hq.dvl-ckl2.net/PBX0/APPS", Admission::Unknown),
        ("sip:ckl@dvl-ckl2.net", Admission::Unknown),
        ("https://nobody.example/", Admission::No),
    ] {
        let explanation = explain(&grounds, &Url::parse(url).unwrap(), &Client::default());
        assert_eq!(explanation.admission(), outcome, "{url}");
        let unsure = "an administrator may have enabled or disabled the host: it cannot be read";
        assert_eq!(explanation.unknown().unwrap().to_string(), unsure);
    }
}
