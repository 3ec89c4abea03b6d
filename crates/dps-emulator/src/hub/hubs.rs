//! All hubs: who is in them, as the registrations' side wants it (`wire-protocol.md` section
//! 7.6).

use super::device::Device;
use super::identity::HubIdentity;
use super::twin::Twin;
use crate::events::{Event, Events, Kind};
use core::fmt;
use core::sync::atomic::{AtomicU64, Ordering};
use core::time::Duration;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Every hub and its devices. A hub is there once it is [added](Self::add) or a device is
/// assigned to it, and until it is [unlinked](Self::unlink) and has no devices any more; its name's
/// case does not matter, a device id's does.
pub(crate) struct Hubs {
    state: Mutex<State>,
    pub(super) events: Arc<Events>,
    /// Goes up by one with each hub that comes or goes.
    changes: AtomicU64,
    /// How long after its expiry a token is still taken.
    pub(super) clock_skew: Duration,
}

#[derive(Default)]
pub(super) struct State {
    /// Lower-case host name to hub.
    pub(super) hubs: BTreeMap<String, HubState>,
    pub(super) last_connection: u64,
}

/// One hub.
pub(super) struct HubState {
    /// Host name as it was first given.
    pub(super) name: String,
    /// It is there without devices, too.
    is_linked: bool,
    pub(super) devices: BTreeMap<String, Device>,
}

impl Hubs {
    /// None yet.
    pub(crate) fn new(clock_skew: Duration, events: Arc<Events>) -> Self {
        Self { state: Mutex::default(), events, changes: AtomicU64::new(0), clock_skew }
    }

    /// Adds a hub without devices, unless there is one of this name.
    pub(crate) fn add(&self, name: &str) {
        self.hub(&mut self.state(), name).is_linked = true;
    }

    /// A hub gets no more devices. It is forgotten at once, or when its last device goes: then its
    /// name need not be in the certificate any more.
    pub(crate) fn unlink(&self, name: &str) {
        let mut state = self.state();
        if let Some(hub) = state.hubs.get_mut(&name.to_ascii_lowercase()) {
            hub.is_linked = false;
        }
        self.forget_if_left(&mut state, name);
    }

    /// How many hubs have come and gone so far.
    pub(crate) fn changes(&self) -> u64 {
        self.changes.load(Ordering::Acquire)
    }

    /// The host names of all hubs, those that are not linked any more too, sorted.
    pub(crate) fn names(&self) -> Vec<String> {
        self.state().hubs.values().map(|hub| hub.name.clone()).collect()
    }

    fn hub<'a>(&self, state: &'a mut State, name: &str) -> &'a mut HubState {
        state.hubs.entry(name.to_ascii_lowercase()).or_insert_with(|| {
            self.changes.fetch_add(1, Ordering::Release);
            HubState { name: name.to_owned(), is_linked: false, devices: BTreeMap::new() }
        })
    }

    /// Forgets a hub that is not linked and has no devices.
    fn forget_if_left(&self, state: &mut State, name: &str) {
        let key = name.to_ascii_lowercase();
        if state.hubs.get(&key).is_some_and(|hub| !hub.is_linked && hub.devices.is_empty()) {
            state.hubs.remove(&key);
            self.changes.fetch_add(1, Ordering::Release);
        }
    }

    /// Ends a device's connection, if there is one.
    fn end(&self, hub: &str, id: &str, device: &mut Device, why: &str) {
        if device.is_connected() {
            let event = Event::new(Kind::DeviceDisconnected).hub(hub).device(id);
            self.events.add(event.because(why), None);
        }
        device.drop_connection();
    }

    /// Makes the device's identity with a twin; a device that is there keeps its own and gets the
    /// new identity; if that is another, its connection ends.
    pub(crate) fn assign(&self, hub: &str, device: &str, identity: HubIdentity, twin: Twin) {
        self.put(&mut self.state(), hub, device, identity, twin);
    }

    fn put(&self, state: &mut State, hub: &str, device: &str, identity: HubIdentity, twin: Twin) {
        let devices = &mut self.hub(state, hub).devices;
        match devices.get_mut(device) {
            Some(known) if !known.identity.is_same(&identity) => {
                // Who came in by the proof before has none now.
                self.end(hub, device, known, "the device's credentials are others now");
                known.identity = identity;
            }
            Some(_) => {}
            None => {
                devices.insert(device.to_owned(), Device::new(identity, twin));
            }
        }
    }

    /// Moves the device to another hub with its twin; its connection ends. One that is not in
    /// `from` is made in `to` like a new one.
    pub(crate) fn migrate(
        &self,
        from: &str,
        to: &str,
        device: &str,
        identity: HubIdentity,
        twin: Twin,
    ) {
        let mut state = self.state();
        let twin = match state.remove(from, device) {
            Some(mut moved) => {
                self.end(from, device, &mut moved, "the device was moved to another hub");
                moved.twin
            }
            None => twin,
        };
        let hub = &mut self.hub(&mut state, to).devices;
        if let Some(mut there) = hub.insert(device.to_owned(), Device::new(identity, twin)) {
            self.end(to, device, &mut there, "another device has taken its place");
        }
        self.forget_if_left(&mut state, from);
    }

    /// Makes the device anew in `to` with this twin, after taking it out of `from`.
    pub(crate) fn reset(
        &self,
        from: &str,
        to: &str,
        device: &str,
        identity: HubIdentity,
        twin: Twin,
    ) {
        let mut state = self.state();
        self.take_out(&mut state, from, device);
        self.take_out(&mut state, to, device);
        self.put(&mut state, to, device, identity, twin);
        self.forget_if_left(&mut state, from);
    }

    /// Takes the device out of the hub; its connection ends. Whether it was there.
    pub(crate) fn remove(&self, hub: &str, device: &str) -> bool {
        let mut state = self.state();
        let is_gone = self.take_out(&mut state, hub, device);
        self.forget_if_left(&mut state, hub);
        is_gone
    }

    fn take_out(&self, state: &mut State, hub: &str, device: &str) -> bool {
        let Some(mut gone) = state.remove(hub, device) else { return false };
        self.end(hub, device, &mut gone, "the device was removed from the hub");
        true
    }

    /// Whether a device's identity takes these credentials.
    #[cfg(test)]
    pub(crate) fn takes(
        &self,
        hub: &str,
        device: &str,
        credentials: &crate::service::Credentials,
        now: Duration,
    ) -> bool {
        let mut state = self.state();
        state.device(hub, device).is_some_and(|found| {
            found.identity.verify(hub, device, credentials, now, self.clock_skew).is_ok()
        })
    }

    /// The host name of a hub as it was first given.
    pub(crate) fn find(&self, name: &str) -> Option<String> {
        let state = self.state();
        state.hubs.get(&name.to_ascii_lowercase()).map(|hub| hub.name.clone())
    }

    /// A panic elsewhere cannot leave it half-changed: every change is a small one.
    pub(super) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn remove(&mut self, hub: &str, device: &str) -> Option<Device> {
        self.hubs.get_mut(&hub.to_ascii_lowercase())?.devices.remove(device)
    }

    pub(super) fn device(&mut self, hub: &str, device: &str) -> Option<&mut Device> {
        self.hubs.get_mut(&hub.to_ascii_lowercase())?.devices.get_mut(device)
    }
}

impl fmt::Debug for Hubs {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hubs").field("hubs", &self.state().hubs.len()).finish_non_exhaustive()
    }
}
