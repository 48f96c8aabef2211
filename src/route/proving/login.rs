//! Whether a credential is right, and which secret made it. It comes in a request, or with the handshake of a
//! WebSocket.

use super::challenge::{bound, seconds};
use super::said::Said;
use super::{Asked, Proven, Terms, named};
use crate::credentials::brought::HandshakeCredential;
use crate::credentials::digest::{Algorithm, DigestLogin};
use crate::credentials::ephemeral::{Ephemeral, Validity};
use crate::credentials::nonce::{NonceState, Use, Uses};
use crate::credentials::{Secret, is_same};
use crate::inspect::digest::parameters;
use crate::inspect::sip::FieldKind;
use crate::rules::Tenant;

/// How many logins of a request are looked at. A telephone sends two: one for Portward, and one for its PBX.
const LOOKED_AT: usize = 4;

/// The fault of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wrong {
    /// Only the nonce is wrong: it is old, or belongs to another connection.
    Stale,
    /// No secret that is valid here made it.
    Forged,
    /// It was sent before.
    UsedAgain,
    /// It is genuine, but has expired.
    Expired,
    /// It is genuine, but its lifetime is longer than allowed.
    TooLong,
    /// It is genuine, but its tenant is disabled.
    Disabled,
    /// It is genuine, but not valid at this host.
    Elsewhere,
}

impl Wrong {
    /// Whether it is a failed login. It counts even if another login in the same request has a harmless fault.
    fn is_failure(self) -> bool {
        match self {
            Self::Forged | Self::UsedAgain | Self::TooLong => true,
            Self::Stale | Self::Expired | Self::Disabled | Self::Elsewhere => false,
        }
    }
}

/// The credential for us that a request carries. A right one is preferred, then the first failed one, then the first
/// one. `passes`: the request may pass without a credential.
pub(super) fn carried(
    terms: &Terms<'_>,
    asked: &Asked<'_>,
    uses: &mut Uses,
    passes: bool,
) -> Option<Result<Proven, Wrong>> {
    let mut first: Option<Wrong> = None;
    let fields = asked.message.fields_of(FieldKind::Credentials);
    let logins =
        fields.filter_map(|field| read_login(terms, asked, (field.value.of_input(asked.head), passes)));
    for login in logins.take(LOOKED_AT) {
        let Carried { digest, known } = login;
        // A login for another realm is not for us. An attacker may show our nonce to a client under another realm, and
        // send the client's answer here.
        let is_here = digest.realm.eq_ignore_ascii_case(asked.realm.as_bytes());
        let right = |password: &[u8]| is_here && digest.fits(asked.method(), asked.uri(), password);
        let proven = credential(terms, asked, digest.username, right);
        let proven = proven.and_then(|proven| match known {
            NonceState::Good(count) => match uses.take(count, digest.nc) {
                Use::Risen => Ok(proven),
                Use::Again => Err(Wrong::UsedAgain),
                Use::Forgotten => Err(Wrong::Stale),
            },
            NonceState::Stale | NonceState::Foreign => Err(Wrong::Stale),
        });
        match proven {
            Ok(proven) => return Some(Ok(proven)),
            Err(wrong) => match first {
                Some(known) if known.is_failure() || !wrong.is_failure() => {}
                _ => first = Some(wrong),
            },
        }
    }
    first.map(Err)
}

/// A login for us.
struct Carried<'a> {
    digest: DigestLogin<'a>,
    known: NonceState,
}

/// Reads a field. `None`: it is for the PBX, or cannot be read. A client without our newest nonce may use another nonce
/// of ours. Such a login is recognised by our realm and by the form of its user.
fn read_login<'a>(
    terms: &Terms<'_>,
    asked: &Asked<'_>,
    (value, passes): (&'a [u8], bool),
) -> Option<Carried<'a>> {
    let is_ours = is_ours(terms, asked, value);
    let digest = DigestLogin::read(value)?;
    let may_be_ours = !passes
        && digest.realm.eq_ignore_ascii_case(asked.realm.as_bytes())
        && Ephemeral::read(digest.username).is_some();
    if !is_ours && !may_be_ours {
        return None;
    }
    let known = terms.nonces.known(digest.nonce, bound(terms, asked, digest.algorithm), seconds(terms.now));
    Some(Carried { digest, known })
}

/// Whether credentials answer a challenge of ours for this host. The challenge may be old.
pub(super) fn is_ours(terms: &Terms<'_>, asked: &Asked<'_>, value: &[u8]) -> bool {
    let Some(parameters) = parameters(value) else { return false };
    let Some((_, nonce)) = parameters.iter().find(|(name, _)| name.eq_ignore_ascii_case(b"nonce")) else {
        return false;
    };
    let known = |algorithm| terms.nonces.known(nonce, bound(terms, asked, algorithm), seconds(terms.now));
    Algorithm::ALL.into_iter().any(|algorithm| known(algorithm) != NonceState::Foreign)
}

/// Checks the credential of the handshake for the host of a request.
pub(super) fn brought(
    terms: &Terms<'_>,
    asked: &Asked<'_>,
    brought: &HandshakeCredential,
) -> Result<Proven, Wrong> {
    credential(terms, asked, &brought.username, |right| is_same(right, &brought.password))
}

/// The user that a credential proves. `is_right` compares a password with the credential's.
fn credential(
    terms: &Terms<'_>,
    asked: &Asked<'_>,
    username: &[u8],
    is_right: impl Fn(&[u8]) -> bool,
) -> Result<Proven, Wrong> {
    let ephemeral = Ephemeral::read(username).ok_or(Wrong::Forged)?;
    let said = Said::read(ephemeral.user);
    let secrets = secrets(terms, asked, said);
    let is_genuine =
        ephemeral.passwords(secrets).fold(false, |found, right| found | is_right(right.as_bytes()));
    if !is_genuine {
        return Err(Wrong::Forged);
    }
    match ephemeral.validity(terms.now, terms.longest) {
        Validity::Expired => return Err(Wrong::Expired),
        Validity::TooLong => return Err(Wrong::TooLong),
        Validity::Good => {}
    }
    let (host, expires) = (asked.host, ephemeral.expires);
    let only = || host.name().starts_with('*').then(|| Box::from(&*asked.realm));
    match said {
        Said::Nobody => Err(Wrong::Forged),
        Said::User(user) => Ok(Proven {
            host: host.name().into(),
            name: only(),
            user: user.into(),
            is_bound: false,
            tenant: None,
            expires,
        }),
        Said::Of { tenant, user, domain } => {
            let tenant = terms.table.tenants().by_id(tenant).ok_or(Wrong::Elsewhere)?;
            if !tenant.is_alive() {
                return Err(Wrong::Disabled);
            }
            let domain = domain_of(terms, asked, (tenant, domain)).ok_or(Wrong::Elsewhere)?;
            Ok(Proven {
                host: host.name().into(),
                name: Some(domain),
                user: user.into(),
                is_bound: true,
                tenant: Some(tenant.id().into()),
                expires,
            })
        }
    }
}

/// The secrets that are valid for this user at this host.
fn secrets<'s>(terms: &Terms<'s>, asked: &Asked<'s>, said: Said<'_>) -> &'s [Secret] {
    let own = asked.host.tenant().map(Tenant::secrets).filter(|secrets| !secrets.is_empty());
    match said {
        Said::User(_) => own.unwrap_or(terms.secrets),
        Said::Of { .. } => terms.secrets,
        Said::Nobody => &[],
    }
}

/// The domain in normal form, if it is this host and the tenant's credentials are valid there.
fn domain_of(
    terms: &Terms<'_>,
    asked: &Asked<'_>,
    (tenant, domain): (Tenant<'_>, &[u8]),
) -> Option<Box<str>> {
    let name = named(terms.table, asked.host, domain)?;
    counts_at(asked, tenant).then(|| name.into())
}

/// Whether a tenant's credentials are valid at the host of a request. They are valid at the tenant's own hosts, at
/// hosts of tenants below it, and at hosts of no tenant. At the latter its users may not register.
pub(super) fn counts_at(asked: &Asked<'_>, tenant: Tenant<'_>) -> bool {
    match asked.host.tenant() {
        Some(own) => own.is_within(tenant),
        None => asked.method() != b"REGISTER",
    }
}
