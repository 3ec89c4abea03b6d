//! How long a client may hold a connection. hyper's own limit for a request's head also runs
//! while a connection is idle, and devices pause between two polls for minutes.

use core::pin::Pin;
use core::task::{Context, Poll};
use core::time::Duration;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::sync::Notify;
use tokio::time::{Instant, sleep_until};

/// From the first byte of a request to the end of its head; also for a new connection.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// From the head of a request to its answer. Bodies have a shorter limit of their own.
const ANSWER_PATIENCE: Duration = Duration::from_secs(60);
/// Between two requests: twice the longest pause between two polls.
const IDLE_PATIENCE: Duration = Duration::from_secs(600);

/// When one connection has run out of time; shared by those who see it move forward.
#[derive(Clone, Debug)]
pub(super) struct Patience(Arc<Shared>);

#[derive(Debug)]
struct Shared {
    limit: Mutex<Limit>,
    /// Wakes the one who waits for the limit: it may have come nearer.
    changed: Notify,
}

#[derive(Debug)]
struct Limit {
    until: Instant,
    /// No request has begun.
    idle: bool,
}

/// A request is being answered until this is dropped.
#[derive(Debug)]
pub(super) struct Busy(Patience);

impl Patience {
    /// For a connection that was just opened.
    pub(super) fn new() -> Self {
        let until = Instant::now() + HEAD_PATIENCE;
        let limit = Mutex::new(Limit { until, idle: false });
        Self(Arc::new(Shared { limit, changed: Notify::new() }))
    }

    /// The head of a request is there.
    pub(super) fn request(&self) -> Busy {
        self.set(Limit { until: Instant::now() + ANSWER_PATIENCE, idle: false });
        Busy(self.clone())
    }

    /// The answer takes this much longer than it needs.
    pub(super) fn prolong(&self, delay: Duration) {
        self.set(Limit { until: Instant::now() + ANSWER_PATIENCE + delay, idle: false });
    }

    /// There will be no answer; the client may wait for it this long.
    pub(super) fn allow(&self, wait: Duration) {
        self.set(Limit { until: Instant::now() + wait, idle: false });
    }

    /// Bytes have come.
    fn heard(&self) {
        if self.limit().idle {
            self.set(Limit { until: Instant::now() + HEAD_PATIENCE, idle: false });
        }
    }

    /// Waits until the time has run out.
    pub(super) async fn run_out(&self) {
        loop {
            let until = self.limit().until;
            if until <= Instant::now() {
                return;
            }
            tokio::select! {
                () = sleep_until(until) => {}
                () = self.0.changed.notified() => {}
            }
        }
    }

    fn set(&self, limit: Limit) {
        *self.limit() = limit;
        self.0.changed.notify_one();
    }

    fn limit(&self) -> MutexGuard<'_, Limit> {
        self.0.limit.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.set(Limit { until: Instant::now() + IDLE_PATIENCE, idle: true });
    }
}

/// A stream that tells when bytes have come.
#[derive(Debug)]
pub(super) struct Watched<S> {
    stream: S,
    patience: Patience,
}

impl<S> Watched<S> {
    pub(super) fn new(stream: S, patience: Patience) -> Self {
        Self { stream, patience }
    }
}

impl<S: AsyncRead + Unpin> AsyncRead for Watched<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buffer.filled().len();
        let polled = Pin::new(&mut self.stream).poll_read(context, buffer);
        if buffer.filled().len() > before {
            self.patience.heard();
        }
        polled
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Watched<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.stream).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
