//! The sockets: accepts TCP connections, does TLS, and moves bytes between a socket and a
//! door's state machine.

use crate::doors::amqp::AmqpConnection;
use crate::doors::https::serve_https_to;
use crate::doors::mqtt::MqttConnection;
use crate::doors::{Connection, Door};
use crate::service::Service;
use core::time::Duration;
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

/// The most connections of one door at a time; more are closed at once.
const MAX_CONNECTIONS: usize = 1024;
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
                Ok((_, peer)) if connections.len() >= MAX_CONNECTIONS => {
                    tracing::warn!(%peer, ?door, "connection closed: there are {MAX_CONNECTIONS} already");
                }
                Ok((socket, peer)) => {
                    let (tls, service) = (tls.clone(), service.clone());
                    connections.spawn(async move {
                        match serve_connection(door, socket, tls, service).await {
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
        Door::Https => serve_https_to(stream, service, certificates, peer).await,
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
