//! Real handshakes between the two sides of this module, and with OpenSSL.

mod client_auth;
mod foreign;
mod openssl;
mod possession;
mod server;
mod upstream;

use std::future::Future;
use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rustls::{
    CipherSuite, ClientConfig, HandshakeKind, NamedGroup, ProtocolVersion, SupportedProtocolVersion,
};
use rustls_pki_types::{CertificateDer, ServerName};
use tempfile::TempDir;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio_rustls::TlsConnector;

use super::verify::{TargetVerifier, VerifyBy};
use super::*;
use crate::config::{CertificateSource, Diagnostic, Severity, Tls, TlsVersion, Upstream};

/// Bounds a wait in these tests.
async fn within<T>(work: impl Future<Output = T>) -> T {
    tokio::time::timeout(Duration::from_secs(20), work).await.expect("the deadline has passed")
}

/// The server TLS that a start makes from the settings, with its diagnostics.
fn server_at_start(settings: &Tls) -> (ServerTls, Vec<Diagnostic>) {
    let (tls, found) = ServerTls::load(settings, Occasion::Start);
    (tls, found.problems)
}

/// The same for TLS toward targets.
fn upstream_at_start(settings: &Upstream) -> (UpstreamTls, Vec<Diagnostic>) {
    let (tls, found) = UpstreamTls::load(settings, Occasion::Start);
    (tls, found.problems)
}

/// A folder of server certificates and the settings that name it.
struct Folder {
    dir: TempDir,
    settings: Tls,
}

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let settings = Tls {
            certificates: CertificateSource::Folder(dir.path().to_owned()),
            default: String::new(),
            client_trust: dir.path().join("client-trust"),
            min_version: TlsVersion::V1_2,
            acme: None,
        };
        Self { dir, settings }
    }

    fn put(&self, name: &str, issued: &Issued) {
        write_pair(self.dir.path(), name, &issued.cert_pem, &issued.key_pem);
    }

    /// Loads the certificates, and expects no diagnostics.
    fn load(&self) -> ServerTls {
        let (tls, found) = server_at_start(&self.settings);
        assert!(found.is_empty(), "{found:?}");
        tls
    }
}

fn write_pair(dir: &Path, name: &str, cert_pem: &str, key_pem: &str) {
    use std::os::unix::fs::PermissionsExt as _;
    let key = dir.join(format!("{name}.key"));
    std::fs::write(dir.join(format!("{name}.crt")), cert_pem).unwrap();
    std::fs::write(&key, key_pem).unwrap();
    std::fs::set_permissions(&key, std::fs::Permissions::from_mode(0o600)).unwrap();
}

/// A client that trusts every certificate.
fn trusting(versions: &[&'static SupportedProtocolVersion]) -> ClientConfig {
    ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TargetVerifier::new(VerifyBy::Nothing)))
        .with_no_client_auth()
}

/// What one side saw of a connection on which one byte was sent in each direction.
#[derive(Debug)]
struct Seen {
    version: Option<ProtocolVersion>,
    kind: Option<HandshakeKind>,
    alpn: Option<Vec<u8>>,
    /// The peer's leaf.
    peer: Option<CertificateDer<'static>>,
    /// As the server sees it: whether the client holds its key.
    possession: Possession,
}

impl Seen {
    fn of(common: &rustls::CommonState) -> Self {
        Self {
            version: common.protocol_version(),
            kind: common.handshake_kind(),
            alpn: common.alpn_protocol().map(<[u8]>::to_vec),
            peer: common
                .peer_certificates()
                .and_then(|chain| chain.first())
                .cloned()
                .map(CertificateDer::into_owned),
            possession: Possession::Unproven,
        }
    }
}

/// A handshake over a pipe: what the client saw, and what the server saw.
async fn handshake(
    acceptor: &Acceptor,
    client: &Arc<ClientConfig>,
    name: &str,
) -> (io::Result<Seen>, io::Result<Seen>) {
    let (near, far) = tokio::io::duplex(64 * 1024);
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let client = async move {
        let mut stream = TlsConnector::from(Arc::clone(client)).connect(name, near).await?;
        stream.write_all(b"?").await?;
        stream.read_exact(&mut [0]).await?;
        Ok(Seen::of(stream.get_ref().1))
    };
    let server = async move {
        let (mut stream, possession) = acceptor.accept(far).await?;
        stream.read_exact(&mut [0]).await?;
        stream.write_all(b"!").await?;
        stream.flush().await?;
        Ok(Seen { possession, ..Seen::of(stream.session()) })
    };
    within(async { tokio::join!(client, server) }).await
}

fn messages(found: &[Diagnostic], severity: Severity) -> Vec<&str> {
    found.iter().filter(|one| one.severity == severity).map(|one| one.message.as_str()).collect()
}

#[test]
fn both_versions_have_suites_and_x25519_comes_first() {
    let provider = provider();
    assert!(provider.cipher_suites.iter().any(|suite| suite.tls13().is_some()));
    assert!(provider.cipher_suites.iter().any(|suite| suite.tls13().is_none()));
    assert_eq!(provider.cipher_suites[0].suite(), CipherSuite::TLS13_AES_128_GCM_SHA256);
    let groups: Vec<_> = provider.kx_groups.iter().map(|group| group.name()).collect();
    assert_eq!(groups[..2], [NamedGroup::X25519, NamedGroup::secp256r1]);
    let _ = client_builder();
    assert!(ticketer().is_some());
}
