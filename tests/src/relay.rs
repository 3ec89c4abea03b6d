//! A network that is far away.

use std::io::{Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::mpsc::channel;
use std::thread;
use std::time::{Duration, Instant};

/// Passes TCP connections on, later: as if the target were one `round_trip` away. It runs until
/// the process ends.
#[derive(Debug)]
pub struct DelayingRelay {
    address: SocketAddr,
}

impl DelayingRelay {
    /// Starts on a free port.
    pub fn start(target: SocketAddr, round_trip: Duration) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                thread::spawn(move || {
                    // The handshake of TCP with the relay takes no time; with the target it would
                    // take one round trip before anything could be sent.
                    thread::sleep(round_trip);
                    let Ok(server) = TcpStream::connect(target) else { return };
                    for stream in [&client, &server] {
                        stream.set_nodelay(true).unwrap();
                    }
                    let (from, to) = (client.try_clone().unwrap(), server.try_clone().unwrap());
                    thread::spawn(move || carry(from, to, round_trip / 2));
                    carry(server, client, round_trip / 2);
                });
            }
        });
        Self { address }
    }

    /// Where it listens.
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Carries bytes one way, each `delay` after it came.
fn carry(mut from: TcpStream, mut to: TcpStream, delay: Duration) {
    let (sender, receiver) = channel::<(Instant, Vec<u8>)>();
    thread::spawn(move || {
        for (due, bytes) in receiver {
            thread::sleep(due.saturating_duration_since(Instant::now()));
            if to.write_all(&bytes).is_err() {
                break;
            }
        }
        let _ = to.shutdown(Shutdown::Write);
    });
    let mut buffer = vec![0; 64 * 1024];
    while let Ok(count @ 1..) = from.read(&mut buffer) {
        if sender.send((Instant::now() + delay, buffer[..count].to_vec())).is_err() {
            break;
        }
    }
}
