//! Paths that demand a login (contract section 9, Logins; issue 21 item 3). Debian's apache2-utils has the htpasswd
//! that makes the lines.

mod answers;
mod dialogue;
mod files;
mod flood;
mod oracle;
mod secure;
mod sync;

use std::process::Command;

use crate::harness::{Message, Portward, Setup, Target, Wire, program};

const HOST: &str = "app.example.net";

/// A line of htpasswd with bcrypt of this cost.
fn line(user: &str, password: &str, cost: u32) -> String {
    htpasswd(&["-nbB", "-C", &cost.to_string(), user, password])
}

fn htpasswd(args: &[&str]) -> String {
    let output = Command::new(program("htpasswd", "apache2-utils")).args(args).output().unwrap();
    assert!(output.status.success(), "{args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
}

/// Two tenants with a login each, a disabled one, one without logins, and one below the disabled one. `more` is added
/// to the entries of the host.
fn rules(target: &Target, cost: u32, more: &str) -> String {
    let port = target.port();
    let lines = |user: &str, password: &str| line(user, password, cost);
    format!(
        "[tenant.ACME]\nlogin = [\"{}\", \"{}\"]\n\
         [tenant.OTHER]\nlogin = [\"{}\"]\n\
         [tenant.GONE]\nenabled = false\nlogin = [\"{}\"]\n\
         [tenant.BELOW]\nparent = \"GONE\"\nlogin = [\"{}\"]\n\
         [tenant.NOBODY]\n\
         [[host]]\nname = \"{HOST}\"\ntarget = \"127.0.0.1\"\nhttp = [\n\
         {{ path = \"/mno/{{tenant}}\", login = \"tenant\", tcp = {port} }},\n\
         {{ path = \"/mno/{{tenant}}/saml\", tcp = {port} }},\n{more}]\n",
        lines("key", "s3cret-of-acme"),
        lines("second", "another: one"),
        lines("key", "s3cret-of-other"),
        lines("key", "s3cret-of-gone"),
        lines("key", "s3cret-of-below"),
    )
}

fn setup(target: &Target, more: &str) -> Setup {
    Portward::rules(&rules(target, 4, more)).one_worker()
}

/// The field of a login.
fn basic(user: &str, password: &str) -> String {
    format!("Authorization: Basic {}\r\n", base64(format!("{user}:{password}").as_bytes()))
}

fn base64(octets: &[u8]) -> String {
    const DIGITS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for three in octets.chunks(3) {
        let bits = (0..3).fold(0u32, |bits, at| bits << 8 | u32::from(*three.get(at).unwrap_or(&0)));
        for digit in 0..4 {
            let sign = DIGITS[(bits >> (18 - 6 * digit)) as usize & 63];
            text.push(if digit <= three.len() { char::from(sign) } else { '=' });
        }
    }
    text
}

fn get(wire: &mut Wire, path: &str, login: &str) -> Message {
    wire.ask(format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{login}\r\n"))
}

/// All octets of the answer to a request, without the date.
fn octets(mut wire: Wire, path: &str, login: &str) -> String {
    wire.send(format!("GET {path} HTTP/1.1\r\nHost: {HOST}\r\n{login}Connection: close\r\n\r\n"));
    let all = String::from_utf8(wire.rest()).unwrap();
    all.split_inclusive('\n').filter(|line| !line.starts_with("Date: ")).collect()
}
