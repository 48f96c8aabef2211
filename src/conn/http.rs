//! HTTP: ask, route, connect and relay, once a request, until the client or Portward ends the connection.

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
use crate::ending::{Ending, Stage, Whose};
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
    /// A decision allocates nothing: its names and paths are brought to their compared form in here.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// What comes after a request.
enum Next {
    /// Another one.
    Ask,
    /// The end.
    End(Ending),
    /// The end, in the orderly way: an answer is on its way.
    Close(Ending),
    /// A WebSocket that leads to a target.
    Tunnel(Box<Tunnel>),
    /// A WebSocket with SIP in it, which ends here.
    Sip(Box<Opened>),
}

/// Serves a client until its connection ends, or until it is one of SIP, which is not served here.
pub(super) async fn serve(mut client: Client) -> Option<Client> {
    let mut own = Vec::new();
    let ended = loop {
        let patience = {
            let limits = &client.worker.shared.snapshot.load().config.limits;
            ask::Patience { inspect: limits.inspect_timeout, idle: limits.idle_timeout.services.http }
        };
        let next = match ask::request(&mut client, patience).await {
            Ok((request, len)) => Box::pin(one(&mut client, &mut own, request, len)).await,
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

/// One request: the decision, the target, the exchange.
#[expect(clippy::manual_async_fn, reason = "an async fn would have room for the request twice, and move it")]
fn one(
    client: &mut Client,
    own: &mut Vec<Connection>,
    request: Request,
    len: usize,
) -> impl Future<Output = Next> {
    async move {
        if client.permit.must_go() {
            client.worker.shared.guard.note_refused(client.facts.client.ip(), Reason::Blacklisted);
            return Next::End(Ending::because(Stage::Ask, Whose::Policy, Reason::Blacklisted));
        }
        client.live.count_request();
        // A snapshot is replaced before its change is counted. So what changes from here on is seen by the exchange.
        let changes = client.worker.shared.changes();
        let snapshot = client.worker.shared.snapshot.load_full();
        let turn = Turn::begin(client, (&snapshot, changes), &request, len);
        client.place = None;
        let next = served(client, own, &turn).await;
        turn.over(client);
        next
    }
}

/// What becomes of one request.
async fn served(client: &mut Client, own: &mut Vec<Connection>, turn: &Turn<'_>) -> Next {
    let snapshot = turn.snapshot;
    let guard = &client.worker.shared.guard;
    if turn.who != client.facts.client.ip()
        && let Some(reason) = guard.refuses(turn.who, &snapshot.config.guard)
    {
        // A client behind a balancer that would have been refused if it had connected itself.
        return refuse(client, turn, Ending::because(Stage::Route, Whose::Policy, reason)).await;
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

/// One request: what was asked, by whom, and what it is decided by.
struct Turn<'s> {
    snapshot: &'s Arc<Snapshot>,
    /// How many changes there were when the snapshot was taken.
    changes: u64,
    asked: Asked<'s>,
    /// Who asks, as far as we believe it.
    who: IpAddr,
    /// How it came, and from where.
    forwarding: Forwarding,
    /// The status that the client gets; 0: none yet.
    status: AtomicU16,
    /// The fields that the rule sets in answers, once a rule is known that sets any.
    response: OnceLock<&'s [ResponseField]>,
    /// Who has logged in, if the path demands a login and the name is that of a user.
    user: OnceLock<Arc<str>>,
    /// Where its line begins to count, if the end of each request is written (`log.ended`).
    begun: Option<Begun>,
}

/// When a request had come, and the bytes that the connection had moved by then.
struct Begun {
    at: Instant,
    bytes: [u64; 2],
}

impl<'s> Turn<'s> {
    /// Takes the head of `request`, the first `len` bytes, out of the client's buffer.
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

    /// The client gets an answer with this status.
    fn answered(&self, status: u16) {
        self.status.store(status, Ordering::Relaxed);
    }

    /// The fields that the rule sets in answers, also in our own.
    fn response_fields(&self) -> &'s [ResponseField] {
        self.response.get().copied().unwrap_or_default()
    }

    /// Nothing more comes of the request: writes its line, if that is wanted.
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

    /// What the request asks of the rules.
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

    /// How it came to the outside. A balancer that is believed says so in X-Forwarded-Proto, where some say `wss` of a
    /// WebSocket; of several values the last is its own. A scheme that is none of ours is taken for a plain one.
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

    /// The token, if it asks for the answer to an ACME challenge and the configuration says where the answers are.
    fn challenge(&self) -> Option<&str> {
        if self.config().tls.acme.is_none() || !self.asked.only_reads() {
            return None;
        }
        SCRATCH.with_borrow_mut(|scratch| challenge(&self.snapshot.table, &self.ask(), scratch))
    }

    /// The decision.
    fn route(&self) -> Routed<'s> {
        let rules = self.config().http_terms(&self.snapshot.table);
        SCRATCH.with_borrow_mut(|scratch| route(&rules, &self.ask(), scratch))
    }

    /// How the request ends by a refusal. What a page of another site made a browser ask for weighs less.
    fn ending(&self, refused: &Refused<'_>) -> Ending {
        let ended = refused.ending();
        match self.asked.is_cross_site() {
            true => Ending { weight: scoring::weight_from_other_site(refused.refusal.reason), ..ended },
            false => ended,
        }
    }

    /// The request as the log shows it.
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

    /// What is told of it.
    fn report<'a>(&'a self, client: &'a Client) -> Report<'a> {
        client.report(self.config()).on_behalf_of(self.who)
    }

    /// Tells of the decision about what is not refused.
    fn decided(&self, client: &Client, outcome: Outcome) -> Moment {
        self.report(client).decided(self.subject(), outcome)
    }

    /// Tells of a refusal.
    fn refused(&self, client: &Client, ended: Ending) {
        self.report(client).refused(self.subject(), ended);
    }
}
