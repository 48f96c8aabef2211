//! H.323: messages before the decision, the target of the first registration or call, and refusals (contract sections 1
//! to 3). [`policy`] handles what may follow.

mod message;
mod policy;
mod registering;

use message::subject;
use policy::EndpointPolicy;
use registering::Registering;

use super::certificate::{self, Worth};
use super::login_results::LoginResults;
use super::once::{Asking, Connected, Decision, Protocol, Step};
use crate::ending::Ending;
use crate::inspect::Inspect;
use crate::inspect::h323::{Ask, OPENING_LIMIT, Opening};
use crate::log::Subject;
use crate::proof::h323::Verified;
use crate::reason::Reason;
use crate::relay::h323::{Decided, H323Watch, answer};
use crate::route::Refused;

/// The state of a connection that is not decided.
#[derive(Debug, Default)]
pub(super) struct H323 {
    opening: Opening,
    /// What the client's certificate proves, if the connection to the target is made by TLS because of it.
    verified: Option<Verified>,
}

/// The message that decides.
pub(super) struct First {
    ask: Ask,
    /// How many octets of the client's buffer were examined.
    decided: usize,
    /// The verdict on the client's certificate, for the log.
    cert: Worth,
}

impl Protocol for H323 {
    const LIMIT: usize = OPENING_LIMIT;
    type Asked = First;
    type Watch = H323Watch<EndpointPolicy>;

    /// Finds the first registration or call. Messages before it decide nothing, and are forwarded with it.
    fn open(&mut self, input: &[u8], _: &Asking<'_, '_>, _: &mut Vec<u8>) -> Step<First> {
        match self.opening.inspect(input) {
            Inspect::NeedMore => Step::NeedMore,
            Inspect::Reject(reason) => Step::Reject(reason),
            Inspect::Found { ask, len } => Step::Found(First { ask, decided: len, cert: Worth::default() }),
        }
    }

    /// A connection that has sent only keep-alives never counts toward the blacklist, however many they were.
    fn undecided(&self, waiting: &[u8], ending: Ending) -> Ending {
        match ending.reason {
            _ if !self.opening.is_idle(waiting) => ending,
            Some(Reason::Timeout) => Ending::because(ending.stage, ending.responsible, Reason::Silent),
            _ => ending.uncounted(),
        }
    }

    fn decide<'s>(&mut self, first: &mut First, asking: &Asking<'_, 's>, _: &mut Vec<u8>) -> Decision<'s> {
        let terms = asking.config().h323_terms(&asking.snapshot.table);
        let host = terms.host(&first.ask);
        let named = host.as_deref().unwrap_or_default();
        let verdict = asking.verdict(named.as_bytes());
        first.cert = Worth::of(verdict.as_ref());
        let names = certificate::names(verdict.as_ref()).filter(|_| !self.opening.is_unclear());
        let decided = host
            .as_deref()
            .map_err(|reason| Refused::from(*reason))
            .and_then(|host| terms.decide(asking.transport(), host, &first.ask, names));
        match decided {
            Ok((route, verified)) => {
                if route.checked && !route.proven {
                    first.cert.fails();
                }
                self.verified = verified;
                Decision::Forward { route, name: named.to_ascii_lowercase().into(), only: None }
            }
            Err(refused) => Decision::refused(first.cert.refusal(refused.ending())),
        }
    }

    fn subject<'a>(&self, first: &'a First) -> Subject<'a> {
        subject(&first.ask, &first.cert)
    }

    fn refusal(&self, first: Option<&First>, ending: Ending, _: &Asking<'_, '_>, out: &mut Vec<u8>) {
        match (first, ending.reason) {
            (Some(first), _) => out.extend_from_slice(&answer::refused(&first.ask)),
            // A client gets no answer if it has gone, has never sent anything, or is over a limit.
            (None, None | Some(Reason::Aborted | Reason::Silent | Reason::Limit | Reason::Shutdown)) => {}
            (None, Some(_)) => out.extend_from_slice(&answer::released(0)),
        }
    }

    fn watch(self, first: First, connected: Connected<'_>) -> H323Watch<EndpointPolicy> {
        let answers = connected.answers();
        // The registration that decided is still in the buffer, and is not judged again.
        let mut registering = Registering::default();
        let mut waits = 0;
        if let Ask::Registration(registration) = &first.ask {
            registering.asked(registration);
            waits = registration.requests;
        }
        let policy = EndpointPolicy {
            login_results: LoginResults::of(connected.client, &connected.held_route),
            held_route: connected.held_route,
            registering,
            gatekeepers: Vec::new(),
            verified: self.verified,
            cert: first.cert,
        };
        H323Watch::new(policy, Decided { octets: first.decided, waits }, answers)
    }

    fn last(watch: &H323Watch<EndpointPolicy>, octets: &[u8], write: &mut dyn FnMut(Subject<'_>)) {
        match Opening::default().inspect(octets) {
            Inspect::Found { ask, .. } => write(subject(&ask, &watch.policy().cert)),
            _ => write(Subject::Unknown),
        }
    }
}
