//! The client with a thread of its own (`c-abi.md` section 1.3).
//!
//! The worker starts with the first accepted Register and lives until Destroy. It sleeps until
//! the network, a timer, or a call needs it.

use crate::abi::PROV_DEVICE_RESULT::{self, PROV_DEVICE_RESULT_OK as OK};
use crate::callbacks::Callbacks;
use crate::guard::guard;
use crate::session::Session;
use core::cell::Cell;
use core::ops::ControlFlow;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread::{Builder, JoinHandle};
use std::time::Instant;

/// Callbacks run on this stack; as large as the one threads of C programs usually have.
const STACK_SIZE: usize = 8 * 1024 * 1024;

thread_local! {
    /// Which session the current thread is the worker of; 0 for the program's own threads.
    /// (`thread::current` would leave a small allocation behind on each of those.)
    static SERVED: Cell<usize> = const { Cell::new(0) };
}

/// A threaded client.
pub(crate) struct Threaded {
    pub(crate) session: Arc<Session>,
    worker: Mutex<Option<Worker>>,
}

/// The thread, and the process it lives in.
struct Worker {
    thread: JoinHandle<()>,
    process: u32,
}

impl Threaded {
    pub(crate) fn new(session: Session) -> Self {
        Self { session: Arc::new(session), worker: Mutex::new(None) }
    }

    /// Begins a registration; starts the worker if there is none yet.
    pub(crate) fn register(&self, callbacks: Callbacks) -> PROV_DEVICE_RESULT {
        // The outcome of the last registration may be known to the program while its callback has
        // not returned yet. Not with the lock below held: the callback may be about to destroy this
        // client, and a security module may be slow. In a callback, of whatever client, nobody waits:
        // the other one may be waiting for this one.
        let patient = SERVED.get() == 0;
        let identity = match self.session.identify(patient) {
            Ok(identity) => identity,
            Err(result) => return result,
        };
        // Held until the worker is known, so that Destroy cannot miss it.
        let mut worker = self.worker();
        let result = self.session.arm(identity, callbacks);
        if result != OK || worker.is_some() {
            return result;
        }
        let session = Arc::clone(&self.session);
        let thread = Builder::new().name("dps-client".into()).stack_size(STACK_SIZE);
        match thread.spawn(move || work(&session)) {
            Ok(thread) => {
                *worker = Some(Worker { thread, process: std::process::id() });
                OK
            }
            Err(error) => self.session.disarm(format!("no thread could be started: {error}")),
        }
    }

    /// Ends the client. Waits until a running callback has returned, unless it is called from
    /// that callback; never waits for the network.
    pub(crate) fn destroy(&self) {
        self.session.destroy();
        let worker = self.worker().take();
        if let Some(worker) = worker
            && SERVED.get() != address(&self.session)
        {
            if worker.process == std::process::id() {
                // The worker stops every panic itself.
                let _ = worker.thread.join();
            } else {
                // After a fork there is no such thread here.
                core::mem::forget(worker.thread);
            }
        }
    }

    fn worker(&self) -> MutexGuard<'_, Option<Worker>> {
        self.worker.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn address(session: &Session) -> usize {
    core::ptr::from_ref(session).addr()
}

fn work(session: &Session) {
    SERVED.set(address(session));
    loop {
        // A panic ends one round; the next one reports it as the registration's outcome.
        let round = guard(ControlFlow::Continue(()), || {
            let began = Instant::now();
            session.pass();
            session.rest(began)
        });
        if round.is_break() {
            break;
        }
    }
}
