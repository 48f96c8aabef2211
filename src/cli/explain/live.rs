//! `portward explain --live`: the running daemon's answer.

use std::process::ExitCode;

use serde_json::{Value, json};

use super::super::daemon::{Daemon, field, no_answer};
use super::super::terminal;
use super::Args;
use crate::reason::Reason;

/// Sends a question about each URL to the daemon.
pub(super) fn run(args: &Args) -> ExitCode {
    let daemon = Daemon::of(&args.config.config);
    let mut all_granted = true;
    for url in &args.urls {
        let question = json!({
            "url": url,
            "from": args.from.map(|address| address.to_string()),
            "cert": args.cert.as_ref().map(|shown| shown.text.as_str()),
            "bind": args.bind,
            "alias": args.alias,
            "number": args.number,
            "reason": args.reason.map(Reason::name),
        });
        let answer = match daemon.ask("POST", "/v1/explain", Some(&question)) {
            Ok(answer) => answer,
            Err(error) => return no_answer(&error),
        };
        all_granted &= field(&answer, "granted") == true;
        if args.json {
            terminal::print_line(&answer);
            continue;
        }
        terminal::print_line(field(&answer, "text").as_str().unwrap_or_default());
        facts(field(&answer, "live")).iter().for_each(|line| terminal::print_line(format_args!("  {line}")));
    }
    ExitCode::from(if all_granted { 0 } else { terminal::NO })
}

/// Facts that only the daemon knows, one line each.
fn facts(live: &Value) -> Vec<String> {
    let mut lines = Vec::new();
    let client = field(live, "client");
    if let Some(address) = field(client, "client").as_str() {
        let mut said = vec![match field(client, "blacklist") {
            Value::Null => "is not on the blacklist".to_owned(),
            _ => "is on the blacklist".to_owned(),
        }];
        if let Some(counted) = field(client, "counted_as").as_str().filter(|counted| *counted != address) {
            said.push(format!("it is counted as {counted}"));
        }
        if field(client, "allowed") == true {
            said.push(
                "it is in blacklist.allow, so nothing lists it and no limit of an address holds for it"
                    .to_owned(),
            );
        }
        match field(client, "balancer").as_str() {
            Some("proxy_protocol") => {
                said.push(
                    "it must send a PROXY header; the address in that header is judged in its place"
                        .to_owned(),
                );
            }
            Some(_) => {
                said.push("the address in its X-Forwarded-For is judged in its place (HTTP)".to_owned())
            }
            None => {}
        }
        match field(client, "confirmed_names").as_u64() {
            None | Some(0) => {}
            Some(1) => said.push("a PBX has confirmed 1 name for it within the last hour".to_owned()),
            Some(count) => {
                said.push(format!("PBXs have confirmed {count} names for it within the last hour"))
            }
        }
        lines.push(format!("client  {address} {}", said.join("; ")));
    }
    for target in field(live, "targets").as_array().into_iter().flatten() {
        let text = |name: &str| field(target, name).as_str().map(terminal::harmless);
        let (name, address) = (text("target").unwrap_or_default(), text("address").unwrap_or_default());
        let at = if address.is_empty() || address == name { name } else { format!("{name} at {address}") };
        lines.push(match (text("state").as_deref(), text("why")) {
            (Some("up"), _) => format!("target  {at} is up"),
            (Some("down"), why) => {
                let why = why.map(|why| format!(": {why}")).unwrap_or_default();
                format!("target  {at} is down{why}")
            }
            _ => format!("target  {at} is unknown: nothing has shown yet whether it is up"),
        });
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn item_5_what_the_daemon_alone_knows_is_said_in_lines() {
        let live = json!({
            "client": {
                "client": "2001:db8::9", "counted_as": "2001:db8::/64", "blacklist": null, "allowed": true,
                "blocked": false, "balancer": "forwarded", "confirmed_names": 4,
            },
            "targets": [
                { "target": "172.31.31.2:443", "address": "172.31.31.2:443", "state": "down", "why": "refused" },
                { "target": "pbx.example:443", "address": "192.0.2.1:443", "state": "up", "why": null },
                { "target": "none.example:443", "address": null, "state": "unknown", "why": null },
            ],
        });
        let lines = facts(&live);
        for part in [
            "is not on the blacklist; it is counted as 2001:db8::/64",
            "blacklist.allow",
            "X-Forwarded-For",
            "4 names",
        ] {
            assert!(lines[0].contains(part), "{part}: {lines:?}");
        }
        assert_eq!(lines[1], "target  172.31.31.2:443 is down: refused");
        assert_eq!(lines[2], "target  pbx.example:443 at 192.0.2.1:443 is up");
        assert_eq!(lines[3], "target  none.example:443 is unknown: nothing has shown yet whether it is up");
        assert!(facts(&json!({ "client": null, "targets": [] })).is_empty());
    }
}
