//! What may follow on a routed connection: later registrations and calls are judged by the rules in force. Where a
//! certificate has proven the connection, this module also checks the names in each message (contract sections 3 and
//! 5).

use std::net::IpAddr;
use std::sync::Arc;

use super::super::certificate::Worth;
use super::super::client::Front;
use super::super::login_results::LoginResults;
use super::message::who;
use super::screen::{Screen, Turned, counts_requests};
use crate::config::{Config, Reject};
use crate::ending::{Ending, Responsible, Stage};
use crate::inspect::sip::{Faulty, Field, Kind, MESSAGE_LIMIT, Message};
use crate::proof::sip::{SeenDialogs, Verified};
use crate::proof::token::Tokens;
use crate::reason::Reason;
use crate::relay::sip::{Login, SipAction, SipPolicy};
use crate::relay::watched::by_client;
use crate::route::held_route::{HeldRoute, LaterName};
use crate::route::identity::Identified;
use crate::route::proving::{Changes, Door, Proven, Proving};
use crate::state::Snapshot;

/// Judges later registrations and calls by the rules in force.
#[derive(Debug)]
pub(in crate::conn) struct RegistrationPolicy {
    pub(super) held_route: Arc<HeldRoute>,
    pub(super) login_results: LoginResults,
    pub(super) verified: Option<Box<Verified>>,
    /// The target's address, if the rule has several.
    pub(super) target: Option<IpAddr>,
    /// The verdict on the client's certificate, for the log.
    pub(super) cert: Worth,
    /// A request was answered 403. That is logged once a connection.
    pub(super) forbade: bool,
    /// A message was too long. That is logged once a connection.
    pub(super) was_too_long: bool,
    /// The [`Screen`] turned a request away. That is logged once a connection.
    pub(super) turned_away: bool,
    /// The request that decided the connection comes here first, and has been counted already.
    pub(super) was_counted: bool,
    /// What the client has proven by credentials, if its host demands them.
    pub(super) proving: Option<Box<Proving>>,
    /// The request that decided the connection comes here first, and has passed already.
    pub(super) has_passed: bool,
    /// A credential was wrong or had expired. That is logged once a connection.
    pub(super) login_told: bool,
    /// The endpoints and the port of the connection, if they differ from the host's rule.
    pub(super) door: Option<Box<Door>>,
    /// The address of the client's WebSocket, and the credential that came with its handshake.
    pub(super) front: Option<Arc<Front>>,
    /// The dialogs of this connection. They are kept if requests outside of dialogs are counted.
    pub(super) dialogs: Option<Box<SeenDialogs>>,
}

/// A request that is answered 403.
pub(super) struct Forbidden<'m> {
    pub(super) head: &'m [u8],
    pub(super) request: &'m Message,
    pub(super) reason: Reason,
    /// The URI that is the reason, for the log. It is empty if the reason is From.
    pub(super) name: &'m [u8],
}

impl RegistrationPolicy {
    pub(super) fn forbid(&mut self, config: &Config, why: Forbidden<'_>) -> SipAction {
        if !std::mem::replace(&mut self.forbade, true) {
            let Forbidden { head, request, reason, name } = why;
            let who = who(head, request);
            let verb = request.method(head).unwrap_or_default();
            let subject = self.cert.subject(&who, verb, name);
            let ended = Ending::because(Stage::Relay, Responsible::Policy, reason).uncounted();
            self.login_results.report(config).refused(subject, ended);
        }
        SipAction::Forbid
    }

    /// Whether a request belongs to a dialog with another address of the target than this connection's address.
    fn is_elsewhere(&self, snapshot: &Snapshot, head: &[u8], request: &Message) -> bool {
        let Some(target) = self.target else { return false };
        let tokens = &self.login_results.shared().sip_tokens;
        let terms = snapshot.config.sip_terms(&snapshot.table, tokens, self.login_results.transport());
        let named = terms.own.dialog(head, request).and_then(|named| named.address);
        named.is_some_and(|address| address != target)
    }

    /// Counts a request that belongs to no dialog of this connection.
    fn count(&mut self, screen: &Screen<'_>, head: &[u8], request: &Message) -> Option<Turned> {
        if std::mem::take(&mut self.was_counted) || !counts_requests(screen.config) {
            return None;
        }
        if self.dialogs.as_ref().is_some_and(|dialogs| dialogs.has(head, request)) {
            return None;
        }
        let of_user = || {
            let is_proven = self.verified.is_some();
            let by_credential = self.proving.as_ref().and_then(|proving| proving.proven()).map(Proven::user);
            screen.count_user(head, request, || self.login_results.pbx(), is_proven, by_credential)
        };
        screen.count(head, request).or_else(of_user)
    }

    /// Handles a request when the host of this connection has changed. If its tenant is disabled, the client is told,
    /// and the connection ends with the tenant's other connections when the drain time is over.
    fn moved(&mut self, config: &Config, moved: Ending, (head, request): (&[u8], &Message)) -> SipAction {
        if !moved.is_told {
            return SipAction::End(moved);
        }
        self.forbid(config, Forbidden { head, request, reason: Reason::Disabled, name: b"" })
    }

    /// Checks the names in a request against the certificate that has proven the connection.
    fn identify(&mut self, snapshot: &Snapshot, head: &[u8], request: &Message) -> SipAction {
        let is_here = |host: &[u8]| self.held_route.is_at(&snapshot.table, host);
        let other = self.verified.as_ref().and_then(|verified| verified.other(head, request, is_here));
        match other {
            Some(other) => {
                let name = if other == request.from.uri.of_input(head) { &[] } else { other };
                let why = Forbidden { head, request, reason: Reason::OtherName, name };
                self.forbid(&snapshot.config, why)
            }
            None => SipAction::Pass,
        }
    }
}

impl SipPolicy for RegistrationPolicy {
    fn examines(&self) -> bool {
        let is_wanted = || self.login_results.shared().snapshot.load().config.sip.sanity;
        self.login_results.carrier().is_websocket() || is_wanted()
    }

    fn screen(&mut self, head: &[u8], request: &Message, faulty: Option<&Faulty>) -> SipAction {
        let shared = self.login_results.shared().clone();
        let snapshot = shared.snapshot.load();
        let config = &snapshot.config;
        let screen = Screen { shared: &shared, config, client: self.login_results.client() };
        let turned = screen.look(head, request, faulty.map(|faulty| faulty.fault));
        let Some(turned) = turned.or_else(|| self.count(&screen, head, request)) else {
            return SipAction::Pass;
        };
        let ending = turned.ending(Stage::Relay);
        if turned == Turned::Scanner {
            return match config.reject {
                Reject::Answer => SipAction::Refuse { status: turned.status(), ending },
                Reject::Close => SipAction::End(ending),
            };
        }
        // If the end of a message is unknown, the next message cannot be found.
        let ends = faulty.is_none_or(|faulty| faulty.ends && faulty.message.body <= MESSAGE_LIMIT);
        if !ends {
            return SipAction::Refuse { status: turned.status(), ending };
        }
        if std::mem::replace(&mut self.turned_away, true) {
            self.login_results.offends(config, ending);
        } else {
            let who = who(head, request);
            let subject = self.cert.subject(&who, request.method(head).unwrap_or_default(), b"");
            self.login_results.report(config).refused(subject, ending);
        }
        SipAction::Answer { status: turned.status(), more: turned.more() }
    }

    fn judge(&mut self, head: &[u8], request: &Message) -> SipAction {
        let shared = self.login_results.shared().clone();
        let snapshot = shared.snapshot.load();
        if let Some(moved) = self.held_route.moved(&snapshot.table) {
            return self.moved(&snapshot.config, moved, (head, request));
        }
        let nowhere = |reason| SipAction::End(by_client(reason));
        let Snapshot { config, table, .. } = &**snapshot;
        let terms = config.sip_terms(table, &shared.sip_tokens, self.login_results.transport());
        let name = match terms.later(head, request) {
            Identified::One(name) => name,
            Identified::Split(_) => {
                let why = Forbidden { head, request, reason: Reason::OtherTarget, name: b"" };
                return self.forbid(&snapshot.config, why);
            }
            // An anonymous From names no host. The request stays on this connection.
            Identified::Nothing if request.from.is_anonymous(head) => {
                return self.identify(&snapshot, head, request);
            }
            Identified::Nothing => return nowhere(Reason::NoName),
        };
        match self.held_route.judge(&snapshot.table, &name) {
            LaterName::Same => self.identify(&snapshot, head, request),
            LaterName::Other => {
                let why = Forbidden { head, request, reason: Reason::OtherTarget, name: b"" };
                self.forbid(&snapshot.config, why)
            }
            LaterName::Nowhere(reason) => nowhere(reason),
            LaterName::Moved(ended) => SipAction::End(ended),
        }
    }

    fn hold(&mut self, head: &[u8], request: &Message) -> SipAction {
        // A request outside of a dialog is new, as a registration is.
        let is_new = request.to_tag.is_empty() && !matches!(request.method(head), Some(b"ACK" | b"CANCEL"));
        let is_held = self.verified.is_some() || self.target.is_some();
        if !is_new && !is_held {
            return SipAction::Pass;
        }
        let shared = self.login_results.shared().clone();
        let snapshot = shared.snapshot.load();
        let moved = if is_new { self.held_route.moved(&snapshot.table) } else { None };
        if let Some(moved) = moved.filter(|moved| moved.is_told) {
            return self.moved(&snapshot.config, moved, (head, request));
        }
        if !is_held {
            return SipAction::Pass;
        }
        if self.is_elsewhere(&snapshot, head, request) {
            let why = Forbidden { head, request, reason: Reason::OtherTarget, name: b"" };
            return self.forbid(&snapshot.config, why);
        }
        self.identify(&snapshot, head, request)
    }

    fn prove(&mut self, head: &[u8], request: &Message, changes: &mut Changes) -> SipAction {
        self.demand(head, request, changes)
    }

    fn heard(&mut self, head: &[u8], message: &Message) {
        if let Some(verified) = &mut self.verified {
            verified.heard(head, message);
        }
        if let Some(proving) = &mut self.proving {
            proving.heard(head, message);
        }
        let is_wanted = || counts_requests(&self.login_results.shared().snapshot.load().config);
        if self.proving.is_some() || is_wanted() {
            self.dialogs.get_or_insert_default().heard(head, message);
        }
    }

    fn foreign(&self, head: &[u8], response: &Message, cut: &mut dyn FnMut(&Field)) {
        let Some(verified) = &self.verified else { return };
        let snapshot = self.login_results.shared().snapshot.load();
        let is_here = |host: &[u8]| self.held_route.is_at(&snapshot.table, host);
        verified.other_fields(head, response, is_here).for_each(cut);
    }

    fn gave(&mut self, nonce: u64) {
        self.login_results.gave(nonce);
    }

    fn has_given(&self, nonce: u64) -> bool {
        self.login_results.has_given(nonce)
    }

    fn too_long(&mut self, head: &[u8], message: &Message) {
        if std::mem::replace(&mut self.was_too_long, true) {
            return;
        }
        let who = who(head, message);
        let status = match message.kind {
            Kind::Request { .. } => String::new(),
            Kind::Response { status } => status.to_string(),
        };
        let (verb, name) = match message.method(head) {
            Some(method) => (method, &b""[..]),
            None => (status.as_bytes(), message.cseq_method.of_input(head)),
        };
        let subject = self.cert.subject(&who, verb, name);
        let config = &self.login_results.shared().snapshot.load().config;
        let ended = Ending::because(Stage::Relay, Responsible::Policy, Reason::TooLarge).uncounted();
        self.login_results.report(config).refused(subject, ended);
    }

    fn login(&mut self, login: Login, head: &[u8], answer: &Message) {
        match login {
            Login::Confirmed => {
                // The user without its parameters (RFC 3261 §19.1.1).
                let user = answer.to.user.of_input(head).split(|octet| *octet == b';').next();
                self.login_results.confirmed(user.unwrap_or_default());
            }
            Login::Failed => self.login_results.failed(),
        }
    }

    fn tokens(&self) -> &Tokens {
        &self.login_results.shared().sip_tokens
    }
}
