//! OpenSSL's command line, as a peer and as a maker of odd certificates.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::time::{Duration, Instant};

const MISSING: &str = "the tests need the program openssl; on Debian it is in the package openssl";

/// Runs `openssl ARGS` in `dir` with nothing to read; the first word of each argument list is the subcommand.
pub(super) fn run(dir: &Path, args: &[&str]) -> Output {
    let mut child = Command::new("openssl")
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect(MISSING);
    let deadline = Instant::now() + Duration::from_secs(20);
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("openssl {args:?} did not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

/// As [`run`], and it must succeed.
pub(super) fn make(dir: &Path, args: &[&str]) {
    let output = run(dir, args);
    assert!(output.status.success(), "openssl {args:?}: {}", String::from_utf8_lossy(&output.stderr));
}

/// A self-signed certificate of version 1, which webpki does not decode: `NAME.crt` and `NAME.key` in `dir`.
pub(super) fn version_1(dir: &Path, name: &str, subject: &str) {
    let (key, request, cert) = (format!("{name}.key"), format!("{name}.csr"), format!("{name}.crt"));
    make(dir, &["genpkey", "-algorithm", "RSA", "-pkeyopt", "rsa_keygen_bits:2048", "-out", &key]);
    make(dir, &["req", "-new", "-key", &key, "-subj", subject, "-out", &request]);
    make(dir, &["x509", "-req", "-in", &request, "-signkey", &key, "-days", "30", "-out", &cert]);
}

/// `openssl s_server` on a free loopback port, ended with the value.
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Server {
    /// With HTML status pages for answers.
    pub(super) fn start(dir: &Path, args: &[&str]) -> Self {
        let mut child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-www"])
            .args(args)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect(MISSING);
        let output = BufReader::new(child.stdout.take().unwrap());
        // Ends with the server, at the latest; a server that says nothing is ended by its own failure to bind.
        let address =
            output.lines().map_while(Result::ok).find_map(|line| line.strip_prefix("ACCEPT ")?.parse().ok());
        let address = address.expect("openssl s_server did not say where it listens");
        Self { child, address }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
