//! Where faults strike: between a device's request and its answer, and at its connection.

use super::authentication::Expiry;
use super::refusal::Refusal;
use super::{Credentials, DeviceIdentity, Reply, Service};
use crate::events::{Event, Kind};
use crate::faults::{
    Disturbance, Fault, FaultError, FaultKind, FaultList, FaultOperation, FaultStatus, Occasion,
};
use crate::model::EnrollmentRef;
use core::time::Duration;
use std::sync::{MutexGuard, PoisonError};

/// What a fault makes of a connection that says whose it is.
#[derive(Debug)]
pub(crate) enum Greeting {
    /// It is refused for now, with this document where there is room for one.
    Refused(Reply),
    /// What it is told comes late, in part or never.
    Disturbed(Disturbance),
}

impl Service {
    /// Sets a fault: at the end of the list, or in the place of the one of this name, which begins
    /// to count anew.
    ///
    /// # Errors
    ///
    /// [`FaultError`] says what makes no sense.
    pub fn set_fault(&self, name: &str, fault: Fault) -> Result<FaultStatus, FaultError> {
        self.fault_list().set(name, fault).cloned()
    }

    /// The faults in the order in which they are looked at, with how often each has struck.
    pub fn faults(&self) -> Vec<FaultStatus> {
        self.fault_list().all().to_vec()
    }

    /// Removes a fault. Whether it was there.
    pub fn remove_fault(&self, name: &str) -> bool {
        self.fault_list().remove(name)
    }

    /// Removes all faults.
    pub fn clear_faults(&self) {
        self.fault_list().clear();
    }

    /// Answers a request by `work`, unless a fault strikes it.
    pub(super) fn answer(
        &self,
        operation: FaultOperation,
        identity: &DeviceIdentity,
        credentials: &Credentials,
        now: Duration,
        work: impl FnOnce() -> Result<Reply, Refusal>,
    ) -> Reply {
        let fault = self.strike(operation, identity, credentials, now);
        if let Some(refusal) = fault.as_ref().and_then(|fault| self.refusal(fault, now)) {
            return refusal;
        }
        let mut reply = work().unwrap_or_else(|refusal| self.refuse(identity, &refusal, now));
        match fault {
            Some(FaultKind::Malformed { form }) => reply.body = form.of(&reply.body),
            Some(fault) => reply.disturbance = disturbance(&fault),
            None => {}
        }
        reply
    }

    /// What becomes of a connection that says whose it is; the usual thing when there is no fault.
    pub(crate) fn greet(
        &self,
        identity: &DeviceIdentity,
        credentials: &Credentials,
        now: Duration,
    ) -> Option<Greeting> {
        let fault = self.strike(FaultOperation::Connect, identity, credentials, now)?;
        match self.refusal(&fault, now) {
            Some(refusal) => Some(Greeting::Refused(refusal)),
            None => disturbance(&fault).map(Greeting::Disturbed),
        }
    }

    fn strike(
        &self,
        operation: FaultOperation,
        identity: &DeviceIdentity,
        credentials: &Credentials,
        now: Duration,
    ) -> Option<FaultKind> {
        let mut occasion = Occasion {
            operation,
            transport: identity.transport,
            registration_id: &identity.registration_id,
            enrollment: None,
        };
        let depends = self.fault_list().depends_on_enrollment(&occasion);
        let found = depends.then(|| self.enrollment_of(identity, credentials, now)).flatten();
        occasion.enrollment = found.as_ref();
        let (kind, event) = {
            let mut faults = self.fault_list();
            let struck = faults.strike(&occasion)?;
            let event = Event::new(Kind::FaultStruck).because(&struck.name);
            (struck.fault.kind.clone(), event)
        };
        self.events.add(event.registration(&identity.registration_id), now);
        Some(kind)
    }

    /// What lets the device in. A TPM proves itself over HTTPS by what it is answered, so there is no
    /// proof to wait for.
    fn enrollment_of(
        &self,
        identity: &DeviceIdentity,
        credentials: &Credentials,
        now: Duration,
    ) -> Option<EnrollmentRef> {
        match self.authenticate(identity, credentials, now, Expiry::Ignored) {
            Ok(found) => Some(found.reference()),
            Err(_) if self.wants_tpm(identity) => {
                Some(EnrollmentRef::Individual(identity.registration_id.clone()))
            }
            Err(_) => None,
        }
    }

    /// The document of a fault that refuses the request (`wire-protocol.md` section 6.3).
    fn refusal(&self, fault: &FaultKind, now: Duration) -> Option<Reply> {
        let (status, code, retry_after, message) = match *fault {
            FaultKind::Throttle { retry_after_seconds } => {
                (429, 429_001, retry_after_seconds, "Too many requests.")
            }
            FaultKind::ServerError { status, retry_after_seconds } => {
                (status, u32::from(status) * 1000, retry_after_seconds, "Internal server error.")
            }
            _ => return None,
        };
        let reply = Reply::of_error(status, code, message.to_owned(), self.guid(), now);
        Some(Reply { retry_after, ..reply })
    }

    /// A panic elsewhere cannot leave the list half-changed.
    fn fault_list(&self) -> MutexGuard<'_, FaultList> {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What a door has to do, if the fault is not in the answer itself.
fn disturbance(fault: &FaultKind) -> Option<Disturbance> {
    match *fault {
        FaultKind::Delay { milliseconds } => {
            Some(Disturbance::Delay(Duration::from_millis(milliseconds.into())))
        }
        FaultKind::Drop { after_bytes } => {
            Some(Disturbance::Cut(usize::try_from(after_bytes).unwrap_or(usize::MAX)))
        }
        FaultKind::NeverAnswer => Some(Disturbance::Silence),
        FaultKind::Throttle { .. }
        | FaultKind::ServerError { .. }
        | FaultKind::Malformed { .. } => None,
    }
}
