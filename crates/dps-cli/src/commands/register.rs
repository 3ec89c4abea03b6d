//! `dps register`.

mod edge_config;
mod secrets;

use crate::arguments::{OutputFormat, Register};
use crate::exit;
use crate::failure::Failure;
use crate::proxy::Choice;
use crate::{key_source, openssl, output, pkcs11, report, tpm};
use dps_client::{
    Assignment, Builder, Endpoint, Error, IdScope, Policy, ProvisioningClient, RegistrationId,
    SymmetricKey, TlsVersions, TrustAnchors,
};
use dps_hsm_symm_key::SymmetricKeyHsm;
use dps_hsm_x509::{X509Error, X509Hsm};
use std::path::Path;
use std::time::Duration;
use zeroize::Zeroizing;

pub(crate) fn run(options: Register) -> Result<(), Failure> {
    register(options, tell).map(drop)
}

/// A device that is registered: with which options, and how it proves its identity.
pub(super) struct Registered {
    pub(super) options: Register,
    pub(super) proof: Proof,
    pub(super) assignment: Assignment,
}

/// Registers, with the progress on standard output; `tell` is to tell the result.
pub(super) fn register(
    options: Register,
    tell: impl FnOnce(&Registered),
) -> Result<Registered, Failure> {
    let options = match options.config.clone() {
        Some(path) => edge_config::fill(options, &path)?,
        None => options,
    };
    match options.secrets.clone() {
        Some(path) => secrets::run(options, &path, tell),
        None => {
            let proof = proof(&options)?;
            let assignment =
                attempt(&options, &proof)?.map_err(|error| refused(&options, &error))?;
            let registered = Registered { options, proof, assignment };
            tell(&registered);
            Ok(registered)
        }
    }
}

/// One registration, with its progress on standard output.
fn attempt(options: &Register, proof: &Proof) -> Result<Result<Assignment, Error>, Failure> {
    let text = options.output == OutputFormat::Text;
    let mut client =
        builder(options, proof)?.build().map_err(|error| Failure::registration(&error))?;
    if text {
        let id = &client.identity().registration_id;
        output::line(format_args!("Registering device {id}"));
    }
    Ok(client.register_with(|status| {
        if text {
            output::line(format_args!("Provisioning Status: {}", report::status_name(status)));
        }
    }))
}

/// Tells of an error in the form that was asked for.
fn refused(options: &Register, error: &Error) -> Failure {
    let failure = Failure::registration(error);
    if options.output == OutputFormat::Text {
        return failure;
    }
    output::line(report::error(error));
    failure.reported()
}

fn tell(registered: &Registered) {
    match registered.options.output {
        OutputFormat::Text => registered.print(),
        OutputFormat::Json => output::line(registered.document()),
    }
}

impl Registered {
    /// The result as text, for people.
    pub(super) fn print(&self) {
        let assignment = &self.assignment;
        output::line(format_args!(
            "Registration Information received from service: {}, deviceId: {}",
            assignment.hub, assignment.device_id
        ));
        if let Some(payload) = &assignment.payload {
            output::line(format_args!("Payload: {payload}"));
        }
        if let Some(secret) = self.connection_string() {
            output::line(format_args!("Connection string: {}", secret.as_str()));
        }
    }

    /// The result as JSON, for scripts.
    pub(super) fn document(&self) -> serde_json::Value {
        let mut value = report::assignment(&self.assignment);
        if let (Some(secret), Some(members)) = (self.connection_string(), value.as_object_mut()) {
            members.insert("connectionString".into(), secret.as_str().into());
        }
        value
    }

    fn connection_string(&self) -> Option<Zeroizing<String>> {
        match &self.proof {
            Proof::Key(_, key) if self.options.show_connection_string => {
                Some(self.assignment.connection_string(key))
            }
            _ => None,
        }
    }
}

/// What proves the device's identity.
pub(super) enum Proof {
    Key(RegistrationId, SymmetricKey),
    Certificate(Box<X509Hsm>),
    /// A symmetric key in a PKCS#11 token.
    TokenKey(Box<pkcs11::TokenKey>),
    #[cfg(feature = "tpm")]
    Tpm(tpm::TpmHsm),
}

fn proof(options: &Register) -> Result<Proof, Failure> {
    if options.tpm {
        #[cfg(feature = "tpm")]
        return tpm::hsm(&options.tpm_options).map(Proof::Tpm);
        #[cfg(not(feature = "tpm"))]
        return Err(tpm::not_built());
    }
    if let (Some(chain), Some(handle)) = (&options.cert, options.cert_tpm_key) {
        let hsm = tpm::signing_key(&options.tpm_options, handle, &read(chain)?)?;
        return Ok(Proof::Certificate(Box::new(hsm)));
    }
    if let (Some(chain), Some(uri)) = (&options.cert, &options.openssl.cert_openssl_key) {
        let hsm = openssl::x509(&options.openssl, uri, &read(chain)?)?;
        return Ok(Proof::Certificate(Box::new(hsm)));
    }
    if let (Some(chain), Some(key)) = (&options.cert, &options.cert_key) {
        return certificate(options, chain, key).map(|hsm| Proof::Certificate(Box::new(hsm)));
    }
    let id = RegistrationId::new(options.registration_id.as_deref().unwrap_or_default())?;
    check_one_key(options)?;
    let uri = options.key.as_deref().filter(|key| pkcs11::is_uri(key));
    if let (Some(uri), None, None) = (uri, &options.key_file, &options.group_key_file) {
        if options.show_connection_string {
            let what = "there is no connection string to show: the key stays in the token";
            return Err(Failure::new(exit::CONFIG, what).remedy("drop --show-connection-string"));
        }
        let key = pkcs11::symmetric_key(id, uri, &options.pkcs11)?;
        return Ok(Proof::TokenKey(Box::new(key)));
    }
    let key = device_key(options, &id)?;
    Ok(Proof::Key(id, key))
}

/// Each of the two may be a file or on a token.
fn certificate(options: &Register, chain: &Path, key: &Path) -> Result<X509Hsm, Failure> {
    let uri = |path: &Path| path.to_str().filter(|text| pkcs11::is_uri(text)).map(str::to_owned);
    let passphrase = options.cert_key_passphrase_file.as_deref();
    match (uri(chain), uri(key)) {
        (_, Some(_)) if passphrase.is_some() => {
            let what = "a key in a token has no passphrase";
            Err(Failure::new(exit::CONFIG, what).remedy("give the token's PIN by --pin-file"))
        }
        (None, Some(key)) => pkcs11::x509(&read(chain)?, &key, &options.pkcs11),
        (Some(chain), Some(key)) => pkcs11::x509_from_token(&chain, &key, &options.pkcs11),
        (Some(_), None) => {
            let what = "the certificate is in a token, and its key is not";
            Err(Failure::new(exit::CONFIG, what)
                .remedy("give a pkcs11: URI as --cert-key, or a PEM file as --cert"))
        }
        (None, None) => {
            // One file may hold both.
            let (chain, key) = (Zeroizing::new(read(chain)?), Zeroizing::new(read(key)?));
            match passphrase.map(key_source::passphrase).transpose()? {
                Some(passphrase) => X509Hsm::from_pem_with_passphrase(&chain, &key, &passphrase),
                None => X509Hsm::from_pem(&chain, &key),
            }
            .map_err(|error| unusable(&error))
        }
    }
}

fn unusable(error: &X509Error) -> Failure {
    let failure =
        Failure::new(exit::CONFIG, "the certificate and its key cannot be used").why(error);
    match error {
        X509Error::EncryptedKey => {
            failure.remedy("give the file with the passphrase by --cert-key-passphrase-file")
        }
        _ => failure,
    }
}

fn builder(options: &Register, proof: &Proof) -> Result<Builder, Failure> {
    let config = |error: &dyn std::fmt::Display| Failure::new(exit::CONFIG, error.to_string());
    let transport = options.transport();
    let endpoint = endpoint(&options.endpoint).map_err(|error| config(&error))?;
    let choice = Choice::from(&options.proxy);
    let mut builder = ProvisioningClient::builder()
        .transport(transport)
        .tls_versions(tls_versions(options)?)
        .proxy(choice.proxy(&endpoint, transport.default_port())?)
        .endpoint(endpoint)
        .id_scope(IdScope::new(options.id_scope.as_deref().unwrap_or_default())?)
        .conservative(options.conservative)
        .policy(Policy {
            deadline: Some(Duration::from_secs(options.timeout)),
            ..Policy::default()
        });
    builder = match proof {
        Proof::Key(id, key) => builder.hsm(SymmetricKeyHsm::new(id.clone(), key.clone())),
        Proof::Certificate(hsm) => builder.hsm(X509Hsm::clone(hsm)),
        Proof::TokenKey(key) => builder.hsm(pkcs11::TokenKey::clone(key)),
        #[cfg(feature = "tpm")]
        Proof::Tpm(hsm) => builder.hsm(hsm.clone()),
    };
    if let Some(id) = &options.registration_id {
        builder = builder.registration_id(RegistrationId::new(id.as_str())?);
    }
    builder = builder.trust_anchors(trust_anchors(options)?);
    if let Some(payload) = &options.payload {
        let json = match payload.strip_prefix('@') {
            Some(path) => String::from_utf8(read(Path::new(path))?)
                .map_err(|_| Failure::new(exit::CONFIG, format!("{path} is not UTF-8 text")))?,
            None => payload.clone(),
        };
        builder = builder.payload_json(json);
    }
    Ok(builder)
}

pub(super) fn tls_versions(options: &Register) -> Result<TlsVersions, Failure> {
    TlsVersions::new(options.tls_min.into(), options.tls_max.into())
        .ok_or_else(|| Failure::new(exit::CONFIG, "--tls-min is newer than --tls-max"))
}

pub(super) fn trust_anchors(options: &Register) -> Result<TrustAnchors, Failure> {
    match &options.trusted_cert {
        Some(path) => Ok(TrustAnchors::pem(certificates(path)?)),
        None => Ok(TrustAnchors::system()),
    }
}

/// An empty setting, as from a variable that is set to nothing, is none.
pub(super) fn endpoint(text: &str) -> Result<Endpoint, dps_client::EndpointError> {
    if text.is_empty() { Ok(Endpoint::global()) } else { Endpoint::parse(text) }
}

/// Looks at the file now: a mistake should not have to wait for the TLS handshake.
pub(super) fn certificates(path: &Path) -> Result<Vec<u8>, Failure> {
    const MARK: &[u8] = b"-----BEGIN CERTIFICATE-----";
    let pem = read(path)?;
    if pem.windows(MARK.len()).any(|window| window == MARK) {
        return Ok(pem);
    }
    Err(Failure::new(exit::CONFIG, format!("there is no certificate in {}", path.display()))
        .remedy("give a PEM file, such as the one that dps emulator --ca-out writes"))
}

fn check_one_key(options: &Register) -> Result<(), Failure> {
    let given = [options.key_given, options.key_file.is_some(), options.group_key_file.is_some()];
    if given.iter().filter(|given| **given).count() > 1 {
        return Err(Failure::new(exit::CONFIG, "more than one key is given")
            .remedy("give one of --key, --key-file and --group-key-file"));
    }
    Ok(())
}

fn device_key(options: &Register, id: &RegistrationId) -> Result<SymmetricKey, Failure> {
    // A file named on the command line goes before a key in the environment.
    if let Some(path) = &options.group_key_file {
        return Ok(key_source::from_file(path)?.derive(id));
    }
    match (&options.key_file, &options.key) {
        (Some(path), _) => key_source::from_file(path),
        (None, Some(key)) if !key.is_empty() => Ok(SymmetricKey::from_base64(key)?),
        (None, _) => Err(Failure::new(exit::CONFIG, "no key is given")
            .remedy("give --key-file, --group-key-file, --key, --cert, or --tpm")),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::file("read", path, &error))
}
