//! The plan for programs. A value that is not known is null. `missing` names the keys of portward.toml that would
//! supply it.

use serde_json::{Value, json};

use super::{Forward, NameOfOthers, Opening, Pbx, Plan, Record, Said, ServicePorts};
use crate::service::Transport;

impl Plan {
    /// The plan as one JSON object.
    pub fn to_json(&self) -> Value {
        let certificate = &self.certificate;
        let covered = |covered: bool| {
            if covered || certificate.unread.is_none() { covered.into() } else { Value::Null }
        };
        let names = certificate.list.iter().map(|one| {
            json!({
                "name": one.name,
                "covered": covered(one.covered_by.is_some()),
                "certificate": one.covered_by,
                "expired": one.expired.map(|date| date.to_string()),
            })
        });
        json!({
            "missing": self.missing.iter().map(|one| json!({ "key": one.key, "what": one.what })).collect::<Vec<_>>(),
            "port_forwards": list(&self.forwards.list, forward),
            "service_ports": list(&self.service_ports, service_ports),
            "dns": {
                "official": list(&self.names.official, record),
                "internal": list(&self.names.internal, record),
                "others": list(&self.names.others, other),
                "turn": self.names.turn,
            },
            "firewall": list(&self.firewall.openings, opening),
            "certificate": {
                "names": names.collect::<Vec<_>>(),
                "shortest": certificate.shortest,
                "unread": certificate.unread,
            },
            "pbxs": list(&self.pbxs.list, pbx),
            "disabled": self.disabled,
            "notes": {
                "port_forwards": self.forwards.notes,
                "dns": self.names.notes,
                "firewall": self.firewall.notes,
                "certificate": certificate.notes,
                "pbxs": self.pbxs.notes,
            },
        })
    }
}

fn list<T>(all: &[T], one: impl Fn(&T) -> Value) -> Vec<Value> {
    all.iter().map(one).collect()
}

fn said(said: &Said) -> Option<&str> {
    said.known()
}

fn forward(one: &Forward) -> Value {
    let carrier = match one.service {
        Some((_, Transport::Tls)) => "tls",
        Some((_, Transport::Plain)) => "tcp",
        None if one.protocol == super::Protocol::Udp => "udp",
        None => "tcp",
    };
    json!({
        "name": one.label(),
        "service": one.service.map_or("turn", |(service, _)| service.name()),
        "carrier": carrier,
        "protocol": one.protocol.name().to_ascii_lowercase(),
        "outside_port": one.outside,
        "address": said(&one.to),
        "port": one.port,
    })
}

fn service_ports(one: &ServicePorts) -> Value {
    json!({ "service": one.service.name(), "tcp": one.tcp, "tls": one.tls })
}

fn record(one: &Record) -> Value {
    json!({ "name": one.name, "type": one.kind.name(), "value": said(&one.value) })
}

fn other(one: &NameOfOthers) -> Value {
    json!({
        "name": one.name,
        "services": one.services.iter().map(|service| service.name()).collect::<Vec<_>>(),
        "dial": one.dial,
        "records": list(&one.records, record),
    })
}

fn opening(one: &Opening) -> Value {
    json!({
        "from": said(&one.from),
        "to": said(&one.to),
        "protocol": one.protocol.name().to_ascii_lowercase(),
        "ports": one.ports,
        "for": one.what_for,
    })
}

fn pbx(one: &Pbx) -> Value {
    json!({
        "target": one.address,
        "hosts": one.hosts,
        "reverse_proxy_address": said(&one.reverse_proxy_address),
        "reverse_proxy_name": one.reverse_proxy_name,
        "assume_tls": one.assume_tls.name(),
        "without_check": one.unchecked,
        "ports": one.ports,
    })
}
