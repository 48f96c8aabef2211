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

/// What a message is decided by.
#[derive(Debug, Clone, Copy)]
pub struct Terms<'s> {
    /// The rules.
    pub table: &'s Table,
    /// `h323.default_host`: where goes what names no gatekeeper and no domain.
    pub default_host: Option<&'s str>,
}

/// A way inside, and what the client's certificate proves if that is why it goes by TLS.
pub type Proven<'t> = (Route<'t>, Option<Verified>);

impl<'s> Terms<'s> {
    /// The host that a first message asks for, as it is compared.
    ///
    /// # Errors
    /// It asks for none and there is no default, or for two.
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

    /// Where a first message leads that came by `came_by` and asks for `host`. `names`: those in a certificate that is
    /// trusted, if everything in front of the message could be read. A registration proves itself by them; a call does not.
    ///
    /// # Errors
    /// Why it goes nowhere.
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
