//! What may take long before a connection: looking up the name, reading the trust anchors. It
//! runs on a thread of its own, so that no caller is blocked.

use crate::anchors;
use crate::errand::Errand;
use crate::wake::Interrupter;
use dps_core::{Error, ErrorKind, Stage};
use dps_transport::{Endpoint, SystemAnchors};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs};
use std::task::Poll;

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
    Running(Errand<Result<Prepared, Error>>),
}

impl Preparation {
    /// Starts it. `done` is interrupted when the answer is there.
    pub(crate) fn start(endpoint: &Endpoint, port: u16, system: bool, done: Interrupter) -> Self {
        let anchors = if system { anchors::cached() } else { None };
        let known = known_addresses(endpoint);
        if !known.is_empty() && (!system || anchors.is_some()) {
            let addresses =
                known.into_iter().map(|address| SocketAddr::new(address, port)).collect();
            return Self::of(State::Ready(Some(Prepared { addresses, anchors })));
        }
        let endpoint = endpoint.clone();
        let errand = Errand::start("dps-resolve", Some(done.into_waker()), move || {
            let anchors = system.then(anchors::load);
            resolve(&endpoint, port).map(|addresses| Prepared { addresses, anchors })
        });
        Self::of(State::Running(errand))
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
                .with_detail("the thread for the look-up could not be started, or is gone"))
        };
        match &mut self.state {
            State::Ready(prepared) => Some(prepared.take().ok_or(()).or_else(|()| gone())),
            State::Running(errand) => match errand.ask(None) {
                Poll::Pending => None,
                Poll::Ready(result) => Some(result.unwrap_or_else(gone)),
            },
        }
    }
}

/// Addresses that need no look-up: one that stands in the endpoint, and those of names below
/// `localhost`, which lead to this machine whatever a resolver may say (RFC 6761 section 6.3; not
/// every system's resolver knows them).
fn known_addresses(endpoint: &Endpoint) -> Vec<IpAddr> {
    let name = endpoint.host().trim_end_matches('.').to_ascii_lowercase();
    match endpoint.address() {
        Some(address) => vec![address],
        None if name.ends_with(".localhost") => {
            vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
        }
        None => Vec::new(),
    }
}

/// Asks the system's resolver. Blocks.
fn resolve(endpoint: &Endpoint, port: u16) -> Result<Vec<SocketAddr>, Error> {
    let known = known_addresses(endpoint);
    if !known.is_empty() {
        return Ok(known.into_iter().map(|address| SocketAddr::new(address, port)).collect());
    }
    let host = endpoint.host();
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_below_localhost_are_this_machine() {
        for name in ["contoso-hub.localhost", "A.B.LOCALHOST", "hub.localhost."] {
            let addresses = resolve(&Endpoint::parse(name).unwrap(), 7).unwrap();
            assert_eq!(addresses, ["127.0.0.1:7", "[::1]:7"].map(|text| text.parse().unwrap()));
        }
        for name in ["localhost", "notlocalhost", "localhost.example"] {
            assert_eq!(known_addresses(&Endpoint::parse(name).unwrap()), Vec::<IpAddr>::new());
        }
    }
}
