//! The protocols through which devices come in. Each door is a sans-I/O state machine over its
//! own code and third-party codecs; none shares code with the client's engines.

pub(crate) mod amqp;
pub(crate) mod https;
pub(crate) mod mqtt;
mod outlet;

use core::time::Duration;
use std::sync::Arc;

/// Called when a connection has something to [transmit](Connection::transmit) that the client did
/// not ask for. May be called from any thread, and must not block.
pub type Wake = Arc<dyn Fn() + Send + Sync>;

/// A door of the service: a port and what is spoken there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Mqtt,
    Amqp,
    /// The device API, WebSockets, and what operators use.
    Https,
}

/// One client's connection: takes bytes and the time, gives bytes. It opens no socket and reads
/// no clock, so tests can drive it byte by byte.
///
/// `now` is always the time since 1970-01-01T00:00:00Z.
pub trait Connection: Send {
    /// Takes bytes from the client, in pieces of any size. What there is to answer can be taken
    /// with [`transmit`](Self::transmit) afterwards.
    fn receive(&mut self, now: Duration, bytes: &[u8]);

    /// The bytes to send to the client now; empty when there are none.
    fn transmit(&mut self) -> Vec<u8>;

    /// Whether the connection is over. Bytes of a last [`transmit`](Self::transmit) are still to
    /// be sent.
    fn is_closed(&self) -> bool;

    /// When to call [`handle_timeout`](Self::handle_timeout), unless bytes come first. `None` when
    /// silence is no matter.
    fn next_timeout(&self) -> Option<Duration>;

    /// Does what is due at `now`: closes the connection when the client was silent too long.
    fn handle_timeout(&mut self, now: Duration);

    /// Whether the connection is to be dropped as it is, without a farewell of the layers below, once
    /// a last [`transmit`](Self::transmit) is sent: a fault has struck it.
    fn is_cut(&self) -> bool {
        false
    }

    /// Tells the connection whom to call when there is something to transmit that no byte of the
    /// client's is the reason for: a hub's message, or that its place was taken. Without it, such
    /// things wait for the next [`transmit`](Self::transmit). Most connections only answer.
    fn set_wake(&mut self, wake: Wake) {
        let _ = wake;
    }
}
