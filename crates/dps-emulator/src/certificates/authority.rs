//! The certificate authority. With a state file it is kept there with its private key, so that
//! whoever trusts it finds the service after a restart.

use super::{set_subject, set_validity, valid_until};
use crate::random::Random;
use crate::store::{Change, Table};
use crate::timestamp::iso8601;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use core::time::Duration;
use rcgen::{
    BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair, KeyUsagePurpose, PublicKeyData as _,
};
use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject as _;
use serde::{Deserialize, Serialize};
use x509_parser::prelude::{FromDer as _, X509Certificate};
use zeroize::Zeroizing;

/// One that is kept must be good for longer than this, or there is a new one.
const LEAST_REMAINING: Duration = Duration::from_secs(30 * 86_400);

/// What signs the service's certificate.
pub(crate) struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
    expires: Duration,
}

/// Why a kept one is not used.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Unusable {
    #[error("it cannot be read")]
    Unreadable,
    #[error("it expires at {0}")]
    Expiring(String),
}

/// A row of a state file. The private key is PKCS #8 in base64.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Row<'a> {
    certificate: &'a str,
    private_key: &'a str,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct KeptRow {
    certificate: String,
    private_key: String,
}

impl Authority {
    /// Makes one, P-256, valid from an hour before `now` (since 1970-01-01T00:00:00Z).
    pub(crate) fn generate(random: &mut Random, now: Duration) -> Result<Self, rcgen::Error> {
        // A name of its own: several emulators' authorities can be trusted side by side.
        let mut params = params(&format!("dps emulator CA {}", random.guid()));
        set_validity(&mut params, now, valid_until(now));
        let key = KeyPair::generate()?;
        let pem = params.self_signed(&key)?.pem();
        Ok(Self { pem, issuer: Issuer::new(params, key), expires: valid_until(now) })
    }

    /// The one that a state file has kept, unless it is good for no more than 30 days.
    pub(crate) fn read(row: &str, now: Duration) -> Result<Self, Unusable> {
        let kept = Self::parse(row).ok_or(Unusable::Unreadable)?;
        match kept.expires > now + LEAST_REMAINING {
            true => Ok(kept),
            false => Err(Unusable::Expiring(iso8601(kept.expires))),
        }
    }

    fn parse(row: &str) -> Option<Self> {
        let KeptRow { certificate: pem, private_key } = serde_json::from_str(row).ok()?;
        let private_key = Zeroizing::new(private_key);
        let private_key = Zeroizing::new(STANDARD.decode(private_key.as_bytes()).ok()?);
        let key = KeyPair::try_from(private_key.as_slice()).ok()?;
        let der = CertificateDer::from_pem_slice(pem.as_bytes()).ok()?;
        let (_, certificate) = X509Certificate::from_der(&der).ok()?;
        let name = certificate.subject().iter_common_name().next()?.as_str().ok()?;
        // What it signs names it so.
        let is_named = certificate.subject().to_string() == format!("CN={name}");
        let is_of_key = certificate.public_key().raw == key.subject_public_key_info();
        if !is_named || !is_of_key || !certificate.is_ca() {
            return None;
        }
        let seconds = u64::try_from(certificate.validity().not_after.timestamp()).ok()?;
        let (issuer, expires) = (Issuer::new(params(name), key), Duration::from_secs(seconds));
        Some(Self { pem, issuer, expires })
    }

    /// What a state file is to keep.
    pub(crate) fn change(&self) -> Change {
        let key = Zeroizing::new(self.issuer.key().serialize_der());
        let key = Zeroizing::new(STANDARD.encode(key.as_slice()));
        let row = Row { certificate: &self.pem, private_key: &key };
        Change::put(Table::CertificateAuthorities, "current".to_owned(), &row)
    }

    /// What clients must trust.
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }

    /// What signs.
    pub(super) fn issuer(&self) -> &Issuer<'static, KeyPair> {
        &self.issuer
    }

    /// Until when it is valid, since 1970-01-01T00:00:00Z.
    pub(super) fn expires(&self) -> Duration {
        self.expires
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").field("expires", &self.expires).finish_non_exhaustive()
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    set_subject(&mut params, name);
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Duration = Duration::from_secs(1_790_000_000);
    const DAY: Duration = Duration::from_secs(86_400);

    fn made(seed: u8) -> Authority {
        Authority::generate(&mut Random::from_seed([seed; 32]), NOW).unwrap()
    }

    fn row(authority: &Authority) -> String {
        authority.change().row.unwrap().to_string()
    }

    #[test]
    fn it_comes_back_as_it_was_until_a_month_before_its_end() {
        let made = made(1);
        let row = row(&made);
        for now in [NOW, NOW + 334 * DAY, NOW - DAY] {
            let kept = Authority::read(&row, now).unwrap();
            assert_eq!((kept.pem(), kept.expires()), (made.pem(), made.expires()));
            assert_eq!(kept.change().row.unwrap().as_str(), row);
        }
        for now in [NOW + 335 * DAY, NOW + 400 * DAY] {
            let problem = Authority::read(&row, now).unwrap_err();
            assert!(matches!(problem, Unusable::Expiring(_)), "{problem}");
        }
    }

    #[test]
    fn what_is_none_is_not_used() {
        let (one, other) = (made(1), made(2));
        let key = |authority: &Authority| STANDARD.encode(authority.issuer.key().serialize_der());
        let row = |pem: &str, key: &str| {
            serde_json::json!({"certificate": pem, "privateKey": key}).to_string()
        };
        let leaf = KeyPair::generate().unwrap();
        let mut leaf_params = CertificateParams::default();
        set_subject(&mut leaf_params, "leaf");
        let leaf_pem = leaf_params.self_signed(&leaf).unwrap().pem();
        for broken in [
            String::new(),
            "{}".to_owned(),
            row("", &key(&one)),
            row(one.pem(), ""),
            row(one.pem(), "AAAA"),
            row(one.pem(), &key(&other)),
            row(&leaf_pem, &STANDARD.encode(leaf.serialize_der())),
        ] {
            assert_eq!(Authority::read(&broken, NOW).unwrap_err(), Unusable::Unreadable);
        }
    }

    #[test]
    fn debug_shows_no_key() {
        let made = made(1);
        let key = STANDARD.encode(made.issuer.key().serialize_der());
        let shown = format!("{made:?} {:?}", Authority::read("", NOW).unwrap_err());
        assert!(!shown.contains(&key) && !shown.contains("issuer"), "{shown}");
    }
}
