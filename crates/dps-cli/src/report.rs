//! Results in JSON.

use dps_client::{Assignment, Error, Status};
use serde_json::{Value, json};

/// The name of a status, as the tutorials print it.
pub(crate) fn status_name(status: Status) -> &'static str {
    match status {
        Status::Connected => "CONNECTED",
        Status::Assigning => "ASSIGNING",
        _ => "UNKNOWN",
    }
}

/// An assignment, with the member names of the service.
pub(crate) fn assignment(assignment: &Assignment) -> Value {
    let mut value = json!({
        "status": "assigned",
        "registrationId": assignment.registration_id.as_str(),
        "assignedHub": assignment.hub,
        "deviceId": assignment.device_id,
    });
    let optional = [
        ("substatus", &assignment.substatus),
        ("enrollmentGroupId", &assignment.enrollment_group_id),
        ("createdDateTimeUtc", &assignment.created),
        ("lastUpdatedDateTimeUtc", &assignment.last_updated),
        ("etag", &assignment.etag),
    ];
    for (name, text) in optional {
        if let (Some(text), Some(members)) = (text, value.as_object_mut()) {
            members.insert(name.into(), text.as_str().into());
        }
    }
    if let (Some(payload), Some(members)) = (&assignment.payload, value.as_object_mut()) {
        // It was JSON when it came.
        let payload = serde_json::from_str(payload).unwrap_or(Value::Null);
        members.insert("payload".into(), payload);
    }
    value
}

/// A failure, for scripts.
pub(crate) fn error(error: &Error) -> Value {
    let mut value = json!({
        "status": "error",
        "stage": error.stage().as_str(),
        "message": error.to_string(),
        "hint": error.hint(),
        "transient": error.is_transient(),
    });
    if let (Some(service), Some(members)) = (error.service(), value.as_object_mut()) {
        members.insert(
            "service".into(),
            json!({
                "status": service.status,
                "errorCode": service.error_code,
                "message": service.message,
                "trackingId": service.tracking_id,
                "timestampUtc": service.timestamp,
            }),
        );
    }
    value
}
