//! The domain of a distinguished name as OpenLDAP reads it: hundreds of spellings, compared with `slapdn`.
//!
//! Portward may be stricter (for slapd a semicolon is a separator, for others it is not), and it may leave a name to
//! the directory that slapd refuses. If both read a name, they must read the same domain.

use std::fs;
use std::process::Command;

use portward::inspect::ldap::bind_name;

use crate::harness::{program, within};

const USERS: [&str; 16] = [
    "cn=a",
    "CN = a b",
    r"cn=a\,dc\=evil",
    r"cn=a\2cdc=evil",
    r#"cn="a,dc=evil""#,
    "cn=dc=evil",
    r"cn=\20a\20",
    r"cn=M\C3\BCller",
    "cn=a+sn=b",
    "sn=b+dc=in",
    "cn=#04082c64633d6576696c",
    "cn=a;dc=evil",
    r"cn=a\",
    "cn=",
    r"cn=a\ZZ",
    "cn=a\"b",
];
const SEPARATORS: [&str; 4] = [",", " , ", ";", "+"];
const DOMAINS: [&str; 12] = [
    "dc=dvl,dc=net",
    "DC = dvl ,DC=NET ",
    r"dc=d\76l,dc=net",
    "domainComponent=dvl,0.9.2342.19200300.100.1.25=net",
    "OID.0.9.2342.19200300.100.1.25=dvl,oid.0.9.2342.19200300.100.1.25=net",
    r#"dc="dvl",dc=net"#,
    "dc=dvl+dc=net",
    "dc=dvl,ou=x,dc=net",
    "dc=dvl,dc=net,o=y",
    r"dc=dvl\,net",
    "dc=,dc=net",
    "dc=dvl-x.y,dc=net",
];

fn spellings() -> Vec<String> {
    let mut all = Vec::new();
    for user in USERS {
        for separator in SEPARATORS {
            all.extend(DOMAINS.iter().map(|domain| format!("{user}{separator}{domain}")));
        }
    }
    all
}

/// slapd's normal form of each name, or nothing if it refuses the name.
fn normalised(names: &[String]) -> Vec<Option<String>> {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("slapd.conf");
    let schemas = ["core", "cosine", "inetorgperson"];
    let text: String =
        schemas.iter().map(|name| format!("include /etc/ldap/schema/{name}.schema\n")).collect();
    fs::write(&file, text).unwrap();
    let mut all = Vec::new();
    // slapdn ends at the first name that it refuses.
    while all.len() < names.len() {
        let output = Command::new(program("slapdn", "slapd"))
            .args(["-N", "-f"])
            .arg(&file)
            .args(&names[all.len()..])
            .output()
            .unwrap();
        let good = String::from_utf8(output.stdout).unwrap();
        all.extend(good.lines().map(|line| Some(line.to_owned())));
        if all.len() < names.len() {
            let errors = String::from_utf8_lossy(&output.stderr);
            assert!(errors.contains("check failed"), "{errors}");
            all.push(None);
        }
    }
    all
}

/// The domain of a normal form. A normal form is in lower case, has only `dc`, and writes a separator within a value in
/// hexadecimal digits.
fn domain(normal: &str) -> String {
    let labels: Vec<&str> = normal.split([',', '+']).filter_map(|piece| piece.strip_prefix("dc=")).collect();
    labels.join(".")
}

#[test]
fn where_slapd_reads_a_name_it_reads_the_same_domain() {
    within(120, || {
        let names = spellings();
        let (mut same, mut stricter, mut left_to_it) = (0, Vec::new(), Vec::new());
        for (name, normal) in names.iter().zip(normalised(&names)) {
            match (bind_name(name.as_bytes()), normal) {
                (Ok((ours, _)), Some(normal)) => {
                    let ours = String::from_utf8(ours.to_ascii_lowercase()).unwrap();
                    assert_eq!(ours, domain(&normal), "{name}: {normal}");
                    same += 1;
                }
                (Err(_), Some(_)) => stricter.push(name),
                (Ok(_), None) => left_to_it.push(name),
                (Err(_), None) => {}
            }
        }
        assert!(same > 120, "{same} of {}", names.len());
        // Reasons to be stricter: semicolons, DCs that others join differently, labels that no domain has.
        let reasons = [";", "+dc=", "+DC", "ou=x", r"\,net", "dc=,"];
        for name in &stricter {
            assert!(reasons.iter().any(|reason| name.contains(reason)), "{name}");
        }
        assert!(!stricter.is_empty() && !left_to_it.is_empty());
    });
}
