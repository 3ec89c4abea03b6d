//! Registration and polling, whatever the protocol: requests come as values with the time, and
//! replies go as values (`wire-protocol.md` sections 3.3, 3.4, 6 and 7.6).

mod admin;
mod allocation;
pub(crate) mod api;
mod authentication;
mod authorization;
mod custom;
mod disturbed;
mod identities;
mod identity;
mod opening;
mod operations;
mod page_token;
mod policies;
mod provision;
mod refusal;
mod reply;
mod tpm;

pub(crate) use admin::Provenance;
pub(crate) use api::{ApiAnswer, ApiRequest, MAX_BODY_BYTES};
pub use custom::{WebhookAnswer, WebhookCall};
pub(crate) use disturbed::Greeting;
pub use identity::{Credentials, DeviceIdentity};
pub use opening::OpenError;
pub(crate) use refusal::Refusal;
pub use reply::Reply;

use crate::config::{DisabledReply, ProvisioningStatus};
use crate::events::{Event, Events, Kind};
use crate::faults::{FaultList, FaultOperation};
use crate::hub;
use crate::model::{
    EnrollmentGroup, HubDevice, HubDevices, Hubs, IndividualEnrollment, Model, Records,
    RegistrationRecord, device_key,
};
use crate::random::Random;
use crate::store::{Durability, Store, Ticket};
use crate::summary::Endpoints;
use allocation::Choice;
use authentication::{Expiry, Match};
use core::net::IpAddr;
use core::time::Duration;
use custom::Waiting;
use dps_core::wire::RegistrationStatus;
use operations::{Operation, Operations, Outcome, Verdict};
use page_token::PageToken;
use policies::Policies;
use provision::Concluded;
use std::collections::{HashMap, VecDeque};
use std::sync::{
    Arc, Mutex, MutexGuard, OnceLock, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard,
};
use tokio::sync::{Notify, watch};
use zeroize::Zeroizing;

/// The provisioning service without any protocol. Reads no clock: `now` is always the time
/// since 1970-01-01T00:00:00Z.
#[derive(Debug)]
pub struct Service {
    settings: Settings,
    /// The hubs with their devices, where assigned devices connect. One that is unlinked keeps its
    /// devices.
    iot_hubs: Arc<hub::Hubs>,
    policies: Policies,
    /// Enrollments. Whoever needs this lock and that of the state takes this one first.
    model: RwLock<Model>,
    state: Mutex<State>,
    /// Never locked together with the others.
    faults: Mutex<FaultList>,
    store: Store,
    page_token: PageToken,
    /// Where it can be reached, once it can.
    endpoints: OnceLock<Endpoints>,
    events: Arc<Events>,
    /// Wakes the one who makes the calls of webhooks.
    call_waiting: Notify,
}

/// How it behaves.
#[derive(Debug)]
struct Settings {
    id_scope: String,
    /// Where it listens.
    address: IpAddr,
    server_names: Vec<String>,
    retry_after_seconds: u32,
    assignment_delay: Duration,
    clock_skew: Duration,
    reject_at_connect: bool,
    disabled_reply: DisabledReply,
}

/// What changes with requests.
#[derive(Debug)]
struct State {
    /// Those that devices are assigned to.
    hubs: Hubs,
    records: Records,
    devices: HubDevices,
    operations: Operations,
    /// Registrations that wait for a webhook, by the id of the call.
    waiting: HashMap<String, Waiting>,
    /// Webhooks to be called.
    calls: VecDeque<WebhookCall>,
    random: Random,
    tpms: tpm::Tpms,
}

/// The most registrations that wait for webhooks.
const MOST_WAITING: usize = 1_000;

/// A registration that waits for a webhook.
struct Pending {
    call_id: String,
    operation_id: String,
}

impl State {
    /// The operation of a device that waits for a webhook already: there is one at a time.
    fn pending(&mut self, identity: &DeviceIdentity, now: Duration) -> Option<Pending> {
        let id = identity.registration_id.as_str();
        let is_its = |one: &Waiting| one.identity.registration_id.as_str().eq_ignore_ascii_case(id);
        let (call_id, waiting) = self.waiting.iter().find(|(_, waiting)| is_its(waiting))?;
        let (call_id, operation_id) = (call_id.clone(), waiting.operation_id.clone());
        if self.operations.get(&operation_id, now).is_none() {
            // It had to make room: its answer must not come behind that of the one to follow.
            self.forget_call(&call_id);
            return None;
        }
        Some(Pending { call_id, operation_id })
    }

    /// Nobody waits for this call any more; if it was not made yet, it is not made.
    fn forget_call(&mut self, call_id: &str) {
        self.waiting.remove(call_id);
        self.calls.retain(|call| call.call_id != call_id);
    }
}

impl Service {
    /// The ID scope.
    pub fn id_scope(&self) -> &str {
        &self.settings.id_scope
    }

    /// The linked hubs' host names, as they are now.
    pub fn hubs(&self) -> Vec<String> {
        self.state().hubs.names().to_vec()
    }

    /// The individual enrollments as they are now, with their keys, sorted by registration id.
    pub fn enrollments(&self) -> Vec<Arc<IndividualEnrollment>> {
        self.model().enrollments().cloned().collect()
    }

    /// The enrollment groups as they are now, with their keys, sorted by name.
    pub fn groups(&self) -> Vec<Arc<EnrollmentGroup>> {
        self.model().groups().cloned().collect()
    }

    /// The hubs with their devices.
    pub(crate) fn iot_hubs(&self) -> &Arc<hub::Hubs> {
        &self.iot_hubs
    }

    /// A device's identity in a hub, as provisioning has left it there. The case of the device id
    /// counts, that of the hub does not.
    pub fn hub_device(&self, hub: &str, device_id: &str) -> Option<HubDevice> {
        self.state().devices.get(hub, device_id).cloned()
    }

    /// The connection string of the first shared access policy that the service API can be used
    /// with at `host`. It holds a key.
    pub fn connection_string(&self, host: &str) -> Zeroizing<String> {
        self.policies.connection_string(host)
    }

    /// Opens the admin API and the service API, as `Authorization: Bearer` and the token.
    pub fn page_token(&self) -> &str {
        self.page_token.reveal()
    }

    /// Tells the service where it can be reached, once, and what time it is there.
    pub(crate) fn listens_at(&self, endpoints: Endpoints, clock: fn() -> Duration) {
        let _ = self.endpoints.set(endpoints);
        self.events.set_clock(clock);
    }

    /// What happened lately.
    pub(crate) fn events(&self) -> &Events {
        &self.events
    }

    /// Tells when something happens from now on.
    pub(crate) fn happenings(&self) -> watch::Receiver<u64> {
        self.events.watch()
    }

    /// The registration records as they stand at `now`, sorted by registration id. What the state
    /// file does not hold yet is still being assigned, and what it could not be made to hold is
    /// left out.
    pub fn registrations(&self, now: Duration) -> Vec<RegistrationRecord> {
        let state = self.state();
        state.records.all().filter_map(|record| self.known(record, now)).collect()
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
            let event = Event::new(Kind::ConnectionRefused).registration(&identity.registration_id);
            self.events.add(event.because(refusal), now);
        }
        verdict.is_ok()
    }

    /// Answers a register request: always 202 with an operation id, or an error. A device with a TPM
    /// that has not proven itself yet gets 401 with a challenge.
    pub fn register(
        &self,
        identity: &DeviceIdentity,
        credentials: &Credentials,
        body: &[u8],
        now: Duration,
    ) -> Reply {
        self.answer(FaultOperation::Register, identity, credentials, now, || {
            self.try_register(identity, credentials, body, now)
        })
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
        self.answer(FaultOperation::Poll, identity, credentials, now, || {
            self.try_poll(identity, credentials, operation_id, now)
        })
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

    /// A record as far as it may be shown: `None` when it was never kept.
    fn known(&self, record: &RegistrationRecord, now: Duration) -> Option<RegistrationRecord> {
        match self.store.durability(record.ticket) {
            Durability::Durable => Some(record.at(now)),
            Durability::Underway => Some(record.undecided(now)),
            Durability::Failed => None,
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
        identity::read_body(identity, body)?;
        // A certificate request belongs to registering (`wire-protocol.md` section 6.5).
        let member =
            |name| serde_json::from_slice::<serde_json::Value>(body).ok()?.get(name).cloned();
        if member("csr").is_some() {
            return Err(Refusal::BadBody);
        }
        if self.store.has_failed() {
            // What is known may never have been kept.
            return Err(Refusal::Storage);
        }
        let state = self.state();
        let record = state.records.get(&identity.registration_id).ok_or(Refusal::NoRegistration)?;
        Ok(Reply::lookup(&self.known(record, now).ok_or(Refusal::Storage)?))
    }

    fn try_register(
        &self,
        identity: &DeviceIdentity,
        credentials: &Credentials,
        body: &[u8],
        now: Duration,
    ) -> Result<Reply, Refusal> {
        let event = |kind| Event::new(kind).registration(&identity.registration_id);
        if let Some(challenge) = self.challenge_register(identity, credentials, body, now)? {
            self.events.add(event(Kind::RegistrationChallenged), now);
            return Ok(challenge);
        }
        // The model is held until all is decided: whoever has changed or deleted an enrollment is not
        // to find a registration afterwards that the enrollment of before has let in.
        let (found, _model) = loop {
            let found = self.authenticate(identity, credentials, now, Expiry::Checked)?;
            let model = self.model();
            if found.still_stands(&model, &identity.registration_id) {
                break (found, model);
            }
        };
        let registration = identity::read_body(identity, body)?;
        if self.store.has_failed() {
            return Err(Refusal::Storage);
        }
        let is_disabled = found.provisioning_status() == ProvisioningStatus::Disabled;
        if is_disabled && self.settings.disabled_reply == DisabledReply::Unauthorized {
            return Err(Refusal::Disabled);
        }

        let mut state = self.state();
        let pending = state.pending(identity, now);
        let before = state.records.get(&identity.registration_id);
        let current_hub = before.and_then(|record| record.assigned_hub.clone());
        let stays = found.placement().reprovision_policy.is_none_or(|p| !p.update_hub_assignment);
        let id = identity.registration_id.as_str();
        let verdict = match current_hub.filter(|_| stays) {
            _ if is_disabled => Ok(Verdict::Disabled {
                as_failure: self.settings.disabled_reply == DisabledReply::Failed,
            }),
            Some(hub) => Ok(Verdict::Assign { hub, twin: None, payload: None }),
            None => match allocation::choose(id, found.placement(), &state.hubs, identity.source) {
                Choice::Hub(hub) => Ok(Verdict::Assign { hub, twin: None, payload: None }),
                Choice::None => Ok(custom::no_hub()),
                Choice::Ask(webhook, linked_hubs) => {
                    let payload = registration.payload.as_deref();
                    let body = custom::question(identity, &found, before, &linked_hubs, payload);
                    Err((webhook.webhook_url.clone(), body, linked_hubs))
                }
            },
        };
        let accepted = |id: String| Ok(Reply::accepted(id, self.settings.retry_after_seconds));
        if let (Err((url, body, _)), Some(pending)) = (&verdict, &pending) {
            let asks_the_same = state
                .waiting
                .get(&pending.call_id)
                .is_some_and(|waiting| waiting.question == custom::fingerprint(url, body));
            if asks_the_same {
                return accepted(pending.operation_id.clone());
            }
        }
        self.events.add(event(Kind::RegistrationRequested), now);
        if verdict.is_err() && pending.is_none() && state.waiting.len() >= MOST_WAITING {
            return Err(Refusal::Busy);
        }
        // What the device says now counts, and it polls one operation whatever it said before.
        let operation_id = match pending {
            Some(Pending { call_id, operation_id }) => {
                state.forget_call(&call_id);
                operation_id
            }
            None => {
                let id = operations::new_id(&identity.registration_id, &mut state.random);
                let device = identity.registration_id.clone();
                state
                    .operations
                    .insert(id.clone(), Operation { device, begun: now, outcome: None });
                id
            }
        };
        match verdict {
            Ok(verdict) => {
                let outcome = self.conclude(&mut state, identity, &found, verdict, now, now);
                let is_lost = self.store.durability(outcome.ticket) == Durability::Failed;
                state.operations.decide(&operation_id, outcome);
                if is_lost {
                    return Err(Refusal::Storage);
                }
            }
            Err((url, body, linked_hubs)) => {
                let call_id = state.random.guid();
                let waiting = Waiting {
                    operation_id: operation_id.clone(),
                    question: custom::fingerprint(&url, &body),
                    identity: identity.clone(),
                    found,
                    linked_hubs,
                    begun: now,
                };
                state.waiting.insert(call_id.clone(), waiting);
                state.calls.push_back(WebhookCall { call_id, url, body });
                self.call_waiting.notify_one();
            }
        }
        accepted(operation_id)
    }

    /// Makes a verdict come true.
    fn conclude(
        &self,
        state: &mut State,
        identity: &DeviceIdentity,
        found: &Match,
        verdict: Verdict,
        begun: Duration,
        now: Duration,
    ) -> Outcome {
        let ready_at = begun.saturating_add(self.settings.assignment_delay).max(now);
        let Concluded { mut record, changes, proof, left } =
            provision::conclude(state, identity, found, verdict, ready_at, now);
        if let Some(proof) = proof {
            identities::move_in(&self.iot_hubs, &state.devices, left, &record, proof);
        }
        record.ticket = self.store.append(changes);
        state.records.put(record.clone());
        tracing::info!(
            registration_id = %record.registration_id,
            status = %String::from(record.status.clone()),
            hub = record.assigned_hub.as_deref(),
            error_code = record.error_code,
            "registration decided"
        );
        self.events.add(decision(&record), now);
        let State { random, tpms, .. } = state;
        let tpm = Self::hub_key_for_tpm(tpms, &record, random);
        Outcome { ready_at, tpm, ticket: record.ticket, record }
    }

    /// The next webhook to be called, if there is one. Whoever takes it must hand in an answer.
    pub fn next_webhook_call(&self) -> Option<WebhookCall> {
        self.state().calls.pop_front()
    }

    /// Waits until there may be a webhook to call.
    pub(crate) async fn webhook_call_waiting(&self) {
        self.call_waiting.notified().await;
    }

    /// Takes the answer of a webhook: decides about the device that waits for it. An answer that
    /// nobody waits for is passed over.
    pub fn answer_webhook_call(&self, call_id: &str, answer: &WebhookAnswer, now: Duration) {
        // Held until all is decided: nobody changes the enrollment between the look and the deed.
        let model = self.model();
        let mut state = self.state();
        let Some(waiting) = state.waiting.remove(call_id) else { return };
        let Waiting { operation_id, identity, found, mut linked_hubs, begun, .. } = waiting;
        // The webhook may have chosen before one of them was unlinked.
        linked_hubs.retain(|name| state.hubs.find(name).is_some());
        let verdict = match found.still_stands(&model, &identity.registration_id) {
            true => custom::verdict(answer, &linked_hubs, &state.random.guid()),
            false => custom::enrollment_changed(),
        };
        let outcome = self.conclude(&mut state, &identity, &found, verdict, begun, now);
        state.operations.decide(&operation_id, outcome);
    }

    fn try_poll(
        &self,
        identity: &DeviceIdentity,
        credentials: &Credentials,
        operation_id: &str,
        now: Duration,
    ) -> Result<Reply, Refusal> {
        self.authenticate(identity, credentials, now, Expiry::Ignored)?;
        let is_own = |operation: &&Operation| {
            device_key(&operation.device) == device_key(&identity.registration_id)
        };
        let begun = {
            let mut state = self.state();
            let operation = state.operations.get(operation_id, now).filter(is_own);
            operation.map(|operation| operation.begun)
        };
        if let Some(begun) = begun {
            // A token may run out while the device polls, but must have been good once.
            self.authenticate(identity, credentials, begun, Expiry::Checked)?;
        }
        let mut state = self.state();
        let operation = state
            .operations
            .get(operation_id, now)
            .filter(is_own)
            .ok_or(Refusal::UnknownOperation)?;
        match &operation.outcome {
            Some(outcome) if outcome.ready_at <= now => {
                match self.store.durability(outcome.ticket) {
                    Durability::Durable => {
                        let tpm = outcome.tpm.as_ref();
                        return Ok(Reply::terminal(operation_id, &outcome.record, tpm));
                    }
                    Durability::Failed => return Err(Refusal::Storage),
                    Durability::Underway => {}
                }
            }
            _ => {}
        }
        let retry_after = self.settings.retry_after_seconds;
        Ok(Reply::assigning(operation_id, &operation.device, retry_after))
    }

    /// Logs why for the person who runs this, and tells the device what the service would.
    fn refuse(&self, identity: &DeviceIdentity, refusal: &Refusal, now: Duration) -> Reply {
        tracing::warn!(registration_id = %identity.registration_id, reason = %refusal,
            status = refusal.status(), error_code = refusal.error_code(), "request refused");
        let event = Event::new(Kind::RequestRefused).registration(&identity.registration_id);
        let event = event.refusal(refusal.status(), refusal.error_code()).because(refusal);
        self.events.add(event, now);
        let is_busy = matches!(refusal, Refusal::Busy);
        let retry_after = is_busy.then_some(self.settings.retry_after_seconds);
        Reply { retry_after, ..Reply::error(refusal, self.guid(), now) }
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

    /// A panic elsewhere cannot leave the model half-changed: every change is one insertion.
    fn model(&self) -> RwLockReadGuard<'_, Model> {
        self.model.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn model_mut(&self) -> RwLockWriteGuard<'_, Model> {
        self.model.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// A panic elsewhere cannot leave the state half-changed: every change is one insertion.
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What became of a registration.
fn decision(record: &RegistrationRecord) -> Event {
    let kind = match record.status {
        RegistrationStatus::Assigned => Kind::RegistrationAssigned,
        RegistrationStatus::Disabled => Kind::RegistrationDisabled,
        _ => Kind::RegistrationFailed,
    };
    let mut event = Event::new(kind).registration(&record.registration_id);
    if let (Kind::RegistrationAssigned, Some(hub)) = (kind, &record.assigned_hub) {
        event = event.hub(hub);
        if let Some(id) = &record.device_id {
            event = event.device(id);
        }
    }
    if let Some(code) = record.error_code {
        event = event.error_code(code);
    }
    match record.error_message.as_ref().or(record.substatus.as_ref()) {
        Some(why) => event.because(why),
        None => event,
    }
}

#[cfg(test)]
mod tests;
