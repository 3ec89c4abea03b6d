//! `dps cert`: authorities and device certificates for trying out X.509.

mod issuer;
pub(crate) mod simulate;

use super::made::{self, New, refuse_existing};
use crate::arguments::{Cert, CertCommon, CertFiles, CertIssued, CertVerify, KeyType};
use crate::exit;
use crate::failure::Failure;
use crate::output;
use dps_client::RegistrationId;
use issuer::Issuer;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    KeyPair, KeyUsagePurpose, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384,
};
use std::fs;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// Clocks of devices and of this machine may differ.
const VALID_BEFORE_NOW: Duration = Duration::from_secs(3600);
/// Characters of a common name (RFC 5280, ub-common-name; `wire-protocol.md` section 1.1).
const MOST_CHARACTERS: usize = 64;

pub(crate) fn run(command: &Cert) -> Result<(), Failure> {
    match command {
        Cert::Ca(options) => {
            check_name(&options.common.name)?;
            let params = authority(params(&options.common.name, options.common.days));
            write(&options.common, |key| Ok(params.self_signed(key)?.pem()))
        }
        Cert::Intermediate(options) => {
            check_name(&options.common.name)?;
            issue(options, authority(params(&options.common.name, options.common.days)))
        }
        Cert::Device(options) => {
            // What cannot be a registration id could never register.
            RegistrationId::new(options.common.name.as_str())?;
            check_name(&options.common.name)?;
            let mut params = params(&options.common.name, options.common.days);
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            issue(options, params)
        }
        Cert::Verify(options) => verify(options),
    }
}

/// Certificates with other names are made easily, and refused by those who read them.
fn check_name(name: &str) -> Result<(), Failure> {
    let refused = |what: &str| {
        let limit = format!("a common name has 1 to {MOST_CHARACTERS} characters");
        Err(Failure::new(exit::CONFIG, what).why(limit))
    };
    match name.chars().count() {
        _ if name.trim().is_empty() => {
            refused("the name is empty").map_err(|failure| failure.remedy("give a --name"))
        }
        count if count > MOST_CHARACTERS => refused(&format!("the name has {count} characters"))
            .map_err(|failure| failure.remedy("give a shorter --name")),
        _ => Ok(()),
    }
}

fn params(common_name: &str, days: u32) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, common_name);
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(VALID_BEFORE_NOW);
    params.not_after = epoch + (now + Duration::from_secs(u64::from(days) * 86_400));
    params.use_authority_key_identifier_extension = true;
    params
}

fn authority(mut params: CertificateParams) -> CertificateParams {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn issue(options: &CertIssued, mut params: CertificateParams) -> Result<(), Failure> {
    let issuer = Issuer::read(&options.issuer)?;
    issuer.check_room_for(&params)?;
    let CertFiles { out, key_out, .. } = &options.common.files;
    issuer.spare_its_files(&[out, key_out])?;
    let note = issuer.cap(&mut params);
    write(&options.common, |key| issuer.issue(params, key))?;
    note_on_error(note);
    Ok(())
}

/// A certificate whose key nobody needs: that the authority has signed it is the proof.
fn verify(options: &CertVerify) -> Result<(), Failure> {
    let code = options.code.trim();
    if code.is_empty()
        || code.len() > MOST_CHARACTERS
        || !code.bytes().all(|byte| byte.is_ascii_graphic())
    {
        return Err(Failure::new(exit::CONFIG, "this is not a verification code")
            .why("a code has 1 to 64 ASCII characters without spaces")
            .remedy("copy the code that the service shows for this certificate"));
    }
    let issuer = Issuer::read(&options.issuer)?;
    issuer.spare_its_files(&[&options.out])?;
    refuse_existing(&[&options.out], options.force)?;
    let mut params = params(code, options.days);
    params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
    let note = issuer.cap(&mut params);
    let key = KeyPair::generate().map_err(|error| not_made(&error))?;
    let certificate = issuer.sign(params, &key).map_err(|error| not_made(&error))?;
    let bytes = certificate.as_bytes();
    made::write_all(&[New { path: &options.out, bytes, secret: false }], options.force)?;
    note_on_error(note);
    output::line(format_args!("Verification certificate  {}", options.out.display()));
    Ok(())
}

/// Whether both name one file.
fn is_same(one: &Path, other: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

fn not_made(error: &rcgen::Error) -> Failure {
    Failure::new(exit::CONFIG, "no certificate was made").why(error)
}

fn write(
    options: &CertCommon,
    make: impl FnOnce(&KeyPair) -> Result<String, rcgen::Error>,
) -> Result<(), Failure> {
    let CertFiles { out, key_out, force } = &options.files;
    if is_same(out, key_out) {
        return Err(Failure::new(exit::CONFIG, "certificate and key would go into one file")
            .remedy("give --out and --key-out different names"));
    }
    refuse_existing(&[out, key_out], *force)?;
    let algorithm = match options.key_type {
        KeyType::P256 => &PKCS_ECDSA_P256_SHA256,
        KeyType::P384 => &PKCS_ECDSA_P384_SHA384,
    };
    let key = KeyPair::generate_for(algorithm).map_err(|error| not_made(&error))?;
    let certificate = make(&key).map_err(|error| not_made(&error))?;
    let key = Zeroizing::new(key.serialize_pem());
    let news = [
        New { path: out, bytes: certificate.as_bytes(), secret: false },
        New { path: key_out, bytes: key.as_bytes(), secret: true },
    ];
    made::write_all(&news, *force)?;
    output::line(format_args!("Certificate  {}", out.display()));
    output::line(format_args!("Private key  {}", key_out.display()));
    Ok(())
}

fn note_on_error(note: Option<String>) {
    if let Some(note) = note {
        output::error(format_args!("note: {note}\n"));
    }
}
