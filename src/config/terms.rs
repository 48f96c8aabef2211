//! The terms of decisions, made from the configuration and the rules. Connections, `explain` and the API all use them,
//! so that all of them ask [`route`] with the same default hosts, methods and addresses.

use super::{Config, Sip};
use crate::credentials::digest::Algorithm;
use crate::credentials::nonce::Nonces;
use crate::proof::own_routes::{OwnRoutes, PublicAddress};
use crate::proof::token::Tokens;
use crate::route::{self, directory, proving, registration, signalling};
use crate::rules::Table;
use crate::service::{Carrier, Service, Transport};

impl Config {
    /// The terms for HTTP requests.
    pub fn http_terms<'t>(&self, table: &'t Table) -> route::http::Rules<'t> {
        route::http::Rules { table, https_port: self.outside.port(Service::Http, Transport::Tls) }
    }

    /// The terms for SIP messages of a client that came by `came_by`.
    pub fn sip_terms<'s>(
        &'s self,
        table: &'s Table,
        tokens: &'s Tokens,
        came_by: Transport,
    ) -> signalling::Terms<'s> {
        let address = self.sip.public_address(came_by);
        let address = address.and_then(|address| PublicAddress::new(address, came_by.is_tls()));
        signalling::Terms {
            table,
            default_host: self.default_hosts.sip.as_deref(),
            methods: &self.sip.methods,
            identify: self.sip.identify,
            own: OwnRoutes { tokens, address, front: None },
        }
    }

    /// The terms for ephemeral credentials in SIP. `carrier` and `id` are those of the connection. `now` is in seconds
    /// since 1970. Browsers are offered only MD5, because JsSIP and SIP.js know no other algorithm and read only the
    /// first challenge.
    pub fn credential_terms<'s>(
        &'s self,
        (table, nonces): (&'s Table, &'s Nonces),
        (carrier, id): (Carrier, u64),
        now: u64,
    ) -> proving::Terms<'s> {
        let algorithms = if carrier.is_websocket() { &[Algorithm::Md5] } else { &*self.sip.digest };
        proving::Terms {
            table,
            secrets: &self.sip.secrets,
            algorithms,
            longest: self.sip.max_lifetime.as_secs(),
            nonces,
            connection: id,
            now,
        }
    }

    /// The terms for LDAP binds.
    pub fn ldap_terms<'s>(&'s self, table: &'s Table) -> directory::Terms<'s> {
        directory::Terms { table, default_host: self.default_hosts.ldap.as_deref() }
    }

    /// The terms for H.323 messages.
    pub fn h323_terms<'s>(&'s self, table: &'s Table) -> registration::Terms<'s> {
        registration::Terms { table, default_host: self.default_hosts.h323.as_deref() }
    }
}

impl Sip {
    /// The address of Portward that clients which came by `came_by` are told.
    pub fn public_address(&self, came_by: Transport) -> Option<&str> {
        match came_by {
            Transport::Plain => self.public_address_tcp.as_deref(),
            Transport::Tls => self.public_address_tls.as_deref(),
        }
    }
}
