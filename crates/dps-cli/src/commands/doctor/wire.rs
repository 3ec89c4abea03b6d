//! One connection, step by step and with patience: the driver of the crates would hide what the
//! doctor wants to see.

use super::Examination;
use dps_client::dps_transport::{Link, LinkSettings, ServedChain, TlsOptions, TlsSettings};
use dps_client::{Error, ErrorKind, Now, Stage, Timestamp};
use std::io::{ErrorKind as IoKind, Read as _, Write as _};
use std::net::{SocketAddr, TcpStream, ToSocketAddrs as _};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Looks up the first hop: the service, or the proxy.
pub(super) fn resolve(examination: &Examination, port: u16) -> Result<Vec<SocketAddr>, Error> {
    let (endpoint, port, stage) = match examination.proxy(port) {
        Some(proxy) => (proxy.endpoint(), proxy.port(), Stage::Proxy),
        None => (&examination.endpoint, port, Stage::Resolve),
    };
    let failed = |detail: String| Error::new(stage, ErrorKind::NameResolution).with_detail(detail);
    let host = endpoint.host();
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

/// An open TCP connection and what is spoken on it.
pub(super) struct Wire {
    stream: TcpStream,
    link: Link,
    started: Instant,
    patience: Duration,
}

impl Wire {
    /// Opens TCP to the first address that answers.
    pub(super) fn connect(
        examination: &Examination,
        port: u16,
        served: &ServedChain,
    ) -> Result<Self, Error> {
        let started = Instant::now();
        let stage = if examination.proxy(port).is_some() { Stage::Proxy } else { Stage::Connect };
        let mut failures = Vec::new();
        for address in resolve(examination, port)? {
            match TcpStream::connect_timeout(&address, examination.patience) {
                Ok(stream) => {
                    let link = link(examination, port, served)?;
                    return Ok(Self { stream, link, started, patience: examination.patience });
                }
                Err(error) => failures.push((address, error)),
            }
        }
        let refused = failures.iter().all(|(_, error)| error.kind() == IoKind::ConnectionRefused);
        let kind = if refused { ErrorKind::ConnectionRefused } else { ErrorKind::ConnectFailed };
        let tried: Vec<String> =
            failures.iter().map(|(address, error)| format!("{address}: {error}")).collect();
        Err(Error::new(stage, kind).with_detail(tried.join("; ")))
    }

    /// Goes on until all layers are ready.
    pub(super) fn shake_hands(&mut self) -> Result<(), Error> {
        let mut up = Vec::new();
        self.run(&mut up, |link, _| link.pending_stage().is_none())
    }

    /// Sends `bytes` and collects what comes back, until `done` says that it is enough.
    pub(super) fn ask(
        &mut self,
        bytes: &[u8],
        done: impl Fn(&[u8]) -> bool,
    ) -> Result<Vec<u8>, Error> {
        self.link.send(self.now(), bytes)?;
        let mut up = Vec::new();
        self.run(&mut up, |_, up| done(up))?;
        Ok(up)
    }

    /// Says goodbye, as far as that works.
    pub(super) fn close(mut self) {
        let now = self.now();
        self.link.close(now);
        let mut wire = Vec::new();
        if self.link.transmit(self.now(), &mut wire).is_ok() {
            let _ = self.stream.write_all(&wire);
        }
    }

    fn run(&mut self, up: &mut Vec<u8>, done: impl Fn(&Link, &[u8]) -> bool) -> Result<(), Error> {
        let mut buffer = [0; 4096];
        loop {
            let mut wire = Vec::new();
            let transmitted = self.link.transmit(self.now(), &mut wire);
            let stage = self.link.pending_stage().unwrap_or(Stage::Authenticate);
            let lost = |error: std::io::Error| match error.kind() {
                IoKind::WouldBlock | IoKind::TimedOut => {
                    Error::new(stage, ErrorKind::Silent { after: self.patience })
                }
                _ => Error::new(stage, ErrorKind::ConnectionLost).with_detail(error.to_string()),
            };
            self.stream.set_write_timeout(Some(self.patience)).map_err(lost)?;
            self.stream.write_all(&wire).map_err(lost)?;
            transmitted?;
            if done(&self.link, up) {
                return Ok(());
            }
            let left = self.patience.saturating_sub(self.started.elapsed());
            if left.is_zero() {
                return Err(lost(IoKind::TimedOut.into()));
            }
            self.stream.set_read_timeout(Some(left)).map_err(lost)?;
            let count = self.stream.read(&mut buffer).map_err(lost)?;
            let arrived = buffer.get(..count).unwrap_or_default();
            if arrived.is_empty() {
                return Err(Error::new(stage, ErrorKind::ConnectionLost)
                    .with_detail("the server closed the connection"));
            }
            let received = self.link.receive(self.now(), arrived, up);
            if received.is_err() {
                // The last words may be a TLS alert that tells the server why.
                let mut alert = Vec::new();
                let _ = self.link.transmit(self.now(), &mut alert);
                let _ = self.stream.write_all(&alert);
                // The answer may have come together with a goodbye.
                if done(&self.link, up) {
                    return Ok(());
                }
            }
            received?;
        }
    }

    fn now(&self) -> Now {
        let unix = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        Now::new(Timestamp::new(self.started.elapsed()), unix.as_secs())
    }
}

fn link(examination: &Examination, port: u16, served: &ServedChain) -> Result<Link, Error> {
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = Now::new(Timestamp::default(), now.as_secs());
    let system = Some(&examination.system);
    let mut options = TlsOptions::default();
    let proxy = match examination.proxy(port) {
        None => None,
        Some(proxy) => {
            let tls = TlsSettings::with_options(&examination.anchors, system, &options)
                .map_err(|error| error.at_stage(Stage::Proxy))?;
            Some((proxy.clone(), tls))
        }
    };
    options.served_chain = Some(served.clone());
    let tls = TlsSettings::with_options(&examination.anchors, system, &options)?;
    let mut settings = LinkSettings::new(tls);
    if let Some((proxy, tls)) = proxy {
        settings = settings.proxy(proxy, tls);
    }
    settings.link(now, &examination.endpoint, port)
}
