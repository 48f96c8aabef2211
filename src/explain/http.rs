//! HTTP: a GET, which [`route`](crate::route::http) decides, and ACME challenges, which it does not handle.

use std::net::{IpAddr, Ipv4Addr};
use std::path::PathBuf;

use super::answer::{Challenge, Explanation, HostAt, Presence, Rule, RuleLocation, Verdict, targets};
use super::tenant::Treated;
use super::url::{Page, Url};
use super::why::Why;
use super::{Client, Grounds};
use crate::config::Acme;
use crate::inspect::Inspect;
use crate::inspect::http::{Inspector, Request, put_target};
use crate::reason::Reason;
use crate::route::challenge::{FOLDER, challenge};
use crate::route::http::{Ask, Connection, Exchange, Forwarding, Routed, Then, To, route};
use crate::rules::Table;
use crate::rules::decide::{Cause, Refusal, Scratch};
use crate::rules::name::{normalise, split_host_port};
use crate::rules::path::request_path;
use crate::service::Service;

/// Explains an HTTP question.
pub(super) fn explain(grounds: &Grounds<'_>, url: &Url, page: &Page, client: &Client) -> Explanation {
    let head = page.request();
    let (request, target) = match Inspector::default().inspect(head.as_bytes()) {
        Inspect::Found { ask, .. } => {
            let mut target = Vec::new();
            put_target(&mut target, ask.target.of_input(head.as_bytes()));
            (ask, target)
        }
        Inspect::Reject(reason) => return unread(url, page, reason),
        Inspect::NeedMore => return unread(url, page, Reason::Malformed),
    };
    let ask = ask(url, (head.as_bytes(), &request), &target);
    let client = client.from.as_ref().map(|from| from.address);
    let by_rules = by_rules(grounds, url, &ask, client);
    acme(grounds, &ask, by_rules)
}

/// The question of the request to the rules. The client and the forwarding header fields have no influence.
fn ask<'a>(url: &Url, (head, request): (&'a [u8], &Request), target: &'a [u8]) -> Ask<'a> {
    let peer = IpAddr::V4(Ipv4Addr::UNSPECIFIED);
    Ask {
        forwarding: Forwarding { peer, transport: url.transport(), trusted: false },
        host: request.host.of_input(head),
        path: request.path.of_input(head),
        target,
        connection: if request.websocket { Connection::WebSocket } else { Connection::GoesOn },
        client: peer,
        is_secure: url.transport().is_tls(),
        only_reads: true,
    }
}

/// A request that the inspector refuses.
fn unread(url: &Url, page: &Page, reason: Reason) -> Explanation {
    let name = split_host_port(page.host.as_bytes()).err().map(Cause::Name);
    let path = || request_path(page.path.as_bytes(), &mut Vec::new()).err().map(Cause::Path);
    let why = name.or_else(path).map_or(Why::Reason(reason), Why::Cause);
    Explanation::of(url, Verdict::Rejected { reason, why })
}

/// The answer of the rules.
fn by_rules(grounds: &Grounds<'_>, url: &Url, ask: &Ask<'_>, client: Option<IpAddr>) -> Explanation {
    let table = grounds.table;
    let Routed { host, rule, login, then } =
        route(&grounds.config.http_terms(table), ask, &mut Scratch::default());
    // If a tenant is refused, the decision has no rule.
    let rule = rule.or_else(|| {
        let mut room = Vec::new();
        let path = request_path(ask.path, &mut room).ok()?;
        host.and_then(|host| host.http(&path).ok())
    });
    let treated = host.zip(rule).map(|(host, rule)| Treated::of(table, host, &rule, ask.path));
    let mut treated = treated.unwrap_or_default();
    let verdict = match then {
        Then::Forward { to, edits } => {
            if let Some(edits) = &edits.by_rule {
                treated = treated.forwarded(edits, ask.target, &to, client);
            }
            forward(&to)
        }
        Then::Redirect { location } => Verdict::Redirect { location },
        Then::WebSocket { .. } if ask.connection == Connection::WebSocket => Verdict::WebSocket,
        Then::WebSocket { .. } => Verdict::Rejected { reason: Reason::Malformed, why: Why::NoWebSocket },
        // The client is asked for a login, and learns nothing about the tenant.
        Then::Refuse(refused) if refused.refusal.reason == Reason::UnknownTenant && login.is_some() => {
            Verdict::Rejected { reason: Reason::FailedLogin, why: Why::NoLogin }
        }
        Then::Exchange(exchange) => self::exchange(grounds, &exchange, ask),
        Then::Refuse(refused) => rejected(table, &refused.refusal, ask),
    };
    let rule = rule.map(|rule| Rule::Path {
        path: rule.path.to_owned(),
        default: rule.default,
        preset: rule.preset.map(str::to_owned),
        at: RuleLocation::of(table, rule.source()),
    });
    let host = host.map(|host| HostAt::of(table, host));
    Explanation { host, rule, treated, ..Explanation::of(url, verdict) }
}

fn forward(to: &To<'_>) -> Verdict {
    Verdict::Forward { targets: targets(to.endpoints, to.port), transport: to.transport, port: to.port }
}

/// The answer to a POST with a good credential.
fn exchange(grounds: &Grounds<'_>, exchange: &Exchange<'_>, ask: &Ask<'_>) -> Verdict {
    match exchange.tenant {
        Ok(tenant) => {
            let domain = grounds.table.domain_of(tenant).map(|host| host.name().to_owned());
            let domain = domain.filter(|_| !grounds.config.sip.secrets.is_empty());
            match domain.is_some() && tenant.secrets().is_empty() {
                true => Verdict::Rejected { reason: Reason::FailedLogin, why: Why::NoSecret },
                false => Verdict::Exchange { domain },
            }
        }
        Err(reason) => {
            let refusal = Refusal { reason, host: Some(exchange.host), cause: None };
            rejected(grounds.table, &refusal, ask)
        }
    }
}

fn rejected(table: &Table, refusal: &Refusal<'_>, ask: &Ask<'_>) -> Verdict {
    let reason = refusal.reason;
    let why = match (reason, refusal.host) {
        (Reason::UnknownTenant, _) => Why::UnknownTenant,
        (Reason::Disabled, Some(host)) if host.enabled() => {
            let mut room = Vec::new();
            let path = request_path(ask.path, &mut room).ok();
            let captured = path.and_then(|path| host.http(&path).ok()?.captured?.tenant);
            captured.map_or(Why::Reason(reason), Why::disabled_tenant)
        }
        (Reason::NoPath, Some(host)) => Why::no_path(table, host, ask.path),
        _ => {
            let asked = split_host_port(ask.host).map_or(&b""[..], |(host, _)| host);
            let asked = normalise(&String::from_utf8_lossy(asked)).unwrap_or_default();
            Why::of(table, Service::Http, refusal, &asked)
        }
    };
    Verdict::Rejected { reason, why }
}

/// The answer to an ACME challenge: from `tls.acme_target`, or from `tls.acme_webroot` if it has the file.
fn acme(grounds: &Grounds<'_>, ask: &Ask<'_>, by_rules: Explanation) -> Explanation {
    let Some(acme) = &grounds.config.tls.acme else { return by_rules };
    let Some(token) = challenge(grounds.table, ask, &mut Scratch::default()) else { return by_rules };
    match acme {
        Acme::Target { endpoints, port } => Explanation {
            verdict: forward(&To::acme(endpoints, *port, ask.host)),
            rule: Some(Rule::Setting { key: "tls.acme_target", file: grounds.config.file.clone() }),
            challenge: Some(Challenge::Target),
            ..by_rules
        },
        Acme::Webroot(folder) => {
            let file: PathBuf = folder.join(FOLDER).join(token);
            let presence = Presence::Unknown("the file was not looked for".to_owned());
            Explanation { challenge: Some(Challenge::Webroot { file, presence }), ..by_rules }
        }
    }
}
