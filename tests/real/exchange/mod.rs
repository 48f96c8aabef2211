//! Issue 22, item 2: credentials that Portward makes: `portward token` and `exchange = "sip"` (SPEC section 9).

mod token;

use std::io::Write as _;
use std::process::{Command, Stdio};
use std::time::{SystemTime, UNIX_EPOCH};

use crate::harness::program;

/// Seconds since 1970.
pub fn now() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_secs()
}

/// The password of a username, as OpenSSL makes it: base64(HMAC-SHA1(secret, username)). `hash` is `sha1` or `sha256`.
pub fn password(hash: &str, secret: &str, username: &str) -> String {
    let mac = run("openssl", &["dgst", &format!("-{hash}"), "-hmac", secret, "-binary"], username.as_bytes());
    let base64 = run("openssl", &["base64", "-A"], &mac);
    String::from_utf8(base64).unwrap()
}

fn run(name: &str, args: &[&str], input: &[u8]) -> Vec<u8> {
    let mut child = Command::new(program(name, name))
        .args(args)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    child.stdin.take().unwrap().write_all(input).unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success(), "{name} {args:?}");
    output.stdout
}
