//! The decision of a connection that is decided once, and how a later registration, call or bind compares with it
//! (contract section 3, "the same rule").

use super::Refused;
use crate::ending::{Ending, Responsible, Stage};
use crate::reason::Reason;
use crate::rules::Table;
use crate::rules::decide::{self, Refusal, Route, Rule};
use crate::service::Service;

/// The host and the service that a connection was routed to, and the rule at that time.
#[derive(Debug)]
pub(crate) struct HeldRoute {
    host: Box<str>,
    service: Service,
    rule: Option<Rule>,
}

/// Where a later name on the connection leads.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LaterName {
    /// To the same rule.
    Same,
    /// To another host of the table.
    Other,
    /// To no host of the table. The reason says why.
    Nowhere(Reason),
    /// A reload has changed, disabled or removed the connection's own host. The connection ends, and that does not
    /// count.
    Moved(Ending),
}

impl HeldRoute {
    /// Keeps the decision.
    pub(crate) fn new(route: &Route<'_>) -> Self {
        let rule = decide::rule_of(route.host, route.service);
        Self { host: route.host.name().into(), service: route.service, rule }
    }

    /// The host, by its name in the table.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// The rule at the time of the decision.
    pub(crate) fn rule(&self) -> Option<&Rule> {
        self.rule.as_ref()
    }

    /// The ending of the connection at its next registration, if the rule in `table` differs from the kept one.
    pub(crate) fn moved(&self, table: &Table) -> Option<Ending> {
        let host = table.host(&self.host).filter(|host| host.name() == &*self.host);
        let reason = match host {
            Some(host) if !host.enabled() => {
                let refusal = Refusal { reason: Reason::Disabled, host: Some(host), cause: None };
                let ending = Refused::from(refusal).ending();
                return Some(Ending { stage: Stage::Relay, ..ending });
            }
            Some(host) if decide::rule_of(host, self.service) == self.rule => return None,
            _ => Reason::OtherTarget,
        };
        Some(Ending::because(Stage::Relay, Responsible::Policy, reason).uncounted())
    }

    /// Whether `name` is a name of the connection's own host. If that host has changed or gone since, every name is
    /// accepted here: the connection ends at its next registration anyway.
    pub(crate) fn is_at(&self, table: &Table, name: &[u8]) -> bool {
        matches!(self.judge(table, name), LaterName::Same | LaterName::Moved(_))
    }

    /// Compares `name`, as it came on the wire, with the kept decision. `table` has the rules now.
    pub(crate) fn judge(&self, table: &Table, name: &[u8]) -> LaterName {
        if let Some(moved) = self.moved(table) {
            return LaterName::Moved(moved);
        }
        match decide::host_named(table, name) {
            Ok(host) if host.name() == &*self.host => LaterName::Same,
            Ok(_) => LaterName::Other,
            Err(refusal) => LaterName::Nowhere(refusal.reason),
        }
    }
}
