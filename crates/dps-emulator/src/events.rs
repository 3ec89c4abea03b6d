//! What happened lately: the latest 1000 events, for whoever asks, and a way to wait for more. An
//! event never holds a key, a token or anything that a device sent as content.

use crate::timestamp::iso8601;
use core::time::Duration;
use serde::Serialize;
use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, OnceLock, PoisonError};
use tokio::sync::watch;

/// The most events that are kept: the latest.
const MOST: usize = 1000;
/// The longest text of an event: ids and reasons have their own bounds, what a stranger sends has
/// none.
const LONGEST_TEXT: usize = 512;

/// What an event is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) enum Kind {
    /// A device's request to register was accepted.
    RegistrationRequested,
    /// A device with a TPM is to prove itself.
    RegistrationChallenged,
    /// It was decided that a device has a hub.
    RegistrationAssigned,
    /// It was decided that a device has none.
    RegistrationFailed,
    /// It was decided that a device's enrollment is disabled.
    RegistrationDisabled,
    /// A device's request was refused.
    RequestRefused,
    /// A device's connection was refused.
    ConnectionRefused,
    /// A device came to its hub.
    DeviceConnected,
    /// A device's connection to its hub ended.
    DeviceDisconnected,
    /// A device was not let in by a hub.
    DeviceRefused,
    /// A hub was linked, or its settings were changed.
    HubLinked,
    /// A hub was unlinked.
    HubUnlinked,
}

/// What happened. Members that do not apply are missing.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Event {
    kind: Kind,
    #[serde(skip_serializing_if = "Option::is_none")]
    registration_id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    hub: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    device_id: Option<String>,
    /// The HTTP status of a refusal.
    #[serde(skip_serializing_if = "Option::is_none")]
    status: Option<u16>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error_code: Option<u32>,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<String>,
}

impl Event {
    pub(crate) fn new(kind: Kind) -> Self {
        let (registration_id, hub, device_id) = (None, None, None);
        let (status, error_code, reason) = (None, None, None);
        Self { kind, registration_id, hub, device_id, status, error_code, reason }
    }

    pub(crate) fn registration(self, id: impl ToString) -> Self {
        Self { registration_id: Some(bounded(id)), ..self }
    }

    pub(crate) fn hub(self, name: impl ToString) -> Self {
        Self { hub: Some(bounded(name)), ..self }
    }

    pub(crate) fn device(self, id: impl ToString) -> Self {
        Self { device_id: Some(bounded(id)), ..self }
    }

    pub(crate) fn refusal(self, status: u16, error_code: u32) -> Self {
        Self { status: Some(status), ..self.error_code(error_code) }
    }

    pub(crate) fn error_code(self, code: u32) -> Self {
        Self { error_code: Some(code), ..self }
    }

    pub(crate) fn because(self, reason: impl ToString) -> Self {
        Self { reason: Some(bounded(reason)), ..self }
    }
}

fn bounded(text: impl ToString) -> String {
    let mut text = text.to_string();
    if text.len() > LONGEST_TEXT {
        text = text.chars().take(LONGEST_TEXT).collect();
    }
    text
}

/// An event with its place among all.
#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Entry {
    /// From 1.
    pub(crate) number: u64,
    time_utc: String,
    #[serde(flatten)]
    event: Event,
}

/// The events.
#[derive(Debug)]
pub(crate) struct Events {
    ring: Mutex<Ring>,
    /// Counts what happens, also what is no event of its own.
    stirred: watch::Sender<u64>,
    /// Tells the time where nobody says it: connections end when they are dropped.
    clock: OnceLock<fn() -> Duration>,
}

#[derive(Debug, Default)]
struct Ring {
    last: u64,
    /// When the last one was.
    time: Duration,
    entries: VecDeque<Entry>,
}

impl Default for Events {
    fn default() -> Self {
        let (stirred, _) = watch::channel(0);
        Self { ring: Mutex::default(), stirred, clock: OnceLock::new() }
    }
}

impl Events {
    /// Says what tells the time, once.
    pub(crate) fn set_clock(&self, clock: fn() -> Duration) {
        let _ = self.clock.set(clock);
    }

    /// Adds an event of `now`; of the time that the clock shows, or that of the last one, if it is
    /// `None`.
    pub(crate) fn add(&self, event: Event, now: impl Into<Option<Duration>>) {
        let mut ring = self.ring();
        let now = now.into().or_else(|| self.clock.get().map(|clock| clock()));
        ring.time = now.unwrap_or(ring.time);
        ring.last += 1;
        let entry = Entry { number: ring.last, time_utc: iso8601(ring.time), event };
        ring.entries.push_back(entry);
        if ring.entries.len() > MOST {
            ring.entries.pop_front();
        }
        drop(ring);
        self.stir();
    }

    /// Something happened that is no event: a device has sent something, for example.
    pub(crate) fn stir(&self) {
        self.stirred.send_modify(|count| *count = count.wrapping_add(1));
    }

    /// Tells when something happens from now on.
    pub(crate) fn watch(&self) -> watch::Receiver<u64> {
        self.stirred.subscribe()
    }

    /// Those after a number, at most `most` of them, and the number of the last there is.
    pub(crate) fn after(&self, number: u64, most: usize) -> (Vec<Entry>, u64) {
        let ring = self.ring();
        let later = ring.entries.iter().filter(|entry| entry.number > number);
        (later.take(most).cloned().collect(), ring.last)
    }

    /// A panic elsewhere cannot leave it half-changed: every change is an insertion.
    fn ring(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn the_latest_events_are_kept_with_numbers_that_go_on() {
        let events = Events::default();
        for number in 0..1500_u64 {
            let event = Event::new(Kind::DeviceConnected).hub("a.test").device(number);
            events.add(event, Duration::from_secs(number));
        }
        let (all, last) = events.after(0, usize::MAX);
        assert_eq!((all.len(), last), (MOST, 1500));
        assert_eq!((all[0].number, all[999].number), (501, 1500));
        assert_eq!(events.after(1498, usize::MAX).0.len(), 2);
        assert_eq!(events.after(600, 3).0[2].number, 603);
        assert!(events.after(1500, usize::MAX).0.is_empty());
    }

    #[test]
    fn an_event_has_the_members_that_apply_and_none_is_long() {
        let events = Events::default();
        let refused = Event::new(Kind::RequestRefused).registration("dev-1").refusal(401, 401_002);
        events.add(refused.because("é".repeat(600)), Duration::from_millis(1500));
        events.add(Event::new(Kind::HubLinked).hub("b.test"), None);
        let (all, _) = events.after(0, usize::MAX);
        assert_eq!(
            serde_json::to_value(&all[0]).unwrap(),
            json!({
                "number": 1, "timeUtc": "1970-01-01T00:00:01.5000000Z", "kind": "requestRefused",
                "registrationId": "dev-1", "status": 401, "errorCode": 401_002,
                "reason": "é".repeat(512),
            })
        );
        let second = serde_json::to_value(&all[1]).unwrap();
        assert_eq!(second["timeUtc"], "1970-01-01T00:00:01.5000000Z", "nobody said the time");
        assert_eq!(second.as_object().unwrap().len(), 4);
    }

    #[tokio::test]
    async fn whoever_waits_is_woken_by_events_and_by_what_stirs() {
        let events = Events::default();
        let mut watch = events.watch();
        events.stir();
        watch.changed().await.unwrap();
        events.add(Event::new(Kind::HubUnlinked), None);
        watch.changed().await.unwrap();
        assert!(!watch.has_changed().unwrap());
    }
}
