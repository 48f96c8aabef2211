//! The exchange of credentials (contract section 9, `exchange = "sip"`). A web page brings a credential that its own
//! web server has made with a secret of a tenant. It gets a credential that is valid at the tenant's SIP domain.
//! [`credentials::exchange`](crate::credentials::exchange) decides whether a credential is right. Nothing is forwarded.
//!
//! The Origin is checked before anything that counts toward the blacklist. A page of another site must not make an
//! office look like a scanner through one of its browsers. Every answer gives a reason, so that the page can show it. A
//! page can read the answer if its Origin is allowed (Fetch, section 3.2).

mod body;

use std::time::{Duration, SystemTime};

use serde_json::json;
use zeroize::Zeroizing;

use super::answer::{Reply, reply_json, reply_nothing};
use super::refuse::swallow_body;
use super::{Next, Turn};
use crate::conn::Client;
use crate::credentials::Secret;
use crate::credentials::exchange::{self, BroughtCredential, ExchangeRefusal, Form, GenuineCredential};
use crate::ending::{Ending, Responsible, Stage};
use crate::inspect::http::{Field, Kind};
use crate::log::Outcome;
use crate::reason::Reason;
use crate::route::http::Exchange;
use crate::rules::{Host, Tenant};
use body::Unread;

/// The methods that are allowed.
const ALLOW: &str = "Allow: POST, OPTIONS\r\n";

/// How long a browser may cache the answer to a preflight.
const PREFLIGHT: Duration = Duration::from_secs(600);

/// A request that gets no credential: the status, the reason, and the text of the answer.
struct Refused {
    status: u16,
    ended: Ending,
    says: &'static str,
    /// Whether its body has been read.
    is_read: bool,
}

impl Refused {
    /// A refusal of a client's mistake, which is no attack.
    fn mistake(status: u16, reason: Reason, says: &'static str) -> Self {
        let refused = Self::because(status, reason, says);
        Self { ended: refused.ended.uncounted(), ..refused }
    }

    fn because(status: u16, reason: Reason, says: &'static str) -> Self {
        Self {
            status,
            ended: Ending::because(Stage::Route, Responsible::Policy, reason),
            says,
            is_read: false,
        }
    }
}

/// Answers a request to a rule that exchanges credentials.
pub(super) async fn answer(client: &mut Client, turn: &Turn<'_>, asked: &Exchange<'_>) -> Next {
    let Ok(origin) = origin(turn, asked) else {
        let refused = Refused::mistake(403, Reason::Origin, "this page may not exchange credentials here");
        return refuse(client, turn, refused, "").await;
    };
    let allowed =
        origin.map(|origin| format!("Access-Control-Allow-Origin: {origin}\r\n")).unwrap_or_default();
    match turn.asked.method() {
        b"OPTIONS" => preflight(client, turn, &allowed).await,
        b"POST" => match post(client, turn, asked).await {
            Ok(given) => give(client, turn, &given, &allowed).await,
            Err(Stopped::Refused(refused)) => refuse(client, turn, refused, &allowed).await,
            Err(Stopped::Unread(unread)) => unread.end(client, turn, &allowed).await,
        },
        _ => {
            let refused = Refused::mistake(405, Reason::Method, "a credential is brought by POST");
            refuse(client, turn, refused, &format!("{ALLOW}{allowed}")).await
        }
    }
}

/// The Origin as the client sent it, if there is one. Clients without an Origin are not pages. Only the credential
/// restricts them.
///
/// # Errors
/// The page is not allowed, or there are several Origins.
fn origin<'t>(turn: &'t Turn<'_>, asked: &Exchange<'_>) -> Result<Option<&'t str>, ()> {
    let mut all = values(turn, b"origin");
    let Some(origin) = all.next() else { return Ok(None) };
    let admitted = asked.rule.origins.admit(Some(origin), turn.asked.host(), turn.came_by());
    match str::from_utf8(origin) {
        Ok(origin) if admitted && all.next().is_none() => Ok(Some(origin)),
        _ => Err(()),
    }
}

/// The values of all fields with this name.
fn values<'t>(turn: &'t Turn<'_>, name: &'static [u8]) -> impl Iterator<Item = &'t [u8]> {
    let head = turn.asked.head();
    let is_it = move |field: &&Field| {
        field.kind == Kind::EndToEnd && field.name.of_input(head).eq_ignore_ascii_case(name)
    };
    turn.asked.request().fields.iter().filter(is_it).map(move |field| field.value.of_input(head))
}

/// The credential that a client gets.
struct Given {
    username: String,
    password: Zeroizing<String>,
    ttl: u64,
    uris: Vec<String>,
}

/// Why a client gets no credential.
enum Stopped {
    /// The whole request was read, and is refused.
    Refused(Refused),
    /// The body could not be read.
    Unread(Unread),
}

/// Reads the credential in the body and judges it.
async fn post(client: &mut Client, turn: &Turn<'_>, asked: &Exchange<'_>) -> Result<Given, Stopped> {
    let refused = |refused| Err(Stopped::Refused(refused));
    let tenant = match asked.tenant {
        Ok(tenant) => tenant,
        Err(Reason::Disabled) => {
            return refused(Refused::because(403, Reason::Disabled, "the tenant is disabled"));
        }
        Err(reason) => return refused(Refused::because(404, reason, "there is no such tenant")),
    };
    let mut types = values(turn, b"content-type");
    let form = types.next().and_then(Form::of).filter(|_| types.next().is_none());
    let Some(form) = form.filter(|_| values(turn, b"content-encoding").next().is_none()) else {
        let says = "the body is application/json or application/x-www-form-urlencoded";
        return refused(Refused::mistake(415, Reason::Malformed, says));
    };
    let sip = &turn.config().sip;
    let (Some(secret), Some(domain)) = (sip.secrets.first(), turn.snapshot.table.domain_of(tenant)) else {
        return refused(Refused::mistake(503, Reason::NoService, "nothing can be exchanged here yet"));
    };
    let read = body::read(client, turn).await.map_err(Stopped::Unread)?;
    let given = BroughtCredential::read(form, &read)
        .ok_or_else(|| Refused::mistake(400, Reason::Malformed, "username and password are missing"))
        .and_then(|brought| judge(turn, &brought, (tenant, domain, secret)));
    let (username, password, ttl) =
        given.map_err(|refused| Stopped::Refused(Refused { is_read: true, ..refused }))?;
    let uris = asked.rule.uris.iter().map(|uri| uri.to_string()).collect();
    Ok(Given { username, password, ttl, uris })
}

/// The username, password and lifetime that the client gets for its credential. `domain` is the SIP domain if the
/// client names none.
fn judge(
    turn: &Turn<'_>,
    brought: &BroughtCredential,
    (tenant, domain, secret): (Tenant<'_>, Host<'_>, &Secret),
) -> Result<(String, Zeroizing<String>, u64), Refused> {
    let longest = turn.config().sip.max_lifetime.as_secs();
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let GenuineCredential { user, expires } = brought.judge(tenant.secrets(), now, longest)?;
    let domain = match brought.domain() {
        None => domain.name().to_owned(),
        Some(wanted) => match wanted_domain(turn, wanted).filter(|(host, _)| host.is_domain_of(tenant)) {
            Some((_, name)) => name,
            None => {
                let says = "this is no domain of the tenant";
                return Err(Refused::mistake(403, Reason::OtherName, says));
            }
        },
    };
    let _ = turn.user.set(user.into());
    let (username, password) = exchange::make(expires, (tenant.id(), user, &domain), secret.octets());
    Ok((username, password, expires.saturating_sub(now)))
}

/// The host that the client names as its domain, and its name in normal form.
fn wanted_domain<'s>(turn: &Turn<'s>, wanted: &str) -> Option<(Host<'s>, String)> {
    let name = crate::rules::name::normalise(wanted).ok()?;
    Some((turn.snapshot.table.host(&name)?, name.into()))
}

impl From<ExchangeRefusal> for Refused {
    fn from(refusal: ExchangeRefusal) -> Self {
        match refusal {
            // The credential is forged, belongs to another tenant, lasts too long, or is no credential. The answer is
            // the same for all of these.
            ExchangeRefusal::Wrong => Self::because(403, Reason::FailedLogin, "the credential is wrong"),
            ExchangeRefusal::Expired => Self::mistake(403, Reason::Expired, "the credential has expired"),
            ExchangeRefusal::OtherName => {
                Self::mistake(403, Reason::OtherName, "the user of the credential has a / or an @")
            }
        }
    }
}

/// Answers a preflight: a script may use POST, and may set the Content-Type.
async fn preflight(client: &mut Client, turn: &Turn<'_>, allowed: &str) -> Next {
    let asks = match allowed.is_empty() {
        true => String::new(),
        false => format!(
            "{allowed}Access-Control-Allow-Methods: POST\r\nAccess-Control-Allow-Headers: Content-Type\r\n\
             Access-Control-Max-Age: {}\r\n",
            PREFLIGHT.as_secs()
        ),
    };
    turn.decided(client, Outcome::Exchanged);
    let goes_on = swallow_body(client, turn).await;
    let ended = Ending::peacefully(Stage::Route, Responsible::Policy);
    reply_nothing(client, turn, Reply { status: 204, goes_on, ended }, &fields(&format!("{ALLOW}{asks}")))
        .await
}

async fn give(client: &mut Client, turn: &Turn<'_>, given: &Given, allowed: &str) -> Next {
    let Given { username, password, ttl, uris } = given;
    turn.decided(client, Outcome::Exchanged);
    let ended = Ending::peacefully(Stage::Route, Responsible::Policy);
    let json = json!({ "username": username, "password": password.as_str(), "ttl": ttl, "uris": uris });
    reply_json(client, turn, Reply { status: 200, goes_on: true, ended }, (&fields(allowed), &json)).await
}

/// A refusal is always answered, because a browser repeats a request when its connection is closed.
async fn refuse(client: &mut Client, turn: &Turn<'_>, refused: Refused, allowed: &str) -> Next {
    let Refused { status, ended, says, is_read } = refused;
    if ended.reason == Some(Reason::FailedLogin) {
        client.worker.shared.guard.note_failed_login(client.permit.exemption(), &turn.config().guard);
    }
    turn.refused(client, ended);
    let goes_on = is_read || swallow_body(client, turn).await;
    let reason = ended.reason.map_or("", Reason::name);
    let json = json!({ "error": says, "reason": reason });
    reply_json(client, turn, Reply { status, goes_on, ended }, (&fields(allowed), &json)).await
}

/// The header fields of every answer, and `more`.
fn fields(more: &str) -> String {
    format!("Vary: Origin\r\nCache-Control: no-store\r\n{more}")
}
