//! `dps register`.

mod edge_config;
mod secrets;

use crate::arguments::{OutputFormat, Register};
use crate::exit;
use crate::failure::Failure;
use crate::proxy::Choice;
use crate::{key_source, output, report};
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
    let options = match options.config.clone() {
        Some(path) => edge_config::fill(options, &path)?,
        None => options,
    };
    match options.secrets.clone() {
        Some(path) => secrets::run(options, &path),
        None => {
            let proof = proof(&options)?;
            let assignment =
                attempt(&options, &proof)?.map_err(|error| refused(&options, &error))?;
            tell(&options, &proof, &assignment);
            Ok(())
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

fn tell(options: &Register, proof: &Proof, assignment: &Assignment) {
    let connection_string = match proof {
        Proof::Key(_, key) if options.show_connection_string => {
            Some(assignment.connection_string(key))
        }
        _ => None,
    };
    if options.output == OutputFormat::Text {
        output::line(format_args!(
            "Registration Information received from service: {}, deviceId: {}",
            assignment.hub, assignment.device_id
        ));
        if let Some(payload) = &assignment.payload {
            output::line(format_args!("Payload: {payload}"));
        }
        if let Some(secret) = connection_string {
            output::line(format_args!("Connection string: {}", secret.as_str()));
        }
    } else {
        let mut value = report::assignment(assignment);
        if let (Some(secret), Some(members)) = (connection_string, value.as_object_mut()) {
            members.insert("connectionString".into(), secret.as_str().into());
        }
        output::line(value);
    }
}

/// What proves the device's identity.
enum Proof {
    Key(RegistrationId, SymmetricKey),
    Certificate(Box<X509Hsm>),
}

fn proof(options: &Register) -> Result<Proof, Failure> {
    if let (Some(chain), Some(key)) = (&options.cert, &options.cert_key) {
        // One file may hold both.
        let (chain, key) = (Zeroizing::new(read(chain)?), Zeroizing::new(read(key)?));
        let passphrase =
            options.cert_key_passphrase_file.as_deref().map(key_source::passphrase).transpose()?;
        let hsm = match passphrase {
            Some(passphrase) => X509Hsm::from_pem_with_passphrase(&chain, &key, &passphrase),
            None => X509Hsm::from_pem(&chain, &key),
        };
        return hsm.map(|hsm| Proof::Certificate(Box::new(hsm))).map_err(|error| unusable(&error));
    }
    let id = RegistrationId::new(options.registration_id.as_deref().unwrap_or_default())?;
    let key = device_key(options, &id)?;
    Ok(Proof::Key(id, key))
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
    let versions = TlsVersions::new(options.tls_min.into(), options.tls_max.into());
    let transport = options.transport;
    let endpoint = endpoint(&options.endpoint).map_err(|error| config(&error))?;
    let choice = Choice::from(&options.proxy);
    let mut builder = ProvisioningClient::builder()
        .transport(transport)
        .tls_versions(versions.ok_or_else(|| config(&"--tls-min is newer than --tls-max"))?)
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
    };
    if let Some(id) = &options.registration_id {
        builder = builder.registration_id(RegistrationId::new(id.as_str())?);
    }
    if let Some(path) = &options.trusted_cert {
        builder = builder.trust_anchors(TrustAnchors::pem(certificates(path)?));
    }
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

/// An empty setting, as from a variable that is set to nothing, is none.
fn endpoint(text: &str) -> Result<Endpoint, dps_client::EndpointError> {
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

fn device_key(options: &Register, id: &RegistrationId) -> Result<SymmetricKey, Failure> {
    let given = [options.key_given, options.key_file.is_some(), options.group_key_file.is_some()];
    if given.iter().filter(|given| **given).count() > 1 {
        return Err(Failure::new(exit::CONFIG, "more than one key is given")
            .remedy("give one of --key, --key-file and --group-key-file"));
    }
    // A file named on the command line goes before a key in the environment.
    if let Some(path) = &options.group_key_file {
        return Ok(key_source::from_file(path)?.derive(id));
    }
    match (&options.key_file, &options.key) {
        (Some(path), _) => key_source::from_file(path),
        (None, Some(key)) if !key.is_empty() => Ok(SymmetricKey::from_base64(key)?),
        (None, _) => Err(Failure::new(exit::CONFIG, "no key is given")
            .remedy("give --key-file, --group-key-file, --key, or --cert")),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::file("read", path, &error))
}
