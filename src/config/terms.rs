//! What decisions are made by, out of the configuration and the rules: one way for connections, `explain` and the API, so
//! that all of them ask [`route`] with the same default hosts, methods and addresses.

use super::{Config, Sip};
use crate::credentials::digest::Algorithm;
use crate::credentials::nonce::Nonces;
use crate::proof::own_routes::{OwnRoutes, PublicAddress};
use crate::proof::token::Tokens;
use crate::route::{self, directory, proving, registration, signalling};
use crate::rules::Table;
use crate::service::{Carrier, Service, Transport};

impl Config {
    /// What HTTP requests are decided by.
    pub fn http_terms<'t>(&self, table: &'t Table) -> route::http::Rules<'t> {
        route::http::Rules { table, https_port: self.outside.port(Service::Http, Transport::Tls) }
    }

    /// What SIP messages are decided by that came by `came_by`.
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

    /// What ephemeral credentials in SIP are judged by. `carrier` and `id` are those of the connection, `now` is in seconds since
    /// 1970. Browsers are offered MD5 alone: JsSIP and SIP.js know nothing else, and read the first challenge only.
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

    /// What LDAP binds are decided by.
    pub fn ldap_terms<'s>(&'s self, table: &'s Table) -> directory::Terms<'s> {
        directory::Terms { table, default_host: self.default_hosts.ldap.as_deref() }
    }

    /// What H.323 messages are decided by.
    pub fn h323_terms<'s>(&'s self, table: &'s Table) -> registration::Terms<'s> {
        registration::Terms { table, default_host: self.default_hosts.h323.as_deref() }
    }
}

impl Sip {
    /// What a client that came by `came_by` is told to come back to.
    pub fn public_address(&self, came_by: Transport) -> Option<&str> {
        match came_by {
            Transport::Plain => self.public_address_tcp.as_deref(),
            Transport::Tls => self.public_address_tls.as_deref(),
        }
    }
}
