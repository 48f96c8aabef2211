//! The answer for services that are decided once a connection, made from the decision.

use super::Grounds;
use super::answer::{Explanation, HostAt, Proof, Rule, RuleLocation, Verdict, targets};
use super::url::Url;
use super::why::Why;
use crate::proof::Names;
use crate::reason::Reason;
use crate::route::Refused;
use crate::rules::Host;
use crate::rules::decide::Route;

/// A question, and the names that a certificate would have to prove.
pub(super) struct Once<'a> {
    /// The configuration.
    pub(super) grounds: &'a Grounds<'a>,
    /// The question's URL.
    pub(super) url: &'a Url,
    /// The names in the client's certificate.
    pub(super) names: Option<&'a Names>,
    /// The names that the client claims.
    pub(super) claims: String,
}

impl Once<'_> {
    /// The answer. `asked`: the name of the host that the client asks for.
    pub(super) fn explain(self, decided: Result<Route<'_>, Refused<'_>>, asked: &[u8]) -> Explanation {
        let (table, service) = (self.grounds.table, self.url.service());
        match decided {
            Ok(route) => {
                let verdict = Verdict::Forward {
                    targets: targets(route.endpoints, route.port),
                    transport: route.transport,
                    port: route.port,
                };
                let credentials = route.host.rule(service).and_then(|rule| rule.credentials);
                let rule = Rule::Of { service, credentials, at: RuleLocation::of(table, route.source) };
                let explanation = self.at(Some(route.host), verdict, route.proven);
                Explanation { rule: Some(rule), ..explanation }
            }
            Err(Refused { refusal, .. }) => {
                let asked = String::from_utf8_lossy(asked).to_ascii_lowercase();
                let why = Why::of(table, service, &refusal, &asked);
                self.at(refusal.host, Verdict::Rejected { reason: refusal.reason, why }, false)
            }
        }
    }

    /// The answer to a message that names no host.
    pub(super) fn refuse(&self, reason: Reason, why: Why) -> Explanation {
        Explanation::of(self.url, Verdict::Rejected { reason, why })
    }

    /// The answer with a verdict about a host, and with the verdict on the client's certificate.
    fn at(self, host: Option<Host<'_>>, verdict: Verdict, proven: bool) -> Explanation {
        let checks = self.url.transport().is_tls() && host.is_some_and(|host| self.is_checked(host));
        let names = self.names.map(ToString::to_string);
        Explanation {
            host: host.map(|host| HostAt::of(self.grounds.table, host)),
            proof: checks.then_some(Proof { proven, names, claims: self.claims }),
            ..Explanation::of(self.url, verdict)
        }
    }

    fn is_checked(&self, host: Host<'_>) -> bool {
        host.enabled() && host.rule(self.url.service()).is_some_and(|rule| rule.ports.is_checked())
    }
}
