//! Certificates as the service sees them (`wire-protocol.md` sections 1.1, 2.6, 6.2 and 7.3).

use crate::timestamp::iso8601_seconds;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use core::fmt::Write as _;
use core::time::Duration;
use dps_core::wire::X509CertificateInfo;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// An X.509 certificate. Two are equal when they are the same to the byte, as a thumbprint says.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    common_name: Option<String>,
    info: X509CertificateInfo,
    not_before: u64,
    not_after: u64,
}

impl Certificate {
    /// PEM, or base64 of PEM or DER (section 7.3).
    pub(crate) fn from_text(text: &str) -> Result<Self, &'static str> {
        const NONE: &str = "it is not an X.509 certificate in PEM, nor base64 of one";
        let from_pem = |text: &[u8]| CertificateDer::from_pem_slice(text).map(|der| der.to_vec());
        if let Ok(der) = from_pem(text.as_bytes()) {
            return Self::from_der(&der).ok_or(NONE);
        }
        let compact: String = text.split_ascii_whitespace().collect();
        let bytes = STANDARD.decode(compact).map_err(|_| NONE)?;
        Self::from_der(&from_pem(&bytes).unwrap_or(bytes)).ok_or(NONE)
    }

    pub(crate) fn from_der(der: &[u8]) -> Option<Self> {
        let (rest, parsed) = X509Certificate::from_der(der).ok()?;
        if !rest.is_empty() {
            return None;
        }
        let seconds = |time: x509_parser::time::ASN1Time| u64::try_from(time.timestamp()).ok();
        // A time before 1970 has long begun.
        let not_before = seconds(parsed.validity().not_before).unwrap_or(0);
        let not_after = seconds(parsed.validity().not_after)?;
        let info = X509CertificateInfo {
            subject_name: parsed.subject().to_string(),
            sha1_thumbprint: hexadecimal(digest(&SHA1_FOR_LEGACY_USE_ONLY, der).as_ref()),
            sha256_thumbprint: hexadecimal(digest(&SHA256, der).as_ref()),
            issuer_name: parsed.issuer().to_string(),
            not_before_utc: iso8601_seconds(not_before),
            not_after_utc: iso8601_seconds(not_after),
            serial_number: hexadecimal(parsed.raw_serial()),
            version: parsed.version().0.saturating_add(1),
        };
        let common_name = parsed.subject().iter_common_name().next();
        Some(Self {
            der: der.to_vec(),
            common_name: common_name.and_then(|name| name.as_str().ok()).map(str::to_owned),
            info,
            not_before,
            not_after,
        })
    }

    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// Subject, issuer, thumbprints, dates.
    pub fn info(&self) -> X509CertificateInfo {
        self.info.clone()
    }

    fn is_valid_at(&self, now: Duration) -> bool {
        (self.not_before..=self.not_after).contains(&now.as_secs())
    }
}

impl fmt::Debug for Certificate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Certificate").field(&self.info.subject_name).finish()
    }
}

fn hexadecimal(bytes: &[u8]) -> String {
    let mut text = String::with_capacity(2 * bytes.len());
    for byte in bytes {
        // Writing to a String cannot fail.
        let _ = write!(text, "{byte:02X}");
    }
    text
}

/// Why the service does not let a certificate in. For the log: the device is told "Invalid
/// certificate." whatever it is.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ChainProblem {
    #[error("the client certificate cannot be read")]
    Unreadable,
    #[error("the client certificate of {0:?} is not valid at this time: {1} to {2}")]
    Dates(String, String, String),
    #[error("the client certificate's common name {0:?} is not the registration id")]
    CommonName(String),
    #[error("the enrollment of this registration id asks for another proof than a certificate")]
    OtherAttestation,
    #[error("the enrollment of this registration id has another certificate")]
    NotEnrolled,
    #[error("no enrollment has this certificate, and there is no X.509 group")]
    NoGroup,
    #[error(
        "the chain of {presented} certificates, the last issued by {last_issuer:?}, does not lead to an enrolled signing certificate: {reason}"
    )]
    NoPath { presented: usize, last_issuer: String, reason: String },
    #[error("the signing certificate of {0:?} is not valid at this time")]
    Signer(String),
}

/// What a device presented, its own certificate first.
pub(crate) struct PresentedChain {
    leaf: Certificate,
    others: Vec<CertificateDer<'static>>,
    last_issuer: String,
}

impl PresentedChain {
    pub(crate) fn parse(chain: &[Vec<u8>]) -> Result<Self, ChainProblem> {
        let mut certificates = chain.iter();
        let leaf = certificates.next().and_then(|der| Certificate::from_der(der));
        let leaf = leaf.ok_or(ChainProblem::Unreadable)?;
        let last = chain.last().and_then(|der| Certificate::from_der(der));
        let last_issuer = last.map_or_else(String::new, |last| last.info.issuer_name);
        let others = certificates.map(|der| CertificateDer::from(der.clone())).collect();
        Ok(Self { leaf, others, last_issuer })
    }

    /// The device's own certificate.
    pub(crate) fn leaf(&self) -> &Certificate {
        &self.leaf
    }

    /// What is asked of the device's certificate whoever issued it.
    pub(crate) fn verify_leaf(&self, id: &str, now: Duration) -> Result<(), ChainProblem> {
        let leaf = &self.leaf;
        if !leaf.is_valid_at(now) {
            let X509CertificateInfo { subject_name, not_before_utc, not_after_utc, .. } =
                leaf.info();
            return Err(ChainProblem::Dates(subject_name, not_before_utc, not_after_utc));
        }
        match &leaf.common_name {
            Some(name) if name.eq_ignore_ascii_case(id) => Ok(()),
            name => Err(ChainProblem::CommonName(name.clone().unwrap_or_default())),
        }
    }

    /// The number of certificates between the device's and `signer`, if every signature, date
    /// and constraint on the way is good.
    pub(crate) fn distance_to(
        &self,
        signer: &Certificate,
        now: Duration,
    ) -> Result<usize, ChainProblem> {
        if !signer.is_valid_at(now) {
            return Err(ChainProblem::Signer(signer.info.subject_name.clone()));
        }
        let no_path = |error: webpki::Error| ChainProblem::NoPath {
            presented: self.others.len() + 1,
            last_issuer: self.last_issuer.clone(),
            reason: error.to_string(),
        };
        let signer_der = CertificateDer::from(signer.der.as_slice());
        let anchors = [webpki::anchor_from_trusted_cert(&signer_der).map_err(no_path)?];
        let leaf_der = CertificateDer::from(self.leaf.der.as_slice());
        let leaf = EndEntityCert::try_from(&leaf_der).map_err(no_path)?;
        let path = leaf
            .verify_for_usage(
                webpki::ALL_VERIFICATION_ALGS,
                &anchors,
                &self.others,
                UnixTime::since_unix_epoch(now),
                KeyUsage::client_auth(),
                None,
                None,
            )
            .map_err(no_path)?;
        Ok(path.intermediate_certificates().count())
    }
}

#[cfg(test)]
#[path = "x509_tests.rs"]
mod tests;
