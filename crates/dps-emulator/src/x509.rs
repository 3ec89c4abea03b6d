//! Certificates as the service sees them (`wire-protocol.md` sections 1.1, 2.6, 6.2 and 7.3;
//! RFC 5280 section 6.1).

use crate::timestamp::iso8601_seconds;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::cell::RefCell;
use core::fmt;
use core::fmt::Write as _;
use core::time::Duration;
use dps_core::wire::X509CertificateInfo;
use ring::digest::{SHA1_FOR_LEGACY_USE_ONLY, SHA256, digest};
use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, UnixTime};
use webpki::{EndEntityCert, KeyUsage, VerifiedPath};
use x509_parser::prelude::{FromDer as _, X509Certificate};

/// An X.509 certificate. Two are equal when they are the same to the byte, as a thumbprint says.
#[derive(Clone, PartialEq, Eq)]
pub struct Certificate {
    der: Vec<u8>,
    common_name: Option<String>,
    info: X509CertificateInfo,
    not_before: u64,
    not_after: u64,
    uses: Uses,
}

/// What a certificate may be used for (RFC 5280 sections 4.2.1.3, 4.2.1.9 and 4.2.1.12).
#[derive(Clone, Copy, PartialEq, Eq)]
struct Uses {
    /// basicConstraints says that it is a certificate authority's.
    is_authority: bool,
    /// The most authorities that may stand below it, if it says.
    path_length: Option<usize>,
    /// keyUsage, if present, allows signing certificates.
    signs_certificates: bool,
    /// extendedKeyUsage, if present, allows the client's side of TLS.
    authenticates_clients: bool,
}

impl Uses {
    /// `None` when an extension is there twice or cannot be read.
    fn of(certificate: &X509Certificate<'_>) -> Option<Self> {
        let constraints = certificate.basic_constraints().ok()?.map(|extension| extension.value);
        let key_usage = certificate.key_usage().ok()?;
        let extended = certificate.extended_key_usage().ok()?;
        let length = constraints.and_then(|constraints| constraints.path_len_constraint);
        Some(Self {
            is_authority: constraints.is_some_and(|constraints| constraints.ca),
            path_length: length.map(|length| usize::try_from(length).unwrap_or(usize::MAX)),
            signs_certificates: key_usage.is_none_or(|usage| usage.value.key_cert_sign()),
            authenticates_clients: extended.is_none_or(|usage| usage.value.client_auth),
        })
    }
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
            uses: Uses::of(&parsed)?,
        })
    }

    /// The certificate in DER.
    pub fn der(&self) -> &[u8] {
        &self.der
    }

    /// The certificate as the service API gives it: DER in base64.
    pub(crate) fn base64(&self) -> String {
        STANDARD.encode(&self.der)
    }

    /// Subject, issuer, thumbprints, dates.
    pub fn info(&self) -> X509CertificateInfo {
        self.info.clone()
    }

    /// What keeps it from being a signing certificate, if anything does.
    pub(crate) fn is_no_authority(&self) -> Option<&'static str> {
        match self.uses {
            Uses { is_authority: false, .. } => {
                Some("it is not a certificate authority's: basicConstraints lacks CA:TRUE")
            }
            Uses { signs_certificates: false, .. } => {
                Some("it may not sign certificates: keyUsage lacks keyCertSign")
            }
            _ => None,
        }
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
    #[error(
        "the client certificate of {0:?} is not for clients: extendedKeyUsage lacks clientAuth"
    )]
    NotForClients(String),
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
        if !leaf.uses.authenticates_clients {
            return Err(ChainProblem::NotForClients(leaf.info.subject_name.clone()));
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
        // Why a path that webpki is content with is none.
        let objection = RefCell::new(None);
        let no_path = |error: webpki::Error| ChainProblem::NoPath {
            presented: self.others.len() + 1,
            last_issuer: self.last_issuer.clone(),
            reason: objection.take().unwrap_or_else(|| error.to_string()),
        };
        let check = |path: &VerifiedPath<'_>| match objection_to(path, signer) {
            Some((reason, error)) => {
                objection.replace(Some(reason));
                Err(error)
            }
            None => Ok(()),
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
                Some(&check),
            )
            .map_err(no_path)?;
        Ok(path.intermediate_certificates().count())
    }
}

/// What webpki does not look at: keyUsage, and the anchor's own path length. That the
/// certificates between are authorities', and their path lengths, it has seen to.
fn objection_to(path: &VerifiedPath<'_>, signer: &Certificate) -> Option<(String, webpki::Error)> {
    let mut between = 0;
    for certificate in path.intermediate_certificates() {
        between += 1;
        let certificate = Certificate::from_der(&certificate.der());
        let Some(certificate) = certificate else {
            return Some(("a certificate cannot be read".to_owned(), webpki::Error::BadDer));
        };
        if let Some(problem) = certificate.is_no_authority() {
            let reason = format!("{:?}: {problem}", certificate.info.subject_name);
            return Some((reason, webpki::Error::EndEntityUsedAsCa));
        }
    }
    signer.uses.path_length.filter(|length| between > *length).map(|length| {
        let subject = &signer.info.subject_name;
        let reason = format!("{subject:?} allows {length} authorities below it, not {between}");
        (reason, webpki::Error::PathLenConstraintViolated)
    })
}

#[cfg(test)]
#[path = "x509_tests.rs"]
mod tests;
