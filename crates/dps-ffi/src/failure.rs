//! Why something failed, kept for `dps_last_failure`.

use crate::abi::{DPS_FAILURE, PROV_DEVICE_RESULT};
use crate::result::Codes;
use core::cell::RefCell;
use core::ffi::c_char;
use core::fmt;
use core::ptr;
use dps_client::{Error, ErrorKind, Stage};
use std::ffi::CString;
use std::sync::Arc;

/// A failure in words that C can read. Cheap to clone.
#[derive(Clone, Debug)]
pub(crate) struct Failure(Arc<Words>);

#[derive(Clone, Debug)]
struct Words {
    result: PROV_DEVICE_RESULT,
    transient: bool,
    stage: CString,
    text: CString,
    hint: CString,
    line: CString,
    status: u32,
    error_code: u32,
    message: Option<CString>,
    tracking_id: Option<CString>,
    time: Option<CString>,
}

impl Failure {
    /// What a registration ended with.
    pub(crate) fn of_registration(error: &Error, codes: Codes) -> Self {
        Self::with_result(codes.of(error), error)
    }

    /// What was found before anything was sent. The original finds it out by trying.
    pub(crate) fn before_sending(error: &Error) -> Self {
        Self::with_result(PROV_DEVICE_RESULT::PROV_DEVICE_RESULT_TRANSPORT, error)
    }

    /// A failure with a code of its own.
    pub(crate) fn with_result(result: PROV_DEVICE_RESULT, error: &Error) -> Self {
        let service = error.service();
        let (text, hint) = (error.to_string(), error.hint());
        Self(Arc::new(Words {
            result,
            transient: error.is_transient(),
            stage: c_text(error.stage().as_str()),
            line: c_text(&format!("{text}; {hint}")),
            text: c_text(&text),
            hint: c_text(hint),
            status: service.map_or(0, |service| service.status.into()),
            error_code: service.and_then(|service| service.error_code).unwrap_or(0),
            message: service.and_then(|service| service.message.as_deref()).map(c_text),
            tracking_id: service.and_then(|service| service.tracking_id.as_deref()).map(c_text),
            time: service.and_then(|service| service.timestamp.as_deref()).map(c_text),
        }))
    }

    /// The same with another code.
    pub(crate) fn under(self, result: PROV_DEVICE_RESULT) -> Self {
        Self(Arc::new(Words { result, ..(*self.0).clone() }))
    }

    /// The same with other advice.
    pub(crate) fn with_hint(self, hint: &str) -> Self {
        let words = Words {
            line: c_text(&format!("{}; {hint}", self.0.text.to_string_lossy())),
            hint: c_text(hint),
            ..(*self.0).clone()
        };
        Self(Arc::new(words))
    }

    /// A wrong call.
    pub(crate) fn usage(result: PROV_DEVICE_RESULT, detail: impl Into<String>) -> Self {
        let error = Error::new(Stage::Config, ErrorKind::InvalidConfig).with_detail(detail);
        Self::with_result(result, &error)
    }

    pub(crate) fn result(&self) -> PROV_DEVICE_RESULT {
        self.0.result
    }
}

impl fmt::Display for Failure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.line.to_string_lossy())
    }
}

#[cfg(test)]
impl fmt::Display for LastFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.last.as_ref().map_or(Ok(()), |failure| failure.fmt(f))
    }
}

/// The last failure of a handle or thread.
#[derive(Debug, Default)]
pub(crate) struct LastFailure {
    last: Option<Failure>,
}

impl LastFailure {
    pub(crate) const fn new() -> Self {
        Self { last: None }
    }

    /// Remembers `failure` and gives its code.
    pub(crate) fn set(&mut self, failure: Failure) -> PROV_DEVICE_RESULT {
        let result = failure.result();
        self.last = Some(failure);
        result
    }

    /// Nothing has failed. What C may be reading stays.
    pub(crate) fn clear(&mut self) {
        self.last = None;
    }

    /// For C; lives until the calling thread calls this function or `line` again, for any handle.
    pub(crate) fn show(&self) -> DPS_FAILURE {
        let shown = keep(self.last.clone());
        let text = |text: &CString| text.as_ptr();
        let maybe = |text: &Option<CString>| text.as_ref().map_or(ptr::null(), |t| t.as_ptr());
        let size = size_of::<DPS_FAILURE>();
        match shown.as_ref().map(|failure| &*failure.0) {
            Some(failure) => DPS_FAILURE {
                size,
                result: failure.result,
                transient: failure.transient.into(),
                stage: text(&failure.stage),
                text: text(&failure.text),
                hint: text(&failure.hint),
                service_status: failure.status,
                service_error_code: failure.error_code,
                service_message: maybe(&failure.message),
                service_tracking_id: maybe(&failure.tracking_id),
                service_time: maybe(&failure.time),
            },
            None => DPS_FAILURE {
                size,
                result: PROV_DEVICE_RESULT::PROV_DEVICE_RESULT_OK,
                transient: 0,
                stage: c"".as_ptr(),
                text: c"".as_ptr(),
                hint: c"".as_ptr(),
                service_status: 0,
                service_error_code: 0,
                service_message: ptr::null(),
                service_tracking_id: ptr::null(),
                service_time: ptr::null(),
            },
        }
    }

    /// For C; lives as long as what `show` gives.
    pub(crate) fn line(&self) -> *const c_char {
        keep(self.last.clone()).as_ref().map_or(c"".as_ptr(), |failure| failure.0.line.as_ptr())
    }
}

/// Keeps what the calling thread is shown alive until it asks again: another thread that asks, or
/// another failure, must not take the texts away. Gives it back unless the thread is ending.
fn keep(failure: Option<Failure>) -> Option<Failure> {
    let kept = SHOWN.try_with(|shown| shown.borrow_mut().clone_from(&failure));
    failure.filter(|_| kept.is_ok())
}

thread_local! {
    /// What C may be reading on this thread.
    static SHOWN: RefCell<Option<Failure>> = const { RefCell::new(None) };
    /// Failures of calls that have no handle to keep them.
    static OF_THREAD: RefCell<LastFailure> = const { RefCell::new(LastFailure::new()) };
}

/// Works on the calling thread's last failure. `None` while the thread is being torn down.
pub(crate) fn of_thread<T>(work: impl FnOnce(&mut LastFailure) -> T) -> Option<T> {
    OF_THREAD.try_with(|failure| work(&mut failure.borrow_mut())).ok()
}

/// Remembers a wrong call without a handle, and gives its code.
pub(crate) fn refuse(result: PROV_DEVICE_RESULT, detail: impl Into<String>) -> PROV_DEVICE_RESULT {
    of_thread(|last| last.set(Failure::usage(result, detail)));
    result
}

/// One line without NUL and other control characters: the service's words may end up on a
/// terminal.
fn c_text(text: &str) -> CString {
    let text: String = text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    // NUL is a control character, so this never falls back.
    CString::new(text).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;
    use core::ffi::CStr;
    use dps_client::{ServiceError, Transport};

    #[test]
    fn carries_what_the_service_said() {
        let error = Error::new(Stage::Register, ErrorKind::Service { status: 401 }).with_service(
            ServiceError {
                status: 401,
                error_code: Some(401_002),
                tracking_id: Some("track\u{1b}[31m".into()),
                message: Some("Unauth\0orized".into()),
                timestamp: None,
            },
        );
        let failure = Failure::of_registration(&error, Codes::originals(Transport::Mqtt));
        assert_eq!(failure.result(), PROV_DEVICE_RESULT::PROV_DEVICE_RESULT_DEV_AUTH_ERROR);
        let failure = failure.0;
        assert_eq!(failure.stage.as_c_str(), c"register");
        assert_eq!((failure.status, failure.error_code), (401, 401_002));
        assert_eq!(failure.message.as_deref(), Some(c"Unauth orized"));
        assert_eq!(failure.tracking_id.as_deref(), Some(c"track [31m"));
        assert!(failure.time.is_none());
        assert!(failure.hint.to_str().unwrap().contains("derived key"));
        assert!(failure.line.to_str().unwrap().ends_with(failure.hint.to_str().unwrap()));
    }

    #[test]
    fn texts_live_until_the_next_question() {
        let mut last = LastFailure::new();
        assert_eq!(last.show().result, PROV_DEVICE_RESULT::PROV_DEVICE_RESULT_OK);
        last.set(Failure::usage(PROV_DEVICE_RESULT::PROV_DEVICE_RESULT_ERROR, "one"));
        let shown = last.show();
        last.set(Failure::usage(PROV_DEVICE_RESULT::PROV_DEVICE_RESULT_ERROR, "two"));
        last.clear();
        // Not taken away by another failure, nor by another thread's question.
        std::thread::scope(|scope| drop(scope.spawn(|| last.line().addr()).join()));
        let kept = SHOWN.with(|shown| shown.borrow().clone()).unwrap();
        assert_eq!(shown.text, kept.0.text.as_ptr());
        assert!(kept.0.text.to_str().unwrap().contains("one"));
        assert_eq!(last.line(), c"".as_ptr());
    }

    #[test]
    fn calls_without_a_handle_are_remembered_by_thread() {
        refuse(PROV_DEVICE_RESULT::PROV_DEVICE_RESULT_INVALID_ARG, "here");
        let other = std::thread::spawn(|| of_thread(|last| last.show().result));
        assert_eq!(other.join().unwrap(), Some(PROV_DEVICE_RESULT::PROV_DEVICE_RESULT_OK));
        let line: &CStr = &of_thread(|last| last.last.clone()).flatten().unwrap().0.line.clone();
        assert!(line.to_str().unwrap().contains("here"));
    }
}
