//! Drives a [`Session`](crate::Session) on a tokio runtime.

use crate::anchors;
use crate::client::ProvisioningClient;
use crate::session::{Output, Session};
use dps_core::{Assignment, Error, ErrorKind, Stage, Status, Timestamp};
use std::future::Future;
use std::io;
use std::time::Duration;
use tokio::io::{AsyncWriteExt as _, Interest};
use tokio::net::TcpStream;

/// How long one address may take while others are left to try.
const PER_ADDRESS: Duration = Duration::from_secs(5);
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
        let blocked = |error: &io::Error| error.kind() == io::ErrorKind::WouldBlock;
        loop {
            let interest = if self.unsent.is_empty() {
                Interest::READABLE
            } else {
                Interest::READABLE | Interest::WRITABLE
            };
            self.stream.ready(interest).await?;
            // Reading goes first: when writing fails, the reason may have arrived.
            match self.stream.try_read(buffer) {
                Err(error) if blocked(&error) => {}
                result => return result,
            }
            if !self.unsent.is_empty() {
                match self.stream.try_write(&self.unsent) {
                    Ok(written) => drop(self.unsent.drain(..written)),
                    Err(error) if blocked(&error) => {}
                    Err(error) => return Err(error),
                }
            }
        }
    }
}

impl ProvisioningClient {
    /// Registers on the tokio runtime that polls the future, which needs its I/O and time
    /// drivers. Dropping the future ends the registration without an outcome.
    ///
    /// # Errors
    ///
    /// Any [`Error`]; see its stage, kind and hint.
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
        let mut session = self.new_session(self.now());
        let mut open: Option<Open> = None;
        loop {
            while let Some(output) = session.poll_output() {
                match output {
                    Output::Sign(text) => {
                        let signature = self.hsm.sign(text.as_bytes());
                        session.signed(self.now(), signature);
                    }
                    Output::Connect => open = self.connect(&mut session).await,
                    Output::Disconnect { farewell } => {
                        if let Some(mut open) = open.take() {
                            open.unsent.extend_from_slice(&farewell);
                            let goodbye = open.stream.write_all(&open.unsent);
                            let _ = tokio::time::timeout(FAREWELL, goodbye).await;
                        }
                    }
                    Output::Status(status) => on_status(status),
                    Output::Finished(result) => return *result,
                }
            }
            self.exchange(&mut session, &mut open).await;
        }
    }

    /// Moves bytes until something happens or a timer is due.
    async fn exchange(&self, session: &mut Session, open: &mut Option<Open>) {
        if let Some(open) = open {
            session.transmit(self.now(), &mut open.unsent);
            if session.has_output() {
                return;
            }
        }
        let due = session.next_timeout();
        let Some(open) = open else {
            self.until(due, std::future::pending::<()>()).await;
            return session.handle_timeout(self.now());
        };
        let mut buffer = vec![0; 16 * 1024];
        match self.until(due, open.exchange(&mut buffer)).await {
            None => session.handle_timeout(self.now()),
            Some(Ok(0)) => session.closed(self.now(), None),
            Some(Ok(count)) => {
                session.receive(self.now(), buffer.get(..count).unwrap_or_default());
            }
            Some(Err(error)) => {
                let error = Error::new(Stage::Connect, ErrorKind::ConnectionLost)
                    .with_detail(error.to_string());
                session.closed(self.now(), Some(error));
            }
        }
    }

    /// Runs `work` until it is done or `due` is reached.
    async fn until<T>(&self, due: Option<Timestamp>, work: impl Future<Output = T>) -> Option<T> {
        match due {
            None => Some(work.await),
            Some(due) => {
                let pause = due.since(self.now().at) + Duration::from_millis(1);
                tokio::time::timeout(pause, work).await.ok()
            }
        }
    }

    /// Resolves and connects within the session's time; `None` when that failed.
    async fn connect(&mut self, session: &mut Session) -> Option<Open> {
        let (endpoint, port) = self.endpoint();
        let (host, system) = (endpoint.host().to_owned(), self.wants_system_anchors());
        let prepare = async {
            if system && anchors::cached().is_none() {
                // Reading files; if the thread pool is gone the settings report no anchors.
                let _ = tokio::task::spawn_blocking(|| anchors::load().len()).await;
            }
            let found = tokio::net::lookup_host((host.as_str(), port)).await;
            found.map(Iterator::collect::<Vec<_>>)
        };
        let addresses = match self.until(session.next_timeout(), prepare).await {
            None => return self.late(session),
            Some(Ok(addresses)) => addresses,
            Some(Err(error)) => {
                let error = Error::new(Stage::Resolve, ErrorKind::NameResolution)
                    .with_detail(format!("{host}: {error}"));
                session.connect_failed(self.now(), error);
                return None;
            }
        };
        let mut failures = Vec::new();
        let mut refused = !addresses.is_empty();
        for address in addresses {
            session.reached(self.now(), Stage::Connect);
            let attempt = tokio::time::timeout(PER_ADDRESS, TcpStream::connect(address));
            match self.until(session.next_timeout(), attempt).await {
                None => return self.late(session),
                Some(Ok(Ok(stream))) => {
                    let _ = stream.set_nodelay(true);
                    return match self.link(self.now()) {
                        Ok(link) => {
                            session.opened(self.now(), link);
                            Some(Open { stream, unsent: Vec::new() })
                        }
                        Err(error) => {
                            session.connect_failed(self.now(), error);
                            None
                        }
                    };
                }
                Some(Ok(Err(error))) => {
                    refused &= error.kind() == std::io::ErrorKind::ConnectionRefused;
                    failures.push(format!("{address}: {error}"));
                }
                Some(Err(_)) => {
                    refused = false;
                    failures.push(format!("{address}: timed out"));
                }
            }
        }
        let kind = if refused { ErrorKind::ConnectionRefused } else { ErrorKind::ConnectFailed };
        let error = Error::new(Stage::Connect, kind).with_detail(failures.join("; "));
        session.connect_failed(self.now(), error);
        None
    }

    fn late(&self, session: &mut Session) -> Option<Open> {
        session.handle_timeout(self.now());
        None
    }
}
