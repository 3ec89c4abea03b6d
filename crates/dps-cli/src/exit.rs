//! Exit codes, one for each kind of remedy.

use dps_client::{Error, ErrorKind, Stage};

pub(crate) const HELP: &str = "\
Exit codes:
  0  done
  1  a file could not be read or written, or something unexpected happened
  2  the arguments or settings are wrong
  3  the security module failed
  4  the service could not be reached (name, TCP, lost connection)
  5  TLS failed (certificate, handshake)
  6  the service refused the credentials
  7  the service refused the device or the request (disabled, not assigned, not found, ...)
  8  the time allowed ran out, and nothing had failed before
  9  the service is throttling or has a fault
 10  the server does not speak the protocol";

pub(crate) const OTHER: u8 = 1;
pub(crate) const CONFIG: u8 = 2;
pub(crate) const UNREACHABLE: u8 = 4;
pub(crate) const TLS: u8 = 5;
pub(crate) const CREDENTIALS: u8 = 6;
pub(crate) const HSM: u8 = 3;
pub(crate) const REFUSED: u8 = 7;
pub(crate) const TIMED_OUT: u8 = 8;
pub(crate) const UNAVAILABLE: u8 = 9;
pub(crate) const PROTOCOL: u8 = 10;

/// The exit code of a failed registration.
pub(crate) fn of(error: &Error) -> u8 {
    match error.kind() {
        ErrorKind::InvalidConfig | ErrorKind::TooLarge { .. } => CONFIG,
        ErrorKind::TrustAnchors => CONFIG,
        ErrorKind::Hsm | ErrorKind::HubKey => HSM,
        ErrorKind::NameResolution
        | ErrorKind::ConnectionRefused
        | ErrorKind::ConnectFailed
        | ErrorKind::ConnectionLost
        | ErrorKind::ProxyRejected { .. }
        | ErrorKind::WebSocketRejected { .. }
        | ErrorKind::Silent { .. } => 4,
        ErrorKind::ServerCertificate(_) | ErrorKind::Tls => 5,
        ErrorKind::ConnectRejected { code: 3 } => 9,
        ErrorKind::ConnectRejected { .. }
        | ErrorKind::SaslRejected { code: 1 }
        | ErrorKind::ClientCertificate => CREDENTIALS,
        ErrorKind::SaslRejected { .. } => 9,
        ErrorKind::Service { status: 401 | 403 } => CREDENTIALS,
        ErrorKind::Service { .. }
        | ErrorKind::RegistrationFailed
        | ErrorKind::Disabled
        | ErrorKind::Blacklisted => 7,
        // What kept it from going on says more than that time ran out.
        ErrorKind::DeadlineExceeded { .. } => error.cause().map_or(TIMED_OUT, of),
        ErrorKind::Unavailable { .. } => 9,
        ErrorKind::SubscribeRejected
        | ErrorKind::Protocol
        | ErrorKind::MalformedReply
        | ErrorKind::IncompleteReply
        | ErrorKind::MalformedHubKey => PROTOCOL,
        _ if error.stage() == Stage::Config => CONFIG,
        _ => OTHER,
    }
}
