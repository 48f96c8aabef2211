//! The login that a path demands (contract section 9): HTTP basic (RFC 7617) against the users of a tenant or of a
//! file.
//!
//! A wrong password, another tenant's login, and a tenant that is unknown or disabled get the same answer after the
//! same time. Each of them costs one hash. The guard learns of a failed login as soon as it is known, whether the
//! client waits for the answer or not.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::sync::Arc;
use std::task::Poll;
use std::time::Instant;

use zeroize::Zeroizing;

use super::answer::{Reply, reply_with};
use super::refuse::swallow_body;
use super::{Next, Turn};
use crate::conn::Client;
use crate::conn::login::authorization;
use crate::credentials::basic::Basic;
use crate::credentials::remembered::{LoginDigest, UsersOf};
use crate::credentials::verifier::{Attempt, PasswordCheck, Pending, due};
use crate::credentials::{Hash, Logins};
use crate::ending::{Ending, Responsible, Stage};
use crate::inspect::digest::{self, Credentials};
use crate::io::BUFFER;
use crate::log::Outcome;
use crate::reason::Reason;
use crate::route::http::Demand;
use crate::rules::path::request_path;
use crate::rules::{Host, HttpMatch, Login, Users};
use crate::state::Snapshot;

/// Lets a request with a right login pass. The log shows the user's name from then on.
///
/// # Errors
/// The request was answered. The value says what follows.
pub(super) async fn demand(
    client: &mut Client,
    turn: &Turn<'_>,
    demand: &Demand<'_>,
) -> Result<(), Box<Next>> {
    let Some(field) = field(turn) else {
        turn.decided(client, Outcome::AskedToLogIn);
        let ended = Ending::peacefully(Stage::Route, Responsible::Policy);
        return Err(Box::new(Box::pin(ask(client, turn, demand, ended)).await));
    };
    let Some(users) = Audience::of(turn.snapshot, demand) else {
        return Err(Box::new(Box::pin(busy(client, turn)).await));
    };
    let shared = &client.worker.shared;
    let digest = users.logins.map(|logins| shared.remembered.digest(users.of, logins, field));
    if let Some(user) = digest.and_then(|digest| shared.remembered.user(&digest, Instant::now())) {
        let _ = turn.user.set(user);
        return Ok(());
    }
    Box::pin(verify(client, turn, demand, (&users, digest, field))).await.map_err(Box::new)
}

/// Whether a request carries a login for Portward although its path demands none. That is so if the user's name belongs
/// to a login that the host demands elsewhere.
///
/// Browsers send a login unasked to all paths beside and below the path that asked for it (RFC 7617 section 2.2). No
/// target may see such a login. An application's own logins have user names of their own.
pub(super) fn strays(turn: &Turn<'_>, host: Host<'_>) -> bool {
    if !host.has_whole_segments() {
        return false;
    }
    let Some(field) = field(turn) else { return false };
    let takes = |rule: &HttpMatch<'_>| rule.treatment.is_some_and(|treatment| treatment.takes_login());
    if !host.http_rules().any(|rule| takes(&rule)) {
        return false;
    }
    let Some(basic) = Basic::read(field) else { return false };
    let is_user = |login: &Login, tenant| {
        let demand = Demand { login, tenant, realm: "" };
        let users = Audience::of(turn.snapshot, &demand).and_then(|users| users.logins);
        users.is_some_and(|logins| logins.of_user(basic.user()).is_some())
    };
    let of_rule = |rule: &HttpMatch<'_>, tenant| {
        let login = rule.treatment.filter(|treatment| treatment.takes_login());
        login.and_then(|treatment| treatment.login.as_ref()).is_some_and(|login| is_user(login, tenant))
    };
    // A login from a file is looked for in all rules of the host. A tenant's login is looked for in the rules of the
    // paths above this one.
    let path = turn.asked.path();
    host.http_rules().any(|rule| of_rule(&rule, None))
        || memchr::memchr_iter(b'/', path).skip(1).any(|end| {
            let mut room = Vec::new();
            let above = request_path(path.get(..end).unwrap_or_default(), &mut room).ok();
            let rule = above.and_then(|above| host.http(&above).ok());
            rule.is_some_and(|rule| of_rule(&rule, rule.captured.and_then(|captured| captured.tenant)))
        })
}

/// The value of `Authorization`, if it is HTTP basic. Any other scheme is no login here, and no guess.
fn field<'t>(turn: &'t Turn<'_>) -> Option<&'t [u8]> {
    authorization(&turn.asked).filter(|value| digest::credentials(value) == Credentials::Basic)
}

/// The users that may log in.
struct Audience<'s> {
    of: UsersOf<'s>,
    /// `None`: no user may log in, because there is no such tenant or it has no users.
    logins: Option<&'s Logins>,
    /// The hash that is computed for an unknown user, so that the answer takes as long as for a known one.
    dearest: Option<&'s Hash>,
}

impl<'s> Audience<'s> {
    /// The users for this demand. `None`: the file with the users cannot be used.
    fn of(snapshot: &'s Snapshot, demand: &Demand<'s>) -> Option<Self> {
        let file = |path: &_| snapshot.login_files.of(path).map(|logins| &**logins);
        let (of, logins) = match (demand.login, demand.tenant) {
            (Login::File(path), _) => (UsersOf::File(path.as_os_str().as_encoded_bytes()), Some(file(path)?)),
            (Login::Tenant, Some(tenant)) => {
                let logins = match tenant.users() {
                    Some(Users::Lines(logins)) => Some(&**logins),
                    Some(Users::File(path)) => Some(file(path)?),
                    None => None,
                };
                (UsersOf::Tenant(tenant.id()), logins)
            }
            (Login::Tenant, None) => (UsersOf::Tenant(""), None),
        };
        let dearest = logins.and_then(Logins::dearest).or_else(|| snapshot.table.tenants().dearest_hash());
        Some(Self { of, logins, dearest })
    }
}

/// Verifies the password on a thread for hashes.
async fn verify(
    client: &mut Client,
    turn: &Turn<'_>,
    demand: &Demand<'_>,
    (users, digest, field): (&Audience<'_>, Option<LoginDigest>, &[u8]),
) -> Result<(), Next> {
    let asked = Instant::now();
    let shared = Arc::clone(&client.worker.shared);
    let (attempt, user) = attempt(turn, users, field);
    if let Some(user) = &user {
        let _ = turn.user.set(Arc::clone(user));
    }
    let pending = shared.verifier.verify(attempt);
    let check = {
        let mut pending = pin!(pending);
        unless_gone(client, |client_ended, cx| {
            if client_ended {
                Pending::give_way(&pending);
            }
            pending.as_mut().poll(cx)
        })
        .await
    };
    match check {
        Some(PasswordCheck::Right) => {
            if let (Some(digest), Some(user)) = (digest, user) {
                shared.remembered.note(digest, user, Instant::now());
            }
            Ok(())
        }
        Some(PasswordCheck::Wrong) => Err(failed(client, turn, demand, asked).await),
        Some(PasswordCheck::Busy) => Err(busy(client, turn).await),
        None => {
            let ended = Ending::because(Stage::Route, Responsible::Client, Reason::Aborted);
            turn.refused(client, ended);
            Err(Next::End(ended))
        }
    }
}

/// The attempt to verify, and the name to show, if it is the name of a user.
fn attempt(turn: &Turn<'_>, users: &Audience<'_>, field: &[u8]) -> (Attempt, Option<Arc<str>>) {
    let basic = Basic::read(field);
    let basic = basic.as_ref();
    let known = basic.and_then(|basic| users.logins?.of_user(basic.user()));
    let user = basic.filter(|_| known.is_some()).map(|basic| String::from_utf8_lossy(basic.user()).into());
    let password = basic.map_or(&b""[..], Basic::password).to_vec();
    let attempt = Attempt {
        who: turn.who,
        hash: known.or(users.dearest).cloned().unwrap_or_else(Hash::dummy),
        is_known: known.is_some(),
        password: Zeroizing::new(password),
    };
    (attempt, user)
}

/// Waits for the future. `None`: the client has gone, or an administrator has ended the connection. The future learns
/// whether the client has ended its side. Such a client may be gone, or may still wait for the answer.
async fn unless_gone<T>(
    client: &mut Client,
    mut poll: impl FnMut(bool, &mut std::task::Context<'_>) -> Poll<T>,
) -> Option<T> {
    poll_fn(|cx| {
        while !client.leg.ended && client.leg.buffer.len() < BUFFER {
            match client.leg.poll_fill(cx, BUFFER) {
                Poll::Ready(Ok(_)) => {}
                Poll::Ready(Err(_)) => return Poll::Ready(None),
                Poll::Pending => break,
            }
        }
        if client.live.poll_ended().is_ready() {
            return Poll::Ready(None);
        }
        poll(client.leg.ended, cx).map(Some)
    })
    .await
}

/// A wrong login. It counts at once, and the answer comes after the fixed time.
async fn failed(client: &mut Client, turn: &Turn<'_>, demand: &Demand<'_>, asked: Instant) -> Next {
    let ended = Ending::because(Stage::Route, Responsible::Policy, Reason::FailedLogin);
    client.worker.shared.guard.note_failed_login(client.permit.exemption(), &turn.config().guard);
    turn.refused(client, ended);
    let goes_on = swallow_body(client, turn).await;
    let mut sleep = pin!(tokio::time::sleep_until(due(asked, Instant::now()).into()));
    match unless_gone(client, |_, cx| sleep.as_mut().poll(cx)).await {
        Some(()) => answer(client, turn, demand, (goes_on, ended)).await,
        None => Next::End(ended),
    }
}

/// A request without a login. The client is asked for one.
async fn ask(client: &mut Client, turn: &Turn<'_>, demand: &Demand<'_>, ended: Ending) -> Next {
    let goes_on = swallow_body(client, turn).await;
    answer(client, turn, demand, (goes_on, ended)).await
}

/// Answers 401 (Unauthorized).
async fn answer(
    client: &mut Client,
    turn: &Turn<'_>,
    demand: &Demand<'_>,
    (goes_on, ended): (bool, Ending),
) -> Next {
    let fields = format!(
        "WWW-Authenticate: Basic realm=\"{}\", charset=\"UTF-8\"\r\nCache-Control: no-store\r\n",
        demand.realm
    );
    reply_with(client, turn, Reply { status: 401, goes_on, ended }, &fields).await
}

/// Answers 503 (Service Unavailable): too many logins wait, or the users cannot be read. Nothing was verified, so
/// nothing counts.
async fn busy(client: &mut Client, turn: &Turn<'_>) -> Next {
    let ended = Ending::because(Stage::Route, Responsible::Policy, Reason::Limit);
    turn.refused(client, ended);
    let goes_on = swallow_body(client, turn).await;
    reply_with(client, turn, Reply { status: 503, goes_on, ended }, "Retry-After: 1\r\n").await
}
