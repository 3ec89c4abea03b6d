//! A man in the middle who changes what the service answers, over every transport alike.

use crate::dial::client_config;
use crate::tls_server;
use rustls::pki_types::ServerName;
use rustls::{ClientConfig, ClientConnection, ServerConfig, ServerConnection, StreamOwned};
use std::io::{ErrorKind, Read, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// Something that the service sends.
#[derive(Debug)]
pub struct Answer<'a> {
    /// Which connection it is for, counted from 0.
    pub connection: usize,
    /// Which document of that connection it is, counted from 0, and its text; `None` for what has
    /// none, such as a CONNACK.
    pub document: Option<(usize, &'a str)>,
}

/// What becomes of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Fate {
    /// It goes through.
    Pass,
    /// It arrives with this status, where the protocol has one for each answer, and this document
    /// in place of its own, which is at least as long.
    Become(u16, String),
    /// What comes before the document arrives, then the connection is closed.
    Drop,
    /// The connection is closed in its place.
    Cut,
    /// What comes before the document arrives, and nothing more ever.
    Silence,
    /// If the first bytes occur, others of the same length take their place.
    Replace(&'static [u8], &'static [u8]),
}

type Tamper = dyn Fn(&Answer<'_>) -> Fate + Send + Sync;

/// A relay that ends TLS on both sides. It stops when dropped.
#[derive(Debug)]
pub struct TamperingRelay {
    address: SocketAddr,
    ca_pem: String,
    counts: Arc<Counts>,
    thread: Option<JoinHandle<()>>,
}

#[derive(Debug, Default)]
struct Counts {
    connections: AtomicUsize,
    registers: AtomicUsize,
    polls: AtomicUsize,
    stop: AtomicBool,
}

impl TamperingRelay {
    /// Starts on a free port, before a service whose certificate `trust` vouches for.
    pub fn start(
        target: SocketAddr,
        trust: &str,
        tamper: impl Fn(&Answer<'_>) -> Fate + Send + Sync + 'static,
    ) -> Self {
        let (server, ca_pem) = tls_server();
        let client = client_config(trust);
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let counts = Arc::new(Counts::default());
        let shared = counts.clone();
        let tamper: Arc<Tamper> = Arc::new(tamper);
        let thread = thread::spawn(move || {
            for device in listener.incoming().map_while(Result::ok) {
                if shared.stop.load(Ordering::SeqCst) {
                    return;
                }
                let number = shared.connections.fetch_add(1, Ordering::SeqCst);
                let (server, client) = (server.clone(), client.clone());
                let (tamper, shared) = (tamper.clone(), shared.clone());
                thread::spawn(move || {
                    if let Ok(service) = TcpStream::connect(target) {
                        let wires = Wires::new(device, server, service, client);
                        wires.relay(number, &*tamper, &shared);
                    }
                });
            }
        });
        Self { address, ca_pem, counts, thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate authority to trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// How many register requests and how many polls went through; within a WebSocket they are not
    /// seen.
    pub fn requests(&self) -> (usize, usize) {
        let count = |count: &AtomicUsize| count.load(Ordering::SeqCst);
        (count(&self.counts.registers), count(&self.counts.polls))
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.counts.connections.load(Ordering::SeqCst)
    }
}

impl Drop for TamperingRelay {
    fn drop(&mut self) {
        self.counts.stop.store(true, Ordering::SeqCst);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// The two ends of one connection.
struct Wires {
    device: StreamOwned<ServerConnection, TcpStream>,
    service: StreamOwned<ClientConnection, TcpStream>,
}

impl Wires {
    fn new(
        device: TcpStream,
        server: Arc<ServerConfig>,
        service: TcpStream,
        client: Arc<ClientConfig>,
    ) -> Self {
        for stream in [&device, &service] {
            stream.set_nodelay(true).unwrap();
        }
        let name = ServerName::try_from("localhost").unwrap();
        Self {
            device: StreamOwned::new(ServerConnection::new(server).unwrap(), device),
            service: StreamOwned::new(ClientConnection::new(client, name).unwrap(), service),
        }
    }

    /// Finishes both handshakes; from then on nothing waits long for one side.
    fn shake_hands(&mut self) -> std::io::Result<()> {
        for stream in [&self.device.sock, &self.service.sock] {
            stream.set_read_timeout(Some(Duration::from_secs(30)))?;
        }
        while self.device.conn.is_handshaking() {
            self.device.conn.complete_io(&mut self.device.sock)?;
        }
        while self.service.conn.is_handshaking() {
            self.service.conn.complete_io(&mut self.service.sock)?;
        }
        for stream in [&self.device.sock, &self.service.sock] {
            stream.set_read_timeout(Some(Duration::from_millis(3)))?;
        }
        Ok(())
    }

    fn relay(mut self, connection: usize, tamper: &Tamper, counts: &Counts) {
        let mut documents = 0;
        let mut silent = false;
        if self.shake_hands().is_err() {
            return;
        }
        while !counts.stop.load(Ordering::SeqCst) {
            let (asked, device_is_there) = read(&mut self.device);
            count(&asked, counts);
            if self.service.write_all(&asked).and_then(|()| self.service.flush()).is_err() {
                return;
            }
            let (mut said, service_is_there) = read(&mut self.service);
            if !said.is_empty() && !silent {
                let place = document(&said);
                let text =
                    place.clone().map(|place| String::from_utf8_lossy(&said[place]).into_owned());
                let document = text.as_deref().map(|text| (documents, text));
                documents += usize::from(place.is_some());
                // What came before the document arrives.
                let before = place.as_ref().map_or(0, |place| place.start);
                let mut last = false;
                match tamper(&Answer { connection, document }) {
                    Fate::Pass => {}
                    Fate::Become(status, document) => become_(&mut said, place, status, &document),
                    Fate::Replace(old, new) => {
                        if let Some(at) = said.windows(old.len()).position(|bytes| bytes == old) {
                            said[at..][..new.len()].copy_from_slice(new);
                        }
                    }
                    Fate::Cut => return,
                    Fate::Drop => {
                        said.truncate(before);
                        last = true;
                    }
                    Fate::Silence => {
                        said.truncate(before);
                        silent = true;
                    }
                }
                let sent = self.device.write_all(&said).and_then(|()| self.device.flush());
                if last || sent.is_err() {
                    return;
                }
            }
            if !device_is_there || !service_is_there {
                return;
            }
        }
    }
}

/// What has arrived, and whether the peer is still there.
fn read(stream: &mut impl Read) -> (Vec<u8>, bool) {
    let mut arrived = Vec::new();
    let mut buffer = [0; 16 * 1024];
    loop {
        match stream.read(&mut buffer) {
            Ok(0) => return (arrived, false),
            Ok(count) => arrived.extend_from_slice(&buffer[..count]),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut) => {
                return (arrived, true);
            }
            Err(_) => return (arrived, false),
        }
    }
}

fn count(asked: &[u8], counts: &Counts) {
    let times = |needle: &[u8]| asked.windows(needle.len()).filter(|w| *w == needle).count();
    let registers = times(b"iotdps-register") + times(b"/register?");
    let polls = times(b"iotdps-get-operationstatus") + times(b"/operations/");
    counts.registers.fetch_add(registers, Ordering::SeqCst);
    counts.polls.fetch_add(polls, Ordering::SeqCst);
}

/// Where the first document is in these bytes.
fn document(bytes: &[u8]) -> Option<std::ops::Range<usize>> {
    let start = bytes.windows(2).position(|window| window == b"{\"")?;
    let (mut depth, mut in_text) = (0, false);
    for (at, byte) in bytes.iter().enumerate().skip(start) {
        match byte {
            b'"' if bytes[at - 1] != b'\\' => in_text = !in_text,
            b'{' if !in_text => depth += 1,
            b'}' if !in_text => {
                depth -= 1;
                if depth == 0 {
                    return Some(start..at + 1);
                }
            }
            _ => {}
        }
    }
    None
}

/// Puts another document and another status in their places. No length changes, so nothing else has
/// to: neither MQTT's and AMQP's lengths nor HTTP's nor a WebSocket's.
fn become_(bytes: &mut [u8], place: Option<std::ops::Range<usize>>, status: u16, document: &str) {
    let place = place.expect("an answer with a document");
    let room = place.len();
    assert!(document.len() <= room, "{document} has more than {room} bytes");
    bytes[place].copy_from_slice(format!("{document:room$}").as_bytes());
    for before in [&b"HTTP/1.1 "[..], b"$dps/registrations/res/"] {
        if let Some(at) = bytes.windows(before.len()).position(|window| window == before) {
            bytes[at + before.len()..][..3].copy_from_slice(status.to_string().as_bytes());
        }
    }
}
