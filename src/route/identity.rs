//! The host that a SIP request names, and which parts of the request name it (contract section 9, *Accounts*;
//! `sip.identify`). Pure.
//!
//! Realms come first, because they say where a telephone logs in. Only realms in Authorization and Proxy-Authorization
//! that name a host of the table count. From is next, and the Request-URI of a REGISTER is last. A telephone sends no
//! realm before it was challenged. So its first request is identified by the others.
//!
//! All names that are hosts of the table must be names of the same host. A PBX may look at another of them than
//! Portward does.

use std::borrow::Cow;

use crate::inspect::digest;
use crate::inspect::sip::{FieldKind, Kind, Message, host_port};
use crate::rules::Table;
use crate::rules::decide;

/// A part of a request that can name its host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// The realms of Authorization and Proxy-Authorization.
    Realm,
    /// The domain of From.
    From,
    /// The host of a REGISTER's Request-URI.
    Uri,
}

impl Identity {
    /// All of them, in the order in which they are looked at.
    pub const ALL: [Self; 3] = [Self::Realm, Self::From, Self::Uri];

    /// The word in `sip.identify`.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Realm => "realm",
            Self::From => "from",
            Self::Uri => "uri",
        }
    }
}

/// `sip.identify`: which identities count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Identify {
    realm: bool,
    from: bool,
    uri: bool,
}

impl Default for Identify {
    /// From alone.
    fn default() -> Self {
        Self { realm: false, from: true, uri: false }
    }
}

impl FromIterator<Identity> for Identify {
    fn from_iter<I: IntoIterator<Item = Identity>>(identities: I) -> Self {
        let mut all = Self { realm: false, from: false, uri: false };
        for identity in identities {
            match identity {
                Identity::Realm => all.realm = true,
                Identity::From => all.from = true,
                Identity::Uri => all.uri = true,
            }
        }
        all
    }
}

/// The name that identifies the host of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identified<'a> {
    /// The request names no host.
    Nothing,
    /// This name.
    One(Cow<'a, [u8]>),
    /// Two identities name different hosts of the table. This is the first.
    Split(Cow<'a, [u8]>),
}

impl Identify {
    /// The name that identifies the host of a request. `from`: the name in From, or the name that replaces it.
    pub fn name<'a>(
        self,
        table: &Table,
        (head, request): (&'a [u8], &Message),
        from: Option<&'a [u8]>,
    ) -> Identified<'a> {
        let from = from.filter(|_| self.from);
        // In the usual case the table is not asked here. The caller asks it anyway.
        if !self.realm && !self.uri {
            return from.map_or(Identified::Nothing, |from| Identified::One(from.into()));
        }
        let realms = realms(head, request).filter(|_| self.realm);
        let uri = registrar(head, request).filter(|_| self.uri);
        let names = realms.chain(from.map(Cow::Borrowed)).chain(uri.map(Cow::Borrowed));
        let mut known: Option<(Cow<'a, [u8]>, &str)> = None;
        for name in names {
            let Ok(host) = decide::host_named(table, &name) else { continue };
            match &known {
                None => known = Some((name, host.name())),
                Some((_, first)) if *first == host.name() => {}
                Some(_) => return known.map_or(Identified::Nothing, |(name, _)| Identified::Split(name)),
            }
        }
        // A name that leads to no host may be a scanner's. Realms that lead to no host are left out: they need not name
        // one.
        let unknown = || from.or(uri).map(Cow::Borrowed);
        known.map(|(name, _)| name).or_else(unknown).map_or(Identified::Nothing, Identified::One)
    }
}

/// The realms of Authorization and Proxy-Authorization, without their ports.
fn realms<'a>(head: &'a [u8], request: &Message) -> impl Iterator<Item = Cow<'a, [u8]>> {
    let fields = request.fields_of(FieldKind::Credentials);
    fields.filter_map(move |field| digest::realm(field.value.of_input(head))).map(without_port)
}

fn without_port(realm: Cow<'_, [u8]>) -> Cow<'_, [u8]> {
    let length = host_port(&realm).map_or(realm.len(), |(host, _)| host.len());
    match realm {
        Cow::Borrowed(realm) => Cow::Borrowed(realm.get(..length).unwrap_or_default()),
        Cow::Owned(mut realm) => {
            realm.truncate(length);
            Cow::Owned(realm)
        }
    }
}

/// The host of a REGISTER's Request-URI.
fn registrar<'a>(head: &'a [u8], request: &Message) -> Option<&'a [u8]> {
    match request.kind {
        Kind::Request { method, uri } if method.of_input(head) == b"REGISTER" => {
            super::signalling::host_of(uri.of_input(head))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests;
