//! One handle's state, and one registration after the other (`c-abi.md` sections 1.9, 2 and 3).
//!
//! [`drive`] has the part that serves the network and calls back, [`setting`] what options do.

mod defaults;
mod drive;
mod identity;
mod prepare;
mod setting;
#[cfg(test)]
mod tests;

pub(crate) use defaults::{default_policy, set_default_policy};

use crate::abi::{DPS_FAILURE, DPS_POLICY, PROV_DEVICE_RESULT};
use crate::callbacks::Callbacks;
use crate::failure::{Failure, LastFailure};
use crate::guard::guard;
use crate::pkcs11;
use crate::proof::Proof;
use crate::result::Codes;
use crate::x509::Material;
use core::ffi::c_char;
use core::ptr;
use core::time::Duration;
use dps_client::{Interrupter, Policy, ProvisioningClient, Proxy, TlsVersions, Transport};
use dps_hsm_x509::X509Hsm;
use std::ffi::CString;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};

pub(crate) use identity::Identity;

use PROV_DEVICE_RESULT::{
    PROV_DEVICE_RESULT_ERROR as ERROR, PROV_DEVICE_RESULT_INVALID_ARG as INVALID_ARG,
    PROV_DEVICE_RESULT_OK as OK,
};

/// What Create was given.
#[derive(Debug)]
struct Target {
    uri: String,
    id_scope: String,
    transport: Transport,
    proof: Proof,
}

/// What may be changed at any time.
#[derive(Clone)]
struct Settings {
    payload: Option<Vec<u8>>,
    trusted_certs: Option<Vec<u8>>,
    tls_versions: TlsVersions,
    proxy: Option<Proxy>,
    trace: bool,
    policy: Policy,
    conservative: bool,
    /// Opt-in: the status callback is told what it is never told by the original.
    all_statuses: bool,
    /// Opt-ins of [`Codes`].
    key_errors: bool,
    uniform_results: bool,
    /// Least time between the starts of two passes of the worker.
    pass_interval: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            payload: None,
            trusted_certs: None,
            tls_versions: TlsVersions::default(),
            proxy: None,
            trace: false,
            policy: Policy {
                deadline: None,
                request_timeout: None,
                silence: Duration::from_secs(60),
                max_connections: Some(3),
                poll_interval: Duration::from_secs(1),
                token_lifetime: Duration::from_secs(2400),
                ..Policy::default()
            },
            conservative: false,
            all_statuses: false,
            key_errors: false,
            uniform_results: false,
            pass_interval: Duration::from_millis(1),
        }
    }
}

impl Settings {
    /// The policy in the terms of `dps.h`.
    fn policy(&self) -> DPS_POLICY {
        fn ms(time: Duration) -> u32 {
            u32::try_from(time.as_millis()).unwrap_or(u32::MAX)
        }
        let policy = &self.policy;
        DPS_POLICY {
            size: size_of::<DPS_POLICY>(),
            deadline_ms: policy.deadline.map_or(0, ms),
            silence_ms: ms(policy.silence),
            max_connections: policy.max_connections.unwrap_or(0),
            poll_interval_ms: ms(policy.poll_interval),
            token_lifetime_s: u32::try_from(policy.token_lifetime.as_secs()).unwrap_or(u32::MAX),
            conservative: self.conservative.into(),
            all_statuses: self.all_statuses.into(),
            key_errors: self.key_errors.into(),
            uniform_results: self.uniform_results.into(),
            reserved: 0,
        }
    }

    /// # Errors
    ///
    /// Which values are out of range; then nothing has changed.
    fn set_policy(&mut self, new: &DPS_POLICY) -> Result<(), &'static str> {
        fn ms(time: u32) -> Duration {
            Duration::from_millis(time.into())
        }
        if new.silence_ms == 0 || new.token_lifetime_s == 0 {
            return Err("silence_ms and token_lifetime_s must be at least 1");
        }
        let switches = [new.conservative, new.all_statuses, new.key_errors, new.uniform_results];
        if switches.iter().any(|switch| *switch > 1) || new.reserved != 0 {
            return Err(
                "conservative, all_statuses, key_errors and uniform_results must be 0 or 1, reserved 0",
            );
        }
        let policy = &mut self.policy;
        policy.deadline = (new.deadline_ms > 0).then(|| ms(new.deadline_ms));
        policy.silence = ms(new.silence_ms);
        policy.max_connections = (new.max_connections > 0).then_some(new.max_connections);
        policy.poll_interval = ms(new.poll_interval_ms);
        policy.token_lifetime = Duration::from_secs(new.token_lifetime_s.into());
        self.conservative = new.conservative == 1;
        self.all_statuses = new.all_statuses == 1;
        self.key_errors = new.key_errors == 1;
        self.uniform_results = new.uniform_results == 1;
        Ok(())
    }
}

/// Where a registration stands. A handle is busy unless `Ready`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Register may be called.
    Ready,
    /// Register was called, and is finding out who registers.
    Naming,
    /// Register was called; the next pass begins.
    Armed,
    /// Under way.
    Running,
    /// Ended; the register callback is being called.
    Telling,
}

struct State {
    target: Target,
    /// The id in force, once it was set or loaded; never changes after that.
    registration_id: Option<String>,
    /// What the options gave, or from Register on the process's.
    x509: Material,
    /// What the options' or a plug-in's certificate and key are, read when the registration begins.
    presented: Option<Result<X509Hsm, Failure>>,
    /// The certificate and key of the options, once they were read.
    found: Option<X509Hsm>,
    /// The symmetric key in a token, once it was found.
    token_key: pkcs11::Place,
    settings: Settings,
    /// What the registration under way tells, by the policy that it began with.
    codes: Codes,
    all_statuses: bool,
    phase: Phase,
    callbacks: Option<Callbacks>,
    /// At home between passes; a pass takes it out.
    client: Option<ProvisioningClient>,
    /// Ends the client's wait, also while it is out.
    interrupter: Option<Interrupter>,
    /// Settings that the client has not been told yet.
    timeout_changed: bool,
    trust_changed: bool,
    proxy_changed: bool,
    payload_changed: bool,
    /// A pass is under way, perhaps in a callback.
    passing: bool,
    destroyed: bool,
    service_payload: Option<CString>,
    failure: LastFailure,
}

/// A low-level client, or the heart of a threaded one.
pub(crate) struct Session {
    transport: Transport,
    state: Mutex<State>,
    /// Signalled when a sleeping worker should look at the state.
    changed: Condvar,
}

impl Session {
    pub(crate) fn new(uri: String, id_scope: String, transport: Transport, proof: Proof) -> Self {
        Self {
            transport,
            state: Mutex::new(State {
                target: Target { uri, id_scope, transport, proof },
                registration_id: None,
                x509: Material::none(),
                presented: None,
                found: None,
                token_key: pkcs11::Place::default(),
                settings: defaults::settings(),
                codes: Codes::originals(transport),
                all_statuses: false,
                phase: Phase::Ready,
                callbacks: None,
                client: None,
                interrupter: None,
                timeout_changed: false,
                trust_changed: false,
                proxy_changed: false,
                payload_changed: false,
                passing: false,
                destroyed: false,
                service_payload: None,
                failure: LastFailure::new(),
            }),
            changed: Condvar::new(),
        }
    }

    /// Begins a registration. No I/O: the next pass does the work.
    pub(crate) fn register(&self, callbacks: Callbacks) -> PROV_DEVICE_RESULT {
        match self.identify(false) {
            Ok(identity) => self.arm(identity, callbacks),
            Err(result) => result,
        }
    }

    /// The first half of [`register`](Self::register): finds out who registers, which may take as
    /// long as the security module takes. The handle is busy from now on; [`arm`](Self::arm) is the
    /// second half. With `patient`, waits for a register callback that is being called to return.
    pub(crate) fn identify(&self, patient: bool) -> Result<Identity, PROV_DEVICE_RESULT> {
        let mut state = self.lock();
        while patient && state.phase == Phase::Telling && !state.destroyed {
            state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        if state.destroyed {
            return Err(state.refuse(INVALID_ARG, "the handle is being destroyed"));
        }
        if state.phase != Phase::Ready {
            return Err(state.refuse(ERROR, "a registration is under way on this handle"));
        }
        let question = state.question().map_err(|failure| state.fail(failure))?;
        state.phase = Phase::Naming;
        drop(state);
        let found =
            guard(None, || Some(question.answer())).unwrap_or_else(|| Err(drive::internal()));
        found.map_err(|failure| {
            let mut state = self.lock();
            state.phase = Phase::Ready;
            state.fail(failure)
        })
    }

    /// The second half of [`register`](Self::register).
    pub(crate) fn arm(&self, identity: Identity, callbacks: Callbacks) -> PROV_DEVICE_RESULT {
        let mut state = self.lock();
        if state.destroyed {
            state.phase = Phase::Ready;
            return state.refuse(INVALID_ARG, "the handle is being destroyed");
        }
        state.codes = Codes {
            transport: self.transport,
            key_errors: state.settings.key_errors,
            uniform: state.settings.uniform_results,
        };
        state.all_statuses = state.settings.all_statuses;
        if identity.registration_id.is_some() {
            state.registration_id = identity.registration_id;
        }
        if let (Proof::X509, Some(Ok(hsm))) = (&state.target.proof, &identity.presented) {
            state.found = Some(hsm.clone());
        }
        // What the process had counts for this handle from the first accepted Register on.
        state.x509 = identity.x509;
        state.presented = identity.presented;
        state.failure.clear();
        state.service_payload = None;
        state.callbacks = Some(callbacks);
        state.phase = Phase::Armed;
        self.changed.notify_all();
        OK
    }

    /// Takes back a registration that no pass has begun, because no worker could be started.
    pub(crate) fn disarm(&self, detail: String) -> PROV_DEVICE_RESULT {
        let mut state = self.lock();
        if state.phase == Phase::Armed {
            state.phase = Phase::Ready;
            state.presented = None;
            state.callbacks = None;
        }
        state.refuse(ERROR, detail)
    }

    /// Sets or unsets the program's payload, for the next request that carries it.
    pub(crate) fn set_payload(&self, json: Option<Vec<u8>>) -> PROV_DEVICE_RESULT {
        let mut state = self.lock();
        state.settings.payload = json;
        state.payload_changed = true;
        OK
    }

    /// For C. Lives until the next accepted `register`, or as long as the handle.
    pub(crate) fn service_payload(&self) -> *const c_char {
        self.lock().service_payload.as_ref().map_or(ptr::null(), |payload| payload.as_ptr())
    }

    /// The policy in the terms of `dps.h`.
    pub(crate) fn policy(&self) -> DPS_POLICY {
        self.lock().settings.policy()
    }

    /// Changes the policy; counts from the next registration on.
    pub(crate) fn set_policy(&self, new: &DPS_POLICY) -> PROV_DEVICE_RESULT {
        let mut state = self.lock();
        match state.settings.set_policy(new) {
            Ok(()) => OK,
            Err(reason) => state.refuse(INVALID_ARG, reason),
        }
    }

    /// The last failure, for C.
    pub(crate) fn show_failure(&self) -> DPS_FAILURE {
        self.lock().failure.show()
    }

    /// The last failure as one line, for C.
    pub(crate) fn failure_line(&self) -> *const c_char {
        self.lock().failure.line()
    }

    /// Remembers a wrong call on this handle, and gives its code.
    pub(crate) fn refuse(
        &self,
        result: PROV_DEVICE_RESULT,
        detail: impl Into<String>,
    ) -> PROV_DEVICE_RESULT {
        self.lock().refuse(result, detail)
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn refuse(
        &mut self,
        result: PROV_DEVICE_RESULT,
        detail: impl Into<String>,
    ) -> PROV_DEVICE_RESULT {
        self.fail(Failure::usage(result, detail))
    }

    /// Remembers a failure and gives its code.
    fn fail(&mut self, failure: Failure) -> PROV_DEVICE_RESULT {
        self.trace(format_args!("failed: {failure}"));
        self.failure.set(failure)
    }

    /// Ends the client's wait, wherever it is.
    fn wake(&self) {
        if let Some(interrupter) = &self.interrupter {
            interrupter.interrupt();
        }
    }

    fn trace(&self, what: core::fmt::Arguments<'_>) {
        if self.settings.trace {
            crate::trace::line(what);
        }
    }
}
