//! LDAP: messages before the first bind, the target of the first bind, and refusals. It also judges later binds.
//!
//! A client that used StartTLS counts as a client that came by TLS. Its log lines say `ldaps`, and its target's port is
//! chosen accordingly (contract section 5). When a later bind is refused, it is answered and the connection stays (see
//! [`LaterName`]). The client is known to the directory by then. It is often an application that tries the names that its
//! users type, and closing the connection would log out all these users.

use std::sync::Arc;

use super::login_results::LoginResults;
use super::once::{Asking, Connected, Decision, Protocol, Step};
use crate::ending::{Ending, Responsible, Stage};
use crate::inspect::Inspect;
use crate::inspect::ldap::{Ask, Bind, Inspector, LDAP_LIMIT, Operation, Wants, root_dse};
use crate::log::Subject;
use crate::reason::{Reason, Weight};
use crate::relay::ldap::answer::{self, StartTls};
use crate::relay::ldap::{BindAction, Gate, LdapPolicy};
use crate::route::held_route::{HeldRoute, LaterName};
use crate::service::{Service, Transport};
use crate::state::Snapshot;

/// How many searches of the root DSE are answered before a bind (contract section 2, `ldap.root_dse`).
const ANSWERED: u8 = 10;

/// The state of a connection before its first bind.
#[derive(Debug, Default)]
pub(super) struct Ldap {
    /// Whether the client has asked for StartTLS.
    asked_for_tls: bool,
    /// How many searches Portward has answered itself.
    answered: u8,
}

/// The first message that asks for a host, or that is refused.
pub(super) struct First {
    what: What,
    /// The host in the message, for the log.
    host: Box<[u8]>,
}

enum What {
    Bind(Bind),
    Operation(u32, Operation),
    /// A search of the root DSE, with its messageID. It never counts toward the blacklist.
    RootDse(u32),
}

impl First {
    fn verb(&self) -> Operation {
        match &self.what {
            What::Bind(_) => Operation::Bind,
            What::Operation(_, operation) => *operation,
            What::RootDse(_) => Operation::Search,
        }
    }

    /// The domain of a refused bind, for the log.
    fn named(&self) -> &[u8] {
        match &self.what {
            What::Bind(Bind { name: Ok((domain, _)), .. }) => domain,
            _ => &[],
        }
    }
}

fn found(what: What) -> Step<First> {
    Step::Found(First { what, host: Box::default() })
}

impl Ldap {
    /// Handles a search before a bind. A search of the root DSE is answered if that is configured.
    fn search(&mut self, id: u32, input: &[u8], asking: &Asking<'_, '_>, back: &mut Vec<u8>) -> Step<First> {
        match root_dse(input) {
            Inspect::NeedMore => Step::NeedMore,
            Inspect::Reject(reason) => Step::Reject(reason),
            Inspect::Found { ask: None, .. } => found(What::Operation(id, Operation::Search)),
            Inspect::Found { ask: Some(search), len } => {
                if !asking.config().ldap_root_dse || self.answered >= ANSWERED {
                    return found(What::RootDse(id));
                }
                self.answered += 1;
                back.extend_from_slice(&answer::root_dse(&search, start_tls(asking) == StartTls::Go));
                Step::Answered { len, skip: 0 }
            }
        }
    }
}

/// The answer to StartTLS at this moment.
fn start_tls(asking: &Asking<'_, '_>) -> StartTls {
    match asking.transport() {
        Transport::Tls => StartTls::Already,
        Transport::Plain if asking.snapshot.server_tls.acceptor(Service::Ldap).is_some() => StartTls::Go,
        Transport::Plain => StartTls::NoCertificate,
    }
}

impl Protocol for Ldap {
    const LIMIT: usize = LDAP_LIMIT;
    type Asked = First;
    type Watch = Gate<BindPolicy>;

    fn open(&mut self, input: &[u8], asking: &Asking<'_, '_>, back: &mut Vec<u8>) -> Step<First> {
        match Inspector.inspect(input) {
            Inspect::NeedMore => Step::NeedMore,
            Inspect::Reject(reason) => Step::Reject(reason),
            Inspect::Found { ask: Ask::Bind(bind), .. } => found(What::Bind(bind)),
            // An Unbind as the first message: the client closes. Some clients do so when they do not accept our
            // certificate.
            Inspect::Found { ask: Ask::Other { operation: Operation::Unbind, .. }, .. } => {
                Step::Reject(Reason::Aborted)
            }
            Inspect::Found { ask: Ask::Other { id, operation: Operation::Search, .. }, .. } => {
                self.search(id, input, asking, back)
            }
            Inspect::Found { ask: Ask::Other { id, operation, .. }, .. } => {
                found(What::Operation(id, operation))
            }
            Inspect::Found { ask: Ask::StartTls { id }, len } => {
                self.asked_for_tls = true;
                let said = start_tls(asking);
                back.extend_from_slice(&answer::start_tls(id, said));
                match said {
                    StartTls::Go => Step::StartTls { len },
                    _ => Step::Answered { len, skip: 0 },
                }
            }
        }
    }

    fn undecided(&self, _: &[u8], ending: Ending) -> Ending {
        match ending.reason {
            // A client may close after it has got its answers.
            Some(Reason::Aborted) if self.answered > 0 => Ending::peacefully(Stage::Ask, Responsible::Client),
            Some(Reason::Silent) if self.asked_for_tls => {
                Ending::because(ending.stage, ending.responsible, Reason::Timeout)
            }
            _ => ending,
        }
    }

    fn decide<'s>(&mut self, first: &mut First, asking: &Asking<'_, 's>, _: &mut Vec<u8>) -> Decision<'s> {
        let terms = asking.config().ldap_terms(&asking.snapshot.table);
        let refused = |reason| Ending::because(Stage::Route, Responsible::Policy, reason);
        // Any other operation before a bind is refused (contract section 2).
        let host = match &first.what {
            What::Operation(..) => Err(refused(Reason::Method)),
            What::RootDse(_) => Err(refused(Reason::Method).uncounted()),
            What::Bind(bind) => terms.host(bind).map_err(refused),
        };
        let host: Box<[u8]> = match host {
            Ok(host) => host.into(),
            Err(ending) => {
                first.host = first.named().into();
                return Decision::refused(ending);
            }
        };
        let decided = terms.decide(asking.transport(), &host);
        let name = String::from_utf8_lossy(&host).to_ascii_lowercase().into();
        first.host = host;
        match decided {
            Ok(route) => Decision::Forward { route, name, only: None },
            Err(refused) => Decision::refused(refused.ending()),
        }
    }

    fn subject<'a>(&self, first: &'a First) -> Subject<'a> {
        let name = if let What::Bind(bind) = &first.what { bind.user() } else { &[] };
        let verb = first.verb().name().as_bytes();
        Subject::Signalling { who: &first.host, verb, name, certificate: "", unproven: None }
    }

    fn refusal(&self, first: Option<&First>, ending: Ending, _: &Asking<'_, '_>, out: &mut Vec<u8>) {
        match first {
            Some(first) => {
                let id = match &first.what {
                    What::Bind(bind) => bind.id,
                    What::Operation(id, _) | What::RootDse(id) => *id,
                };
                out.extend_from_slice(&answer::refused(id, first.verb(), ending.stage == Stage::Connect));
            }
            None if matches!(ending.reason, Some(Reason::Malformed | Reason::TooLarge)) => {
                out.extend_from_slice(&answer::disconnection());
            }
            None => {}
        }
    }

    fn watch(self, _: First, connected: Connected<'_>) -> Gate<BindPolicy> {
        let answers = connected.answers();
        let policy = BindPolicy {
            login_results: LoginResults::of(connected.client, &connected.held_route),
            held_route: connected.held_route,
            written: false,
            failed: 0,
        };
        Gate::new(policy, answers)
    }

    /// After a failed login, an end without a reason is logged with the reason `failed-login` (contract section 6).
    fn over(gate: &Gate<BindPolicy>, ending: Ending) -> Ending {
        match ending.reason {
            None if gate.policy().failed > 0 => Ending {
                reason: Some(Reason::FailedLogin),
                // Each failed login has already been counted.
                weight: Weight::Nothing,
                ..ending
            },
            _ => ending,
        }
    }

    fn last(_: &Gate<BindPolicy>, _: &[u8], write: &mut dyn FnMut(Subject<'_>)) {
        write(Subject::Unknown);
    }
}

/// Judges later binds on a connection.
#[derive(Debug)]
pub(super) struct BindPolicy {
    held_route: Arc<HeldRoute>,
    login_results: LoginResults,
    /// A refusal was logged. One line a connection is enough.
    written: bool,
    /// How many logins the directory has refused.
    failed: u32,
}

impl BindPolicy {
    fn refuse(&mut self, snapshot: &Snapshot, bind: &Bind, reason: Reason) -> BindAction {
        if !std::mem::replace(&mut self.written, true) {
            let who = bind.name.as_ref().map_or(&[][..], |(domain, _)| domain);
            let verb = Operation::Bind.name().as_bytes();
            let subject =
                Subject::Signalling { who, verb, name: bind.user(), certificate: "", unproven: None };
            let ended = Ending::because(Stage::Relay, Responsible::Policy, reason).uncounted();
            self.login_results.report(&snapshot.config).refused(subject, ended);
        }
        BindAction::Refuse
    }
}

impl LdapPolicy for BindPolicy {
    fn judge(&mut self, bind: &Bind) -> BindAction {
        let shared = self.login_results.shared().clone();
        let snapshot = shared.snapshot.load();
        if let Some(ended) = self.held_route.moved(&snapshot.table) {
            return BindAction::End(ended);
        }
        match bind.wants() {
            // Applications bind, search, and bind again as the user that they have found (contract section 3).
            Wants::NoDomain => BindAction::Pass,
            Wants::Host(domain) => match self.held_route.judge(&snapshot.table, domain) {
                LaterName::Same | LaterName::Nowhere(_) => BindAction::Pass,
                LaterName::Other | LaterName::Moved(_) => self.refuse(&snapshot, bind, Reason::OtherTarget),
            },
            // An anonymous bind stays on this connection if a first anonymous bind would have led to the same place.
            Wants::Anonymous => {
                let default = snapshot.config.default_hosts.ldap.as_deref().unwrap_or_default();
                match self.held_route.judge(&snapshot.table, default.as_bytes()) {
                    LaterName::Same => BindAction::Pass,
                    _ => self.refuse(&snapshot, bind, Reason::NoName),
                }
            }
            Wants::Never(reason) => self.refuse(&snapshot, bind, reason),
        }
    }

    fn answers_root_dse(&self) -> bool {
        self.login_results.shared().snapshot.load().config.ldap_root_dse
    }

    fn login_failed(&mut self) {
        self.failed += 1;
        self.login_results.failed();
    }

    fn login_succeeded(&mut self, name: &[u8]) {
        if !name.is_empty() {
            self.login_results.confirmed(name);
        }
    }
}
