//! Interoperation with OpenSSL: its key files, its client, its server.

use tokio::net::{TcpListener, TcpStream};

use super::*;
use crate::config::{CertificateFiles, Trust};
use crate::rules::{TargetOptions, Verify};
use crate::service::Service;

#[test]
fn every_usual_form_of_key_loads() {
    let folder = Folder::new();
    let dir = folder.dir.path();
    let ec = ["-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-384"];
    for (name, key) in [
        ("pkcs1", &["genrsa", "-traditional", "-out", "pkcs1.key", "2048"][..]),
        ("pkcs8-rsa", &["genpkey", "-algorithm", "RSA", "-out", "pkcs8-rsa.key"]),
        ("pkcs8-ec", &["genpkey", ec[0], ec[1], ec[2], ec[3], "-out", "pkcs8-ec.key"]),
        ("sec1", &["ecparam", "-genkey", "-name", "prime256v1", "-noout", "-out", "sec1.key"]),
        // By default OpenSSL writes the curve's parameters before the key.
        ("sec1-parameters", &["ecparam", "-genkey", "-name", "prime256v1", "-out", "sec1-parameters.key"]),
        ("ed25519", &["genpkey", "-algorithm", "ED25519", "-out", "ed25519.key"]),
    ] {
        openssl::make(dir, key);
        let (key, cert) = (format!("{name}.key"), format!("{name}.crt"));
        openssl::make(
            dir,
            &["req", "-x509", "-key", &key, "-subj", "/CN=x.example", "-days", "90", "-out", &cert],
        );
    }
    let tls = folder.load();
    let kinds: Vec<_> = tls.certificates().map(|one| (one.name.as_str(), one.facts.key.as_str())).collect();
    let expected = [
        ("ed25519", "Ed25519"),
        ("pkcs1", "RSA 2048"),
        ("pkcs8-ec", "ECDSA P-384"),
        ("pkcs8-rsa", "RSA 2048"),
        ("sec1", "ECDSA P-256"),
        ("sec1-parameters", "ECDSA P-256"),
    ];
    assert_eq!(kinds, expected);
}

/// The output of `openssl s_client ARGS` about a connection to `acceptor`.
async fn s_client(acceptor: Acceptor, dir: &Path, args: &[&str]) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut all: Vec<String> = ["s_client", "-brief", "-connect", &address].map(str::to_owned).into();
    all.extend(args.iter().map(|arg| (*arg).to_owned()));
    let dir = dir.to_owned();
    let client = tokio::task::spawn_blocking(move || {
        let args: Vec<&str> = all.iter().map(String::as_str).collect();
        let output = openssl::run(&dir, &args);
        format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
    });
    within(async {
        let (socket, _) = listener.accept().await.unwrap();
        if let Ok((mut stream, _)) = acceptor.accept(socket).await {
            let _ = stream.read(&mut [0]).await;
            let _ = stream.shutdown().await;
        }
        client.await.unwrap()
    })
    .await
}

#[tokio::test]
async fn openssl_gets_the_certificate_that_it_asks_for_and_can_verify() {
    let ca = DevCa::new().unwrap();
    let folder = Folder::new();
    let dir = folder.dir.path();
    folder.put("first", &ca.server(&["first.example"]).unwrap());
    folder.put("second", &ca.server(&["*.second.example"]).unwrap());
    // A second certificate for the same name, for clients that do not know ECDSA.
    openssl::make(
        dir,
        &[
            "req",
            "-x509",
            "-newkey",
            "rsa:2048",
            "-nodes",
            "-keyout",
            "rsa.key",
            "-subj",
            "/CN=rsa",
            "-addext",
            "subjectAltName=DNS:first.example",
            "-out",
            "rsa.crt",
            "-days",
            "90",
        ],
    );
    let tls = folder.load();
    std::fs::write(dir.join("ca.pem"), ca.certificate_pem()).unwrap();
    let verified = ["-CAfile", "ca.pem", "-verify_return_error"];
    for (args, expected) in [
        (&["-servername", "FIRST.Example", "-verify_hostname", "first.example"][..], "CN = first.example"),
        (&["-servername", "a.second.example", "-tls1_2"], "CN = *.second.example"),
        // An address is not a valid SNI (RFC 6066 section 3), but some clients send it.
        (&["-servername", "192.0.2.1"], "CN = first.example"),
        (&["-noservername"], "CN = first.example"),
    ] {
        let args: Vec<_> = args.iter().chain(&verified).copied().collect();
        let output = s_client(tls.acceptor(Service::Sip).unwrap(), dir, &args).await;
        assert!(output.contains("Verification: OK") && output.contains(expected), "{args:?}: {output}");
    }
    let rsa = ["-servername", "first.example", "-sigalgs", "RSA-PSS+SHA256"];
    let output = s_client(tls.acceptor(Service::Sip).unwrap(), dir, &rsa).await;
    assert!(output.contains("Peer certificate: CN = rsa"), "{output}");
}

#[tokio::test]
async fn openssl_is_a_target_that_demands_a_certificate() {
    let ca = DevCa::new().unwrap();
    let dir = tempfile::tempdir().unwrap();
    let (pbx, own) = (ca.server(&["pbx.example"]).unwrap(), ca.client("portward").unwrap());
    write_pair(dir.path(), "pbx", &pbx.cert_pem, &pbx.key_pem);
    write_pair(dir.path(), "rp", &own.cert_pem, &own.key_pem);
    std::fs::write(dir.path().join("ca.pem"), ca.certificate_pem()).unwrap();
    let (tls, found) = upstream_at_start(&Upstream {
        certificate: Some(CertificateFiles {
            cert: dir.path().join("rp.crt"),
            key: dir.path().join("rp.key"),
        }),
        trust: Trust::Path(dir.path().join("ca.pem")),
        verify: Verify::Ca,
        connect_timeout: Duration::from_secs(5),
    });
    assert!(found.is_empty(), "{found:?}");
    for version in ["-tls1_2", "-tls1_3"] {
        let args = [
            "-cert",
            "pbx.crt",
            "-key",
            "pbx.key",
            "-CAfile",
            "ca.pem",
            "-Verify",
            "1",
            "-verify_return_error",
            version,
        ];
        let server = openssl::Server::start(dir.path(), &args);
        for (service, expected) in [(Service::Sip, true), (Service::Http, false)] {
            let profile = tls.client_config(service, &TargetOptions::default());
            let answer = within(ask(&server, profile.config)).await;
            assert_eq!(answer.is_ok_and(|page| page.contains("200 ok")), expected, "{service} {version}");
        }
        let name = ServerName::try_from("whatever.example").unwrap();
        let shown = within(chain_of(server.address, name)).await.unwrap();
        assert_eq!(
            shown.chain[0].as_ref(),
            pbx.der(),
            "seen although the handshake ends for want of a certificate"
        );
    }
}

async fn ask(server: &openssl::Server, config: Arc<ClientConfig>) -> io::Result<String> {
    let socket = TcpStream::connect(server.address).await?;
    let name = ServerName::try_from("pbx.example").unwrap();
    let mut stream = TlsConnector::from(config).connect(name, socket).await?;
    stream.write_all(b"GET / HTTP/1.0\r\n\r\n").await?;
    let mut page = vec![0; 4096];
    let length = stream.read(&mut page).await?;
    page.truncate(length);
    Ok(String::from_utf8_lossy(&page).into_owned())
}
