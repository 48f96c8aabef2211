//! The gate between an LDAP client and its directory (contract section 3). It sees every message's type and length, and
//! every bind.
//!
//! - The gate is closed until the directory has answered a bind with success. While it is closed only Bind, Unbind and
//!   Abandon pass. A bind closes the gate, its success opens it. `saslBindInProgress` keeps it closed.
//! - While a bind is pending only an Unbind passes (RFC 4511 §4.2.1). Other messages of the client wait. Of a waiting
//!   message only type and length are read, because they are read again whenever more octets come.
//! - A later bind is judged by a [`LdapPolicy`]. A refused one is answered `unwillingToPerform`. As after any failed
//!   bind the client is anonymous then, and the gate is closed.
//! - A search of the root DSE at a closed gate never counts. Portward answers it if that is configured.
//! - StartTLS is answered `operationsError` and is not passed on.
//!
//! All messages of the directory pass. They are framed, so that our own answers stand between two messages. A message
//! passes before all of it has arrived. The gate does not decide where a bind may lead.

pub mod answer;

use crate::ending::Ending;
use crate::inspect::Inspect;
use crate::inspect::ldap::{
    ANSWER_LIMIT, Ask, Bind, Inspector, LDAP_LIMIT, Operation, answer as said, operation, root_dse,
};
use crate::reason::Reason;
use crate::relay::watched::{Next, Replies, TARGET_DOWN, Watch, by_client};

/// What happens to a later bind.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BindAction {
    /// It is passed to this directory.
    Pass,
    /// It is answered `unwillingToPerform`.
    Refuse,
    /// The connection ends.
    End(Ending),
}

/// Knows where a bind leads.
pub trait LdapPolicy {
    /// A bind after the one that decided the connection.
    fn judge(&mut self, bind: &Bind) -> BindAction;

    /// Whether Portward answers a search of the root DSE while no bind is in force (contract section 2,
    /// `ldap.root_dse`).
    fn answers_root_dse(&self) -> bool {
        false
    }

    /// The directory has refused a bind with `invalidCredentials`: a failed login (contract section 6).
    fn login_failed(&mut self);

    /// The directory has accepted the bind of `name`, a user without a domain. An empty name: the user is not known.
    fn login_succeeded(&mut self, name: &[u8]);
}

/// The gate of one connection.
#[derive(Debug)]
pub struct Gate<P> {
    policy: P,
    open: bool,
    /// The next bind is the bind that decided the connection.
    first: bool,
    /// The messageID of the pending bind.
    unanswered: Option<u32>,
    /// The user of the pending bind. Empty if it is not known.
    name: Box<[u8]>,
    /// A message of the client has waited for the answer to a bind.
    waited: bool,
    /// The client has sent an Unbind.
    unbound: bool,
    /// A refused operation is answered before the connection is closed (`reject = "answer"`).
    answers: bool,
}

impl<P: LdapPolicy> Gate<P> {
    /// A gate for a connection that was just decided, by a bind that is still to be passed on. `answers`: `reject =
    /// "answer"` of contract section 1 is in force.
    pub fn new(policy: P, answers: bool) -> Self {
        Self {
            policy,
            open: false,
            first: true,
            unanswered: None,
            name: Box::default(),
            waited: false,
            unbound: false,
            answers,
        }
    }

    /// The policy.
    pub fn policy(&self) -> &P {
        &self.policy
    }

    /// While a bind is pending an Unbind passes, because the client does not wait for the answer any more. Other
    /// messages wait.
    fn wait(&mut self, octets: &[u8], replies: &mut Replies<'_>) -> Next {
        match operation(octets) {
            Ok(Some((Operation::Unbind, size))) => self.unbind(size),
            Ok(Some(_)) => {
                self.waited = true;
                Next::NeedMore
            }
            Ok(None) => Next::NeedMore,
            Err(reason) => self.broken(reason, replies),
        }
    }

    fn unbind(&mut self, size: u64) -> Next {
        self.unbound = true;
        Next::Pass(size)
    }

    /// Ends the connection, because no valid request begins here.
    fn broken(&self, reason: Reason, replies: &mut Replies<'_>) -> Next {
        if self.answers {
            replies.back.extend(&answer::disconnection());
        }
        Next::End(by_client(reason))
    }

    fn bind(&mut self, bind: &Bind, len: usize, replies: &mut Replies<'_>) -> Next {
        let action = if std::mem::take(&mut self.first) { BindAction::Pass } else { self.policy.judge(bind) };
        // RFC 4511 §4.2.1: a bind ends the client's earlier login, even if the bind fails.
        self.open = false;
        self.waited = false;
        match action {
            BindAction::Pass => {
                self.unanswered = Some(bind.id);
                self.name = bind.proven_user().into();
                Next::Pass(len as u64)
            }
            BindAction::Refuse => {
                replies.back.extend(&answer::bind_refused(bind.id));
                Next::Replace { count: len, pass: 0 }
            }
            BindAction::End(ending) => self.end(ending, bind.id, Operation::Bind, replies),
        }
    }

    /// The directory has answered a bind.
    fn bound(&mut self, id: u32, code: u32) {
        if self.unanswered == Some(id) {
            self.unanswered = None;
            self.open = code == SUCCESS;
            if self.open {
                self.policy.login_succeeded(&self.name);
            }
            if code == INVALID_CREDENTIALS {
                self.policy.login_failed();
            }
        }
    }

    /// A search at a closed gate.
    fn search(&self, id: u32, octets: &[u8], replies: &mut Replies<'_>) -> Next {
        match root_dse(octets) {
            Inspect::NeedMore => Next::NeedMore,
            Inspect::Found { ask: Some(search), len } if self.policy.answers_root_dse() => {
                // StartTLS is possible before the first bind only.
                replies.back.extend(&answer::root_dse(&search, false));
                Next::Replace { count: len, pass: 0 }
            }
            Inspect::Found { ask: Some(_), .. } => self.turn_away(id, Operation::Search, false, replies),
            _ => self.turn_away(id, Operation::Search, !self.waited, replies),
        }
    }

    /// Ends the connection because of an operation at a closed gate. `counts` is false if the client could not know yet
    /// that the bind had failed.
    fn turn_away(&self, id: u32, operation: Operation, counts: bool, replies: &mut Replies<'_>) -> Next {
        if self.answers {
            replies.back.extend(&answer::refused(id, operation, false));
        }
        let ending = by_client(Reason::Method);
        Next::End(if counts { ending } else { ending.uncounted() })
    }

    fn end(&self, ending: Ending, id: u32, operation: Operation, replies: &mut Replies<'_>) -> Next {
        if self.answers {
            replies.back.extend(&answer::refused(id, operation, !ending.counts()));
        }
        Next::End(ending)
    }
}

impl<P: LdapPolicy> Watch for Gate<P> {
    const CLIENT_LIMIT: usize = LDAP_LIMIT;
    const TARGET_LIMIT: usize = ANSWER_LIMIT;

    fn hear_client(&mut self, octets: &[u8], replies: &mut Replies<'_>) -> Next {
        if self.unbound {
            // RFC 4511 §4.3: nothing comes after an Unbind.
            return Next::Replace { count: octets.len(), pass: 0 };
        }
        if self.unanswered.is_some() {
            return self.wait(octets, replies);
        }
        let (ask, len) = match Inspector.inspect(octets) {
            Inspect::Found { ask, len } => (ask, len),
            Inspect::NeedMore => return Next::NeedMore,
            Inspect::Reject(reason) => return self.broken(reason, replies),
        };
        match ask {
            Ask::Other { operation: Operation::Unbind, size, .. } => self.unbind(size),
            Ask::Bind(bind) => self.bind(&bind, len, replies),
            Ask::StartTls { id } => {
                replies.back.extend(&answer::start_tls(id, answer::StartTls::AfterBind));
                Next::Replace { count: len, pass: 0 }
            }
            Ask::Other { operation, size, .. } if self.open || operation == Operation::Abandon => {
                Next::Pass(size)
            }
            Ask::Other { id, operation: Operation::Search, .. } => self.search(id, octets, replies),
            Ask::Other { id, operation, .. } => self.turn_away(id, operation, !self.waited, replies),
        }
    }

    fn hear_target(&mut self, octets: &[u8], _: &mut Replies<'_>) -> Next {
        // All messages that are there pass at once: a long result is many small messages.
        let mut pass = 0;
        loop {
            let rest = usize::try_from(pass).ok().and_then(|pass| octets.get(pass..)).unwrap_or_default();
            match said(rest) {
                Ok(Some(answer)) => {
                    if let Some((id, code)) = answer.bind {
                        self.bound(id, code);
                    }
                    pass += answer.size;
                }
                Ok(None) | Err(_) if pass > 0 => return Next::Pass(pass),
                Ok(None) => return Next::NeedMore,
                // The target does not speak LDAP.
                Err(_) => return Next::End(TARGET_DOWN),
            }
        }
    }

    fn holds_client(&self) -> bool {
        self.unanswered.is_some()
    }

    fn owes(&self) -> bool {
        self.unanswered.is_some()
    }

    /// RFC 4511 §4.3: after an Unbind the client waits for no answer.
    fn leaves(&self) -> bool {
        self.unbound
    }
}

/// Result codes (RFC 4511 appendix A).
const SUCCESS: u32 = 0;
const INVALID_CREDENTIALS: u32 = 49;

#[cfg(test)]
mod tests;
