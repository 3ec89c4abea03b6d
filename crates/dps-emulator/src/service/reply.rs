//! The documents that go back to devices (`wire-protocol.md` sections 6.1 to 6.4).

use super::refusal::Refusal;
use crate::faults::Disturbance;
use crate::model::{EnrollmentRef, RegistrationRecord};
use crate::random::Random;
use crate::timestamp::iso8601;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt::Write as _;
use core::time::Duration;
use dps_core::RegistrationId;
use dps_core::wire::{
    DeviceRegistrationResult, ErrorDocument, RegistrationOperationStatus, RegistrationStatus,
    SymmetricKeyResult, TpmResult,
};
use serde::Serialize;

/// The answer to one request.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Reply {
    /// The HTTP status; in MQTT a part of the topic.
    pub status: u16,
    /// How long to wait before the next request, in seconds.
    pub retry_after: Option<u32>,
    /// The errorCode of the body, when the request was refused.
    pub error_code: Option<u32>,
    /// JSON in ASCII, unless a fault makes it something else.
    pub body: String,
    /// What a fault has the door do with this answer.
    pub disturbance: Option<Disturbance>,
}

impl Reply {
    /// Register: the decision is not made yet, even when it is known.
    pub(super) fn accepted(operation_id: String, retry_after: u32) -> Self {
        let document = RegistrationOperationStatus {
            operation_id: Some(operation_id),
            status: Some(RegistrationStatus::Assigning),
            registration_state: None,
        };
        Self::new(202, Some(retry_after), &document)
    }

    /// Poll: not yet.
    pub(super) fn assigning(id: &str, device: &RegistrationId, retry_after: u32) -> Self {
        let state = DeviceRegistrationResult {
            registration_id: Some(device.to_string()),
            status: Some(RegistrationStatus::Assigning),
            ..DeviceRegistrationResult::default()
        };
        let document = RegistrationOperationStatus {
            operation_id: Some(id.to_owned()),
            status: Some(RegistrationStatus::Assigning),
            registration_state: Some(state),
        };
        Self::new(202, Some(retry_after), &document)
    }

    /// Poll: decided, whichever way.
    pub(super) fn terminal(id: &str, record: &RegistrationRecord, tpm: Option<&TpmResult>) -> Self {
        let document = RegistrationOperationStatus {
            operation_id: Some(id.to_owned()),
            status: Some(record.status.clone()),
            registration_state: Some(DeviceRegistrationResult {
                tpm: tpm.cloned(),
                ..result(record)
            }),
        };
        Self::new(200, None, &document)
    }

    /// Lookup: what is known of the device.
    pub(super) fn lookup(record: &RegistrationRecord) -> Self {
        Self::new(200, None, &result(record))
    }

    /// Register: prove first that you are the TPM whose keys you show (`wire-protocol.md` section
    /// 3.5).
    pub(super) fn challenge(blob: &[u8]) -> Self {
        Self::new(
            401,
            None,
            &ChallengeDocument {
                message: "Authorization required, resend request using supplied key",
                authentication_key: STANDARD.encode(blob),
                unencrypted_authentication_key: None,
                key_name: "registration",
            },
        )
    }

    /// Either: refused.
    pub(super) fn error(refusal: &Refusal, tracking_id: String, now: Duration) -> Self {
        let (status, code) = (refusal.status(), refusal.error_code());
        Self::of_error(status, code, refusal.message().to_owned(), tracking_id, now)
    }

    /// Any error (section 6.3).
    pub(super) fn of_error(
        status: u16,
        error_code: u32,
        message: String,
        tracking_id: String,
        now: Duration,
    ) -> Self {
        let document = ErrorDocument {
            error_code: Some(error_code),
            tracking_id: Some(tracking_id),
            message: Some(message),
            timestamp_utc: Some(iso8601(now)),
        };
        Self { error_code: Some(error_code), ..Self::new(status, None, &document) }
    }

    fn new(status: u16, retry_after: Option<u32>, document: &impl Serialize) -> Self {
        let (error_code, disturbance) = (None, None);
        Self { status, retry_after, error_code, body: ascii_json(document), disturbance }
    }
}

/// A challenge, with all members that were seen of the service's.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct ChallengeDocument {
    message: &'static str,
    authentication_key: String,
    unencrypted_authentication_key: Option<String>,
    key_name: &'static str,
}

/// A record as devices see it.
fn result(record: &RegistrationRecord) -> DeviceRegistrationResult {
    let symmetric_key = match &record.enrollment {
        EnrollmentRef::Group(group) if record.x509.is_none() => {
            Some(SymmetricKeyResult { enrollment_group_id: Some(group.clone()) })
        }
        _ => None,
    };
    DeviceRegistrationResult { symmetric_key, x509: record.x509.clone(), ..state(record) }
}

/// A record as those who manage the service see it, too (section 7.3).
pub(super) fn state(record: &RegistrationRecord) -> DeviceRegistrationResult {
    let is_assigned = record.status == RegistrationStatus::Assigned;
    DeviceRegistrationResult {
        tpm: None,
        symmetric_key: None,
        x509: None,
        registration_id: Some(record.registration_id.to_string()),
        created_date_time_utc: Some(iso8601(record.created)),
        assigned_hub: record.assigned_hub.clone().filter(|_| is_assigned),
        device_id: record.device_id.clone().filter(|_| is_assigned),
        status: Some(record.status.clone()),
        substatus: record.substatus.clone(),
        error_code: record.error_code,
        error_message: record.error_message.clone(),
        last_updated_date_time_utc: Some(iso8601(record.last_updated)),
        etag: Some(record.etag.clone()),
        payload: record.payload.clone(),
    }
}

/// A fresh etag: base64 of a GUID in quotes.
pub(super) fn etag(random: &mut Random) -> String {
    STANDARD.encode(format!("\"{}\"", random.guid()))
}

/// JSON without any character beyond ASCII, because the Node.js client decodes replies as such
/// (`wire-protocol.md` section 2.5). Characters beyond ASCII occur in strings only, so each can
/// be replaced by its escape wherever it stands.
pub(super) fn ascii_json(document: &impl Serialize) -> String {
    let Ok(text) = serde_json::to_string(document) else {
        unreachable!("the documents have text keys only and their values always serialize")
    };
    let mut ascii = String::with_capacity(text.len());
    for character in text.chars() {
        if character.is_ascii() {
            ascii.push(character);
            continue;
        }
        for unit in character.encode_utf16(&mut [0; 2]) {
            // Writing to a String cannot fail.
            let _ = write!(ascii, "\\u{unit:04x}");
        }
    }
    ascii
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn characters_beyond_ascii_are_escaped() {
        let text = "Gerät 5 \u{1f680} \"x\"\n";
        let json = ascii_json(&text);
        assert!(json.is_ascii());
        assert_eq!(json, r#""Ger\u00e4t 5 \ud83d\ude80 \"x\"\n""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }

    #[test]
    fn an_etag_is_base64_of_a_quoted_guid() {
        let etag = etag(&mut Random::from_seed([3; 32]));
        let text = String::from_utf8(STANDARD.decode(etag).unwrap()).unwrap();
        assert_eq!(text.len(), 38);
        assert!(text.starts_with('"') && text.ends_with('"'));
    }
}
