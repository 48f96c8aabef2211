//! OpenSSL's command line, as a peer and as a maker of unusual certificates.

use std::io::{BufRead as _, BufReader};
use std::net::SocketAddr;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

/// How long an OpenSSL command may take.
const DEADLINE: Duration = Duration::from_secs(20);

const MISSING: &str = "the tests need the program openssl; on Debian it is in the package openssl";

/// Runs `openssl ARGS` in `dir` with an empty input. The first argument is the subcommand.
pub(super) fn run(dir: &Path, args: &[&str]) -> Output {
    let mut child = Command::new("openssl")
        .args(args)
        .current_dir(dir)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect(MISSING);
    let deadline = Instant::now() + DEADLINE;
    while child.try_wait().unwrap().is_none() {
        if Instant::now() > deadline {
            child.kill().unwrap();
            panic!("openssl {args:?} did not end");
        }
        std::thread::sleep(Duration::from_millis(5));
    }
    child.wait_with_output().unwrap()
}

/// As [`run`]. The command must succeed.
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

/// `openssl s_server` on a free loopback port. It ends when the value is dropped.
pub(super) struct Server {
    child: Child,
    pub(super) address: SocketAddr,
}

impl Server {
    /// Starts the server. It answers with HTML status pages.
    pub(super) fn start(dir: &Path, args: &[&str]) -> Self {
        let child = Command::new("openssl")
            .args(["s_server", "-accept", "127.0.0.1:0", "-www"])
            .args(args)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()
            .expect(MISSING);
        let mut server = Self { child, address: SocketAddr::from(([127, 0, 0, 1], 0)) };
        let output = BufReader::new(server.child.stdout.take().unwrap());
        let (said, heard) = mpsc::channel();
        // The thread ends with the server, whose output it reads.
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some(address) = line.strip_prefix("ACCEPT ").and_then(|rest| rest.parse().ok()) {
                    let _ = said.send(address);
                }
            }
        });
        server.address = heard.recv_timeout(DEADLINE).expect("openssl s_server did not say where it listens");
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
