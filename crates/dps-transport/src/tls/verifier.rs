//! Judges the server's certificate: as webpki does, and by the pins that were revoked.

use super::{PublicKeyPin, ServedChain, TlsOptions, TlsVersion};
use rustls::client::danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier};
use rustls::client::{VerifierBuilderError, WebPkiServerVerifier};
use rustls::crypto::CryptoProvider;
use rustls::pki_types::{CertificateDer, ServerName, UnixTime};
use rustls::{
    CertificateError, DigitallySignedStruct, DistinguishedName, OtherError, RootCertStore,
    SignatureScheme,
};
use std::sync::Arc;
use webpki::EndEntityCert;

/// The certificate vouches for itself. Travels inside rustls's error.
#[derive(Debug, thiserror::Error)]
#[error("self-signed certificate")]
pub(super) struct SelfSigned;

#[derive(Debug)]
pub(super) struct Verifier {
    webpki: Arc<WebPkiServerVerifier>,
    provider: Arc<CryptoProvider>,
    revoked: Vec<PublicKeyPin>,
    served: Option<ServedChain>,
}

impl Verifier {
    /// Trusts `anchors`, except for keys whose pins `options` revoke.
    pub(super) fn new(
        anchors: Arc<RootCertStore>,
        provider: Arc<CryptoProvider>,
        options: &TlsOptions,
    ) -> Result<Self, VerifierBuilderError> {
        let webpki =
            WebPkiServerVerifier::builder_with_provider(anchors, provider.clone()).build()?;
        let (revoked, served) = (options.revoked_pins.clone(), options.served_chain.clone());
        Ok(Self { webpki, provider, revoked, served })
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
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, rustls::Error> {
        if let Some(served) = &self.served {
            let chain = std::iter::once(end_entity).chain(intermediates);
            served.present(chain.map(|certificate| certificate.to_vec()).collect());
        }
        let verified = self
            .webpki
            .verify_server_cert(end_entity, intermediates, server_name, ocsp_response, now)
            .map_err(|error| match error {
                rustls::Error::InvalidCertificate(reason)
                    if nobody_vouches(&reason)
                        && is_self_signed(end_entity, server_name, now, &self.provider) =>
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
        Ok(verified)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let valid = self.webpki.verify_tls12_signature(message, certificate, signature)?;
        self.proved(TlsVersion::V1_2);
        Ok(valid)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, rustls::Error> {
        let valid = self.webpki.verify_tls13_signature(message, certificate, signature)?;
        self.proved(TlsVersion::V1_3);
        Ok(valid)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.webpki.supported_verify_schemes()
    }

    fn root_hint_subjects(&self) -> Option<&[DistinguishedName]> {
        self.webpki.root_hint_subjects()
    }
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
    provider: &Arc<CryptoProvider>,
) -> bool {
    let mut itself = RootCertStore::empty();
    if itself.add(certificate.clone().into_owned()).is_err() {
        return false;
    }
    let Ok(verifier) =
        WebPkiServerVerifier::builder_with_provider(Arc::new(itself), provider.clone()).build()
    else {
        return false;
    };
    match verifier.verify_server_cert(certificate, &[], name, &[], now) {
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
