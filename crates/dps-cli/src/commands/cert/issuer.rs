//! The authority that signs: its certificate and its key, checked before anything is made.

use super::{VALID_BEFORE_NOW, is_same};
use crate::arguments::CertIssuer;
use crate::exit;
use crate::failure::Failure;
use dps_hsm_x509::X509Hsm;
use rcgen::{CertificateParams, IsCa, KeyPair};
use std::fmt::Display;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

const CERTIFICATE: (&str, &str) = ("-----BEGIN CERTIFICATE-----", "-----END CERTIFICATE-----");
const PRIVATE_KEY: (&str, &str) = ("-----BEGIN PRIVATE KEY-----", "-----END PRIVATE KEY-----");

/// An authority that may sign.
pub(super) struct Issuer {
    issuer: rcgen::Issuer<'static, KeyPair>,
    /// What a device sends behind its own certificate: a root is what the service knows,
    /// everything below it is sent along.
    behind: String,
    /// How many authorities may stand below it, if it says.
    path_length: Option<u32>,
    /// When it expires, since 1970-01-01T00:00:00Z.
    expires: Duration,
    files: [PathBuf; 2],
}

/// What its certificate says about those below it.
struct Limits {
    path_length: Option<u32>,
    expires: Duration,
}

impl Issuer {
    pub(super) fn read(options: &CertIssuer) -> Result<Self, Failure> {
        let (ca, ca_key) = (&options.ca, &options.ca_key);
        let unusable = |why: &dyn Display| {
            let (ca, key) = (ca.display(), ca_key.display());
            Failure::new(exit::CONFIG, format!("{ca} and {key} are not an authority")).why(why)
        };
        let (chain, key) = (read(ca)?, read(ca_key)?);
        // Checks that they belong together, which rcgen does not.
        let checked = X509Hsm::from_pem(&chain, &key).map_err(|error| unusable(&error))?;
        let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        checked.check_validity(now.as_secs()).map_err(|error| unusable(&error))?;
        // They are text, as it has found out.
        let (chain, key) = (String::from_utf8_lossy(&chain), text(&key));
        let certificates = blocks(&chain, CERTIFICATE);
        let first = certificates.first().copied().unwrap_or_default();
        let limits = authority_s_limits(first).map_err(|problem| {
            unusable(&problem).remedy("sign with the certificate and key of an authority")
        })?;
        let key = blocks(key, PRIVATE_KEY).first().copied().ok_or_else(|| {
            unusable(&"the private key is not in PKCS#8").remedy(format!(
                "convert it: openssl pkcs8 -topk8 -nocrypt -in {} -out new.key",
                ca_key.display()
            ))
        })?;
        let key = KeyPair::from_pem(key).map_err(|error| unusable(&error))?;
        let issuer =
            rcgen::Issuer::from_ca_cert_pem(first, key).map_err(|error| unusable(&error))?;
        let is_root = certificates.len() == 1 && checked.missing_issuer().is_none();
        let mut behind = String::new();
        for certificate in certificates.iter().filter(|_| !is_root) {
            behind.extend([certificate, "\n"]);
        }
        let Limits { path_length, expires } = limits;
        Ok(Self { issuer, behind, path_length, expires, files: [ca.clone(), ca_key.clone()] })
    }

    /// Refuses to put anything in place of the authority's own files.
    pub(super) fn spare_its_files(&self, made: &[&Path]) -> Result<(), Failure> {
        let hit = made.iter().find(|made| self.files.iter().any(|used| is_same(made, used)));
        match hit {
            Some(made) => Err(Failure::new(
                exit::CONFIG,
                format!("{} would replace the authority's own file", made.display()),
            )
            .remedy("give another name")),
            None => Ok(()),
        }
    }

    /// Whether it may have an authority below it; a device always.
    pub(super) fn check_room_for(&self, params: &CertificateParams) -> Result<(), Failure> {
        if matches!(params.is_ca, IsCa::Ca(_)) && self.path_length == Some(0) {
            let ca = self.files.first().map(|path| path.display().to_string()).unwrap_or_default();
            return Err(Failure::new(exit::CONFIG, format!("{ca} allows no authority below it"))
                .why("its basicConstraints has pathlen:0")
                .remedy("sign with the authority above it"));
        }
        Ok(())
    }

    /// Lets nothing be valid longer than the authority: nobody would take it then. Gives what
    /// the user should know of it, unless that is a matter of moments.
    pub(super) fn cap(&self, params: &mut CertificateParams) -> Option<String> {
        let wanted = params.not_after;
        let end = rcgen::date_time_ymd(1970, 1, 1) + self.expires;
        if wanted <= end {
            return None;
        }
        params.not_after = end;
        let ca = self.files.first().map(|path| path.display().to_string()).unwrap_or_default();
        (wanted - end > VALID_BEFORE_NOW).then(|| {
            let date = end.date();
            format!("it is valid until {date} only, when {ca} expires, and not for all of --days")
        })
    }

    /// A certificate in PEM.
    pub(super) fn sign(
        &self,
        params: CertificateParams,
        key: &KeyPair,
    ) -> Result<String, rcgen::Error> {
        Ok(params.signed_by(key, &self.issuer)?.pem())
    }

    /// A certificate in PEM, and behind it the issuers' that the service has to be shown.
    pub(super) fn issue(
        &self,
        params: CertificateParams,
        key: &KeyPair,
    ) -> Result<String, rcgen::Error> {
        Ok(self.sign(params, key)? + &self.behind)
    }
}

fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, Failure> {
    fs::read(path).map(Zeroizing::new).map_err(|error| Failure::file("read", path, &error))
}

fn text(bytes: &[u8]) -> &str {
    std::str::from_utf8(bytes).unwrap_or_default()
}

/// The PEM blocks of one kind in a text, and nothing else of it: a file of certificates may hold
/// the key as well.
fn blocks<'a>(text: &'a str, (begin, end): (&str, &str)) -> Vec<&'a str> {
    let mut found = Vec::new();
    let mut rest = text;
    while let Some(start) = rest.find(begin) {
        let Some((_, from)) = rest.split_at_checked(start) else { break };
        let Some(length) = from.find(end).map(|at| at + end.len()) else { break };
        let Some((block, behind)) = from.split_at_checked(length) else { break };
        found.push(block);
        rest = behind;
    }
    found
}

/// What the service would refuse only when devices register (RFC 5280 sections 4.2.1.3 and
/// 4.2.1.9), and how far it reaches.
fn authority_s_limits(pem: &str) -> Result<Limits, &'static str> {
    const UNREADABLE: &str = "the certificate's extensions cannot be read";
    let (_, block) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).map_err(|_| UNREADABLE)?;
    let (_, certificate) = X509Certificate::from_der(&block.contents).map_err(|_| UNREADABLE)?;
    let constraints = certificate.basic_constraints().map_err(|_| UNREADABLE)?;
    let constraints = constraints.filter(|constraints| constraints.value.ca).ok_or(
        "the certificate is not a certificate authority's: basicConstraints lacks CA:TRUE",
    )?;
    let usage = certificate.key_usage().map_err(|_| UNREADABLE)?;
    if usage.is_some_and(|usage| !usage.value.key_cert_sign()) {
        return Err("the certificate may not sign others: keyUsage lacks keyCertSign");
    }
    let expires = certificate.validity().not_after.timestamp();
    let expires = Duration::from_secs(u64::try_from(expires).unwrap_or_default());
    Ok(Limits { path_length: constraints.value.path_len_constraint, expires })
}
