//! Registrations and what the PBX makes of them (SPEC section 6), without a word to either of them.
//!
//! A login has failed if a REGISTER is refused with 401 or 407 although its credentials answer the last challenge of this
//! connection, or with 403 although it has credentials. A challenge that calls the nonce stale refuses nothing; a 403 to a
//! call is call barring.

use smallvec::SmallVec;

use crate::inspect::digest::{Credentials, challenges, credentials};
use crate::inspect::sip::{FieldKind, Message};

/// How many Digest challenges of one answer count. A PBX sends one an algorithm.
const CHALLENGE_LIMIT: usize = 8;

/// What a PBX has made of a registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Login {
    /// It was confirmed.
    Confirmed,
    /// It was refused, as a login.
    Failed,
}

/// The registration that waits for its answer, and the last challenge.
#[derive(Debug, Default)]
pub(super) struct Logins {
    /// CSeq of the last REGISTER, and how it has logged in, if it has.
    asked: Option<(u32, Option<Credentials>)>,
    /// The nonces of the last challenge: one an algorithm.
    nonces: SmallVec<[u64; 2]>,
}

impl Logins {
    /// A REGISTER that goes on to the PBX.
    pub(super) fn asked(&mut self, head: &[u8], request: &Message) {
        let mut all =
            request.fields_of(FieldKind::Credentials).map(|field| credentials(field.value.of_input(head)));
        let first = all.next();
        // Of several, for several proxies, the one that answers our challenge counts.
        let ours = all.find(|one| self.answers(*one)).or(first);
        self.asked = Some((request.cseq, ours));
    }

    fn answers(&self, credentials: Credentials) -> bool {
        matches!(credentials, Credentials::Digest(nonce) if self.nonces.contains(&nonce))
    }

    /// A final answer to a REGISTER.
    pub(super) fn answered(&mut self, head: &[u8], answer: &Message, status: u16) -> Option<Login> {
        let (cseq, credentials) = self.asked?;
        if status < 200 || cseq != answer.cseq {
            return None;
        }
        self.asked = None;
        match status {
            200..300 => return Some(Login::Confirmed),
            403 => return credentials.map(|_| Login::Failed),
            401 | 407 => {}
            _ => return None,
        }
        let challenges: SmallVec<[_; 2]> = answer
            .fields_of(FieldKind::Challenge)
            .flat_map(|field| challenges(field.value.of_input(head)))
            .take(CHALLENGE_LIMIT)
            .collect();
        let stale = challenges.iter().any(|challenge| challenge.stale);
        let failed = !stale && credentials.is_some_and(|credentials| self.answers(credentials));
        self.nonces = challenges.iter().map(|challenge| challenge.nonce).collect();
        failed.then_some(Login::Failed)
    }
}
