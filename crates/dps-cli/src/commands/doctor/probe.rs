//! A transport tried as a device uses it, up to the service's refusal.

use super::findings::Outcome;
use super::{Examination, findings};
use crate::exit;
use dps_client::{
    Error, ErrorKind, Policy, ProvisioningClient, RegistrationId, Stage, SymmetricKey, Transport,
};
use dps_hsm_symm_key::SymmetricKeyHsm;

/// A registration id that nobody enrolls.
const NOBODY: &str = "dps-doctor";
/// 32 bytes of zero: nobody's key.
const NO_KEY: &str = "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA=";

pub(super) fn attempt(
    examination: &Examination,
    transport: Transport,
    port: u16,
    reached: bool,
) -> findings::Attempt {
    let outcome = if reached {
        registration(examination, transport, port)
    } else {
        Outcome::failed_at(4, format!("port {port} cannot be used, see above"))
    };
    findings::Attempt { transport, port, outcome }
}

fn registration(examination: &Examination, transport: Transport, port: u16) -> Outcome {
    match try_registration(examination, transport, port) {
        Ok(()) => Outcome::ok("the service registers the made-up device"),
        Err(error) if is_answer(&error) => Outcome::ok(format!(
            "the service answers, and refuses the made-up device: {}",
            said(&error)
        )),
        // With a code of its own it would be the service's answer.
        Err(error) if matches!(error.kind(), ErrorKind::Service { .. }) => {
            Outcome::failed(&error).with_code(exit::PROTOCOL)
        }
        Err(error) => Outcome::failed(&error),
    }
}

fn try_registration(
    examination: &Examination,
    transport: Transport,
    port: u16,
) -> Result<(), Error> {
    let config =
        |text: String| Error::new(Stage::Config, ErrorKind::InvalidConfig).with_detail(text);
    let id = RegistrationId::new(NOBODY).map_err(|error| config(error.to_string()))?;
    let key = SymmetricKey::from_base64(NO_KEY).map_err(|error| config(error.to_string()))?;
    let policy = Policy {
        deadline: Some(examination.patience),
        max_connections: Some(1),
        ..Policy::default()
    };
    let mut client = ProvisioningClient::builder()
        .endpoint(examination.endpoint.at(port))
        .transport(transport)
        .id_scope(examination.id_scope.clone())
        .hsm(SymmetricKeyHsm::new(id, key))
        .trust_anchors(examination.anchors.clone())
        .proxy(examination.proxy(port).cloned())
        .policy(policy)
        .build()?;
    client.register().map(|_| ())
}

/// Whether the service itself has spoken.
fn is_answer(error: &Error) -> bool {
    match error.kind() {
        // Anything may answer HTTP; the service says why it refuses, with a code of its own.
        ErrorKind::Service { .. } | ErrorKind::RegistrationFailed => {
            error.service().is_some_and(|service| service.error_code.is_some())
        }
        ErrorKind::Disabled | ErrorKind::Blacklisted => true,
        ErrorKind::ConnectRejected { code } => *code != 3,
        // The credentials, and not a fault of the service's.
        ErrorKind::SaslRejected { code } => *code == 1,
        _ => false,
    }
}

fn said(error: &Error) -> String {
    match error.service() {
        Some(service) => service.to_string(),
        None => error.to_string(),
    }
}
