//! The admin API: what only the local service has, below `/admin/` on the port of the service API.
//! It is not Azure's. Whoever uses it has a shared access policy's right `ServiceConfig`, or the page
//! token; both come in `Authorization`, which no foreign web page can set.
//!
//! Each resource is a module with `answer`, which gets what follows the resource's name in the path,
//! and a line in [`resource`].

mod devices;
mod error;
mod events;
mod faults;
mod hubs;
mod info;
mod messages;
mod query;
mod session;
#[cfg(test)]
mod tests;

use super::{ApiAnswer, ApiRequest, Durability, Reply, Service};
use crate::config::Permission;
use crate::sas::percent_decode;
use crate::service::api::{ApiError, refused};
use core::time::Duration;
pub(super) use error::AdminError;
pub(crate) use session::Provenance;

/// A request that may be made.
struct Asked<'a> {
    request: &'a ApiRequest<'a>,
    /// What follows the resource's name in the path, decoded.
    rest: Vec<&'a str>,
    /// All that whoever asks may do.
    rights: &'a [Permission],
}

impl Asked<'_> {
    /// The request's method.
    fn method(&self) -> &str {
        self.request.method.as_str()
    }

    /// Refuses all but GET of a resource that has nothing below it.
    fn only_get(&self) -> Result<(), ApiError> {
        match (self.method(), self.rest.as_slice()) {
            ("GET", []) => Ok(()),
            (_, []) => Err(ApiError::WrongMethod),
            _ => Err(ApiError::NoSuchPath),
        }
    }
}

/// Answers what is asked of one resource.
type Resource = fn(&Service, &Asked<'_>, Duration) -> Result<ApiAnswer, AdminError>;

/// The resource of a name, if there is one.
fn resource(name: &str) -> Option<Resource> {
    match name {
        "events" => Some(events::answer),
        "faults" => Some(faults::answer),
        "hubs" => Some(hubs::answer),
        "service" => Some(info::answer),
        _ => None,
    }
}

impl Service {
    /// Whether a path belongs to the admin API. A device's does not: its ID scope, which no
    /// configuration can have so, comes first.
    pub(crate) fn is_admin(path: &str) -> bool {
        path.trim_start_matches('/').split('/').next() == Some("admin")
    }

    /// Answers a request of the admin API.
    pub(crate) fn manage(
        &self,
        request: &ApiRequest<'_>,
        from: &Provenance<'_>,
        now: Duration,
    ) -> ApiAnswer {
        let answer = match self.try_manage(request, from, now) {
            Ok(answer) if self.store.durability(answer.ticket) == Durability::Failed => {
                self.refuse_admin(&ApiError::Storage.into(), now)
            }
            Ok(answer) => answer,
            // What it tells of the state must be kept, too.
            Err(error) if error.is_of_state() => {
                self.refuse_admin(&error, now).after(self.store.latest())
            }
            Err(error) => self.refuse_admin(&error, now),
        };
        // Tokens and keys stand in some.
        let answer = answer.with_header("cache-control", "no-store");
        answer.with_header("x-content-type-options", "nosniff")
    }

    fn try_manage(
        &self,
        request: &ApiRequest<'_>,
        from: &Provenance<'_>,
        now: Duration,
    ) -> Result<ApiAnswer, AdminError> {
        let segments = segments(request.path)?;
        let mut segments = segments.iter().map(String::as_str).skip(1);
        let name = segments.next().unwrap_or_default();
        let rest: Vec<&str> = segments.collect();
        if (name, rest.as_slice()) == ("session", &[]) {
            return session::answer(self, request, from);
        }
        // Whoever may not ask is not told what there is.
        let rights = self.allow(request, Permission::ServiceConfig, now)?;
        let resource = resource(name).ok_or(ApiError::NoSuchPath)?;
        // What is in memory may never have been kept, and no more is to be added to it.
        if self.store.has_failed() {
            return Err(ApiError::Storage.into());
        }
        let answer = resource(self, &Asked { request, rest, rights }, now)?;
        // What it shows must be kept, too.
        Ok(answer.after(self.store.latest()))
    }

    fn refuse_admin(&self, error: &AdminError, now: Duration) -> ApiAnswer {
        tracing::warn!(reason = %error, status = error.status(), "admin request refused");
        let (status, code) = (error.status(), error.error_code());
        refused(Reply::of_error(status, code, error.message(), self.guid(), now))
    }
}

/// The parts of a path, decoded. A slash at the end does not matter.
fn segments(path: &str) -> Result<Vec<String>, ApiError> {
    let path = path.trim_start_matches('/');
    let path = path.strip_suffix('/').unwrap_or(path);
    let decoded = |segment: &str| {
        let bytes = percent_decode(segment).ok_or(ApiError::BadPath)?;
        String::from_utf8(bytes).map_err(|_| ApiError::BadPath)
    };
    path.split('/').map(decoded).collect()
}
