//! Serving the network, calling back, sleeping, ending.

use super::{ERROR, Phase, Session, State, prepare};
use crate::abi::{PROV_DEVICE_REG_STATUS, PROV_DEVICE_RESULT};
use crate::callbacks::Callbacks;
use crate::failure::Failure;
use crate::result::Codes;
use crate::{guard, signals, trace};
use core::ops::ControlFlow;
use core::time::Duration;
use dps_client::{Assignment, Progress, ProvisioningClient, Status, TrustAnchors};
use std::ffi::CString;
use std::time::Instant;

/// The longest a worker waits for the network at a time; anything may wake it earlier.
const LONGEST_WAIT: Duration = Duration::from_secs(3600);

/// What a pass has to tell the program.
enum News {
    Status(PROV_DEVICE_REG_STATUS),
    Assigned { hub: CString, device_id: CString },
    Failed(PROV_DEVICE_RESULT),
}

/// What a pass brought about.
#[derive(Default)]
struct Served {
    statuses: Vec<Status>,
    outcome: Option<Result<Assignment, Failure>>,
    /// The client, unless its registration has ended.
    client: Option<ProvisioningClient>,
}

impl Session {
    /// Serves the network without blocking, then calls back. Does nothing when a pass is under
    /// way already (DoWork from a callback).
    pub(crate) fn pass(&self) {
        let Some((client, tracing, codes)) = self.check_out() else { return };
        // Also when something below panics.
        let _end = EndOfPass(self);
        let served = match client {
            Ok(client) if tracing => trace::follow(|| serve(client, codes)),
            Ok(client) => serve(client, codes),
            Err(failure) => Served { outcome: Some(Err(failure)), ..Served::default() },
        };
        let (callbacks, news) = self.check_in(served);
        for one in &news {
            if self.lock().destroyed {
                break;
            }
            if let Some(callbacks) = &callbacks {
                tell(callbacks, one);
            }
        }
    }

    /// Takes the client out of the state, making it if a registration begins. `None`: nothing to
    /// do.
    fn check_out(&self) -> Option<(Result<ProvisioningClient, Failure>, bool, Codes)> {
        let mut guard = self.lock();
        let state = &mut *guard;
        if state.passing || state.destroyed {
            return None;
        }
        let client = match state.phase {
            Phase::Ready | Phase::Naming | Phase::Telling => return None,
            Phase::Armed => {
                state.phase = Phase::Running;
                begin(state)
            }
            Phase::Running => state.client.take().ok_or_else(internal),
        };
        let client = client.and_then(|mut client| {
            if core::mem::take(&mut state.timeout_changed) {
                client.set_request_timeout(state.settings.policy.request_timeout);
            }
            if core::mem::take(&mut state.trust_changed)
                && let Some(pem) = &state.settings.trusted_certs
            {
                client.set_trust_anchors(TrustAnchors::system_and_pem(pem.as_slice()));
            }
            if core::mem::take(&mut state.proxy_changed) {
                client.set_proxy(state.settings.proxy.clone());
            }
            if core::mem::take(&mut state.payload_changed) {
                prepare::set_payload(&mut client, state.settings.payload.as_deref())?;
            }
            Ok(client)
        });
        state.passing = true;
        Some((client, state.settings.trace, state.codes))
    }

    /// Puts the client back and notes the outcome. Gives what is to be told.
    fn check_in(&self, served: Served) -> (Option<Callbacks>, Vec<News>) {
        let mut guard = self.lock();
        let state = &mut *guard;
        let all = state.all_statuses;
        let mut news: Vec<News> =
            served.statuses.iter().flat_map(|status| status_news(*status, all)).collect();
        for status in &served.statuses {
            state.trace(format_args!("{}", describe(*status)));
        }
        state.client = served.client;
        if let Some(outcome) = served.outcome {
            state.phase = Phase::Telling;
            state.interrupter = None;
            let outcome = note(state, outcome);
            if all {
                news.push(News::Status(last_status(&outcome)));
            }
            news.push(outcome);
        }
        (state.callbacks, news)
    }

    /// The worker's pause after a pass that began at `began`: until the client has something to
    /// do, but no less than the pass interval. `Break` when the handle was destroyed.
    pub(crate) fn rest(&self, began: Instant) -> ControlFlow<()> {
        let mut state = self.lock();
        loop {
            if state.destroyed {
                return ControlFlow::Break(());
            }
            state = match state.phase {
                Phase::Armed => return ControlFlow::Continue(()),
                Phase::Ready | Phase::Naming | Phase::Telling => {
                    self.changed.wait(state).unwrap_or_else(|poison| poison.into_inner())
                }
                Phase::Running => {
                    let pause = state.settings.pass_interval.saturating_sub(began.elapsed());
                    if pause.is_zero() {
                        break;
                    }
                    let woken = self.changed.wait_timeout(state, pause);
                    woken.unwrap_or_else(|poison| poison.into_inner()).0
                }
            }
        }
        let Some(mut client) = state.client.take() else { return ControlFlow::Continue(()) };
        drop(state);
        // If this panics the client is gone, and the next pass reports that.
        let client = guard::guard(None, move || {
            client.wait(LONGEST_WAIT);
            Some(client)
        });
        let abandoned = {
            let mut state = self.lock();
            if state.destroyed {
                client
            } else {
                state.client = client;
                return ControlFlow::Continue(());
            }
        };
        say_goodbye(abandoned);
        ControlFlow::Break(())
    }

    /// No callback any more. Ends a running registration, unless a pass is under way: then that
    /// ends it.
    pub(crate) fn destroy(&self) {
        let abandoned = {
            let mut state = self.lock();
            state.destroyed = true;
            state.trace(format_args!("destroyed"));
            state.wake();
            self.changed.notify_all();
            if state.passing { None } else { state.client.take() }
        };
        say_goodbye(abandoned);
    }
}

/// Brings the state in order when a pass ends.
struct EndOfPass<'a>(&'a Session);

impl Drop for EndOfPass<'_> {
    fn drop(&mut self) {
        let abandoned = {
            let mut state = self.0.lock();
            state.passing = false;
            if state.phase == Phase::Telling {
                state.phase = Phase::Ready;
                state.callbacks = None;
                // A Register on another thread may wait for this.
                self.0.changed.notify_all();
            }
            if state.destroyed { state.client.take() } else { None }
        };
        say_goodbye(abandoned);
    }
}

/// Makes the client of a registration and starts it.
fn begin(state: &mut State) -> Result<ProvisioningClient, Failure> {
    let id = state.registration_id.as_deref().unwrap_or_default();
    state.trace(format_args!(
        "registering {id:?} at {:?}, scope {:?}",
        state.target.uri, state.target.id_scope
    ));
    let presented = state.presented.take();
    let place = &state.token_key;
    let mut client =
        prepare::client(&state.target, id, &state.settings, state.codes, presented, place)?;
    // The client was made with all settings.
    state.timeout_changed = false;
    state.trust_changed = false;
    state.proxy_changed = false;
    state.payload_changed = false;
    client.start().map_err(|error| Failure::before_sending(&error))?;
    state.interrupter = Some(client.interrupter());
    Ok(client)
}

/// Lets the client do all it can do at once. No lock is held.
fn serve(mut client: ProvisioningClient, codes: Codes) -> Served {
    let served = guard::guard(None, move || {
        // The look-up of names may start a thread, which inherits the mask.
        let _quiet = signals::Blocked::new();
        let mut served = Served::default();
        loop {
            match client.poll() {
                Progress::Status(status) => served.statuses.push(status),
                Progress::Finished(result) => {
                    served.outcome =
                        Some(result.map_err(|error| Failure::of_registration(&error, codes)));
                    return Some(served);
                }
                Progress::Pending => {
                    served.client = Some(client);
                    return Some(served);
                }
                // A started client is never idle before it has finished.
                _ => {
                    served.outcome = Some(Err(internal()));
                    return Some(served);
                }
            }
        }
    });
    served.unwrap_or_else(|| Served { outcome: Some(Err(internal())), ..Served::default() })
}

/// Remembers the outcome and turns it into news.
fn note(state: &mut State, outcome: Result<Assignment, Failure>) -> News {
    let assignment = match outcome {
        Ok(assignment) => assignment,
        Err(failure) => {
            return News::Failed(state.fail(failure));
        }
    };
    let (hub, device_id) = (assignment.hub, assignment.device_id);
    state.trace(format_args!("assigned to {hub:?} as {device_id:?}"));
    // JSON text has no NUL, and the core lets no control character through in the names.
    state.service_payload = assignment.payload.and_then(|payload| CString::new(payload).ok());
    match (CString::new(hub), CString::new(device_id)) {
        (Ok(hub), Ok(device_id)) => News::Assigned { hub, device_id },
        _ => News::Failed(state.fail(internal())),
    }
}

fn tell(callbacks: &Callbacks, news: &News) {
    match news {
        News::Status(status) => callbacks.status(*status),
        News::Assigned { hub, device_id } => callbacks.assigned(hub, device_id),
        News::Failed(result) => callbacks.failed(*result),
    }
}

/// What the program is told of it. The original tells no more than one status for each; who wants
/// `all` is told REGISTERING too.
fn status_news(status: Status, all: bool) -> impl Iterator<Item = News> {
    use PROV_DEVICE_REG_STATUS::{
        PROV_DEVICE_REG_STATUS_ASSIGNING as ASSIGNING,
        PROV_DEVICE_REG_STATUS_CONNECTED as CONNECTED,
        PROV_DEVICE_REG_STATUS_REGISTERING as REGISTERING,
    };
    let (first, second) = match status {
        Status::Connected => (Some(CONNECTED), all.then_some(REGISTERING)),
        Status::Assigning => (Some(ASSIGNING), None),
        // C programs know no others.
        _ => (None, None),
    };
    first.into_iter().chain(second).map(News::Status)
}

/// The status that goes with an outcome, for who wants all.
fn last_status(outcome: &News) -> PROV_DEVICE_REG_STATUS {
    match outcome {
        News::Status(status) => *status,
        News::Assigned { .. } => PROV_DEVICE_REG_STATUS::PROV_DEVICE_REG_STATUS_ASSIGNED,
        News::Failed(PROV_DEVICE_RESULT::PROV_DEVICE_RESULT_HUB_NOT_SPECIFIED) => {
            PROV_DEVICE_REG_STATUS::PROV_DEVICE_REG_HUB_NOT_SPECIFIED
        }
        News::Failed(_) => PROV_DEVICE_REG_STATUS::PROV_DEVICE_REG_STATUS_ERROR,
    }
}

fn describe(status: Status) -> &'static str {
    match status {
        Status::Connected => "connected",
        Status::Assigning => "the service is assigning",
        _ => "going on",
    }
}

fn say_goodbye(client: Option<ProvisioningClient>) {
    if let Some(mut client) = client {
        client.cancel();
    }
}

/// A defect of this library, which must not become a registration without an end.
pub(super) fn internal() -> Failure {
    Failure::usage(ERROR, "internal error of libdps, please report it")
}
