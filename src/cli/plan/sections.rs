//! The sections of a plan, in the order in which an administrator works.

use super::page::{Page, Section};
use crate::plan::{
    AssumeTls, CertificateNames, NameOfOthers, NeededName, Pbx, Plan, Record, ServicePorts, title,
};

/// The page for a plan.
pub(super) fn of(plan: &Plan) -> Page {
    let mut page = Page::default();
    let sections = [
        missing(plan),
        forwards(plan),
        service_ports(plan),
        official(plan),
        internal(plan),
        others(plan),
        firewall(plan),
        certificate(&plan.certificate),
        pbxs(plan),
        disabled(plan),
    ];
    for section in sections {
        page.add(section);
    }
    page
}

fn missing(plan: &Plan) -> Section {
    let mut section = Section::new("To be set in portward.toml first");
    let row = |one: &crate::plan::MissingKey| [one.key.to_owned(), one.what.to_owned()];
    section.table(["key", "value"], plan.missing.iter().map(row));
    section
}

fn forwards(plan: &Plan) -> Section {
    let mut section = Section::new("Port forwards on the router");
    let rows = plan.forwards.list.iter().map(|one| {
        [
            one.label().to_owned(),
            one.protocol.name().to_owned(),
            one.outside.to_string(),
            one.to.to_string(),
            one.port.to_string(),
            if one.is_standard() { "standard" } else { "non-standard" }.to_owned(),
        ]
    });
    section
        .table(["service", "protocol", "port", "destination address", "destination port", "which is"], rows);
    section.notes(&plan.forwards.notes);
    if !plan.forwards.list.is_empty() {
        section.note("the router must leave the clients' source addresses as they are");
    }
    section
}

fn service_ports(plan: &Plan) -> Section {
    let mut section = Section::new("Service ports of Portward ([listen])");
    let ports = |ports: &[u16]| if ports.is_empty() { "off".to_owned() } else { numbers(ports) };
    let row = |one: &ServicePorts| [title(one.service).to_owned(), ports(&one.tcp), ports(&one.tls)];
    section.table(["service", "TCP port", "TLS port"], plan.service_ports.iter().map(row));
    section
}

fn records(section: &mut Section, records: &[Record]) {
    let row = |one: &Record| [one.kind.name().to_owned(), one.name.clone(), one.value.to_string()];
    section.table(["type", "name", "value"], records.iter().map(row));
}

fn official(plan: &Plan) -> Section {
    let mut section = Section::new("Names in the official DNS");
    records(&mut section, &plan.names.official);
    section
}

fn internal(plan: &Plan) -> Section {
    let mut section = Section::new("Names in the internal DNS (telephones and computers inside must ask it)");
    records(&mut section, &plan.names.internal);
    if let Some(name) = plan.names.turn.first() {
        let others = plan.names.turn.get(1..).unwrap_or_default();
        let or = if others.is_empty() { String::new() } else { format!(", or {}", others.join(", ")) };
        section.note(format!("the TURN server's name in telephones and apps: {name}{or}"));
    }
    section.notes(&plan.names.notes);
    section
}

fn others(plan: &Plan) -> Section {
    let mut section = Section::new("Names that telephones register with");
    let row = |one: &NameOfOthers| {
        let services: Vec<&str> = one.services.iter().map(|service| title(*service)).collect();
        [one.name.clone(), services.join(", "), what_to_dial(one)]
    };
    section.table(["name", "services", "DNS"], plan.names.others.iter().map(row));
    section
}

fn what_to_dial(one: &NameOfOthers) -> String {
    if !one.dial.is_empty() {
        return format!("no record: telephones dial another name, {}", one.dial.join(" or "));
    }
    match one.records.first() {
        Some(record) => format!(
            "no other name leads there: telephones need one. Official: {} {} {}",
            record.kind.name(),
            record.name,
            record.value
        ),
        None if one.name.contains(['/', '*']) => {
            "it is no DNS name, and no other name leads there: telephones need one to dial".to_owned()
        }
        None => "no record: it is an address, or the router's own name".to_owned(),
    }
}

fn firewall(plan: &Plan) -> Section {
    let mut section = Section::new("Firewall");
    let rows = plan.firewall.openings.iter().map(|one| {
        [
            one.from.to_string(),
            one.to.to_string(),
            one.protocol.name().to_owned(),
            numbers(&one.ports),
            one.what_for.clone(),
        ]
    });
    section.table(["from", "to", "protocol", "ports", "for"], rows);
    section.notes(&plan.firewall.notes);
    section
}

fn certificate(names: &CertificateNames) -> Section {
    let mut section = Section::new("Names that the server certificate must have");
    let today = |one: &NeededName| match (&one.covered_by, one.expired) {
        (Some(name), None) => format!("yes: {name}"),
        (Some(name), Some(date)) => format!("yes: {name}, but it expired on {date}"),
        (None, _) if names.unread.is_some() => "cannot be told".to_owned(),
        (None, _) => "no".to_owned(),
    };
    let rows = names.list.iter().map(|one| [one.name.clone(), today(one)]);
    section.table(["name", "today's certificate has it"], rows);
    if names.shortest.len() < names.list.len() {
        section.note(format!("one certificate with these names is enough: {}", names.shortest.join(", ")));
    }
    if let Some(why) = &names.unread {
        section.note(format!(
            "not every certificate could be read (root can read more: sudo portward plan): {why}"
        ));
    }
    section.notes(&names.notes);
    section
}

fn pbxs(plan: &Plan) -> Section {
    let mut section = Section::new("Settings of each PBX");
    for pbx in &plan.pbxs.list {
        let caption = format!("{}, for {}", pbx.address, pbx.hosts.join(", "));
        section.captioned(caption, ["setting", "value"], settings(pbx).into_iter());
    }
    section.notes(&plan.pbxs.notes);
    section
}

fn settings(pbx: &Pbx) -> [[String; 2]; 3] {
    let addresses = match &pbx.reverse_proxy_name {
        Some(name) => format!("{}, and the certificate name {name}", pbx.reverse_proxy_address),
        None => pbx.reverse_proxy_address.to_string(),
    };
    let assume_tls = match pbx.assume_tls {
        AssumeTls::Tick => "tick it: Check Certificate is on in every rule that leads there".to_owned(),
        AssumeTls::LeaveEmpty => {
            format!("leave it empty: check_certificate is false for {}", pbx.unchecked.join(", "))
        }
        AssumeTls::Absent => "nothing to tick: the rules say assume_tls = false".to_owned(),
        AssumeTls::NoMatter => "leave it empty: no rule leads to a TLS port there".to_owned(),
    };
    let row = |setting: &str, value: String| [setting.to_owned(), value];
    [
        row("Reverse Proxy Addresses", addresses),
        row("Assume TLS", assume_tls),
        row("must listen on the ports", numbers(&pbx.ports)),
    ]
}

fn disabled(plan: &Plan) -> Section {
    let mut section = Section::new("Disabled hosts, for which nothing is planned");
    section.table(["name"], plan.disabled.iter().map(|name| [name.clone()]));
    section
}

fn numbers(ports: &[u16]) -> String {
    let ports: Vec<String> = ports.iter().map(u16::to_string).collect();
    ports.join(", ")
}
