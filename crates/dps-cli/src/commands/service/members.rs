//! From options to the members of enrollments.

use super::read;
use crate::arguments::service::{
    AllocationPolicy, Attestation, Change, Common, Keys, Proof, ProvisioningStatus, Reprovisioning,
    WhichKey,
};
use crate::exit;
use crate::failure::Failure;
use crate::key_source;
use dps_client::SymmetricKey;
use dps_service::{
    AttestationMechanism, Capabilities, CustomAllocationDefinition, ReprovisionPolicy,
    SymmetricKeys,
};
use ring::rand::{SecureRandom as _, SystemRandom};
use serde_json::{Map, Value, json};
use zeroize::Zeroizing;

/// What both kinds of enrollment have, to be filled in.
pub(super) struct Slots<'a> {
    pub(super) capabilities: &'a mut Option<Capabilities>,
    pub(super) allocation_policy: &'a mut Option<String>,
    pub(super) iot_hubs: &'a mut Option<Vec<String>>,
    pub(super) iot_hub_host_name: &'a mut Option<String>,
    pub(super) webhook: &'a mut Option<CustomAllocationDefinition>,
    pub(super) initial_twin: &'a mut Option<Value>,
    pub(super) reprovision_policy: &'a mut Option<ReprovisionPolicy>,
    pub(super) provisioning_status: &'a mut Option<String>,
}

impl Slots<'_> {
    /// Puts in what the options name, and leaves the rest.
    pub(super) fn fill(self, options: &Common) -> Result<(), Failure> {
        if let Some(hubs) = &options.iot_hubs {
            *self.iot_hubs = Some(hubs.clone());
            // It would go before those that are named now.
            *self.iot_hub_host_name = None;
        }
        if let Some(policy) = options.allocation_policy {
            let name = match policy {
                AllocationPolicy::Hashed => "hashed",
                AllocationPolicy::GeoLatency => "geoLatency",
                AllocationPolicy::Static => "static",
                AllocationPolicy::Custom => "custom",
            };
            *self.allocation_policy = Some(name.to_owned());
        }
        if let Some(url) = &options.webhook_url {
            *self.webhook = Some(CustomAllocationDefinition {
                webhook_url: url.clone(),
                api_version: options.api_version.clone(),
            });
        }
        for (text, option) in [
            (&options.initial_twin_tags, "--initial-twin-tags"),
            (&options.initial_twin_properties, "--initial-twin-properties"),
        ] {
            let Some(text) = text else { continue };
            let object = object(text, option)?;
            let twin = self.initial_twin.get_or_insert_with(|| json!({}));
            let Some(twin) = twin.as_object_mut() else { continue };
            match option {
                "--initial-twin-tags" => twin.insert("tags".into(), object.into()),
                _ => twin.insert("properties".into(), json!({"desired": object})),
            };
        }
        if let Some(status) = options.provisioning_status {
            let name = match status {
                ProvisioningStatus::Enabled => "enabled",
                ProvisioningStatus::Disabled => "disabled",
            };
            *self.provisioning_status = Some(name.to_owned());
        }
        if let Some(policy) = options.reprovision_policy {
            let (update_hub_assignment, migrate_device_data) = match policy {
                Reprovisioning::Never => (false, false),
                Reprovisioning::Migrate => (true, true),
                Reprovisioning::Reset => (true, false),
            };
            *self.reprovision_policy =
                Some(ReprovisionPolicy { update_hub_assignment, migrate_device_data });
        }
        if let Some(iot_edge) = options.edge_enabled {
            *self.capabilities = Some(Capabilities { iot_edge });
        }
        Ok(())
    }
}

/// A JSON object.
pub(super) fn object(text: &str, option: &str) -> Result<Map<String, Value>, Failure> {
    serde_json::from_str(text).map_err(|error| {
        Failure::new(exit::CONFIG, format!("{option} is not a JSON object")).why(error)
    })
}

/// How devices prove who they are.
pub(super) fn attestation(
    proof: &Proof,
    endorsement_key: Option<&str>,
    of_group: bool,
) -> Result<AttestationMechanism, Failure> {
    let wrong = |what: &str| Err(Failure::new(exit::CONFIG, what));
    let has_keys = proof.keys.primary_key_file.is_some() || proof.keys.secondary_key_file.is_some();
    let kind = proof.attestation_type;
    if has_keys && kind != Attestation::SymmetricKey {
        return wrong("key files are for --attestation-type symmetrickey");
    }
    if proof.certificate_path.is_some() && kind != Attestation::X509 {
        return wrong("--certificate-path is for --attestation-type x509");
    }
    if endorsement_key.is_some() && kind != Attestation::Tpm {
        return wrong("--endorsement-key is for --attestation-type tpm");
    }
    match (kind, &proof.certificate_path, endorsement_key) {
        (Attestation::SymmetricKey, ..) => {
            let SymmetricKeys { primary_key, secondary_key, .. } = keys(&proof.keys)?;
            Ok(AttestationMechanism::symmetric_keys(primary_key, secondary_key))
        }
        (Attestation::X509, Some(primary), _) => {
            let primary = read(primary)?;
            let secondary = proof.secondary_certificate_path.as_deref().map(read).transpose()?;
            let secondary = secondary.as_deref();
            Ok(match of_group {
                true => AttestationMechanism::signing_certificates(&primary, secondary),
                false => AttestationMechanism::client_certificates(&primary, secondary),
            })
        }
        (Attestation::X509, None, _) => {
            wrong("--attestation-type x509 needs a certificate: --certificate-path")
        }
        (Attestation::Tpm, _, _) if of_group => wrong("TPMs are enrolled one by one"),
        (Attestation::Tpm, _, Some(key)) => Ok(AttestationMechanism::tpm(key)),
        (Attestation::Tpm, _, None) => wrong("--attestation-type tpm needs an --endorsement-key"),
    }
}

fn new_key() -> Result<SymmetricKey, Failure> {
    let mut bytes = Zeroizing::new([0; KEY_BYTES]);
    SystemRandom::new()
        .fill(bytes.as_mut_slice())
        .map_err(|_| Failure::new(exit::OTHER, "this system has no random numbers"))?;
    SymmetricKey::from_bytes(bytes.as_slice())
        .map_err(|error| Failure::new(exit::OTHER, "no key can be made").why(error))
}

/// The keys that files hold.
pub(super) fn keys(files: &Keys) -> Result<SymmetricKeys, Failure> {
    let mut keys = SymmetricKeys::default();
    let key =
        |path: &Option<std::path::PathBuf>| path.as_deref().map(key_source::from_file).transpose();
    keys.primary_key = key(&files.primary_key_file)?;
    keys.secondary_key = key(&files.secondary_key_file)?;
    Ok(keys)
}

/// How long a key is that is made up here: as long as the service's.
const KEY_BYTES: usize = 64;

/// Puts keys into an enrollment that has such; the service keeps those that are not named.
pub(super) fn replace_keys(
    attestation: &mut AttestationMechanism,
    change: &Change,
) -> Result<(), Failure> {
    let mut new = keys(&change.keys)?;
    let renews =
        |which| change.renew_key.is_some_and(|asked| asked == which || asked == WhichKey::Both);
    for (which, key, option) in [
        (WhichKey::Primary, &mut new.primary_key, "--primary-key-file"),
        (WhichKey::Secondary, &mut new.secondary_key, "--secondary-key-file"),
    ] {
        if renews(which) && key.replace(new_key()?).is_some() {
            let what = format!("{option} and --renew-key are about the same key");
            return Err(Failure::new(exit::CONFIG, what).remedy("give one of them"));
        }
    }
    if new.primary_key.is_none() && new.secondary_key.is_none() {
        return Ok(());
    }
    if attestation.kind != dps_service::AttestationType::SymmetricKey {
        return Err(Failure::new(exit::CONFIG, "the enrollment has no symmetric keys to change"));
    }
    attestation.symmetric_key = Some(new);
    Ok(())
}
