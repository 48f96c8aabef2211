//! `exchange = "sip"` of an entry of `http`, and the keys that belong to it (contract section 9).

use std::sync::Arc;

use super::super::report::Fault;
use super::super::tree::Node;
use super::super::walk::{Section, Value};
use super::context::Context;
use super::{fields, websocket};
use crate::rules::{ExchangeRule, Origins, PathPattern, Treatment};

/// An entry that exchanges credentials: the rule, and `redirect`.
pub(super) struct Exchange {
    pub(super) treatment: Arc<Treatment>,
    pub(super) redirect_https: bool,
}

/// Keys of entries that forward requests or that end WebSockets. An entry that exchanges credentials forwards nothing.
const USELESS: [&str; 15] = [
    "target",
    "tcp",
    "tls",
    "websocket",
    "websocket_wait",
    "ws",
    "wss",
    "ws_path",
    "login",
    "pass_login",
    "login_plain",
    "otherwise",
    "strip",
    "host",
    "set",
];

/// Takes `exchange` and the keys that belong to it. `Ok(None)`: the entry exchanges nothing.
///
/// # Errors
/// The entry is wrong, which was reported.
pub(super) fn read(
    section: &mut Section<'_>,
    path: Option<&PathPattern>,
    has_tenant: bool,
    context: &Context,
) -> Result<Option<Exchange>, ()> {
    let uris = section.get("uris");
    let Some(exchange) = section.get("exchange") else {
        let Some(uris) = uris else { return Ok(None) };
        uris.error_at_key(
            Fault::new("`uris` cannot matter without `exchange`")
                .help("exchange = \"sip\" gives clients a credential, and `uris` says where it is good"),
        );
        return Err(());
    };
    let is_known = exchange.choice(&[("sip", ())]).is_some();
    let mut is_good = is_known;
    for key in USELESS {
        if let Some(useless) = section.get(key) {
            useless.error_at_key(
                Fault::new(format!("`{key}` cannot matter beside `exchange`"))
                    .help("Portward answers such a request itself, and forwards nothing"),
            );
            is_good = false;
        }
    }
    if !has_tenant && path.is_some_and(|path| path.naming().is_none()) {
        exchange.error_at_key(
            Fault::new("no tenant is known here whose credentials could be exchanged")
                .help("write {tenant} in the path, or let the host belong to a tenant"),
        );
        is_good = false;
    }
    if is_known && !context.has_sip_secrets {
        exchange.warn_at_key(
            Fault::new("nothing can be exchanged: portward.toml has no secrets under [sip]")
                .help("write secrets = [\"file:PATH\"] there, with a secret in that file"),
        );
    }
    let origins = section.get("origins");
    let origins = origins.as_ref().map_or(Some(Origins::Own), websocket::origins);
    let uris = uris.as_ref().map_or(Some(Box::default()), self::uris);
    let redirect_https = section.read("redirect", false, |value| value.choice(&[("https", true)]));
    let response = section.get("response").map_or_else(Vec::new, |value| fields::response(&value));
    let (Some(origins), Some(uris), true) = (origins, uris, is_good) else { return Err(()) };
    let exchange = Some(ExchangeRule { origins, uris });
    let treatment = Treatment { exchange, response: response.into(), ..Treatment::default() };
    Ok(Some(Exchange { treatment: Arc::new(treatment), redirect_https }))
}

/// Reads `uris`.
fn uris(value: &Value<'_>) -> Option<Box<[Box<str>]>> {
    let wanted = "a list of URIs, as [\"wss://webrtc.example.net/sip\"]";
    let entries = value.list(wanted);
    if matches!(value.node, Node::Array(list) if list.is_empty()) {
        value.error(Fault::new("the list is empty").help("leave `uris` out, or say where SIP is spoken"));
    }
    let read: Vec<_> = entries.iter().filter_map(|entry| entry.parsed(wanted, uri)).collect();
    (!entries.is_empty() && read.len() == entries.len()).then(|| read.into())
}

/// A URI at which SIP is spoken.
fn uri(text: &str) -> Result<Box<str>, Fault> {
    const HELP: &str = "as \"wss://webrtc.example.net/sip\", or \"sips:example.net\"";
    let scheme = ["wss://", "ws://", "sips:", "sip:"].into_iter().find(|scheme| text.starts_with(scheme));
    let Some(rest) = scheme.and_then(|scheme| text.strip_prefix(scheme)) else {
        return Err(Fault::new("this is no URI of a place where SIP is spoken").help(HELP));
    };
    if rest.is_empty() || !text.bytes().all(|octet| octet.is_ascii_graphic()) {
        return Err(Fault::new("this is no URI").help(HELP));
    }
    Ok(text.into())
}

#[cfg(test)]
mod tests {
    use crate::config::{Config, load_rules};
    use crate::rules::Table;

    /// The table of these rules, and their diagnostics.
    fn read(rules: &str) -> (Option<Table>, String) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("rules.toml");
        std::fs::write(&file, rules).unwrap();
        let rules = load_rules(&file, &Config::defaults(&folder.path().join("portward.toml")));
        (rules.table, rules.diagnostics.render(false))
    }

    #[test]
    fn item_2_the_domain_is_the_nearest_where_credentials_are_asked_for() {
        const TENANTS: &str = "[tenant.top]\n[tenant.mid]\nparent = \"top\"\n[tenant.low]\nparent = \"mid\"\n\
            [tenant.own]\n[tenant.none]\n[[host]]\nname = \"x\"\nhttp = [{ path = \"/{tenant}\", exchange = \"sip\" }]\n";
        let host = |name: &str, tenant: &str, more: &str| {
            let tenant = if tenant.is_empty() { String::new() } else { format!("tenant = \"{tenant}\"\n") };
            format!(
                "[[host]]\nname = \"{name}\"\n{tenant}sip = {{ target = \"192.0.2.{}\", tcp = 5060, tls = false{more} }}\n",
                name.len()
            )
        };
        let asked = ", credentials = \"ephemeral\"";
        let domains = |hosts: &[String]| {
            let (table, found) = read(&(TENANTS.to_owned() + &hosts.concat()));
            let table = table.unwrap_or_else(|| panic!("{found}"));
            ["top", "mid", "low", "own", "none"].map(|id| {
                let tenant = table.tenants().by_id(id).unwrap();
                table.domain_of(tenant).map_or(String::new(), |host| host.name().to_owned())
            })
        };
        let plain = [
            host("*.wild.example", "own", ""),
            host("a", "low", ""),
            host("bb", "own", ""),
            host("ccc", "own", ""),
            host("dddd", "mid", ""),
        ];
        assert_eq!(domains(&plain), ["a", "dddd", "a", "bb", ""]);
        let mut beside_none = plain.to_vec();
        beside_none.push(host("eeeee", "", ""));
        assert_eq!(domains(&beside_none), ["a", "dddd", "a", "bb", "eeeee"]);
        // The warning about hosts that demand credentials comes before all others.
        beside_none.push(host("ffffff", "", asked));
        assert_eq!(domains(&beside_none), ["ffffff"; 5]);
        beside_none.push(host("ggggggg", "low", asked));
        assert_eq!(domains(&beside_none), ["ggggggg", "ggggggg", "ggggggg", "ffffff", "ffffff"]);
        // Without an exchange the warning is not computed.
        let (table, _) =
            read(&(TENANTS.replace(", exchange = \"sip\"", ", target = \"192.0.2.9\"") + &plain.concat()));
        let table = table.unwrap();
        assert!(table.domain_of(table.tenants().by_id("own").unwrap()).is_none());
    }

    #[test]
    fn item_2_an_entry_that_exchanges_forwards_nothing() {
        let entry = |more: &str| {
            read(&format!(
                "[tenant.T]\n[[host]]\nname = \"x.example\"\nhttp = [{{ path = \"/{{tenant}}\", exchange = \"sip\"{more} }}]\n"
            ))
        };
        let (table, found) = entry("");
        assert!(table.is_some() && found.contains("warning: nothing can be exchanged"), "{found}");
        for more in [
            ", origins = [\"https://a.example\", \"none\"], uris = [\"wss://b.example/sip\", \"sips:a.example\"]",
            ", redirect = \"https\"",
            ", response = { X-A = \"b\" }",
        ] {
            assert!(entry(more).0.is_some(), "{more}: {}", entry(more).1);
        }
        for (more, wrong) in [
            (", target = \"192.0.2.1\"", "`target` cannot matter beside `exchange`"),
            (", tcp = 80", "`tcp` cannot matter"),
            (", tls = 443", "`tls` cannot matter"),
            (", websocket = \"sip\"", "`websocket` cannot matter"),
            (", websocket_wait = \"5m\"", "`websocket_wait` cannot matter"),
            (", ws = 80", "`ws` cannot matter"),
            (", wss = 80", "`wss` cannot matter"),
            (", ws_path = \"/\"", "`ws_path` cannot matter"),
            (", login = \"tenant\"", "`login` cannot matter"),
            (", pass_login = true", "`pass_login` cannot matter"),
            (", otherwise = \"192.0.2.1\"", "`otherwise` cannot matter"),
            (", strip = true", "`strip` cannot matter"),
            (", host = \"target\"", "`host` cannot matter"),
            (", set = { X-A = \"b\" }", "`set` cannot matter"),
            (", nonsense = 1", "nonsense"),
            (", uris = []", "empty"),
            (", uris = [\"https://a.example\"]", "this is no URI of a place where SIP is spoken"),
            (", uris = [\"wss://\"]", "this is no URI"),
            (", uris = [\"wss://a b\"]", "this is no URI"),
            (", origins = []", "with an empty list no page may connect"),
            (", origins = [\"null\"]", "null is no origin"),
            (", origins = [\"*\"]", "* is no origin"),
            (", login_plain = true", "`login_plain` cannot matter"),
        ] {
            let (table, found) = entry(more);
            assert!(table.is_none() && found.contains(wrong), "{more}: {found}");
        }
        for (rules, wrong) in [
            (
                "[[host]]\nname = \"x\"\nhttp = [{ path = \"/t\", exchange = \"sip\" }]\n",
                "no tenant is known here",
            ),
            ("[[host]]\nname = \"x\"\nhttp = [{ path = \"/t\", exchange = \"turn\" }]\n", "turn"),
            (
                "[[host]]\nname = \"x\"\nhttp = [{ path = \"/t\", target = \"192.0.2.1\", uris = [\"sip:a\"] }]\n",
                "`uris` cannot matter without `exchange`",
            ),
            ("[[host]]\nname = \"x\"\nexchange = \"sip\"\n", "belongs in an entry of a host's http list"),
        ] {
            let (table, found) = read(rules);
            assert!(table.is_none() && found.contains(wrong), "{rules}: {found}");
        }
    }
}
