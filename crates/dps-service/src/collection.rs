//! Enrollments of one kind (`wire-protocol.md` section 7.2).

use crate::attestation::AttestationMechanism;
use crate::bulk::{BulkMode, BulkRequest, BulkResult};
use crate::client::ServiceClient;
use crate::error::Error;
use crate::query::Query;
use core::fmt;
use core::marker::PhantomData;
use dps_core::sas::{HexCase, percent_encode};
use serde::Serialize;
use serde::de::DeserializeOwned;
use ureq::http::Method;

/// What there is a [`Collection`] of.
pub trait Resource: Serialize + DeserializeOwned + fmt::Debug {
    /// The first part of its paths; also the member of bulk requests that lists several.
    const PATH: &'static str;

    /// Its name.
    fn name(&self) -> &str;

    /// Which state of it this is, if it came from the service.
    fn etag(&self) -> Option<&str>;
}

/// All enrollments of one kind.
#[derive(Debug)]
pub struct Collection<'a, T> {
    client: &'a ServiceClient,
    kind: PhantomData<T>,
}

impl<'a, T: Resource> Collection<'a, T> {
    pub(crate) fn new(client: &'a ServiceClient) -> Self {
        Self { client, kind: PhantomData }
    }

    /// Reads one. Symmetric keys are not in it: see
    /// [`attestation_mechanism`](Self::attestation_mechanism).
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with status 404 when there is none; every other [`Error`] may come, too,
    /// here and below.
    pub fn get(&self, name: &str) -> Result<T, Error> {
        self.client.call(Method::GET, &Self::path(name), &[], None::<&()>)?.read()
    }

    /// Creates one.
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with status 409 when there is one of that name.
    pub fn create(&self, item: &T) -> Result<T, Error> {
        self.client.call(Method::PUT, &Self::path(item.name()), &[], Some(item))?.read()
    }

    /// Puts `item` in place of the one of the same name, if that still has the etag of `item`; with
    /// no etag, whatever it is.
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with status 412 when it has been changed since, 404 when it is gone.
    pub fn update(&self, item: &T) -> Result<T, Error> {
        let headers = [("If-Match", item.etag().unwrap_or("*"))];
        self.client.call(Method::PUT, &Self::path(item.name()), &headers, Some(item))?.read()
    }

    /// Deletes one, if it still has the given etag; without one, whatever it is.
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with status 412 when it has been changed since, 404 when there is none.
    pub fn delete(&self, name: &str, etag: Option<&str>) -> Result<(), Error> {
        let header = etag.map(|etag| ("If-Match", etag));
        let headers = header.as_slice();
        self.client.call(Method::DELETE, &Self::path(name), headers, None::<&()>).map(drop)
    }

    /// Reads how devices prove who they are, keys included.
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with status 404 when there is none.
    pub fn attestation_mechanism(&self, name: &str) -> Result<AttestationMechanism, Error> {
        let path = format!("{}/attestationmechanism", Self::path(name));
        self.client.call(Method::POST, &path, &[], Some(&serde_json::json!({})))?.read()
    }

    /// Reads all, `page_size` at a time (1 to 1000; the service's choice when absent), as they are
    /// asked for.
    pub fn list(&self, page_size: Option<u32>) -> Query<'a, T> {
        let body = serde_json::json!({"query": format!("SELECT * FROM {}", T::PATH)});
        Query::new(self.client, format!("/{}/query", T::PATH), Some(body), page_size)
    }

    /// Creates, updates or deletes up to ten. Each stands for itself: see
    /// [`BulkResult::errors`].
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with status 400 when there are none or too many.
    pub fn bulk(&self, mode: BulkMode, items: &[T]) -> Result<BulkResult, Error> {
        let request = BulkRequest { mode, list: T::PATH, items };
        self.client.call(Method::POST, &format!("/{}", T::PATH), &[], Some(&request))?.read()
    }

    fn path(name: &str) -> String {
        format!("/{}/{}", T::PATH, percent_encode(name, HexCase::Upper))
    }
}
