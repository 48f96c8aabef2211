//! The settings of `[sip]` for the checks of requests (contract section 9).

use super::report::Fault;
use super::tree::Node;
use super::walk::Value;
use crate::credentials::digest::Algorithm;
use crate::route::identity::{Identify, Identity};

/// The words in the User-Agent of widely known scanners.
pub(super) fn default_scanners() -> Vec<Box<str>> {
    ["friendly-scanner", "sipvicious", "sipcli", "sundayddr"].map(Box::from).to_vec()
}

/// Reads `sip.identify`. The order of the words does not matter.
pub(super) fn identify(value: &Value<'_>) -> Option<Identify> {
    let words = Identity::ALL.map(|identity| (identity.name(), identity));
    let elements = value.list("a list of \"realm\", \"from\" and \"uri\", as [\"realm\", \"from\"]");
    if let (Node::Array(_), []) = (value.node, &*elements) {
        value.error(
            Fault::new("without an identity no SIP request could name its host")
                .help("write [\"from\"], which is the default, or [\"realm\", \"from\", \"uri\"]"),
        );
        return None;
    }
    let chosen: Vec<Identity> = elements.iter().filter_map(|element| element.choice(&words)).collect();
    (!chosen.is_empty()).then(|| chosen.into_iter().collect())
}

/// Reads `sip.digest`. The order matters: the algorithms are offered in this order.
pub(super) fn algorithms(value: &Value<'_>) -> Option<Vec<Algorithm>> {
    let words = Algorithm::ALL.map(|algorithm| (algorithm.name(), algorithm));
    let elements = value.list("a list of \"MD5\" and \"SHA-256\", as [\"MD5\"]");
    if let (Node::Array(_), []) = (value.node, &*elements) {
        value.error(
            Fault::new("without an algorithm no login could be made")
                .help("write [\"MD5\"], which is the default"),
        );
        return None;
    }
    let mut chosen = Vec::new();
    for element in &elements {
        let Some(algorithm) = element.choice(&words) else { continue };
        if chosen.contains(&algorithm) {
            element.error(Fault::new("this algorithm is in the list twice"));
        }
        chosen.push(algorithm);
    }
    (!chosen.is_empty()).then_some(chosen)
}

/// Reads `sip.scanners`.
pub(super) fn scanners(value: &Value<'_>) -> Option<Vec<Box<str>>> {
    let wanted = "a list of words in the User-Agent, as [\"sipvicious\"]";
    let word = |text: &str| match text.trim() {
        "" => Err(Fault::new("this word is in every User-Agent").help("leave it out")),
        word => Ok(Box::from(word)),
    };
    Some(value.list(wanted).iter().filter_map(|element| element.parsed(wanted, word)).collect())
}
