//! The certificate for a client, TLS versions, resumption, and the diagnostics of loading.

use rustls::version::{TLS12, TLS13};

use super::*;
use crate::config::CertificateFiles;
use crate::service::Service;

/// Three certificates: `a` has a plain name, `b` the wildcard, `c` another name below the wildcard and an address.
fn three() -> (Folder, [Issued; 3]) {
    let ca = DevCa::new().unwrap();
    let issued = [
        ca.server(&["first.example"]).unwrap(),
        ca.server(&["*.dvl-ckl2.net", "dvl-ckl2.net"]).unwrap(),
        ca.server(&["hq.dvl-ckl2.net", "192.0.2.7"]).unwrap(),
    ];
    let folder = Folder::new();
    for (name, issued) in ["a", "b", "c"].iter().zip(&issued) {
        folder.put(name, issued);
    }
    (folder, issued)
}

async fn shown(tls: &ServerTls, name: &str) -> Vec<u8> {
    let mut leaves = Vec::new();
    for version in [&TLS12, &TLS13] {
        let acceptor = tls.acceptor(Service::Http).unwrap();
        let (client, server) = handshake(&acceptor, &Arc::new(trusting(&[version])), name).await;
        let client = client.unwrap();
        assert_eq!(client.version, Some(version.version));
        assert!(server.unwrap().peer.is_none());
        leaves.push(client.peer.unwrap().to_vec());
    }
    assert_eq!(leaves[0], leaves[1]);
    leaves.swap_remove(0)
}

#[tokio::test]
async fn the_name_chooses_the_certificate() {
    let (mut folder, [a, b, c]) = three();
    let tls = folder.load();
    for (name, expected) in [
        ("hq.dvl-ckl2.net", &c),
        ("HQ.Dvl-Ckl2.NET", &c),
        ("branch-b.dvl-ckl2.net", &b),
        ("dvl-ckl2.net", &b),
        ("a.b.dvl-ckl2.net", &a),
        ("unknown.example", &a),
        ("first.example", &a),
        // For an address a client sends no SNI.
        ("192.0.2.7", &a),
    ] {
        assert_eq!(shown(&tls, name).await, expected.der(), "{name}");
    }
    folder.settings.default = "c".to_owned();
    let tls = folder.load();
    assert_eq!(shown(&tls, "unknown.example").await, c.der());
    assert_eq!(shown(&tls, "192.0.2.1").await, c.der());
}

#[tokio::test]
async fn a_list_keeps_its_order_and_defaults_to_the_first_by_name() {
    let (mut folder, [a, ..]) = three();
    let files = |name| CertificateFiles {
        cert: folder.dir.path().join(format!("{name}.crt")),
        key: folder.dir.path().join(format!("{name}.key")),
    };
    folder.settings.certificates = CertificateSource::List(vec![files("c"), files("a")]);
    let tls = folder.load();
    let names: Vec<_> = tls.certificates().map(|certificate| certificate.name.as_str()).collect();
    assert_eq!(names, ["c", "a"]);
    assert_eq!(shown(&tls, "unknown.example").await, a.der());
}

#[tokio::test]
async fn of_two_for_one_name_the_valid_one_is_shown() {
    let ca = DevCa::new().unwrap();
    let folder = Folder::new();
    let good = ca.server(&["x.example"]).unwrap();
    folder.put("old", &ca.server_valid(&["x.example"], Validity::days(-90, -1)).unwrap());
    folder.put("today", &good);
    let (tls, found) = server_at_start(&folder.settings);
    assert_eq!(messages(&found, Severity::Warning).len(), 1);
    assert_eq!(shown(&tls, "x.example").await, good.der());
}

#[tokio::test]
async fn alpn_is_http_1_1_and_nothing_else() {
    let (folder, _) = three();
    let tls = folder.load();
    let mut config = trusting(&[&TLS13]);
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let config = Arc::new(config);
    let (client, _) = handshake(&tls.acceptor(Service::Http).unwrap(), &config, "first.example").await;
    assert_eq!(client.unwrap().alpn.as_deref(), Some(&b"http/1.1"[..]));
    let (client, _) = handshake(&tls.acceptor(Service::Ldap).unwrap(), &config, "first.example").await;
    assert_eq!(client.unwrap().alpn, None);

    let mut config = trusting(&[&TLS13]);
    config.alpn_protocols = vec![b"h2".to_vec()];
    let (client, server) =
        handshake(&tls.acceptor(Service::Http).unwrap(), &Arc::new(config), "first.example").await;
    assert!(client.unwrap_err().to_string().contains("NoApplicationProtocol"));
    assert!(server.is_err());
}

#[tokio::test]
async fn min_version_refuses_older_clients() {
    let (mut folder, _) = three();
    folder.settings.min_version = TlsVersion::V1_3;
    let acceptor = folder.load().acceptor(Service::Sip).unwrap();
    let (client, server) = handshake(&acceptor, &Arc::new(trusting(&[&TLS12])), "first.example").await;
    assert!(client.unwrap_err().to_string().contains("ProtocolVersion"));
    assert!(server.is_err());
    let (client, _) = handshake(&acceptor, &Arc::new(trusting(&[&TLS12, &TLS13])), "first.example").await;
    assert_eq!(client.unwrap().version, Some(ProtocolVersion::TLSv1_3));
}

#[tokio::test]
async fn sessions_resume_across_a_reload() {
    let (folder, _) = three();
    for version in [&TLS12, &TLS13] {
        let client = Arc::new(trusting(&[version]));
        let before = folder.load();
        let (_, first) = handshake(&before.acceptor(Service::Sip).unwrap(), &client, "first.example").await;
        assert_eq!(first.unwrap().kind, Some(HandshakeKind::Full));

        let (after, _) = ServerTls::load(&folder.settings, Occasion::Reload(Some(&before)));
        drop(before);
        let (_, again) = handshake(&after.acceptor(Service::Sip).unwrap(), &client, "first.example").await;
        assert_eq!(again.unwrap().kind, Some(HandshakeKind::Resumed));

        let (_, other) = handshake(&after.acceptor(Service::Http).unwrap(), &client, "first.example").await;
        assert_eq!(other.unwrap().kind, Some(HandshakeKind::Full), "another service");
    }
}

#[test]
fn one_bad_certificate_leaves_the_others() {
    let (folder, _) = three();
    folder.put("bad", &DevCa::new().unwrap().server(&["bad.example"]).unwrap());
    std::fs::copy(folder.dir.path().join("a.key"), folder.dir.path().join("bad.key")).unwrap();
    std::fs::remove_file(folder.dir.path().join("c.key")).unwrap();
    let (tls, found) = server_at_start(&folder.settings);
    let errors = messages(&found, Severity::Error);
    assert!(
        matches!(&errors[..], [one, other] if one.contains("does not fit") && other.contains("not there: the key of"))
    );
    assert_eq!(found[0].place.file, folder.dir.path().join("bad.crt"));
    assert_eq!(tls.certificates().map(|one| one.name.as_str()).collect::<Vec<_>>(), ["a", "b"]);
    assert!(tls.acceptor(Service::Http).is_some());
}

#[test]
fn without_a_certificate_there_is_a_warning_and_no_acceptor() {
    let mut folder = Folder::new();
    folder.settings.certificates = CertificateSource::Folder(folder.dir.path().join("not-there"));
    folder.settings.default = "x".to_owned();
    let (tls, found) = server_at_start(&folder.settings);
    assert!(matches!(&messages(&found, Severity::Warning)[..], [one] if one.contains("stay closed")));
    assert_eq!(found.len(), 1);
    assert!(tls.acceptor(Service::Http).is_none());
    assert!(tls.uncovered(["a.example"].into_iter()).is_empty());
}

#[test]
fn an_unknown_default_is_a_warning() {
    let (mut folder, _) = three();
    folder.settings.default = "d".to_owned();
    let (tls, found) = server_at_start(&folder.settings);
    assert!(matches!(&messages(&found, Severity::Warning)[..], [one] if one.contains("no such certificate")));
    assert_eq!(tls.default().unwrap().name, "a");
}

#[test]
fn names_of_the_rules_without_a_certificate_are_told() {
    let (folder, _) = three();
    let tls = folder.load();
    let names = [
        "hq.dvl-ckl2.net",
        "dvl-ckl2.net/branch-b",
        "*.dvl-ckl2.net",
        "192.0.2.7",
        "other.example/x",
        "other.example/y",
        "*.other.example",
        "192.0.2.8",
    ];
    let found = tls.uncovered(names.into_iter());
    assert_eq!(
        messages(&found, Severity::Warning),
        [
            "no certificate covers *.other.example",
            "no certificate covers 192.0.2.8",
            "no certificate covers other.example"
        ]
    );
}
