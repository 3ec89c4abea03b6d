//! What only libdps's local service has: hubs that are linked while it runs, a look at their
//! devices, and faults. Azure's service answers all of this with 404; there it is done by the management plane
//! and by the hubs' own service API.
//!
//! The connection string's policy needs the right `ServiceConfig`.
//!
//! ```no_run
//! use core::time::Duration;
//! use dps_service::local::HubSettings;
//! use dps_service::{ConnectionString, ServiceClient};
//!
//! let connection: ConnectionString = std::env::var("DPS_CONNECTION_STRING")?.parse()?;
//! let client = ServiceClient::builder(connection).build()?;
//! let local = client.local();
//! local.link_hub("west-hub.localhost", &HubSettings::default())?;
//! for device in local.devices("west-hub.localhost")? {
//!     let sent = local.telemetry("west-hub.localhost", &device.device_id, 0, Duration::ZERO)?;
//!     println!("{}: {} messages", device.device_id, sent.telemetry_count);
//! }
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

mod documents;
mod faults;

pub use documents::{
    CloudMessage, Device, Event, Events, Hub, HubSettings, RegionChange, Telemetry,
    TelemetryMessage, Twin, TwinPatch, TwinProperties,
};

pub use faults::{Fault, Faults};

use crate::client::ServiceClient;
use crate::error::Error;
use core::time::Duration;
use documents::{DeviceList, HubList, Sent};
use dps_core::sas::{HexCase, percent_encode};
use serde::de::DeserializeOwned;
use ureq::http::Method;

/// The local service's own API.
#[derive(Debug)]
pub struct LocalService<'a> {
    client: &'a ServiceClient,
}

impl<'a> LocalService<'a> {
    pub(crate) fn new(client: &'a ServiceClient) -> Self {
        Self { client }
    }

    /// How the service misbehaves on purpose.
    pub fn faults(&self) -> Faults<'a> {
        Faults::new(self.client)
    }

    /// The linked hubs, and those that are not linked any more and have devices.
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with status 404 when it is not libdps's local service, 401 when the policy
    /// lacks the right `ServiceConfig`; every other [`Error`] may come, too, here and below.
    pub fn hubs(&self) -> Result<Vec<Hub>, Error> {
        self.get::<HubList>("/admin/hubs").map(|list| list.hubs)
    }

    /// One hub.
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with status 404 when there is none of that name; the message names those
    /// that there are.
    pub fn hub(&self, name: &str) -> Result<Hub, Error> {
        self.get(&hub_path(name))
    }

    /// Links a hub, so that devices are assigned to it, or changes the settings of one. From the
    /// answer on the service's certificate has its name.
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with status 400 when it is not a hub's name, 409 when there are 100 hubs.
    pub fn link_hub(&self, name: &str, settings: &HubSettings) -> Result<Hub, Error> {
        self.client.ask(Method::PUT, &hub_path(name), &[], Some(settings))?.read()
    }

    /// Unlinks a hub: it gets no more devices, and those that are in it stay.
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with status 404 when none of that name is linked.
    pub fn unlink_hub(&self, name: &str) -> Result<(), Error> {
        self.client.ask(Method::DELETE, &hub_path(name), &[], None::<&()>).map(drop)
    }

    /// The devices of a hub, sorted by their ids, without twins.
    ///
    /// # Errors
    ///
    /// As [`hub`](Self::hub).
    pub fn devices(&self, hub: &str) -> Result<Vec<Device>, Error> {
        let path = format!("{}/devices", hub_path(hub));
        let mut devices = Vec::new();
        let mut target = path.clone();
        loop {
            let page: DeviceList = self.get(&target)?;
            devices.extend(page.devices);
            let Some(next) = page.next else { return Ok(devices) };
            target = format!("{path}?after={}", percent_encode(&next, HexCase::Upper));
        }
    }

    /// One device with its twin.
    ///
    /// # Errors
    ///
    /// [`Error::Service`] with status 404 when there is no such hub or device.
    pub fn device(&self, hub: &str, device_id: &str) -> Result<Device, Error> {
        self.get(&device_path(hub, device_id))
    }

    /// Deletes a device from its hub with all that waits for it, and ends its connection. Its
    /// registration and enrollment stay: when it registers again, it is a new device to the hub.
    ///
    /// # Errors
    ///
    /// As [`device`](Self::device).
    pub fn delete_device(&self, hub: &str, device_id: &str) -> Result<(), Error> {
        let path = device_path(hub, device_id);
        self.client.ask(Method::DELETE, &path, &[], None::<&()>).map(drop)
    }

    /// What a device has sent after the message of a number, as far as it is kept: up to 1000
    /// messages, and fewer if they are large. When there is none the service waits for one as long as
    /// `wait` says, up to 30 s, in whole seconds; the client's own timeout must be longer.
    ///
    /// # Errors
    ///
    /// As [`device`](Self::device).
    pub fn telemetry(
        &self,
        hub: &str,
        device_id: &str,
        after: u64,
        wait: Duration,
    ) -> Result<Telemetry, Error> {
        let path = device_path(hub, device_id);
        self.get(&format!("{path}/messages?after={after}&waitSeconds={}", wait.as_secs()))
    }

    /// Lets a message wait for a device. Gives how many wait for it now.
    ///
    /// # Errors
    ///
    /// As [`device`](Self::device); status 409 when 50 wait already, 413 when it is too large.
    pub fn send(&self, hub: &str, device_id: &str, message: &CloudMessage) -> Result<usize, Error> {
        let path = format!("{}/messages", device_path(hub, device_id));
        let sent: Sent = self.client.ask(Method::POST, &path, &[], Some(message))?.read()?;
        Ok(sent.waiting_messages)
    }

    /// Merges a patch into a device's twin, in which `null` deletes, and tells the device of desired
    /// properties if it listens. Gives the twin.
    ///
    /// # Errors
    ///
    /// As [`device`](Self::device); status 400 when the twin would be too large or too deep.
    pub fn update_twin(
        &self,
        hub: &str,
        device_id: &str,
        patch: &TwinPatch,
    ) -> Result<Twin, Error> {
        let path = format!("{}/twin", device_path(hub, device_id));
        self.client.ask(Method::PATCH, &path, &[], Some(patch))?.read()
    }

    /// What happened after the event of a number: of the latest 1000. When there is nothing the
    /// service waits as in [`telemetry`](Self::telemetry).
    ///
    /// # Errors
    ///
    /// As [`hubs`](Self::hubs).
    pub fn events(&self, after: u64, wait: Duration) -> Result<Events, Error> {
        self.get(&format!("/admin/events?after={after}&waitSeconds={}", wait.as_secs()))
    }

    fn get<T: DeserializeOwned>(&self, target: &str) -> Result<T, Error> {
        self.client.ask(Method::GET, target, &[], None::<&()>)?.read()
    }
}

fn hub_path(name: &str) -> String {
    format!("/admin/hubs/{}", percent_encode(name, HexCase::Upper))
}

fn device_path(hub: &str, device_id: &str) -> String {
    format!("{}/devices/{}", hub_path(hub), percent_encode(device_id, HexCase::Upper))
}
