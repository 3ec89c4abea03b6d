//! What one connection may do with its device: nothing more once another has taken its place.

use super::device::Device;
use super::hubs::Hubs;
use super::identity::Objection;
use super::username::Place;
use crate::doors::Wake;
use crate::events::Kind;
use crate::service::Credentials;
use core::time::Duration;
use std::sync::Arc;

/// A connection's place at its device. Dropping it ends the connection there.
#[derive(Debug)]
pub(super) struct Seat {
    hubs: Arc<Hubs>,
    place: Place,
    connection: u64,
    /// When the proof that it was taken with expires.
    expires_at: Option<Duration>,
}

impl Seat {
    /// Lets the device in if its credentials are good, in the place of an earlier connection.
    /// Also says whether an earlier session goes on.
    pub(super) fn take(
        hubs: &Arc<Hubs>,
        place: Place,
        credentials: &Credentials,
        clean: bool,
        wake: Wake,
        now: Duration,
    ) -> Result<(Self, bool), Objection> {
        let mut state = hubs.state();
        if !state.hubs.contains_key(&place.hub.to_ascii_lowercase()) {
            return Err(Objection::NoHub);
        }
        state.last_connection += 1;
        let connection = state.last_connection;
        let device = state.device(&place.hub, &place.device).ok_or(Objection::NoDevice)?;
        let (name, skew) = (&place.device, hubs.clock_skew);
        let expires_at = device.identity.verify(&place.hub, name, credentials, now, skew)?;
        if device.is_connected() {
            let event = place.event(Kind::DeviceDisconnected);
            hubs.events.add(event.because("another connection has taken its place"), now);
        }
        let goes_on = device.attach(connection, clean, wake);
        hubs.events.add(place.event(Kind::DeviceConnected), now);
        drop(state);
        Ok((Self { hubs: hubs.clone(), place, connection, expires_at }, goes_on))
    }

    /// When the proof that it was taken with expires, since 1970-01-01T00:00:00Z.
    pub(super) fn expires_at(&self) -> Option<Duration> {
        self.expires_at
    }

    /// The device's id.
    pub(super) fn device(&self) -> &str {
        &self.place.device
    }

    /// The device has sent something.
    pub(super) fn stir(&self) {
        self.hubs.events.stir();
    }

    /// Does something with the device; `None` when the connection has lost its place.
    pub(super) fn with<T>(&self, action: impl FnOnce(&mut Device) -> T) -> Option<T> {
        let mut state = self.hubs.state();
        let device = state.device(&self.place.hub, &self.place.device)?;
        device.is_attached(self.connection).then(|| action(device))
    }
}

impl Drop for Seat {
    fn drop(&mut self) {
        let ended = self.with(|device| {
            device.drop_connection();
            // Under the lock: the next one may come at once.
            self.hubs.events.add(self.place.event(Kind::DeviceDisconnected), None);
        });
        if ended.is_none() {
            tracing::debug!("the connection had lost its place before");
        }
    }
}
