//! Drives a [`Session`](crate::Session) on a tokio runtime.

use crate::anchors;
use crate::client::{ProvisioningClient, already_running};
use crate::clock::SystemClock;
use crate::connector::{self, PER_ADDRESS};
use crate::module::{Asked, Away};
use crate::preparation::Prepared;
use crate::session::{Output, Session};
use crate::wire::MAX_UNSENT;
use dps_core::{Assignment, Error, ErrorKind, Stage, Status, Timestamp};
use std::future::{Future, pending, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::pin;
use std::task::Poll;
use std::time::Duration;
use tokio::io::{AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;
use tokio::time::timeout;

/// The goodbye must not hold up the outcome.
const FAREWELL: Duration = Duration::from_millis(200);

/// An open connection.
struct Open {
    stream: TcpStream,
    /// What the socket would not take yet. Kept here so that a timer may interrupt a write.
    unsent: Vec<u8>,
}

impl Open {
    /// Writes what is unsent, and reads until something has arrived; 0 is the end of the stream.
    /// May be dropped at any time without losing bytes.
    async fn exchange(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let interest = match self.unsent.len() {
                0 => Interest::READABLE,
                1..=MAX_UNSENT => Interest::READABLE | Interest::WRITABLE,
                _ => Interest::WRITABLE,
            };
            self.stream.ready(interest).await?;
            if let Some(count) = self.try_exchange(buffer)? {
                return Ok(count);
            }
        }
    }

    /// The same without waiting: `None` when nothing has arrived.
    fn try_exchange(&mut self, buffer: &mut [u8]) -> io::Result<Option<usize>> {
        let blocked = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        // Reading goes first: when writing fails, the reason may have arrived.
        if self.unsent.len() <= MAX_UNSENT {
            match self.stream.try_read(buffer) {
                Err(error) if blocked(&error) => {}
                result => return result.map(Some),
            }
        }
        if !self.unsent.is_empty() {
            match self.stream.try_write(&self.unsent) {
                Ok(written) => drop(self.unsent.drain(..written)),
                Err(error) if blocked(&error) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(None)
    }
}

impl ProvisioningClient {
    /// Registers on the tokio runtime that polls the future, which needs its I/O and time
    /// drivers. The future is `Send`. Dropping it ends the registration without an outcome and
    /// closes the connection without a goodbye.
    ///
    /// The security module works on a thread of its own, so that others on the runtime have their
    /// turn, unless it [works in place](dps_core::Hsm::works_in_place). When the deadline strikes or
    /// the future is dropped before it has answered, the thread is left to itself, and until it is
    /// done the next registration ends with [`ErrorKind::HsmBusy`].
    ///
    /// # Errors
    ///
    /// Any [`Error`]; see its stage, kind and hint. Stage config: a registration is already
    /// running.
    pub async fn register_async(&mut self) -> Result<Assignment, Error> {
        self.register_async_with(|_| {}).await
    }

    /// [`register_async`](Self::register_async), telling `on_status` what happens on the way.
    ///
    /// # Errors
    ///
    /// Any [`Error`]; see its stage, kind and hint.
    pub async fn register_async_with(
        &mut self,
        mut on_status: impl FnMut(Status) + Send,
    ) -> Result<Assignment, Error> {
        if self.is_running() {
            return Err(already_running());
        }
        // What a future that was dropped has left behind.
        self.rest();
        self.module.check_is_free()?;
        let clock = self.clock();
        let mut session = self.new_session(clock.now());
        let mut open: Option<Open> = None;
        let mut asked: Option<Asked> = None;
        let mut buffer = vec![0; 16 * 1024];
        loop {
            while let Some(output) = session.poll_output() {
                let output = match self.module.ask(&mut session, output, &mut clock.now(), None) {
                    Ok(question) => {
                        asked = question;
                        continue;
                    }
                    Err(output) => output,
                };
                match output {
                    // Asked above.
                    Output::Sign(_) | Output::ReadTpmKeys | Output::Activate(_) => {}
                    Output::Connect => open = self.connect_async(&mut session).await,
                    Output::Disconnect { farewell } => {
                        if let Some(mut open) = open.take() {
                            open.unsent.extend_from_slice(&farewell);
                            let goodbye = open.stream.write_all(&open.unsent);
                            let _ = timeout(FAREWELL, goodbye).await;
                        }
                    }
                    Output::Status(status) => on_status(status),
                    Output::Finished(result) => {
                        self.rest();
                        return self.explained(*result);
                    }
                }
            }
            let happened = next(clock, &mut session, &mut open, &mut asked, &mut buffer).await;
            let Happened::Arrived { count, overdue } = happened else { continue };
            let wire = buffer.get(..count).unwrap_or_default();
            if session.is_handshaking() && self.module.has_slow_key() {
                let (now, limit) = (clock.now(), self.policy().request_timeout);
                let away = self.module.receive(session, now, wire.to_vec(), limit, None);
                session = match back(clock, away).await {
                    Ok(session) => session,
                    Err(error) => {
                        self.rest();
                        return self.explained(Err(error));
                    }
                };
            } else {
                session.receive(clock.now(), wire);
            }
            if overdue {
                session.handle_timeout(clock.now());
            }
        }
    }

    /// Resolves and connects within the session's time; `None` when that failed.
    async fn connect_async(&mut self, session: &mut Session) -> Option<Open> {
        let clock = self.clock();
        session.reached(clock.now(), Stage::Resolve);
        self.adopt_settings();
        let system = self.wants_system_anchors();
        let (endpoint, port) = self.first_hop();
        let lookup = prepare(endpoint.host().to_owned(), port, system);
        let result = match until(clock, session.next_timeout(), lookup).await {
            None => Err(None),
            Some(Err(error)) => Err(Some(self.on_first_hop(error))),
            Some(Ok(prepared)) => match self.link(clock.now(), prepared.anchors.as_ref()) {
                Err(error) => Err(Some(error)),
                Ok(link) => match open_tcp(clock, session, prepared.addresses).await {
                    Err(error) => Err(error.map(|error| self.on_first_hop(error))),
                    Ok(stream) => Ok((stream, link)),
                },
            },
        };
        match result {
            Ok((stream, link)) => {
                // Our flights are small and written whole.
                let _ = stream.set_nodelay(true);
                session.opened(clock.now(), link);
                return Some(Open { stream, unsent: Vec::new() });
            }
            Err(Some(error)) => session.connect_failed(clock.now(), error),
            // A timer of the session's was due.
            Err(None) => session.handle_timeout(clock.now()),
        }
        None
    }
}

/// Looks up the name, and reads the trust anchors if they are wanted.
async fn prepare(host: String, port: u16, system: bool) -> Result<Prepared, Error> {
    let anchors = match anchors::cached() {
        _ if !system => None,
        Some(anchors) => Some(anchors),
        // Reads files. If the thread pool is gone, the TLS settings report that there are none.
        None => tokio::task::spawn_blocking(anchors::load).await.ok(),
    };
    let failed =
        |detail: String| Error::new(Stage::Resolve, ErrorKind::NameResolution).with_detail(detail);
    match tokio::net::lookup_host((host.as_str(), port)).await {
        Ok(found) => {
            let addresses: Vec<SocketAddr> = found.collect();
            if addresses.is_empty() {
                return Err(failed(format!("{host} has no address")));
            }
            Ok(Prepared { addresses, anchors })
        }
        Err(error) => Err(failed(format!("{host}: {error}"))),
    }
}

/// Tries the addresses in turn. The error is `None` when a timer of the session's is due.
async fn open_tcp(
    clock: SystemClock,
    session: &mut Session,
    addresses: Vec<SocketAddr>,
) -> Result<TcpStream, Option<Error>> {
    let mut failures = Vec::new();
    let mut left = addresses.into_iter().peekable();
    while let Some(address) = left.next() {
        session.reached(clock.now(), Stage::Connect);
        let others = left.peek().is_some();
        let attempt = async {
            let connect = TcpStream::connect(address);
            if !others {
                return connect.await;
            }
            timeout(PER_ADDRESS, connect)
                .await
                .unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
        };
        match until(clock, session.next_timeout(), attempt).await {
            None => return Err(None),
            Some(Ok(stream)) => return Ok(stream),
            Some(Err(error)) => {
                failures.push((address, error));
            }
        }
    }
    Err(Some(connector::failure(&failures)))
}

/// What a wait came to.
enum Happened {
    /// The session knows.
    Told,
    /// So many bytes are in the buffer, for the session.
    Arrived {
        count: usize,
        /// A timer is due, too.
        overdue: bool,
    },
}

/// Waits for the wire, the security module, or a timer, whatever comes first.
async fn next(
    clock: SystemClock,
    session: &mut Session,
    open: &mut Option<Open>,
    asked: &mut Option<Asked>,
    buffer: &mut [u8],
) -> Happened {
    if let Some(open) = open {
        session.transmit(clock.now(), &mut open.unsent);
        if session.has_output() {
            return Happened::Told;
        }
    }
    // However busy the peer keeps us, others on this runtime have their turn, and so does a
    // time-out around us.
    tokio::task::consume_budget().await;
    let due = session.next_timeout();
    let overdue = due.is_some_and(|due| due <= clock.now().at);
    let exchanged = match (overdue, open.as_mut()) {
        // What has arrived counts, however late it is looked at; then it is the timer's turn.
        (true, Some(open)) => open.try_exchange(buffer).transpose(),
        (true, None) => None,
        (false, open) => {
            let mut wire = pin!(async {
                match open {
                    Some(open) => open.exchange(buffer).await,
                    None => pending().await,
                }
            });
            let first = poll_fn(|context| {
                if let Some(question) = asked
                    && question.tell(session, clock.now(), Some(context.waker()))
                {
                    *asked = None;
                    return Poll::Ready(None);
                }
                wire.as_mut().poll(context).map(Some)
            });
            match until(clock, due, first).await {
                None => None,
                Some(None) => return Happened::Told,
                Some(exchanged) => exchanged,
            }
        }
    };
    match exchanged {
        None => session.handle_timeout(clock.now()),
        Some(Ok(0)) => session.closed(clock.now(), None),
        Some(Ok(count)) => return Happened::Arrived { count, overdue },
        Some(Err(error)) => {
            let error = Error::new(Stage::Connect, ErrorKind::ConnectionLost)
                .with_detail(error.to_string());
            session.closed(clock.now(), Some(error));
        }
    }
    if overdue {
        session.handle_timeout(clock.now());
    }
    Happened::Told
}

/// Waits for the session, or the end of its time.
async fn back(clock: SystemClock, mut away: Away) -> Result<Session, Error> {
    loop {
        let due = away.ends.map(|(at, _)| at);
        let came = poll_fn(|context| away.back(clock.now(), Some(context.waker())));
        if let Some(result) = until(clock, due, came).await {
            return result;
        }
    }
}

/// Runs `work` until it is done or `due` is reached.
async fn until<T>(
    clock: SystemClock,
    due: Option<Timestamp>,
    work: impl Future<Output = T>,
) -> Option<T> {
    match due {
        None => Some(work.await),
        Some(due) => {
            let pause = due.since(clock.now().at) + Duration::from_millis(1);
            timeout(pause, work).await.ok()
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Compiles only if the future may run on any thread, as `tokio::spawn` asks.
    #[allow(dead_code)]
    fn the_future_is_send(client: &mut ProvisioningClient) {
        fn is_send<T: Send>(_: T) {}
        is_send(client.register_async());
    }
}
