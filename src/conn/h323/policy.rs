//! What may follow on a decided connection: later registrations are judged by the rules in force. Where a certificate
//! has proven the connection, this module also checks the names in each message (contract sections 3 and 5).

use std::sync::Arc;

use super::super::certificate::Worth;
use super::super::login_results::LoginResults;
use super::registering::Registering;
use crate::ending::Ending;
use crate::inspect::h323::{Answer, Ask, Registration, Reply};
use crate::proof::h323::Verified;
use crate::reason::Reason;
use crate::relay::h323::H323Policy;
use crate::relay::watched::by_client;
use crate::route::held_route::{HeldRoute, LaterName};

/// Judges later registrations by the rules in force.
#[derive(Debug)]
pub(in crate::conn) struct EndpointPolicy {
    pub(super) held_route: Arc<HeldRoute>,
    pub(super) login_results: LoginResults,
    pub(super) registering: Registering,
    /// The gatekeeper identifiers that the gatekeeper has confirmed, the latest first.
    pub(super) gatekeepers: Vec<String>,
    pub(super) verified: Option<Verified>,
    /// The verdict on the client's certificate, for the log.
    pub(super) cert: Worth,
}

/// How many gatekeeper identifiers are kept.
const GATEKEEPERS: usize = 4;

impl EndpointPolicy {
    fn is_confirmed(&self, gatekeeper: &str) -> bool {
        self.gatekeepers.iter().any(|known| known.eq_ignore_ascii_case(gatekeeper))
    }

    /// Checks the names in a message against the certificate, if a certificate has proven the connection.
    fn hold(&mut self, ask: &Ask, host: Option<&str>) -> Result<(), Ending> {
        match &mut self.verified {
            Some(verified) => verified.judge(ask, host).or_else(counted),
            None => Ok(()),
        }
    }

    /// Whether a keep-alive belongs to the registration on this connection (contract section 3): it names no
    /// gatekeeper, or the gatekeeper that has confirmed the registration.
    fn belongs(&self, registration: &Registration) -> bool {
        registration.keep_alive
            && registration.identifier.as_deref().is_none_or(|identifier| self.is_confirmed(identifier))
    }
}

fn counted(reason: Reason) -> Result<(), Ending> {
    Err(by_client(reason))
}

impl H323Policy for EndpointPolicy {
    fn answered(&mut self, reply: &Reply) {
        for (sequence, answer) in &reply.answers {
            match answer {
                Answer::Found => {}
                Answer::Confirmed => {
                    let name = self.registering.answered(*sequence, true);
                    self.login_results.confirmed(name.as_bytes());
                }
                Answer::Denied | Answer::Rejected => {
                    self.registering.answered(*sequence, false);
                    if *answer == Answer::Denied {
                        self.login_results.failed();
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
        let shared = self.login_results.shared().clone();
        let snapshot = shared.snapshot.load();
        if let Some(ended) = self.held_route.moved(&snapshot.table) {
            return Err(ended);
        }
        if self.belongs(registration) {
            return self.hold(ask, None);
        }
        let terms = snapshot.config.h323_terms(&snapshot.table);
        let Some(host) = terms.host_of(registration) else { return counted(Reason::NoName) };
        match self.held_route.judge(&snapshot.table, host.as_bytes()) {
            LaterName::Same => self.hold(ask, Some(&host)),
            LaterName::Other => counted(Reason::OtherTarget),
            LaterName::Nowhere(reason) => counted(reason),
            LaterName::Moved(ended) => Err(ended),
        }
    }
}
