//! Work on a thread of its own, whose result whoever wants it is woken for.

use core::task::{Poll, Waker};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tracing::dispatcher;

/// A result that a thread brings. Ready with `None` when it ended without one: it panicked, could not
/// be started, or is another process's since a fork.
#[derive(Debug)]
pub(crate) struct Errand<T> {
    place: Arc<Mutex<Place<T>>>,
    process: u32,
}

#[derive(Debug)]
struct Place<T> {
    result: Option<T>,
    over: bool,
    waker: Option<Waker>,
}

/// Held by the thread; when it is dropped the errand is over.
struct Carrier<T>(Arc<Mutex<Place<T>>>);

impl<T: Send + 'static> Errand<T> {
    /// Starts it; `waker` is woken when it is over. Whoever drops the errand leaves the thread to
    /// itself.
    pub(crate) fn start(
        name: &str,
        waker: Option<Waker>,
        work: impl FnOnce() -> T + Send + 'static,
    ) -> Self {
        let place = Arc::new(Mutex::new(Place { result: None, over: false, waker }));
        let carrier = Carrier(place.clone());
        // What it reports goes where the reports of whoever starts it go.
        let listener = dispatcher::get_default(Clone::clone);
        spawn(
            name,
            Box::new(move || {
                let result = dispatcher::with_default(&listener, work);
                drop(listener);
                locked(&carrier.0).result = Some(result);
                drop(carrier);
            }),
        );
        Self { place, process: std::process::id() }
    }
}

impl<T> Errand<T> {
    /// The result, if it is there. Else `waker` is woken once it is, or the one before if none is
    /// given.
    pub(crate) fn ask(&mut self, waker: Option<&Waker>) -> Poll<Option<T>> {
        // After a fork nobody brings it, and the lock may never be given back.
        if self.process != std::process::id() {
            return Poll::Ready(None);
        }
        let mut place = locked(&self.place);
        if place.over {
            return Poll::Ready(place.result.take());
        }
        if let Some(waker) = waker {
            place.waker = Some(waker.clone());
        }
        Poll::Pending
    }
}

/// In one place for all kinds of errands: the code that starts a thread is large.
#[inline(never)]
fn spawn(name: &str, run: Box<dyn FnOnce() + Send>) {
    // When there is no thread to be had, the carrier is dropped with what it was to run.
    if let Err(error) = std::thread::Builder::new().name(name.to_owned()).spawn(run) {
        tracing::warn!(%error, name, "no thread");
    }
}

impl<T> Drop for Carrier<T> {
    fn drop(&mut self) {
        let waker = {
            let mut place = locked(&self.0);
            place.over = true;
            place.waker.take()
        };
        if let Some(waker) = waker {
            waker.wake();
        }
    }
}

fn locked<T>(place: &Mutex<Place<T>>) -> MutexGuard<'_, Place<T>> {
    place.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wake::Sleeper;
    use std::time::Duration;

    #[test]
    fn the_result_ends_a_sleep_and_can_be_fetched() {
        let mut sleeper = Sleeper::default();
        let waker = sleeper.interrupter().into_waker();
        let mut errand = Errand::start("test", Some(waker.clone()), || {
            std::thread::sleep(Duration::from_millis(50));
            7
        });
        sleeper.sleep(None, Duration::from_secs(3600));
        let mut polls = 0;
        let result = loop {
            match errand.ask(Some(&waker)) {
                Poll::Ready(result) => break result,
                // Would hang for an hour if it were not woken.
                Poll::Pending => sleeper.sleep(None, Duration::from_secs(3600)),
            }
            polls += 1;
        };
        assert_eq!(result, Some(7));
        assert!(polls < 10, "{polls}");
    }

    #[test]
    fn one_that_panics_is_over_without_a_result() {
        let mut errand = Errand::<u8>::start("test", None, || panic!("on purpose"));
        let mut sleeper = Sleeper::default();
        let waker = sleeper.interrupter().into_waker();
        while errand.ask(Some(&waker)).is_pending() {
            sleeper.sleep(None, Duration::from_secs(3600));
        }
        assert_eq!(errand.ask(Some(&waker)), Poll::Ready(None));
    }

    /// Notes on which threads something was reported.
    struct Listener(Arc<Mutex<Vec<std::thread::ThreadId>>>);

    impl tracing::Subscriber for Listener {
        fn enabled(&self, _: &tracing::Metadata<'_>) -> bool {
            true
        }
        fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
            tracing::span::Id::from_u64(1)
        }
        fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}
        fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}
        fn event(&self, _: &tracing::Event<'_>) {
            self.0.lock().unwrap().push(std::thread::current().id());
        }
        fn enter(&self, _: &tracing::span::Id) {}
        fn exit(&self, _: &tracing::span::Id) {}
    }

    #[test]
    fn who_listens_to_this_thread_hears_what_the_errand_reports() {
        let heard = Arc::new(Mutex::new(Vec::new()));
        let mut errand = tracing::subscriber::with_default(Listener(heard.clone()), || {
            Errand::start("test", None, || tracing::warn!("on purpose"))
        });
        while errand.ask(None).is_pending() {
            std::thread::yield_now();
        }
        let heard = heard.lock().unwrap();
        assert_eq!(heard.len(), 1);
        assert_ne!(heard[0], std::thread::current().id());
    }
}
