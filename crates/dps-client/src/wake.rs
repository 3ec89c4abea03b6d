//! Sleeping until something happens, and being woken from another thread.

use mio::{Events, Poll, Token, Waker};
use std::io;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::task::{Wake, Waker as TaskWaker};
use std::time::Duration;

const WAKE: Token = Token(0);
const SOCKET: Token = Token(1);

/// Sleep this long at a time when the operating system gives no poll object.
const BLIND_NAP: Duration = Duration::from_millis(10);

#[derive(Debug, Default)]
struct Shared {
    /// Set by an interrupt, cleared by the wait that it ends.
    raised: AtomicBool,
    /// There once somebody has waited.
    waker: Mutex<Option<Arc<Waker>>>,
}

/// Ends a [`ProvisioningClient::wait`](crate::ProvisioningClient::wait) from another thread. An
/// interrupt that finds nobody waiting ends the next wait at once.
#[derive(Clone, Debug, Default)]
pub struct Interrupter(Arc<Shared>);

impl Wake for Shared {
    fn wake(self: Arc<Self>) {
        Interrupter(self).interrupt();
    }
}

impl Interrupter {
    /// The same for those who wake tasks.
    pub(crate) fn into_waker(self) -> TaskWaker {
        self.0.into()
    }

    /// Ends the wait.
    pub fn interrupt(&self) {
        self.0.raised.store(true, Ordering::SeqCst);
        let waker = self.0.waker.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(waker) = waker.as_ref() {
            // If this fails the sleeper wakes a little later, by its timer.
            let _ = waker.wake();
        }
    }

    fn take(&self) -> bool {
        self.0.raised.swap(false, Ordering::SeqCst)
    }
}

/// The sleeper's side. Makes its poll object when first used, so that programs that only poll
/// need none.
#[derive(Debug, Default)]
pub(crate) struct Sleeper {
    interrupter: Interrupter,
    poll: Option<(Poll, Events)>,
}

impl Sleeper {
    pub(crate) fn interrupter(&self) -> Interrupter {
        self.interrupter.clone()
    }

    /// Sleeps until `socket` can move bytes, an interrupt, or the end of `at_most`. `registered`
    /// tells whether this poll object knows the socket already.
    pub(crate) fn sleep(
        &mut self,
        socket: Option<(&mut mio::net::TcpStream, &mut bool)>,
        at_most: Duration,
    ) {
        if self.poll.is_none() {
            self.poll = self.make_poll().ok();
        }
        // After the waker is in place, so that no interrupt can fall between.
        if self.interrupter.take() {
            return;
        }
        let Some((poll, events)) = &mut self.poll else {
            std::thread::sleep(at_most.min(BLIND_NAP));
            self.interrupter.take();
            return;
        };
        if let Some((stream, registered)) = socket
            && !*registered
        {
            let interest = mio::Interest::READABLE | mio::Interest::WRITABLE;
            if poll.registry().register(stream, SOCKET, interest).is_err() {
                std::thread::sleep(at_most.min(BLIND_NAP));
                return;
            }
            *registered = true;
        }
        // An error here (a signal) ends the sleep early, which does no harm.
        let _ = poll.poll(events, Some(at_most));
        self.interrupter.take();
    }

    /// Gives the poll object back. An interrupter stays good for the next one.
    pub(crate) fn release(&mut self) {
        if self.poll.take().is_some() {
            let mut slot = self.interrupter.0.waker.lock().unwrap_or_else(PoisonError::into_inner);
            *slot = None;
        }
    }

    fn make_poll(&self) -> io::Result<(Poll, Events)> {
        let poll = Poll::new()?;
        let waker = Arc::new(Waker::new(poll.registry(), WAKE)?);
        let mut slot = self.interrupter.0.waker.lock().unwrap_or_else(PoisonError::into_inner);
        *slot = Some(waker);
        Ok((poll, Events::with_capacity(8)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interrupt_before_the_sleep_is_not_lost() {
        let mut sleeper = Sleeper::default();
        sleeper.interrupter().interrupt();
        // Would hang for an hour if it were.
        sleeper.sleep(None, Duration::from_secs(3600));
    }

    #[test]
    fn an_interrupt_ends_a_sleep() {
        let mut sleeper = Sleeper::default();
        let interrupter = sleeper.interrupter();
        let thread = std::thread::spawn(move || {
            std::thread::sleep(Duration::from_millis(50));
            interrupter.interrupt();
        });
        sleeper.sleep(None, Duration::from_secs(3600));
        thread.join().unwrap();
        // Its flag is used up: the next sleep lasts.
        sleeper.sleep(None, Duration::from_millis(1));
        assert!(!sleeper.interrupter.take());
    }
}
