//! What may take long before a connection: looking up the name, reading the trust anchors. It
//! runs on a thread of its own, so that no caller is blocked.

use crate::anchors;
use crate::wake::Interrupter;
use dps_core::{Error, ErrorKind, Stage};
use dps_transport::{Endpoint, SystemAnchors};
use std::net::{SocketAddr, ToSocketAddrs};
use std::sync::mpsc::{Receiver, TryRecvError, channel};

/// What a connection needs to know.
#[derive(Clone, Debug)]
pub(crate) struct Prepared {
    pub(crate) addresses: Vec<SocketAddr>,
    /// The system's trust anchors, if they were wanted.
    pub(crate) anchors: Option<SystemAnchors>,
}

/// A preparation that is under way.
#[derive(Debug)]
pub(crate) struct Preparation {
    state: State,
    /// After a fork the thread is the parent's.
    process: u32,
}

#[derive(Debug)]
enum State {
    Ready(Option<Prepared>),
    Running(Receiver<Result<Prepared, Error>>),
}

impl Preparation {
    /// Starts it. `done` is interrupted when the answer is there.
    pub(crate) fn start(endpoint: &Endpoint, port: u16, system: bool, done: Interrupter) -> Self {
        let anchors = if system { anchors::cached() } else { None };
        if let Some(address) = endpoint.address()
            && (!system || anchors.is_some())
        {
            let addresses = vec![SocketAddr::new(address, port)];
            return Self::of(State::Ready(Some(Prepared { addresses, anchors })));
        }
        let (sender, receiver) = channel();
        let host = endpoint.host().to_owned();
        let failed = sender.clone();
        let thread = std::thread::Builder::new().name("dps-resolve".into()).spawn(move || {
            let anchors = system.then(anchors::load);
            let prepared = resolve(&host, port).map(|addresses| Prepared { addresses, anchors });
            // Nobody listens any more when the client is gone; that is fine.
            let _ = sender.send(prepared);
            done.interrupt();
        });
        if let Err(error) = thread {
            let error = Error::new(Stage::Resolve, ErrorKind::NameResolution)
                .with_detail(format!("no thread for the look-up: {error}"));
            let _ = failed.send(Err(error));
        }
        Self::of(State::Running(receiver))
    }

    fn of(state: State) -> Self {
        Self { state, process: std::process::id() }
    }

    /// Whether its answer can still come here.
    pub(crate) fn is_ours(&self) -> bool {
        self.process == std::process::id()
    }

    /// The answer, once it is there.
    pub(crate) fn poll(&mut self) -> Option<Result<Prepared, Error>> {
        let gone = || {
            Err(Error::new(Stage::Resolve, ErrorKind::NameResolution)
                .with_detail("the look-up ended without an answer"))
        };
        match &mut self.state {
            State::Ready(prepared) => Some(prepared.take().ok_or(()).or_else(|()| gone())),
            State::Running(receiver) => match receiver.try_recv() {
                Ok(result) => Some(result),
                Err(TryRecvError::Empty) => None,
                Err(TryRecvError::Disconnected) => Some(gone()),
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
