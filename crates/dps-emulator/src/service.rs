//! Registration and polling, whatever the protocol: requests come as values with the time, and
//! replies go as values (`wire-protocol.md` sections 3.3, 3.4, 6 and 7.6).

mod allocation;
mod authentication;
mod identities;
mod identity;
mod operations;
mod refusal;
mod reply;

pub use identity::{Credentials, DeviceIdentity};
pub(crate) use refusal::Refusal;
pub use reply::Reply;

use crate::config::{ConfigError, DisabledReply, EmulatorConfig, ProvisioningStatus};
use crate::hub::Hubs;
use crate::model::{
    EnrollmentGroup, IndividualEnrollment, Model, Records, RegistrationRecord, device_key,
};
use crate::random::Random;
use authentication::{Enrollment, Expiry, Match};
use core::time::Duration;
use dps_core::wire::RegistrationStatus;
use operations::{Operation, Operations};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// The substatus of a first registration, and of each later one to the same hub
/// (`wire-protocol.md` section 6.2).
const INITIAL_ASSIGNMENT: &str = "initialAssignment";

/// The provisioning service without any protocol. Reads no clock: `now` is always the time
/// since 1970-01-01T00:00:00Z.
#[derive(Debug)]
pub struct Service {
    settings: Settings,
    model: Model,
    /// Where assigned devices connect.
    iot_hubs: Arc<Hubs>,
    state: Mutex<State>,
}

/// How it behaves.
#[derive(Debug)]
struct Settings {
    id_scope: String,
    retry_after_seconds: u32,
    assignment_delay: Duration,
    clock_skew: Duration,
    reject_at_connect: bool,
    disabled_reply: DisabledReply,
}

/// What changes with requests.
#[derive(Debug)]
struct State {
    records: Records,
    operations: Operations,
    random: Random,
}

impl Service {
    /// A service with the enrollments and hubs of `config`. Keys that `config` leaves out, ids
    /// and etags come from `random`.
    ///
    /// # Errors
    ///
    /// [`ConfigError`] when parts of the configuration contradict each other.
    pub fn new(config: &EmulatorConfig, mut random: Random) -> Result<Self, ConfigError> {
        let model = Model::new(config, &mut random)?;
        Ok(Self {
            settings: Settings {
                id_scope: config.id_scope.as_str().to_owned(),
                retry_after_seconds: config.retry_after_seconds,
                assignment_delay: config.assignment_delay,
                clock_skew: config.clock_skew,
                reject_at_connect: config.reject_at_connect,
                disabled_reply: config.disabled_reply,
            },
            iot_hubs: identities::hubs(&model, config.clock_skew),
            model,
            state: Mutex::new(State {
                records: Records::default(),
                operations: Operations::default(),
                random,
            }),
        })
    }

    /// The ID scope.
    pub fn id_scope(&self) -> &str {
        &self.settings.id_scope
    }

    /// The hubs' host names.
    pub fn hubs(&self) -> &[String] {
        self.model.hubs()
    }

    /// The hubs themselves.
    pub(crate) fn iot_hubs(&self) -> &Arc<Hubs> {
        &self.iot_hubs
    }

    /// The individual enrollments, with their keys.
    pub fn enrollments(&self) -> &[IndividualEnrollment] {
        self.model.enrollments()
    }

    /// The enrollment groups, with their keys.
    pub fn groups(&self) -> &[EnrollmentGroup] {
        self.model.groups()
    }

    /// The registration records as they stand at `now`, sorted by registration id.
    pub fn registrations(&self, now: Duration) -> Vec<RegistrationRecord> {
        self.state().records.snapshot(now)
    }

    /// Whether a connection with this identity and these credentials may be opened at all
    /// (`wire-protocol.md` section 2.6): the scope must be this service's, and there must be
    /// some credentials. Whether they are good is only asked here when the configuration says
    /// so; otherwise the register request is answered with 401.
    pub fn admits(&self, identity: &DeviceIdentity, with: &Credentials, now: Duration) -> bool {
        let verdict = if self.settings.reject_at_connect {
            self.authenticate(identity, with, now, Expiry::Checked).map(drop)
        } else if matches!(with, Credentials::None) {
            Err(Refusal::NoCredentials)
        } else {
            self.check_scope(identity)
        };
        if let Err(refusal) = &verdict {
            tracing::warn!(registration_id = %identity.registration_id, reason = %refusal,
                "connection refused");
        }
        verdict.is_ok()
    }

    /// Answers a register request: always 202 with an operation id, or an error.
    pub fn register(
        &self,
        identity: &DeviceIdentity,
        credentials: &Credentials,
        body: &[u8],
        now: Duration,
    ) -> Reply {
        match self.try_register(identity, credentials, body, now) {
            Ok(reply) => reply,
            Err(refusal) => self.refuse(identity, &refusal, now),
        }
    }

    /// Answers a poll: 202 until the assignment delay has passed, then 200 with the result. The
    /// expiry of a token is not checked again, because iot-identity-service polls with one that
    /// lasted 30 s (`wire-protocol.md` section 3.4).
    pub fn poll(
        &self,
        identity: &DeviceIdentity,
        credentials: &Credentials,
        operation_id: &str,
        now: Duration,
    ) -> Reply {
        match self.try_poll(identity, credentials, operation_id, now) {
            Ok(reply) => reply,
            Err(refusal) => self.refuse(identity, &refusal, now),
        }
    }

    /// Answers a registration lookup with what is known of the device.
    pub fn lookup(
        &self,
        identity: &DeviceIdentity,
        credentials: &Credentials,
        body: &[u8],
        now: Duration,
    ) -> Reply {
        match self.try_lookup(identity, credentials, body, now) {
            Ok(reply) => reply,
            Err(refusal) => self.refuse(identity, &refusal, now),
        }
    }

    fn try_lookup(
        &self,
        identity: &DeviceIdentity,
        credentials: &Credentials,
        body: &[u8],
        now: Duration,
    ) -> Result<Reply, Refusal> {
        self.authenticate(identity, credentials, now, Expiry::Checked)?;
        identity::check_body(identity, body)?;
        // A certificate request belongs to registering (`wire-protocol.md` section 6.5).
        let member =
            |name| serde_json::from_slice::<serde_json::Value>(body).ok()?.get(name).cloned();
        if member("csr").is_some() {
            return Err(Refusal::BadBody);
        }
        let state = self.state();
        let record = state.records.get(&identity.registration_id).ok_or(Refusal::NoRegistration)?;
        Ok(Reply::lookup(&record.at(now)))
    }

    fn try_register(
        &self,
        identity: &DeviceIdentity,
        credentials: &Credentials,
        body: &[u8],
        now: Duration,
    ) -> Result<Reply, Refusal> {
        let found = self.authenticate(identity, credentials, now, Expiry::Checked)?;
        identity::check_body(identity, body)?;
        let is_disabled = found.provisioning_status() == ProvisioningStatus::Disabled;
        if is_disabled && self.settings.disabled_reply == DisabledReply::Unauthorized {
            return Err(Refusal::Disabled);
        }

        let mut state = self.state();
        let ready_at = now.saturating_add(self.settings.assignment_delay);
        let record = self.decide(&mut state, identity, &found, ready_at, now);
        identities::assign(&self.iot_hubs, identity, &found, &record);
        tracing::info!(
            registration_id = %record.registration_id,
            status = %String::from(record.status.clone()),
            hub = record.assigned_hub.as_deref(),
            "registration accepted"
        );
        state.records.put(record.clone());
        let operation_id = operations::new_id(&identity.registration_id, &mut state.random);
        let device = device_key(&identity.registration_id);
        state.operations.insert(operation_id.clone(), Operation { device, ready_at, record });
        Ok(Reply::accepted(operation_id, self.settings.retry_after_seconds))
    }

    /// The registration record that a device's request leads to.
    fn decide(
        &self,
        state: &mut State,
        identity: &DeviceIdentity,
        found: &Match<'_>,
        decided: Duration,
        now: Duration,
    ) -> RegistrationRecord {
        let before = state.records.get(&identity.registration_id);
        let registration_id = match (&found.enrollment, before) {
            (Enrollment::Individual(enrollment), _) => enrollment.registration_id.clone(),
            (Enrollment::Group(_), Some(record)) => record.registration_id.clone(),
            (Enrollment::Group(_), None) => identity.registration_id.clone(),
        };
        let mut record = RegistrationRecord {
            registration_id,
            enrollment: found.reference(),
            status: RegistrationStatus::Assigned,
            assigned_hub: None,
            device_id: None,
            substatus: None,
            error_code: None,
            error_message: None,
            created: before.map_or(now, |record| record.created),
            last_updated: decided,
            etag: reply::etag(&mut state.random),
            x509: found.x509(),
        };
        match (found.provisioning_status(), self.settings.disabled_reply) {
            (ProvisioningStatus::Enabled, _) => {
                let id = record.registration_id.as_str();
                let hub = found.iot_hub_host_name();
                record.assigned_hub = hub.or_else(|| allocation::hub_for(id, self.hubs()));
                record.device_id = Some(found.device_id().unwrap_or(id).to_owned());
                record.substatus = Some(INITIAL_ASSIGNMENT.to_owned());
            }
            (ProvisioningStatus::Disabled, DisabledReply::Failed) => {
                record.status = RegistrationStatus::Failed;
                record.error_code = Some(Refusal::Disabled.error_code());
                record.error_message = Some("The enrollment is disabled.".to_owned());
            }
            (ProvisioningStatus::Disabled, _) => record.status = RegistrationStatus::Disabled,
        }
        record
    }

    fn try_poll(
        &self,
        identity: &DeviceIdentity,
        credentials: &Credentials,
        operation_id: &str,
        now: Duration,
    ) -> Result<Reply, Refusal> {
        self.authenticate(identity, credentials, now, Expiry::Ignored)?;
        let begun = {
            let mut state = self.state();
            let operation = state
                .operations
                .get(operation_id, now)
                .filter(|operation| operation.device == device_key(&identity.registration_id));
            operation
                .map(|operation| operation.ready_at.saturating_sub(self.settings.assignment_delay))
        };
        if let Some(begun) = begun {
            // A token may run out while the device polls, but must have been good once.
            self.authenticate(identity, credentials, begun, Expiry::Checked)?;
        }
        let mut state = self.state();
        let operation = state
            .operations
            .get(operation_id, now)
            .filter(|operation| operation.device == device_key(&identity.registration_id))
            .ok_or(Refusal::UnknownOperation)?;
        if operation.ready_at > now {
            let retry_after = self.settings.retry_after_seconds;
            return Ok(Reply::assigning(operation_id, &operation.record, retry_after));
        }
        Ok(Reply::terminal(operation_id, &operation.record))
    }

    /// Logs why for the person who runs this, and tells the device what the service would.
    fn refuse(&self, identity: &DeviceIdentity, refusal: &Refusal, now: Duration) -> Reply {
        tracing::warn!(registration_id = %identity.registration_id, reason = %refusal,
            status = refusal.status(), error_code = refusal.error_code(), "request refused");
        Reply::error(refusal, self.guid(), now)
    }

    /// Answers a request that names no request a device can make, for example a poll without an
    /// operation id.
    pub(crate) fn invalid_request(
        &self,
        identity: &DeviceIdentity,
        problem: &'static str,
        now: Duration,
    ) -> Reply {
        self.refuse(identity, &Refusal::InvalidRequest(problem), now)
    }

    /// Answers a request that never was one of a device.
    pub(crate) fn refuse_request(&self, refusal: &Refusal, now: Duration) -> Reply {
        tracing::warn!(reason = %refusal, status = refusal.status(), "request refused");
        Reply::error(refusal, self.guid(), now)
    }

    /// A fresh id for a request or an error.
    pub(crate) fn guid(&self) -> String {
        self.state().random.guid()
    }

    /// The document for a connection or link that is refused as such.
    pub(crate) fn refuse_connection(&self, now: Duration) -> Reply {
        Reply::error(&Refusal::Connection, self.state().random.guid(), now)
    }

    /// 32 hexadecimal digits.
    pub(crate) fn random_hex(&self) -> String {
        self.state().random.guid().replace('-', "")
    }

    fn check_scope(&self, identity: &DeviceIdentity) -> Result<(), Refusal> {
        match identity.id_scope.eq_ignore_ascii_case(&self.settings.id_scope) {
            true => Ok(()),
            false => Err(Refusal::UnknownScope),
        }
    }

    /// A panic elsewhere cannot leave the state half-changed: every change is one insertion.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
