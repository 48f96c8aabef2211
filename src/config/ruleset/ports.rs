//! `tcp` and `tls` of a rule: the ports of the target.

use std::num::NonZeroU16;

use super::super::report::Fault;
use super::super::tree::Node;
use super::super::walk::{Section, Value};
use crate::rules::Ports;
use crate::service::{Service, Transport};

/// Both standard ports, for a bare path or for `true`.
pub(super) fn standard(service: Service) -> Ports {
    let port = |transport| NonZeroU16::new(service.standard_port(transport));
    Ports { tcp: port(Transport::Plain), tls: port(Transport::Tls) }
}

/// The written value of one port.
enum Written {
    Nothing,
    Port(NonZeroU16),
    No,
    Wrong,
}

/// Takes `tcp` and `tls`. Without both keys, both ports have their standard number. A single number defines only that
/// port. `false` removes one port. `None`: they are wrong, which was reported.
pub(super) fn read(section: &mut Section<'_>, service: Service, rule: &Value<'_>) -> Option<Ports> {
    let tcp = section.get("tcp");
    let tls = section.get("tls");
    let both = standard(service);
    let written = |value: &Option<Value<'_>>, standard: Option<NonZeroU16>| {
        value.as_ref().map_or(Written::Nothing, |value| of_value(value, standard))
    };
    use Written::{No, Nothing, Port, Wrong};
    let ports = match (written(&tcp, both.tcp), written(&tls, both.tls)) {
        (Wrong, _) | (_, Wrong) => return None,
        (Nothing, Nothing) => both,
        (Nothing, No) => Ports { tls: None, ..both },
        (No, Nothing) => Ports { tcp: None, ..both },
        (Port(tcp), Port(tls)) => Ports { tcp: Some(tcp), tls: Some(tls) },
        (Port(tcp), Nothing | No) => Ports { tcp: Some(tcp), tls: None },
        (Nothing | No, Port(tls)) => Ports { tcp: None, tls: Some(tls) },
        (No, No) => {
            rule.error(Fault::new("with tcp and tls both false no port is left"));
            return None;
        }
    };
    if ports.tcp.is_some() && ports.tcp == ports.tls {
        tls.as_ref().unwrap_or(rule).error(
            Fault::new("the plain and the TLS port are the same")
                .help("a PBX speaks TLS on a port of its own; leave one of them out if it has only one"),
        );
        return None;
    }
    Some(ports)
}

fn of_value(value: &Value<'_>, standard: Option<NonZeroU16>) -> Written {
    match value.node {
        Node::Boolean(false) => Written::No,
        Node::Boolean(true) => {
            let fault = Fault::new(format!("`{}` must be a port, or false", value.key));
            value.error(match standard {
                Some(port) => fault.help(format!("the standard port is {port}")),
                None => fault,
            });
            Written::Wrong
        }
        _ => {
            let port = value.integer(1..=65535).and_then(|port| u16::try_from(port).ok());
            port.and_then(NonZeroU16::new).map_or(Written::Wrong, Written::Port)
        }
    }
}
