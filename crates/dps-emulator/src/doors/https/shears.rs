//! Cuts an answer off where a fault wants it: hyper writes heads and bodies, so it is done between
//! hyper and TLS.

use core::pin::Pin;
use core::task::{Context, Poll, ready};
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// How much of the current answer may go out; shared by those who answer and the stream.
#[derive(Clone, Debug, Default)]
pub(super) struct Shears(Arc<Mutex<Option<Cut>>>);

#[derive(Clone, Copy, Debug)]
struct Cut {
    left: usize,
    /// Something of the answer has gone out.
    begun: bool,
}

impl Shears {
    /// Has the next answer cut off after so many bytes.
    pub(super) fn cut_after(&self, bytes: usize) {
        *self.lock() = Some(Cut { left: bytes, begun: false });
    }

    fn lock(&self) -> MutexGuard<'_, Option<Cut>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A stream that fails where it is cut. Whoever drops it then, without shutting it down, has the
/// client see no farewell.
#[derive(Debug)]
pub(super) struct Shorn<S> {
    stream: S,
    shears: Shears,
}

impl<S> Shorn<S> {
    pub(super) fn new(stream: S, shears: Shears) -> Self {
        Self { stream, shears }
    }
}

fn cut() -> io::Error {
    io::Error::new(io::ErrorKind::ConnectionAborted, "a fault has cut the answer off")
}

impl<S: AsyncRead + Unpin> AsyncRead for Shorn<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Unpin> AsyncWrite for Shorn<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let Some(Cut { left, .. }) = *self.shears.lock() else {
            return Pin::new(&mut self.stream).poll_write(context, bytes);
        };
        let allowed = bytes.get(..left).unwrap_or(bytes);
        if allowed.is_empty() {
            // What was allowed must be on its way first.
            ready!(Pin::new(&mut self.stream).poll_flush(context))?;
            return Poll::Ready(Err(cut()));
        }
        let written = ready!(Pin::new(&mut self.stream).poll_write(context, allowed))?;
        *self.shears.lock() = Some(Cut { left: left.saturating_sub(written), begun: true });
        Poll::Ready(Ok(written))
    }

    /// hyper flushes when all of an answer is written: one that is shorter is cut off at its end.
    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        ready!(Pin::new(&mut self.stream).poll_flush(context))?;
        match *self.shears.lock() {
            Some(Cut { begun: true, .. }) => Poll::Ready(Err(cut())),
            _ => Poll::Ready(Ok(())),
        }
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.shears.lock().is_some() {
            return Poll::Ready(Err(cut()));
        }
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}
