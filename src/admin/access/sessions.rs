//! Sessions of browsers that have logged in, and codes of links that log in once. Both are only in memory, and are lost
//! at a restart.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use sha2::{Digest as _, Sha256};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;
use zeroize::Zeroizing;

use crate::state::secret::random;
use crate::state::tokens::{TokenRights, hex};

/// How long a session lasts (contract section 8).
pub(in crate::admin) const SESSION: Duration = Duration::from_secs(12 * 3600);
/// How long a link is valid.
pub(in crate::admin) const LINK: Duration = Duration::from_secs(60);
/// The greatest number of sessions of each right. For one more, the oldest session of the same right ends. So a token
/// that only reads cannot end a session with the right to change.
const SESSIONS: usize = 32;
/// The greatest number of links at a time.
const LINKS: usize = 16;

/// A digest of an id or code. Only digests are kept, so nothing in memory can be used to log in.
type Key = [u8; 32];

fn key(text: &str) -> Key {
    Sha256::digest(text.as_bytes()).into()
}

#[derive(Debug)]
struct Session {
    rights: TokenRights,
    until: Instant,
    ends: CancellationToken,
}

impl Drop for Session {
    fn drop(&mut self) {
        self.ends.cancel();
    }
}

#[derive(Debug, Default)]
struct Inside {
    sessions: HashMap<Key, Session>,
    links: HashMap<Key, Instant>,
}

impl Inside {
    fn sweep(&mut self) {
        let now = Instant::now();
        self.sessions.retain(|_, session| session.until > now && !session.ends.is_cancelled());
        self.links.retain(|_, until| *until > now);
    }

    fn begin(&mut self, rights: TokenRights, ends: CancellationToken) -> Zeroizing<String> {
        let id = hex(&*random());
        let alike = self.sessions.iter().filter(|(_, session)| session.rights == rights);
        if alike.clone().count() >= SESSIONS
            && let Some(oldest) = alike.min_by_key(|(_, session)| session.until).map(|(key, _)| *key)
        {
            self.sessions.remove(&oldest);
        }
        self.sessions.insert(key(&id), Session { rights, until: Instant::now() + SESSION, ends });
        id
    }
}

/// The sessions and links.
#[derive(Debug, Default)]
pub(in crate::admin) struct Sessions(Mutex<Inside>);

impl Sessions {
    fn inside(&self) -> MutexGuard<'_, Inside> {
        let mut inside = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        inside.sweep();
        inside
    }

    /// Begins a session for a token and returns its id, which only the browser may get. `ends` is cancelled when the
    /// token is replaced, and then the session ends too, even if it begins at that very moment.
    pub(in crate::admin) fn begin(&self, rights: TokenRights, ends: &CancellationToken) -> Zeroizing<String> {
        self.inside().begin(rights, ends.child_token())
    }

    /// The right of the session with this id, when it expires, and the token that is cancelled if it ends before.
    pub(in crate::admin) fn find(&self, id: &str) -> Option<(TokenRights, Instant, CancellationToken)> {
        let inside = self.inside();
        let session = inside.sessions.get(&key(id))?;
        Some((session.rights, session.until, session.ends.clone()))
    }

    /// Ends a session.
    pub(in crate::admin) fn end(&self, id: &str) -> bool {
        self.inside().sessions.remove(&key(id)).is_some()
    }

    /// Ends all sessions and makes all links invalid.
    pub(in crate::admin) fn end_all(&self) {
        *self.inside() = Inside::default();
    }

    /// Makes a code that logs in once, within [`LINK`].
    pub(in crate::admin) fn link(&self) -> Zeroizing<String> {
        let code = hex(&*random());
        let mut inside = self.inside();
        let links = &mut inside.links;
        if links.len() >= LINKS
            && let Some(oldest) = links.iter().min_by_key(|(_, until)| **until).map(|(key, _)| *key)
        {
            links.remove(&oldest);
        }
        links.insert(key(&code), Instant::now() + LINK);
        code
    }

    /// Begins a session for the code of a link, and makes the code invalid. `None`: the code was not valid.
    pub(in crate::admin) fn redeem(&self, code: &str) -> Option<Zeroizing<String>> {
        let mut inside = self.inside();
        inside.links.remove(&key(code))?;
        Some(inside.begin(TokenRights::Change, CancellationToken::new()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use tokio::time::advance;

    fn begin(sessions: &Sessions, rights: TokenRights) -> Zeroizing<String> {
        sessions.begin(rights, &CancellationToken::new())
    }

    #[tokio::test(start_paused = true)]
    async fn a_link_logs_in_once_and_for_a_minute() {
        let sessions = Sessions::default();
        let [one, two] = [sessions.link(), sessions.link()];
        let id = sessions.redeem(&one).unwrap();
        assert_eq!(sessions.find(&id).unwrap().0, TokenRights::Change);
        assert!(sessions.redeem(&one).is_none() && sessions.redeem("x").is_none());
        advance(LINK).await;
        assert!(sessions.redeem(&two).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn a_session_ends_by_itself_by_the_browser_and_with_all() {
        let sessions = Sessions::default();
        let [one, two, three] = [TokenRights::Change, TokenRights::Read, TokenRights::Change]
            .map(|rights| begin(&sessions, rights));
        assert!(sessions.find("x").is_none());
        assert_eq!(sessions.find(&two).unwrap().0, TokenRights::Read);
        let ends = sessions.find(&one).unwrap().2;
        assert!(sessions.end(&one) && !sessions.end(&one) && ends.is_cancelled());
        advance(SESSION).await;
        assert!(sessions.find(&three).is_none(), "it is over after twelve hours");
        let last = begin(&sessions, TokenRights::Change);
        let link = sessions.link();
        sessions.end_all();
        assert!(sessions.find(&last).is_none() && sessions.redeem(&link).is_none());
    }

    #[tokio::test(start_paused = true)]
    async fn there_are_so_many_of_a_right_and_no_more() {
        let sessions = Sessions::default();
        let first = begin(&sessions, TokenRights::Change);
        let link = sessions.link();
        for _ in 0..SESSIONS {
            advance(Duration::from_millis(1)).await;
            begin(&sessions, TokenRights::Read);
            sessions.link();
        }
        assert!(
            sessions.find(&first).is_some(),
            "read-only sessions end no session with the right to change"
        );
        assert!(sessions.redeem(&link).is_none());
        for _ in 0..SESSIONS {
            advance(Duration::from_millis(1)).await;
            begin(&sessions, TokenRights::Change);
            begin(&sessions, TokenRights::Read);
        }
        assert!(sessions.find(&first).is_none());
        let inside = sessions.inside();
        assert_eq!((inside.sessions.len(), inside.links.len()), (2 * SESSIONS, LINKS));
    }

    #[tokio::test(start_paused = true)]
    async fn issue_19_a_session_that_begins_while_its_token_is_replaced_is_over() {
        let (sessions, token) = (Sessions::default(), CancellationToken::new());
        let before = sessions.begin(TokenRights::Change, &token);
        assert!(sessions.find(&before).is_some());
        sessions.end(&before);
        assert!(!token.is_cancelled(), "a session does not end its token");
        // The token was valid a moment ago, but was replaced before the session began.
        token.cancel();
        sessions.end_all();
        let late = sessions.begin(TokenRights::Change, &token);
        assert!(sessions.find(&late).is_none());
    }
}
