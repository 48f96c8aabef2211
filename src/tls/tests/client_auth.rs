//! The targets to which Portward shows its own certificate.

use rustls::server::WebPkiClientVerifier;
use rustls::{RootCertStore, ServerConfig};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;

use super::*;
use crate::config::{CertificateFiles, Trust};
use crate::rules::{TargetOptions, Verify};
use crate::service::Service;

fn load(dir: &Path, trust: &str) -> (UpstreamTls, Vec<Diagnostic>) {
    std::fs::write(dir.join("ca.pem"), trust).unwrap();
    upstream_at_start(&Upstream {
        certificate: Some(CertificateFiles { cert: dir.join("rp.crt"), key: dir.join("rp.key") }),
        trust: Trust::Path(dir.join("ca.pem")),
        verify: Verify::Ca,
        connect_timeout: Duration::from_secs(5),
    })
}

/// A target that requests a certificate, and accepts clients without one, too.
fn asking(ca: &DevCa) -> Acceptor {
    let issued = ca.server(&["pbx.example"]).unwrap();
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(ca.certificate_pem().as_bytes()).unwrap()).unwrap();
    let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider());
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_client_cert_verifier(verifier.allow_unauthenticated().build().unwrap())
        .with_single_cert(vec![issued.der().to_vec().into()], key)
        .unwrap();
    Acceptor::new(Arc::new(config), false)
}

#[tokio::test]
async fn sip_and_h323_see_it_others_where_it_is_said() {
    let ca = DevCa::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let own = ca.client("portward").unwrap();
    write_pair(dir.path(), "rp", &own.cert_pem, &own.key_pem);
    let (tls, found) = load(dir.path(), ca.certificate_pem());
    assert!(found.is_empty(), "{found:?}");
    assert_eq!(tls.certificate().unwrap().facts.common_name.as_deref(), Some("portward"));
    let acceptor = asking(&ca);
    let said = TargetOptions { present_certificate: true, ..TargetOptions::default() };
    let unsaid = TargetOptions::default();
    for (service, options, expected) in [
        (Service::Sip, &unsaid, true),
        (Service::H323, &unsaid, true),
        (Service::Http, &unsaid, false),
        (Service::Ldap, &unsaid, false),
        (Service::Http, &said, true),
        (Service::Ldap, &said, true),
    ] {
        let profile = tls.client_config(service, options);
        let (client, server) = handshake(&acceptor, &profile.config, "pbx.example").await;
        client.unwrap();
        let seen = server.unwrap().peer.map(|leaf| leaf.to_vec());
        assert_eq!(seen.as_deref(), expected.then(|| own.der()), "{service}");
    }
    assert_ne!(
        tls.client_config(Service::Http, &said).id,
        tls.client_config(Service::Http, &unsaid).id,
        "connections with and without the certificate are never shared"
    );
}

#[test]
fn one_that_cannot_be_used_is_an_error_and_not_presented() {
    let ca = DevCa::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (tls, found) = load(dir.path(), ca.certificate_pem());
    assert!(matches!(&messages(&found, Severity::Error)[..], [one] if one.contains("cannot be read")));
    assert!(tls.certificate().is_none());
    let said = TargetOptions { present_certificate: true, ..TargetOptions::default() };
    assert_eq!(
        tls.client_config(Service::Http, &said).id,
        tls.client_config(Service::Http, &TargetOptions::default()).id
    );
}

#[test]
fn a_renewed_one_makes_another_profile() {
    let ca = DevCa::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let mut ids = Vec::new();
    for _ in 0..2 {
        let own = ca.client("portward").unwrap();
        write_pair(dir.path(), "rp", &own.cert_pem, &own.key_pem);
        ids.push(
            load(dir.path(), ca.certificate_pem())
                .0
                .client_config(Service::Sip, &TargetOptions::default())
                .id,
        );
    }
    assert_ne!(ids[0], ids[1]);
}
