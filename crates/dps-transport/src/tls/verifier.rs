//! Judges the server's certificate: as webpki does, and by the pins that were revoked.

use super::{PublicKeyPin, ServedChain, TlsOptions, TlsVersion};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{verify_server_cert_signed_by_trust_anchor, verify_server_name};
use rustls::crypto::{WebPkiSupportedAlgorithms, verify_tls12_signature, verify_tls13_signature};
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::server::ParsedCertificate;
use rustls::{CertificateError, DigitallySignedStruct, OtherError, RootCertStore, SignatureScheme};
use std::sync::Arc;
use webpki::EndEntityCert;

/// The certificate vouches for itself. Travels inside rustls's error.
#[derive(Debug, thiserror::Error)]
#[error("self-signed certificate")]
pub(super) struct SelfSigned;

#[derive(Debug)]
pub(super) struct Verifier {
    anchors: Arc<RootCertStore>,
    algorithms: WebPkiSupportedAlgorithms,
    revoked: Vec<PublicKeyPin>,
    served: Option<ServedChain>,
}

impl Verifier {
    /// Trusts `anchors`, except for keys whose pins `options` revoke.
    pub(super) fn new(
        anchors: Arc<RootCertStore>,
        algorithms: WebPkiSupportedAlgorithms,
        options: &TlsOptions,
    ) -> Self {
        let (revoked, served) = (options.revoked_pins.clone(), options.served_chain.clone());
        Self { anchors, algorithms, revoked, served }
    }

    /// Whether the certificate's public key is revoked. One that cannot be read has no key that
    /// could be trusted either.
    fn is_revoked(&self, certificate: &CertificateDer<'_>) -> bool {
        // Reads any certificate, whatever its name says.
        match EndEntityCert::try_from(certificate) {
            Ok(parsed) => {
                let pin = PublicKeyPin::of_public_key(&parsed.subject_public_key_info());
                self.revoked.contains(&pin)
            }
            Err(_) => true,
        }
    }

    fn proved(&self, version: TlsVersion) {
        if let Some(served) = &self.served {
            served.prove(version);
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        _: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(served) = &self.served {
            let chain = std::iter::once(end_entity).chain(intermediates);
            served.present(chain.map(|certificate| certificate.to_vec()).collect());
        }
        verify(end_entity, intermediates, &self.anchors, server_name, now, &self.algorithms)
            .map_err(|error| match error {
                rustls::Error::InvalidCertificate(reason)
                    if nobody_vouches(&reason)
                        && is_self_signed(end_entity, server_name, now, &self.algorithms) =>
                {
                    let reason = CertificateError::Other(OtherError(Arc::new(SelfSigned)));
                    rustls::Error::InvalidCertificate(reason)
                }
                error => error,
            })?;
        let mut chain = std::iter::once(end_entity).chain(intermediates);
        if !self.revoked.is_empty() && chain.any(|certificate| self.is_revoked(certificate)) {
            return Err(rustls::Error::InvalidCertificate(CertificateError::Revoked));
        }
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let valid = verify_tls12_signature(message, certificate, signature, &self.algorithms)?;
        self.proved(TlsVersion::V1_2);
        Ok(valid)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let valid = verify_tls13_signature(message, certificate, signature, &self.algorithms)?;
        self.proved(TlsVersion::V1_3);
        Ok(valid)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.algorithms.supported_schemes()
    }
}

/// As rustls's own verifier does when it is given no revocation lists, without the code for those.
fn verify(
    certificate: &CertificateDer<'_>,
    intermediates: &[CertificateDer<'_>],
    anchors: &RootCertStore,
    name: &ServerName<'_>,
    now: UnixTime,
    algorithms: &WebPkiSupportedAlgorithms,
) -> Result<(), rustls::Error> {
    let parsed = ParsedCertificate::try_from(certificate)?;
    verify_server_cert_signed_by_trust_anchor(
        &parsed,
        anchors,
        intermediates,
        now,
        algorithms.all,
    )?;
    verify_server_name(&parsed, name)
}

/// Whether no trust anchor leads to the certificate, for whatever reason.
fn nobody_vouches(reason: &CertificateError) -> bool {
    match reason {
        CertificateError::UnknownIssuer | CertificateError::BadSignature => true,
        reason => is_authority(reason),
    }
}

/// Whether the certificate is an authority's: self-made ones often are, and sent as a server's.
fn is_authority(reason: &CertificateError) -> bool {
    let CertificateError::Other(other) = reason else { return false };
    matches!(other.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

/// Whether a certificate's own key has signed it. (Its names alone do not tell.)
fn is_self_signed(
    certificate: &CertificateDer<'_>,
    name: &ServerName<'_>,
    now: UnixTime,
    algorithms: &WebPkiSupportedAlgorithms,
) -> bool {
    let mut itself = RootCertStore::empty();
    if itself.add(certificate.clone().into_owned()).is_err() {
        return false;
    }
    match verify(certificate, &[], &itself, name, now, algorithms) {
        Err(rustls::Error::InvalidCertificate(reason)) if is_authority(&reason) => {
            EndEntityCert::try_from(certificate)
                .is_ok_and(|parsed| parsed.issuer() == parsed.subject())
        }
        Err(rustls::Error::InvalidCertificate(reason)) => !nobody_vouches(&reason),
        _ => true,
    }
}

/// The reason behind an error, if it is one of ours.
pub(super) fn is_self_signed_error(reason: &CertificateError) -> bool {
    matches!(reason, CertificateError::Other(other) if other.0.is::<SelfSigned>())
}
