//! The sockets: accepts TCP connections, does TLS, and moves bytes between a socket and a
//! door's state machine.

mod places;

use crate::doors::amqp::AmqpConnection;
use crate::doors::https::serve_https_to;
use crate::doors::mqtt::MqttConnection;
use crate::doors::{Connection, Door};
use crate::service::Service;
use core::time::Duration;
use places::Places;
pub(crate) use places::{MOST_CONNECTIONS, Place};
use rustls::ServerConfig;
use std::io;
use std::sync::Arc;
use std::time::{SystemTime, UNIX_EPOCH};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Notify, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use tokio_rustls::TlsAcceptor;

/// How long a TLS handshake may take.
const HANDSHAKE_PATIENCE: Duration = Duration::from_secs(10);
/// How long a client may leave replies unread.
const WRITE_PATIENCE: Duration = Duration::from_secs(10);
/// How long to wait after a failure to accept, for example when file descriptors run out.
const ACCEPT_PAUSE: Duration = Duration::from_millis(50);

/// The wall clock, as time since 1970-01-01T00:00:00Z.
pub(crate) fn now() -> Duration {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// Serves one door over TLS until the sender of `stop` is dropped, then closes everything.
pub(crate) async fn serve(
    door: Door,
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    service: Arc<Service>,
    stop: watch::Receiver<()>,
) {
    serve_at(door, listener, tls, service, Places::of(door), stop).await;
}

async fn serve_at(
    door: Door,
    listener: TcpListener,
    tls: Arc<ServerConfig>,
    service: Arc<Service>,
    places: Places,
    mut stop: watch::Receiver<()>,
) {
    let tls = TlsAcceptor::from(tls);
    let mut connections = JoinSet::new();
    loop {
        tokio::select! {
            biased;
            _ = stop.changed() => break,
            Some(ended) = connections.join_next(), if !connections.is_empty() => {
                if let Err(error) = ended {
                    tracing::error!(%error, "a connection's task failed; the others go on");
                }
            }
            accepted = listener.accept() => match accepted {
                Ok((socket, peer)) => {
                    let place = tokio::select! {
                        biased;
                        _ = stop.changed() => break,
                        place = places.take() => place,
                    };
                    let Some((place, permit)) = place else {
                        tracing::warn!(%peer, ?door, "connection closed: every place is taken");
                        continue;
                    };
                    if place == Place::Reserve {
                        tracing::warn!(%peer, ?door, "every place but the operators' is taken");
                    }
                    let (tls, service) = (tls.clone(), service.clone());
                    connections.spawn(async move {
                        let _place = permit;
                        match serve_connection(door, place, socket, tls, service).await {
                            Ok(()) => tracing::debug!(%peer, "connection ended"),
                            Err(error) => tracing::debug!(%peer, %error, "connection lost"),
                        }
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "cannot accept a connection");
                    tokio::time::sleep(ACCEPT_PAUSE).await;
                }
            },
        }
    }
    drop(listener);
    connections.shutdown().await;
}

async fn serve_connection(
    door: Door,
    place: Place,
    socket: TcpStream,
    tls: TlsAcceptor,
    service: Arc<Service>,
) -> io::Result<()> {
    // Replies are small, and each is awaited.
    socket.set_nodelay(true)?;
    let peer = socket.peer_addr().ok().map(|address| address.ip());
    let stream = timeout(HANDSHAKE_PATIENCE, tls.accept(socket))
        .await
        .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "no TLS handshake in time"))?
        .inspect_err(|error| tracing::warn!(%error, "TLS handshake failed"))?;
    let certificates = stream.get_ref().1.peer_certificates().unwrap_or_default();
    let certificates = certificates.iter().map(|der| der.to_vec()).collect();
    match door {
        Door::Mqtt => {
            let connection = MqttConnection::new(service, now())
                .with_peer_certificates(certificates)
                .with_peer_address(peer);
            converse(stream, connection).await
        }
        Door::Https => serve_https_to(stream, service, certificates, peer, place).await,
        Door::Amqp => {
            let connection = AmqpConnection::new(service, now())
                .with_peer_certificates(certificates)
                .with_peer_address(peer);
            converse(stream, connection).await
        }
    }
}

/// Moves bytes between a stream and a connection's state machine until either ends, and then ends
/// the stream.
pub(crate) async fn converse(
    mut stream: impl AsyncRead + AsyncWrite + Unpin,
    mut connection: impl Connection,
) -> io::Result<()> {
    let ended = exchange(&mut stream, &mut connection).await;
    if connection.is_cut() {
        return ended;
    }
    if ended.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::TimedOut) {
        // A farewell would wait behind the replies.
        return ended;
    }
    // The client may be gone already; there is nothing to lose any more.
    let _ = timeout(WRITE_PATIENCE, stream.shutdown()).await;
    ended
}

async fn exchange(
    stream: &mut (impl AsyncRead + AsyncWrite + Unpin),
    connection: &mut impl Connection,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    let pushed = Arc::new(Notify::new());
    let notify = pushed.clone();
    connection.set_wake(Arc::new(move || notify.notify_one()));
    loop {
        let output = connection.transmit();
        if !output.is_empty() {
            let write = async {
                stream.write_all(&output).await?;
                stream.flush().await
            };
            timeout(WRITE_PATIENCE, write)
                .await
                .map_err(|_| io::Error::new(io::ErrorKind::TimedOut, "replies stay unread"))??;
        }
        if connection.is_closed() {
            return Ok(());
        }
        let deadline = connection.next_timeout();
        let silence = async {
            match deadline {
                Some(deadline) => tokio::time::sleep(deadline.saturating_sub(now())).await,
                None => std::future::pending().await,
            }
        };
        tokio::select! {
            read = stream.read(&mut buffer) => match read? {
                0 => return Ok(()),
                length => {
                    let bytes = buffer.get(..length).unwrap_or_default();
                    connection.receive(now(), bytes);
                }
            },
            () = pushed.notified() => {}
            () = silence => connection.handle_timeout(now()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::certificates::{Authority, Certificates};
    use crate::config::EmulatorConfig;
    use crate::random::Random;
    use rustls::RootCertStore;
    use rustls::pki_types::CertificateDer;
    use rustls::pki_types::pem::PemObject as _;
    use std::net::SocketAddr;
    use tokio_rustls::TlsConnector;
    use tokio_rustls::client::TlsStream;

    struct Rig {
        address: SocketAddr,
        tls: TlsConnector,
        _stop: watch::Sender<()>,
    }

    impl Rig {
        async fn new(places: Places) -> Self {
            let config = EmulatorConfig::default();
            let mut random = Random::from_seed([7; 32]);
            let authority = Authority::generate(&mut random, now()).unwrap();
            let certificates = Certificates::new(&config, authority, now()).unwrap();
            let service = Arc::new(Service::new(&config, random).unwrap());
            certificates.follow(service.iot_hubs());
            let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
            let address = listener.local_addr().unwrap();
            let (stop, stopping) = watch::channel(());
            let server = certificates.server.clone();
            tokio::spawn(serve_at(Door::Https, listener, server, service, places, stopping));
            let mut roots = RootCertStore::empty();
            roots
                .add(CertificateDer::from_pem_slice(certificates.ca_pem.as_bytes()).unwrap())
                .unwrap();
            let provider = Arc::new(rustls::crypto::ring::default_provider());
            let tls = rustls::ClientConfig::builder_with_provider(provider)
                .with_safe_default_protocol_versions()
                .unwrap()
                .with_root_certificates(roots)
                .with_no_client_auth();
            Self { address, tls: TlsConnector::from(Arc::new(tls)), _stop: stop }
        }

        async fn connect(&self) -> TcpStream {
            TcpStream::connect(self.address).await.unwrap()
        }

        /// A connection with TLS, as soon as there is a place.
        async fn admitted(&self) -> TlsStream<TcpStream> {
            let name = "localhost".try_into().unwrap();
            let connected = self.tls.connect(name, self.connect().await);
            timeout(PATIENCE, connected).await.unwrap().unwrap()
        }

        /// A connection that has asked for something, and may be idle for minutes.
        async fn idle(&self) -> TlsStream<TcpStream> {
            let mut stream = self.admitted().await;
            stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").await.unwrap();
            let mut begin = [0; 15];
            timeout(PATIENCE, stream.read_exact(&mut begin)).await.unwrap().unwrap();
            assert_eq!(&begin, b"HTTP/1.1 200 OK");
            stream
        }

        /// The first line of the answer, on a connection of its own.
        async fn ask(&self, method: &str, path: &str) -> String {
            let mut stream = self.admitted().await;
            let request = format!(
                "{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\nContent-Length: 0\r\n\r\n"
            );
            stream.write_all(request.as_bytes()).await.unwrap();
            let mut answer = Vec::new();
            timeout(PATIENCE, stream.read_to_end(&mut answer)).await.unwrap().unwrap();
            String::from_utf8_lossy(&answer).lines().next().unwrap_or_default().to_owned()
        }
    }

    const PATIENCE: Duration = Duration::from_secs(20);
    const REGISTER: &str = "/0ne00000000/registrations/one/register?api-version=2021-06-01";
    const FULL: &str = "HTTP/1.1 503 Service Unavailable";

    #[tokio::test]
    async fn operators_get_through_when_devices_have_taken_every_place() {
        let rig = Rig::new(Places::new(2, Some(1))).await;
        let (device, _other) = (rig.idle().await, rig.idle().await);
        for _ in 0..3 {
            assert_eq!(rig.ask("GET", "/").await, "HTTP/1.1 200 OK");
            assert_eq!(rig.ask("PUT", REGISTER).await, FULL);
        }
        // Who comes while the reserve is taken, too, is next. This one never says anything.
        let silent = rig.admitted().await;
        let asked = rig.ask("GET", "/");
        tokio::pin!(asked);
        assert!(timeout(Duration::from_millis(300), &mut asked).await.is_err());
        drop(silent);
        assert_eq!(asked.await, "HTTP/1.1 200 OK");
        // A device that goes makes room for another, whoever is on the reserve.
        let _silent = rig.admitted().await;
        drop(device);
        // The ID scope is another's, which only who serves it finds out.
        assert_eq!(rig.ask("PUT", REGISTER).await, "HTTP/1.1 404 Not Found");
    }

    #[tokio::test]
    async fn a_door_without_operators_has_no_reserve() {
        for door in [Door::Mqtt, Door::Amqp] {
            let places = Places::of(door);
            let mut taken = Vec::new();
            while let Some((Place::Open, permit)) = places.take().await {
                taken.push(permit);
            }
            assert_eq!(taken.len(), 1024);
            taken.pop();
            assert!(matches!(places.take().await, Some((Place::Open, _))));
        }
    }
}
