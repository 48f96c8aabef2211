//! SIP: messages before the decision, the target of the first request that decides, and the answers that Portward gives
//! itself (contract sections 1 to 3). [`policy`] handles what may follow.

mod credential;
mod message;
mod policy;
mod screen;

use std::sync::Arc;

use credential::{EXPIRED, door};
use message::{First, subject, who};
use policy::RegistrationPolicy;
use screen::{Screen, Turned};

use super::certificate::{self, Worth};
use super::login_results::{Doors, LoginResults};
use super::once::{Asking, Connected, Decision, Protocol, Step};
use crate::config::Config;
use crate::ending::{Ending, Responsible, Stage};
use crate::inspect::Inspect;
use crate::inspect::sip::{Ask, Faulty, HEAD_LIMIT, Inspector};
use crate::log::Subject;
use crate::proof::own_routes::OwnRoutes;
use crate::proof::sip::Verified;
use crate::reason::Reason;
use crate::relay::sip::{
    Browser, Disguise, FORBIDDEN, NO_SERVICE, OK, Recording, SipPolicy as _, SipWatch, TOO_LARGE,
    UNAVAILABLE, length_inside,
};
use crate::route::proving::{Changes, Proven, Proving};
use crate::route::signalling::{Answer, Asked, Terms, leads_to};
use crate::rules::decide::{Route, rule_of};
use crate::rules::{Address, Endpoint};
use crate::service::Transport;

/// How many messages may be refused for their length before the connection is decided.
const REFUSED: u8 = 10;

/// How many messages Portward may answer itself before the connection is decided (contract section 3).
const ANSWERED: u8 = 10;

/// The Allow field in the answer to OPTIONS: the methods that Portward relays (RFC 3261 §11.2).
const ALLOW: &str = "Allow: ACK, BYE, CANCEL, INFO, INVITE, MESSAGE, NOTIFY, OPTIONS, PRACK, PUBLISH, REFER, REGISTER, \
                     SUBSCRIBE, UPDATE\r\nAccept: application/sdp\r\n";

/// The Retry-After field in answers to other requests before a registration. A client may try again when it is
/// registered.
const RETRY: &str = "Retry-After: 5\r\n";

/// The state of a connection that is not decided.
#[derive(Debug)]
pub(super) struct Sip {
    inspector: Inspector,
    /// The last octets were a single CRLF. With another CRLF it is a ping.
    half_ping: bool,
    /// How many messages were too long.
    refused: u8,
    /// How many messages Portward has answered itself. ACKs count too, although they get no answer.
    answered: u8,
    /// The [`Screen`] turned a request away. That is logged once a connection.
    turned_away: bool,
    /// What the client's certificate proves, if the connection to the target is made by TLS because of it.
    verified: Option<Box<Verified>>,
    /// What the client has proven by credentials, if its host demands them.
    proving: Option<Box<Proving>>,
    /// Changes to the request that decides, because of its login.
    changes: Changes,
    /// A credential was wrong. That is logged once a connection.
    login_told: bool,
}

impl Default for Sip {
    fn default() -> Self {
        Self {
            inspector: Inspector::of_client(),
            half_ping: false,
            refused: 0,
            answered: 0,
            turned_away: false,
            verified: None,
            proving: None,
            changes: Changes::default(),
            login_told: false,
        }
    }
}

impl Sip {
    /// Answers a message. The connection stays undecided.
    fn answer(
        &mut self,
        first: &First,
        answer: Answer,
        asking: &Asking<'_, '_>,
        back: &mut Vec<u8>,
    ) -> Decision<'static> {
        self.answered += 1;
        if first.is_too_much() {
            return self.refuse(first, asking, back);
        }
        let tokens = &asking.shared.sip_tokens;
        match answer {
            Answer::Nothing => {}
            Answer::Methods => first.answer(tokens, OK, ALLOW, back),
            Answer::Unavailable => first.answer(tokens, UNAVAILABLE, RETRY, back),
        }
        self.half_ping = false;
        Decision::Answered { len: first.head.len(), skip: first.message.body, line: None }
    }

    /// Handles a request that the [`Screen`] turns away. It is answered if it is over the rate or is not sound. The
    /// connection then stays undecided, as long as the start of the next message is known.
    fn turn_away(
        &mut self,
        first: &First,
        turned: Turned,
        asking: &Asking<'_, '_>,
        back: &mut Vec<u8>,
    ) -> Decision<'static> {
        let ending = turned.ending(Stage::Route);
        if turned == Turned::Scanner {
            return Decision::refused(ending);
        }
        first.answer(&asking.shared.sip_tokens, turned.status(), &turned.more(), back);
        let is_news = !std::mem::replace(&mut self.turned_away, true);
        let ends = first.fault.is_none_or(|(_, ends)| ends);
        self.answered = self.answered.saturating_add(1);
        self.half_ping = false;
        if !is_news {
            asking.offends(ending);
        }
        if !ends || first.is_too_much() || self.answered > ANSWERED {
            return Decision::Refused { ending, line: is_news };
        }
        Decision::Answered {
            len: first.head.len(),
            skip: first.message.body,
            line: is_news.then_some(ending),
        }
    }

    /// Answers 513 (Message Too Large) to a message that is too long for every address of its target. It is answered
    /// even where other refusals get no answer. It never counts toward the blacklist, and the connection stays
    /// undecided. The connection ends after [`REFUSED`] such messages, or if the message is too long to be read.
    fn refuse(&mut self, first: &First, asking: &Asking<'_, '_>, back: &mut Vec<u8>) -> Decision<'static> {
        let is_news = self.refused == 0;
        self.refused += 1;
        self.half_ping = false;
        first.answer(&asking.shared.sip_tokens, TOO_LARGE, "", back);
        let ending = Ending::because(Stage::Route, Responsible::Policy, Reason::TooLarge).uncounted();
        if first.is_too_much() || self.refused >= REFUSED {
            return Decision::Refused { ending, line: is_news };
        }
        let line = is_news.then_some(ending);
        Decision::Answered { len: first.head.len(), skip: first.message.body, line }
    }
}

impl Protocol for Sip {
    const LIMIT: usize = HEAD_LIMIT;
    type Asked = First;
    type Watch = SipWatch<RegistrationPolicy>;

    /// Finds the next message. Keep-alives before it are answered, and are no part of a request.
    fn open(&mut self, input: &[u8], asking: &Asking<'_, '_>, back: &mut Vec<u8>) -> Step<First> {
        self.inspector.examine(asking.config().sip.sanity || asking.carrier().is_websocket());
        match self.inspector.inspect(input) {
            Inspect::NeedMore => Step::NeedMore,
            Inspect::Reject(reason) => Step::Reject(reason),
            Inspect::Found { ask: Ask::KeepAlive, len } => {
                self.inspector.reset();
                if self.half_ping {
                    back.extend_from_slice(b"\r\n");
                }
                self.half_ping = !self.half_ping;
                Step::Answered { len, skip: 0 }
            }
            Inspect::Found { ask: Ask::Message(message), len } => {
                self.inspector.reset();
                Step::Found(First::new(input.get(..len).unwrap_or_default(), message, None))
            }
            Inspect::Found { ask: Ask::Faulty(Faulty { fault, message, ends }), len } => {
                self.inspector.reset();
                let head = input.get(..len).unwrap_or_default();
                Step::Found(First::new(head, message, Some((fault, ends))))
            }
        }
    }

    /// Half a keep-alive is no part of a message. A client that got a 513 and sends nothing more does not count. A
    /// client may close when all its requests were answered.
    fn undecided(&self, waiting: &[u8], ending: Ending) -> Ending {
        let nothing = matches!(waiting, [] | [b'\r']);
        match ending.reason {
            Some(Reason::Aborted) if nothing && self.answered > 0 => {
                Ending::peacefully(Stage::Ask, Responsible::Client)
            }
            Some(Reason::Timeout) if nothing => {
                Ending::because(ending.stage, ending.responsible, Reason::Silent)
            }
            Some(Reason::Timeout) if self.refused > 0 => ending.uncounted(),
            _ => ending,
        }
    }

    fn decide<'s>(&mut self, first: &mut First, asking: &Asking<'_, 's>, back: &mut Vec<u8>) -> Decision<'s> {
        let came_by = asking.transport();
        let (config, table) = (asking.config(), &asking.snapshot.table);
        let terms = config.sip_terms(table, &asking.shared.sip_tokens, came_by);
        let own = OwnRoutes { front: asking.front(), ..terms.own };
        let request = (&*first.head, &first.message);
        let (head, message) = request;
        let screen = Screen { shared: asking.shared, config, client: asking.address() };
        let turned = screen.look(head, message, first.fault.map(|(fault, _)| fault));
        if let Some(turned) = turned.or_else(|| screen.count(head, message)) {
            return self.turn_away(first, turned, asking, back);
        }
        let name = Terms { own, ..terms }.asked(head, message);
        let verdict = asking.verdict(name.as_ref().map_or(&[][..], Asked::name));
        first.cert = Worth::of(verdict.as_ref());
        let names = certificate::names(verdict.as_ref());
        let decided = match terms.decide(name.as_ref(), came_by, request, names) {
            Ok(decided) => decided,
            Err(refused) => return Decision::refused(first.cert.refusal(refused.ending())),
        };
        let route = match self.admit(decided, (first, name.as_ref()), asking, back) {
            Ok(route) => route,
            Err(decision) => return decision,
        };
        if route.checked && !route.proven {
            first.cert.fails();
        }
        let pbx = || Doors::of_rule(rule_of(route.host, route.service).as_ref()).pbx();
        let by_credential = self.proving.as_ref().and_then(|proving| proving.proven()).map(Proven::user);
        if let Some(turned) = screen.count_user(head, message, pbx, route.proven, by_credential) {
            return self.turn_away(first, turned, asking, back);
        }
        match length_inside(&own, request, rewrites(&route, came_by), &self.changes) {
            Ok(length) if length > u64::from(most(&route, asking.config())) => {
                return self.refuse(first, asking, back);
            }
            Ok(_) => {}
            Err(reason) => {
                return Decision::refused(Ending::because(Stage::Route, Responsible::Client, reason));
            }
        }
        let only = name.as_ref().and_then(Asked::address);
        self.verified = names.filter(|_| route.proven).map(|names| Box::new(Verified::new(names.clone())));
        // A token names a host of the rules. The From of a dialog may name any host, also a name that the target does
        // not know.
        let rule = route.host.name().as_bytes();
        let asked = [message.from.host.of_input(head), name.as_ref().map_or(rule, Asked::name)];
        let here = asked.into_iter().find(|name| leads_to(terms.table, name, rule));
        let name = String::from_utf8_lossy(here.unwrap_or(rule)).to_ascii_lowercase().into();
        Decision::Forward { route, name, only }
    }

    fn subject<'a>(&self, first: &'a First) -> Subject<'a> {
        subject(&first.who, &first.head, &first.message, &first.cert)
    }

    fn refusal(&self, first: Option<&First>, ending: Ending, asking: &Asking<'_, '_>, out: &mut Vec<u8>) {
        let status = match ending.reason {
            Some(Reason::TargetDown | Reason::TargetTls) if asking.front().is_some() => NO_SERVICE,
            Some(Reason::Expired) => EXPIRED,
            _ => FORBIDDEN,
        };
        if let Some(first) = first {
            first.answer(&asking.shared.sip_tokens, status, "", out);
        }
    }

    fn watch(self, first: First, connected: Connected<'_>) -> SipWatch<RegistrationPolicy> {
        let Connected { client, shared, snapshot, route, held_route, max_message, address: target, local } =
            connected;
        let came_by = client.facts.transport();
        let address = snapshot.config.sip.public_address(came_by);
        let is_tls = came_by == Transport::Tls;
        // If the rule has several targets, only this target knows the dialogs of this connection.
        let target = has_several(route.endpoints).then(|| target.ip());
        let host = (route.host.name(), target);
        let tokens = &shared.sip_tokens;
        let recording = address.map(|address| match client.front {
            Some(_) => Recording::for_browser(tokens, host, address, is_tls),
            None => Recording::new(tokens, host, address, is_tls),
        });
        let policy = RegistrationPolicy {
            login_results: LoginResults::of(client, &held_route),
            held_route,
            verified: self.verified,
            target,
            cert: first.cert,
            forbade: false,
            was_too_long: self.refused > 0,
            turned_away: self.turned_away,
            was_counted: true,
            has_passed: self.proving.is_some(),
            door: door(route).map(Box::new),
            proving: self.proving,
            login_told: self.login_told,
            front: client.front.clone(),
            dialogs: None,
        };
        let max_message = limit(max_message, route, &snapshot.config);
        match &client.front {
            Some(front) => {
                let disguise = local
                    .filter(|_| route.websocket.is_none())
                    .map(|end| Disguise::new(end, route.transport.is_tls()));
                let browser = Browser { named: front.named.clone(), tls: is_tls, disguise };
                SipWatch::new(policy, recording, false, max_message).for_browser(browser)
            }
            None => SipWatch::new(policy, recording, rewrites(route, came_by), max_message),
        }
    }

    fn tenant(watch: &SipWatch<RegistrationPolicy>) -> Option<&Arc<str>> {
        watch.policy().proving.as_ref()?.proven()?.tenant()
    }

    fn last(watch: &SipWatch<RegistrationPolicy>, octets: &[u8], write: &mut dyn FnMut(Subject<'_>)) {
        let mut inspector = Inspector::of_client();
        inspector.examine(watch.policy().examines());
        match inspector.inspect(octets) {
            Inspect::Found { ask: Ask::Message(message) | Ask::Faulty(Faulty { message, .. }), len } => {
                let head = octets.get(..len).unwrap_or_default();
                let who = who(head, &message);
                write(subject(&who, head, &message, &watch.policy().cert));
            }
            _ => write(Subject::Unknown),
        }
    }
}

/// Whether a target may have several addresses.
fn has_several(endpoints: &[Endpoint]) -> bool {
    match endpoints {
        [one] => matches!(one.address, Address::Name(_)),
        _ => true,
    }
}

/// Whether Via and Contact are rewritten (contract section 3).
fn rewrites(route: &Route<'_>, came_by: Transport) -> bool {
    route.rewrite_transport && came_by == Transport::Tls && route.transport == Transport::Plain
}

/// The longest message that at least one address of the target may be sent. [`limit`] gives the limit of one address.
fn most(route: &Route<'_>, config: &Config) -> u32 {
    let limits = route.endpoints.iter().map(|endpoint| limit(endpoint.options.max_message, route, config));
    limits.max().unwrap_or(config.sip.max_message)
}

/// The longest message toward an address whose own limit is `said` (contract section 3, `max_message`).
fn limit(said: Option<u32>, route: &Route<'_>, config: &Config) -> u32 {
    said.or(route.max_message).unwrap_or(config.sip.max_message)
}
