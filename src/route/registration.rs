//! Where an H.323 registration or call leads (contract sections 2 and 5).

use std::borrow::Cow;

use super::Refused;
use crate::inspect::h323::{Ask, Registration};
use crate::proof::Names;
use crate::proof::h323::Verified;
use crate::reason::Reason;
use crate::rules::Table;
use crate::rules::decide::{self, Route};
use crate::rules::name::ascii;
use crate::service::{Service, Transport};

/// The settings by which a message is decided.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'s> {
    /// The rules.
    pub table: &'s Table,
    /// `h323.default_host`: the host for messages that name no gatekeeper and no domain.
    pub default_host: Option<&'s str>,
}

/// A route, and what the client's certificate proves, if TLS is used because of that proof.
pub type Proven<'t> = (Route<'t>, Option<Verified>);

impl<'s> Terms<'s> {
    /// The host that a first message asks for, in the form in which it is compared.
    ///
    /// # Errors
    /// The message names no host and there is no default host, or it names two.
    pub fn host<'a>(&self, asked: &'a Ask) -> Result<Cow<'a, str>, Reason>
    where
        's: 'a,
    {
        let named = match asked {
            Ask::Registration(registration) => registration.host(),
            Ask::Setup(setup) => setup.domain()?,
            Ask::KeepAlive | Ask::Ras(_) | Ask::Other(_) => None,
        };
        named.or(self.default_host).map(ascii).ok_or(Reason::NoName)
    }

    /// The host that a later registration asks for.
    pub fn host_of<'a>(&self, registration: &'a Registration) -> Option<Cow<'a, str>>
    where
        's: 'a,
    {
        registration.host().or(self.default_host).map(ascii)
    }

    /// The route of a first message that came by `came_by` and asks for `host`. `names` are the names in a trusted
    /// certificate. They are given only if everything before the message could be read. They can prove a registration,
    /// but not a call.
    ///
    /// # Errors
    /// Why the message is refused.
    pub fn decide(
        &self,
        came_by: Transport,
        host: &str,
        asked: &Ask,
        names: Option<&Names>,
    ) -> Result<Proven<'s>, Refused<'s>> {
        let mut verified = None;
        let prove = |numbers| {
            verified = match (asked, names) {
                (Ask::Registration(first), Some(names)) => {
                    Verified::begin(names.clone(), numbers, first, host)
                }
                _ => None,
            };
            verified.is_some()
        };
        let route = decide::signalling(self.table, Service::H323, came_by, host.as_bytes(), prove)?;
        Ok((route, verified))
    }
}
