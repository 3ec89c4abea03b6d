//! The security module of a client, and the threads on which it is at work.
//!
//! Hardware takes its time, and may hang. So it is asked on a thread of its own, and so is the TLS
//! handshake continued in which its key signs; the registration goes on with its timers meanwhile.
//! When the deadline strikes first, the thread is left to itself, and until it has come back nothing
//! more is asked of the module.

use crate::errand::Errand;
use crate::session::{Limits, Output, Session};
use crate::signing;
use core::fmt;
use core::task::{Poll, Waker};
use dps_core::{
    ActivationBlob, Attestation, ClientIdentity, Error, ErrorKind, Hsm, HsmError, Mac, Now,
    RegistrationId, Stage, Timestamp, TpmKeys,
};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

const THREAD: &str = "dps-hsm";

/// A security module, at home or at work on a thread.
pub(crate) struct Module {
    hsm: Arc<Mutex<Box<dyn Hsm>>>,
    attestation: Attestation,
    in_place: bool,
    /// Whether the certificate's key must not keep the caller waiting.
    has_slow_key: bool,
    busy: Arc<AtomicBool>,
}

/// What a session wants of the module.
enum Question {
    Sign(String),
    TpmKeys,
    Activate(ActivationBlob),
}

/// What the module says.
enum Answer {
    Signed(Result<Mac, HsmError>),
    TpmKeys(Result<TpmKeys, HsmError>),
    Activated(Result<(), HsmError>),
}

/// What a thread comes back with. One type for all, which keeps programs small.
enum Brought {
    Answer(Answer),
    Session(Box<Session>),
}

/// A question that a thread has taken to the module.
pub(crate) struct Asked {
    errand: Errand<Brought>,
    /// The answer when there is none.
    lost: Option<Answer>,
}

/// A session that a thread continues.
pub(crate) struct Away {
    errand: Errand<Brought>,
    limits: Limits,
    /// When it ends without the thread, and by which limit.
    pub(crate) ends: Option<(Timestamp, Duration)>,
}

/// Lets others ask again when it is dropped.
struct AtWork(Arc<AtomicBool>);

impl Drop for AtWork {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Release);
    }
}

impl Module {
    pub(crate) fn new(hsm: Box<dyn Hsm>) -> Self {
        Self {
            attestation: hsm.attestation(),
            in_place: hsm.works_in_place(),
            has_slow_key: false,
            hsm: Arc::new(Mutex::new(hsm)),
            busy: Arc::default(),
        }
    }

    pub(crate) fn attestation(&self) -> Attestation {
        self.attestation
    }

    /// Whether the TLS handshake must be continued on another thread.
    pub(crate) fn has_slow_key(&self) -> bool {
        self.has_slow_key
    }

    /// # Errors
    ///
    /// Stage hsm: a thread of an earlier registration is at it still.
    pub(crate) fn check_is_free(&self) -> Result<(), Error> {
        if self.busy.load(Ordering::Acquire) {
            return Err(Error::new(Stage::Hsm, ErrorKind::HsmBusy));
        }
        Ok(())
    }

    /// The certificate to present, and whose it is, if the module proves the identity with one.
    #[allow(clippy::type_complexity)]
    pub(crate) fn client_identity(
        &mut self,
        now: Now,
    ) -> Result<Option<(ClientIdentity, Option<RegistrationId>)>, Error> {
        self.check_is_free()?;
        let mut hsm = self.hsm.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(identity) = signing::client_identity(hsm.as_mut(), now)? else { return Ok(None) };
        self.has_slow_key = !identity.key().works_in_place();
        Ok(Some((identity, signing::registration_id(hsm.as_mut()))))
    }

    /// Has the module do what a session asks of it: at once, or on a thread; `waker` is woken when
    /// that is back. Gives back what is not for the module.
    pub(crate) fn ask(
        &mut self,
        session: &mut Session,
        output: Output,
        now: &mut Now,
        waker: Option<&Waker>,
    ) -> Result<Option<Asked>, Output> {
        let question = match output {
            Output::Sign(text) => Question::Sign(text),
            Output::ReadTpmKeys => Question::TpmKeys,
            Output::Activate(blob) => Question::Activate(blob),
            other => return Err(other),
        };
        if self.in_place {
            let began = Instant::now();
            let answer =
                question.put(self.hsm.lock().unwrap_or_else(PoisonError::into_inner).as_mut());
            // Time that it took is not the service's silence.
            *now = later(*now, began);
            answer.tell(session, *now);
            return Ok(None);
        }
        let lost = Some(question.unanswered());
        let (hsm, at_work) = (self.hsm.clone(), self.at_work());
        let errand = Errand::start(THREAD, waker.cloned(), move || {
            let answer = question.put(hsm.lock().unwrap_or_else(PoisonError::into_inner).as_mut());
            // Before the answer: the next question may follow at once.
            drop(at_work);
            Brought::Answer(answer)
        });
        Ok(Some(Asked { errand, lost }))
    }

    /// Has a session take bytes from the wire on a thread, since the module's key may have to sign.
    /// `waker` is woken when it is back.
    pub(crate) fn receive(
        &self,
        session: Session,
        now: Now,
        wire: Vec<u8>,
        request_timeout: Option<Duration>,
        waker: Option<Waker>,
    ) -> Away {
        let limits = session.limits();
        let mut session = Box::new(session);
        let (at_work, began) = (self.at_work(), Instant::now());
        let errand = Errand::start(THREAD, waker, move || {
            session.receive_with(now, &wire, |now| later(now, began));
            drop(at_work);
            Brought::Session(session)
        });
        Away { errand, limits, ends: limits.end(request_timeout) }
    }

    fn at_work(&self) -> AtWork {
        self.busy.store(true, Ordering::Release);
        AtWork(self.busy.clone())
    }
}

/// What time it is when something has taken from `began` until now.
fn later(now: Now, began: Instant) -> Now {
    let took = began.elapsed();
    Now::new(now.at + took, now.unix_seconds.saturating_add(took.as_secs()))
}

impl Question {
    fn put(self, hsm: &mut dyn Hsm) -> Answer {
        match self {
            Self::Sign(text) => Answer::Signed(signing::sign(hsm, &text)),
            Self::TpmKeys => Answer::TpmKeys(signing::tpm_keys(hsm)),
            Self::Activate(blob) => Answer::Activated(signing::activate(hsm, &blob)),
        }
    }

    /// What to say when the thread does not come back.
    fn unanswered(&self) -> Answer {
        let failed = |operation| {
            let reason = "the thread that asked it could not be started, or is gone".into();
            HsmError::Failed { operation, reason }
        };
        match self {
            Self::Sign(_) => Answer::Signed(Err(failed("sign"))),
            Self::TpmKeys => Answer::TpmKeys(Err(failed("present the keys of a TPM"))),
            Self::Activate(_) => Answer::Activated(Err(failed("activate an identity key"))),
        }
    }
}

impl Answer {
    fn tell(self, session: &mut Session, now: Now) {
        match self {
            Self::Signed(result) => session.signed(now, result),
            Self::TpmKeys(result) => session.tpm_keys(now, result),
            Self::Activated(result) => session.activated(now, result),
        }
    }
}

impl Asked {
    /// Tells the session, if the answer is there; else `waker` is woken once it is, or the one
    /// before.
    pub(crate) fn tell(&mut self, session: &mut Session, now: Now, waker: Option<&Waker>) -> bool {
        let answer = match self.errand.ask(waker) {
            Poll::Pending => return false,
            Poll::Ready(Some(Brought::Answer(answer))) => Some(answer),
            Poll::Ready(_) => self.lost.take(),
        };
        if let Some(answer) = answer {
            answer.tell(session, now);
        }
        true
    }
}

impl Away {
    /// Changes [`Policy::request_timeout`](dps_core::Policy::request_timeout) meanwhile.
    pub(crate) fn set_request_timeout(&mut self, limit: Option<Duration>) {
        self.ends = self.limits.end(limit);
    }

    /// The session, if the thread is done; else `waker` is woken once it is, or the one before. An
    /// error when the registration ends without it.
    pub(crate) fn back(&mut self, now: Now, waker: Option<&Waker>) -> Poll<Result<Session, Error>> {
        match self.errand.ask(waker) {
            Poll::Ready(Some(Brought::Session(session))) => return Poll::Ready(Ok(*session)),
            Poll::Ready(_) => {
                let lost =
                    "the thread that continued the TLS handshake could not be started, or is gone";
                let error = Error::new(Stage::Hsm, ErrorKind::Hsm).with_detail(lost);
                return Poll::Ready(Err(error));
            }
            Poll::Pending => {}
        }
        match self.ends {
            Some((at, limit)) if now.at >= at => {
                let kind = ErrorKind::DeadlineExceeded { during: Stage::Hsm, limit };
                Poll::Ready(Err(Error::new(Stage::Deadline, kind)
                    .with_detail("the certificate's key has not signed the TLS handshake")))
            }
            _ => Poll::Pending,
        }
    }
}

impl fmt::Debug for Module {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Module").field("attestation", &self.attestation).finish_non_exhaustive()
    }
}
