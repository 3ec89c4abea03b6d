//! The certificates. Nothing in them depends on when and where they are made.

use crate::key::Key;
use crate::{COMMON_NAME_MAX, DiceError};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyUsagePurpose, PublicKeyData as _, SerialNumber, date_time_ymd,
};
use sha2::{Digest as _, Sha256};

/// An authority's certificate, and what is needed to sign under its name.
pub(crate) struct Authority {
    params: CertificateParams,
    pem: String,
}

impl Authority {
    pub(crate) fn pem(&self) -> &str {
        &self.pem
    }
}

fn failed(error: &rcgen::Error) -> DiceError {
    DiceError::Certificate(error.to_string())
}

/// Of the key, so that names and serial numbers of different seeds differ.
fn fingerprint(key: &Key) -> [u8; 32] {
    Sha256::digest(key.der_bytes()).into()
}

fn short(key: &Key) -> String {
    fingerprint(key).iter().take(4).map(|byte| format!("{byte:02x}")).collect()
}

fn params(common_name: &str, key: &Key) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(2049, 12, 31);
    let mut serial: Vec<u8> = fingerprint(key).into_iter().take(16).collect();
    if let Some(first) = serial.first_mut() {
        // Positive, and not shortened by leading zeros.
        *first = *first & 0x3f | 0x40;
    }
    params.serial_number = Some(SerialNumber::from(serial));
    params.use_authority_key_identifier_extension = true;
    params
}

fn authority(mut params: CertificateParams, below: u8) -> CertificateParams {
    params.is_ca = IsCa::Ca(BasicConstraints::Constrained(below));
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

pub(crate) fn root(key: &Key) -> Result<Authority, DiceError> {
    let params = authority(params(&format!("dice-root-{}", short(key)), key), 1);
    let pem = params.self_signed(key).map_err(|error| failed(&error))?.pem();
    Ok(Authority { params, pem })
}

pub(crate) fn signer(key: &Key, root: &Authority, root_key: &Key) -> Result<Authority, DiceError> {
    let params = authority(params(&format!("dice-signer-{}", short(key)), key), 0);
    let pem = sign(&params, key, root, root_key)?;
    Ok(Authority { params, pem })
}

pub(crate) fn leaf(
    name: &str,
    key: &Key,
    issuer: &Authority,
    issuer_key: &Key,
) -> Result<String, DiceError> {
    let characters = name.chars().count();
    if !(1..=COMMON_NAME_MAX).contains(&characters) {
        return Err(DiceError::NameLength { characters });
    }
    let mut params = params(name, key);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    sign(&params, key, issuer, issuer_key)
}

fn sign(
    params: &CertificateParams,
    key: &Key,
    issuer: &Authority,
    issuer_key: &Key,
) -> Result<String, DiceError> {
    let issuer = Issuer::from_params(&issuer.params, issuer_key);
    Ok(params.signed_by(key, &issuer).map_err(|error| failed(&error))?.pem())
}
