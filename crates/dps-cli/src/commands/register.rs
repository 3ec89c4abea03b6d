//! `dps register`.

use crate::arguments::{OutputFormat, Register};
use crate::exit;
use crate::failure::Failure;
use crate::{key_source, report};
use dps_client::{
    Builder, Endpoint, IdScope, Policy, ProvisioningClient, RegistrationId, SymmetricKey,
    TrustAnchors,
};
use dps_hsm_symm_key::SymmetricKeyHsm;
use std::path::Path;
use std::time::Duration;

pub(crate) fn run(options: &Register) -> Result<(), Failure> {
    let text = options.output == OutputFormat::Text;
    let key = device_key(options)?;
    let mut client =
        builder(options, key.clone())?.build().map_err(|error| Failure::registration(&error))?;
    if text {
        println!("Registering device {}", options.registration_id);
    }
    let result = client.register_with(|status| {
        if text {
            println!("Provisioning Status: {}", report::status_name(status));
        }
    });
    let assignment = match result {
        Ok(assignment) => assignment,
        Err(error) => {
            if !text {
                println!("{}", report::error(&error));
            }
            return Err(Failure::registration(&error));
        }
    };
    let connection_string =
        options.show_connection_string.then(|| assignment.connection_string(&key));
    if text {
        println!(
            "Registration Information received from service: {}, deviceId: {}",
            assignment.hub, assignment.device_id
        );
        if let Some(payload) = &assignment.payload {
            println!("Payload: {payload}");
        }
        if let Some(secret) = connection_string {
            println!("Connection string: {}", secret.as_str());
        }
    } else {
        let mut value = report::assignment(&assignment);
        if let (Some(secret), Some(members)) = (connection_string, value.as_object_mut()) {
            members.insert("connectionString".into(), secret.as_str().into());
        }
        println!("{value}");
    }
    Ok(())
}

fn builder(options: &Register, key: SymmetricKey) -> Result<Builder, Failure> {
    let config = |error: &dyn std::fmt::Display| Failure::new(exit::CONFIG, error.to_string());
    let id = RegistrationId::new(options.registration_id.as_str())?;
    let mut builder = ProvisioningClient::builder()
        .endpoint(Endpoint::parse(&options.endpoint).map_err(|error| config(&error))?)
        .id_scope(IdScope::new(options.id_scope.as_str())?)
        .hsm(SymmetricKeyHsm::new(id, key))
        .conservative(options.conservative)
        .policy(Policy {
            deadline: Some(Duration::from_secs(options.timeout)),
            ..Policy::default()
        });
    if let Some(path) = &options.trusted_cert {
        builder = builder.trust_anchors(TrustAnchors::pem(read(path)?));
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

fn device_key(options: &Register) -> Result<SymmetricKey, Failure> {
    // A file named on the command line goes before a key in the environment.
    if let Some(path) = &options.group_key_file {
        let id = RegistrationId::new(options.registration_id.as_str())?;
        return Ok(key_source::from_file(path)?.derive(&id));
    }
    match (&options.key_file, &options.key) {
        (Some(path), _) => key_source::from_file(path),
        (None, Some(key)) => Ok(SymmetricKey::from_base64(key)?),
        (None, None) => Err(Failure::new(exit::CONFIG, "no key is given")
            .remedy("give --key-file, --group-key-file or --key")),
    }
}

fn read(path: &Path) -> Result<Vec<u8>, Failure> {
    std::fs::read(path).map_err(|error| Failure::file("read", path, &error))
}
