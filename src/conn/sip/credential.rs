//! Ephemeral credentials (contract section 9): what a verdict on a credential means for the client, the log and the
//! guard, before the decision and after it. [`proving`] gives the verdicts.

use std::sync::Arc;

use super::super::login_results::Doors;
use super::super::once::{Asking, Decision};
use super::message::{First, who};
use super::policy::{Forbidden, RegistrationPolicy};
use super::{ANSWERED, Sip};
use crate::config::Config;
use crate::ending::{Ending, Responsible, Stage};
use crate::guard::unix_now;
use crate::inspect::sip::Message;
use crate::reason::Reason;
use crate::relay::sip::{FORBIDDEN, SipAction};
use crate::route::proving::{self, Changes, CredentialCheck, Door, Proven, Why};
use crate::route::signalling::{Answer, Asked, Decided};
use crate::rules::decide::{Route, host_named, rule_of};
use crate::rules::{Host, Table};
use crate::service::Service;

/// The status for a genuine credential whose time is over.
pub(super) const EXPIRED: &str = "403 Credential expired";

/// The status for a CANCEL without a transaction (RFC 3261 §9.2).
const NO_TRANSACTION: &str = "481 Call/Transaction Does Not Exist";

/// The host of a request that is routed or answered, if any host of the table demands credentials.
fn demanding<'t>(table: &'t Table, decided: &Decided<'t>, asked: Option<&Asked<'_>>) -> Option<Host<'t>> {
    if !table.demands_credentials() {
        return None;
    }
    match decided {
        Decided::Routed(route) => Some(route.host),
        // An ACK gets no answer, so no credential is asked for.
        Decided::Answered(Answer::Nothing) => None,
        Decided::Answered(_) => host_named(table, asked?.name()).ok(),
    }
}

/// The endpoints and the port of a route that goes by WebSocket. They may differ from the host's own rule.
pub(super) fn door(route: &Route<'_>) -> Option<Door> {
    route.websocket.map(|_| (Arc::clone(route.endpoints), route.port))
}

/// The reason of a refusal for the log and the guard.
fn reason(why: Why<'_>) -> Reason {
    match why {
        Why::OtherName(_) => Reason::OtherName,
        Why::Expired => Reason::Expired,
        Why::Failed => Reason::FailedLogin,
        Why::Disabled => Reason::Disabled,
    }
}

impl Sip {
    /// Forwards a first message, if its client has proven what the host demands.
    ///
    /// # Errors
    /// The message is refused, or has been answered.
    pub(super) fn admit<'s>(
        &mut self,
        decided: Decided<'s>,
        (first, name): (&First, Option<&Asked<'_>>),
        asking: &Asking<'_, 's>,
        back: &mut Vec<u8>,
    ) -> Result<Route<'s>, Decision<'static>> {
        let demanding = demanding(&asking.snapshot.table, &decided, name);
        let (route, answer) = match decided {
            Decided::Routed(route) => {
                let route = asking.onward(route).map_err(|refused| Decision::refused(refused.ending()))?;
                (Some(route), Answer::Nothing)
            }
            Decided::Answered(answer) => (None, answer),
        };
        if let Some(host) = demanding {
            let door = route.as_ref().and_then(door);
            self.demand(first, (host, door.as_ref()), asking, back).map_or(Ok(()), Err)?;
        }
        match route {
            Some(route) => Ok(route),
            None if self.answered < ANSWERED => Err(self.answer(first, answer, asking, back)),
            None => {
                let ending = Ending::because(Stage::Route, Responsible::Policy, Reason::Method);
                Err(Decision::refused(ending.uncounted()))
            }
        }
    }

    /// Asks for a credential if `host` demands one and the request has no right one. `None`: the request may go on.
    fn demand(
        &mut self,
        first: &First,
        (host, door): (Host<'_>, Option<&Door>),
        asking: &Asking<'_, '_>,
        back: &mut Vec<u8>,
    ) -> Option<Decision<'static>> {
        let (shared, snapshot) = (asking.shared, asking.snapshot);
        let request = (&*first.head, &first.message);
        let asked = proving::Asked::of(&snapshot.table, (host, door), request)?.with(false, asking.brought());
        let known = (&*snapshot.table, &shared.nonces);
        let terms =
            snapshot.config.credential_terms(known, (asking.carrier(), asking.id()), unix_now().into());
        let proving = self.proving.get_or_insert_default();
        let check = proving.look(&terms, &asked);
        let ending = |reason| Ending::because(Stage::Route, Responsible::Client, reason);
        match check {
            CredentialCheck::Passes { is_new } => {
                if let Some(user) = proving.proven().filter(|_| is_new).map(Proven::user) {
                    asking.confirmed(Doors::of_rule(rule_of(host, Service::Sip).as_ref()).pbx(), user);
                }
                self.changes = proving.changes(&terms, &asked);
                None
            }
            CredentialCheck::Asked { status, more, failed } => {
                first.answer(&shared.sip_tokens, status, &more, back);
                let failed = failed.then(|| ending(Reason::FailedLogin));
                Some(self.replied(first, failed, asking))
            }
            CredentialCheck::Refused(why) => {
                let ending = ending(reason(why));
                let ending = match why {
                    Why::Failed => ending,
                    _ => Ending { responsible: Responsible::Policy, ..ending }.uncounted(),
                };
                if why == Why::Failed {
                    asking.note_failed_login();
                }
                Some(Decision::refused(ending.told()))
            }
            CredentialCheck::NothingToCancel => {
                first.answer(&shared.sip_tokens, NO_TRANSACTION, "", back);
                Some(self.replied(first, None, asking))
            }
            CredentialCheck::Unheard => Some(self.replied(first, None, asking)),
        }
    }

    /// The request has been answered, and the connection stays undecided. `failed`: a login has failed.
    fn replied(
        &mut self,
        first: &First,
        failed: Option<Ending>,
        asking: &Asking<'_, '_>,
    ) -> Decision<'static> {
        self.answered = self.answered.saturating_add(1);
        self.half_ping = false;
        let is_news = failed.is_some() && !std::mem::replace(&mut self.login_told, true);
        if let Some(ending) = failed {
            asking.note_failed_login();
            if !is_news {
                asking.offends(ending);
            }
        }
        if first.is_too_much() || self.answered > ANSWERED {
            let limit = Ending::because(Stage::Route, Responsible::Policy, Reason::Limit);
            let ending = failed.unwrap_or(limit);
            // If the log has already reported this login, it does not report it again.
            return Decision::Refused { ending, line: is_news || failed.is_none() };
        }
        Decision::Answered {
            len: first.head.len(),
            skip: first.message.body,
            line: failed.filter(|_| is_news),
        }
    }
}

impl RegistrationPolicy {
    /// Checks a request against what its client has proven, if the host demands credentials by now.
    pub(super) fn demand(&mut self, head: &[u8], request: &Message, changes: &mut Changes) -> SipAction {
        let has_passed = std::mem::take(&mut self.has_passed);
        if !self.login_results.shared().snapshot.load().table.demands_credentials() {
            return SipAction::Pass;
        }
        let shared = self.login_results.shared().clone();
        let snapshot = shared.snapshot.load();
        let (config, table) = (&snapshot.config, &*snapshot.table);
        let host = table.host(self.held_route.host()).filter(|host| host.name() == self.held_route.host());
        let Some(asked) =
            host.and_then(|host| proving::Asked::of(table, (host, self.door.as_deref()), (head, request)))
        else {
            return SipAction::Pass;
        };
        let in_dialog = self.dialogs.as_ref().is_some_and(|dialogs| dialogs.has(head, request));
        let front = self.front.clone();
        let asked = asked.with(in_dialog, front.as_ref().and_then(|front| front.brought.as_ref()));
        let connection = (self.login_results.carrier(), self.login_results.id());
        let terms = config.credential_terms((table, &shared.nonces), connection, unix_now().into());
        let proving = self.proving.get_or_insert_default();
        let check = match has_passed {
            true => CredentialCheck::Passes { is_new: false },
            false => proving.look(&terms, &asked),
        };
        match check {
            CredentialCheck::Passes { is_new } => {
                *changes = proving.changes(&terms, &asked);
                if let Some(proven) = proving.proven().filter(|_| is_new) {
                    self.login_results.confirmed(proven.user());
                }
                SipAction::Pass
            }
            CredentialCheck::Asked { status, more, failed } => {
                if failed {
                    self.login_failed(config, (head, request));
                }
                SipAction::Answer { status, more }
            }
            CredentialCheck::Refused(why) => self.refused(config, why, (head, request)),
            CredentialCheck::NothingToCancel => {
                SipAction::Answer { status: NO_TRANSACTION, more: String::new() }
            }
            // An ACK gets no answer. The relay drops it.
            CredentialCheck::Unheard => SipAction::Answer { status: FORBIDDEN, more: String::new() },
        }
    }

    fn refused(&mut self, config: &Config, why: Why<'_>, (head, request): (&[u8], &Message)) -> SipAction {
        match why {
            Why::OtherName(name) => {
                let name = if name == request.from.uri.of_input(head) { b"" } else { name };
                self.forbid(config, Forbidden { head, request, reason: Reason::OtherName, name })
            }
            Why::Disabled => {
                self.forbid(config, Forbidden { head, request, reason: Reason::Disabled, name: b"" })
            }
            Why::Expired => {
                let ending = Ending::because(Stage::Relay, Responsible::Policy, Reason::Expired);
                self.tell(config, ending, (head, request));
                SipAction::Answer { status: EXPIRED, more: String::new() }
            }
            Why::Failed => {
                self.login_failed(config, (head, request));
                SipAction::Forbid
            }
        }
    }

    fn login_failed(&mut self, config: &Config, request: (&[u8], &Message)) {
        self.login_results.note_failed_login(config);
        let ending = Ending::because(Stage::Relay, Responsible::Client, Reason::FailedLogin);
        self.tell(config, ending, request);
    }

    /// Writes a line once a connection. Offences are counted each time.
    fn tell(&mut self, config: &Config, ending: Ending, (head, request): (&[u8], &Message)) {
        if std::mem::replace(&mut self.login_told, true) {
            self.login_results.offends(config, ending);
            return;
        }
        let who = who(head, request);
        let subject = self.cert.subject(&who, request.method(head).unwrap_or_default(), b"");
        self.login_results.report(config).refused(subject, ending);
    }
}
