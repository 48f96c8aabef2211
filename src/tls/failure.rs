//! Which [`Cause`] a failed handshake with a target has, or a certificate that proves nothing: errors of rustls and webpki in
//! the words of the closed list.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, OtherError, PeerIncompatible};

use crate::cause::Cause;

/// Why a handshake with a target has failed, by the error with which it ended.
pub fn of_handshake(error: &io::Error) -> Cause {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(error) => of_tls(error),
        None if error.kind() == io::ErrorKind::TimedOut => Cause::TlsTimedOut,
        None => Cause::TlsClosed,
    }
}

/// What a target says of our handshake after it: since TLS 1.3 a client learns only then that its certificate was refused (RFC
/// 8446 section 4.4.2.4). `None`: it says nothing.
pub fn of_alert_after(error: &io::Error) -> Option<Cause> {
    alert_of(error).map(of_alert_to_ours)
}

/// Why a handshake with a target has failed that had asked for our certificate.
pub(super) fn of_asking(error: &io::Error) -> Cause {
    alert_of(error).map_or_else(|| of_handshake(error), of_alert_to_ours)
}

fn alert_of(error: &io::Error) -> Option<AlertDescription> {
    match error.get_ref()?.downcast_ref::<Error>()? {
        Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

/// Of a target that knows which certificate we have, or that we have none. What it has in common with us is settled by then.
fn of_alert_to_ours(alert: AlertDescription) -> Cause {
    match alert {
        AlertDescription::HandshakeFailure => Cause::OurCertificateRefused,
        other => of_alert(other),
    }
}

/// Why a handshake has failed, by what TLS itself says.
pub fn of_tls(error: &Error) -> Cause {
    match error {
        Error::InvalidCertificate(error) => of_certificate(error),
        Error::AlertReceived(alert) => of_alert(*alert),
        Error::InvalidMessage(
            InvalidMessage::InvalidContentType
            | InvalidMessage::UnknownProtocolVersion
            | InvalidMessage::MessageTooLarge
            | InvalidMessage::InvalidEmptyPayload,
        ) => Cause::NotTls,
        Error::PeerIncompatible(
            PeerIncompatible::ServerTlsVersionIsDisabledByOurConfig
            | PeerIncompatible::ServerDoesNotSupportTls12Or13,
        ) => Cause::NoCommonVersion,
        Error::PeerIncompatible(_) => Cause::NoCommonCipher,
        Error::NoApplicationProtocol => Cause::HandshakeRefused,
        Error::NoCertificatesPresented => Cause::Unreadable,
        _ => Cause::BadHandshake,
    }
}

/// RFC 8446 section 6.2. `handshake_failure` says no more than that nothing fits.
fn of_alert(alert: AlertDescription) -> Cause {
    use AlertDescription as Alert;
    match alert {
        Alert::ProtocolVersion => Cause::NoCommonVersion,
        Alert::HandshakeFailure | Alert::InsufficientSecurity => Cause::NoCommonCipher,
        Alert::NoCertificate
        | Alert::BadCertificate
        | Alert::UnsupportedCertificate
        | Alert::CertificateRevoked
        | Alert::CertificateExpired
        | Alert::CertificateUnknown
        | Alert::UnknownCA
        | Alert::AccessDenied
        | Alert::CertificateRequired => Cause::OurCertificateRefused,
        Alert::UnrecognisedName => Cause::NameRefused,
        _ => Cause::HandshakeRefused,
    }
}

fn of_certificate(error: &CertificateError) -> Cause {
    match error {
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => Cause::Expired,
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => Cause::NotYetValid,
        CertificateError::Revoked => Cause::Revoked,
        CertificateError::UnknownIssuer => Cause::UnknownCa,
        CertificateError::BadSignature => Cause::BadSignature,
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            Cause::WrongName
        }
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => {
            Cause::WrongPurpose
        }
        CertificateError::UnsupportedSignatureAlgorithmContext { .. }
        | CertificateError::UnsupportedSignatureAlgorithmForPublicKeyContext { .. } => Cause::UnverifiableKey,
        // What `verify` says of a pin, and rustls itself never does.
        CertificateError::ApplicationVerificationFailure => Cause::WrongPin,
        CertificateError::Other(OtherError(other)) => match other.downcast_ref::<webpki::Error>() {
            Some(error) => of_chain(error),
            None if other.is::<Unverifiable>() => Cause::UnverifiableKey,
            None => Cause::Unreadable,
        },
        _ => Cause::Unreadable,
    }
}

/// Why nobody who is trusted vouches for a certificate.
pub(super) fn of_chain(error: &webpki::Error) -> Cause {
    use webpki::Error;
    match error {
        Error::CertExpired { .. } | Error::InvalidCertValidity => Cause::Expired,
        Error::CertNotValidYet { .. } => Cause::NotYetValid,
        Error::CertRevoked => Cause::Revoked,
        // A certificate that has signed itself and says that it is a CA's: whoever trusts it puts it into the store.
        Error::UnknownIssuer | Error::CaUsedAsEndEntity | Error::CertDistrusted => Cause::UnknownCa,
        Error::CertNotValidForName(_) => Cause::WrongName,
        Error::InvalidSignatureForPublicKey | Error::SignatureAlgorithmMismatch => Cause::BadSignature,
        Error::UnsupportedSignatureAlgorithmContext(_)
        | Error::UnsupportedSignatureAlgorithmForPublicKeyContext(_) => Cause::UnverifiableKey,
        Error::RequiredEkuNotFoundContext(_) | Error::EmptyEkuExtension => Cause::WrongPurpose,
        Error::EndEntityUsedAsCa
        | Error::NameConstraintViolation
        | Error::PathLenConstraintViolated
        | Error::MaximumNameConstraintComparisonsExceeded
        | Error::MaximumPathBuildCallsExceeded
        | Error::MaximumPathDepthExceeded
        | Error::MaximumSignatureChecksExceeded => Cause::NotAllowed,
        _ => Cause::Unreadable,
    }
}

/// The key of a target's certificate is one whose signatures cannot be verified here.
#[derive(Debug)]
struct Unverifiable;

impl fmt::Display for Unverifiable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("signatures of this certificate's key cannot be verified")
    }
}

impl std::error::Error for Unverifiable {}

/// The error with which a handshake ends over such a key.
pub(super) fn unverifiable() -> Error {
    CertificateError::Other(OtherError(Arc::new(Unverifiable))).into()
}
