//! The [`Cause`] of a failed handshake with a target, or of a certificate that proves nothing: errors of rustls and
//! webpki in the words of the closed list.

use std::fmt;
use std::io;
use std::sync::Arc;

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, OtherError, PeerIncompatible};

use crate::cause::Cause;

/// Why a handshake with a target has failed. `error` ended it.
pub fn of_handshake(error: &io::Error) -> Cause {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(error) => of_tls(error),
        None if error.kind() == io::ErrorKind::TimedOut => Cause::TlsTimedOut,
        None => Cause::TlsClosed,
    }
}

/// The alert of a target after our handshake. With TLS 1.3 a client learns only then that its certificate was refused
/// (RFC 8446 section 4.4.2.4). `None`: there was no alert.
pub fn of_alert_after(error: &io::Error) -> Option<Cause> {
    alert_of(error).map(of_alert_to_ours)
}

/// Why a handshake has failed with a target that had requested our certificate.
pub(super) fn of_asking(error: &io::Error) -> Cause {
    alert_of(error).map_or_else(|| of_handshake(error), of_alert_to_ours)
}

fn alert_of(error: &io::Error) -> Option<AlertDescription> {
    match error.get_ref()?.downcast_ref::<Error>()? {
        Error::AlertReceived(alert) => Some(*alert),
        _ => None,
    }
}

/// The cause of an alert from a target that knows our certificate, or that we have none. Version and cipher are agreed
/// by then.
fn of_alert_to_ours(alert: AlertDescription) -> Cause {
    match alert {
        AlertDescription::HandshakeFailure => Cause::OurCertificateRefused,
        other => of_alert(other),
    }
}

/// Why a handshake has failed, by the error of TLS itself.
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

/// The cause of an alert (RFC 8446 section 6.2). `handshake_failure` only says that nothing fits.
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
        // `verify` uses this for a wrong pin. rustls itself never uses it.
        CertificateError::ApplicationVerificationFailure => Cause::WrongPin,
        CertificateError::Other(OtherError(other)) => match other.downcast_ref::<webpki::Error>() {
            Some(error) => of_chain(error),
            None if other.is::<Unverifiable>() => Cause::UnverifiableKey,
            None => Cause::Unreadable,
        },
        _ => Cause::Unreadable,
    }
}

/// Why a certificate is not trusted.
pub(super) fn of_chain(error: &webpki::Error) -> Cause {
    use webpki::Error;
    match error {
        Error::CertExpired { .. } | Error::InvalidCertValidity => Cause::Expired,
        Error::CertNotValidYet { .. } => Cause::NotYetValid,
        Error::CertRevoked => Cause::Revoked,
        // A self-signed certificate that calls itself a CA's. An administrator who trusts it puts it into the store.
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

/// The key of a target's certificate is of a kind whose signatures cannot be verified here.
#[derive(Debug)]
struct Unverifiable;

impl fmt::Display for Unverifiable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("signatures of this certificate's key cannot be verified")
    }
}

impl std::error::Error for Unverifiable {}

/// The error that ends a handshake because of such a key.
pub(super) fn unverifiable() -> Error {
    CertificateError::Other(OtherError(Arc::new(Unverifiable))).into()
}
