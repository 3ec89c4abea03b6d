//! What the admin API shows of a hub's devices and does to them.

use super::device::Device;
use super::handle::{Hub, HubError};
use super::identity::HubIdentity;
use super::{Telemetry, Twin};
use core::ops::Bound;
use serde_json::Value;

/// The most bytes of one answer's messages; one message is given in any case.
const MOST_BYTES: usize = 1024 * 1024;

/// A device as it stands.
#[derive(Clone, Debug)]
pub(crate) struct DeviceView {
    pub(crate) device_id: String,
    pub(crate) is_connected: bool,
    /// How many messages it has sent in all.
    pub(crate) telemetry_count: u64,
    /// How many messages wait for it.
    pub(crate) waiting: usize,
    /// What it proves itself with.
    pub(crate) proof: &'static str,
}

impl DeviceView {
    fn new(device_id: &str, device: &Device) -> Self {
        Self {
            device_id: device_id.to_owned(),
            is_connected: device.is_connected(),
            telemetry_count: device.telemetry_count(),
            waiting: device.waiting(),
            proof: match &device.identity {
                HubIdentity::Keys(_) => "sas",
                HubIdentity::Certificates(_) => "selfSigned",
                HubIdentity::Authorities(_) => "certificateAuthority",
            },
        }
    }
}

impl Hub {
    /// How many devices it has, and how many of them are connected.
    pub(crate) fn count(&self) -> (usize, usize) {
        self.read(|devices| {
            (devices.len(), devices.values().filter(|device| device.is_connected()).count())
        })
    }

    /// Its devices after an id, sorted by their ids, at most `most` of them.
    pub(crate) fn page(&self, after: Option<&str>, most: usize) -> Vec<DeviceView> {
        let from = after.map_or(Bound::Unbounded, Bound::Excluded);
        self.read(|devices| {
            let found = devices.range::<str, _>((from, Bound::Unbounded)).take(most);
            found.map(|(id, device)| DeviceView::new(id, device)).collect()
        })
    }

    /// One device with its twin.
    pub(crate) fn view(&self, device: &str) -> Result<(DeviceView, Twin), HubError> {
        self.with(device, |found| (DeviceView::new(device, found), found.twin.clone()))
    }

    /// What the device has sent after a number, the oldest first: at most `most` messages, and fewer
    /// if they are large. Also how many it has sent in all.
    pub(crate) fn telemetry_after(
        &self,
        device: &str,
        after: u64,
        most: usize,
    ) -> Result<(Vec<Telemetry>, u64), HubError> {
        self.with(device, |device| {
            let mut bytes = 0;
            let later = device.all_telemetry().filter(|message| message.sequence > after);
            let some = later.take(most).take_while(|message| {
                let is_first = bytes == 0;
                bytes += message.size();
                is_first || bytes <= MOST_BYTES
            });
            (some.cloned().collect(), device.telemetry_count())
        })
    }

    /// Merges patches into the tags and the desired properties, both or none, and tells the device
    /// of the latter if it listens. Gives the twin.
    pub(crate) fn patch_twin(
        &self,
        device: &str,
        tags: Option<&Value>,
        desired: Option<&Value>,
    ) -> Result<Twin, HubError> {
        self.with(device, |device| {
            device.patch(tags, desired)?;
            Ok(device.twin.clone())
        })?
    }

    /// As if the device had sent it.
    #[cfg(test)]
    pub(crate) fn keep_for_test(&self, device: &str, now: core::time::Duration, body: &[u8]) {
        self.with(device, |device| device.keep(now, super::Properties::new(), body)).unwrap();
    }
}
