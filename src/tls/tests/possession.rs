//! Clients that do not prove that they hold the key of their certificate. The handshake may go on or fail. The verdict
//! is never `ok`, not even on a resumed session.

use rustls::client::{ResolvesClientCert, Resumption};
use rustls::sign::{CertifiedKey, Signer, SigningKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls::{SignatureAlgorithm, SignatureScheme};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{PrivateKeyDer, UnixTime};

use super::*;
use crate::service::Service;

/// A key that claims to sign with a scheme of the test's choice, whatever the server has asked for.
#[derive(Debug)]
struct Claims {
    key: Arc<dyn SigningKey>,
    scheme: SignatureScheme,
}

impl SigningKey for Claims {
    fn choose_scheme(&self, _: &[SignatureScheme]) -> Option<Box<dyn Signer>> {
        Some(Box::new(Self { key: Arc::clone(&self.key), scheme: self.scheme }))
    }

    fn algorithm(&self) -> SignatureAlgorithm {
        self.key.algorithm()
    }
}

impl Signer for Claims {
    /// Signs with the key's own scheme if it is the claimed one. Otherwise the signature is not real.
    fn sign(&self, message: &[u8]) -> Result<Vec<u8>, rustls::Error> {
        let own = self.key.choose_scheme(&[self.scheme]);
        own.map_or_else(|| Ok(vec![0x5a; 64]), |signer| signer.sign(message))
    }

    fn scheme(&self) -> SignatureScheme {
        self.scheme
    }
}

fn key(pem: &str) -> Arc<dyn SigningKey> {
    provider().key_provider.load_private_key(PrivateKeyDer::from_pem_slice(pem.as_bytes()).unwrap()).unwrap()
}

fn client(
    version: &'static SupportedProtocolVersion,
    chain: Vec<CertificateDer<'static>>,
    key: Arc<dyn SigningKey>,
) -> Arc<ClientConfig> {
    let resolver: Arc<dyn ResolvesClientCert> =
        Arc::new(SingleCertAndKey::from(Arc::new(CertifiedKey::new(chain, key))));
    let mut config = ClientConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(TargetVerifier::new(VerifyBy::Nothing)))
        .with_client_cert_resolver(resolver);
    config.resumption = Resumption::in_memory_sessions(8);
    Arc::new(config)
}

struct Front {
    _folder: Folder,
    acceptor: Acceptor,
    trust: ClientTrust,
    ca: DevCa,
}

impl Front {
    fn new() -> Self {
        let (ca, folder) = (DevCa::new().unwrap(), Folder::new());
        folder.put("server", &ca.server(&["front.example"]).unwrap());
        std::fs::create_dir(folder.dir.path().join("trust")).unwrap();
        std::fs::write(folder.dir.path().join("trust/ca.crt"), ca.certificate_pem()).unwrap();
        let (trust, found) = ClientTrust::load(&folder.dir.path().join("trust"), Occasion::Start);
        assert!(found.problems.is_empty(), "{found:?}");
        let acceptor = folder.load().acceptor(Service::Sip).unwrap();
        Self { _folder: folder, acceptor, trust, ca }
    }

    /// The verdict on a client's connection. `None`: the handshake fails.
    async fn verdict(&self, client: &Arc<ClientConfig>, kind: HandshakeKind) -> Option<String> {
        let (_, seen) = handshake(&self.acceptor, client, "front.example").await;
        let seen = seen.ok()?;
        assert_eq!(seen.kind, Some(kind));
        let chain: Vec<_> = seen.peer.into_iter().collect();
        Some(self.trust.judge(&chain, seen.possession, UnixTime::now()).to_string())
    }

    /// The verdicts on a full handshake and on a resumed one.
    async fn verdicts(&self, client: &Arc<ClientConfig>) -> [Option<String>; 2] {
        let full = self.verdict(client, HandshakeKind::Full).await;
        let resumed = match full {
            Some(_) => self.verdict(client, HandshakeKind::Resumed).await,
            None => None,
        };
        [full, resumed]
    }
}

#[tokio::test]
async fn a_session_is_worth_what_its_first_handshake_has_proven() {
    let front = Front::new();
    let own = front.ca.client("ckl").unwrap();
    let other = front.ca.client("other").unwrap();
    let chain = vec![CertificateDer::from(own.der().to_vec())];
    let claims = |pem: &str, scheme| Arc::new(Claims { key: key(pem), scheme });
    let rsa = openssl_key(&["genrsa", "2048"]);
    let unusable = Some("unusable".to_owned());
    for version in [&TLS12, &TLS13] {
        let good = client(version, chain.clone(), key(&own.key_pem));
        assert_eq!(front.verdicts(&good).await, [Some("ok(ckl)".to_owned()), Some("ok(ckl)".to_owned())]);
        // A stolen certificate with another key of the same kind: the signature is wrong.
        let stolen = client(version, chain.clone(), key(&other.key_pem));
        assert_eq!(front.verdicts(&stolen).await, [None, None]);
        // A stolen certificate with a scheme that cannot be verified.
        for scheme in [
            SignatureScheme::ECDSA_SHA1_Legacy,
            SignatureScheme::RSA_PKCS1_SHA1,
            SignatureScheme::ED448,
            SignatureScheme::Unknown(0x0402),
            SignatureScheme::Unknown(0xfefe),
        ] {
            let odd = client(version, chain.clone(), claims(&own.key_pem, scheme));
            assert_eq!(front.verdicts(&odd).await, [unusable.clone(), unusable.clone()], "{scheme:?}");
        }
        // A stolen certificate with a key of another kind, whose signature is right for that key.
        let mixed = client(version, chain.clone(), key(&rsa));
        assert_eq!(front.verdicts(&mixed).await, [unusable.clone(), unusable.clone()]);
    }
}

#[tokio::test]
async fn what_is_no_certificate_or_a_long_one_fails_no_handshake() {
    let front = Front::new();
    let own = front.ca.client("ckl").unwrap();
    for version in [&TLS12, &TLS13] {
        for chain in [
            vec![CertificateDer::from(b"no certificate".to_vec())],
            vec![CertificateDer::from(own.der()[..own.der().len() / 2].to_vec())],
            vec![CertificateDer::from(vec![0x30; 20_000])],
        ] {
            let length = chain[0].len();
            let shows = client(version, chain, key(&own.key_pem));
            assert_eq!(
                front.verdict(&shows, HandshakeKind::Full).await.as_deref(),
                Some("unusable"),
                "{length}"
            );
        }
        // A good chain that is too long to be kept with a session. So each handshake is a full one.
        let long = vec![CertificateDer::from(own.der().to_vec()), CertificateDer::from(vec![0x30; 30_000])];
        let shows = client(version, long, key(&own.key_pem));
        for _ in 0..2 {
            assert_eq!(front.verdict(&shows, HandshakeKind::Full).await.as_deref(), Some("ok(ckl)"));
        }
    }
}

fn openssl_key(args: &[&str]) -> String {
    String::from_utf8(openssl::run(Path::new("."), args).stdout).unwrap()
}
