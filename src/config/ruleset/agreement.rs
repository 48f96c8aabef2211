//! Rules that lead to the same target must agree on Check Certificate (contract section 5). SIP rules to the same
//! target must also agree on credentials (contract section 9).
//!
//! *Assume TLS* is set at a PBX for its reverse proxy as a whole. So a single rule that uses TLS without the check would
//! make the PBX trust every client. Likewise a client could avoid credentials by the name of a host that demands none.

use std::collections::HashMap;
use std::num::NonZeroU16;

use memchr::memmem;

use super::files::Stands;
use crate::rules::{Address, Endpoint, Host, Ports, ServiceRule, Table};
use crate::service::Service;

/// Whether a rule demands credentials at an address and a port, and the place of that rule.
type Demands = HashMap<(Address, NonZeroU16), (bool, Stands), foldhash::fast::RandomState>;

/// The first statement of a rule for each address. Rules without a TLS port make no statement about the check.
#[derive(Default)]
pub(super) struct Agreement {
    said: HashMap<Address, (bool, Stands), foldhash::fast::RandomState>,
    /// Whether SIP rules demand credentials, by address and port. `None`: no rule demands any.
    credentials: Option<Demands>,
}

/// An address and a port about which two rules disagree.
pub(super) struct Door<'e> {
    pub(super) address: &'e Address,
    pub(super) port: NonZeroU16,
    /// The place of the first of these rules.
    pub(super) first: Stands,
}

impl Agreement {
    /// The agreement of the rules in these texts. Credentials are compared only if one of the texts contains the word.
    pub(super) fn for_texts<'t>(mut texts: impl Iterator<Item = &'t str>) -> Self {
        let has_word = |text: &str| memmem::find(text.as_bytes(), b"credentials").is_some();
        Self { credentials: texts.any(has_word).then(HashMap::default), ..Self::default() }
    }

    /// The agreement of a text with the rules of a table.
    pub(super) fn beside(table: &Table, text: &str) -> Self {
        let mut agreement = Self::for_texts(std::iter::once(text));
        let demands = |host: Host<'_>| host.rule(Service::Sip).is_some_and(|rule| rule.credentials.is_some());
        if table.iter().any(demands) {
            agreement.credentials.get_or_insert_default();
        }
        for (service, rule) in table.iter().flat_map(|host| host.rules()) {
            agreement.note_rule(service, rule);
        }
        agreement
    }

    /// Notes the statements of a rule that was read before.
    pub(super) fn note_rule(&mut self, service: Service, rule: &ServiceRule) {
        let here = Stands::On(rule.source);
        if service.asks_for_certificate() && rule.ports.ports().tls.is_some() {
            self.note(&rule.endpoints, rule.ports.is_checked(), here);
        }
        if service == Service::Sip {
            let websocket = rule.websocket.as_ref().map(|onward| onward.ports);
            self.note_credentials(
                &rule.endpoints,
                [Some(rule.ports.ports()), websocket],
                (rule.credentials.is_some(), here),
            );
        }
    }

    /// Notes the statement of a rule with a TLS port for its addresses. Returns the first address for which another
    /// rule states the opposite, and the place of that rule.
    pub(super) fn note<'e>(
        &mut self,
        endpoints: &'e [Endpoint],
        checked: bool,
        here: Stands,
    ) -> Option<(&'e Address, Stands)> {
        let mut disagreement = None;
        for Endpoint { address, .. } in endpoints {
            match self.said.get(address) {
                None => {
                    self.said.insert(address.clone(), (checked, here));
                }
                Some((said, first)) if *said != checked => {
                    disagreement = disagreement.or(Some((address, *first)));
                }
                Some(_) => {}
            }
        }
        disagreement
    }

    /// Notes whether a SIP rule demands credentials at these addresses and ports, and the rule's place. Returns the
    /// first of them about which another rule disagrees.
    pub(super) fn note_credentials<'e>(
        &mut self,
        endpoints: &'e [Endpoint],
        ports: [Option<Ports>; 2],
        (demanded, here): (bool, Stands),
    ) -> Option<Door<'e>> {
        let known = self.credentials.as_mut()?;
        let mut disagreement = None;
        for Endpoint { address, .. } in endpoints {
            for port in ports.iter().flatten().flat_map(|ports| [ports.tcp, ports.tls]).flatten() {
                let (said, first) = *known.entry((address.clone(), port)).or_insert((demanded, here));
                if said != demanded {
                    disagreement = disagreement.or(Some(Door { address, port, first }));
                }
            }
        }
        disagreement
    }
}
