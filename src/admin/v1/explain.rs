//! `POST /v1/explain`: the result of a request by the rules in force, with facts that only the daemon knows.

use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use serde_json::{Value, json};

use super::{Answer, Asked};
use crate::admin::body::Fields;
use crate::cause::Cause;
use crate::conn::acme;
use crate::explain::{
    Admission, Client, Explanation, From, Grounds, Listing, Presence, Text, Url, Verdict, explain,
};
use crate::files;
use crate::guard::{CountedAddress, blacklist_file, unix_now};
use crate::inspect::h323::Alias;
use crate::proof::Names;
use crate::reason::Reason;
use crate::state::{Shared, Snapshot};
use crate::upstream::State;

/// How long the DNS may take for a target's address.
const PATIENCE: Duration = Duration::from_secs(2);
/// In a longer file the exact place for a remedy is not searched.
const LONGEST: u64 = 64 * 1024 * 1024;
/// The known fields of the body.
const KEYS: &[&str] = &["url", "from", "cert", "bind", "alias", "number", "reason"];

/// Answers with the object of `portward explain --json`, and with `granted` (null: unknown), `text` and `live`.
pub(super) async fn answer(asked: &Asked<'_>) -> Answer {
    let (url, wanted) = match wanted(asked.body) {
        Ok(wanted) => wanted,
        Err(why) => return Answer::bad(why),
    };
    let (shared, snapshot) = (asked.shared, asked.shared.snapshot.load_full());
    let entry = wanted.from.and_then(|address| shared.guard.blacklist().entry(address.into(), unix_now()));
    let entry = entry.and_then(|entry| serde_json::from_str(&blacklist_file::to_json(&entry)).ok());
    let listing = entry.as_ref().map_or(Listing::NotListed, |entry: &Value| Listing::Listed {
        address: entry.get("address").and_then(Value::as_str).unwrap_or_default().to_owned(),
        entry: blacklist_file::words::text(entry),
    });
    let client = Client {
        from: wanted.from.map(|address| From { address, listing }),
        names: wanted.cert,
        aliases: wanted.aliases,
        bind: wanted.bind,
        refused: wanted.refused,
    };
    let grounds = Grounds { table: &snapshot.table, config: &snapshot.config, overrides: None };
    let explanation = looked_up(explain(&grounds, &url, &client));
    let mut json = explanation.to_json();
    let granted = match explanation.admission() {
        Admission::Yes => Some(true),
        Admission::No => Some(false),
        Admission::Unknown => None,
    };
    let live = json!({
        "generation": snapshot.generation.number,
        "client": wanted.from.map(|address| taken_for(shared, &snapshot, address, entry)),
        "targets": targets(shared, &explanation).await,
    });
    if let Some(fields) = json.as_object_mut() {
        fields.insert("granted".to_owned(), granted.into());
        fields.insert("text".to_owned(), Text(&explanation).to_string().into());
        fields.insert("live".to_owned(), live);
    }
    Answer::ok(&json)
}

/// Adds facts from the disk, if the decision depends on them, and the place for a remedy.
pub(crate) fn looked_up(mut explanation: Explanation) -> Explanation {
    if let Some(file) = explanation.challenge_file() {
        let presence = match acme::read(file) {
            Ok(Some(_)) => Presence::Yes,
            Ok(None) => Presence::No,
            Err(error) => Presence::Unknown(error.to_string()),
        };
        explanation.found(presence);
    }
    if let Some(file) = explanation.rules_file() {
        let text = files::read(file, LONGEST).ok().and_then(|octets| String::from_utf8(octets).ok());
        explanation.has_read(text.as_deref());
    }
    explanation
}

/// The client in the question.
#[derive(Debug, Default)]
struct Wanted {
    from: Option<IpAddr>,
    cert: Option<Names>,
    bind: Option<String>,
    aliases: Vec<Alias>,
    refused: Option<Reason>,
}

/// # Errors
/// What is wrong with the question.
fn wanted(body: &[u8]) -> Result<(Url, Wanted), String> {
    let fields = Fields::of(body, KEYS)?;
    let text = |key| fields.text(key);
    let url = text("url")?.ok_or("`url` is missing; it is like https://host/path")?;
    let url = Url::parse(url).map_err(|bad| format!("`url`: {bad}"))?;
    let from = text("from")?.map(|text| text.trim_matches(['[', ']']).parse::<IpAddr>());
    let from = from.transpose().map_err(|_| "`from` is not an IP address")?;
    let cert =
        text("cert")?.map(|text| Names::parse(text).ok_or("`cert` is not names like CN=hq")).transpose()?;
    let aliases = fields.texts("alias")?.into_iter().map(Alias::H323);
    let aliases = aliases.chain(fields.texts("number")?.into_iter().map(Alias::Digits)).collect();
    let bind = text("bind")?.map(ToOwned::to_owned);
    let refused =
        text("reason")?.map(|text| Reason::named(text).ok_or("`reason` is no reason for a refusal"));
    let from = from.map(|address| address.to_canonical());
    Ok((url, Wanted { from, cert, bind, aliases, refused: refused.transpose()? }))
}

/// What the guard and the configuration know about an address.
fn taken_for(shared: &Shared, snapshot: &Snapshot, address: IpAddr, entry: Option<Value>) -> Value {
    let (config, counted) = (&snapshot.config, CountedAddress::from(address));
    let policy = &config.guard;
    let speaks_by = match () {
        () if config.proxy_protocol_from(address) => Some("proxy_protocol"),
        () if config.forwarded_from(address) => Some("forwarded"),
        () => None,
    };
    json!({
        "client": address,
        "counted_as": counted.to_string(),
        "blacklist": entry,
        "allowed": policy.allows(address),
        "blocked": policy.blocks(address),
        "balancer": speaks_by,
        "confirmed_names": shared.guard.confirmed_names(address),
    })
}

/// The addresses to which the request would go, and the state of each.
async fn targets(shared: &Shared, explanation: &Explanation) -> Vec<Value> {
    let Verdict::Forward { targets, port, .. } = &explanation.verdict else { return Vec::new() };
    let mut all = Vec::new();
    for target in targets {
        if let Ok(address) = target.parse::<SocketAddr>() {
            all.push(address_state(shared, target, address));
            continue;
        }
        let name = target.rsplit_once(':').map_or(target.as_str(), |(name, _)| name);
        match shared.resolver.addresses(name, PATIENCE).await {
            Ok(addresses) => {
                let addresses = addresses.iter().map(|ip| SocketAddr::new(*ip, port.get()));
                all.extend(addresses.map(|address| address_state(shared, target, address)));
            }
            Err(cause) => {
                all.push(json!({ "target": target, "address": null, "state": "down", "why": cause.name() }))
            }
        }
    }
    all
}

/// The state of a target's address.
fn address_state(shared: &Shared, target: &str, address: SocketAddr) -> Value {
    let known = shared.health.state(address);
    let state = known.map_or(State::Unknown, |known| known.state);
    let why = known.and_then(|known| known.why).filter(|_| state == State::Down);
    json!({
        "target": target,
        "address": address.to_string(),
        "state": state.name(),
        "why": why.map(Cause::name),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_5_a_question_is_understood_or_what_is_wrong_with_it_is_said() {
        let body = json!({
            "url": "h323s:dvl-ckl2.net", "from": "::ffff:192.0.2.1", "cert": "CN=hq", "alias": ["hq"], "number": ["12"],
        });
        let (_, wanted) = wanted(body.to_string().as_bytes()).unwrap();
        assert_eq!(wanted.from, "192.0.2.1".parse().ok());
        assert_eq!((wanted.aliases.len(), wanted.cert.is_some()), (2, true));
        for (body, part) in [
            ("", "not JSON"),
            ("[]", "not an object"),
            ("{}", "`url` is missing"),
            (r#"{"url": 7}"#, "`url` is not text"),
            (r#"{"url": "ftp://x"}"#, "`url`: "),
            (r#"{"url": "x.example", "from": "x"}"#, "`from` is not an IP address"),
            (r#"{"url": "x.example", "cert": "hq"}"#, "`cert` is not names"),
            (r#"{"url": "x.example", "alias": "hq"}"#, "`alias` is not a list"),
            (r#"{"url": "x.example", "reason": "x"}"#, "`reason` is no reason"),
            (r#"{"url": "x.example", "form": "192.0.2.1"}"#, "no field `form`"),
        ] {
            let why = super::wanted(body.as_bytes()).unwrap_err();
            assert!(why.contains(part), "{body}: {why}");
        }
    }
}
