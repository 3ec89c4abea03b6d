//! The service API: what those who manage the service ask of it, whatever carries their requests
//! (`wire-protocol.md` section 7).

mod bulk;
mod enrollments;
mod error;
mod page;
mod registrations;
#[cfg(test)]
pub(super) mod tests;

use super::policies::Forbidden;
use super::{Durability, Reply, Service, Ticket};
use crate::config::Permission;
use crate::model::{EnrollmentGroup, IndividualEnrollment};
use crate::sas::percent_decode;
use core::time::Duration;
pub(super) use enrollments::parse;
pub(super) use error::ApiError;
use http::Method;
use page::Page;

/// The largest body of a request. Ten enrollments with certificates and twins fit.
pub(crate) const MAX_BODY_BYTES: usize = 1024 * 1024;

/// A request. The headers are as they came.
#[derive(Clone, Debug)]
pub(crate) struct ApiRequest<'a> {
    pub(crate) method: &'a Method,
    /// Not decoded.
    pub(crate) path: &'a str,
    pub(crate) query: &'a str,
    /// With a port or without.
    pub(crate) host: &'a str,
    pub(crate) authorization: Option<&'a str>,
    pub(crate) if_match: Option<&'a str>,
    pub(crate) continuation: Option<&'a str>,
    pub(crate) max_item_count: Option<&'a str>,
    pub(crate) body: &'a [u8],
}

/// An answer, which may be given when its ticket is durable.
#[derive(Clone, Debug)]
pub(crate) struct ApiAnswer {
    pub(crate) status: u16,
    /// JSON in ASCII; none with 204.
    pub(crate) body: Option<String>,
    pub(crate) error_code: Option<u32>,
    /// Headers, by name.
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) ticket: Ticket,
    /// There is nothing to tell yet: the request should be answered when something has happened, or
    /// this long after it came.
    pub(crate) wait: Duration,
}

impl ApiAnswer {
    pub(super) fn ok(document: &impl serde::Serialize) -> Self {
        Self::json(super::reply::ascii_json(document))
    }

    fn json(body: String) -> Self {
        let body = Some(body);
        let (error_code, headers, ticket) = (None, Vec::new(), Ticket::default());
        Self { status: 200, body, error_code, headers, ticket, wait: Duration::ZERO }
    }

    pub(super) fn no_content(ticket: Ticket) -> Self {
        let (body, error_code, headers, wait) = (None, None, Vec::new(), Duration::ZERO);
        Self { status: 204, body, error_code, headers, ticket, wait }
    }

    pub(super) fn after(self, ticket: Ticket) -> Self {
        Self { ticket, ..self }
    }

    pub(super) fn unless_within(self, wait: Duration) -> Self {
        Self { wait, ..self }
    }

    pub(super) fn with_header(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// What a path names, its ids decoded.
#[derive(Debug)]
enum Target {
    Enrollments(Operation),
    Groups(Operation),
    Registration(String),
    RegistrationsOfGroup(String),
}

/// What is done to enrollments of one kind.
#[derive(Debug)]
enum Operation {
    Bulk,
    Query,
    One(String),
    AttestationMechanism(String),
}

impl Service {
    /// Whether a path belongs to the service API. A device's does not: its ID scope, which no
    /// configuration can have so, comes first.
    pub(crate) fn is_api(path: &str) -> bool {
        let first = path.trim_start_matches('/').split('/').next().unwrap_or_default();
        ["enrollments", "enrollmentgroups", "registrations"]
            .iter()
            .any(|name| first.eq_ignore_ascii_case(name))
    }

    /// Answers a request of the service API. The answer may be given when it is
    /// [kept](Self::kept).
    pub(crate) fn administer(&self, request: &ApiRequest<'_>, now: Duration) -> ApiAnswer {
        let answer = match self.try_administer(request, now) {
            Ok(answer) => answer.after(self.store.latest()),
            // What it tells of the state must be kept, too.
            Err(error) if error.is_of_state() => {
                self.refuse_api(&error, now).after(self.store.latest())
            }
            Err(error) => self.refuse_api(&error, now),
        };
        match self.store.durability(answer.ticket) {
            Durability::Failed => self.refuse_api(&ApiError::Storage, now),
            Durability::Durable | Durability::Underway => answer,
        }
    }

    /// Waits until all is kept that an answer may show.
    pub(crate) async fn kept(&self, answer: ApiAnswer, now: Duration) -> ApiAnswer {
        match self.store.settled(answer.ticket).await {
            Durability::Durable => answer,
            _ => self.refuse_api(&ApiError::Storage, now),
        }
    }

    /// The answer to a request that cannot even be read.
    pub(crate) fn refuse_api_request(&self, refusal: &super::Refusal, now: Duration) -> ApiAnswer {
        refused(self.refuse_request(refusal, now))
    }

    fn refuse_api(&self, error: &ApiError, now: Duration) -> ApiAnswer {
        tracing::warn!(reason = %error, status = error.status(), "service request refused");
        let (status, code) = (error.status(), error.error_code());
        refused(Reply::of_error(status, code, error.message(), self.guid(), now))
    }

    fn try_administer(
        &self,
        request: &ApiRequest<'_>,
        now: Duration,
    ) -> Result<ApiAnswer, ApiError> {
        let target = target(request.path, request.method)?;
        let needed = needed(&target, request.method)?;
        self.allow(request, needed, now)?;
        let version = api_version(request.query).ok_or(ApiError::NoApiVersion)?;
        // What is in memory may never have been kept, and no more is to be added to it.
        if self.store.has_failed() {
            return Err(ApiError::Storage);
        }
        match target {
            Target::Enrollments(Operation::One(id)) => {
                self.one::<IndividualEnrollment>(&id, request, &version, now)
            }
            Target::Enrollments(Operation::Bulk) => {
                self.bulk::<IndividualEnrollment>(request, &version, now)
            }
            Target::Enrollments(Operation::Query) => {
                self.list::<IndividualEnrollment>(&Page::of(request)?, request)
            }
            Target::Enrollments(Operation::AttestationMechanism(id)) => {
                self.attestation_mechanism::<IndividualEnrollment>(&id)
            }
            Target::Groups(Operation::One(id)) => {
                self.one::<EnrollmentGroup>(&id, request, &version, now)
            }
            Target::Groups(Operation::Bulk) => self.bulk::<EnrollmentGroup>(request, &version, now),
            Target::Groups(Operation::Query) => {
                self.list::<EnrollmentGroup>(&Page::of(request)?, request)
            }
            Target::Groups(Operation::AttestationMechanism(id)) => {
                self.attestation_mechanism::<EnrollmentGroup>(&id)
            }
            Target::Registration(id) if request.method == Method::DELETE => {
                self.delete_registration(&id, request)
            }
            Target::Registration(id) => self.registration(&id, now),
            Target::RegistrationsOfGroup(id) => {
                self.registrations_of_group(&id, &Page::of(request)?, now)
            }
        }
    }
}

pub(super) fn refused(reply: Reply) -> ApiAnswer {
    let Reply { status, body, error_code, .. } = reply;
    let (headers, ticket, wait) = (Vec::new(), Ticket::default(), Duration::ZERO);
    ApiAnswer { status, body: Some(body), error_code, headers, ticket, wait }
}

/// Case does not matter, nor does a slash at the end (section 7.2).
fn target(path: &str, method: &Method) -> Result<Target, ApiError> {
    let path = path.trim_start_matches('/');
    let path = path.strip_suffix('/').unwrap_or(path);
    let segments: Vec<&str> = path.split('/').collect();
    let [kind, rest @ ..] = segments.as_slice() else { return Err(ApiError::NoSuchPath) };
    let id = |segment: &str| {
        let bytes = percent_decode(segment).ok_or(ApiError::BadPath)?;
        String::from_utf8(bytes).map_err(|_| ApiError::BadPath)
    };
    let named = |segment: &str, name: &str| segment.eq_ignore_ascii_case(name);
    if named(kind, "registrations") {
        return match rest {
            [one] => Ok(Target::Registration(id(one)?)),
            [group, query] if named(query, "query") => Ok(Target::RegistrationsOfGroup(id(group)?)),
            _ => Err(ApiError::NoSuchPath),
        };
    }
    let operation = match rest {
        [] => Operation::Bulk,
        // A device may be called so.
        [query] if named(query, "query") && method == Method::POST => Operation::Query,
        [one] => Operation::One(id(one)?),
        [one, what] if named(what, "attestationmechanism") => {
            Operation::AttestationMechanism(id(one)?)
        }
        _ => return Err(ApiError::NoSuchPath),
    };
    match kind.to_ascii_lowercase().as_str() {
        "enrollments" => Ok(Target::Enrollments(operation)),
        "enrollmentgroups" => Ok(Target::Groups(operation)),
        _ => Err(ApiError::NoSuchPath),
    }
}

/// The right that a request takes. Keys can be read by those who read enrollments.
fn needed(target: &Target, method: &Method) -> Result<Permission, ApiError> {
    use Permission::{
        EnrollmentRead, EnrollmentWrite, RegistrationStatusRead, RegistrationStatusWrite,
    };
    match target {
        Target::Enrollments(operation) | Target::Groups(operation) => {
            match (operation, method.as_str()) {
                (Operation::One(_), "GET")
                | (Operation::Query | Operation::AttestationMechanism(_), "POST") => {
                    Ok(EnrollmentRead)
                }
                (Operation::One(_), "PUT" | "DELETE") | (Operation::Bulk, "POST") => {
                    Ok(EnrollmentWrite)
                }
                _ => Err(ApiError::WrongMethod),
            }
        }
        Target::Registration(_) if method == Method::GET => Ok(RegistrationStatusRead),
        Target::Registration(_) if method == Method::DELETE => Ok(RegistrationStatusWrite),
        Target::RegistrationsOfGroup(_) if method == Method::POST => Ok(RegistrationStatusRead),
        _ => Err(ApiError::WrongMethod),
    }
}

fn api_version(query: &str) -> Option<String> {
    let mut pairs = query.split('&').filter_map(|pair| pair.split_once('='));
    let (_, value) = pairs.find(|(name, _)| name.eq_ignore_ascii_case("api-version"))?;
    Some(value.to_owned()).filter(|value| !value.is_empty())
}

/// Whether two etags are the same, quoted or not; `*` is every one's.
fn matches(asked: &str, etag: &str) -> bool {
    let bare = |text: &str| text.trim().trim_start_matches("W/").trim_matches('"').to_owned();
    asked.trim() == "*" || bare(asked) == bare(etag)
}

impl From<Forbidden> for ApiError {
    fn from(forbidden: Forbidden) -> Self {
        Self::Forbidden(forbidden)
    }
}
