//! The guard (contract section 6): which addresses are listed, which are not, and what follows.

mod commands;
mod crowded;
mod door;
mod fair;
mod guesses;
mod limits;
mod logins;
mod long;
mod networks;
mod open;
mod scale;

use std::net::{IpAddr, Ipv4Addr};

use crate::harness::{Portward, Setup, Wire};

/// A setup without the harness's own exemption, so that every client's address is judged.
fn judged(rules: &str) -> Setup {
    Portward::rules(rules)
        .certificate("server", &["one.example.net"])
        .set("blacklist.allow", "[]")
        .set("limits.new_connections_per_second", "0")
        .listen("sip")
        .listen("sips")
        .listen("ldap")
        .listen("ldaps")
        .listen("h323")
        .listen("h323s")
}

/// A loopback address.
fn address(number: u8) -> IpAddr {
    Ipv4Addr::new(127, 0, 9, number).into()
}

/// Every port but HTTP's.
const OTHERS: [&str; 6] = ["sip", "sips", "ldap", "ldaps", "h323", "h323s"];

/// A scanner's request, and its end.
fn scan(portward: &Portward, from: IpAddr) {
    let mut client = Wire::plain_from(from, portward.http);
    let _ = client.try_send("GET /boaform/admin HTTP/1.1\r\nHost: 203.0.113.9\r\n\r\n");
    assert_eq!(client.rest(), b"");
}

/// Whether Portward serves `from`: it asks for a missing path on a known host.
fn is_served(portward: &Portward, from: IpAddr) -> bool {
    let mut client = Wire::plain_from(from, portward.http);
    let _ = client.try_send("GET /missing HTTP/1.1\r\nHost: one.example.net\r\nConnection: close\r\n\r\n");
    client.rest().starts_with(b"HTTP/1.1 404 ")
}

/// A host with all services, at these ports.
fn rules(http: u16, sip: u16, ldap: u16, h323: u16) -> String {
    format!(
        "[[host]]\nname = \"one.example.net\"\ntarget = \"127.0.0.1\"\nhttp = [{{ path = \"/open\", tcp = {http} }}]\n\
         sip = {{ tcp = {sip}, tls = false }}\nldap = {{ tcp = {ldap}, tls = false }}\nh323 = {{ tcp = {h323}, tls = false }}\n"
    )
}
