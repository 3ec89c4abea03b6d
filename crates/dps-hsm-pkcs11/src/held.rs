//! A key that has been found and is held with its session: found again when that is lost.

use crate::error::{failed, is_lost, reason};
use crate::object::Object;
use crate::token::{self, Access, Token};
use crate::{Pkcs11Error, Pkcs11Uri, module};
use core::fmt;
use cryptoki::context::Pkcs11;
use cryptoki::error::{Error as CallError, Result as CallResult};
use cryptoki::mechanism::Mechanism;
use cryptoki::session::{Session, UserType};
use std::sync::{Mutex, MutexGuard, PoisonError, TryLockError};
use std::thread;
use std::time::{Duration, Instant};

/// Picks the key among a token's objects.
pub(crate) type Choose<K> =
    dyn Fn(&Pkcs11, &Session, &Token) -> Result<(Object, K), Pkcs11Error> + Send + Sync;

/// A key and what is known of it.
pub(crate) struct Held<K> {
    uri: Pkcs11Uri,
    access: Access,
    choose: Box<Choose<K>>,
    /// The token's label when the key was found first.
    token: String,
    state: Mutex<State<K>>,
}

struct State<K> {
    open: Option<Open<K>>,
    /// A PIN that was refused once is not tried again: the token would lock.
    refused: Option<Pkcs11Error>,
}

/// A session and a key in it.
pub(crate) struct Open<K> {
    session: Session,
    token: Token,
    object: Object,
    pub(crate) about: K,
    process: u32,
}

impl<K> Held<K> {
    /// Finds the key.
    pub(crate) fn new(
        uri: &Pkcs11Uri,
        access: &Access,
        choose: Box<Choose<K>>,
    ) -> Result<Self, Pkcs11Error> {
        let open = open(uri, access, &*choose)?;
        Ok(Self {
            uri: uri.clone(),
            access: access.clone(),
            choose,
            token: open.token.label(),
            state: Mutex::new(State { open: Some(open), refused: None }),
        })
    }

    /// Looks at the key without using it.
    pub(crate) fn look<T>(&self, at: impl FnOnce(&Open<K>) -> T) -> Option<T> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner).open.as_ref().map(at)
    }

    /// Uses the key; once more after the session was lost.
    pub(crate) fn with<T>(
        &self,
        operation: &'static str,
        work: impl Fn(&Held<K>, &Open<K>) -> Result<T, UseError>,
    ) -> Result<T, Pkcs11Error> {
        let mut state = patient_lock(&self.state, PATIENCE)
            .ok_or_else(|| Pkcs11Error::Busy { token: self.token.clone() })?;
        if let Some(error) = &state.refused {
            return Err(error.clone());
        }
        let process = std::process::id();
        let mut lost = None;
        for _ in 0..2 {
            if let Some(foreign) = state.open.take_if(|open| open.process != process) {
                // The parent's, since a fork: closing it here might close it there.
                core::mem::forget(foreign.session);
            }
            if state.open.is_none() {
                match open(&self.uri, &self.access, &*self.choose) {
                    Ok(open) => state.open = Some(open),
                    Err(error) => return Err(self.not_again(&mut state, error, lost)),
                }
            }
            let Some(open) = &state.open else { break };
            match work(self, open) {
                Ok(result) => return Ok(result),
                Err(UseError::Call(error)) if is_lost(&error) => {
                    lost = Some(reason(&error));
                    state.open = None;
                }
                Err(UseError::Call(error)) => return Err(failed(operation, &error)),
                Err(UseError::Other(error)) => {
                    // With an operation begun, it is good for nothing else.
                    state.open = None;
                    return Err(self.not_again(&mut state, error, None));
                }
            }
        }
        let reason = lost.unwrap_or_default();
        Err(Pkcs11Error::TokenGone { token: self.token.clone(), reason })
    }

    /// The error for a key that was there before. `lost` is what the token answered last.
    fn not_again(
        &self,
        state: &mut State<K>,
        error: Pkcs11Error,
        lost: Option<String>,
    ) -> Pkcs11Error {
        match (error, lost) {
            (error @ (Pkcs11Error::WrongPin { .. } | Pkcs11Error::PinLocked { .. }), _) => {
                state.refused = Some(error.clone());
                error
            }
            (Pkcs11Error::NoToken { .. }, lost) => Pkcs11Error::TokenGone {
                token: self.token.clone(),
                reason: lost.unwrap_or_else(|| "it is not in its slot".to_owned()),
            },
            (Pkcs11Error::NoObject { .. } | Pkcs11Error::Token { .. }, Some(lost)) => {
                Pkcs11Error::TokenGone { token: self.token.clone(), reason: lost }
            }
            (error, _) => error,
        }
    }
}

/// How long one waits for another who is using the same key: the token may hang.
const PATIENCE: Duration = Duration::from_secs(10);

fn patient_lock<T>(mutex: &Mutex<T>, patience: Duration) -> Option<MutexGuard<'_, T>> {
    let began = Instant::now();
    loop {
        match mutex.try_lock() {
            Ok(guard) => return Some(guard),
            Err(TryLockError::Poisoned(guard)) => return Some(guard.into_inner()),
            Err(TryLockError::WouldBlock) if began.elapsed() < patience => {
                thread::sleep(Duration::from_millis(2));
            }
            Err(TryLockError::WouldBlock) => return None,
        }
    }
}

/// Why a use failed.
pub(crate) enum UseError {
    Call(CallError),
    Other(Pkcs11Error),
}

impl From<CallError> for UseError {
    fn from(error: CallError) -> Self {
        Self::Call(error)
    }
}

impl<K> Open<K> {
    /// Signs in one go.
    pub(crate) fn sign(&self, mechanism: &Mechanism<'_>, data: &[u8]) -> CallResult<Vec<u8>> {
        self.session.sign(mechanism, self.object.handle, data)
    }

    /// Signs with a key that wants the PIN for each signature: between the beginning and the end
    /// (PKCS#11 section 5.6.8, CKU_CONTEXT_SPECIFIC).
    pub(crate) fn sign_with_pin(
        &self,
        held: &Held<K>,
        mechanism: &Mechanism<'_>,
        message: &[u8],
    ) -> Result<Vec<u8>, UseError> {
        self.session.sign_init(mechanism, self.object.handle)?;
        token::give_pin(
            &self.session,
            UserType::ContextSpecific,
            &self.token,
            &held.uri,
            &held.access,
        )
        .map_err(UseError::Other)?;
        self.session.sign_update(message)?;
        Ok(self.session.sign_final()?)
    }

    pub(crate) fn name(&self) -> String {
        self.object.name()
    }
}

/// Finds the key on its token, in a session that is logged in.
fn open<K>(uri: &Pkcs11Uri, access: &Access, choose: &Choose<K>) -> Result<Open<K>, Pkcs11Error> {
    let module = module::load(uri, access.module_path())?;
    let token = token::find(&module, uri)?;
    let session = token::open(&module, &token)?;
    token::log_in(&session, &token, uri, access)?;
    let (object, about) = choose(&module, &session, &token)?;
    Ok(Open { session, token, object, about, process: std::process::id() })
}

impl<K> fmt::Debug for Held<K> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.uri.path())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nobody_waits_for_ever_for_who_is_using_the_key() {
        let mutex = Mutex::new(());
        let used = mutex.lock().unwrap();
        thread::scope(|scope| {
            let waiting = scope.spawn(|| patient_lock(&mutex, Duration::from_millis(50)).is_some());
            assert!(!waiting.join().unwrap());
            let waiting = scope.spawn(|| patient_lock(&mutex, Duration::from_secs(60)).is_some());
            thread::sleep(Duration::from_millis(20));
            drop(used);
            assert!(waiting.join().unwrap());
        });
    }
}
