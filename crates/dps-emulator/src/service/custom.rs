//! Custom allocation: what a webhook is asked, and what its answer means (`wire-protocol.md`
//! sections 6.3 and 7.5).

use super::DeviceIdentity;
use super::authentication::Match;
use super::operations::Verdict;
use super::refusal::Refusal;
use super::reply::ascii_json;
use crate::config::{InitialTwin, place_of};
use crate::model::members::{self, lenient};
use crate::model::{EnrollmentDocument, RegistrationRecord};
use crate::nesting::{DEEPEST, nesting};
use core::fmt;
use core::time::Duration;
use dps_core::wire::X509Result;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use sha2::{Digest as _, Sha256};

/// The webhook failed.
const FAILED: u32 = 400_207;
/// There is no hub.
const NO_HUB: u32 = 400_208;
/// The hub lets the service do nothing.
const HUB_REFUSES: u32 = 400_209;

/// A question to a webhook: `body` is to be sent to `url` by POST, as JSON. `Debug` leaves out the
/// body, which may hold a device's own data, and the query of the URL, which may hold a key.
#[derive(Clone)]
#[non_exhaustive]
pub struct WebhookCall {
    /// Names the call when its answer is handed in.
    pub call_id: String,
    /// Where to ask.
    pub url: String,
    /// The question, JSON.
    pub body: String,
}

impl WebhookCall {
    /// The URL without what may be secret in it.
    pub(crate) fn place(&self) -> String {
        place_of(&self.url)
    }
}

impl fmt::Debug for WebhookCall {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WebhookCall")
            .field("call_id", &self.call_id)
            .field("url", &self.place())
            .finish_non_exhaustive()
    }
}

/// What came of asking a webhook.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum WebhookAnswer {
    /// A response, whatever it says.
    Response {
        /// The HTTP status.
        status: u16,
        /// The body.
        body: Vec<u8>,
    },
    /// It took too long.
    TimedOut,
    /// There was no response.
    Unreachable,
}

/// A registration that waits for a webhook.
#[derive(Debug)]
pub(super) struct Waiting {
    /// What the device polls.
    pub(super) operation_id: String,
    /// What was asked: see [`fingerprint`].
    pub(super) question: [u8; 32],
    pub(super) identity: DeviceIdentity,
    pub(super) found: Match,
    pub(super) linked_hubs: Vec<String>,
    pub(super) begun: Duration,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Question<'a> {
    #[serde(skip_serializing_if = "Option::is_none")]
    individual_enrollment: Option<EnrollmentDocument>,
    #[serde(skip_serializing_if = "Option::is_none")]
    enrollment_group: Option<EnrollmentDocument>,
    device_runtime_context: Context<'a>,
    linked_hubs: &'a [String],
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Context<'a> {
    registration_id: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_iot_hub_host_name: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    current_device_id: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    x509: Option<X509Result>,
    #[serde(skip_serializing_if = "Option::is_none")]
    symmetric_key: Option<NoMembers>,
    #[serde(skip_serializing_if = "Option::is_none")]
    payload: Option<&'a RawValue>,
}

#[derive(Serialize)]
struct NoMembers {}

/// The question about a device.
pub(super) fn question(
    identity: &DeviceIdentity,
    found: &Match,
    before: Option<&RegistrationRecord>,
    linked_hubs: &[String],
    payload: Option<&RawValue>,
) -> String {
    let (individual_enrollment, enrollment_group) = found.documents();
    let x509 = found.x509();
    ascii_json(&Question {
        individual_enrollment,
        enrollment_group,
        device_runtime_context: Context {
            registration_id: identity.registration_id.as_str(),
            current_iot_hub_host_name: before.and_then(|record| record.assigned_hub.as_deref()),
            current_device_id: before.and_then(|record| record.device_id.as_deref()),
            symmetric_key: found.is_by_symmetric_key().then_some(NoMembers {}),
            x509,
            payload,
        },
        linked_hubs,
    })
}

/// Tells one question from another.
pub(super) fn fingerprint(url: &str, body: &str) -> [u8; 32] {
    let parts = [url.as_bytes(), &[0], body.as_bytes()];
    parts.iter().fold(Sha256::new(), |hash, part| hash.chain_update(part)).finalize().into()
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Decision {
    iot_hub_host_name: Option<String>,
    #[serde(default, deserialize_with = "lenient")]
    initial_twin: Option<InitialTwin>,
    payload: Option<Box<RawValue>>,
}

/// What an answer means for the device. `tracking_id` is for the hub's part of an error.
pub(super) fn verdict(
    answer: &WebhookAnswer,
    linked_hubs: &[String],
    tracking_id: &str,
) -> Verdict {
    let failed = |how: &str| Verdict::Fail {
        error_code: FAILED,
        message: format!("Custom allocation failed{how}"),
    };
    let body = match answer {
        WebhookAnswer::Response { status: 200..=299, body } => body,
        WebhookAnswer::Response { status, .. } => {
            return failed(&format!(" with status code: {status}"));
        }
        WebhookAnswer::TimedOut => return failed(": the webhook did not answer in time."),
        WebhookAnswer::Unreachable => return failed(": the webhook could not be reached."),
    };
    if nesting(body) > DEEPEST {
        tracing::warn!(
            "a webhook's answer is nested more than {DEEPEST} deep and is not taken: its initialTwin and payload need fewer levels"
        );
        return failed(&format!(": the webhook's answer is nested more than {DEEPEST} deep."));
    }
    let Ok(decision) = serde_json::from_slice::<Decision>(body) else {
        return failed(": the webhook's answer is not JSON of the expected form.");
    };
    members::warn_of_unknown("a webhook's answer", body, &members::WEBHOOK_ANSWER);
    let Some(name) = decision.iot_hub_host_name.filter(|name| !name.is_empty()) else {
        return no_hub();
    };
    match linked_hubs.iter().find(|linked| linked.eq_ignore_ascii_case(&name)) {
        Some(hub) => Verdict::Assign {
            hub: hub.clone(),
            twin: decision.initial_twin,
            payload: decision.payload.filter(|payload| payload.get() != "null"),
        },
        // The service has no access to a hub that is not linked.
        None => Verdict::Fail {
            error_code: HUB_REFUSES,
            message: format!(
                r#"{{"Message":"ErrorCode:IotHubUnauthorizedAccess;Unauthorized","ExceptionMessage":"Tracking ID:{tracking_id}"}}"#
            ),
        },
    }
}

/// What let the device in has been changed, disabled or deleted since it asked.
pub(super) fn enrollment_changed() -> Verdict {
    Verdict::Fail {
        error_code: Refusal::Disabled.error_code(),
        message: "The enrollment was changed while the webhook was asked.".to_owned(),
    }
}

/// The device cannot be sent anywhere.
pub(super) fn no_hub() -> Verdict {
    Verdict::Fail {
        error_code: NO_HUB,
        message: "No IoT hub is specified for the device.".to_owned(),
    }
}
