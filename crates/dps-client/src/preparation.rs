//! What may take long before a connection: looking up the name, reading the trust anchors. It
//! runs on a thread of its own, so that no caller is blocked.

use crate::anchors;
use crate::wake::Interrupter;
use dps_core::{Error, ErrorKind, Stage};
use dps_transport::Endpoint;
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, TryRecvError, channel};

/// Addresses of an endpoint, looked up elsewhere.
#[derive(Debug)]
pub(crate) struct Preparation(State);

#[derive(Debug)]
enum State {
    Ready(Vec<SocketAddr>),
    Running(Receiver<Result<Vec<SocketAddr>, Error>>),
}

impl Preparation {
    /// Starts it. `done` is interrupted when the answer is there.
    pub(crate) fn start(
        endpoint: &Endpoint,
        port: u16,
        system_anchors: bool,
        done: Interrupter,
    ) -> Self {
        let anchors_missing = system_anchors && anchors::cached().is_none();
        if let Some(address) = endpoint.address()
            && !anchors_missing
        {
            return Self(State::Ready(vec![SocketAddr::new(address, port)]));
        }
        let (sender, receiver) = channel();
        let host = endpoint.host().to_owned();
        let failed = sender.clone();
        let thread = std::thread::Builder::new().name("dps-resolve".into()).spawn(move || {
            if anchors_missing {
                anchors::load();
            }
            // Nobody listens any more when the registration has ended; that is fine.
            let _ = sender.send(resolve(&host, port));
            done.interrupt();
        });
        if let Err(error) = thread {
            let error = Error::new(Stage::Resolve, ErrorKind::NameResolution)
                .with_detail(format!("no thread for the look-up: {error}"));
            let _ = failed.send(Err(error));
        }
        Self(State::Running(receiver))
    }

    /// The addresses, once they are there.
    pub(crate) fn poll(&mut self) -> Option<Result<Vec<SocketAddr>, Error>> {
        match &mut self.0 {
            State::Ready(addresses) => Some(Ok(core::mem::take(addresses))),
            State::Running(receiver) => match receiver.try_recv() {
                Ok(result) => Some(result),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => {
                    Some(Err(Error::new(Stage::Resolve, ErrorKind::NameResolution)
                        .with_detail("the look-up ended without an answer")))
                }
            },
        }
    }
}

/// Asks the system's resolver. Blocks.
fn resolve(host: &str, port: u16) -> Result<Vec<SocketAddr>, Error> {
    let failed =
        |detail: String| Error::new(Stage::Resolve, ErrorKind::NameResolution).with_detail(detail);
    let found =
        (host, port).to_socket_addrs().map_err(|error| failed(format!("{host}: {error}")))?;
    let mut addresses: Vec<SocketAddr> = Vec::new();
    for address in found {
        if !addresses.contains(&address) {
            addresses.push(address);
        }
    }
    if addresses.is_empty() { Err(failed(format!("{host} has no address"))) } else { Ok(addresses) }
}
