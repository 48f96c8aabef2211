//! The plan of the seed's network has the same tables as the seed, line by line.

use super::*;

fn seed() -> Plan {
    of_file(Path::new("portward.toml"), &Certificates::default())
}

/// The seed, "Port forwardings on your internet router".
#[test]
fn item_6_port_forwards_are_the_seed_s() {
    let expected = [
        "TURN UDP 3478 -> 172.31.31.2 3478",
        "TURN TCP 3478 -> 172.31.31.2 3478",
        "HTTP TCP 80 -> 172.31.31.2 90",
        "HTTPS TCP 443 -> 172.31.31.2 453",
        "LDAP TCP 389 -> 172.31.31.2 399",
        "LDAPS TCP 636 -> 172.31.31.2 646",
        "SIP TCP 5060 -> 172.31.31.2 5070",
        "SIPS TCP 5061 -> 172.31.31.2 5071",
        "H.323 TCP TCP 1720 -> 172.31.31.2 1730",
        "H.323 TLS TCP 1300 -> 172.31.31.2 1310",
    ];
    let plan = seed();
    assert_eq!(forwards(&plan), expected);
    // "= standard port", "* non-standard port used by RP".
    let standard: Vec<_> = plan.forwards.list.iter().map(Forward::is_standard).collect();
    assert_eq!(standard, [true, true, false, false, false, false, false, false, false, false]);
    assert!(plan.missing.is_empty() && plan.forwards.notes.is_empty());
}

/// The seed, "DNS names in the official DNS" and "… in the internal DNS". The seed has its lines in another order.
#[test]
fn item_6_dns_records_are_the_seed_s() {
    let plan = seed();
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    assert_eq!(
        sorted(records(&plan.names.official)),
        [
            "A router-hq.dvl-ckl2.net 78.54.23.241",
            "CNAME apps.dvl-ckl2.net router-hq.dvl-ckl2.net",
            "CNAME branch-b.dvl-ckl2.net router-hq.dvl-ckl2.net",
            "CNAME hq.dvl-ckl2.net router-hq.dvl-ckl2.net",
        ]
    );
    assert_eq!(
        sorted(records(&plan.names.internal)),
        [
            "A apps.dvl-ckl2.net 172.31.31.12",
            "A branch-b.dvl-ckl2.net 172.31.31.3",
            "A hq.dvl-ckl2.net 172.31.31.2"
        ]
    );
    let others: Vec<_> =
        plan.names.others.iter().map(|one| (one.name.as_str(), one.dial.join(" "))).collect();
    let dial = |name: &'static str, dial: &str| (name, dial.to_owned());
    assert_eq!(
        others,
        [
            dial("dvl-ckl2.net", "hq.dvl-ckl2.net"),
            dial("dvl-ckl2.net/branch-b", "branch-b.dvl-ckl2.net"),
            dial("dvl-ckl2.net/hq", "hq.dvl-ckl2.net"),
        ]
    );
    // "TURN server: hq.dvl-ckl2.net".
    assert_eq!(plan.names.turn, ["hq.dvl-ckl2.net"]);
}

/// The seed, "Service Ports".
#[test]
fn item_6_service_ports_are_the_seed_s() {
    let line = |one: &ServicePorts| format!("{} {:?} {:?}", title(one.service), one.tcp, one.tls);
    let lines: Vec<_> = seed().service_ports.iter().map(line).collect();
    assert_eq!(lines, ["H.323 [1730] [1310]", "SIP [5070] [5071]", "LDAP [399] [646]", "HTTP [90] [453]"]);
}

/// The seed, "Reverse proxy and certificates", and the tables of the hosts: every port to which a rule can lead, and no
/// other.
#[test]
fn item_6_firewall_certificate_and_pbxs_of_the_seed() {
    let plan = seed();
    assert_eq!(
        openings(&plan),
        [
            "anywhere -> 172.31.31.2 TCP 90,453,399,646,5070,5071,1730,1310",
            "anywhere -> 172.31.31.2 UDP 3478",
            "anywhere -> 172.31.31.2 TCP 3478",
            "172.31.31.2 -> 172.31.31.12 TCP 80,389,443,636",
            "172.31.31.2 -> 172.31.31.3 TCP 80,389,443,636,1300,1720,5060,5061",
        ]
    );
    assert_eq!(plan.certificate.shortest, ["*.dvl-ckl2.net", "dvl-ckl2.net"]);
    assert!(noted(&plan.certificate.notes, "there is no server certificate yet"));
    for pbx in &plan.pbxs.list {
        assert_eq!(
            (pbx.assume_tls, pbx.reverse_proxy_address.known()),
            (AssumeTls::Tick, Some("172.31.31.2"))
        );
    }
    let pbxs: Vec<_> = plan.pbxs.list.iter().map(|pbx| pbx.address.as_str()).collect();
    assert_eq!(pbxs, ["172.31.31.3", "172.31.31.2"]);
    assert!(noted(&plan.pbxs.notes, "tick Reverse Proxy in the Device entry"));
    assert!(noted(&plan.pbxs.notes, "Set it to 78.54.23.241"));
}
