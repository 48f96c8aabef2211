//! H.323: the first registration or call decides, every later registration is held against that (SPEC sections 1 to 3).

use std::sync::Arc;

use tokio::time::timeout;

use super::held::{Held, Later};
use super::leave::{part, withdrawn};
use super::link::{link, refuse};
use super::registering::Registering;
use super::standing::Standing;
use super::{Client, ask, certificate, ending};
use crate::config::{Config, Reject};
use crate::ending::{Ending, Stage, Whose};
use crate::inspect::Inspect;
use crate::inspect::h323::{Alias, Answer, Ask, OPENING_LIMIT, Opening, Registration, Reply};
use crate::io::Leg;
use crate::log::Subject;
use crate::proof::h323::Verified;
use crate::reason::Reason;
use crate::relay::h323::{Decided, H323Watch, Judge, answer};
use crate::relay::patience::Patience;
use crate::relay::watched::{Over, by_client, watched};
use crate::rules::decide;
use crate::rules::name::ascii;
use crate::service::Service;
use crate::state::Shared;
use crate::stats::Direction;

/// Serves a client until its connection ends.
// Not an `async fn`: that would keep room for the client twice.
#[expect(clippy::manual_async_fn, reason = "see above")]
pub(super) fn serve(mut client: Client) -> impl Future<Output = ()> + Send {
    async move {
        let (ended, answered) = match Box::pin(begin(&mut client)).await {
            Ok(linked) => relay(&mut client, linked).await,
            Err(refused) => refused,
        };
        let shared = &client.worker.shared;
        ending::ended(shared, &shared.snapshot.load().config, &client.facts, ended, client.live.bytes());
        if answered {
            Box::pin(client.leg.close()).await;
        }
    }
}

/// A connection with its target.
struct Linked {
    target: Leg,
    held: Box<Held>,
    /// What the client's certificate proves, if it went out by TLS for that.
    verified: Option<Verified>,
    /// The verdict on it, for the log.
    cert: Box<str>,
    /// How many octets of the client's buffer were looked at.
    decided: usize,
}

/// The message that decides, the decision, and the way inside. The message stays in the client's buffer, with what came
/// in front of it.
///
/// # Errors
/// How it ended, and whether it was answered.
async fn begin(client: &mut Client) -> Result<Box<Linked>, (Ending, bool)> {
    let mut opening = Opening::default();
    let found = ask::first(client, OPENING_LIMIT, false, |octets| opening.inspect(octets)).await;
    let snapshot = client.worker.shared.snapshot.load_full();
    let (asked, decided) = match found {
        Ok(found) => found,
        Err(ended) => {
            let ended = if opening.is_idle(client.leg.buffer.filled()) { idle(ended) } else { ended };
            refuse(client, &snapshot, Subject::Unknown, ended);
            // A client that has gone, that never spoke, or that is over a limit gets no answer.
            let silent = matches!(
                ended.reason,
                None | Some(Reason::Aborted | Reason::Silent | Reason::Limit | Reason::Shutdown)
            );
            let answers = snapshot.config.reject == Reject::Answer && !silent;
            if answers {
                say(client, &snapshot.config, &answer::released(0)).await;
            }
            return Err((ended, answers));
        }
    };
    client.place = None;
    let host = host(&snapshot.config, &asked).map(ascii);
    let named = host.as_deref().unwrap_or_default();
    let verdict = certificate::judge(client, &snapshot, named.as_bytes());
    let cert = certificate::shown(verdict.as_ref());
    let subject = subject(&asked, &cert);
    let mut verified = None;
    let prove = |numbers| {
        verified = match (&asked, certificate::names(verdict.as_ref())) {
            (Ask::Registration(first), Some(names)) if !opening.is_unclear() => {
                Verified::begin(names.clone(), numbers, first, named)
            }
            _ => None,
        };
        verified.is_some()
    };
    let route = host.as_ref().map_err(|reason| *reason).and_then(|host| {
        let transport = client.facts.transport();
        decide::signalling(&snapshot.table, Service::H323, transport, host.as_bytes(), prove)
            .map_err(|refusal| refusal.reason)
    });
    let linked = match route {
        Ok(route) => {
            link(client, &snapshot, route, &named.to_ascii_lowercase(), subject).await.map(|target| {
                Box::new(Linked {
                    target,
                    held: Held::new(&route),
                    verified,
                    cert: cert.as_str().into(),
                    decided,
                })
            })
        }
        Err(reason) => {
            let ended = Ending::because(Stage::Route, Whose::Policy, reason);
            refuse(client, &snapshot, subject, ended);
            Err(ended)
        }
    };
    match linked {
        Ok(linked) => Ok(linked),
        Err(ended) => {
            let answers = snapshot.config.reject == Reject::Answer;
            if answers {
                say(client, &snapshot.config, &answer::refused(&asked)).await;
            }
            Err((ended, answers))
        }
    }
}

/// The end of a connection that only ever sent keep-alives. It never counts, however many they were.
fn idle(ended: Ending) -> Ending {
    match ended.reason {
        Some(Reason::Timeout) => Ending::because(ended.stage, ended.whose, Reason::Silent),
        _ => ended.uncounted(),
    }
}

async fn say(client: &mut Client, config: &Config, octets: &[u8]) {
    let _ = timeout(config.limits.inspect_timeout, client.leg.write_all(octets)).await;
    client.live.add(Direction::Down, octets.len() as u64);
}

/// The host that is asked for (SPEC section 2).
fn host<'a>(config: &'a Config, asked: &'a Ask) -> Result<&'a str, Reason> {
    let named = match asked {
        Ask::Registration(registration) => registration.host(),
        Ask::Setup(setup) => setup.domain()?,
        Ask::KeepAlive | Ask::Ras(_) | Ask::Other(_) => None,
    };
    named.or(config.default_hosts.h323.as_deref()).ok_or(Reason::NoName)
}

/// Who is asked for, by what, and who asks: for the log.
fn shown(asked: &Ask) -> (&str, &str, &str) {
    match asked {
        Ask::Registration(registration) => (
            registration.identifier.as_deref().unwrap_or_default(),
            registration.verb.name(),
            first(&registration.aliases),
        ),
        Ask::Setup(setup) => {
            (setup.domain().ok().flatten().unwrap_or_default(), "SETUP", first(&setup.destinations))
        }
        Ask::Ras(speaks) => ("", "RAS", first(&speaks.aliases)),
        Ask::KeepAlive | Ask::Other(_) => ("", "", ""),
    }
}

fn subject<'a>(asked: &'a Ask, certificate: &'a str) -> Subject<'a> {
    let (who, verb, name) = shown(asked);
    Subject::Signalling { who: who.as_bytes(), verb: verb.as_bytes(), name: name.as_bytes(), certificate }
}

fn first(aliases: &[Alias]) -> &str {
    aliases.iter().map(Alias::text).find(|text| !text.is_empty()).unwrap_or_default()
}

/// Messages both ways until the end; says whether the client was given an answer.
async fn relay(client: &mut Client, mut linked: Box<Linked>) -> (Ending, bool) {
    let Linked { target, held, verified, cert, decided } = &mut *linked;
    let held: &Held = held;
    let shared = client.worker.shared.clone();
    let (patience, answers) = {
        let config = &shared.snapshot.load().config;
        let limits = &config.limits;
        let patience = Patience::new(limits.idle_timeout.services.h323, limits.response_timeout);
        (patience, config.reject == Reject::Answer)
    };
    let mut bench = Bench {
        held,
        standing: Standing::of(client, held),
        registering: Registering::default(),
        gatekeepers: Vec::new(),
        verified: verified.as_mut(),
        shared: &shared,
    };
    // The registration that decided is still in the buffer, and is not judged again.
    let opening = client.leg.buffer.filled().get(..*decided).unwrap_or_default();
    let mut waits = 0;
    if let Inspect::Found { ask: Ask::Registration(registration), .. } = Opening::default().inspect(opening) {
        bench.registering.asked(&registration);
        waits = registration.requests;
    }
    let mut watch = H323Watch::new(bench, Decided { octets: *decided, waits }, answers);
    let over = tokio::select! {
        over = watched(&mut client.leg, target, &mut client.timer, patience, &mut watch, &client.live) => over,
        ended = withdrawn(&shared, held.host(), &client.live) => {
            part(&mut client.leg, target).await;
            return (ended, false);
        }
    };
    let ended = match over {
        Over::Ended(by) => by.answered(client.live.bytes()[1]),
        Over::Cut(of_client, ended) => {
            // The registration that did it is still in the buffer.
            let asked = Opening::default().inspect(client.leg.buffer.filled());
            let subject = match &asked {
                Inspect::Found { ask, .. } if of_client => subject(ask, cert),
                _ => Subject::Unknown,
            };
            refuse(client, &shared.snapshot.load(), subject, ended);
            return (ended, answers && of_client);
        }
    };
    (ended, false)
}

/// Judges later registrations under the rules of the moment.
#[derive(Debug)]
struct Bench<'a> {
    held: &'a Held,
    standing: Standing,
    registering: Registering,
    /// The identifiers of its own that the gatekeeper has confirmed, the last one first.
    gatekeepers: Vec<String>,
    verified: Option<&'a mut Verified>,
    shared: &'a Arc<Shared>,
}

/// How many of them are kept.
const GATEKEEPERS: usize = 4;

impl Bench<'_> {
    fn is_confirmed(&self, gatekeeper: &str) -> bool {
        self.gatekeepers.iter().any(|known| known.eq_ignore_ascii_case(gatekeeper))
    }

    /// Holds a message against the certificate, if the connection is proven by one.
    fn hold(&mut self, ask: &Ask, host: Option<&str>) -> Result<(), Ending> {
        match &mut self.verified {
            Some(verified) => verified.judge(ask, host).or_else(counted),
            None => Ok(()),
        }
    }

    /// Whether it keeps alive what was registered here (SPEC section 3): it names no gatekeeper, or the one that has
    /// confirmed it.
    fn belongs(&self, registration: &Registration) -> bool {
        registration.keep_alive
            && registration.identifier.as_deref().is_none_or(|identifier| self.is_confirmed(identifier))
    }
}

fn counted(reason: Reason) -> Result<(), Ending> {
    Err(by_client(reason))
}

impl Judge for Bench<'_> {
    fn answered(&mut self, reply: &Reply) {
        for (sequence, answer) in &reply.answers {
            match answer {
                Answer::Found => {}
                Answer::Confirmed => {
                    let name = self.registering.answered(*sequence, true);
                    self.standing.confirmed(name.as_bytes());
                }
                Answer::Denied | Answer::Rejected => {
                    self.registering.answered(*sequence, false);
                    if *answer == Answer::Denied {
                        self.standing.failed();
                    }
                }
            }
        }
        for gatekeeper in &reply.gatekeepers {
            if !self.is_confirmed(gatekeeper) {
                self.gatekeepers.truncate(GATEKEEPERS - 1);
                self.gatekeepers.insert(0, gatekeeper.clone());
            }
        }
        if let Some(verified) = &mut self.verified {
            verified.learn(reply);
        }
    }

    fn judge(&mut self, ask: &Ask) -> Result<(), Ending> {
        let Ask::Registration(registration) = ask else {
            return self.hold(ask, None);
        };
        self.registering.asked(registration);
        let snapshot = self.shared.snapshot.load();
        if let Some(ended) = self.held.moved(&snapshot.table) {
            return Err(ended);
        }
        if self.belongs(registration) {
            return self.hold(ask, None);
        }
        let default = snapshot.config.default_hosts.h323.as_deref();
        let Some(host) = registration.host().or(default).map(ascii) else { return counted(Reason::NoName) };
        match self.held.judge(&snapshot.table, host.as_bytes()) {
            Later::Same => self.hold(ask, Some(&host)),
            Later::Other => counted(Reason::OtherTarget),
            Later::Nowhere(reason) => counted(reason),
            Later::Moved(ended) => Err(ended),
        }
    }
}
