//! Why something was refused or ended: the closed list of contract section 8, one table.
//!
//! Logs, `explain`, counters and the guard all read this table, so that they can never disagree about a name
//! or about what counts as suspicious.

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
    /// No domain, identifier or Host where one is needed, and no default host.
    NoName,
    /// A method or operation that may not come here.
    Method,
    /// Not the protocol of this port, or a violation of it.
    Malformed,
    /// More bytes than a message of its kind may have.
    TooLarge,
    /// Something other than TLS on a TLS port.
    NotTls,
    /// Bytes came, but not all that the decision needs, in time.
    Timeout,
    /// A later registration, call or bind leads to another rule than the one that decided the connection.
    OtherTarget,
    /// A later message speaks for another name than the certificate has proven.
    OtherName,
    /// A login was refused, by the PBX or by Portward.
    FailedLogin,
    /// The path names a tenant that there is not.
    UnknownTenant,
    /// A SIP request lacks what every request must have, or contradicts itself.
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
    /// A genuine credential whose time is over.
    Expired,
    /// A page of another origin than the rule names.
    Origin,
    /// More SIP requests a second than an address or a user may send.
    Rate,
    /// The address is on the blacklist.
    Blacklisted,
    /// The address is in `blacklist.block`.
    Blocked,
    /// One of our own limits.
    Limit,
    /// No address of the target accepted a connection, or it hung up without an answer.
    TargetDown,
    /// The target's TLS failed, its certificate included.
    TargetTls,
    /// Portward is stopping.
    Shutdown,
}

/// What an end weighs toward the blacklist. [`Reason::weight`] has the weight of each reason.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Weight {
    /// Nothing: it may happen to a client that does nothing wrong.
    #[default]
    Nothing,
    /// A fifth of an offence: a page of another site made a browser ask (contract section 6).
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

    /// The name in logs, counters, `explain` and the documentation, and the weight toward the blacklist
    /// (contract section 8). For `OtherTarget` and `OtherName` the relay decides: they count only where they end
    /// the connection.
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

    /// The reason of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.name() == name)
    }

    /// What it weighs toward the blacklist (contract sections 6 and 8), unless the place where it happens knows better.
    pub const fn weight(self) -> Weight {
        self.row().1
    }

    /// Whether the rules and the address of the client alone decide it, so that a question to `explain` finds it again.
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

/// A new reason stands before `Shutdown`, here and in [`Reason::ALL`]. Counters find a reason by its place.
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
