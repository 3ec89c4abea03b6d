//! What a protocol engine implements.

use crate::sas::SasToken;
use crate::{Challenge, Error, ErrorKind, IdScope, Now, RegistrationId, Stage, Timestamp, TpmKeys};
use core::fmt;
use core::time::Duration;

/// Who registers, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identity {
    /// The service instance.
    pub id_scope: IdScope,
    /// The device.
    pub registration_id: RegistrationId,
}

/// What a protocol engine presents to the service.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Credentials {
    /// A SAS token, as password or authorization header.
    SasToken(SasToken),
    /// Nothing: the client certificate was presented to the link below the engine.
    ClientCertificate,
    /// A TPM's public keys.
    Tpm {
        /// Which it shows first.
        keys: TpmKeys,
        /// Signed with the key of an earlier challenge, which may still do. Without one the
        /// service answers with a challenge; protocols that are challenged on every connection
        /// make no use of it.
        token: Option<SasToken>,
    },
}

/// One question to the service.
#[derive(Clone, PartialEq, Eq)]
pub enum Request {
    /// Register the device.
    Register {
        /// The DeviceRegistration JSON.
        body: String,
    },
    /// Ask how a registration is doing.
    Poll {
        /// The operation id of the register reply.
        operation_id: String,
    },
}

impl fmt::Debug for Request {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            // The body holds the application's payload, which may be confidential.
            Request::Register { body } => {
                f.debug_struct("Register").field("body_bytes", &body.len()).finish()
            }
            Request::Poll { operation_id } => {
                f.debug_struct("Poll").field("operation_id", operation_id).finish()
            }
        }
    }
}

/// Everything an engine needs to open a connection and ask its first question, in as few round
/// trips as its protocol allows.
#[derive(Clone, Debug)]
pub struct Opening {
    /// Who registers.
    pub identity: Identity,
    /// With which proof.
    pub credentials: Credentials,
    /// The first request.
    pub request: Request,
}

/// An answer of the service, whatever protocol brought it.
#[derive(Clone, PartialEq, Eq)]
pub struct Reply {
    /// HTTP-like status.
    pub status: u16,
    /// The pause the service asks for, already read and clamped.
    pub retry_after: Option<Duration>,
    /// The JSON body; may be empty.
    pub body: Vec<u8>,
}

impl fmt::Debug for Reply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Reply")
            .field("status", &self.status)
            .field("retry_after", &self.retry_after)
            .field("body_bytes", &self.body.len())
            .finish()
    }
}

/// What an engine has to tell.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TransportEvent {
    /// The service accepted the connection and the credentials' form. Where the protocol has no
    /// such moment: the link is [`ready`](Transport::ready).
    Connected,
    /// The answer to the latest request.
    Reply(Reply),
    /// The service wants a token signed with the key that is in this, before it says anything to
    /// the request; answered with [`authenticate`](Transport::authenticate). For protocols in
    /// which it is no [reply](Self::Reply).
    Challenge(Challenge),
    /// The service has said that it closes the connection now. A further request needs a new one.
    Closing,
}

/// A protocol engine: requests become bytes, bytes become replies. It never opens a socket, reads
/// a clock, starts a thread or blocks.
///
/// The driver calls [`open`](Transport::open) for every new connection, moves the bytes between
/// [`transmit`](Transport::transmit), the link and [`receive`](Transport::receive), and after each
/// call takes what [`poll_event`](Transport::poll_event) has.
pub trait Transport: Send {
    /// Starts afresh on a new connection: forgets all of the last one and queues the opening
    /// bytes.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) when the request does not fit.
    fn open(&mut self, now: Now, opening: Opening) -> Result<(), Error>;

    /// The link's handshakes are over: what is sent reaches the service, and what is received comes
    /// from it. The driver says so once for each connection. Most protocols have a greeting of
    /// their own and need not know.
    fn ready(&mut self, now: Now) {
        let _ = now;
    }

    /// Queues a further request on the open connection. Replies to earlier ones are dropped from
    /// now on.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::TooLarge`](crate::ErrorKind::TooLarge) when the request does not fit.
    /// [`ErrorKind::ConnectionLost`](crate::ErrorKind::ConnectionLost) after
    /// [`TransportEvent::Closing`].
    fn send(&mut self, now: Now, request: Request) -> Result<(), Error>;

    /// Presents the token that a challenge asked for: at once if the service waits for it, and
    /// with all further requests if each carries its proof.
    ///
    /// # Errors
    ///
    /// [`ErrorKind::InvalidConfig`] when the token does not fit, [`ErrorKind::Protocol`] when the
    /// service cannot have asked for it.
    fn authenticate(&mut self, now: Now, token: SasToken) -> Result<(), Error> {
        let _ = (now, token);
        Err(Error::new(Stage::Authenticate, ErrorKind::Protocol)
            .with_detail("the service asks for a TPM's proof, which this transport cannot give"))
    }

    /// Takes bytes that came from the service. Any split of the stream is fine.
    ///
    /// # Errors
    ///
    /// When the connection can no longer be used; the driver closes it.
    fn receive(&mut self, now: Now, bytes: &[u8]) -> Result<(), Error>;

    /// Moves the bytes to send, if there are any, to the end of `out`.
    fn transmit(&mut self, out: &mut Vec<u8>);

    /// The next event, oldest first.
    fn poll_event(&mut self) -> Option<TransportEvent>;

    /// When [`handle_timeout`](Transport::handle_timeout) wants to be called next.
    fn next_timeout(&self) -> Option<Timestamp>;

    /// Does what is due at `now`, such as a keep-alive.
    ///
    /// # Errors
    ///
    /// When the peer did not answer a keep-alive; the driver closes the connection.
    fn handle_timeout(&mut self, now: Now) -> Result<(), Error>;

    /// Whether the service may end the connection now and nothing is lost: all requests have their
    /// replies, and the protocol has no need of a farewell. Its end is then like
    /// [`TransportEvent::Closing`]. Protocols that keep their connections open never say so.
    fn owes_nothing(&self) -> bool {
        false
    }

    /// Queues the protocol's farewell.
    fn close(&mut self);
}
