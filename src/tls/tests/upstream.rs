//! The verdicts on targets, the names that are checked, and the configurations that are equal.

use std::path::PathBuf;

use rcgen::{CertificateParams, CustomExtension, KeyPair};
use rustls::ServerConfig;
use rustls::sign::{CertifiedKey, SingleCertAndKey};
use rustls::version::{TLS12, TLS13};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;

use super::*;
use crate::config::Severity;
use crate::config::Trust;
use crate::rules::{Address, TargetOptions, Verify};
use crate::service::Service;

fn upstream(trust: Trust) -> Upstream {
    Upstream { certificate: None, trust, verify: Verify::Ca, connect_timeout: Duration::from_secs(5) }
}

/// TLS toward targets that trusts the certificates in `trust`.
fn trusting_in(trust: &[&str]) -> (TempDir, UpstreamTls) {
    let dir = tempfile::tempdir().unwrap();
    for (number, pem) in trust.iter().enumerate() {
        std::fs::write(dir.path().join(format!("{number}.crt")), pem).unwrap();
    }
    let (tls, found) = upstream_at_start(&upstream(Trust::Path(dir.path().to_owned())));
    assert!(found.iter().all(|one| one.severity == Severity::Warning), "{found:?}");
    (dir, tls)
}

/// Issue 18, item 24: an expired certificate in the store is reported, and so is one that cannot be decoded.
#[test]
fn item_24_a_trust_store_that_is_of_little_use_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let (expired, _) = self_signed(&["pbx.example"], true, false, Validity::days(-9, -1));
    let (good, _) = self_signed(&["pbx.example"], true, false, Validity::days(-1, 30));
    let odd = "-----BEGIN CERTIFICATE-----\nMAA=\n-----END CERTIFICATE-----\n";
    for (name, pem) in [("a.crt", expired.as_str()), ("b.crt", good.as_str()), ("c.crt", odd), ("d.crl", "")]
    {
        std::fs::write(dir.path().join(name), pem).unwrap();
    }
    let (_, found) = upstream_at_start(&upstream(Trust::Path(dir.path().to_owned())));
    let said: Vec<_> = found.iter().map(|one| (one.place.file.file_name().unwrap(), &*one.message)).collect();
    assert!(said[0].0 == "a.crt" && said[0].1.contains(" expired on "), "{said:?}");
    assert!(said[1].0 == "c.crt" && said[1].1.contains("cannot be decoded"), "{said:?}");
    assert!(said[2].0 == "d.crl" && said[2].1 == "this file is not read", "{said:?}");
    assert_eq!(said.len(), 3, "{said:?}");
    assert!(found.iter().all(|one| one.severity == Severity::Warning));
}

/// A target that shows `cert_pem`, even if rustls would refuse it.
fn target(cert_pem: &str, key_pem: &str, version: &'static SupportedProtocolVersion) -> Acceptor {
    let chain = CertificateDer::pem_slice_iter(cert_pem.as_bytes()).collect::<Result<Vec<_>, _>>().unwrap();
    let key = PrivateKeyDer::from_pem_slice(key_pem.as_bytes()).unwrap();
    let key = provider().key_provider.load_private_key(key).unwrap();
    let certified = Arc::new(CertifiedKey::new(chain, key));
    let config = ServerConfig::builder_with_provider(provider())
        .with_protocol_versions(&[version])
        .unwrap()
        .with_no_client_auth()
        .with_cert_resolver(Arc::new(SingleCertAndKey::from(certified)));
    Acceptor::new(Arc::new(config), false)
}

/// Whether a target is accepted, with the error if it is not. TLS 1.2 and 1.3 must agree.
async fn accepted(
    tls: &UpstreamTls,
    options: &TargetOptions,
    (cert_pem, key_pem): (&str, &str),
    name: &str,
) -> Result<(), String> {
    let profile = tls.client_config(Service::Sip, options);
    let mut outcomes = Vec::new();
    for version in [&TLS12, &TLS13] {
        let acceptor = target(cert_pem, key_pem, version);
        let (client, _) = handshake(&acceptor, &profile.config, name).await;
        outcomes.push(client.map(|_| ()).map_err(|error| error.to_string()));
    }
    assert_eq!(outcomes[0], outcomes[1]);
    outcomes.swap_remove(0)
}

fn pair(issued: &Issued) -> (&str, &str) {
    (&issued.cert_pem, &issued.key_pem)
}

#[tokio::test]
async fn a_target_is_held_against_the_trust_store() {
    let ca = DevCa::new().unwrap();
    let (_dir, tls) = trusting_in(&[ca.certificate_pem()]);
    let options = TargetOptions::default();
    let good = ca.server(&["pbx.example", "192.0.2.7"]).unwrap();
    assert_eq!(accepted(&tls, &options, pair(&good), "pbx.example").await, Ok(()));
    assert_eq!(accepted(&tls, &options, pair(&good), "192.0.2.7").await, Ok(()));
    let wrong_name = accepted(&tls, &options, pair(&good), "other.example").await.unwrap_err();
    assert!(wrong_name.contains("not valid for name"), "{wrong_name}");
    let strange = DevCa::new().unwrap().server(&["pbx.example"]).unwrap();
    assert!(accepted(&tls, &options, pair(&strange), "pbx.example").await.is_err());
    let expired = ca.server_valid(&["pbx.example"], Validity::days(-9, -1)).unwrap();
    let expired = accepted(&tls, &options, pair(&expired), "pbx.example").await.unwrap_err();
    assert!(expired.contains("expired"), "{expired}");
}

#[tokio::test]
async fn a_pin_alone_decides() {
    let ca = DevCa::new().unwrap();
    let (_dir, tls) = trusting_in(&[ca.certificate_pem()]);
    let strange = DevCa::new().unwrap().server_valid(&["x.example"], Validity::days(-9, -1)).unwrap();
    let pin = Some(Facts::of(strange.der()).unwrap().fingerprint);
    let options = TargetOptions { pin, ..TargetOptions::default() };
    assert_eq!(accepted(&tls, &options, pair(&strange), "pbx.example").await, Ok(()));
    let good = ca.server(&["pbx.example"]).unwrap();
    assert!(accepted(&tls, &options, pair(&good), "pbx.example").await.is_err());
    let unverified = TargetOptions { verify: Some(Verify::None), ..options };
    assert!(accepted(&tls, &unverified, pair(&good), "pbx.example").await.is_err(), "verify changes nothing");
}

#[tokio::test]
async fn without_verification_everything_goes_but_a_stolen_certificate() {
    let (_dir, tls) = trusting_in(&[DevCa::new().unwrap().certificate_pem()]);
    let options = TargetOptions { verify: Some(Verify::None), ..TargetOptions::default() };
    let strange = DevCa::new().unwrap();
    let (one, other) = (strange.server(&["a.example"]).unwrap(), strange.server(&["a.example"]).unwrap());
    assert_eq!(accepted(&tls, &options, pair(&one), "pbx.example").await, Ok(()));
    let stolen = accepted(&tls, &options, (&one.cert_pem, &other.key_pem), "pbx.example").await.unwrap_err();
    assert!(stolen.contains("BadSignature"), "{stolen}");
}

/// A self-signed certificate as PBXs make them, with or without the CA flag.
fn self_signed(names: &[&str], ca: bool, critical: bool, validity: Validity) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params =
        CertificateParams::new(names.iter().map(|name| (*name).to_owned()).collect::<Vec<_>>()).unwrap();
    (params.not_before, params.not_after) = (validity.not_before, validity.not_after);
    if ca {
        params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    }
    if critical {
        let mut extension = CustomExtension::from_oid_content(&[1, 3, 6, 1, 4, 1, 99999, 1], vec![5, 0]);
        extension.set_criticality(true);
        params.custom_extensions.push(extension);
    }
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

#[tokio::test]
async fn a_self_signed_certificate_in_the_store_is_trusted_for_itself() {
    let options = TargetOptions::default();
    for (ca, critical) in [(false, false), (true, false), (false, true)] {
        let (cert, key) = self_signed(&["pbx.example"], ca, critical, Validity::days(-1, 30));
        let (_dir, tls) = trusting_in(&[&cert]);
        assert_eq!(accepted(&tls, &options, (&cert, &key), "pbx.example").await, Ok(()), "{ca} {critical}");
        let wrong_name = accepted(&tls, &options, (&cert, &key), "other.example").await.unwrap_err();
        assert!(wrong_name.contains("NotValidForName"), "{wrong_name}");
        let (like_it, its_key) = self_signed(&["pbx.example"], ca, critical, Validity::days(-1, 30));
        assert!(accepted(&tls, &options, (&like_it, &its_key), "pbx.example").await.is_err());
    }
    for (validity, expected) in [(Validity::days(-9, -1), "Expired"), (Validity::days(1, 9), "NotValidYet")] {
        let (cert, key) = self_signed(&["pbx.example"], true, false, validity);
        let (_dir, tls) = trusting_in(&[&cert]);
        let refused = accepted(&tls, &options, (&cert, &key), "pbx.example").await.unwrap_err();
        assert!(refused.contains(expected), "{refused}");
    }
}

#[tokio::test]
async fn certificates_that_webpki_cannot_decode_work_with_a_pin_or_without_verification() {
    let dir = tempfile::tempdir().unwrap();
    openssl::version_1(dir.path(), "old", "/CN=pbx.example");
    let read = |name: &str| std::fs::read_to_string(dir.path().join(name)).unwrap();
    let old = (read("old.crt"), read("old.key"));
    let odd = self_signed(&["pbx.example"], false, true, Validity::days(-1, 30));
    let (_trust, tls) = trusting_in(&[DevCa::new().unwrap().certificate_pem()]);
    for (cert, key) in [&old, &odd] {
        let der = CertificateDer::from_pem_slice(cert.as_bytes()).unwrap();
        assert!(rustls::server::ParsedCertificate::try_from(&der).is_err());
        let pin = Some(Facts::of(&der).unwrap().fingerprint);
        let pinned = TargetOptions { pin, ..TargetOptions::default() };
        let unverified = TargetOptions { verify: Some(Verify::None), ..TargetOptions::default() };
        for options in [&pinned, &unverified] {
            assert_eq!(accepted(&tls, options, (cert, key), "pbx.example").await, Ok(()));
            let other_key = if cert == &old.0 {
                openssl::version_1(dir.path(), "other", "/CN=x");
                read("other.key")
            } else {
                KeyPair::generate().unwrap().serialize_pem()
            };
            let stolen = accepted(&tls, options, (cert, &other_key), "pbx.example").await.unwrap_err();
            assert!(stolen.contains("BadSignature"), "{stolen}");
        }
        assert!(accepted(&tls, &TargetOptions::default(), (cert, key), "pbx.example").await.is_err());
    }
    let (_trust, tls) = trusting_in(&[&old.0]);
    assert_eq!(accepted(&tls, &TargetOptions::default(), (&old.0, &old.1), "pbx.example").await, Ok(()));
}

#[test]
fn the_name_is_that_of_the_options_then_the_target_then_the_host() {
    let named = TargetOptions { server_name: Some("said.example".into()), ..TargetOptions::default() };
    let plain = TargetOptions::default();
    let ip = Address::Ip("192.0.2.7".parse().unwrap());
    let dns = Address::Name("pbx.example".into());
    for (options, address, host, expected) in [
        (&named, &dns, "host.example", Some("said.example")),
        (&plain, &dns, "host.example", Some("pbx.example")),
        (&plain, &ip, "host.example", Some("host.example")),
        (&plain, &ip, "host.example/branch-b", Some("host.example")),
        (&plain, &ip, "198.51.100.1", Some("198.51.100.1")),
        (&plain, &ip, "2001:db8::1", Some("2001:db8::1")),
        (&plain, &ip, "[2001:db8::1]/x", Some("2001:db8::1")),
        (&plain, &ip, "*.example", None),
        (&plain, &ip, "no name", None),
    ] {
        let name = server_name(options, address, host);
        assert_eq!(name.as_ref().map(|name| name.to_str().into_owned()).as_deref(), expected, "{host}");
    }
    let (_dir, tls) = trusting_in(&[DevCa::new().unwrap().certificate_pem()]);
    assert_eq!(tls.server_name(&plain, &ip, "no name"), None);
    let unverified = TargetOptions { verify: Some(Verify::None), ..plain };
    let fallen_back = tls.server_name(&unverified, &ip, "no name");
    assert_eq!(fallen_back, ServerName::try_from("192.0.2.7").ok());
}

#[test]
fn equal_settings_are_one_profile_and_a_reload_changes_only_what_has_changed() {
    let ca = DevCa::new().unwrap();
    let (_dir, tls) = trusting_in(&[ca.certificate_pem()]);
    let plain = TargetOptions::default();
    let reuse = TargetOptions { server_name: Some("x.example".into()), ..TargetOptions::default() };
    let pinned = TargetOptions { pin: Some([7; 32]), ..TargetOptions::default() };
    let one = tls.client_config(Service::Sip, &plain);
    let same = tls.client_config(Service::H323, &reuse);
    assert_eq!(one.id, same.id);
    assert!(Arc::ptr_eq(&one.config, &same.config));
    assert_ne!(one.id, tls.client_config(Service::Http, &plain).id);
    assert_ne!(one.id, tls.client_config(Service::Sip, &pinned).id);

    let (_dir, unchanged) = trusting_in(&[ca.certificate_pem()]);
    assert_eq!(one.id, unchanged.client_config(Service::Sip, &plain).id);
    let (_dir, changed) = trusting_in(&[DevCa::new().unwrap().certificate_pem()]);
    assert_ne!(one.id, changed.client_config(Service::Sip, &plain).id);
    assert_eq!(tls.client_config(Service::Sip, &pinned).id, changed.client_config(Service::Sip, &pinned).id);
}

#[test]
fn trust_that_is_missing_empty_or_broken_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let load = |path: PathBuf| upstream_at_start(&upstream(Trust::Path(path))).1;
    for path in [dir.path().join("not-there"), dir.path().to_owned()] {
        let found = load(path);
        assert!(matches!(&messages(&found, Severity::Warning)[..], [one] if one.contains("no certificate")));
        assert_eq!(found.len(), 1);
    }
    std::fs::write(dir.path().join("a.crt"), "nothing").unwrap();
    let found = load(dir.path().to_owned());
    assert_eq!(messages(&found, Severity::Error), ["there is no certificate in this file"]);
    let unverified = Upstream { verify: Verify::None, ..upstream(Trust::Path(dir.path().join("not-there"))) };
    assert!(upstream_at_start(&unverified).1.is_empty());
    let der = dir.path().join("pbx.cer");
    std::fs::write(&der, DevCa::new().unwrap().server(&["a.example"]).unwrap().der()).unwrap();
    assert!(load(der).is_empty(), "one file, DER");
}

#[test]
fn the_system_store_loads() {
    let (tls, found) = upstream_at_start(&upstream(Trust::System));
    // On a machine without a trust store there is a warning, on others none. Neither case is an error.
    assert!(messages(&found, Severity::Error).is_empty());
    let _ = tls.client_config(Service::Http, &TargetOptions::default());
}
