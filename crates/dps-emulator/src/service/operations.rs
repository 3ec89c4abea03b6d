//! Registrations that devices are waiting for, by operation id.

use crate::config::InitialTwin;
use crate::model::{RegistrationRecord, device_key};
use crate::random::Random;
use crate::store::Ticket;
use core::time::Duration;
use dps_core::RegistrationId;
use dps_core::wire::TpmResult;
use serde_json::value::RawValue;
use sha2::{Digest, Sha256};
use std::collections::{HashMap, VecDeque};

/// How long after its decision an operation can still be polled. Clients poll for seconds.
const KEPT_FOR: Duration = Duration::from_secs(600);
/// The most operations kept: a fleet of this size can register at once.
const MOST: usize = 100_000;

/// One registration under way or done.
#[derive(Debug)]
pub(super) struct Operation {
    /// The device it belongs to.
    pub(super) device: RegistrationId,
    /// When the device asked.
    pub(super) begun: Duration,
    /// The decision, once there is one.
    pub(super) outcome: Option<Outcome>,
}

/// A decision.
#[derive(Debug)]
pub(super) struct Outcome {
    /// When it is made known.
    pub(super) ready_at: Duration,
    /// The record it led to.
    pub(super) record: RegistrationRecord,
    /// The key for the hub, for a device with a TPM.
    pub(super) tpm: Option<TpmResult>,
    /// Known only when this is kept.
    pub(super) ticket: Ticket,
}

/// What is decided about a device.
#[derive(Debug)]
pub(super) enum Verdict {
    /// It goes to a hub.
    Assign {
        hub: String,
        /// What a webhook wants its twin to be.
        twin: Option<InitialTwin>,
        /// What a webhook wants to tell it.
        payload: Option<Box<RawValue>>,
    },
    /// It goes nowhere.
    Fail { error_code: u32, message: String },
    /// Its enrollment is disabled.
    Disabled { as_failure: bool },
}

/// All operations that can be polled.
#[derive(Debug, Default)]
pub(super) struct Operations {
    by_id: HashMap<String, Operation>,
    oldest_first: VecDeque<String>,
}

impl Operations {
    /// Adds an operation. The oldest makes room when there are too many.
    pub(super) fn insert(&mut self, id: String, operation: Operation) {
        self.oldest_first.push_back(id.clone());
        self.by_id.insert(id, operation);
        while self.oldest_first.len() > MOST {
            self.drop_oldest();
        }
    }

    /// The operation of that id, if it is not too old. Forgets those that are.
    pub(super) fn get(&mut self, id: &str, now: Duration) -> Option<&Operation> {
        while self.oldest().is_some_and(|oldest| is_over(oldest, now)) {
            self.drop_oldest();
        }
        self.by_id.get(id).filter(|operation| !is_over(operation, now))
    }

    /// Sets the outcome of an operation, if it is still kept.
    pub(super) fn decide(&mut self, id: &str, outcome: Outcome) {
        if let Some(operation) = self.by_id.get_mut(id) {
            operation.device = outcome.record.registration_id.clone();
            operation.outcome = Some(outcome);
        }
    }

    fn oldest(&self) -> Option<&Operation> {
        self.by_id.get(self.oldest_first.front()?)
    }

    fn drop_oldest(&mut self) {
        if let Some(id) = self.oldest_first.pop_front() {
            self.by_id.remove(&id);
        }
    }
}

/// What is not decided yet is not over: somebody still waits for a webhook.
fn is_over(operation: &Operation, now: Duration) -> bool {
    let over = |outcome: &Outcome| outcome.ready_at.saturating_add(KEPT_FOR) <= now;
    operation.outcome.as_ref().is_some_and(over)
}

/// A new operation id of the form `{1-2 digits}.{16 hex}.{guid}` (`wire-protocol.md` section
/// 2.2). The first two parts belong to the device, as the ones seen of the service seem to.
pub(super) fn new_id(device: &RegistrationId, random: &mut Random) -> String {
    let hash = Sha256::digest(device_key(device));
    let (head, rest) = hash.split_at(8);
    let number = u64::from_be_bytes(head.try_into().unwrap_or_default());
    let partition = rest.first().map_or(0, |byte| byte % 16);
    format!("{partition}.{number:016x}.{}", random.guid())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::EnrollmentRef;
    use dps_core::wire::RegistrationStatus;

    fn operation(ready_at: u64) -> Operation {
        let id = RegistrationId::new("dev1").unwrap();
        let outcome = Outcome {
            ready_at: Duration::from_secs(ready_at),
            tpm: None,
            ticket: Ticket::default(),
            record: RegistrationRecord {
                registration_id: id.clone(),
                enrollment: EnrollmentRef::Individual(id),
                status: RegistrationStatus::Assigned,
                assigned_hub: None,
                device_id: None,
                substatus: None,
                error_code: None,
                error_message: None,
                created: Duration::ZERO,
                last_updated: Duration::ZERO,
                etag: String::new(),
                x509: None,
                payload: None,
                hub_key: None,
                ticket: Ticket::default(),
            },
        };
        let device = RegistrationId::new("dev1").unwrap();
        Operation { device, begun: Duration::ZERO, outcome: Some(outcome) }
    }

    #[test]
    fn ids_have_the_services_form() {
        let mut random = Random::from_seed([1; 32]);
        for name in ["a", "b", "Dev:1.a_b-c", "my-symkey-device"] {
            let id = new_id(&RegistrationId::new(name).unwrap(), &mut random);
            let parts: Vec<&str> = id.split('.').collect();
            assert_eq!(parts.len(), 3, "{id}");
            assert!((1..=2).contains(&parts[0].len()) && parts[0].parse::<u8>().is_ok(), "{id}");
            assert!(parts[1].len() == 16 && u64::from_str_radix(parts[1], 16).is_ok(), "{id}");
            assert_eq!(parts[2].len(), 36, "{id}");
            assert!(id.len() <= 60);
        }
    }

    #[test]
    fn operations_are_forgotten_ten_minutes_after_their_decision() {
        let mut operations = Operations::default();
        operations.insert("a".into(), operation(100));
        operations.insert("b".into(), operation(200));
        assert!(operations.get("a", Duration::from_secs(699)).is_some());
        assert!(operations.get("a", Duration::from_secs(700)).is_none());
        assert!(operations.get("b", Duration::from_secs(799)).is_some());
        assert!(operations.get("b", Duration::from_secs(800)).is_none());
        assert!(operations.by_id.is_empty() && operations.oldest_first.is_empty());
    }

    #[test]
    fn the_oldest_makes_room() {
        let mut operations = Operations::default();
        for number in 0..=MOST {
            operations.insert(number.to_string(), operation(100));
        }
        assert_eq!(operations.by_id.len(), MOST);
        assert!(operations.get("0", Duration::ZERO).is_none());
        assert!(operations.get("1", Duration::ZERO).is_some());
    }
}
