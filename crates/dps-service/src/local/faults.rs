//! Faults: how the local service misbehaves on purpose, so that a device's own code can be tested.
//! They are the local service's own; the real one has no such thing and answers 404.

use crate::client::ServiceClient;
use crate::error::Error;
use dps_core::sas::{HexCase, percent_encode};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use ureq::http::Method;

/// A fault. Which members go with which kind is in the local service's documentation, and is the
/// service's to check. Members that this version does not know are kept in `other`.
#[derive(Clone, Debug, Default, PartialEq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub struct Fault {
    /// Its name, under the rules of registration ids.
    pub name: String,
    /// `delay`, `throttle`, `serverError`, `drop`, `neverAnswer` or `malformed`.
    pub kind: String,
    /// It is for what claims to be this device only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub registration_id: Option<String>,
    /// It is for the device that this individual enrollment lets in only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrollment: Option<String>,
    /// It is for devices that this group lets in only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enrollment_group_id: Option<String>,
    /// `mqtt`, `mqtt-ws`, `amqp`, `amqp-ws` or `https`; all when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub transport: Option<String>,
    /// `connect`, `register` or `poll`; register and poll when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub operation: Option<String>,
    /// With `delay`: how much later the answer comes, in milliseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delay_ms: Option<u32>,
    /// With `serverError`: 500 to 599; 500 when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// With `throttle` and `serverError`: when the device is to come again, in seconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_after_seconds: Option<u32>,
    /// With `drop`: how much of the answer goes out; nothing when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub after_bytes: Option<u32>,
    /// With `malformed`: `notJson`, `truncatedJson`, `wrongMembers` or `empty`; the first when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub form: Option<String>,
    /// How often it strikes; until it is removed when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// How often it has struck. The service says it, and passes over what it is told.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub struck: Option<u32>,
    /// Everything else.
    #[serde(flatten)]
    pub other: Map<String, Value>,
}

impl Fault {
    /// A fault of this name and kind that strikes every request.
    pub fn new(name: impl Into<String>, kind: impl Into<String>) -> Self {
        Self { name: name.into(), kind: kind.into(), ..Self::default() }
    }
}

/// Several.
#[derive(Deserialize)]
struct FaultList {
    faults: Vec<Fault>,
}

/// The faults of a local service.
#[derive(Debug)]
pub struct Faults<'a> {
    client: &'a ServiceClient,
}

impl<'a> Faults<'a> {
    pub(crate) fn new(client: &'a ServiceClient) -> Self {
        Self { client }
    }

    /// Reads all, in the order in which they are looked at.
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with status 401 when the policy lacks the right `ServiceConfig`; every
    /// other [`Error`] may come, too, here and below.
    pub fn list(&self) -> Result<Vec<Fault>, Error> {
        let answer = self.client.call(Method::GET, "/admin/faults", &[], None::<&()>)?;
        answer.read::<FaultList>().map(|list| list.faults)
    }

    /// Reads one.
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with status 404 when there is none of that name.
    pub fn get(&self, name: &str) -> Result<Fault, Error> {
        self.client.call(Method::GET, &path(name), &[], None::<&()>)?.read()
    }

    /// Sets one: after all others, or in the place of the one of this name, which begins to count
    /// anew.
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with status 400 says what makes no sense.
    pub fn set(&self, fault: &Fault) -> Result<Fault, Error> {
        self.client.call(Method::PUT, &path(&fault.name), &[], Some(fault))?.read()
    }

    /// Removes one.
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with status 404 when there is none of that name.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        self.client.call(Method::DELETE, &path(name), &[], None::<&()>).map(drop)
    }

    /// Removes all.
    ///
    /// # Errors
    ///
    /// See [`list`](Self::list).
    pub fn clear(&self) -> Result<(), Error> {
        self.client.call(Method::DELETE, "/admin/faults", &[], None::<&()>).map(drop)
    }
}

fn path(name: &str) -> String {
    format!("/admin/faults/{}", percent_encode(name, HexCase::Upper))
}
