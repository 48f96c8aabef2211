//! HTTP: ask, route, connect and relay for each request, until the client or Portward ends the connection.

mod answer;
mod broken;
mod challenge;
mod exchange;
mod forward;
mod login;
mod refuse;
mod websocket;

use std::cell::RefCell;
use std::net::IpAddr;
use std::sync::atomic::{AtomicU16, Ordering};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use answer::redirect;
use forward::forward;
use refuse::{refuse, unasked};
use websocket::Opened;

use super::ask;
use super::client::Client;
use super::ending::Report;
use super::tunnel::Tunnel;
use crate::config::Config;
use crate::ending::{Ending, Responsible, Stage};
use crate::guard::scoring;
use crate::inspect::http::{Kind, Request, Version};
use crate::log::{Outcome, Subject};
use crate::reason::Reason;
use crate::relay::http::Asked;
use crate::route::Refused;
use crate::route::asker::asker;
use crate::route::challenge::challenge;
use crate::route::http::{Ask, Forwarding, Routed, Then, route};
use crate::rules::ResponseField;
use crate::rules::decide::Scratch;
use crate::service::{Service, Transport};
use crate::state::Snapshot;
use crate::stats::Moment;
use crate::upstream::Connection;

thread_local! {
    /// Memory for the decision, which brings names and paths to their compared form here. So a decision allocates
    /// nothing.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// What follows after a request.
enum Next {
    /// Another request.
    Ask,
    /// The end of the connection.
    End(Ending),
    /// An orderly end of the connection: an answer is still being sent.
    Close(Ending),
    /// The same after the last request of a client that has said so ([`crate::io::Leg::close_at_once`]).
    CloseAtOnce(Ending),
    /// A WebSocket to a target.
    Tunnel(Box<Tunnel>),
    /// A WebSocket with SIP, which Portward itself ends.
    Sip(Box<Opened>),
}

/// Serves a client until its connection ends. If the client opens a WebSocket with SIP, it is returned, because SIP is
/// not served here.
pub(super) async fn serve(mut client: Client) -> Option<Client> {
    let mut own = Vec::new();
    let ended = loop {
        let patience = {
            let limits = &client.worker.shared.snapshot.load().config.limits;
            ask::Patience { inspect: limits.inspect_timeout, idle: limits.idle_timeout.services.http }
        };
        let next = match ask::request(&mut client, patience).await {
            Ok((request, len)) => Box::pin(handle(&mut client, &mut own, &request, len)).await,
            Err(ended) => Box::pin(unasked(&mut client, ended)).await,
        };
        match next {
            Next::Ask => client.requests += 1,
            Next::End(ended) => break ended,
            Next::Close(ended) => {
                client.ended(ended);
                client.leg.close().await;
                return None;
            }
            Next::CloseAtOnce(ended) => {
                client.ended(ended);
                client.leg.close_at_once().await;
                return None;
            }
            Next::Tunnel(tunnel) => {
                own.clear();
                break Box::pin(tunnel.run(&mut client)).await;
            }
            Next::Sip(opened) => return Some(opened.take(client).await),
        }
    };
    client.ended(ended);
    None
}

/// Handles one request: the decision, the target, the exchange.
async fn handle(client: &mut Client, own: &mut Vec<Connection>, request: &Request, len: usize) -> Next {
    if client.permit.must_go() {
        client.worker.shared.guard.note_refused(client.facts.client.ip(), Reason::Blacklisted);
        return Next::End(Ending::because(Stage::Ask, Responsible::Policy, Reason::Blacklisted));
    }
    client.live.count_request();
    // A snapshot is replaced before its change is counted. So the exchange sees every change from here on.
    let changes = client.worker.shared.changes();
    let snapshot = client.worker.shared.snapshot.load_full();
    let turn = Turn::begin(client, (&snapshot, changes), request, len);
    client.place = None;
    let next = served(client, own, &turn).await;
    turn.over(client);
    next
}

/// Handles one request and returns what follows.
async fn served(client: &mut Client, own: &mut Vec<Connection>, turn: &Turn<'_>) -> Next {
    let snapshot = turn.snapshot;
    let guard = &client.worker.shared.guard;
    if turn.who != client.facts.client.ip()
        && let Some(reason) = guard.refuses(turn.who, &snapshot.config.guard)
    {
        // The client behind the balancer is refused, as if it had connected itself.
        return refuse(client, turn, Ending::because(Stage::Route, Responsible::Policy, reason)).await;
    }
    if let Some(token) = turn.challenge()
        && let Some(next) = Box::pin(challenge::answer(client, own, turn, token)).await
    {
        return next;
    }
    let Routed { host, rule, login, then } = turn.route();
    if let Some(treatment) = rule.and_then(|rule| rule.treatment) {
        let _ = turn.response.set(&treatment.response);
    }
    let is_open = login.is_none();
    if let Some(demand) = login
        && let Err(next) = login::demand(client, turn, &demand).await
    {
        return *next;
    }
    match then {
        Then::Forward { to, mut edits } => {
            edits.takes_login |= is_open && host.is_some_and(|host| login::strays(turn, host));
            forward(client, own, turn, (&to, &edits)).await
        }
        Then::Redirect { location } => redirect(client, turn, location).await,
        Then::WebSocket { host, path, rule } => {
            Box::pin(websocket::open(client, turn, (host, path, rule))).await
        }
        Then::Exchange(asked) => Box::pin(exchange::answer(client, turn, &asked)).await,
        Then::Refuse(refused) if refused.refusal.reason == Reason::NotTls => {
            refuse::in_the_clear(client, turn, turn.ending(&refused)).await
        }
        Then::Refuse(refused) => refuse(client, turn, turn.ending(&refused)).await,
    }
}

/// One request: its head, its client, and the snapshot that decides it.
struct Turn<'s> {
    snapshot: &'s Arc<Snapshot>,
    /// The count of changes when the snapshot was taken.
    changes: u64,
    asked: Asked<'s>,
    /// The client's address: the peer's, or the one that a trusted balancer names.
    who: IpAddr,
    /// How the request came to Portward, and from where.
    forwarding: Forwarding,
    /// The status that the client gets. 0: none yet.
    status: AtomicU16,
    /// The fields that the rule sets in answers, once such a rule is known.
    response: OnceLock<&'s [ResponseField]>,
    /// The user that has logged in, if the path demands a login and the login belongs to a user.
    user: OnceLock<Arc<str>>,
    /// Time and counters at the start of the request, if the end of each request is logged (`log.ended`).
    begun: Option<Begun>,
}

/// The time at which a request had come, and the octets that the connection had moved by then.
struct Begun {
    at: Instant,
    bytes: [u64; 2],
}

impl<'s> Turn<'s> {
    /// Takes the head of `request`, which has `len` bytes, out of the client's buffer.
    fn begin(
        client: &mut Client,
        (snapshot, changes): (&'s Arc<Snapshot>, u64),
        request: &'s Request,
        len: usize,
    ) -> Self {
        let peer = client.facts.client.ip();
        let trusted = snapshot.config.forwarded_from(peer);
        let asked = Asked::take(&mut client.leg.buffer, request, len);
        let is_believed = |address| snapshot.config.forwarded_from(address);
        let who = if trusted { asker(peer, is_believed, asked.head(), asked.request()) } else { peer };
        let forwarding = Forwarding { peer, transport: client.facts.transport(), trusted };
        let is_told = snapshot.config.log.ended.contains(Service::Http);
        let begun = is_told.then(|| Begun { at: Instant::now(), bytes: client.live.bytes() });
        let (response, user) = (OnceLock::new(), OnceLock::new());
        Self { snapshot, changes, asked, who, forwarding, status: AtomicU16::new(0), response, user, begun }
    }

    /// Notes the status of the answer to the client.
    fn answered(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// The fields that the rule sets in answers. They are also set in answers that Portward makes itself.
    fn response_fields(&self) -> &'s [ResponseField] {
        self.response.get().copied().unwrap_or_default()
    }

    /// The request is over. Its line is written, if that is configured.
    fn over(&self, client: &Client) {
        let Some(Begun { at, bytes: [up_before, down_before] }) = self.begun else { return };
        let [up, down] = client.live.bytes();
        let status = Some(self.status.load(Ordering::Relaxed)).filter(|status| *status != 0);
        let bytes = [up.saturating_sub(up_before), down.saturating_sub(down_before)];
        self.report(client).done(self.subject(), Outcome::Done { status, bytes, took: at.elapsed() });
    }

    fn config(&self) -> &'s Config {
        &self.snapshot.config
    }

    /// The question that the request puts to the rules.
    fn ask(&self) -> Ask<'_> {
        Ask {
            forwarding: self.forwarding,
            host: self.asked.host(),
            path: self.asked.path(),
            target: self.asked.target(),
            connection: self.asked.connection(),
            client: self.who,
            is_secure: self.came_by().is_tls(),
            only_reads: self.asked.only_reads(),
        }
    }

    /// The transport between the client and the outermost proxy. A trusted balancer says it in X-Forwarded-Proto, and
    /// some balancers say `wss` for a WebSocket. If there are several values, the balancer has added the last one. An
    /// unknown scheme counts as plain.
    fn came_by(&self) -> Transport {
        let head = self.asked.head();
        let fields = if self.forwarding.trusted { self.asked.request().fields.as_slice() } else { &[] };
        let said = fields.iter().rev().find(|field| field.kind == Kind::XForwardedProto);
        let scheme = said.and_then(|field| field.value.of_input(head).rsplit(|octet| *octet == b',').next());
        let is_tls = |scheme: &[u8]| {
            [&b"https"[..], b"wss"].iter().any(|tls| scheme.trim_ascii().eq_ignore_ascii_case(tls))
        };
        match scheme {
            Some(scheme) if is_tls(scheme) => Transport::Tls,
            Some(_) => Transport::Plain,
            None => self.forwarding.transport,
        }
    }

    /// The token of an ACME challenge, if the request asks for a challenge's answer and the configuration says where
    /// answers are.
    fn challenge(&self) -> Option<&str> {
        if self.config().tls.acme.is_none() || !self.asked.only_reads() {
            return None;
        }
        SCRATCH.with_borrow_mut(|scratch| challenge(&self.snapshot.table, &self.ask(), scratch))
    }

    /// Decides where the request goes.
    fn route(&self) -> Routed<'s> {
        let rules = self.config().http_terms(&self.snapshot.table);
        SCRATCH.with_borrow_mut(|scratch| route(&rules, &self.ask(), scratch))
    }

    /// The ending for a refusal. A request that a page of another site made a browser send has less weight.
    fn ending(&self, refused: &Refused<'_>) -> Ending {
        let ended = refused.ending();
        match self.asked.is_cross_site() {
            true => Ending { weight: scoring::weight_from_other_site(refused.refusal.reason), ..ended },
            false => ended,
        }
    }

    /// The subject of the request for the log.
    fn subject(&self) -> Subject<'_> {
        Subject::Http {
            host: self.asked.host(),
            method: self.asked.method(),
            target: self.asked.target(),
            version: match self.asked.version() {
                Version::Http10 => "HTTP/1.0",
                Version::Http11 => "HTTP/1.1",
            },
            user: self.user.get().map_or(b"", |user| user.as_bytes()),
        }
    }

    /// A report about the request.
    fn report<'a>(&'a self, client: &'a Client) -> Report<'a> {
        client.report(self.config()).on_behalf_of(self.who)
    }

    /// Reports a decision that is no refusal.
    fn decided(&self, client: &Client, outcome: Outcome) -> Moment {
        self.report(client).decided(self.subject(), outcome)
    }

    /// Reports a refusal.
    fn refused(&self, client: &Client, ended: Ending) {
        self.report(client).refused(self.subject(), ended);
    }
}
