//! What lies behind a reason: why a target could not be used, and why a client's certificate proves nothing (contract
//! section 8). There is one closed list of causes. Log lines, JSON, the newest decisions, metrics and docs/log.md all
//! use it.
//!
//! A [`Reason`] says what became of a client; a [`Cause`] says what an administrator has to look at. The part that
//! fails finds the cause: the dialler, TLS or a relay. Nothing here decides.

use std::fmt;
use std::net::SocketAddr;

use crate::reason::Reason;

/// The cause of a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum Cause {
    /// Nothing listens on the port, or a firewall says so (TCP reset to the first segment, ICMP port unreachable).
    Refused,
    /// There is no way to the address: no route, or a router says that the host or the network cannot be reached.
    NoRoute,
    /// This machine forbids the connection: its firewall, or the sandbox of the unit.
    Denied,
    /// This machine has no address, port, descriptor or memory for the connection.
    NoResources,
    /// No answer to TCP within `upstream.connect_timeout`.
    TimedOut,
    /// The connection was reset before it could be used.
    Reset,
    /// The DNS says that the name does not exist or has no address.
    NameNotFound,
    /// No name server answers, or the name server that answers cannot resolve the name.
    DnsFailed,
    /// The address is one of Portward's own listeners.
    Loop,
    /// An error of the operating system that has no name in this list.
    Unknown,
    /// The target has closed the connection without having answered a byte.
    Closed,
    /// The target has accepted the connection, but its answer has not come in time.
    NoAnswer,
    /// The target's answer is not what its protocol says, or breaks off in its middle.
    BadAnswer,
    /// The target answers a check, and says that it cannot serve: HTTP status 5xx, SIP 503.
    Unavailable,
    /// A request belongs to a dialog with an address that is no longer in its rule.
    NoTarget,
    /// The TLS handshake did not end within `upstream.connect_timeout`.
    TlsTimedOut,
    /// The target has ended the connection in the middle of the TLS handshake.
    TlsClosed,
    /// The target answers, but not in TLS.
    NotTls,
    /// The target speaks neither TLS 1.2 nor TLS 1.3.
    NoCommonVersion,
    /// The target and Portward have no cipher suite, curve or signature in common.
    NoCommonCipher,
    /// The target does not accept Portward's certificate, or wants one and gets none.
    OurCertificateRefused,
    /// The target has no certificate for the server name that Portward asks for.
    NameRefused,
    /// The target refuses the handshake by another alert.
    HandshakeRefused,
    /// The target's handshake is broken.
    BadHandshake,
    /// There is no name that a certificate could be for, so no certificate can be verified.
    NoName,
    /// The target's certificate does not have the fingerprint in `pin`.
    WrongPin,
    /// The certificate is not for this name.
    WrongName,
    /// No certificate of the trust store has issued the certificate.
    UnknownCa,
    /// The certificate, or one above it in its chain, is no longer valid.
    Expired,
    /// The certificate, or one above it in its chain, is not valid yet.
    NotYetValid,
    /// The certificate's issuer has revoked it.
    Revoked,
    /// The certificate is not made for this use. A server's certificate and a client's certificate are different uses.
    WrongPurpose,
    /// The certificate's issuer may not issue it: name constraints, path length, or the issuer is no CA.
    NotAllowed,
    /// The certificate names a known issuer, but the issuer's key has not signed it.
    BadSignature,
    /// The certificate cannot be decoded, or nothing in it can be used.
    Unreadable,
    /// Signatures of the certificate's key cannot be verified here. So nothing shows that the peer holds the key.
    UnverifiableKey,
    /// The client has shown no certificate.
    NoCertificate,
}

/// What a cause is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Concerns {
    /// A target that cannot be used, for this reason.
    Target(Reason),
    /// A certificate: a target's, which is refused for [`Reason::TargetTls`], or a client's.
    Certificate,
    /// A client's certificate alone.
    Client,
}

impl Cause {
    /// Every cause, in the order of the documentation.
    pub const ALL: [Self; 37] = [
        Self::Refused,
        Self::NoRoute,
        Self::Denied,
        Self::NoResources,
        Self::TimedOut,
        Self::Reset,
        Self::NameNotFound,
        Self::DnsFailed,
        Self::Loop,
        Self::Unknown,
        Self::Closed,
        Self::NoAnswer,
        Self::BadAnswer,
        Self::Unavailable,
        Self::NoTarget,
        Self::TlsTimedOut,
        Self::TlsClosed,
        Self::NotTls,
        Self::NoCommonVersion,
        Self::NoCommonCipher,
        Self::OurCertificateRefused,
        Self::NameRefused,
        Self::HandshakeRefused,
        Self::BadHandshake,
        Self::NoName,
        Self::WrongPin,
        Self::WrongName,
        Self::UnknownCa,
        Self::Expired,
        Self::NotYetValid,
        Self::Revoked,
        Self::WrongPurpose,
        Self::NotAllowed,
        Self::BadSignature,
        Self::Unreadable,
        Self::UnverifiableKey,
        Self::NoCertificate,
    ];

    const fn row(self) -> (&'static str, Concerns) {
        const DOWN: Concerns = Concerns::Target(Reason::TargetDown);
        const TLS: Concerns = Concerns::Target(Reason::TargetTls);
        match self {
            Self::Refused => ("refused", DOWN),
            Self::NoRoute => ("no-route", DOWN),
            Self::Denied => ("denied", DOWN),
            Self::NoResources => ("no-resources", DOWN),
            Self::TimedOut => ("timed-out", DOWN),
            Self::Reset => ("reset", DOWN),
            Self::NameNotFound => ("name-not-found", DOWN),
            Self::DnsFailed => ("dns-failed", DOWN),
            Self::Loop => ("loop", DOWN),
            Self::Unknown => ("unknown", DOWN),
            Self::Closed => ("closed", DOWN),
            Self::NoAnswer => ("no-answer", DOWN),
            Self::BadAnswer => ("bad-answer", DOWN),
            Self::Unavailable => ("unavailable", DOWN),
            Self::NoTarget => ("no-target", DOWN),
            Self::TlsTimedOut => ("tls-timed-out", TLS),
            Self::TlsClosed => ("tls-closed", TLS),
            Self::NotTls => ("not-tls", TLS),
            Self::NoCommonVersion => ("no-common-version", TLS),
            Self::NoCommonCipher => ("no-common-cipher", TLS),
            Self::OurCertificateRefused => ("our-certificate-refused", TLS),
            Self::NameRefused => ("name-refused", TLS),
            Self::HandshakeRefused => ("handshake-refused", TLS),
            Self::BadHandshake => ("bad-handshake", TLS),
            Self::NoName => ("no-name", TLS),
            Self::WrongPin => ("wrong-pin", TLS),
            Self::WrongName => ("wrong-name", Concerns::Certificate),
            Self::UnknownCa => ("unknown-ca", Concerns::Certificate),
            Self::Expired => ("expired", Concerns::Certificate),
            Self::NotYetValid => ("not-yet-valid", Concerns::Certificate),
            Self::Revoked => ("revoked", Concerns::Certificate),
            Self::WrongPurpose => ("wrong-purpose", Concerns::Certificate),
            Self::NotAllowed => ("not-allowed", Concerns::Certificate),
            Self::BadSignature => ("bad-signature", Concerns::Certificate),
            Self::Unreadable => ("unreadable", Concerns::Certificate),
            Self::UnverifiableKey => ("unverifiable-key", Concerns::Certificate),
            Self::NoCertificate => ("no-certificate", Concerns::Client),
        }
    }

    /// The cause's name in log lines, JSON, metrics and the documentation.
    pub const fn name(self) -> &'static str {
        self.row().0
    }

    /// What the cause is about.
    pub const fn concerns(self) -> Concerns {
        self.row().1
    }

    /// The reason for which a client is refused when its target fails with this cause.
    pub const fn reason(self) -> Reason {
        match self.concerns() {
            Concerns::Target(reason) => reason,
            Concerns::Certificate | Concerns::Client => Reason::TargetTls,
        }
    }

    /// Whether a target can fail with this cause.
    pub const fn is_of_target(self) -> bool {
        !matches!(self.concerns(), Concerns::Client)
    }

    /// Whether the TCP connection was made and TLS failed.
    pub const fn is_in_tls(self) -> bool {
        matches!(self.reason(), Reason::TargetTls)
    }

    /// Whether this cause casts doubt on the address, which is then tried last for a while (contract section 8,
    /// Health). A fault of Portward's own certificate, of this machine or of one host's name says nothing about the
    /// address.
    pub const fn casts_doubt(self) -> bool {
        !matches!(
            self,
            Self::OurCertificateRefused
                | Self::NoResources
                | Self::Denied
                | Self::NoName
                | Self::NameRefused
                | Self::WrongName
                | Self::NoCertificate
        )
    }
}

/// A new cause goes directly before `NoCertificate`, here and in [`Cause::ALL`]. Counters use a cause's position in the
/// list as their index.
const _: () =
    assert!(Cause::NoCertificate as usize + 1 == Cause::ALL.len(), "a cause is missing in Cause::ALL");

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The part of a target that has failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FailedAt {
    /// An address and port.
    Address(SocketAddr),
    /// A DNS name that has no address, and the port.
    Name(Box<str>, u16),
}

impl fmt::Display for FailedAt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Address(address) => address.fmt(f),
            Self::Name(name, port) => write!(f, "{name}:{port}"),
        }
    }
}

/// One address of a target that could not be used, and why.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Failure {
    /// What failed.
    pub at: FailedAt,
    /// Why it failed.
    pub cause: Cause,
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.at, self.cause)
    }
}

/// How many failures are kept for one request. Targets with more addresses are rare, and the log line stays short.
pub const FAILURES: usize = 8;

/// The failures of one target, in the order in which its addresses were tried. Each address is listed once, with its
/// latest cause. The list allocates no memory while nothing has failed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Failures(Vec<Failure>);

impl Failures {
    /// A list with a single failure.
    pub fn single(failure: Failure) -> Self {
        Self(vec![failure])
    }

    /// Adds a failure. When [`FAILURES`] are listed, only addresses that are listed already are updated.
    pub fn note(&mut self, failure: Failure) {
        if let Some(known) = self.0.iter_mut().find(|known| known.at == failure.at) {
            known.cause = failure.cause;
        } else if self.0.len() < FAILURES {
            self.0.push(failure);
        }
    }

    /// All failures.
    pub fn as_slice(&self) -> &[Failure] {
        &self.0
    }

    /// The failure that decides how the client is refused: the first failure in TLS, or else the first failure. A
    /// target that can be reached but is not trusted is worse news than a target that is switched off.
    pub fn decisive(&self) -> Option<&Failure> {
        decisive(&self.0)
    }
}

impl IntoIterator for Failures {
    type Item = Failure;
    type IntoIter = std::vec::IntoIter<Failure>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_iter()
    }
}

/// See [`Failures::decisive`].
pub fn decisive(failures: &[Failure]) -> Option<&Failure> {
    failures.iter().find(|failure| failure.cause.is_in_tls()).or(failures.first())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::BTreeSet;

    #[test]
    fn names_are_distinct_speak_kebab_and_stand_in_their_order() {
        let names: BTreeSet<_> = Cause::ALL.iter().map(|cause| cause.name()).collect();
        assert_eq!(names.len(), Cause::ALL.len());
        assert!(names.iter().all(|name| name.bytes().all(|b| b.is_ascii_lowercase() || b == b'-')));
        assert!(Cause::ALL.iter().enumerate().all(|(at, one)| *one as usize == at));
    }

    #[test]
    fn a_failure_in_tls_decides_and_each_address_stands_once() {
        let failure = |last: u8, cause| Failure {
            at: FailedAt::Address(SocketAddr::from(([192, 0, 2, last], 443))),
            cause,
        };
        let mut failures = Failures::default();
        assert_eq!(failures.decisive(), None);
        failures.note(failure(1, Cause::Refused));
        failures.note(failure(2, Cause::Closed));
        failures.note(failure(2, Cause::WrongPin));
        assert_eq!(failures.as_slice().len(), 2);
        assert_eq!(failures.decisive(), Some(&failure(2, Cause::WrongPin)));
        (3..200).for_each(|last| failures.note(failure(last, Cause::TimedOut)));
        assert_eq!(failures.as_slice().len(), FAILURES);
        assert_eq!(failure(1, Cause::Refused).to_string(), "192.0.2.1:443 refused");
    }
}
