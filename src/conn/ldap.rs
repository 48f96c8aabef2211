//! LDAP: StartTLS and the first bind, the decision, the way inside, and then the gate, once a connection.
//!
//! A client that came by StartTLS came by TLS: its log lines say `ldaps`, and SPEC section 5 chooses its target port
//! so. A later bind that is refused is answered and the connection stays (see [`Later`]): the client is known to the
//! directory, it is often an application that tries what its users type in, and to hang up would log out all of them.

mod root_dse;

use std::sync::Arc;

use tokio::time::timeout;
use tokio_util::bytes::BytesMut;

use super::held::{Held, Later};
use super::leave::{part, withdrawn};
use super::standing::Standing;
use super::{Client, Facts, ask, ending, link, secure};
use crate::config::Reject;
use crate::ending::{Ending, Stage, Whose};
use crate::inspect::ldap::{Ask, Bind, Inspector, LDAP_LIMIT, Operation, Wants};
use crate::io::Leg;
use crate::log::Subject;
use crate::reason::Reason;
use crate::relay::ldap::answer::{self, StartTls};
use crate::relay::ldap::{Gate, Judge, Verdict};
use crate::relay::patience::Patience;
use crate::relay::tunnel::EndedBy;
use crate::relay::watched::{Over, watched};
use crate::rules::decide;
use crate::service::{Service, Transport};
use crate::state::{Snapshot, Worker};
use crate::stats::Direction;

/// Serves a client until its connection ends.
pub(super) async fn serve(client: Client) {
    // In boxes of their own: what decides is gone when the relay begins, and needs no room in it.
    let Some((client, first)) = Box::pin(listen(client)).await else { return };
    let Some((client, target, held)) = Box::pin(open(client, first)).await else { return };
    relay(client, target, held).await;
}

/// With what a client begins.
enum First {
    Bind(Bind),
    Operation(u32, Operation),
    /// A search of the root DSE, by its messageID. It never counts.
    RootDse(u32),
}

impl First {
    fn verb(&self) -> Operation {
        match self {
            Self::Bind(_) => Operation::Bind,
            Self::Operation(_, operation) => *operation,
            Self::RootDse(_) => Operation::Search,
        }
    }

    /// The host that is asked for; `default`: where binds go that name none. Anything else before a bind goes nowhere
    /// (SPEC section 2).
    fn host<'a>(&'a self, default: Option<&'a str>) -> Result<&'a [u8], Reason> {
        let default = default.map(str::as_bytes);
        match self {
            Self::Operation(..) | Self::RootDse(_) => Err(Reason::Method),
            Self::Bind(bind) => match bind.wants() {
                Wants::Host(domain) => Ok(domain),
                Wants::NoDomain | Wants::Anonymous => default.ok_or(Reason::NoName),
                Wants::Never(reason) => Err(reason),
            },
        }
    }

    fn subject<'a>(&'a self, who: &'a [u8]) -> Subject<'a> {
        let name = if let Self::Bind(bind) = self { bind.user() } else { &[] };
        Subject::Signalling { who, verb: self.verb().name().as_bytes(), name, certificate: "" }
    }

    /// The domain of a bind that goes nowhere, for the log.
    fn named(&self) -> &[u8] {
        match self {
            Self::Bind(Bind { name: Ok((domain, _)), .. }) => domain,
            _ => &[],
        }
    }

    fn refusal(&self, unavailable: bool) -> BytesMut {
        let id = match self {
            Self::Bind(bind) => bind.id,
            Self::Operation(id, _) | Self::RootDse(id) => *id,
        };
        answer::refused(id, self.verb(), unavailable)
    }
}

/// Reads the first bind, which stays in the buffer. Before it TLS is spoken if the client asks for it, and searches of the
/// root DSE are answered. `None`: the connection has ended, and that was written.
async fn listen(mut client: Client) -> Option<(Client, First)> {
    let mut heard = false;
    let mut answered = 0;
    loop {
        let asked = ask::first(&mut client, LDAP_LIMIT, heard, |input| Inspector.inspect(input)).await;
        let ended = match asked {
            Ok((Ask::Bind(bind), _)) => return Some((client, First::Bind(bind))),
            // Who says good-bye first has changed his mind: a client that does not like our certificate.
            Ok((Ask::Other { operation: Operation::Unbind, .. }, _)) => {
                Ending::because(Stage::Ask, Whose::Client, Reason::Aborted)
            }
            Ok((Ask::Other { id, operation: Operation::Search, .. }, _)) => {
                match root_dse::search(&mut client, id, &mut answered).await {
                    Ok(None) => continue,
                    Ok(Some(first)) => return Some((client, first)),
                    Err(ended) => ended,
                }
            }
            Ok((Ask::Other { id, operation, .. }, _)) => {
                return Some((client, First::Operation(id, operation)));
            }
            Ok((Ask::StartTls { id }, len)) => {
                heard = true;
                client = start_tls(client, id, len).await?;
                match ask::in_time(&mut client).await {
                    Ok(()) => continue,
                    Err(ended) => ended,
                }
            }
            Err(ended) => ended,
        };
        // A client that has read what it wanted to know may go.
        let leaves = answered > 0 && ended.reason == Some(Reason::Aborted);
        let ended = if leaves { Ending::peacefully(Stage::Ask, Whose::Client) } else { ended };
        let broken = matches!(ended.reason, Some(Reason::Malformed | Reason::TooLarge));
        let answer = if broken { answer::disconnection() } else { BytesMut::new() };
        turn_away(client, Subject::Unknown, ended, &answer).await;
        return None;
    }
}

/// StartTLS before a bind (RFC 4511 §4.14). `None`: the connection has ended, and that was written.
async fn start_tls(mut client: Client, id: u32, len: usize) -> Option<Client> {
    let worker = client.worker.clone();
    let snapshot = worker.shared.snapshot.load_full();
    let limits = &snapshot.config.limits;
    let acceptor = match client.facts.transport() {
        Transport::Plain => snapshot.server_tls.acceptor(Service::Ldap).ok_or(StartTls::NoCertificate),
        Transport::Tls => Err(StartTls::Already),
    };
    if acceptor.is_ok() && client.leg.buffer.len() > len {
        // What came in the clear must never be taken for something that came by TLS.
        let ended = Ending::because(Stage::Ask, Whose::Client, Reason::Malformed);
        turn_away(client, Subject::Unknown, ended, &answer::disconnection()).await;
        return None;
    }
    client.leg.buffer.consume(len);
    let answer = answer::start_tls(id, *acceptor.as_ref().err().unwrap_or(&StartTls::Go));
    client.live.add(Direction::Down, answer.len() as u64);
    let written = timeout(limits.inspect_timeout, client.leg.write_all(&answer)).await;
    if !matches!(written, Ok(Ok(()))) {
        let ended = Ending::because(Stage::Ask, Whose::Client, Reason::Aborted);
        turn_away(client, Subject::Unknown, ended, &[]).await;
        return None;
    }
    let Ok(acceptor) = acceptor else { return Some(client) };
    let bytes = client.live.bytes();
    match secure::start_tls(client, acceptor, limits.handshake_timeout).await {
        Ok(mut client) => {
            client.timer.set(limits.inspect_timeout);
            Some(client)
        }
        Err((facts, ended)) => {
            let (shared, config) = (&worker.shared, &snapshot.config);
            ending::refused(shared, config, &facts, facts.client.ip(), Subject::Unknown, ended);
            ending::ended(shared, config, &facts, ended, bytes);
            None
        }
    }
}

/// The decision and the connection to the target. `None`: the connection has ended, and that was written.
async fn open(mut client: Client, first: First) -> Option<(Client, Leg, Box<Held>)> {
    let worker = client.worker.clone();
    let snapshot = worker.shared.snapshot.load_full();
    client.place = None;
    let default = snapshot.config.default_hosts.ldap.as_deref();
    let transport = client.facts.transport();
    let decided = first.host(default).map_err(|reason| (reason, &[][..])).and_then(|host| {
        let route = decide::signalling(&snapshot.table, Service::Ldap, transport, host, |_| false);
        route.map(|route| (host, route)).map_err(|refusal| (refusal.reason, host))
    });
    match decided {
        Ok((host, route)) => {
            let held = Held::new(&route);
            let name = String::from_utf8_lossy(host).to_ascii_lowercase();
            match link::link(&client, &snapshot, route, &name, first.subject(host)).await {
                Ok(target) => return Some((client, target, held)),
                // Its line is written.
                Err(ended) => close(client, ended, &first.refusal(true)).await,
            }
        }
        Err((reason, host)) => {
            let ended = Ending::because(Stage::Route, Whose::Policy, reason);
            let ended = if matches!(first, First::RootDse(_)) { ended.uncounted() } else { ended };
            let host = if host.is_empty() { first.named() } else { host };
            turn_away(client, first.subject(host), ended, &first.refusal(false)).await;
        }
    }
    None
}

/// Ends the connection of a client that goes nowhere, and writes why.
async fn turn_away(client: Client, subject: Subject<'_>, ended: Ending, answer: &[u8]) {
    let worker = client.worker.clone();
    link::refuse(&client, &worker.shared.snapshot.load(), subject, ended);
    close(client, ended, answer).await;
}

/// The end of a client that went nowhere: without a word, or with `answer` if refusals are answered.
async fn close(mut client: Client, ended: Ending, answer: &[u8]) {
    let worker = client.worker.clone();
    let shared = &worker.shared;
    let (answers, patience) = {
        let config = &shared.snapshot.load().config;
        (config.reject == Reject::Answer && !answer.is_empty(), config.limits.inspect_timeout)
    };
    let sent = answers && matches!(timeout(patience, client.leg.write_all(answer)).await, Ok(Ok(())));
    client.live.add(Direction::Down, if sent { answer.len() as u64 } else { 0 });
    ending::ended(shared, &shared.snapshot.load().config, &client.facts, ended, client.live.bytes());
    if sent {
        client.leg.close().await;
    }
}

/// Moves messages until the end.
async fn relay(mut client: Client, mut target: Leg, held: Box<Held>) {
    let worker = client.worker.clone();
    let shared = &worker.shared;
    let (patience, answers) = {
        let config = &shared.snapshot.load().config;
        let limits = &config.limits;
        let patience = Patience::new(limits.idle_timeout.services.ldap, limits.response_timeout);
        (patience, config.reject == Reject::Answer)
    };
    let host = held.host().to_owned();
    let standing = Standing::of(&client, &held);
    let binds =
        Binds { held, standing, facts: client.facts, worker: worker.clone(), written: false, failed: 0 };
    let mut gate = Gate::new(binds, answers);
    let ended = tokio::select! {
        over = watched(&mut client.leg, &mut target, &mut client.timer, patience, &mut gate, &client.live) => {
            match over {
                Over::Ended(EndedBy::Silence) => EndedBy::Silence.answered(client.live.bytes()[1]),
                Over::Ended(by) => gate.judge().over(by.peacefully()),
                Over::Cut(_, ended) => gate.judge().cut(ended),
            }
        }
        ended = withdrawn(shared, &host, &client.live) => {
            part(&mut client.leg, &mut target).await;
            ended
        }
    };
    ending::ended(shared, &shared.snapshot.load().config, &client.facts, ended, client.live.bytes());
    if answers && ended.whose == Whose::Client && ended.reason.is_some() {
        client.leg.close().await;
    }
}

/// Judges later binds on a connection.
#[derive(Debug)]
struct Binds {
    held: Box<Held>,
    standing: Standing,
    facts: Facts,
    worker: Arc<Worker>,
    /// A refusal was written: one line a connection is enough.
    written: bool,
    /// Logins that the directory has refused.
    failed: u32,
}

impl Binds {
    /// How an end in peace is called: not so peaceful after a failed login (SPEC section 6).
    fn over(&self, ended: Ending) -> Ending {
        match self.failed {
            0 => ended,
            _ => Ending::because(ended.stage, ended.whose, Reason::FailedLogin),
        }
    }

    /// Writes the line of the gate's end.
    fn cut(&self, ended: Ending) -> Ending {
        let config = &self.worker.shared.snapshot.load().config;
        let client = self.facts.client.ip();
        ending::refused(&self.worker.shared, config, &self.facts, client, Subject::Unknown, ended);
        ended
    }

    fn refuse(&mut self, snapshot: &Snapshot, bind: &Bind, reason: Reason) -> Verdict {
        if !std::mem::replace(&mut self.written, true) {
            let who = bind.name.as_ref().map_or(&[][..], |(domain, _)| domain);
            let verb = Operation::Bind.name().as_bytes();
            let subject = Subject::Signalling { who, verb, name: bind.user(), certificate: "" };
            let ended = Ending::because(Stage::Relay, Whose::Policy, reason).uncounted();
            let client = self.facts.client.ip();
            let (shared, config) = (&self.worker.shared, &snapshot.config);
            ending::refused(shared, config, &self.facts, client, subject, ended);
        }
        Verdict::Refuse
    }
}

impl Judge for Binds {
    fn judge(&mut self, bind: &Bind) -> Verdict {
        let worker = self.worker.clone();
        let snapshot = worker.shared.snapshot.load();
        if let Some(ended) = self.held.moved(&snapshot.table) {
            return Verdict::End(ended);
        }
        match bind.wants() {
            // Applications bind, search, and bind again as whom they found (SPEC section 3).
            Wants::NoDomain => Verdict::Pass,
            Wants::Host(domain) => match self.held.judge(&snapshot.table, domain) {
                Later::Same | Later::Nowhere(_) => Verdict::Pass,
                Later::Other | Later::Moved(_) => self.refuse(&snapshot, bind, Reason::OtherTarget),
            },
            // An anonymous bind stays where an anonymous one would have been sent to.
            Wants::Anonymous => {
                let default = snapshot.config.default_hosts.ldap.as_deref().unwrap_or_default();
                match self.held.judge(&snapshot.table, default.as_bytes()) {
                    Later::Same => Verdict::Pass,
                    _ => self.refuse(&snapshot, bind, Reason::NoName),
                }
            }
            Wants::Never(reason) => self.refuse(&snapshot, bind, reason),
        }
    }

    fn answers_root_dse(&self) -> bool {
        self.worker.shared.snapshot.load().config.ldap_root_dse
    }

    fn login_failed(&mut self) {
        self.failed += 1;
        self.standing.failed();
    }

    fn login_succeeded(&mut self, name: &[u8]) {
        if !name.is_empty() {
            self.standing.confirmed(name);
        }
    }
}
