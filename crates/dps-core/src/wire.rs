//! The JSON of requests and results (`wire-protocol.md` sections 2.4, 3.1 and 6).

use core::fmt;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::value::RawValue;

/// The api-version this client states.
pub const API_VERSION: &str = "2021-06-01";

/// The largest message the service accepts or sends, in bytes (`wire-protocol.md` section 2.1).
pub const MAX_MESSAGE_BYTES: usize = 96 * 1024;

/// The body of a register request.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceRegistration {
    /// The device's registration id.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_id: Option<String>,
    /// The keys of a device with a TPM.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub tpm: Option<TpmAttestation>,
    /// Any JSON, for a custom allocation webhook.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some_raw")]
    pub payload: Option<Box<RawValue>>,
}

/// Part of [`DeviceRegistration`]: a TPM's public keys, each a `TPM2B_PUBLIC` in base64.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TpmAttestation {
    /// By which the service knows the TPM.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub endorsement_key: Option<String>,
    /// To which the service binds the keys that it sends.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub storage_root_key: Option<String>,
}

impl fmt::Debug for DeviceRegistration {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceRegistration")
            .field("registration_id", &self.registration_id)
            .field("tpm", &self.tpm.is_some())
            .field("payload", &hidden(self.payload.as_deref()))
            .finish()
    }
}

/// The body of every reply that is not an error.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RegistrationOperationStatus {
    /// Names the registration in polls. Opaque.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub operation_id: Option<String>,
    /// How it stands. Absent in error documents.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub status: Option<RegistrationStatus>,
    /// The details.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub registration_state: Option<DeviceRegistrationResult>,
}

/// How a registration stands.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
#[non_exhaustive]
pub enum RegistrationStatus {
    /// The service wants more proof (TPM).
    Unassigned,
    /// Not decided yet.
    Assigning,
    /// Decided: the result has hub and device id.
    Assigned,
    /// Decided: no.
    Failed,
    /// The enrollment is disabled.
    Disabled,
    /// The device is shut out.
    Blacklisted,
    /// A status this version does not know.
    Other(String),
}

impl From<String> for RegistrationStatus {
    fn from(text: String) -> Self {
        match text.as_str() {
            "unassigned" => Self::Unassigned,
            "assigning" => Self::Assigning,
            "assigned" => Self::Assigned,
            "failed" => Self::Failed,
            "disabled" => Self::Disabled,
            "blacklisted" => Self::Blacklisted,
            _ => Self::Other(text),
        }
    }
}

impl From<RegistrationStatus> for String {
    fn from(status: RegistrationStatus) -> String {
        match status {
            RegistrationStatus::Unassigned => "unassigned".into(),
            RegistrationStatus::Assigning => "assigning".into(),
            RegistrationStatus::Assigned => "assigned".into(),
            RegistrationStatus::Failed => "failed".into(),
            RegistrationStatus::Disabled => "disabled".into(),
            RegistrationStatus::Blacklisted => "blacklisted".into(),
            RegistrationStatus::Other(text) => text,
        }
    }
}

/// The result of a registration (`wire-protocol.md` section 6.2).
///
/// A member of a wrong type counts as absent, so that it only matters where it is needed.
#[derive(Clone, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct DeviceRegistrationResult {
    /// Devices with a TPM only.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub tpm: Option<TpmResult>,
    /// Group enrollments with symmetric keys only.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub symmetric_key: Option<SymmetricKeyResult>,
    /// X.509 enrollments only.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub x509: Option<X509Result>,
    /// The device's registration id.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub registration_id: Option<String>,
    /// ISO 8601, seven fractional digits, `Z`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub created_date_time_utc: Option<String>,
    /// The hub's host name.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub assigned_hub: Option<String>,
    /// The device's name in that hub.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub device_id: Option<String>,
    /// Same values as the outer status.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub status: Option<RegistrationStatus>,
    /// `initialAssignment`, `deviceDataMigrated`, `deviceDataReset` or
    /// `reprovisionedToInitialAssignment`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub substatus: Option<String>,
    /// Set when the status is `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub error_code: Option<u32>,
    /// Set when the status is `failed`.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub error_message: Option<String>,
    /// ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub last_updated_date_time_utc: Option<String>,
    /// Opaque version of the record.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub etag: Option<String>,
    /// What a custom allocation webhook returned, text kept as it came; JSON null is kept too.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "some_raw")]
    pub payload: Option<Box<RawValue>>,
}

impl fmt::Debug for DeviceRegistrationResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DeviceRegistrationResult")
            .field("registration_id", &self.registration_id)
            .field("assigned_hub", &self.assigned_hub)
            .field("device_id", &self.device_id)
            .field("status", &self.status)
            .field("substatus", &self.substatus)
            .field("error_code", &self.error_code)
            .field("payload", &hidden(self.payload.as_deref()))
            .finish_non_exhaustive()
    }
}

/// Part of [`DeviceRegistrationResult`].
#[derive(Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TpmResult {
    /// The key for the hub, as an activation blob in base64. A value that is no text reads as an
    /// empty one, so that it can be told from none at all.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "text")]
    pub authentication_key: Option<String>,
}

impl fmt::Debug for TpmResult {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TpmResult")
            .field("authentication_key", &self.authentication_key.is_some())
            .finish()
    }
}

/// Part of [`DeviceRegistrationResult`].
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct SymmetricKeyResult {
    /// The enrollment group that let the device in.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub enrollment_group_id: Option<String>,
}

/// Part of [`DeviceRegistrationResult`]; all of it may be absent.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct X509Result {
    /// The device's certificate.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub certificate_info: Option<X509CertificateInfo>,
    /// The enrollment group that let the device in.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub enrollment_group_id: Option<String>,
    /// The group's certificate that leads to the device's.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub signing_certificate_info: Option<X509CertificateInfo>,
}

/// What a certificate says (`wire-protocol.md` section 6.2). The Java client demands all members.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct X509CertificateInfo {
    /// For example `CN=my-device, O=Contoso`.
    pub subject_name: String,
    /// Upper-case hexadecimal.
    pub sha1_thumbprint: String,
    /// Upper-case hexadecimal.
    pub sha256_thumbprint: String,
    /// For example `CN=my-root`.
    pub issuer_name: String,
    /// ISO 8601 in whole seconds, `Z`.
    pub not_before_utc: String,
    /// ISO 8601 in whole seconds, `Z`.
    pub not_after_utc: String,
    /// Upper-case hexadecimal.
    pub serial_number: String,
    /// 3 for X.509v3.
    pub version: u32,
}

/// The body of an error reply (`wire-protocol.md` section 6.3).
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ErrorDocument {
    /// Status * 1000 + a number.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub error_code: Option<u32>,
    /// For the service's support.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub tracking_id: Option<String>,
    /// The service's words.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub message: Option<String>,
    /// ISO 8601.
    #[serde(default, skip_serializing_if = "Option::is_none", deserialize_with = "lenient")]
    pub timestamp_utc: Option<String>,
}

/// The application's own data may be confidential: only its size is shown.
fn hidden(payload: Option<&RawValue>) -> Option<String> {
    payload.map(|payload| format!("{} bytes", payload.get().len()))
}

/// `None` for a value of a wrong type.
pub(crate) fn lenient<'de, D: Deserializer<'de>, T: DeserializeOwned>(
    input: D,
) -> Result<Option<T>, D::Error> {
    let value = Box::<RawValue>::deserialize(input)?;
    Ok(serde_json::from_str(value.get()).unwrap_or_default())
}

/// An empty text for a value of a wrong type.
pub(crate) fn text<'de, D: Deserializer<'de>>(input: D) -> Result<Option<String>, D::Error> {
    lenient(input).map(|text: Option<String>| Some(text.unwrap_or_default()))
}

/// Keeps an explicit `null`, which a plain `Option` would drop.
fn some_raw<'de, D: Deserializer<'de>>(input: D) -> Result<Option<Box<RawValue>>, D::Error> {
    Box::<RawValue>::deserialize(input).map(Some)
}

/// Reads a JSON object. (serde would take an array for a struct, too.)
pub(crate) fn object<'a, T: Deserialize<'a>>(body: &'a [u8]) -> Result<T, String> {
    if body.trim_ascii_start().first() != Some(&b'{') {
        return Err("it is not a JSON object".into());
    }
    // One kind of reader for all JSON: serde makes a copy of its code for each.
    let text = core::str::from_utf8(body).map_err(|error| error.to_string())?;
    serde_json::from_str(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The real reply in `wire-protocol.md` section 6.2.
    #[test]
    fn reads_the_documented_assigned_reply() {
        let text = r#"{"operationId":"5.316aac5bdc130deb.b1e02da8-c3a0-4ff2-a121-7ea7a6b7f550","status":"assigned","registrationState":{"registrationId":"my-symkey-device","createdDateTimeUtc":"2022-08-31T22:02:50.5163352Z","assignedHub":"MyExampleHub.azure-devices.net","deviceId":"my-symkey-device","status":"assigned","substatus":"initialAssignment","lastUpdatedDateTimeUtc":"2022-08-31T22:02:50.7370676Z","etag":"IjY5MDAzNTUyLTAwMDAtMDMwMC0wMDAwLTYzMGZkYThhMDAwMCI="}}"#;
        let reply: RegistrationOperationStatus = serde_json::from_str(text).unwrap();
        assert_eq!(reply.status, Some(RegistrationStatus::Assigned));
        let state = reply.registration_state.as_ref().unwrap();
        assert_eq!(state.assigned_hub.as_deref(), Some("MyExampleHub.azure-devices.net"));
        assert_eq!(state.substatus.as_deref(), Some("initialAssignment"));
        // Everything in it is known, so writing it gives the same members.
        let again: serde_json::Value =
            serde_json::from_str(&serde_json::to_string(&reply).unwrap()).unwrap();
        assert_eq!(again, serde_json::from_str::<serde_json::Value>(text).unwrap());
    }

    #[test]
    fn payload_text_is_kept_byte_for_byte() {
        let text = r#"{"payload":{"n": 12345678901234567890, "x":1.10, "s":"a/b"}}"#;
        let result: DeviceRegistrationResult = serde_json::from_str(text).unwrap();
        assert_eq!(
            result.payload.unwrap().get(),
            r#"{"n": 12345678901234567890, "x":1.10, "s":"a/b"}"#
        );
        let null: DeviceRegistrationResult = serde_json::from_str(r#"{"payload":null}"#).unwrap();
        assert_eq!(null.payload.unwrap().get(), "null");
        let none: DeviceRegistrationResult = serde_json::from_str("{}").unwrap();
        assert!(none.payload.is_none());
    }

    #[test]
    fn members_of_a_wrong_type_do_not_spoil_a_reply() {
        let text = r#"{"status":"assigned","registrationState":{"assignedHub":"h.x","deviceId":"d","errorCode":-1,"etag":5,"substatus":[7],"symmetricKey":"x","status":9,"registrationId":{}}}"#;
        let reply: RegistrationOperationStatus = serde_json::from_str(text).unwrap();
        let state = reply.registration_state.unwrap();
        assert_eq!(
            (state.assigned_hub.as_deref(), state.device_id.as_deref()),
            (Some("h.x"), Some("d"))
        );
        assert_eq!((state.error_code, state.etag, state.substatus), (None, None, None));
        let document: ErrorDocument =
            serde_json::from_str(r#"{"errorCode":"401002","message":"m","trackingId":"t"}"#)
                .unwrap();
        assert_eq!((document.error_code, document.message.as_deref()), (None, Some("m")));
        let wrong = r#"{"status":"assigned","registrationState":{"assignedHub":5}}"#;
        let reply: RegistrationOperationStatus = serde_json::from_str(wrong).unwrap();
        assert_eq!(reply.registration_state.unwrap().assigned_hub, None);
        let wrong: RegistrationOperationStatus = serde_json::from_str(r#"{"status":5}"#).unwrap();
        assert_eq!(wrong.status, None);
    }

    #[test]
    fn a_tpms_key_of_a_wrong_type_is_told_from_none() {
        let key = |tpm: &str| {
            let text = format!(r#"{{"registrationState":{{"tpm":{tpm}}}}}"#);
            let reply: RegistrationOperationStatus = serde_json::from_str(&text).unwrap();
            reply.registration_state.unwrap().tpm.and_then(|tpm| tpm.authentication_key)
        };
        assert_eq!(key(r#"{"authenticationKey":"AAEC"}"#).as_deref(), Some("AAEC"));
        for wrong in ["null", "7", "{}", "[\"AAEC\"]"] {
            let tpm = format!(r#"{{"authenticationKey":{wrong}}}"#);
            assert_eq!(key(&tpm).as_deref(), Some(""), "{wrong}");
        }
        for none in ["{}", "null", "7"] {
            assert_eq!(key(none), None, "{none}");
        }
    }

    #[test]
    fn debug_hides_payloads() {
        let registration: DeviceRegistration =
            serde_json::from_str(r#"{"payload":"confidential"}"#).unwrap();
        let result: DeviceRegistrationResult =
            serde_json::from_str(r#"{"payload":"confidential"}"#).unwrap();
        assert!(!format!("{registration:?} {result:?}").contains("confidential"));
    }

    #[test]
    fn unknown_members_and_statuses_are_tolerated() {
        let reply: RegistrationOperationStatus =
            serde_json::from_str(r#"{"status":"new","future":{"x":[1]},"registrationState":null}"#)
                .unwrap();
        assert_eq!(reply.status, Some(RegistrationStatus::Other("new".into())));
        assert!(reply.registration_state.is_none());
    }
}
