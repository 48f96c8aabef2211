//! `[admin]`: the socket and the port for administration by programs and browsers.

use std::net::SocketAddr;
use std::path::PathBuf;

use super::keys::elsewhere;
use super::listen::{self, Placed};
use super::report::Fault;
use super::scalar::{self, Host};
use super::suggest;
use super::tree::Node;
use super::values::empty_or;
use super::walk::{Section, Value};
use super::{Admin, AdminHosts, CertificateSource, TokenFor};

/// Reads the section. `services` are the sockets of the services. `certificates` are the certificates of `[tls]`.
pub(super) fn read(
    mut section: Section<'_>,
    services: &[Placed<'_>],
    certificates: &CertificateSource,
) -> Admin {
    let file = section.report.file;
    let socket = section.setting("socket", PathBuf::from("/run/portward/portward.sock"), |value| {
        value.parsed("a path", |text| scalar::path(file, text))
    });
    let written = section.get("listen");
    let listen = written.as_ref().and_then(|value| {
        if let Node::Integer(_) = value.node {
            value.error(
                Fault::new("`listen` must be \"ADDRESS:PORT\"")
                    .label("this is an integer")
                    .help("a port alone would be every address; write listen = \"127.0.0.1:9400\""),
            );
            return None;
        }
        let address = empty_or(value, "\"ADDRESS:PORT\"", |text| address(text).map(Some))??;
        listen::check_admin(services, address, value);
        Some(address)
    });
    let names = section.setting("names", Vec::new(), names);
    let named = section.get("certificate");
    // An error in the name was reported. The port then counts as one with a certificate.
    let certificate = named.as_ref().map_or(Ok(None), |value| certificate(value, certificates));
    let is_certified = !matches!(certificate, Ok(None));
    let plain = section.get("plain");
    let is_plain = plain.as_ref().and_then(Value::boolean).unwrap_or(false);
    if let (Some(address), Some(value)) = (listen, named.or(written))
        && !address.ip().is_loopback()
        && !is_certified
        && !is_plain
    {
        value.error(needs_certificate(address));
    }
    if let Some(value) = plain.filter(|_| is_plain && is_certified) {
        value.warn_at_key(
            Fault::new("`plain` changes nothing beside `certificate`: the port speaks TLS")
                .help("leave one of them out"),
        );
    }
    let token = section.setting("token", TokenFor::Always, |value| {
        value.choice(&[("always", TokenFor::Always), ("changes", TokenFor::Changes)])
    });
    let hosts = section.setting("hosts", AdminHosts::Safe, |value| {
        value.choice(&[("safe", AdminHosts::Safe), ("any", AdminHosts::Any)])
    });
    let decisions = section.setting("decisions", true, Value::boolean);
    section.finish(elsewhere);
    Admin { socket, listen, names, certificate: certificate.unwrap_or_default(), token, hosts, decisions }
}

/// A single address and port, so that it is clear where administration is possible.
fn address(text: &str) -> Result<SocketAddr, Fault> {
    let right = "write \"127.0.0.1:9400\" or \"[::1]:9400\"; \"0.0.0.0:9400\" is every IPv4 address";
    scalar::socket_address(text).map_err(|fault| fault.help(right))
}

fn needs_certificate(address: SocketAddr) -> Fault {
    Fault::new(format!("{} is not loopback: tokens would cross the network in clear text", address.ip())).help(
        "set `certificate` to the name of one of tls.certificates; or `plain = true`, if nobody can listen in on that network",
    )
}

fn names(value: &Value<'_>) -> Option<Vec<Box<str>>> {
    let wanted = "a list of DNS names or addresses, as [\"portward.example.net\"]";
    let names = value.list(wanted).into_iter().filter_map(|element| {
        element.parsed(wanted, |text| {
            Ok(match scalar::host(text)? {
                Host::Ip(ip) => ip.to_string().into(),
                Host::Name(name) => name,
            })
        })
    });
    Some(names.collect())
}

/// The name of a certificate. `None`: the name is empty. If certificates are listed and none of them has the name, that
/// is reported. The content of a folder is checked when it is read.
fn certificate(value: &Value<'_>, certificates: &CertificateSource) -> Result<Option<Box<str>>, Reported> {
    let name = value.text("the name of a certificate of tls.certificates").ok_or(Reported)?;
    if name.is_empty() {
        return Ok(None);
    }
    let CertificateSource::List(list) = certificates else { return Ok(Some(name.into())) };
    let names: Vec<_> = list.iter().filter_map(|files| files.cert.file_stem()?.to_str()).collect();
    if names.contains(&name) {
        return Ok(Some(name.into()));
    }
    let known = suggest::alternatives(names.into_iter());
    value.error(Fault::new(format!("no certificate is called \"{name}\"")).help(format!("use {known}")));
    Err(Reported)
}

/// The error: the value is wrong, and that was reported.
struct Reported;
