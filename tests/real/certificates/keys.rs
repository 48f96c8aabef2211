//! Item 13: certificates of clients and targets whose keys make signatures that the TLS library cannot verify, with
//! OpenSSL on the other side.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::path::Path;
use std::process::{Command, Stdio};

use super::authority::write;
use super::{HOST, Pbx, Spoken, front};
use crate::harness::{Child, Portward, command, eventually, free_port, program, sip, within};

/// A key of 16384 bits.
const RSA_16384: &str = include_str!("rsa16384.key");

/// The subject of the client's certificate in each case.
const SUBJECT: &str = "/CN=ckl";

/// How OpenSSL makes a key, the versions of TLS in which it can sign with it, and the verdict on its certificate.
struct Kind {
    name: &'static str,
    make: &'static [&'static str],
    versions: &'static [&'static str],
    verdict: &'static str,
}

const BOTH: &[&str] = &["-tls1_2", "-tls1_3"];
const OLD: &[&str] = &["-tls1_2"];
const NEW: &[&str] = &["-tls1_3"];

/// RSA of 512 bits has no room for the padding of TLS 1.3. TLS 1.3 has neither these curves nor DSA.
const KINDS: [Kind; 15] = [
    kind("rsa512", &["genrsa", "512"], OLD, "unusable"),
    kind("rsa768", &["genrsa", "768"], BOTH, "unusable"),
    kind("rsa1024", &["genrsa", "1024"], BOTH, "unusable"),
    kind("rsa1536", &["genrsa", "1536"], BOTH, "unusable"),
    kind("rsa2047", &["genrsa", "2047"], BOTH, "unusable"),
    kind("rsa16384", &[], BOTH, "unusable"),
    kind(
        "rsa-pss",
        &["genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"],
        NEW,
        "unusable",
    ),
    kind("secp256k1", &["ecparam", "-genkey", "-noout", "-name", "secp256k1"], OLD, "unusable"),
    kind("brainpool256", &["ecparam", "-genkey", "-noout", "-name", "brainpoolP256r1"], OLD, "unusable"),
    kind("brainpool384", &["ecparam", "-genkey", "-noout", "-name", "brainpoolP384r1"], OLD, "unusable"),
    kind("ed448", &["genpkey", "-algorithm", "ED448"], BOTH, "unusable"),
    // OpenSSL shows no DSA certificate, because rustls lists no scheme for it.
    kind("dsa", &["dsaparam", "-genkey", "-noout", "2048"], OLD, "none"),
    // Keys that can be verified, made and shown in the same way.
    kind("rsa2048", &["genrsa", "2048"], BOTH, "ok(ckl)"),
    kind("p384", &["ecparam", "-genkey", "-noout", "-name", "secp384r1"], BOTH, "ok(ckl)"),
    kind("ed25519", &["genpkey", "-algorithm", "ED25519"], BOTH, "ok(ckl)"),
];

const fn kind(
    name: &'static str,
    make: &'static [&'static str],
    versions: &'static [&'static str],
    verdict: &'static str,
) -> Kind {
    Kind { name, make, versions, verdict }
}

fn openssl(dir: &Path, args: &[&str]) -> Vec<u8> {
    let output = Command::new(program("openssl", "openssl")).args(args).current_dir(dir).output().unwrap();
    assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
    output.stdout
}

/// A CA, and a certificate of it for every kind of key: `NAME.crt`, `NAME.key`.
fn make(dir: &Path, subject: &str, extension: &str) {
    let ca = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "ca.key", "-out", "ca.crt"];
    openssl(dir, &[&ca[..], &["-subj", "/CN=CA", "-days", "9"]].concat());
    write(dir, &[("ext", extension), ("rsa16384.key", RSA_16384)]);
    for kind in &KINDS {
        let [key, request, certificate] = ["key", "csr", "crt"].map(|end| format!("{}.{end}", kind.name));
        if !kind.make.is_empty() {
            std::fs::write(dir.join(&key), openssl(dir, kind.make)).unwrap();
        }
        openssl(dir, &["req", "-new", "-key", &key, "-subj", subject, "-out", &request]);
        let sign = ["x509", "-req", "-CA", "ca.crt", "-CAkey", "ca.key", "-days", "9", "-extfile", "ext"];
        openssl(dir, &[&sign[..], &["-in", &request, "-out", &certificate]].concat());
    }
}

/// The output of `openssl s_client` while it registers: the kind of session, and the PBX's answer.
fn register(dir: &Path, port: u16, args: &[&str]) -> String {
    let connect = format!("127.0.0.1:{port}");
    let usual = ["s_client", "-connect", &connect, "-servername", HOST, "-ign_eof", "-nocommands"];
    let mut child = Command::new(program("timeout", "coreutils"))
        .args(["20", program("openssl", "openssl").to_str().unwrap()])
        .args(usual)
        .args(["-cipher", "DEFAULT@SECLEVEL=0"])
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let _ = stdin.write_all(sip::request("REGISTER", &format!("ckl@{HOST}"), "").as_bytes());
    let mut stdout = child.stdout.take().unwrap();
    let mut said = Vec::new();
    let mut some = [0; 4096];
    while !String::from_utf8_lossy(&said).contains("Server: ") {
        match stdout.read(&mut some) {
            Ok(0) | Err(_) => break,
            Ok(count) => said.extend_from_slice(&some[..count]),
        }
    }
    drop(stdin);
    let _ = child.kill();
    let _ = child.wait();
    String::from_utf8_lossy(&said).into_owned()
}

/// The CA is trusted, so that only the key decides.
#[test]
fn a_key_that_cannot_be_verified_fails_no_handshake_and_proves_nothing() {
    within(110, || {
        let pbx = Pbx::start();
        let front = front(&pbx.host(HOST, "", ""));
        let dir = tempfile::TempDir::new().unwrap();
        let dir = dir.path();
        make(dir, SUBJECT, "extendedKeyUsage=clientAuth\n");
        std::fs::copy(dir.join("ca.crt"), front.dir().join("trust/ca.crt")).unwrap();
        let portward = front.start();
        for Kind { name, versions, verdict, .. } in &KINDS {
            let [certificate, key] = ["crt", "key"].map(|end| format!("{name}.{end}"));
            for version in *versions {
                let session = format!("{name}{version}.session");
                let shown = ["-cert", &certificate, "-key", &key, version];
                for (resumed, with) in
                    [("New, ", ["-sess_out", &session]), ("Reused, ", ["-sess_in", &session])]
                {
                    let mark = portward.mark();
                    let said = register(dir, portward.port("sips"), &[&shown[..], &with].concat());
                    let way = if verdict.starts_with("ok") { "TLS" } else { "plain" };
                    let lines = portward.lines_since(mark);
                    assert!(
                        said.contains(&format!("Server: {way}\r\n")) && said.contains(resumed),
                        "{name} {version} {resumed}: {said}\n{lines:?}"
                    );
                    portward.decision_after(mark, &[&format!("REGISTER cert={verdict} -> ")]);
                }
            }
        }
        let lines = portward.lines().join("\n");
        assert!(!lines.contains("rejected"), "{lines}");
        assert_eq!(pbx.seen(Spoken::Sip)[1], 3 * 2 * 2, "only the keys that can be verified went out by TLS");
    });
}

/// `openssl s_server` with such a key, which answers a request.
fn target(dir: &Path, name: &str, version: &str) -> (Child, u16) {
    let port = free_port();
    let [certificate, key] = ["crt", "key"].map(|end| format!("{name}.{end}"));
    let accept = format!("127.0.0.1:{port}");
    let mut command = Command::new(program("openssl", "openssl"));
    command.current_dir(dir).args(["s_server", "-accept", &accept, "-www", "-cipher", "DEFAULT@SECLEVEL=0"]);
    let child = Child::start(command.args(["-cert", &certificate, "-key", &key, version]));
    eventually("the target listens", || std::net::TcpStream::connect(("127.0.0.1", port)).is_ok());
    (child, port)
}

/// The fingerprint of `NAME.crt` as a pin.
fn pin(dir: &Path, name: &str) -> String {
    let certificate = format!("{name}.crt");
    let said = openssl(dir, &["x509", "-noout", "-fingerprint", "-sha256", "-in", &certificate]);
    let said = String::from_utf8(said).unwrap().trim().to_lowercase();
    let line = BufReader::new(said.as_bytes()).lines().next().unwrap().unwrap();
    format!("sha256:{}", line.split('=').nth(1).unwrap().replace(':', ""))
}

/// Keys of targets, the versions of TLS in which OpenSSL and Portward have common schemes, and whether a pin can be
/// checked. In TLS 1.2 OpenSSL uses only curves that the client lists for the key exchange as well.
const TARGETS: [(&str, &[&str], bool); 9] = [
    ("rsa512", OLD, true),
    ("rsa768", BOTH, true),
    ("rsa1024", BOTH, true),
    ("rsa1536", BOTH, true),
    ("rsa2047", BOTH, true),
    ("rsa16384", BOTH, true),
    ("rsa-pss", NEW, false),
    ("ed448", NEW, false),
    ("rsa2048", BOTH, true),
];

#[test]
fn a_target_with_such_a_key_works_unverified_and_with_a_pin_where_that_can_be_checked() {
    within(110, || {
        let dir = tempfile::TempDir::new().unwrap();
        let dir = dir.path();
        make(dir, "/CN=one.example.net", "subjectAltName=DNS:one.example.net\n");
        for (name, versions, verifiable) in TARGETS {
            for version in versions {
                let (_target, port) = target(dir, name, version);
                let status = |options: &str| {
                    let rules = format!(
                        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"\", tls = {port} }}]\n\
                         [target.\"127.0.0.1\"]\n{options}\n"
                    );
                    let setup = Portward::rules(&rules)
                        .set("upstream.verify", "\"ca\"")
                        .set("upstream.trust", &format!("{:?}", dir.join("ca.crt")));
                    setup.start().plain().get("one.example.net", "/").status()
                };
                let cell = format!("{name} {version}");
                assert_eq!(status("verify = \"none\""), 200, "{cell}");
                let pinned = status(&format!("pin = \"{}\"", pin(dir, name)));
                assert_eq!(pinned, if verifiable { 200 } else { 502 }, "{cell} with a pin");
                let trusted = status("");
                assert_eq!(trusted, if name == "rsa2048" { 200 } else { 502 }, "{cell} by its CA");
                let shown = command(20, dir, &["cert", "show", &format!("127.0.0.1:{port}")]);
                assert_eq!(shown.code, 0, "{cell}: {shown:?}");
                let expected = if verifiable { pin(dir, name) } else { "verify = \"none\"".to_owned() };
                assert!(shown.out.contains(&expected), "{cell}: {shown:?}");
            }
        }
    });
}
