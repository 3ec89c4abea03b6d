//! `/admin/faults`: how the service misbehaves on purpose.

use super::{AdminError, Asked};
use crate::faults::FaultDocument;
use crate::service::api::ApiError;
use crate::service::{ApiAnswer, Service, Ticket};
use core::time::Duration;
use serde::Serialize;

#[derive(Serialize)]
struct FaultList {
    faults: Vec<FaultDocument>,
}

pub(super) fn answer(
    service: &Service,
    asked: &Asked<'_>,
    _: Duration,
) -> Result<ApiAnswer, AdminError> {
    match (asked.method(), asked.rest.as_slice()) {
        ("GET", []) => {
            let faults = service.faults();
            let faults = faults.iter().map(FaultDocument::from).collect();
            Ok(ApiAnswer::ok(&FaultList { faults }))
        }
        // A slash at the end does not matter elsewhere. Here a name is missing behind it, and whoever
        // forgot one does not mean all.
        ("DELETE", []) if asked.request.path.ends_with('/') => Err(AdminError::NoFault),
        ("DELETE", []) => {
            service.clear_faults();
            Ok(ApiAnswer::no_content(Ticket::default()))
        }
        ("GET", [name]) => {
            let faults = service.faults();
            let found = faults.iter().find(|fault| fault.name.eq_ignore_ascii_case(name));
            Ok(ApiAnswer::ok(&FaultDocument::from(found.ok_or(AdminError::NoFault)?)))
        }
        ("PUT", [name]) => put(service, name, asked.request.body),
        ("DELETE", [name]) => match service.remove_fault(name) {
            true => Ok(ApiAnswer::no_content(Ticket::default())),
            false => Err(AdminError::NoFault),
        },
        (_, [] | [_]) => Err(ApiError::WrongMethod.into()),
        _ => Err(ApiError::NoSuchPath.into()),
    }
}

/// The name is the path's; the body may repeat it.
fn put(service: &Service, name: &str, body: &[u8]) -> Result<ApiAnswer, AdminError> {
    let wrong = |problem: String| ApiError::BadBody(problem);
    // The derived reader would take an array for an object.
    if !body.trim_ascii_start().starts_with(b"{") {
        return Err(wrong("it is not a JSON object".to_owned()).into());
    }
    let document: FaultDocument =
        serde_json::from_slice(body).map_err(|error| wrong(error.to_string()))?;
    if document.name.as_deref().is_some_and(|other| !other.eq_ignore_ascii_case(name)) {
        return Err(wrong("its name is not that of the path".to_owned()).into());
    }
    let fault = document.fault().map_err(|error| wrong(error.to_string()))?;
    let set = service.set_fault(name, fault).map_err(|error| wrong(error.to_string()))?;
    Ok(ApiAnswer::ok(&FaultDocument::from(&set)))
}

#[cfg(test)]
#[path = "faults_tests.rs"]
mod tests;
