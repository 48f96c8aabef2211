//! TLS on both legs (contract sections 4 and 5): the certificate for a client, the verdict on the client's own, the
//! verdict on a target's, the certificate for a target, and development certificates.
//!
//! It reads files and builds rustls configurations. Only `probe` opens a connection. Records are read and written by
//! [`crate::io::Tls`]. TLS decides about no route: SNI chooses a certificate and nothing else.
//!
//! | files | what is in them |
//! |---|---|
//! | `server`, `sni`, `identity` | the certificates that are shown to clients |
//! | `accept`, `asking`, `sessions` | the handshake with a client, its certificate, and resumption |
//! | `possession`, `weak` | whether a peer holds the key of its certificate |
//! | `trust` | the verdict on a client's certificate |
//! | `upstream`, `own_certificate`, `verify` | the certificate for targets, and the verdict on theirs |
//! | `failure` | the cause of a failed handshake, in the words of the closed list |
//! | `pem`, `source`, `files_state` | reading files, keeping their contents when they are gone, noticing changes |
//! | `facts`, `key`, `listed` | facts of a certificate, its public key, and the list of all certificates for programs |
//! | `reminder`, `probe`, `dev` | expiry, a target's chain, development certificates |

mod accept;
mod asking;
mod dev;
mod facts;
mod failure;
mod files_state;
mod identity;
mod key;
mod listed;
mod own_certificate;
mod pem;
mod possession;
mod probe;
mod reminder;
mod server;
mod sessions;
mod sni;
mod source;
mod trust;
mod upstream;
mod verify;
mod weak;

use std::sync::{Arc, OnceLock};

use rustls::crypto::CryptoProvider;
use rustls::server::ProducesTickets;
use rustls::{CipherSuite, ClientConfig, ConfigBuilder, WantsVerifier};

use crate::service::Service;

pub use accept::Acceptor;
pub use dev::{DevCa, DevError, Issued, Validity, make};
pub use facts::Facts;
pub use failure::{of_alert_after, of_handshake, of_tls};
pub use files_state::FilesState;
#[cfg(test)]
pub(crate) use identity::EXPIRY_WARNING;
pub use identity::{Certificate, facts_of_file};
pub use listed::listed;
pub use own_certificate::shaken;
pub use possession::Possession;
pub use probe::{ProbeError, Shown, chain_of};
pub use reminder::Reminder;
pub use server::{ServerTls, facts_of_servers, judged_without_keys};
pub use source::{Found, Occasion};
pub use trust::{CertificateStatus, ClientTrust, ClientTrusts};
pub use upstream::{Profile, UpstreamTls, server_name};

#[cfg(feature = "aws-lc-rs")]
use rustls::crypto::aws_lc_rs as backend;
#[cfg(all(feature = "ring", not(feature = "aws-lc-rs")))]
use rustls::crypto::ring as backend;
#[cfg(not(any(feature = "aws-lc-rs", feature = "ring")))]
compile_error!("choose the TLS cryptography: feature aws-lc-rs (the default) or ring");

/// The application protocols that handshakes of `service` name (RFC 7301).
fn alpn(service: Service) -> Vec<Vec<u8>> {
    service.alpn().map(<[u8]>::to_vec).into_iter().collect()
}

/// The cryptography of every TLS connection: the backend's own list in our order.
///
/// Key exchange: X25519, then P-256, then P-384, as the backends order them, because X25519 is the cheapest. The hybrid
/// X25519MLKEM768 comes last where the backend has it. It serves a peer that insists on it, and costs others neither
/// the time nor the kilobyte in each direction.
///
/// Ciphers: AES-128-GCM first, as in Mozilla's "intermediate" recommendation. Toward clients our order counts, not
/// theirs.
pub fn provider() -> Arc<CryptoProvider> {
    static PROVIDER: OnceLock<Arc<CryptoProvider>> = OnceLock::new();
    Arc::clone(PROVIDER.get_or_init(|| {
        let mut provider = backend::default_provider();
        provider.cipher_suites.sort_by_key(|suite| match suite.suite() {
            CipherSuite::TLS13_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256
            | CipherSuite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256 => 0,
            _ => 1,
        });
        Arc::new(provider)
    }))
}

/// Makes the keys that encrypt session tickets, and renews them every six hours. `None`: the system gives no
/// randomness. Then no handshake would succeed either.
fn ticketer() -> Option<Arc<dyn ProducesTickets>> {
    backend::Ticketer::new().ok()
}

/// The start of a client's configuration: TLS 1.3 and 1.2.
fn client_builder() -> ConfigBuilder<ClientConfig, WantsVerifier> {
    sound(
        ClientConfig::builder_with_provider(provider())
            .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12]),
    )
}

/// Unwraps a configuration. rustls refuses versions for which a provider has no cipher suite. [`provider`] is fixed
/// when Portward is built and has suites for both versions, so this error cannot happen.
fn sound<T>(built: Result<T, rustls::Error>) -> T {
    built.unwrap_or_else(|error| unreachable!("the TLS provider lacks a protocol version: {error}"))
}

#[cfg(test)]
mod tests;
