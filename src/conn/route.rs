//! The decision: the rules' answer for a request, and the request as it will leave. No I/O.

use super::{Client, acme};
use crate::config::Config;
use crate::ending::{Ending, Stage, Whose};
use crate::guard::scoring;
use crate::inspect::digest::{self, Credentials};
use crate::inspect::http::{
    Authorization, Body, Framing, Kind, Request, Version, forwarded_for, node_address,
};
use crate::io::Buffer;
use crate::log::Subject;
use crate::reason::Reason;
use crate::relay::http::{Forwarding, Outgoing, Parts, request_head};
use crate::rules::decide::{self, HttpDecision, Outcome, Scratch};
use crate::service::{Service, Transport};
use crate::state::Snapshot;
use std::cell::RefCell;
use std::net::IpAddr;
use std::ops::Range;

thread_local! {
    /// A decision allocates nothing: its names and paths are brought to their compared form in here.
    static SCRATCH: RefCell<Scratch> = RefCell::default();
}

/// A request with its decision. Nothing in it borrows the client's buffer.
#[derive(Debug)]
pub(super) struct Routed<'s> {
    /// What the rules say, or why they say no.
    pub(super) verdict: Result<HttpDecision<'s>, Ending>,
    /// The host is known, so a missing path may be answered.
    pub(super) known_host: bool,
    /// The request as it will leave.
    pub(super) outgoing: Outgoing,
    /// Who asks, as far as we believe it.
    pub(super) client: IpAddr,
    /// It brings a login of the connection.
    pub(super) binds_connection: bool,
    /// How it logs in, if it does.
    pub(super) credentials: Option<Credentials>,
    /// The token, if it asks for the answer to an ACME challenge and somebody is to have it.
    pub(super) challenge: Option<Box<str>>,
    /// Its body may stay unread: the connection to the target is its own.
    pub(super) alone: bool,
    /// It has a body.
    pub(super) has_body: bool,
    parts: Parts,
}

/// Decides about `request`, whose head are the first `len` bytes of the client's buffer, and consumes them.
pub(super) fn route<'s>(
    client: &mut Client,
    snapshot: &'s Snapshot,
    request: &Request,
    len: usize,
) -> Routed<'s> {
    let head = client.leg.buffer.filled();
    let config = &snapshot.config;
    let facts = &client.facts;
    let peer = facts.client.ip();
    let host = request.host.of_input(head);
    let decision = SCRATCH.with_borrow_mut(|scratch| {
        decide::http(&snapshot.table, facts.transport(), host, request.path.of_input(head), scratch)
    });
    let known_host = !matches!(&decision, Err(refusal) if refusal.host.is_none());
    let verdict = decision.map_err(|refusal| {
        let ended = Ending::because(Stage::Route, Whose::Policy, refusal.reason);
        match is_cross_site(head, request) {
            true => Ending { weight: scoring::weight_from_other_site(refusal.reason), ..ended },
            false => ended,
        }
    });

    let challenge = challenge(snapshot, facts.transport(), head, request);
    let trusted = config.forwarded_from(peer);
    let mut out = Buffer::default();
    let forwarding = Forwarding { peer, transport: facts.transport(), trusted };
    let parts = request_head(out.vec(), head, request, &forwarding);
    let routed = Routed {
        known_host,
        client: if trusted { believed(config, peer, request, head) } else { peer },
        challenge,
        credentials: credentials(head, request),
        binds_connection: request.authorization == Authorization::Connection,
        outgoing: Outgoing {
            head: out,
            framing: match request.body {
                Body::None => Framing::NONE,
                Body::Length(length) => Framing::Length(length),
                Body::Chunked => Framing::chunked(),
            },
            is_head: request.method.of_input(head) == b"HEAD",
            websocket: request.websocket,
            expects_continue: request.expects_continue,
            version: request.version,
            persistent: request.persistent,
        },
        alone: request.may_stay_unread(head),
        has_body: request.body != Body::None,
        parts,
        verdict,
    };
    client.leg.buffer.consume(len);
    routed
}

/// Whether a browser asks because another site's page says so: a picture in a mail (contract section 6).
fn is_cross_site(head: &[u8], request: &Request) -> bool {
    request.method.of_input(head) == b"GET"
        && request.body == Body::None
        && request.authorization == Authorization::None
        && request.fields.iter().any(|field| {
            field.name.of_input(head).eq_ignore_ascii_case(b"sec-fetch-site")
                && field.value.of_input(head).eq_ignore_ascii_case(b"cross-site")
        })
}

/// How a request logs in; not asked of one that does not.
fn credentials(head: &[u8], request: &Request) -> Option<Credentials> {
    if request.authorization == Authorization::None {
        return None;
    }
    // One that Connection names does not reach the target.
    let mut fields = request.fields.iter().filter(|field| field.kind == Kind::EndToEnd);
    let field = fields.find(|field| field.name.of_input(head).eq_ignore_ascii_case(b"authorization"))?;
    Some(digest::credentials(field.value.of_input(head)))
}

/// The token of an ACME challenge (see [`acme`]) on a host of the rules.
fn challenge(snapshot: &Snapshot, came_by: Transport, head: &[u8], request: &Request) -> Option<Box<str>> {
    let token = acme::token(request.path.of_input(head)).filter(|_| came_by == Transport::Plain)?;
    let reads =
        matches!(request.method.of_input(head), b"GET" | b"HEAD") && matches!(request.body, Body::None);
    snapshot.config.tls.acme.as_ref().filter(|_| reads)?;
    let host = request.host.of_input(head);
    let known = SCRATCH.with_borrow_mut(|scratch| decide::http_host(&snapshot.table, host, scratch).is_ok());
    known.then(|| token.into())
}

impl Routed<'_> {
    /// A part of the head as it will leave.
    fn part(&self, range: &Range<usize>) -> &[u8] {
        self.outgoing.head.filled().get(range.clone()).unwrap_or_default()
    }

    /// The request as the log shows it.
    pub(super) fn subject(&self) -> Subject<'_> {
        Subject::Http {
            host: self.part(&self.parts.host),
            method: self.part(&self.parts.method),
            target: self.part(&self.parts.target),
            version: match self.outgoing.version {
                Version::Http10 => "HTTP/1.0",
                Version::Http11 => "HTTP/1.1",
            },
        }
    }

    /// The host that was asked for, as it came.
    pub(super) fn asked_host(&self) -> &[u8] {
        self.part(&self.parts.host)
    }

    /// Whether the request can be sent a second time (RFC 9110 §9.2.2) without anybody noticing.
    pub(super) fn is_idempotent(&self) -> bool {
        let method = self.part(&self.parts.method);
        [b"GET".as_slice(), b"HEAD", b"OPTIONS", b"PUT", b"DELETE", b"TRACE"].contains(&method)
    }

    /// The host that was asked for, without its port and in lower case.
    pub(super) fn host(&self) -> Box<str> {
        let host = self.part(&self.parts.host);
        let bare = crate::rules::name::split_host_port(host).map_or(host, |(bare, _)| bare);
        let bare = bare.strip_suffix(b".").unwrap_or(bare);
        String::from_utf8_lossy(bare).to_ascii_lowercase().into()
    }

    /// The URL of the same request by HTTPS, as the world sees it.
    pub(super) fn https_url(&self, config: &Config) -> String {
        let part = |range: &Range<usize>| String::from_utf8_lossy(self.part(range));
        let host = part(&self.parts.host);
        let name = match host.rfind(':') {
            Some(at) if !host.ends_with(']') => host.get(..at).unwrap_or(&host),
            _ => &host,
        };
        // `*` is OPTIONS without a path (RFC 9112 §3.2.4): behind a name it would be part of it.
        let target = match part(&self.parts.target) {
            target if target == "*" => "".into(),
            target => target,
        };
        match config.outside.port(Service::Http, Transport::Tls) {
            443 => format!("https://{name}{target}"),
            port => format!("https://{name}:{port}{target}"),
        }
    }
}

/// The right-most address of X-Forwarded-For, or of Forwarded if there is no X-Forwarded-For, that is not one of those
/// that we believe (contract section 7).
fn believed(config: &Config, peer: IpAddr, request: &Request, head: &[u8]) -> IpAddr {
    let values = |kind| {
        let fields = request.fields.iter().rev().filter(move |field| field.kind == kind);
        fields.map(|field| field.value.of_input(head))
    };
    let has_list = values(Kind::XForwardedFor).next().is_some();
    if has_list {
        let nodes = values(Kind::XForwardedFor).flat_map(|value| value.rsplit(|octet| *octet == b','));
        first_stranger(config, peer, nodes.map(Some))
    } else {
        first_stranger(config, peer, values(Kind::Forwarded).flat_map(forwarded_for))
    }
}

/// The first node, from the right, that is not one of those that we believe; the last of these if a node has no address.
fn first_stranger<'a>(
    config: &Config,
    peer: IpAddr,
    nodes: impl Iterator<Item = Option<&'a [u8]>>,
) -> IpAddr {
    let mut believed = peer;
    for node in nodes {
        let Some(address) = node.and_then(node_address) else { return believed };
        believed = address;
        if !config.forwarded_from(believed) {
            break;
        }
    }
    believed
}

/// The way out of a decision that forwards.
pub(super) fn way_out(decision: &HttpDecision<'_>) -> Option<(Transport, std::num::NonZeroU16)> {
    match decision.outcome {
        Outcome::Forward { transport, port } => Some((transport, port)),
        Outcome::RedirectHttps => None,
    }
}

/// The status with which the protocol itself refuses (SPEC section 1).
pub(super) const fn status(reason: Reason) -> u16 {
    match reason {
        Reason::UnknownHost => 421,
        Reason::NoPath => 404,
        Reason::Timeout | Reason::Silent => 408,
        Reason::TooLarge => 431,
        Reason::NoName | Reason::Malformed | Reason::UnsafePath | Reason::NotTls => 400,
        Reason::TargetDown | Reason::TargetTls => 502,
        Reason::Shutdown => 503,
        _ => 403,
    }
}
