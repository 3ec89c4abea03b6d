//! A provisioning service over real TLS and MQTT that accepts every device and misbehaves where
//! it is told to. It checks no credentials: that is the emulator's part.

use bytes::BytesMut;
use rcgen::{BasicConstraints, CertificateParams, IsCa, Issuer, KeyPair};
use rumqttc::mqttbytes::QoS;
use rumqttc::mqttbytes::v4::{
    ConnAck, ConnectReturnCode, Packet, Publish, SubAck, SubscribeReasonCode,
};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, StreamOwned};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread::{self, JoinHandle};
use std::time::Duration;

/// What goes wrong on one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing.
    None,
    /// The connection is closed as soon as it is accepted.
    DropAtAccept,
    /// TCP is accepted, and not a byte is ever sent.
    SilentTcp,
    /// Closed on receiving CONNECT.
    DropOnConnect,
    /// Closed when anything comes along with CONNECT.
    DropOnHaste,
    /// CONNACK is sent, then nothing more.
    SilentAfterConnAck,
    /// Closed on receiving SUBSCRIBE.
    DropOnSubscribe,
    /// SUBACK says failure.
    RefuseSubscribe,
    /// Closed on receiving the register request.
    DropOnRegister,
    /// Closed on receiving a poll.
    DropOnPoll,
    /// CONNACK carries this return code.
    ConnAck(u8),
    /// The first request is answered with this status and no body.
    Status(u16),
    /// The first request is answered with this status and body.
    Reply(u16, &'static str),
    /// Nothing; the result carries the payload that the register request carried.
    EchoPayload,
    /// After SUBACK messages come without end, and nothing is read any more.
    Flood,
    /// After SUBACK come PINGRESPs without end, which want no answer.
    Chatter,
    /// Polls are answered "assigning" for ever.
    AlwaysAssigning,
}

/// The service; it stops when dropped.
#[derive(Debug)]
pub struct FaultyService {
    address: SocketAddr,
    ca_pem: String,
    connections: Arc<AtomicUsize>,
    stop: Arc<AtomicBool>,
    thread: Option<JoinHandle<()>>,
}

impl FaultyService {
    /// Starts on a free port; `fault` is asked for each connection, counted from 0.
    pub fn start(fault: impl Fn(usize) -> Fault + Send + Sync + 'static) -> Self {
        let (config, ca_pem) = tls_server();
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("an address");
        let connections = Arc::new(AtomicUsize::new(0));
        let stop = Arc::new(AtomicBool::new(false));
        let (count, stopped) = (connections.clone(), stop.clone());
        let thread = thread::spawn(move || {
            for stream in listener.incoming() {
                if stopped.load(Ordering::SeqCst) {
                    return;
                }
                let Ok(stream) = stream else { continue };
                let fault = fault(count.fetch_add(1, Ordering::SeqCst));
                let (config, stopped) = (config.clone(), stopped.clone());
                thread::spawn(move || serve(stream, config, fault, &stopped));
            }
        });
        Self { address, ca_pem, connections, stop, thread: Some(thread) }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// The certificate authority to trust.
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// How many connections there were.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

impl Drop for FaultyService {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::SeqCst);
        // Wakes the listener.
        let _ = TcpStream::connect(self.address);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// A TLS server for `localhost` and 127.0.0.1, and the CA certificate to trust, in PEM.
///
/// # Panics
///
/// When no certificate can be made.
pub fn tls_server() -> (Arc<ServerConfig>, String) {
    let ca_key = KeyPair::generate().unwrap();
    let mut ca = CertificateParams::new(Vec::new()).unwrap();
    ca.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let ca_certificate = ca.self_signed(&ca_key).unwrap();
    let issuer = Issuer::new(ca, ca_key);
    let key = KeyPair::generate().unwrap();
    let names = vec!["localhost".to_owned(), "127.0.0.1".to_owned()];
    let leaf = CertificateParams::new(names).unwrap().signed_by(&key, &issuer).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_no_client_auth()
        .with_single_cert(
            vec![leaf.der().clone()],
            PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der())),
        )
        .unwrap();
    (Arc::new(config), ca_certificate.pem())
}

fn serve(stream: TcpStream, config: Arc<ServerConfig>, fault: Fault, stop: &AtomicBool) {
    // So that the thread notices the end of the test.
    let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
    if fault == Fault::DropAtAccept {
        return;
    }
    if fault == Fault::SilentTcp {
        while !stop.load(Ordering::SeqCst) {
            thread::sleep(Duration::from_millis(20));
        }
        return;
    }
    let Ok(session) = ServerConnection::new(config) else { return };
    let mut stream = StreamOwned::new(session, stream);
    let mut input = BytesMut::new();
    let mut silent = false;
    let mut requests = 0;
    let mut flood = false;
    let mut payload = None;
    while !stop.load(Ordering::SeqCst) {
        let mut buffer = [0; 4096];
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => input.extend_from_slice(&buffer[..count]),
            Err(error)
                if matches!(
                    error.kind(),
                    std::io::ErrorKind::WouldBlock | std::io::ErrorKind::TimedOut
                ) => {}
            Err(_) => return,
        }
        if flood {
            let mut message = Publish::new("x", QoS::AtLeastOnce, "");
            message.pkid = 1;
            let mut out = BytesMut::new();
            for _ in 0..1000 {
                match fault {
                    Fault::Chatter => out.extend_from_slice(&[0xD0, 0]),
                    _ => drop(message.write(&mut out).unwrap()),
                }
            }
            while !stop.load(Ordering::SeqCst) && stream.write_all(&out).is_ok() {}
            return;
        }
        while let Ok(packet) = Packet::read(&mut input, 1 << 20) {
            if silent {
                continue;
            }
            let mut out = BytesMut::new();
            match packet {
                Packet::Connect(_) if fault == Fault::DropOnConnect => return,
                Packet::Connect(_) if fault == Fault::DropOnHaste && !input.is_empty() => return,
                Packet::Connect(_) => {
                    let code = match fault {
                        Fault::ConnAck(code) => code,
                        _ => 0,
                    };
                    let mut bytes = BytesMut::new();
                    ConnAck::new(ConnectReturnCode::Success, false).write(&mut bytes).unwrap();
                    bytes[3] = code;
                    out.extend_from_slice(&bytes);
                    silent = fault == Fault::SilentAfterConnAck;
                }
                Packet::Subscribe(_) if fault == Fault::DropOnSubscribe => return,
                Packet::Subscribe(subscribe) => {
                    let code = if fault == Fault::RefuseSubscribe {
                        SubscribeReasonCode::Failure
                    } else {
                        SubscribeReasonCode::Success(QoS::AtLeastOnce)
                    };
                    SubAck::new(subscribe.pkid, vec![code]).write(&mut out).unwrap();
                    flood = matches!(fault, Fault::Flood | Fault::Chatter);
                }
                Packet::Publish(_) if flood => {}
                Packet::Publish(publish) => {
                    if fault == Fault::EchoPayload && requests == 0 {
                        payload = payload_of(&publish.payload);
                    }
                    let Some(mut reply) = answer(&publish, fault, requests) else { return };
                    if let (Some(payload), true) = (&payload, requests > 0) {
                        let body = String::from_utf8(reply.payload.to_vec()).unwrap();
                        let echo = format!("\"payload\":{payload},\"assignedHub\"");
                        reply.payload = body.replace("\"assignedHub\"", &echo).into();
                    }
                    requests += 1;
                    reply.write(&mut out).unwrap();
                }
                Packet::Disconnect => return,
                _ => {}
            }
            if stream.write_all(&out).and_then(|()| stream.flush()).is_err() {
                return;
            }
        }
    }
}

/// The text of a register request's payload; it comes last.
fn payload_of(body: &[u8]) -> Option<String> {
    let body = std::str::from_utf8(body).unwrap();
    let (_, payload) = body.split_once("\"payload\":")?;
    Some(payload.strip_suffix('}').unwrap().to_owned())
}

fn answer(publish: &Publish, fault: Fault, requests: usize) -> Option<Publish> {
    let register = publish.topic.starts_with("$dps/registrations/PUT/iotdps-register/");
    let query = publish.topic.split_once('?')?.1;
    let rid = query.split('&').find_map(|pair| pair.strip_prefix("$rid="))?;
    let operation = r#"{"operationId":"4.0011223344556677.op","status":"assigning"}"#;
    let assigned = r#"{"operationId":"4.0011223344556677.op","status":"assigned","registrationState":{"registrationId":"device","assignedHub":"hub.localhost","deviceId":"device","status":"assigned","substatus":"initialAssignment"}}"#;
    let (status, body) = match fault {
        Fault::DropOnRegister if register => return None,
        Fault::DropOnPoll if !register => return None,
        Fault::Status(status) if requests == 0 => (status, ""),
        Fault::Reply(status, body) if requests == 0 => (status, body),
        Fault::AlwaysAssigning => (202, operation),
        _ if register => (202, operation),
        _ => (200, assigned),
    };
    let pause = if status == 200 { "" } else { "&retry-after=1" };
    let topic = format!("$dps/registrations/res/{status}/?$rid={rid}{pause}");
    let mut reply = Publish::new(topic, QoS::AtLeastOnce, body);
    reply.pkid = 1;
    Some(reply)
}
