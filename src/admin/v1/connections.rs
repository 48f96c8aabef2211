//! `/v1/connections`: the list of live connections, a single connection, and its end.

use hyper::Method;
use serde_json::{Value, json};

use super::{Answer, Asked};
use crate::admin::query::{Query, number};
use crate::cause::Cause;
use crate::log::escaped;
use crate::rules::{Host, Tenant};
use crate::state::Snapshot;
use crate::stats::{Connection, Filter, Page};

/// The longest name in the table.
const NAME: usize = 511;

/// `/v1/connections`: the connections that pass the filters, the oldest first.
pub(super) fn list(asked: &Asked<'_>) -> Answer {
    page(asked).unwrap_or_else(Answer::bad)
}

fn page(asked: &Asked<'_>) -> Result<Answer, String> {
    let query = Query::of(&asked.head.uri, &["client", "host", "service", "target", "limit", "after"])?;
    let filter = Filter {
        client: query.address("client")?,
        host: query.text("host").map(ToOwned::to_owned),
        service: query.service()?,
        target: query.target()?,
    };
    let after = query.after(number)?.unwrap_or_default();
    let stats = &asked.shared.stats;
    let Page { connections, next } = stats.connections(&filter, after, query.limit()?);
    let snapshot = asked.shared.snapshot.load();
    let shown: Vec<_> = connections.iter().map(|one| to_json(&snapshot, one)).collect();
    // A cursor is text, as in other lists.
    let next = next.map(|next| next.to_string());
    Ok(Answer::ok(&json!({ "count": stats.count(), "connections": shown, "next": next })))
}

/// `/v1/connections/ID`.
pub(super) async fn connection(asked: &Asked<'_>, id: &str) -> Answer {
    let Asked { shared, control, .. } = *asked;
    let Some(id) = number::<u64>(id) else { return Answer::bad("this is not the number of a connection") };
    let missing = || Answer::missing(format_args!("there is no connection {id}"));
    match asked.head.method {
        Method::DELETE => match control.end(id, asked.by()).await {
            Ok(true) => Answer::ok(&json!({ "ended": 1 })),
            Ok(false) => missing(),
            Err(stopping) => Answer::stopping(stopping),
        },
        _ => match shared.stats.connection(id) {
            Some(one) => Answer::ok(&to_json(&shared.snapshot.load(), &one)),
            None => missing(),
        },
    }
}

/// A connection as JSON. Texts from a client are escaped as in the log.
fn to_json(snapshot: &Snapshot, one: &Connection) -> Value {
    let Connection { opening, age, idle, requests, bytes: [up, down], route, unproven, .. } = one;
    let text = |text: String| (!text.is_empty()).then(|| escaped(text.as_bytes(), NAME));
    let host = route.host();
    let known = snapshot.table.host(&host).filter(|known| known.name() == host);
    let rule = known.map(|known| {
        let source = known.source();
        format!("{}:{}", snapshot.table.file(source).display(), source.line)
    });
    json!({
        "id": opening.id,
        "client": opening.client.ip(),
        "port": opening.client.port(),
        "service": opening.service.name(),
        "carrier": opening.carrier.name(),
        "identity": text(route.identity()),
        "host": text(host),
        "tenant": known.and_then(Host::tenant).map(Tenant::id),
        "rule": rule,
        "target": route.target(),
        "verdict": text(route.verdict()),
        "certificate_cause": unproven.map(Cause::name),
        "requests": requests,
        "bytes": { "up": up, "down": down },
        "age": age,
        "idle": idle,
    })
}
