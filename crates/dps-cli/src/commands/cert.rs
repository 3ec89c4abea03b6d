//! `dps cert`: authorities and device certificates for trying out X.509.

use crate::arguments::{Cert, CertCommon, CertIssued};
use crate::exit;
use crate::failure::Failure;
use crate::{files, output};
use dps_client::RegistrationId;
use dps_hsm_x509::X509Hsm;
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa,
    Issuer, KeyPair, KeyUsagePurpose,
};
use std::fs;
use std::io::Write as _;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use zeroize::Zeroizing;

/// Clocks of devices and of this machine may differ.
const VALID_BEFORE_NOW: Duration = Duration::from_secs(3600);
const BEGIN: &str = "-----BEGIN CERTIFICATE-----";
const END: &str = "-----END CERTIFICATE-----";

pub(crate) fn run(command: &Cert) -> Result<(), Failure> {
    match command {
        Cert::Ca(options) => {
            let params = authority(params(&options.common));
            write(&options.common, |key| Ok(params.self_signed(key)?.pem()))
        }
        Cert::Intermediate(options) => issue(options, authority(params(&options.common))),
        Cert::Device(options) => {
            // What cannot be a registration id could never register.
            RegistrationId::new(options.common.name.as_str())?;
            let mut params = params(&options.common);
            params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
            params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
            issue(options, params)
        }
    }
}

fn params(options: &CertCommon) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, options.name.as_str());
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let epoch = rcgen::date_time_ymd(1970, 1, 1);
    params.not_before = epoch + now.saturating_sub(VALID_BEFORE_NOW);
    params.not_after = epoch + (now + Duration::from_secs(u64::from(options.days) * 86_400));
    params.use_authority_key_identifier_extension = true;
    params
}

fn authority(mut params: CertificateParams) -> CertificateParams {
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    params
}

fn issue(options: &CertIssued, params: CertificateParams) -> Result<(), Failure> {
    let unusable = |why: &dyn std::fmt::Display| {
        let (ca, key) = (options.ca.display(), options.ca_key.display());
        Failure::new(exit::CONFIG, format!("{ca} and {key} are not an authority")).why(why)
    };
    let (chain, key) = (read(&options.ca)?, read(&options.ca_key)?);
    // Checks that they belong together, which rcgen does not.
    let checked =
        X509Hsm::from_pem(chain.as_bytes(), key.as_bytes()).map_err(|error| unusable(&error))?;
    let certificates = certificates_in(&chain);
    let key = KeyPair::from_pem(&key).map_err(|error| unusable(&error))?;
    let issuer = Issuer::from_ca_cert_pem(&certificates, key).map_err(|error| unusable(&error))?;
    // A root is what the service knows; everything below it is sent along.
    let is_root = certificates.matches(BEGIN).count() == 1 && checked.missing_issuer().is_none();
    let behind = if is_root { "" } else { certificates.as_str() };
    for (made, used) in [&options.common.out, &options.common.key_out]
        .into_iter()
        .flat_map(|made| [(made, &options.ca), (made, &options.ca_key)])
    {
        if is_same(made, used) {
            return Err(Failure::new(
                exit::CONFIG,
                format!("{} would replace the authority's own file", made.display()),
            )
            .remedy("give another name"));
        }
    }
    write(&options.common, |key| Ok(params.signed_by(key, &issuer)?.pem() + behind))
}

/// The certificates in a text, and nothing else of it: the file may hold the key as well.
fn certificates_in(text: &str) -> String {
    let mut certificates = String::new();
    let mut rest = text;
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let Some((body, behind)) = after.split_once(END) else { break };
        certificates.extend([BEGIN, body, END, "\n"]);
        rest = behind;
    }
    certificates
}

/// Whether both name one file.
fn is_same(one: &Path, other: &Path) -> bool {
    match (fs::canonicalize(one), fs::canonicalize(other)) {
        (Ok(one), Ok(other)) => one == other,
        _ => one == other,
    }
}

fn read(path: &Path) -> Result<Zeroizing<String>, Failure> {
    fs::read_to_string(path)
        .map(Zeroizing::new)
        .map_err(|error| Failure::file("read", path, &error))
}

fn write(
    options: &CertCommon,
    make: impl FnOnce(&KeyPair) -> Result<String, rcgen::Error>,
) -> Result<(), Failure> {
    if is_same(&options.out, &options.key_out) {
        return Err(Failure::new(exit::CONFIG, "certificate and key would go into one file")
            .remedy("give --out and --key-out different names"));
    }
    for path in [&options.out, &options.key_out] {
        if !options.force && path.exists() {
            return Err(Failure::new(exit::CONFIG, format!("{} exists", path.display()))
                .remedy("give other names, or --force to replace it"));
        }
    }
    let failed =
        |error: rcgen::Error| Failure::new(exit::CONFIG, "no certificate was made").why(error);
    let key = KeyPair::generate().map_err(failed)?;
    let certificate = make(&key).map_err(failed)?;
    let key = Zeroizing::new(key.serialize_pem());
    write_file(&options.key_out, key.as_bytes(), true, options.force)?;
    write_file(&options.out, certificate.as_bytes(), false, options.force)?;
    output::line(format_args!("Certificate  {}", options.out.display()));
    output::line(format_args!("Private key  {}", options.key_out.display()));
    Ok(())
}

/// A file that is made anew, so that what holds a key is never readable by others, not even when
/// it replaces one that was.
fn write_file(path: &Path, bytes: &[u8], secret: bool, force: bool) -> Result<(), Failure> {
    let failed = |error| Failure::file("write", path, &error);
    if force && path.exists() {
        fs::remove_file(path).map_err(failed)?;
    }
    files::create(path, secret).and_then(|mut file| file.write_all(bytes)).map_err(failed)
}
