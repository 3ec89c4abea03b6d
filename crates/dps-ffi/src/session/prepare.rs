//! From what C gave to a client that can start.

use super::drive::internal;
use super::{Settings, Target};
use crate::failure::Failure;
use crate::payload::first_value;
use crate::pkcs11;
use crate::proof::Proof;
use crate::result::Codes;
use crate::x509::check_validity;
use core::fmt::Display;
use dps_client::{
    Endpoint, Error, ErrorKind, IdScope, KeyError, ProvisioningClient, RegistrationId, Stage,
    SymmetricKey, TrustAnchors,
};
use dps_hsm_symm_key::SymmetricKeyHsm;
use dps_hsm_x509::X509Hsm;

/// Checks everything and makes the client. The original checks nothing beforehand: it lets the
/// service or the network refuse. The codes are those that it ends with.
pub(super) fn client(
    target: &Target,
    registration_id: &str,
    settings: &Settings,
    codes: Codes,
    presented: Option<Result<X509Hsm, Failure>>,
    place: &pkcs11::Place,
) -> Result<ProvisioningClient, Failure> {
    let endpoint =
        Endpoint::parse(&target.uri).map_err(|error| Failure::before_sending(&error.into()))?;
    // What the service would not accept in any case; the code is the one its refusal has.
    let refused =
        |reason: &dyn Display| Failure::with_result(codes.refused_credentials(), &config(reason));
    let id_scope = IdScope::new(target.id_scope.as_str()).map_err(|error| refused(&error))?;
    let id = RegistrationId::new(registration_id).map_err(|error| refused(&error))?;
    let trust = match &settings.trusted_certs {
        Some(pem) => TrustAnchors::system_and_pem(pem.as_slice()),
        None => TrustAnchors::system(),
    };
    let mut builder = ProvisioningClient::builder()
        .endpoint(endpoint)
        .id_scope(id_scope)
        .registration_id(id.clone())
        .transport(target.transport)
        .trust_anchors(trust)
        .tls_versions(settings.tls_versions)
        .proxy(settings.proxy.clone())
        .policy(settings.policy.clone())
        .conservative(settings.conservative);
    if let Some(payload) = &settings.payload {
        let json = first_value(payload).map_err(|error| Failure::before_sending(&error))?;
        builder = builder.payload_json(json);
    }
    match &target.proof {
        Proof::SymmetricKey { key, .. } if pkcs11::is_uri(key.expose()) => {
            // Looked for when it signs, and may fail then.
            let key = pkcs11::key(id, key.expose(), place);
            builder = builder.hsm(key.map_err(|error| Failure::before_sending(&error))?);
        }
        Proof::SymmetricKey { key, .. } => {
            let key = SymmetricKey::from_base64(key.expose()).map_err(|error| match error {
                // It would have signed, and the service would have refused.
                KeyError::BadLength { .. } => refused(&error),
                _ => Failure::with_result(codes.unusable_key(), &config(error)),
            })?;
            builder = builder.hsm(SymmetricKeyHsm::new(id, key));
        }
        // Signs when the connection is opened, and may fail then.
        Proof::KeyPlugin(plugin) => builder = builder.hsm(plugin.clone()),
        // Shows its keys when the registration starts, and may fail then.
        Proof::Tpm(tpm) => builder = builder.hsm(tpm.clone()),
        Proof::X509 | Proof::X509Plugin(_) => {
            let hsm = presented
                .unwrap_or_else(|| Err(internal()))
                .map_err(|failure| failure.under(codes.unusable_key()))?;
            check_validity(&hsm, codes)?;
            builder = builder.hsm(hsm);
        }
    }
    builder.build().map_err(|error| Failure::before_sending(&error))
}

/// Gives a running client another payload, or none.
pub(super) fn set_payload(
    client: &mut ProvisioningClient,
    payload: Option<&[u8]>,
) -> Result<(), Failure> {
    let json =
        payload.map(first_value).transpose().map_err(|error| Failure::before_sending(&error))?;
    client.set_payload_json(json).map_err(|error| Failure::before_sending(&error))
}

fn config(reason: impl Display) -> Error {
    Error::new(Stage::Config, ErrorKind::InvalidConfig).with_detail(reason.to_string())
}
