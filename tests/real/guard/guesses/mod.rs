//! Guessing passwords (contract section 6). A script may vary spelling, pipelining, connections, nonces and order: 20
//! refused logins never list its address, and the 21st always does. Issue 15, section C.

mod h323;
mod ldap;
mod sip;
mod web;

use std::net::IpAddr;

use super::{address, judged};
use crate::harness::{Portward, Wire};

/// Numbers that look random and are the same in every run (xorshift64).
struct Dice(u64);

impl Dice {
    fn roll(&mut self, below: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % below as u64).unwrap()
    }

    fn one<'a, T: ?Sized>(&mut self, of: &[&'a T]) -> &'a T {
        of[self.roll(of.len())]
    }
}

/// How often each protocol is tried, each time with other numbers and from another address.
const SEEDS: u8 = 6;

/// `/open` is a web server, `/login` is the test's own target.
fn rules(web: u16, login: u16, sip: u16, ldap: u16) -> String {
    format!(
        "[[host]]\nname = \"one.example.net\"\naliases = [\"two.example.net\"]\ntarget = \"127.0.0.1\"\n\
         http = [{{ path = \"/open\", tcp = {web} }}, {{ path = \"/login\", tcp = {login} }}]\n\
         sip = {{ tcp = {sip}, tls = false }}\nldap = {{ tcp = {ldap}, tls = false }}\n"
    )
}

/// Whether `from` is served.
fn is_served(portward: &Portward, from: IpAddr) -> bool {
    let mut client = Wire::plain_from(from, portward.http);
    let _ = client.try_send("GET /open HTTP/1.1\r\nHost: one.example.net\r\nConnection: close\r\n\r\n");
    client.rest().starts_with(b"HTTP/1.1 200 ")
}

/// Lets `guess` guess 21 times.
fn the_21st_lists(portward: &Portward, number: u8, mut guess: impl FnMut(&mut Dice)) {
    let mut dice = Dice(0x9e37_79b9_7f4a_7c15 ^ u64::from(number));
    (0..20).for_each(|_| guess(&mut dice));
    assert!(is_served(portward, address(number)), "{number}: listed too early");
    guess(&mut dice);
    assert!(!is_served(portward, address(number)), "{number}: not listed at the 21st");
}

/// A parameter of a challenge.
fn nonce_of(challenge: &str) -> String {
    challenge.split("nonce=\"").nth(1).unwrap().split('"').next().unwrap().to_owned()
}

/// Digest credentials of a wrong password, in one of many spellings.
fn digest(dice: &mut Dice, name: &str, nonce: &str) -> String {
    let scheme = dice.one(&["Digest", "digest", "DIGEST"]);
    let nonce = match dice.roll(3) {
        0 if nonce.len() >= 32 => format!("{nonce}AAAA"),
        _ => nonce.to_owned(),
    };
    let nonce = format!("{}=\"{nonce}\"", dice.one(&["nonce", "Nonce", "NONCE"]));
    let user = format!("username=\"{}\"", dice.one(&["a", "b", "admin"]));
    let comma = dice.one(&[",", ", ", " ,"]);
    let rest = format!(
        "realm=\"one.example.net\"{comma}uri=\"sip:one.example.net\"{comma}response=\"{:032x}\"",
        dice.0
    );
    let list = match dice.roll(3) {
        0 => [nonce, user, rest].join(comma),
        1 => [user, rest, nonce].join(comma),
        _ => [user, nonce, rest].join(comma),
    };
    format!("{}: {scheme} {list}\r\n", dice.one(&[name, &name.to_uppercase(), &name.to_lowercase()]))
}
