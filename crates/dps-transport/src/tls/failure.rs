//! rustls errors in our terms.

use super::identity::signing_failure;
use super::verifier::is_self_signed_error;
use dps_core::{CertificateProblem, Error, ErrorKind, Stage};
use rustls::{AlertDescription, CertificateError};

pub(super) fn translate(error: &rustls::Error, host: &str) -> Error {
    let tls = |kind| Error::new(Stage::Tls, kind).with_detail(format!("{host}: {error}"));
    if let Some(failure) = signing_failure(error) {
        return failure;
    }
    match error {
        rustls::Error::AlertReceived(alert) if refuses_certificate(*alert) => {
            tls(ErrorKind::ClientCertificate)
        }
        rustls::Error::InvalidCertificate(reason) => {
            tls(ErrorKind::ServerCertificate(problem(reason)))
        }
        rustls::Error::NoCertificatesPresented => {
            tls(ErrorKind::ServerCertificate(CertificateProblem::Other))
        }
        // The peer gave up for a reason of its own; a later try may find it better disposed.
        rustls::Error::AlertReceived(
            AlertDescription::InternalError | AlertDescription::UserCanceled,
        ) => tls(ErrorKind::ConnectionLost),
        _ => tls(ErrorKind::Tls),
    }
}

/// An error after the handshake. The server has proved who it is, so a fault is the network's or
/// the server's trouble and another connection may fare better; unless the server tells us that
/// it does not accept ours (TLS 1.3 says so only then).
pub(super) fn later(error: &rustls::Error, host: &str) -> Error {
    if let Some(failure) = signing_failure(error) {
        return failure;
    }
    let kind = match error {
        rustls::Error::AlertReceived(alert) if refuses_certificate(*alert) => {
            ErrorKind::ClientCertificate
        }
        _ => ErrorKind::ConnectionLost,
    };
    Error::new(Stage::Tls, kind).with_detail(format!("{host}: {error}"))
}

/// What a server says about the client's certificate.
fn refuses_certificate(alert: AlertDescription) -> bool {
    use AlertDescription as Alert;
    matches!(
        alert,
        Alert::BadCertificate
            | Alert::UnsupportedCertificate
            | Alert::CertificateRevoked
            | Alert::CertificateExpired
            | Alert::CertificateUnknown
            | Alert::CertificateRequired
            | Alert::UnknownCA
            | Alert::AccessDenied
            // A signature did not verify: the handshake's, or a certificate's when the server
            // knows another issuer of the same name.
            | Alert::DecryptError
    )
}

fn problem(reason: &CertificateError) -> CertificateProblem {
    match reason {
        // A bad signature means that the trusted authority of that name is another one, as after
        // a local service has made itself a new CA.
        CertificateError::UnknownIssuer | CertificateError::BadSignature => {
            CertificateProblem::UnknownIssuer
        }
        CertificateError::NotValidForName | CertificateError::NotValidForNameContext { .. } => {
            CertificateProblem::WrongName
        }
        CertificateError::Expired | CertificateError::ExpiredContext { .. } => {
            CertificateProblem::Expired
        }
        CertificateError::NotValidYet | CertificateError::NotValidYetContext { .. } => {
            CertificateProblem::NotYetValid
        }
        CertificateError::Revoked => CertificateProblem::Revoked,
        reason if is_self_signed_error(reason) => CertificateProblem::SelfSigned,
        _ => CertificateProblem::Other,
    }
}
