//! From what C gave to a client that can start.

use super::{Settings, Target};
use crate::abi::PROV_DEVICE_RESULT::PROV_DEVICE_RESULT_DEV_AUTH_ERROR;
use crate::failure::Failure;
use crate::payload::first_value;
use crate::security::Proof;
use core::fmt::Display;
use dps_client::{
    Endpoint, Error, ErrorKind, IdScope, KeyError, ProvisioningClient, RegistrationId, Stage,
    SymmetricKey, TrustAnchors,
};
use dps_hsm_symm_key::SymmetricKeyHsm;

/// Checks everything and makes the client. The original checks nothing beforehand: it lets the
/// service or the network refuse. The codes are those that it ends with.
pub(super) fn client(
    target: &Target,
    registration_id: &str,
    settings: &Settings,
) -> Result<ProvisioningClient, Failure> {
    let endpoint = Endpoint::parse(&target.uri).map_err(|error| Failure::new(&error.into()))?;
    let id_scope = IdScope::new(target.id_scope.as_str()).map_err(refused_by_service)?;
    let id = RegistrationId::new(registration_id).map_err(refused_by_service)?;
    let trust = match &settings.trusted_certs {
        Some(pem) => TrustAnchors::system_and_pem(pem.as_slice()),
        None => TrustAnchors::system(),
    };
    let mut builder = ProvisioningClient::builder()
        .endpoint(endpoint)
        .id_scope(id_scope)
        .registration_id(id.clone())
        .trust_anchors(trust)
        .policy(settings.policy.clone())
        .conservative(settings.conservative);
    if let Some(payload) = &settings.payload {
        let json = first_value(payload).map_err(|error| Failure::new(&error))?;
        builder = builder.payload_json(json);
    }
    match &target.proof {
        Proof::SymmetricKey { key, .. } => {
            let key = SymmetricKey::from_base64(key.expose()).map_err(|error| match error {
                // It would have signed, and the service would have refused.
                KeyError::BadLength { .. } => refused_by_service(error),
                _ => Failure::new(&config(error)),
            })?;
            builder = builder.hsm(SymmetricKeyHsm::new(id, key));
        }
    }
    builder.build().map_err(|error| Failure::new(&error))
}

/// Gives a running client another payload, or none.
pub(super) fn set_payload(
    client: &mut ProvisioningClient,
    payload: Option<&[u8]>,
) -> Result<(), Failure> {
    let json = payload.map(first_value).transpose().map_err(|error| Failure::new(&error))?;
    client.set_payload_json(json).map_err(|error| Failure::new(&error))
}

fn config(reason: impl Display) -> Error {
    Error::new(Stage::Config, ErrorKind::InvalidConfig).with_detail(reason.to_string())
}

/// What the service would not accept in any case; the code is the one its refusal has.
fn refused_by_service(reason: impl Display) -> Failure {
    Failure::with_result(PROV_DEVICE_RESULT_DEV_AUTH_ERROR, &config(reason))
}
