//! LDAP and LDAPS (contract sections 1 to 3 and 5), with OpenLDAP on both sides, and with exact octets where they
//! matter.

mod binds;
mod directories;
mod gone;
mod names;
mod refusals;
mod root_dse;
mod start_tls;
mod stream;

use crate::harness::{Portward, Setup, Wire};

/// A running daemon that serves LDAP on both ports.
struct Front {
    portward: Portward,
    ldap: u16,
    ldaps: u16,
}

impl Front {
    /// One with these rules and nothing special.
    fn with_rules(rules: &str) -> Self {
        Self::start(Self::rules(rules))
    }

    /// A configuration with these rules, with a certificate for the example's names and for 127.0.0.1.
    fn rules(rules: &str) -> Setup {
        Portward::rules(rules)
            .set("log.ended", "\"all\"")
            .certificate("server", &["*.dvl-ckl2.net", "dvl-ckl2.net", "127.0.0.1"])
    }

    fn start(setup: Setup) -> Self {
        let portward = setup.listen("ldap").listen("ldaps").start();
        let (ldap, ldaps) = (portward.port("ldap"), portward.port("ldaps"));
        portward.line(&["is ready"]);
        Self { portward, ldap, ldaps }
    }

    fn plain(&self) -> Wire {
        Wire::plain(self.ldap)
    }

    fn tls(&self) -> Wire {
        Wire::tls(self.ldaps, "dvl-ckl2.net")
    }
}

/// A host with an LDAP rule.
fn host(name: &str, rule: &str) -> String {
    format!("[[host]]\nname = \"{name}\"\ntarget = \"127.0.0.1\"\nldap = {{ {rule} }}\n")
}

/// A host whose directory has one port, for plain LDAP.
fn plain_host(name: &str, port: u16) -> String {
    host(name, &format!("tcp = {port}, tls = false"))
}
