//! `/v1/decisions`: the newest decisions, and further ones as they are made (contract section 8).
//!
//! A decision is shown with the fields of a JSON log line, and with that line as text. Texts from a client are escaped
//! in both.

use std::collections::VecDeque;
use std::net::IpAddr;
use std::sync::Arc;
use std::time::{Duration, UNIX_EPOCH};

use hyper::StatusCode;
use serde_json::{Value, json};

use super::{Answer, Asked};
use crate::admin::events::{Events, Feed, Then};
use crate::admin::moment::utc;
use crate::admin::query::Query;
use crate::cause::{FailedAt, Failure};
use crate::explain::{Grounds, PastDecision, Question};
use crate::log::{Subject, escaped};
use crate::reason::Reason;
use crate::rules::{Table, name};
use crate::service::Service;
use crate::state::{Shared, Snapshot};
use crate::stats::{AtTarget, Cursor, Decision, DecisionKind, Newest, News};

/// The known keys of the query.
const KEYS: &[&str] =
    &["client", "host", "service", "target", "outcome", "reason", "limit", "after", "follow"];
/// The longest name in a decision.
const NAME: usize = 255;
/// How many decisions are written at a time: for a follower, and for a page before other requests get their turn.
const AT_ONCE: usize = 50;
/// The message if no decisions are kept.
const NOT_KEPT: &str = "no decisions are kept: `admin.decisions = false` in portward.toml";

/// `/v1/decisions`: the decisions that pass the filters, the newest first.
pub(super) async fn answer(asked: &Asked<'_>) -> Answer {
    page(asked).await.unwrap_or_else(Answer::bad)
}

async fn page(asked: &Asked<'_>) -> Result<Answer, String> {
    let query = Query::of(&asked.head.uri, KEYS)?;
    let filter = Filter::of(&query)?;
    let (after, limit) = (query.after(Cursor::parse)?, query.limit()?);
    let follow = query.value("follow", "0 or 1", |text| ["0", "1"].iter().position(|one| *one == text))?;
    let (stats, snapshot) = (&asked.shared.stats, asked.shared.snapshot.load_full());
    let kept = stats.keeps_decisions();
    if follow == Some(1) {
        if !kept {
            return Ok(Answer::wrong(StatusCode::CONFLICT, NOT_KEPT));
        }
        // Without `limit` the stream begins with the next decision, or with the decisions after `after`.
        let shown = if query.text("limit").is_some() { limit } else { 0 };
        let cursor = after.unwrap_or_else(|| stats.follow());
        let Newest { decisions: earlier, .. } = match shown {
            0 => Newest::default(),
            _ => stats.newest(|one| filter.passes(&snapshot.table, one), Some(cursor), shown),
        };
        let earlier = earlier.into_iter().rev().collect();
        let shared = Arc::clone(asked.shared);
        return Ok(Answer::events(asked, Following { shared, filter, earlier, cursor }));
    }
    let Newest { decisions, next } =
        stats.newest(|decision| filter.passes(&snapshot.table, decision), after, limit);
    let grounds = grounds(&snapshot);
    let rows = rows(&grounds, &decisions).await;
    Ok(Answer::ok(&json!({
        "kept": kept,
        "note": (!kept).then_some(NOT_KEPT),
        "decisions": rows,
        "next": next.map(|next| next.to_string()),
    })))
}

/// The decisions of a page. Administration has one thread: other requests get their turn between the parts of a long page.
async fn rows(grounds: &Grounds<'_>, decisions: &[Decision]) -> Vec<Value> {
    let mut rows = Vec::with_capacity(decisions.len());
    for part in decisions.chunks(AT_ONCE) {
        rows.extend(part.iter().map(|decision| to_json(grounds, decision)));
        tokio::task::yield_now().await;
    }
    rows
}

/// A follower of decisions.
struct Following {
    shared: Arc<Shared>,
    filter: Filter,
    /// Earlier decisions, which it gets first.
    earlier: VecDeque<Decision>,
    cursor: Cursor,
}

impl Feed for Following {
    fn news(&mut self, events: &mut Events) -> Then {
        let Self { shared, filter, earlier, cursor } = self;
        let snapshot = shared.snapshot.load_full();
        let grounds = grounds(&snapshot);
        while events.has_room() {
            let Some(decision) = earlier.pop_front() else { break };
            events.write("decision", to_json(&grounds, &decision));
        }
        while events.has_room() {
            if !shared.stats.keeps_decisions() {
                events.write("end", json!({ "note": NOT_KEPT }));
                return Then::End;
            }
            let News { decisions, missed, more } = shared.stats.news(cursor, AT_ONCE);
            if missed > 0 {
                events.write("missed", json!({ "missed": missed }));
            }
            let wanted = decisions.iter().filter(|one| filter.passes(grounds.table, one));
            wanted.for_each(|one| events.write("decision", to_json(&grounds, one)));
            if !more {
                return Then::Later;
            }
        }
        Then::AtOnce
    }
}

/// The filter for decisions. A part that is `None` lets every decision pass.
#[derive(Debug, Default)]
struct Filter {
    client: Option<IpAddr>,
    host: Option<String>,
    service: Option<Service>,
    target: Option<AtTarget>,
    outcome: Option<DecisionKind>,
    reason: Option<Reason>,
}

impl Filter {
    /// # Errors
    /// What is wrong with a value.
    fn of(query: &Query) -> Result<Self, String> {
        let outcomes = DecisionKind::ALL.map(DecisionKind::name).join(", ");
        let outcome = |text: &str| DecisionKind::ALL.into_iter().find(|one| one.name() == text);
        let reasons = Reason::ALL.map(Reason::name).join(", ");
        Ok(Self {
            client: query.address("client")?,
            host: query.text("host").map(normal),
            service: query.service()?,
            target: query.target()?,
            outcome: query.value("outcome", &format!("an outcome; possible: {outcomes}"), outcome)?,
            reason: query.value("reason", &format!("a reason; possible: {reasons}"), Reason::named)?,
        })
    }

    fn passes(&self, table: &Table, decision: &Decision) -> bool {
        let (about, fate) = (&decision.about, &decision.fate);
        self.client.is_none_or(|client| client == about.client.to_canonical())
            && self.service.is_none_or(|service| service == about.service)
            && self.outcome.is_none_or(|outcome| outcome == fate.kind())
            && self.reason.is_none_or(|reason| fate.reason() == Some(reason))
            && self.target.is_none_or(|target| is_at(decision, target))
            && self.host.as_ref().is_none_or(|host| is_about(table, decision, host))
    }
}

/// Whether the request went to an address, or would have gone there if the address could be reached.
fn is_at(decision: &Decision, target: AtTarget) -> bool {
    let failed = |failure: &Failure| matches!(failure.at, FailedAt::Address(address) if target.is(address));
    decision.fate.target().is_some_and(|to| target.is(to)) || decision.failures().iter().any(failed)
}

/// A name in the rules' normal form, or unchanged if it has none.
fn normal(text: &str) -> String {
    name::normalise(text).map_or_else(|_| text.to_lowercase(), |name| name.to_string())
}

/// Whether `host` is the host that the client asked for, or the host of the rules for that name.
fn is_about(table: &Table, decision: &Decision, host: &str) -> bool {
    let Some(asked) = asked_host(decision) else { return false };
    asked == host || table.host(&asked).is_some_and(|known| known.name() == host)
}

/// The name of the host that the client asked for.
fn asked_host(decision: &Decision) -> Option<String> {
    let who = who(decision)?;
    let bare = memchr::memrchr(b'@', who).and_then(|at| who.get(at + 1..)).unwrap_or(who);
    let bare = name::split_host_port(bare).map_or(bare, |(bare, _)| bare);
    Some(normal(str::from_utf8(bare).ok()?))
}

/// The identity in the request, as it came: a Host, a From URI, the host of a bind, a gatekeeper identifier.
fn who(decision: &Decision) -> Option<&[u8]> {
    let who = match decision.subject() {
        Subject::Unknown => return None,
        Subject::Http { host, .. } => host,
        Subject::Signalling { who, .. } => who,
    };
    (!who.is_empty()).then_some(who)
}

/// The terms for questions about decisions.
fn grounds(snapshot: &Snapshot) -> Grounds<'_> {
    Grounds { table: &snapshot.table, config: &snapshot.config, overrides: None }
}

/// The question for `POST /v1/explain` about the same request.
fn question(grounds: &Grounds<'_>, decision: &Decision) -> Option<Question> {
    let (about, fate) = (&decision.about, decision.fate);
    let past = PastDecision {
        service: about.service,
        carrier: about.carrier,
        client: about.client,
        subject: decision.subject(),
        reason: fate.reason(),
        websocket: fate.kind() == DecisionKind::WebSocket,
    };
    Question::of(grounds, &past).filter(|_| decision.is_whole())
}

/// A decision as JSON. `identity` is the identity that the client asked for, and `host` is the host of the rules for it
/// now, as in `/v1/connections`.
fn to_json(grounds: &Grounds<'_>, decision: &Decision) -> Value {
    let failures = decision.failures();
    let line = decision.line(&failures);
    let mut json = line.json(false);
    let Some(fields) = json.as_object_mut() else { return json };
    let [of_identity, ..] = decision.about.service.subject();
    for name in [of_identity, "transport"] {
        fields.remove(name);
    }
    let host =
        asked_host(decision).and_then(|asked| grounds.table.host(&asked).map(|host| host.name().to_owned()));
    let more = [
        ("time", utc(UNIX_EPOCH + Duration::from_nanos(decision.at)).into()),
        ("identity", who(decision).map(|who| escaped(who, NAME)).into()),
        ("host", host.into()),
        ("cut", decision.is_cut().into()),
        ("question", question(grounds, decision).map(|question| question.to_json()).into()),
        ("line", line.text(false).into()),
    ];
    fields.extend(more.map(|(name, value)| (name.to_owned(), value)));
    json
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;
    use crate::config::{Config, load_rules};
    use crate::service::Carrier;
    use crate::stats::{About, Fate, Stats};

    fn table() -> Table {
        let folder = tempfile::tempdir().unwrap();
        let rules = "[[host]]\nname = \"*.example.net\"\naliases = [\"pbx.example.com\"]\ntarget = \"127.0.0.1\"\nhttp = [\"/\"]\n";
        fs::write(folder.path().join("rules.toml"), rules).unwrap();
        let config = Config::defaults(&folder.path().join("portward.toml"));
        load_rules(folder.path(), &config).table.unwrap()
    }

    fn about(id: u64, service: Service) -> About {
        About { id, client: "192.0.2.1".parse().unwrap(), port: 4711, service, carrier: Carrier::Tls }
    }

    /// One refused request by HTTP, and one forwarded REGISTER.
    fn two() -> Vec<Decision> {
        let stats = Stats::of_workers(1);
        let request = Subject::Http {
            host: b"u:p@HQ.example.net:443",
            method: b"GET",
            target: b"/a\x1b[31m?token=s3cret",
            version: "HTTP/1.1",
            user: b"",
        };
        let refused = Fate::Rejected { reason: Reason::NoPath, cause: None };
        stats.decide(0, about(1, Service::Http), request, (refused, stats.now()));
        let register = Subject::Signalling {
            who: b"ckl@pbx.example.com",
            verb: b"REGISTER",
            name: b"",
            certificate: "ok(ckl)",
            unproven: None,
        };
        let fate = Fate::Forwarded { to: "172.31.31.2:5061".parse().unwrap(), new: true };
        stats.decide(0, about(2, Service::Sip), register, (fate, stats.now()));
        stats.newest(|_| true, None, 10).decisions
    }

    /// A page of 1,000 decisions lets other requests of the one thread have their turn at least twenty times.
    #[test]
    fn a_long_page_is_written_in_parts() {
        let table = table();
        let config = Config::defaults(std::path::Path::new("portward.toml"));
        let grounds = Grounds { table: &table, config: &config, overrides: None };
        let decisions: Vec<_> = two().into_iter().cycle().take(1_000).collect();
        let mut written = std::pin::pin!(rows(&grounds, &decisions));
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        let turns = (0..1_000).position(|_| match written.as_mut().poll(&mut context) {
            std::task::Poll::Pending => false,
            std::task::Poll::Ready(rows) => {
                assert_eq!(rows.len(), 1_000);
                true
            }
        });
        assert_eq!(turns, Some(1_000 / AT_ONCE));
    }

    #[test]
    fn a_decision_has_the_fields_of_the_other_resources_and_its_line() {
        let table = table();
        let config = Config::defaults(std::path::Path::new("portward.toml"));
        let grounds = Grounds { table: &table, config: &config, overrides: None };
        let [sip, http] = &two()[..] else { panic!() };
        let http = to_json(&grounds, http);
        for (name, value) in [
            ("id", json!(1)),
            ("client", json!("192.0.2.1")),
            ("port", json!(4711)),
            ("service", json!("http")),
            ("carrier", json!("tls")),
            ("identity", json!("HQ.example.net:443")),
            ("host", json!("*.example.net")),
            ("outcome", json!("rejected")),
            ("reason", json!("no-path")),
            ("path", json!("/a%1B[31m?…")),
            ("cut", json!(false)),
            // The Host had a user and a password before it. Such a request is refused, so there is no question.
            ("question", Value::Null),
        ] {
            assert_eq!(http[name], value, "{name}: {http}");
        }
        assert!(!http.to_string().contains("s3cret") && !http.to_string().contains("u:p"), "{http}");
        assert!(http["line"].as_str().unwrap().ends_with(" rejected: no-path"), "{http}");
        assert!(http["time"].as_str().unwrap().ends_with('Z'), "{http}");
        let sip = to_json(&grounds, sip);
        assert_eq!(
            sip["question"],
            json!({ "url": "sips:ckl@pbx.example.com", "from": "192.0.2.1", "cert": "CN=ckl" })
        );
        assert_eq!(
            (&sip["identity"], &sip["host"]),
            (&json!("ckl@pbx.example.com"), &json!("*.example.net"))
        );
        assert_eq!((&sip["from"], &sip["transport"]), (&Value::Null, &Value::Null), "one name for one thing");
        assert_eq!((&sip["target"], &sip["method"]), (&json!("172.31.31.2:5061"), &json!("REGISTER")));
    }

    #[test]
    fn every_filter_lets_through_what_it_names() {
        let table = table();
        let [sip, http] = &two()[..] else { panic!() };
        for (query, passes) in [
            ("", [true, true]),
            ("client=192.0.2.1", [true, true]),
            ("client=[::ffff:192.0.2.1]", [true, true]),
            ("client=192.0.2.2", [false, false]),
            ("host=hq.example.NET.", [false, true]),
            ("host=*.example.net", [true, true]),
            ("host=pbx.example.com", [true, false]),
            ("host=example.net", [false, false]),
            ("service=sip", [true, false]),
            ("target=172.31.31.2", [true, false]),
            ("outcome=rejected", [false, true]),
            ("outcome=forwarded", [true, false]),
            ("reason=no-path", [false, true]),
            ("reason=no-name", [false, false]),
        ] {
            let uri = format!("/v1/decisions?{query}").parse().unwrap();
            let filter = Filter::of(&Query::of(&uri, KEYS).unwrap()).unwrap();
            assert_eq!([sip, http].map(|one| filter.passes(&table, one)), passes, "{query}");
        }
        for query in ["outcome=refused", "reason=x", "service=x", "target=x"] {
            let uri = format!("/v1/decisions?{query}").parse().unwrap();
            assert!(Filter::of(&Query::of(&uri, KEYS).unwrap()).unwrap_err().contains(" is not "), "{query}");
        }
    }
}
