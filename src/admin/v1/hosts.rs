//! `POST /v1/hosts/NAME/enable` and `…/disable`: in place of the rules, at once, over reloads and restarts.

use std::fmt::Write as _;

use hyper::StatusCode;
use serde_json::{Value, json};

use super::{Answer, Asked};
use crate::admin::query::decoded;
use crate::rules::{Host, Table, name, near};
use crate::server::{Refused, Switched, Unswitched};

/// `POST /v1/hosts/NAME/enable` and `…/disable`. A NAME is percent-encoded, its slash may stand as it is.
pub(super) async fn switch(asked: &Asked<'_>, name: &str, enabled: bool) -> Answer {
    let host = match named(name) {
        Ok(host) => host,
        Err(why) => return Answer::bad(why),
    };
    let (control, by) = (asked.control, asked.by());
    let answered = if enabled { control.enable(&host, by).await } else { control.disable(&host, by).await };
    match answered {
        Ok(Ok(Switched { host, is_changed, snapshot })) => match snapshot.table.named(&host) {
            Some(host) => Answer::ok(&shown(&snapshot.table, host, is_changed)),
            None => unknown(&snapshot.table, &host),
        },
        Ok(Err(Unswitched::UnknownHost)) => unknown(&asked.shared.snapshot.load().table, &host),
        Ok(Err(Unswitched::Unkept(Refused { text, found }))) => {
            let refused = json!({ "error": text.trim_end(), "diagnostics": found.to_json() });
            Answer::json(StatusCode::INTERNAL_SERVER_ERROR, &refused)
        }
        Err(stopping) => Answer::stopping(stopping),
    }
}

/// The host's name in its normal form.
fn named(name: &str) -> Result<String, String> {
    let name = decoded(name).ok_or("this is not a host name: it is not UTF-8")?;
    name::normalise(&name).map(Into::into).map_err(|bad| format!("this is not a host name: {bad}"))
}

/// A host: its name in the rules, whether it is enabled and whether the rules say so, where it stands.
fn shown(table: &Table, host: Host<'_>, is_changed: bool) -> Value {
    let source = host.source();
    json!({
        "name": host.name(),
        "enabled": host.enabled(),
        "enabled_by_rules": host.enabled_by_rules(),
        "rule": format!("{}:{}", table.file(source).display(), source.line),
        "changed": is_changed,
    })
}

/// No rule is for it, but maybe one is for what was meant.
fn unknown(table: &Table, asked: &str) -> Answer {
    let mut why = format!("no rule is for the host {asked}");
    let leads = table.host(asked).map(Host::name);
    let _ = match (leads, near::wildcard(table, asked).or_else(|| near::name(table, asked))) {
        (Some(wildcard), _) => write!(why, " alone; {wildcard} stands for it"),
        (None, Some(near)) => write!(why, "; there is {near}"),
        (None, None) => Ok(()),
    };
    Answer::missing(why)
}
