//! Keeping the program's signals away from threads of ours.
#![allow(unsafe_code)]

/// While it lives, the calling thread, and so every thread it starts, takes no signals but those
/// that report a fault of the thread itself.
pub(crate) struct Blocked {
    #[cfg(unix)]
    before: Option<libc::sigset_t>,
}

impl Blocked {
    #[cfg(unix)]
    pub(crate) fn new() -> Self {
        // SAFETY: all sets are plain data that the calls write to; a thread may change its own
        // mask.
        let before = unsafe {
            let mut all: libc::sigset_t = core::mem::zeroed();
            let mut before: libc::sigset_t = core::mem::zeroed();
            libc::sigfillset(&mut all);
            for fault in [libc::SIGSEGV, libc::SIGBUS, libc::SIGFPE, libc::SIGILL, libc::SIGABRT] {
                libc::sigdelset(&mut all, fault);
            }
            let blocked = libc::pthread_sigmask(libc::SIG_BLOCK, &all, &mut before) == 0;
            blocked.then_some(before)
        };
        Self { before }
    }

    #[cfg(not(unix))]
    pub(crate) fn new() -> Self {
        Self {}
    }
}

#[cfg(unix)]
impl Drop for Blocked {
    fn drop(&mut self) {
        if let Some(before) = &self.before {
            // SAFETY: the mask that this thread had.
            unsafe {
                libc::pthread_sigmask(libc::SIG_SETMASK, before, core::ptr::null_mut());
            }
        }
    }
}

#[cfg(all(test, unix))]
mod tests {
    use super::*;

    fn is_blocked(signal: i32) -> bool {
        // SAFETY: asks for the calling thread's own mask.
        unsafe {
            let mut now: libc::sigset_t = core::mem::zeroed();
            libc::pthread_sigmask(libc::SIG_BLOCK, core::ptr::null(), &mut now);
            libc::sigismember(&now, signal) == 1
        }
    }

    #[test]
    fn threads_started_meanwhile_take_no_signals_and_the_mask_comes_back() {
        assert!(!is_blocked(libc::SIGUSR1));
        {
            let _blocked = Blocked::new();
            assert!(std::thread::spawn(|| is_blocked(libc::SIGUSR1)).join().unwrap());
            assert!(!is_blocked(libc::SIGSEGV));
        }
        assert!(!is_blocked(libc::SIGUSR1));
    }
}
