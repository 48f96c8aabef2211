//! The reasons for which something is refused or ended: the closed list of contract section 8, in one table.
//!
//! Logs, `explain`, counters and the guard all read this table. So they always agree about a name, and about which
//! reasons are suspicious.

use std::fmt;

/// Why a request or a connection was refused or ended early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Reason {
    /// No rule names the host that was asked for.
    UnknownHost,
    /// The host is known, but not for this service.
    NoService,
    /// The host is known for HTTP, but no path of it matches.
    NoPath,
    /// The path could be understood in more than one way.
    UnsafePath,
    /// There is no domain, identifier or Host where one is needed, and no default host.
    NoName,
    /// The method or operation may not come here.
    Method,
    /// The message is not of this port's protocol, or violates it.
    Malformed,
    /// The message has more bytes than its kind may have.
    TooLarge,
    /// Something other than TLS came on a TLS port.
    NotTls,
    /// Bytes came, but not all bytes that the decision needs came in time.
    Timeout,
    /// A later registration, call or bind leads to another rule than the one that decided the connection.
    OtherTarget,
    /// A later message speaks for a name that the certificate has not proven.
    OtherName,
    /// A login was refused, by the PBX or by Portward.
    FailedLogin,
    /// The path names a tenant that does not exist.
    UnknownTenant,
    /// A SIP request lacks something that every request must have, or contradicts itself.
    Sanity,
    /// The User-Agent is one of `sip.scanners`.
    Scanner,
    /// No byte came in time.
    Silent,
    /// The client closed before the decision.
    Aborted,
    /// TLS was spoken, but the handshake did not end.
    TlsFailed,
    /// The certificate check failed and the rule says `on_failed_check = "reject"`.
    Certificate,
    /// The host, or the tenant that it belongs to, is disabled.
    Disabled,
    /// The credential is genuine, but has expired.
    Expired,
    /// The page has another origin than the rule names.
    Origin,
    /// An address or a user sent more SIP requests a second than allowed.
    Rate,
    /// The address is on the blacklist.
    Blacklisted,
    /// The address is in `blacklist.block`.
    Blocked,
    /// One of our own limits was reached.
    Limit,
    /// No address of the target accepted a connection, or the target hung up without an answer.
    TargetDown,
    /// TLS with the target failed, or its certificate was not accepted.
    TargetTls,
    /// Portward is stopping.
    Shutdown,
}

/// How much an ending counts toward the blacklist. [`Reason::weight`] gives the weight of each reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Weight {
    /// Nothing: it may happen to a client that does nothing wrong.
    #[default]
    Nothing,
    /// A fifth of an offence: a page of another site made a browser send the request (contract section 6).
    Fifth,
    /// An offence.
    Whole,
}

impl Reason {
    /// Every reason, in the order of the documentation.
    pub const ALL: [Self; 30] = [
        Self::UnknownHost,
        Self::NoService,
        Self::NoPath,
        Self::UnsafePath,
        Self::NoName,
        Self::Method,
        Self::Malformed,
        Self::TooLarge,
        Self::NotTls,
        Self::Timeout,
        Self::OtherTarget,
        Self::OtherName,
        Self::FailedLogin,
        Self::UnknownTenant,
        Self::Sanity,
        Self::Scanner,
        Self::Silent,
        Self::Aborted,
        Self::TlsFailed,
        Self::Certificate,
        Self::Disabled,
        Self::Expired,
        Self::Origin,
        Self::Rate,
        Self::Blacklisted,
        Self::Blocked,
        Self::Limit,
        Self::TargetDown,
        Self::TargetTls,
        Self::Shutdown,
    ];

    /// The name in logs, counters, `explain` and the documentation, and the weight toward the blacklist (contract
    /// section 8). `OtherTarget` and `OtherName` count only if they end the connection. The relay decides that.
    const fn row(self) -> (&'static str, Weight) {
        match self {
            Self::UnknownHost => ("unknown-host", Weight::Whole),
            Self::NoService => ("no-service", Weight::Whole),
            Self::NoPath => ("no-path", Weight::Whole),
            Self::UnsafePath => ("unsafe-path", Weight::Whole),
            Self::NoName => ("no-name", Weight::Whole),
            Self::Method => ("method", Weight::Whole),
            Self::Malformed => ("malformed", Weight::Whole),
            Self::TooLarge => ("too-large", Weight::Whole),
            Self::NotTls => ("not-tls", Weight::Whole),
            Self::Timeout => ("timeout", Weight::Whole),
            Self::OtherTarget => ("other-target", Weight::Whole),
            Self::OtherName => ("other-name", Weight::Whole),
            Self::FailedLogin => ("failed-login", Weight::Whole),
            Self::UnknownTenant => ("unknown-tenant", Weight::Whole),
            Self::Sanity => ("sanity", Weight::Whole),
            Self::Scanner => ("scanner", Weight::Whole),
            Self::Silent => ("silent", Weight::Nothing),
            Self::Aborted => ("aborted", Weight::Nothing),
            Self::TlsFailed => ("tls-failed", Weight::Nothing),
            Self::Certificate => ("certificate", Weight::Nothing),
            Self::Disabled => ("disabled", Weight::Nothing),
            Self::Expired => ("expired", Weight::Nothing),
            Self::Origin => ("origin", Weight::Nothing),
            Self::Rate => ("rate", Weight::Nothing),
            Self::Blacklisted => ("blacklisted", Weight::Nothing),
            Self::Blocked => ("blocked", Weight::Nothing),
            Self::Limit => ("limit", Weight::Nothing),
            Self::TargetDown => ("target-down", Weight::Nothing),
            Self::TargetTls => ("target-tls", Weight::Nothing),
            Self::Shutdown => ("shutdown", Weight::Nothing),
        }
    }

    /// The name, as in contract section 8.
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// The reason with this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// The weight toward the blacklist (contract sections 6 and 8). The place where the ending happens may give another
    /// weight.
    pub const fn weight(self) -> Weight {
        self.row().1
    }

    /// Whether the rules and the client's address alone lead to this reason. Then `explain` can find it again.
    pub const fn is_of_rules(self) -> bool {
        match self {
            Self::UnknownHost
            | Self::NoService
            | Self::NoPath
            | Self::UnsafePath
            | Self::NoName
            | Self::UnknownTenant
            | Self::Certificate
            | Self::Disabled
            | Self::Blacklisted
            | Self::Blocked => true,
            Self::Method
            | Self::Malformed
            | Self::TooLarge
            | Self::NotTls
            | Self::Timeout
            | Self::OtherTarget
            | Self::OtherName
            | Self::FailedLogin
            | Self::Sanity
            | Self::Scanner
            | Self::Silent
            | Self::Aborted
            | Self::TlsFailed
            | Self::Expired
            | Self::Origin
            | Self::Rate
            | Self::Limit
            | Self::TargetDown
            | Self::TargetTls
            | Self::Shutdown => false,
        }
    }

    /// Whether it counts toward the blacklist.
    pub const fn suspicious(self) -> bool {
        !matches!(self.weight(), Weight::Nothing)
    }
}

/// A new reason must stand before `Shutdown`, here and in [`Reason::ALL`]. Counters find a reason by its position.
const _: () =
    assert!(Reason::Shutdown as usize + 1 == Reason::ALL.len(), "a reason is missing in Reason::ALL");

impl fmt::Display for Reason {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_distinct_and_speak_kebab() {
        let names: BTreeSet<_> = Reason::ALL.iter().map(|r| r.name()).collect();
        assert_eq!(names.len(), Reason::ALL.len());
        assert!(names.iter().all(|n| n.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
    }
}
