//! `portward cert`, the real program.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::time::{Duration, Instant};

use portward::tls::{DevCa, Issued, provider};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use rustls_pki_types::PrivateKeyDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::Value;

/// Exit code, standard output, standard error.
fn portward(dir: &Path, args: &[&str]) -> (Option<i32>, String, String) {
    let mut child = Command::new(env!("CARGO_BIN_EXE_portward"))
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .unwrap();
    let deadline = Instant::now() + Duration::from_secs(30);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("portward {args:?} did not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().unwrap();
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (output.status.code(), text(output.stdout), text(output.stderr))
}

fn json(text: &str) -> Value {
    serde_json::from_str(text).unwrap()
}

#[test]
fn development_certificates_are_for_the_names_in_the_rules_and_the_configuration_takes_them() {
    let dir = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| std::fs::write(dir.path().join(name), text).unwrap();
    write("portward.toml", "rules = \"rules.toml\"\n[upstream]\ncertificate = \"certs/rp.crt\"\n");
    write(
        "rules.toml",
        "[[host]]\nname = \"dvl-ckl2.net\"\naliases = [\"*.dvl-ckl2.net\"]\ntarget = \"127.0.0.1\"\nldap = true\n\
         [[host]]\nname = \"dvl-ckl2.net/branch-b\"\ntarget = \"127.0.0.1\"\nldap = true\n",
    );
    let arguments =
        ["cert", "dev", "--config", "portward.toml", "--name", "Extra.Example.", "--client", "ckl"];
    let (code, output, errors) = portward(dir.path(), &arguments);
    assert_eq!(code, Some(0), "{errors}");
    assert!(output.contains("certificates = \"certs/server\""), "{output}");

    let (code, output, errors) = portward(dir.path(), &["cert", "list", "--config", "portward.toml"]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(output.contains("*.dvl-ckl2.net, dvl-ckl2.net, extra.example"), "{output}");
    assert!(output.contains("presented to targets"), "{output}");

    let (_, output, _) = portward(dir.path(), &["cert", "list", "--config", "portward.toml", "--json"]);
    let list = json(&output);
    assert_eq!(list["certificates"][0]["name"], "dev");
    assert_eq!(list["certificates"][0]["default"], true);
    assert_eq!(list["certificates"][1]["common_name"], "portward");
    assert_eq!(list["diagnostics"], Value::Array(Vec::new()));

    let (code, _, errors) = portward(dir.path(), &arguments);
    assert_eq!(code, Some(1));
    assert!(errors.contains("exists already") && errors.contains("--force"), "{errors}");
    let forced: Vec<_> = arguments.iter().copied().chain(["--force"]).collect();
    assert_eq!(portward(dir.path(), &forced).0, Some(0));
}

#[test]
fn a_certificate_that_cannot_be_used_makes_the_list_fail() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir_all(dir.path().join("certs/server")).unwrap();
    std::fs::create_dir_all(dir.path().join("rules")).unwrap();
    std::fs::write(dir.path().join("portward.toml"), "").unwrap();
    std::fs::write(dir.path().join("certs/server/a.crt"), "").unwrap();
    let (code, output, errors) = portward(dir.path(), &["cert", "list", "--config", "portward.toml"]);
    assert_eq!((code, output.as_str()), (Some(1), ""));
    assert!(errors.contains("there is no certificate in this file"), "{errors}");
    assert_eq!(portward(dir.path(), &["cert", "list", "--config", "missing.toml"]).0, Some(1));
}

#[test]
fn development_certificates_need_a_name() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("rules")).unwrap();
    std::fs::write(dir.path().join("portward.toml"), "").unwrap();
    let (code, _, errors) = portward(dir.path(), &["cert", "dev", "--config", "portward.toml"]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("--name"), "{errors}");
    assert_eq!(portward(dir.path(), &["cert", "dev", "--name", "a b"]).0, Some(2));
}

/// Serves TLS on one connection. Returns the address.
fn serve_once(issued: &Issued) -> String {
    let key = PrivateKeyDer::from_pem_slice(issued.key_pem.as_bytes()).unwrap();
    let config = ServerConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(vec![issued.der().to_vec().into()], key)
        .unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    std::thread::spawn(move || {
        let (socket, _) = listener.accept().unwrap();
        socket.set_read_timeout(Some(Duration::from_secs(20))).unwrap();
        let connection = ServerConnection::new(Arc::new(config)).unwrap();
        let _ = std::io::copy(&mut StreamOwned::new(connection, socket), &mut std::io::sink());
    });
    address
}

#[test]
fn a_target_is_shown_with_its_pin() {
    let dir = tempfile::tempdir().unwrap();
    let issued = DevCa::new().unwrap().server(&["pbx.example"]).unwrap();
    let address = serve_once(&issued);
    let (code, output, errors) = portward(dir.path(), &["cert", "show", &address]);
    assert_eq!((code, errors.as_str()), (Some(0), ""));
    assert!(output.contains("CN=pbx.example") && output.contains("[target.\"127.0.0.1\"]"), "{output}");
    let pin = output.lines().find_map(|line| line.trim().strip_prefix("pin = ")).unwrap().to_owned();

    let address = serve_once(&issued);
    let (code, output, _) =
        portward(dir.path(), &["cert", "show", &address, "--server-name", "pbx.example", "--json"]);
    assert_eq!(code, Some(0));
    let shown = json(&output);
    assert_eq!(format!("{}", shown["pin"]), pin);
    assert_eq!(shown["chain"][0]["names"][0], "pbx.example");
}

#[test]
fn a_target_that_cannot_be_shown_says_why() {
    let dir = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let closed = std::thread::spawn(move || drop(listener.accept().unwrap()));
    let (code, _, errors) = portward(dir.path(), &["cert", "show", &address]);
    closed.join().unwrap();
    assert_eq!(code, Some(1));
    assert!(errors.contains("no TLS there"), "{errors}");
    // The listener is closed by now.
    let (code, _, errors) = portward(dir.path(), &["cert", "show", &address]);
    assert_eq!(code, Some(1));
    assert!(errors.contains("no connection"), "{errors}");
    assert_eq!(portward(dir.path(), &["cert", "show", "pbx"]).0, Some(2));
}
