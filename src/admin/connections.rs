//! `/v1/connections`: the live connections; one of them, and its end.

use std::net::IpAddr;

use hyper::{Method, StatusCode, Uri};
use serde_json::{Value, json};

use super::api::{Answer, Asked, LARGEST_PAGE, PAGE, wrong};
use crate::log::escaped;
use crate::service::Service;
use crate::state::Snapshot;
use crate::stats::{Connection, Filter, Page};

/// Names are at most so long in the table.
const NAME: usize = 511;

/// Answers for `/v1/connections` and what is below it; `rest` is what follows.
pub(super) async fn answer(request: &Asked<'_>, rest: &str) -> Answer {
    let Asked { shared, control, method, uri, .. } = *request;
    let snapshot = shared.snapshot.load_full();
    if rest.is_empty() {
        if *method != Method::GET {
            return wrong(StatusCode::METHOD_NOT_ALLOWED, "GET is possible");
        }
        return match Wanted::asked(uri) {
            Ok(Wanted { filter, after, limit }) => {
                let Page { connections, next } = shared.stats.connections(&filter, after, limit);
                let shown: Vec<_> = connections.iter().map(|one| to_json(&snapshot, one)).collect();
                // A cursor, as in other lists.
                let next = next.map(|next| next.to_string());
                let count = shared.stats.count();
                (StatusCode::OK, json!({ "count": count, "connections": shown, "next": next }).to_string())
            }
            Err(why) => wrong(StatusCode::BAD_REQUEST, why),
        };
    }
    let Ok(id) = rest.trim_start_matches('/').parse::<u64>() else {
        return wrong(StatusCode::BAD_REQUEST, "this is not the number of a connection");
    };
    let missing = || wrong(StatusCode::NOT_FOUND, &format!("there is no connection {id}"));
    match *method {
        Method::GET => shared
            .stats
            .connection(id)
            .map_or_else(missing, |one| (StatusCode::OK, to_json(&snapshot, &one).to_string())),
        Method::DELETE => match control.end(id, request.asker()).await {
            Ok(true) => (StatusCode::OK, json!({ "ended": 1 }).to_string()),
            Ok(false) => missing(),
            Err(stopping) => wrong(StatusCode::SERVICE_UNAVAILABLE, &stopping.to_string()),
        },
        _ => wrong(StatusCode::METHOD_NOT_ALLOWED, "GET and DELETE are possible"),
    }
}

/// Which connections are wanted.
struct Wanted {
    filter: Filter,
    after: u64,
    limit: usize,
}

impl Wanted {
    /// What the query says: `client`, `host`, `service`, `target`, `limit` and `after`, in any order.
    fn asked(uri: &Uri) -> Result<Self, &'static str> {
        let mut wanted = Self { filter: Filter::default(), after: 0, limit: PAGE };
        let query = uri.query().unwrap_or_default();
        for (key, value) in query.split('&').filter_map(|part| part.split_once('=')) {
            let address = || value.trim_matches(['[', ']']).parse::<IpAddr>();
            match key {
                "client" => wanted.filter.client = Some(address().map_err(|_| "`client` is not an address")?),
                "target" => wanted.filter.target = Some(address().map_err(|_| "`target` is not an address")?),
                "host" => wanted.filter.host = Some(value.replace("%2F", "/").replace("%2f", "/")),
                "service" => {
                    let service = Service::ALL.into_iter().find(|service| service.name() == value);
                    wanted.filter.service = Some(service.ok_or("there is no such service")?);
                }
                "limit" => {
                    let limit: usize = value.parse().map_err(|_| "the limit is not a number")?;
                    if limit == 0 {
                        return Err("the limit is 0");
                    }
                    wanted.limit = limit.min(LARGEST_PAGE);
                }
                "after" => wanted.after = value.parse().map_err(|_| "`after` is not what `next` was")?,
                _ => {}
            }
        }
        Ok(wanted)
    }
}

/// A connection. What a client sent is escaped as in the log.
fn to_json(snapshot: &Snapshot, one: &Connection) -> Value {
    let Connection { opening, age, idle, requests, bytes: [up, down], route, .. } = one;
    let text = |text: String| (!text.is_empty()).then(|| escaped(text.as_bytes(), NAME));
    let host = route.host();
    let rule = snapshot.table.host(&host).filter(|known| known.name() == host).map(|known| {
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
        "rule": rule,
        "target": route.target(),
        "verdict": text(route.verdict()),
        "requests": requests,
        "bytes": { "up": up, "down": down },
        "age": age,
        "idle": idle,
    })
}
