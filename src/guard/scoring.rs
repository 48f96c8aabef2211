//! The weight of an offence toward the blacklist, and the threshold (contract section 6). It is pure: its caller says
//! what has happened and what is known about the address, and it remembers nothing. `suspects` has the count of each
//! address.
//!
//! The base weight of a reason is in the table of reasons, [`Reason::weight`]. This module changes it by the client's
//! address, the browser's statement about the page that sent the request, the path, and the policy.

use std::net::IpAddr;

use super::policy::Policy;
use crate::reason::{Reason, Weight};

/// Milliseconds within which offences count together.
pub(super) const MINUTE: u32 = 60_000;
/// How many requests that pages of other sites made a browser send count as one offence.
pub(super) const FIFTHS: u32 = 5;
/// The threshold of an address grows with the number of names that were confirmed for it. It grows at most by this
/// factor.
pub(super) const LARGEST_FACTOR: u32 = 50;

/// A refusal of a client.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Offence<'a> {
    /// The reason of the refusal.
    pub reason: Reason,
    /// The weight in its ending.
    pub weight: Weight,
    /// The path of an HTTP request, without its query. Empty: there is no path.
    pub path: &'a [u8],
}

/// What an offence adds to the count of its address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Score<'a> {
    /// The weight.
    pub(super) weight: Weight,
    /// The text that counts once a minute, however often it is repeated. Empty: every time counts.
    pub(super) once_a_minute: &'a [u8],
}

impl Score<'_> {
    const NOTHING: Self = Self { weight: Weight::Nothing, once_a_minute: b"" };
}

/// The weight of a request without a body and a login that a page of another site, or a mail, made a browser send
/// (`Sec-Fetch-Site: cross-site`, Fetch Metadata Request Headers §2.4). A page can make a browser ask for any name and
/// path.
pub fn weight_from_other_site(reason: Reason) -> Weight {
    match reason {
        Reason::NoPath | Reason::UnknownHost => Weight::Fifth,
        reason => reason.weight(),
    }
}

/// What `offence` adds to the count of `address`.
pub(super) fn score<'a>(policy: &Policy, address: IpAddr, offence: &Offence<'a>) -> Score<'a> {
    let Offence { reason, weight, path } = *offence;
    let is_ignored = match reason {
        Reason::NoPath => is_asked_for_by_browsers(path),
        Reason::FailedLogin => !policy.failed_logins,
        _ => false,
    };
    if weight == Weight::Nothing || is_ignored || !policy.judges(address) {
        return Score::NOTHING;
    }
    let once_a_minute = if reason == Reason::NoPath { path } else { b"" };
    Score { weight, once_a_minute }
}

/// The factor for an office with so many confirmed names. It multiplies the threshold and the rates.
pub(super) fn factor(names: u32) -> u32 {
    names.clamp(1, LARGEST_FACTOR)
}

/// How many offences within a minute an address with so many confirmed names may have.
pub(super) fn threshold(policy: &Policy, names: u32) -> u32 {
    policy.suspicious_per_minute.saturating_mul(factor(names))
}

/// Whether `count` offences within a minute list an address.
pub(super) fn is_too_many(count: u32, threshold: u32) -> bool {
    count > threshold
}

/// Paths that browsers request from every site by themselves.
fn is_asked_for_by_browsers(path: &[u8]) -> bool {
    path == b"/favicon.ico" || path == b"/robots.txt" || path.starts_with(b"/apple-touch-icon")
}

#[cfg(test)]
mod tests {
    use super::super::policy::tests::usual;
    use super::*;
    use Weight::{Fifth, Nothing, Whole};

    /// Addresses that the policy names, and a stranger's.
    const ALLOWED: &str = "192.0.2.1";
    const BALANCER: &str = "2001:db8::1";
    const BLOCKED: &str = "203.0.113.1";
    const STRANGER: &str = "198.51.100.1";

    fn policy() -> Policy {
        let networks = |text: &str| vec![text.parse().unwrap()];
        let (allow, block) = (networks("192.0.2.0/24"), networks("203.0.113.0/24"));
        Policy { allow, block, balancers: networks("2001:db8::/32"), ..usual() }
    }

    #[test]
    fn what_an_offence_counts() {
        let rows: [(&str, Reason, Weight, &str, Weight, &str); 19] = [
            // The client's address changes the weight.
            (STRANGER, Reason::UnknownHost, Whole, "", Whole, ""),
            (ALLOWED, Reason::UnknownHost, Whole, "", Nothing, ""),
            (BALANCER, Reason::UnknownHost, Whole, "", Nothing, ""),
            (BLOCKED, Reason::UnknownHost, Whole, "", Whole, ""),
            (ALLOWED, Reason::FailedLogin, Whole, "", Nothing, ""),
            // The ending's own weight is used.
            (STRANGER, Reason::UnknownHost, Fifth, "/a", Fifth, ""),
            (STRANGER, Reason::OtherTarget, Nothing, "", Nothing, ""),
            (STRANGER, Reason::Silent, Nothing, "", Nothing, ""),
            (STRANGER, Reason::FailedLogin, Whole, "", Whole, ""),
            // The path: a missing one counts once a minute.
            (STRANGER, Reason::NoPath, Whole, "/a", Whole, "/a"),
            (STRANGER, Reason::NoPath, Fifth, "/a", Fifth, "/a"),
            (STRANGER, Reason::UnsafePath, Whole, "/a/../b", Whole, ""),
            (STRANGER, Reason::UnknownHost, Whole, "/a", Whole, ""),
            // Browsers request these paths by themselves, from hosts that exist.
            (STRANGER, Reason::NoPath, Whole, "/favicon.ico", Nothing, ""),
            (STRANGER, Reason::NoPath, Whole, "/robots.txt", Nothing, ""),
            (STRANGER, Reason::NoPath, Whole, "/apple-touch-icon-120x120.png", Nothing, ""),
            (STRANGER, Reason::NoPath, Fifth, "/favicon.ico", Nothing, ""),
            (STRANGER, Reason::NoPath, Whole, "/PBX0/favicon.ico", Whole, "/PBX0/favicon.ico"),
            (STRANGER, Reason::UnknownHost, Whole, "/favicon.ico", Whole, ""),
        ];
        for (address, reason, weight, path, expected, once) in rows {
            let offence = Offence { reason, weight, path: path.as_bytes() };
            let expected = Score { weight: expected, once_a_minute: once.as_bytes() };
            let found = score(&policy(), address.parse().unwrap(), &offence);
            assert_eq!(found, expected, "{offence:?} of {address}");
        }
    }

    #[test]
    fn failed_logins_count_where_the_policy_says_so() {
        let policy = Policy { failed_logins: false, ..policy() };
        for (reason, expected) in [(Reason::FailedLogin, Nothing), (Reason::NoName, Whole)] {
            let offence = Offence { reason, weight: reason.weight(), path: b"" };
            assert_eq!(score(&policy, STRANGER.parse().unwrap(), &offence).weight, expected, "{reason}");
        }
    }

    #[test]
    fn every_reason_weighs_what_its_table_says_but_for_two_that_other_sites_can_cause() {
        for reason in Reason::ALL {
            let is_caused = matches!(reason, Reason::NoPath | Reason::UnknownHost);
            let expected = if is_caused { Fifth } else { reason.weight() };
            assert_eq!(weight_from_other_site(reason), expected, "{reason}");
        }
    }

    #[test]
    fn the_threshold_grows_with_confirmed_names() {
        for (a_minute, names, expected) in [
            (20, 0, 20),
            (20, 1, 20),
            (20, 2, 40),
            (20, 50, 1_000),
            (20, 51, 1_000),
            (1, 0, 1),
            (u32::MAX, 50, u32::MAX),
        ] {
            let policy = Policy { suspicious_per_minute: a_minute, ..policy() };
            let threshold = threshold(&policy, names);
            assert_eq!(threshold, expected, "{a_minute} a minute, {names} names");
            assert!(!is_too_many(threshold, threshold));
            assert!(threshold == u32::MAX || is_too_many(threshold + 1, threshold));
        }
    }
}
