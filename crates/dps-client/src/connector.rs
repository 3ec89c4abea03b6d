//! Opens a TCP connection without blocking, trying the addresses in turn.

use core::time::Duration;
use dps_core::{Error, ErrorKind, Now, Stage, Timestamp};
use mio::net::TcpStream;
use std::collections::VecDeque;
use std::io;
use std::net::SocketAddr;

/// How long one address may take while others are left to try.
pub(crate) const PER_ADDRESS: Duration = Duration::from_secs(5);

#[derive(Debug)]
pub(crate) struct Connector {
    left: VecDeque<SocketAddr>,
    current: Option<Attempt>,
    failures: Vec<(SocketAddr, io::Error)>,
}

#[derive(Debug)]
struct Attempt {
    address: SocketAddr,
    stream: TcpStream,
    started: Timestamp,
    registered: bool,
}

pub(crate) enum Step {
    /// Not yet.
    Pending,
    /// The next address is being tried.
    NextAddress,
    /// The connection is open.
    Open(Box<TcpStream>, bool),
    /// No address answered.
    Failed(Error),
}

impl Connector {
    pub(crate) fn new(addresses: Vec<SocketAddr>) -> Self {
        Self { left: addresses.into(), current: None, failures: Vec::new() }
    }

    /// Moves on as far as it goes without waiting.
    pub(crate) fn poll(&mut self, now: Now) -> Step {
        let Some(attempt) = &mut self.current else {
            let Some(address) = self.left.pop_front() else {
                return Step::Failed(failure(&self.failures));
            };
            match TcpStream::connect(address) {
                Ok(stream) => {
                    tracing::debug!(%address, "connecting");
                    self.current =
                        Some(Attempt { address, stream, started: now.at, registered: false });
                }
                Err(error) => self.failures.push((address, error)),
            }
            return Step::NextAddress;
        };
        let error = match established(&attempt.stream) {
            Ok(true) => {
                let registered = attempt.registered;
                return match self.current.take() {
                    Some(attempt) => Step::Open(Box::new(attempt.stream), registered),
                    None => Step::Pending,
                };
            }
            Ok(false) if self.left.is_empty() || now.at < attempt.started + PER_ADDRESS => {
                return Step::Pending;
            }
            Ok(false) => io::ErrorKind::TimedOut.into(),
            Err(error) => error,
        };
        tracing::debug!(address = %attempt.address, %error, "not connected");
        self.failures.push((attempt.address, error));
        self.current = None;
        Step::NextAddress
    }

    /// When the next address is to be tried, if nothing happens before.
    pub(crate) fn next_timeout(&self) -> Option<Timestamp> {
        let attempt = self.current.as_ref()?;
        (!self.left.is_empty()).then_some(attempt.started + PER_ADDRESS)
    }

    /// The socket to wait for.
    pub(crate) fn socket(&mut self) -> Option<(&mut TcpStream, &mut bool)> {
        let attempt = self.current.as_mut()?;
        Some((&mut attempt.stream, &mut attempt.registered))
    }
}

/// What it means that no address could be connected to.
pub(crate) fn failure(failures: &[(SocketAddr, io::Error)]) -> Error {
    let refused =
        |(_, error): &(SocketAddr, io::Error)| error.kind() == io::ErrorKind::ConnectionRefused;
    let kind = if !failures.is_empty() && failures.iter().all(refused) {
        ErrorKind::ConnectionRefused
    } else {
        ErrorKind::ConnectFailed
    };
    let tried: Vec<String> =
        failures.iter().map(|(address, error)| format!("{address}: {error}")).collect();
    Error::new(Stage::Connect, kind).with_detail(tried.join("; "))
}

/// Whether a connection attempt has succeeded.
fn established(stream: &TcpStream) -> io::Result<bool> {
    if let Some(error) = stream.take_error()? {
        return Err(error);
    }
    match stream.peer_addr() {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::NotConnected => Ok(false),
        // EINPROGRESS has no kind of its own everywhere; a real failure shows up in take_error.
        Err(error) if error.kind() == io::ErrorKind::InvalidInput => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    fn now(seconds: u64) -> Now {
        Now::new(Timestamp::new(Duration::from_secs(seconds)), 0)
    }

    fn run(connector: &mut Connector) -> Result<TcpStream, Error> {
        loop {
            match connector.poll(now(0)) {
                Step::Open(stream, _) => return Ok(*stream),
                Step::Failed(error) => return Err(error),
                Step::Pending => std::thread::sleep(Duration::from_millis(1)),
                Step::NextAddress => {}
            }
        }
    }

    #[test]
    fn a_refused_address_is_followed_by_the_next() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        let gone = {
            let listener = TcpListener::bind("127.0.0.1:0").unwrap();
            listener.local_addr().unwrap()
        };
        let mut connector = Connector::new(vec![gone, good]);
        assert_eq!(run(&mut connector).unwrap().peer_addr().unwrap(), good);
        let error = run(&mut Connector::new(vec![gone])).unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::ConnectionRefused);
        assert!(error.to_string().contains(&gone.to_string()), "{error}");
    }

    #[test]
    fn both_address_families_are_tried() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let good = listener.local_addr().unwrap();
        let v6: SocketAddr = format!("[::1]:{}", good.port()).parse().unwrap();
        let mut connector = Connector::new(vec![v6, good]);
        assert_eq!(run(&mut connector).unwrap().peer_addr().unwrap(), good);
    }
}
