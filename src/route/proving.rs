//! Ephemeral credentials in SIP (contract section 9): whether a request may go to a host that demands them. No I/O. The
//! time is an argument.
//!
//! | file | what it decides |
//! |---|---|
//! | this one | the state of a connection, and the answer to a request in it |
//! | `login` | whether a credential is right, and which secret made it |
//! | `said` | the names in a user of the form `TENANT/user@domain` |
//! | `challenge` | how a client is asked for a credential |
//!
//! A new connection is unproven: every request is asked for a credential. A right credential proves the connection
//! until the credential expires. Until then requests that speak for its user pass. Afterwards only requests in dialogs
//! pass that were seen on this connection. All others are asked again.

mod challenge;
mod login;
mod said;

use std::borrow::Cow;
use std::num::NonZeroU16;
use std::sync::Arc;

use smallvec::SmallVec;

use crate::credentials::Secret;
use crate::credentials::brought::HandshakeCredential;
use crate::credentials::digest::Algorithm;
use crate::credentials::nonce::{Nonces, Uses};
use crate::inspect::Span;
use crate::inspect::sip::{FieldKind, Kind, Message};
use crate::proof::sip::{ClaimLimits, Speaker};
use crate::rules::decide::host_named;
use crate::rules::name::{NameBuf, from_wire};
use crate::rules::{CredentialUser, Endpoint, Host, Table, Tenant};
use crate::service::Service;

use login::Wrong;

/// The header field that tells the PBX the tenant of the client.
const TENANT_FIELD: &str = "X-Tenant";

/// The settings by which credentials are checked.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'s> {
    /// The rules.
    pub table: &'s Table,
    /// `[sip] secrets`.
    pub secrets: &'s [Secret],
    /// The hash algorithms that clients may use, in the order in which they are offered.
    pub algorithms: &'s [Algorithm],
    /// The longest remaining lifetime of a credential, in seconds.
    pub longest: u64,
    /// Makes nonces and verifies them.
    pub nonces: &'s Nonces,
    /// The number of the connection.
    pub connection: u64,
    /// The time, in seconds since 1970.
    pub now: u64,
}

/// Addresses, and one port that is the same at all of them.
pub type Door = (Arc<[Endpoint]>, NonZeroU16);

/// A request at a host that demands credentials.
#[derive(Debug, Clone)]
pub struct Asked<'a> {
    head: &'a [u8],
    message: &'a Message,
    host: Host<'a>,
    user: CredentialUser,
    /// The realm: the host's name. For a wildcard it is the name that was asked for.
    realm: Cow<'a, str>,
    /// The request belongs to a dialog that was seen on this connection.
    in_dialog: bool,
    /// The credential that came with the WebSocket handshake.
    brought: Option<&'a HandshakeCredential>,
}

/// What a connection has proven so far.
#[derive(Debug, Default)]
pub struct Proving {
    proven: Option<Proven>,
    /// How many nonces were made for this connection.
    given: u32,
    uses: Uses,
    speaker: Speaker,
}

/// The user who has proven itself on a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    /// The host, by its name in the table.
    host: Box<str>,
    /// The only name of the host that the client may use, in normal form. `None`: it may use any of them.
    name: Option<Box<str>>,
    user: Box<[u8]>,
    /// The client may name only this user, whatever the rule says.
    is_bound: bool,
    /// The tenant that the credential names.
    tenant: Option<Arc<str>>,
    /// When the credential expires, in seconds since 1970.
    expires: u64,
}

/// The decision about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CredentialCheck<'h> {
    /// It may go on.
    Passes {
        /// A login has just succeeded.
        is_new: bool,
    },
    /// Its client is asked for a credential.
    Asked {
        /// Code and phrase.
        status: &'static str,
        /// The challenges, each with its CRLF.
        more: String,
        /// The request came with a wrong login.
        failed: bool,
    },
    /// It is answered 403.
    Refused(Why<'h>),
    /// It is a CANCEL, but there is no request that it could cancel.
    NothingToCancel,
    /// It is an ACK, which gets no answer.
    Unheard,
}

/// Why a request is answered 403.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Why<'h> {
    /// It speaks for this URI, which is not the client's.
    OtherName(&'h [u8]),
    /// The credential is genuine, but has expired.
    Expired,
    /// The credential is wrong, or its lifetime is longer than allowed.
    Failed,
    /// The tenant that the credential names is disabled.
    Disabled,
}

/// The changes to a request that passes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Lines that are taken out.
    pub cut: SmallVec<[Span; 2]>,
    /// A line that is put in, with its CRLF.
    pub add: Option<String>,
}

impl<'a> Asked<'a> {
    /// A request at a host that demands credentials. `None`: the host demands none. `door` is the request's target, if
    /// it is not the target of the host's rule. Then another rule may demand credentials there.
    pub fn of(
        table: &'a Table,
        (host, door): (Host<'a>, Option<&Door>),
        (head, message): (&'a [u8], &'a Message),
    ) -> Option<Self> {
        let at_door = || door.is_some_and(|(endpoints, port)| table.demands_at(endpoints, *port));
        let user =
            host.rule(Service::Sip)?.credentials.or_else(|| at_door().then(CredentialUser::default))?;
        let realm = match host.name().starts_with('*') {
            true => named(table, host, message.from.host.of_input(head)),
            false => None,
        };
        let realm = realm.map_or(Cow::Borrowed(host.name()), Cow::Owned);
        Some(Self { head, message, host, user, realm, in_dialog: false, brought: None })
    }

    /// The same, for a request that may be in a dialog seen on this connection, and a client that may have brought a
    /// credential.
    pub fn with(self, in_dialog: bool, brought: Option<&'a HandshakeCredential>) -> Self {
        Self { in_dialog, brought, ..self }
    }

    fn method(&self) -> &'a [u8] {
        self.message.method(self.head).unwrap_or_default()
    }

    fn uri(&self) -> &'a [u8] {
        match self.message.kind {
            Kind::Request { uri, .. } => uri.of_input(self.head),
            Kind::Response { .. } => b"",
        }
    }
}

/// The normal form of a name as it came, if it is a name of the host.
fn named(table: &Table, host: Host<'_>, said: &[u8]) -> Option<String> {
    let mut normal = NameBuf::default();
    let name = from_wire(said, &mut normal).ok()?;
    table.host(name).filter(|other| other.name() == host.name()).map(|_| name.to_owned())
}

impl Proven {
    /// The user of the credential.
    pub fn user(&self) -> &[u8] {
        &self.user
    }

    /// The id of the tenant that the credential names, if it names one.
    pub fn tenant(&self) -> Option<&Arc<str>> {
        self.tenant.as_ref()
    }

    /// Whether a host in a message is the host at which the user has proven itself.
    fn is_here(&self, table: &Table, said: &[u8]) -> bool {
        match &self.name {
            Some(only) => {
                let mut normal = NameBuf::default();
                from_wire(said, &mut normal).is_ok_and(|name| *name == **only)
            }
            None => host_named(table, said).is_ok_and(|host| *host.name() == *self.host),
        }
    }

    /// The tenant of the client: the tenant that the credential names, else the host's.
    fn of<'t>(&self, table: &'t Table, host: Host<'t>) -> Option<Tenant<'t>> {
        match &self.tenant {
            Some(id) => table.tenants().by_id(id),
            None => host.tenant(),
        }
    }
}

impl Proving {
    /// The user who has proven itself.
    pub fn proven(&self) -> Option<&Proven> {
        self.proven.as_ref()
    }

    /// Takes note of a message of the PBX.
    pub fn heard(&mut self, head: &[u8], message: &Message) {
        self.speaker.heard(head, message);
    }

    /// Decides about a request.
    pub fn look<'h>(&mut self, terms: &Terms<'_>, asked: &Asked<'h>) -> CredentialCheck<'h> {
        let here = self.proven.as_ref().filter(|proven| *proven.host == *asked.host.name());
        let (is_here, is_fresh) = (here.is_some(), here.is_some_and(|proven| proven.expires >= terms.now));
        let passes = is_here && (is_fresh || asked.in_dialog);
        let mut is_new = false;
        match asked.method() {
            b"ACK" if !is_here => return CredentialCheck::Unheard,
            b"CANCEL" if !is_here => return CredentialCheck::NothingToCancel,
            // The request before them was asked for a credential.
            b"ACK" | b"CANCEL" => {}
            _ => match self.login(terms, asked, passes) {
                Some(Ok(proven)) => {
                    is_new = self.proven.as_ref() != Some(&proven);
                    self.proven = Some(proven);
                }
                None | Some(Err(Wrong::Stale | Wrong::Expired)) if passes => {}
                None => return self.ask(terms, asked, Again { stale: false, failed: false }),
                Some(Err(wrong)) => return self.wrong(wrong, terms, asked),
            },
        }
        match self.speaks_for(terms, asked) {
            Some(why) => CredentialCheck::Refused(why),
            None => CredentialCheck::Passes { is_new },
        }
    }

    /// Why a request is refused that speaks for another user than the proven one. `None`: it speaks for no other user.
    fn speaks_for<'h>(&self, terms: &Terms<'_>, asked: &Asked<'h>) -> Option<Why<'h>> {
        let proven = self.proven.as_ref()?;
        if proven.tenant.is_some() {
            match proven.of(terms.table, asked.host) {
                Some(tenant) if !tenant.is_alive() => return Some(Why::Disabled),
                Some(tenant) if login::counts_at(asked, tenant) => {}
                _ => return Some(Why::OtherName(asked.message.to.uri.of_input(asked.head))),
            }
        }
        let may = ClaimLimits {
            user: (proven.is_bound || asked.user == CredentialUser::Named).then_some(&*proven.user),
            is_here: |said: &[u8]| proven.is_here(terms.table, said),
            in_dialog: asked.in_dialog,
        };
        self.speaker.other(asked.head, asked.message, may).map(Why::OtherName)
    }

    /// The credential that the request carries. If it carries none and needs one, the credential that came with the
    /// handshake.
    fn login(&mut self, terms: &Terms<'_>, asked: &Asked<'_>, passes: bool) -> Option<Result<Proven, Wrong>> {
        let carried = login::carried(terms, asked, &mut self.uses, passes);
        carried.or_else(|| {
            asked.brought.filter(|_| !passes).map(|brought| login::brought(terms, asked, brought))
        })
    }

    fn wrong<'h>(&mut self, wrong: Wrong, terms: &Terms<'_>, asked: &Asked<'h>) -> CredentialCheck<'h> {
        let again = match wrong {
            Wrong::Stale => Again { stale: true, failed: false },
            // The credential of the handshake cannot change, so it is useless to ask again.
            Wrong::Forged if asked.brought.is_some() => return CredentialCheck::Refused(Why::Failed),
            Wrong::Forged | Wrong::UsedAgain => Again { stale: false, failed: true },
            Wrong::TooLong => return CredentialCheck::Refused(Why::Failed),
            Wrong::Expired => return CredentialCheck::Refused(Why::Expired),
            Wrong::Disabled => return CredentialCheck::Refused(Why::Disabled),
            Wrong::Elsewhere => {
                return CredentialCheck::Refused(Why::OtherName(asked.message.from.uri.of_input(asked.head)));
            }
        };
        self.ask(terms, asked, again)
    }

    fn ask<'h>(&mut self, terms: &Terms<'_>, asked: &Asked<'_>, again: Again) -> CredentialCheck<'h> {
        let mut more = String::new();
        for algorithm in terms.algorithms {
            self.given = self.given.wrapping_add(1);
            self.uses.gave(self.given);
            challenge::write(terms, asked, (*algorithm, self.given), again.stale, &mut more);
        }
        CredentialCheck::Asked { status: challenge::status(asked.method()), more, failed: again.failed }
    }

    /// The changes to a request that passes. Credentials that answer our challenges are for us and are removed. The
    /// client's own tenant field is replaced.
    pub fn changes(&self, terms: &Terms<'_>, asked: &Asked<'_>) -> Changes {
        let head = asked.head;
        let is_ours = |value: Span| login::is_ours(terms, asked, value.of_input(head));
        let fields = asked.message.fields.iter().filter(|field| match field.kind {
            FieldKind::Credentials => is_ours(field.value),
            FieldKind::Other => is_tenant_field(field.name(head)),
            _ => false,
        });
        let tenant = self.proven.as_ref().and_then(|proven| proven.of(terms.table, asked.host));
        Changes {
            cut: fields.map(|field| field.line).collect(),
            add: tenant.map(|tenant| format!("{TENANT_FIELD}: {}\r\n", tenant.id())),
        }
    }
}

/// Whether a name is the tenant field's, in any spelling that a reader may take for it.
fn is_tenant_field(name: &[u8]) -> bool {
    let normal = name.iter().map(|octet| if *octet == b'_' { b'-' } else { octet.to_ascii_lowercase() });
    normal.eq(TENANT_FIELD.bytes().map(|octet| octet.to_ascii_lowercase()))
}

/// Why a client is asked again.
#[derive(Debug, Clone, Copy)]
struct Again {
    /// Its login was right, but its nonce was not.
    stale: bool,
    /// Its login has failed.
    failed: bool,
}

#[cfg(test)]
mod tests;
