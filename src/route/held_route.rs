//! The first verdict of a connection that is decided once, and what a later registration, call or bind on it means
//! (contract section 3, "the same rule").

use super::Refused;
use crate::ending::{Ending, Stage, Whose};
use crate::reason::Reason;
use crate::rules::Table;
use crate::rules::decide::{self, Refusal, Route, Rule};
use crate::service::Service;

/// Host and service that a connection was routed to, and what the rule said then.
#[derive(Debug)]
pub(crate) struct HeldRoute {
    host: Box<str>,
    service: Service,
    rule: Option<Rule>,
}

/// What a later name on the connection leads to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LaterName {
    /// To the same rule.
    Same,
    /// To another host of the table.
    Other,
    /// To no host of the table, for this reason.
    Nowhere(Reason),
    /// A reload has changed, disabled or removed the connection's own host. The connection ends, which does not count.
    Moved(Ending),
}

impl HeldRoute {
    /// Holds the decision.
    pub(crate) fn new(route: &Route<'_>) -> Self {
        let rule = decide::rule_of(route.host, route.service);
        Self { host: route.host.name().into(), service: route.service, rule }
    }

    /// The host, by its name in the table.
    pub(crate) fn host(&self) -> &str {
        &self.host
    }

    /// What the rule said then.
    pub(crate) fn rule(&self) -> Option<&Rule> {
        self.rule.as_ref()
    }

    /// How the connection ends at its next registration, if `table` does not say any more what it said.
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
        Some(Ending::because(Stage::Relay, Whose::Policy, reason).uncounted())
    }

    /// Whether `name` is one of the connection's own host. If that has moved or gone since, any name is as good: the
    /// connection ends at its next registration.
    pub(crate) fn is_at(&self, table: &Table, name: &[u8]) -> bool {
        matches!(self.judge(table, name), LaterName::Same | LaterName::Moved(_))
    }

    /// Holds `name`, as it came on the wire, against the first verdict, under the rules of `table`.
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
