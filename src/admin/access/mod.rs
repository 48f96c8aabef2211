//! Decides which client may send which request (contract section 8).
//!
//! The file mode of the socket has decided for its clients. On the port a request carries a token or the id of a
//! session. A browser gets a session for a token or by a link. The request must also call the port by one of its names.
//! Nothing here counts toward the blacklist: an administrator who mistypes a token must not lose the telephones.
//!
//! | file | content |
//! |---|---|
//! | `host` | the Host and the Origin of a request |
//! | `sessions` | browsers that have logged in, and links that log in once |
//! | `throttle` | wrong tokens, by address |

mod host;
mod sessions;
mod throttle;

use std::net::SocketAddr;

use hyper::header::{AUTHORIZATION, CONTENT_TYPE, COOKIE, HeaderMap, HeaderValue, ORIGIN, RETRY_AFTER};
use hyper::header::{CONTENT_LENGTH, TRANSFER_ENCODING, WWW_AUTHENTICATE};
use hyper::http::request::Parts;
use hyper::{Method, StatusCode};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::answer::Answer;
use crate::accounts::Administrator;
use crate::config::TokenFor;
use crate::log::Level;
use crate::state::Shared;
use crate::state::tokens::TokenRights;
use host::Stranger;
pub(super) use sessions::{LINK, SESSION, Sessions};
use throttle::{Throttle, Wrong};

/// The way by which a connection came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CameBy {
    /// The socket of the file system.
    Socket {
        /// The number of the user, if the kernel knows it.
        user: Option<u32>,
    },
    /// By `admin.listen`.
    Port {
        /// The client's address.
        client: SocketAddr,
        /// The address that the client connected to.
        here: SocketAddr,
        /// Whether it came by TLS.
        is_tls: bool,
    },
}

/// The client of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Caller {
    /// A client on the socket.
    Socket {
        /// The number of the user, if the kernel knows it.
        user: Option<u32>,
    },
    /// A program with a token.
    Token(SocketAddr),
    /// A browser that has logged in.
    Session(SocketAddr),
    /// A client without a token or session. It may send requests that are open to all.
    Anyone(SocketAddr),
}

impl Caller {
    /// The administrator who makes a change, for the log.
    pub(super) fn administrator(self) -> Administrator {
        match self {
            Self::Socket { user } => Administrator::User { user },
            Self::Token(from) | Self::Anyone(from) => {
                Administrator::Token { ip: from.ip(), port: from.port() }
            }
            Self::Session(from) => Administrator::Session { ip: from.ip(), port: from.port() },
        }
    }
}

/// The right that a request needs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NeededRight {
    /// No right.
    None,
    /// Any token. On loopback no token is needed if `admin.token` is `"changes"`.
    Open,
    /// Any token.
    Read,
    /// The token with the right to change.
    Change,
    /// Access to the socket.
    Socket,
}

/// An admitted client, and until when it is admitted.
#[derive(Debug)]
pub(super) struct Admitted {
    pub(super) caller: Caller,
    /// The right of the token or session. `None`: there is none, and the request is open to this client.
    pub(super) rights: Option<TokenRights>,
    /// Cancelled when the token or session is no longer valid.
    pub(super) ends: CancellationToken,
    /// When the token or session expires.
    pub(super) until: Option<Instant>,
}

impl Admitted {
    fn new(caller: Caller, rights: Option<TokenRights>) -> Self {
        Self { caller, rights, ends: CancellationToken::new(), until: None }
    }
}

/// The state of access control: sessions, and counts of wrong tokens.
#[derive(Debug, Default)]
pub(super) struct Access {
    pub(super) sessions: Sessions,
    throttle: Throttle,
}

impl Access {
    /// Admits the client of a request, or returns the refusal.
    pub(super) fn admit(
        &self,
        came_by: CameBy,
        head: &Parts,
        right: NeededRight,
        shared: &Shared,
    ) -> Result<Admitted, Answer> {
        let port = match came_by {
            CameBy::Socket { user } => {
                return Ok(Admitted::new(Caller::Socket { user }, Some(TokenRights::Change)));
            }
            CameBy::Port { client, here, is_tls } => (client, here, is_tls),
        };
        let refused = |answer: Answer| if has_body(&head.headers) { answer.with_close() } else { answer };
        self.judge(port, head, right, shared).map_err(refused)
    }

    fn judge(
        &self,
        (client, here, is_tls): (SocketAddr, SocketAddr, bool),
        head: &Parts,
        right: NeededRight,
        shared: &Shared,
    ) -> Result<Admitted, Answer> {
        let config = &shared.snapshot.load().config.admin;
        let host = host::judge(head, here, &config.names).map_err(misdirected)?;
        if host::is_of_another_site(head) {
            return Err(Answer::wrong(
                StatusCode::FORBIDDEN,
                "a page of another site asks; it may only link to here",
            ));
        }
        if right == NeededRight::None {
            return Ok(Admitted::new(Caller::Anyone(client), None));
        }
        if head.headers.contains_key(AUTHORIZATION) {
            let token = bearer(&head.headers).unwrap_or_default();
            let Some((rights, ends)) = shared.admin_tokens.judge(token.as_bytes()) else {
                return Err(self.wrong(client, shared));
            };
            allowed(rights, right)?;
            return Ok(Admitted { caller: Caller::Token(client), rights: Some(rights), ends, until: None });
        }
        // A session with the right to change is preferred. There may be another cookie that another server of this
        // machine has set.
        let sessions = cookies(&head.headers, is_tls).filter_map(|id| self.sessions.find(id));
        let session = sessions.max_by_key(|(rights, until, _)| (*rights == TokenRights::Change, *until));
        if let Some((rights, until, ends)) = session {
            allowed(rights, right)?;
            if !matches!(head.method, Method::GET | Method::HEAD) {
                own_page(&head.headers, &host, is_tls)?;
            }
            let caller = Caller::Session(client);
            return Ok(Admitted { caller, rights: Some(rights), ends, until: Some(until) });
        }
        let is_open = right == NeededRight::Open && config.token == TokenFor::Changes;
        if is_open && client.ip().to_canonical().is_loopback() {
            return Ok(Admitted::new(Caller::Anyone(client), None));
        }
        Err(unauthorised(None))
    }

    /// Counts a wrong token or code, and answers it.
    pub(super) fn wrong(&self, client: SocketAddr, shared: &Shared) -> Answer {
        let Wrong::TooMany { wait, is_first } = self.throttle.count(client.ip()) else {
            return unauthorised(Some("the token is wrong; `portward admin token` shows the right one"));
        };
        if is_first {
            let text = format!("administration: too many wrong tokens within a minute from {}", client.ip());
            shared.note(Level::Warning, &text);
        }
        let answer = Answer::wrong(
            StatusCode::TOO_MANY_REQUESTS,
            "too many wrong tokens have come from this address; the right one is still let in",
        );
        let seconds = wait.as_secs().max(1);
        answer.with(RETRY_AFTER, HeaderValue::from(seconds))
    }
}

fn allowed(rights: TokenRights, right: NeededRight) -> Result<(), Answer> {
    let no = |why| Err(Answer::wrong(StatusCode::FORBIDDEN, why));
    match (right, rights) {
        (NeededRight::Change, TokenRights::Read) => {
            no("this token only reads; what changes something needs the other one")
        }
        (NeededRight::Socket, _) => no("this is asked over the socket only: `portward admin token`"),
        _ => Ok(()),
    }
}

/// Answers 401 (RFC 6750 §3).
fn unauthorised(wrong: Option<&str>) -> Answer {
    let why = wrong
        .unwrap_or("a token is needed: `Authorization: Bearer TOKEN`, which `portward admin token` shows");
    let challenge = match wrong {
        Some(_) => "Bearer realm=\"portward\", error=\"invalid_token\"",
        None => "Bearer realm=\"portward\"",
    };
    Answer::wrong(StatusCode::UNAUTHORIZED, why).with(WWW_AUTHENTICATE, HeaderValue::from_static(challenge))
}

fn misdirected(why: Stranger) -> Answer {
    match why {
        Stranger::Malformed => Answer::bad("one Host is needed, which agrees with the request's target"),
        Stranger::Another => Answer::wrong(
            StatusCode::MISDIRECTED_REQUEST,
            "the Host is no name of this port: use its address, or add the name to admin.names",
        ),
    }
}

/// Checks the parts of a request that a page of another site cannot send: this port as Origin, and JSON, for which a
/// browser first sends a preflight.
fn own_page(headers: &HeaderMap, host: &str, is_tls: bool) -> Result<(), Answer> {
    if !host::is_own_origin(headers, host, is_tls) {
        let why = "with a session a change needs the Origin of this very page";
        return Err(Answer::wrong(StatusCode::FORBIDDEN, why));
    }
    if !is_json(headers) {
        let why = "with a session a change needs `Content-Type: application/json`";
        return Err(Answer::wrong(StatusCode::UNSUPPORTED_MEDIA_TYPE, why));
    }
    Ok(())
}

/// Whether a log-in may come from its Origin: from a page of this port, or from a program, which sends no Origin.
pub(super) fn may_log_in(came_by: CameBy, head: &Parts, shared: &Shared) -> Result<(), Answer> {
    let CameBy::Port { here, is_tls, .. } = came_by else { return Ok(()) };
    if !head.headers.contains_key(ORIGIN) {
        return Ok(());
    }
    let names = &shared.snapshot.load().config.admin.names;
    let host = host::judge(head, here, names).map_err(misdirected)?;
    own_page(&head.headers, &host, is_tls)
}

fn is_json(headers: &HeaderMap) -> bool {
    let said = host::only(headers, CONTENT_TYPE).unwrap_or_default();
    let kind = said.split(';').next().unwrap_or_default().trim();
    kind.eq_ignore_ascii_case("application/json")
}

/// The token of `Authorization: Bearer` (RFC 6750 §2.1), if the field occurs exactly once.
fn bearer(headers: &HeaderMap) -> Option<&str> {
    let (scheme, token) = host::only(headers, AUTHORIZATION)?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then(|| token.trim_matches(' '))
}

/// The name of the cookie. With the prefix `__Host-` a browser accepts it only from this host and only by TLS (RFC
/// 6265bis §4.1.3.2).
pub(super) const fn cookie_name(is_tls: bool) -> &'static str {
    if is_tls { "__Host-portward" } else { "portward" }
}

/// How many cookies of this name are examined at most.
const COOKIES: usize = 64;

/// The cookies that may hold the id of the session. There are several if another server of the same machine or domain
/// has set a cookie of the same name (cookies ignore ports, RFC 6265 section 8.5). Such a cookie must not log the user
/// out.
pub(super) fn cookies(headers: &HeaderMap, is_tls: bool) -> impl Iterator<Item = &str> {
    let all = headers.get_all(COOKIE).into_iter().filter_map(|value| value.to_str().ok());
    let pairs = all.flat_map(|value| value.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.filter(move |(name, _)| *name == cookie_name(is_tls)).map(|(_, id)| id).take(COOKIES)
}

fn has_body(headers: &HeaderMap) -> bool {
    let length = headers.get(CONTENT_LENGTH).is_some_and(|length| length != "0");
    length || headers.contains_key(TRANSFER_ENCODING)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (hyper::header::HeaderName::from_static(name), HeaderValue::from_str(value).unwrap())
            })
            .fold(HeaderMap::new(), |mut all, (name, value)| {
                all.append(name, value);
                all
            })
    }

    #[test]
    fn a_token_is_shown_once_and_as_a_bearer() {
        let bearer = |value: &str| bearer(&headers(&[("authorization", value)])).map(ToOwned::to_owned);
        assert_eq!(bearer("Bearer abc"), Some("abc".to_owned()));
        assert_eq!(bearer("bearer  abc "), Some("abc".to_owned()));
        assert_eq!(bearer("Basic abc"), None);
        assert_eq!(bearer("abc"), None);
        let twice = headers(&[("authorization", "Bearer a"), ("authorization", "Bearer b")]);
        assert_eq!(super::bearer(&twice), None);
    }

    #[test]
    fn a_session_is_found_among_other_cookies() {
        let shown = |headers: &HeaderMap, is_tls| cookies(headers, is_tls).collect::<Vec<_>>().join(" ");
        let both =
            headers(&[("cookie", "a=b; portward=one"), ("cookie", "__Host-portward=two;portward=three")]);
        assert_eq!((&*shown(&both, false), &*shown(&both, true)), ("one three", "two"));
        assert_eq!(shown(&headers(&[("cookie", "xportward=one; portward2=x")]), false), "");
        let many = headers(&[("cookie", &"portward=x; ".repeat(1000))]);
        assert_eq!(cookies(&many, false).count(), COOKIES);
    }

    #[test]
    fn what_a_browser_sends_without_asking_is_no_change() {
        let judged = |origin: &str, kind: &str| {
            own_page(&headers(&[("origin", origin), ("content-type", kind)]), "127.0.0.1:9400", false).is_ok()
        };
        assert!(judged("http://127.0.0.1:9400", "application/json"));
        assert!(judged("http://127.0.0.1:9400", "Application/JSON; charset=utf-8"));
        assert!(!judged("http://127.0.0.1:9400", "text/plain"));
        assert!(!judged("http://127.0.0.1:9400", "text/plain; application/json"));
        assert!(!judged("http://127.0.0.1:8080", "application/json"));
        assert!(own_page(&HeaderMap::new(), "127.0.0.1:9400", false).is_err());
    }

    #[test]
    fn a_token_that_reads_changes_nothing() {
        assert!(
            allowed(TokenRights::Read, NeededRight::Read).is_ok()
                && allowed(TokenRights::Read, NeededRight::Open).is_ok()
        );
        assert!(
            allowed(TokenRights::Read, NeededRight::Change).is_err()
                && allowed(TokenRights::Change, NeededRight::Change).is_ok()
        );
        assert!(allowed(TokenRights::Change, NeededRight::Socket).is_err());
    }
}
