//! What a reply means (`wire-protocol.md` section 6, `c-abi.md` section 3.3).

use crate::error::is_plain;
use crate::wire::{
    DeviceRegistrationResult, RegistrationOperationStatus, RegistrationStatus, object,
};
use crate::{
    ActivationBlob, Assignment, Attestation, Challenge, Error, ErrorKind, RegistrationConfig,
    Reply, ServiceError, Stage,
};

/// The longest operation id taken; real ones have about 60 characters.
const MAX_OPERATION_ID: usize = 512;

pub(super) enum Verdict {
    /// For a TPM with the key for the hub.
    Assigned(Box<Assignment>, Option<ActivationBlob>),
    /// Prove first that you are the TPM.
    Challenged(Challenge),
    Assigning {
        operation_id: String,
    },
    /// Try the same request again later.
    Unavailable(Error),
    /// Final.
    Refused(Error),
}

pub(super) fn judge(stage: Stage, config: &RegistrationConfig, reply: &Reply) -> Verdict {
    let is_tpm = config.attestation == Attestation::Tpm;
    match reply.status {
        200..=299 => decide(stage, config, reply).unwrap_or_else(Verdict::Refused),
        401 if is_tpm && let Some(verdict) = challenged(stage, reply) => verdict,
        status @ (429 | 500..) => {
            let error = Error::new(stage, ErrorKind::Unavailable { status });
            Verdict::Unavailable(match service_error(reply) {
                Some(service) => error.with_service(service),
                None => error,
            })
        }
        status => {
            let error = Error::new(stage, ErrorKind::Service { status });
            Verdict::Refused(match service_error(reply) {
                Some(service) => error.with_service(service),
                None => error.with_detail("the reply carries no error document"),
            })
        }
    }
}

/// Whether the service wants a TPM's proof (`wire-protocol.md` section 3.5).
fn challenged(stage: Stage, reply: &Reply) -> Option<Verdict> {
    Some(match Challenge::from_json(&reply.body)? {
        Ok(challenge) => Verdict::Challenged(challenge),
        Err(problem) => {
            Verdict::Refused(malformed(stage, format!("a challenge for the TPM: {problem}")))
        }
    })
}

/// The error document of a reply, if its body is one.
fn service_error(reply: &Reply) -> Option<ServiceError> {
    ServiceError::from_json(reply.status, &reply.body)
}

fn malformed(stage: Stage, detail: impl Into<String>) -> Error {
    Error::new(stage, ErrorKind::MalformedReply).with_detail(detail)
}

fn incomplete(stage: Stage, detail: impl Into<String>) -> Error {
    Error::new(stage, ErrorKind::IncompleteReply).with_detail(detail)
}

fn decide(stage: Stage, config: &RegistrationConfig, reply: &Reply) -> Result<Verdict, Error> {
    let body: RegistrationOperationStatus = object(&reply.body)
        .map_err(|reason| malformed(stage, format!("not a registration status: {reason}")))?;
    let state = body.registration_state.unwrap_or_default();
    match body.status {
        Some(RegistrationStatus::Assigning) => {
            let operation_id = body
                .operation_id
                .filter(|id| !id.is_empty())
                .ok_or_else(|| incomplete(stage, "\"assigning\" without an operationId"))?;
            // It becomes part of topics and paths.
            let sound = operation_id.len() <= MAX_OPERATION_ID
                && operation_id
                    .bytes()
                    .all(|byte| byte.is_ascii_alphanumeric() || b"._~:-".contains(&byte));
            if !sound {
                return Err(incomplete(stage, "the operationId is too long or not URL-safe"));
            }
            Ok(Verdict::Assigning { operation_id })
        }
        Some(RegistrationStatus::Assigned) => {
            let key = match config.attestation {
                Attestation::Tpm => Some(hub_key(stage, &state)?),
                _ => None,
            };
            let assignment = assigned(stage, config, state)?;
            Ok(Verdict::Assigned(Box::new(assignment), key))
        }
        Some(RegistrationStatus::Disabled) => Err(Error::new(stage, ErrorKind::Disabled)),
        Some(RegistrationStatus::Blacklisted) => Err(Error::new(stage, ErrorKind::Blacklisted)),
        Some(RegistrationStatus::Unassigned) => match challenged(stage, reply) {
            None => Err(incomplete(stage, "\"unassigned\" without authenticationKey")),
            Some(verdict) if config.attestation == Attestation::Tpm => Ok(verdict),
            Some(_) => Err(malformed(
                stage,
                "the service asks for a TPM proof, but the device proves itself in another way",
            )),
        },
        Some(RegistrationStatus::Failed) => Err(failed(stage, reply.status, state)),
        Some(RegistrationStatus::Other(status)) => {
            Err(failed(stage, reply.status, state)
                .with_detail(format!("unknown status {status:?}")))
        }
        None => match service_error(reply) {
            // An error document under a good status.
            Some(service) if service.error_code.is_some() => {
                let status = reply.status;
                Err(Error::new(stage, ErrorKind::Service { status }).with_service(service))
            }
            // As the original client judges it (`c-abi.md` section 3.3).
            _ => Err(Error::new(stage, ErrorKind::RegistrationFailed)
                .with_detail("the reply has no status")),
        },
    }
}

fn failed(stage: Stage, status: u16, state: DeviceRegistrationResult) -> Error {
    Error::new(stage, ErrorKind::RegistrationFailed).with_service(ServiceError {
        status,
        error_code: state.error_code,
        tracking_id: None,
        message: state.error_message,
        timestamp: state.last_updated_date_time_utc,
    })
}

/// The key for the hub, without which a TPM could not speak with it.
fn hub_key(stage: Stage, state: &DeviceRegistrationResult) -> Result<ActivationBlob, Error> {
    let key = state.tpm.as_ref().and_then(|tpm| tpm.authentication_key.as_deref());
    let key = key.ok_or_else(|| {
        incomplete(stage, "\"assigned\" without the TPM's key for the hub (tpm.authenticationKey)")
    })?;
    ActivationBlob::from_base64(key).map_err(|problem| {
        Error::new(stage, ErrorKind::MalformedHubKey).with_detail(problem.to_string())
    })
}

fn assigned(
    stage: Stage,
    config: &RegistrationConfig,
    state: DeviceRegistrationResult,
) -> Result<Assignment, Error> {
    let hub = required(stage, "assignedHub", state.assigned_hub)?;
    let device_id = required(stage, "deviceId", state.device_id)?;
    Ok(Assignment {
        registration_id: config.identity.registration_id.clone(),
        hub,
        device_id,
        substatus: plain(state.substatus),
        enrollment_group_id: plain(
            (state.symmetric_key.and_then(|key| key.enrollment_group_id))
                .or(state.x509.and_then(|x509| x509.enrollment_group_id)),
        ),
        created: plain(state.created_date_time_utc),
        last_updated: plain(state.last_updated_date_time_utc),
        etag: plain(state.etag),
        payload: state.payload.map(|payload| payload.get().to_owned()),
    })
}

/// The member must be there, and must not be able to smuggle anything into a connection string,
/// a C string or a terminal.
fn required(stage: Stage, name: &str, value: Option<String>) -> Result<String, Error> {
    let value = value.ok_or_else(|| incomplete(stage, format!("\"assigned\" without {name}")))?;
    let sound = (1..=512).contains(&value.len()) && is_plain(&value) && !value.contains(';');
    if sound { Ok(value) } else { Err(incomplete(stage, format!("{name} is not acceptable"))) }
}

/// Text of no use to the registration is dropped when it could harm a terminal.
fn plain(text: Option<String>) -> Option<String> {
    text.filter(|text| is_plain(text))
}
