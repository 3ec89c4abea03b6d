//! Every way a registration can fail, and what to do about it.

use crate::wire::{ErrorDocument, object};
use crate::{Attestation, HsmError, IdError, KeyError};
use core::fmt;
use core::time::Duration;
use std::error::Error as StdError;

/// What to do when the service does not know a TPM.
const TPM_ENROLLMENT: &str = "check that the ID scope is right, and that an individual enrollment of type TPM has this registration id and this TPM's endorsement key";

/// Where on the way to an assignment something happened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
#[non_exhaustive]
pub enum Stage {
    /// Reading the configuration.
    Config,
    /// Using the key or certificate.
    Hsm,
    /// Looking up the host name.
    Resolve,
    /// Opening the TCP connection.
    Connect,
    /// Asking a proxy for a tunnel.
    Proxy,
    /// The TLS handshake.
    Tls,
    /// The WebSocket upgrade.
    WebSocket,
    /// Presenting the credentials.
    Authenticate,
    /// The register request.
    Register,
    /// Asking for the outcome.
    Poll,
    /// The connection to the assigned hub.
    Hub,
    /// The time allowed ran out.
    Deadline,
}

impl Stage {
    /// The stage's name in lower case, as it appears in error texts and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Stage::Config => "config",
            Stage::Hsm => "hsm",
            Stage::Resolve => "resolve",
            Stage::Connect => "connect",
            Stage::Proxy => "proxy",
            Stage::Tls => "tls",
            Stage::WebSocket => "websocket",
            Stage::Authenticate => "authenticate",
            Stage::Register => "register",
            Stage::Poll => "poll",
            Stage::Hub => "hub",
            Stage::Deadline => "deadline",
        }
    }

    /// What is being waited for at this stage.
    pub(crate) const fn awaited(self) -> &'static str {
        match self {
            Stage::Config | Stage::Hsm | Stage::Deadline => "the security module",
            Stage::Resolve => "the name server",
            Stage::Connect => "the TCP connection to open",
            Stage::Proxy => "the proxy to answer",
            Stage::Tls => "the TLS handshake to finish",
            Stage::WebSocket => "the WebSocket upgrade",
            Stage::Authenticate => "the service to accept the connection",
            Stage::Register => "a reply to the register request",
            Stage::Poll => "the assignment",
            Stage::Hub => "the hub to answer",
        }
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// A setting is missing, malformed or contradicts another one.
    InvalidConfig,
    /// The security module refused or failed.
    Hsm,
    /// The security module is still at work on what an earlier registration has asked of it, which
    /// ended without its answer.
    HsmBusy,
    /// The host name has no address.
    NameResolution,
    /// The host refused the TCP connection.
    ConnectionRefused,
    /// The TCP connection could not be opened for another reason.
    ConnectFailed,
    /// The connection ended before the reply.
    ConnectionLost,
    /// Nothing moved forward on the connection for too long.
    Silent {
        /// For how long.
        after: Duration,
    },
    /// The server's certificate was not accepted.
    ServerCertificate(CertificateProblem),
    /// The certificates to trust cannot be used, or there are none.
    TrustAnchors,
    /// The server does not accept the device's certificate, or wants one and got none.
    ClientCertificate,
    /// The TLS handshake failed for another reason.
    Tls,
    /// The service refused the connection with this protocol return code.
    ConnectRejected {
        /// MQTT: the CONNACK return code.
        code: u8,
    },
    /// The proxy did not open the tunnel.
    ProxyRejected {
        /// Its HTTP status: 407 for missing or wrong credentials.
        status: u16,
    },
    /// The server did not take up the WebSocket.
    WebSocketRejected {
        /// Its HTTP status.
        status: u16,
    },
    /// The service refused the credentials with this SASL outcome.
    SaslRejected {
        /// 1: the credentials; 2 and 3: a fault of the service; 4: one that passes.
        code: u8,
    },
    /// The service refused the subscription to its replies.
    SubscribeRejected,
    /// The peer broke the protocol.
    Protocol,
    /// A message is larger than the service allows.
    TooLarge {
        /// The limit in bytes.
        limit: usize,
    },
    /// A reply's body is not the JSON it should be.
    MalformedReply,
    /// A reply's JSON lacks a member that its status calls for, or has an unacceptable one.
    IncompleteReply,
    /// The device is assigned, but the key for its hub that the service sends to its TPM is no
    /// such key.
    MalformedHubKey,
    /// The device is assigned, but its TPM could not take the key for its hub.
    HubKey,
    /// The service refused the request.
    Service {
        /// HTTP-like status, 400 to 499; over HTTPS also 300 to 399, since redirects are not
        /// followed.
        status: u16,
    },
    /// The service is throttling, or has a fault of its own.
    Unavailable {
        /// HTTP-like status, 429 or at least 500.
        status: u16,
    },
    /// The service accepted the request and then failed to assign the device.
    RegistrationFailed,
    /// The enrollment is disabled.
    Disabled,
    /// The device is on the service's black list.
    Blacklisted,
    /// The time allowed ran out.
    DeadlineExceeded {
        /// The stage that was reached.
        during: Stage,
        /// The limit that ran out.
        limit: Duration,
    },
}

/// Why a server's certificate was not accepted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum CertificateProblem {
    /// No trust anchor leads to it.
    UnknownIssuer,
    /// It vouches for itself, and is not trusted.
    SelfSigned,
    /// It is valid for other names only.
    WrongName,
    /// It has expired.
    Expired,
    /// It is not valid yet.
    NotYetValid,
    /// It, or one of its issuers, was revoked; for example by a pin.
    Revoked,
    /// Anything else.
    Other,
}

/// What the service said about a failure (`wire-protocol.md` section 6.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ServiceError {
    /// HTTP-like status of the reply.
    pub status: u16,
    /// The service's code, status * 1000 + a number, for example 401002.
    pub error_code: Option<u32>,
    /// Names this failure to the service's support.
    pub tracking_id: Option<String>,
    /// The service's words.
    pub message: Option<String>,
    /// When, by the service's clock.
    pub timestamp: Option<String>,
}

impl ServiceError {
    /// Reads an error document that came with `status`; `None` when `body` is none.
    pub fn from_json(status: u16, body: &[u8]) -> Option<Self> {
        let document: ErrorDocument = object(body).ok()?;
        Some(Self {
            status,
            error_code: document.error_code,
            tracking_id: document.tracking_id,
            message: document.message,
            timestamp: document.timestamp_utc,
        })
    }
}

/// A failure with its stage, kind, the service's words where there are any, and a hint.
///
/// `Display` gives one line with everything but the hint. No key, token or password is ever part
/// of an error.
pub struct Error(Box<Inner>);

struct Inner {
    stage: Stage,
    kind: ErrorKind,
    detail: Option<String>,
    service: Option<ServiceError>,
    retry_after: Option<Duration>,
    attestation: Option<Attestation>,
    source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error of this kind at this stage.
    pub fn new(stage: Stage, kind: ErrorKind) -> Self {
        Self(Box::new(Inner {
            stage,
            kind,
            detail: None,
            service: None,
            retry_after: None,
            attestation: None,
            source: None,
        }))
    }

    /// The same error at another stage.
    #[must_use]
    pub fn at_stage(mut self, stage: Stage) -> Self {
        self.0.stage = stage;
        self
    }

    /// Adds words on the particular case: an address, a file, a reason. Never a secret.
    #[must_use]
    pub fn with_detail(mut self, detail: impl Into<String>) -> Self {
        self.0.detail = Some(detail.into());
        self
    }

    /// Adds what the service said.
    #[must_use]
    pub fn with_service(mut self, service: ServiceError) -> Self {
        self.0.service = Some(service);
        self
    }

    /// Adds the pause that the peer asks for before another try.
    #[must_use]
    pub fn with_retry_after(mut self, pause: Duration) -> Self {
        self.0.retry_after = Some(pause);
        self
    }

    /// Adds the kind of proof that the device gives, on which the hint may depend.
    #[must_use]
    pub fn with_attestation(mut self, attestation: Attestation) -> Self {
        self.0.attestation = Some(attestation);
        self
    }

    /// Adds the underlying error.
    #[must_use]
    pub fn with_source(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Self {
        self.0.source = Some(source.into());
        self
    }

    /// The stage that failed.
    pub fn stage(&self) -> Stage {
        self.0.stage
    }

    /// What went wrong.
    pub fn kind(&self) -> &ErrorKind {
        &self.0.kind
    }

    /// Words on the particular case.
    pub fn detail(&self) -> Option<&str> {
        self.0.detail.as_deref()
    }

    /// What the service said, if it said anything.
    pub fn service(&self) -> Option<&ServiceError> {
        self.0.service.as_ref()
    }

    /// The pause that the peer asks for before another try, 1 s to 300 s.
    pub fn retry_after(&self) -> Option<Duration> {
        self.0.retry_after
    }

    /// The kind of proof that the device gives, when it is the end of a registration.
    pub fn attestation(&self) -> Option<Attestation> {
        self.0.attestation
    }

    /// The failure before this one that explains it: what kept a registration from going on until
    /// its deadline.
    pub fn cause(&self) -> Option<&Error> {
        self.0.source.as_ref()?.downcast_ref()
    }

    /// Whether trying again, without changing anything, can help.
    pub fn is_transient(&self) -> bool {
        match self.0.kind {
            ErrorKind::NameResolution
            | ErrorKind::ConnectionRefused
            | ErrorKind::ConnectFailed
            | ErrorKind::ConnectionLost
            | ErrorKind::Silent { .. }
            | ErrorKind::HsmBusy
            | ErrorKind::Unavailable { .. } => true,
            ErrorKind::ConnectRejected { code } => code == 3,
            ErrorKind::ProxyRejected { status } | ErrorKind::WebSocketRejected { status } => {
                status == 429 || status >= 500
            }
            ErrorKind::SaslRejected { code } => code == 4,
            _ => false,
        }
    }

    /// What a person can do about it.
    pub fn hint(&self) -> &'static str {
        if let (ErrorKind::DeadlineExceeded { .. }, Some(cause)) = (&self.0.kind, self.cause()) {
            return cause.hint();
        }
        match &self.0.kind {
            ErrorKind::InvalidConfig => "correct the setting and start again",
            ErrorKind::Hsm => "check that the security module is present and holds the identity",
            ErrorKind::HsmBusy => {
                "try again later; if the security module hangs, restart it and then this program"
            }
            ErrorKind::DeadlineExceeded { during: Stage::Hsm, .. } => {
                "the security module did not answer in time: check that it works, and restart it if it hangs"
            }
            ErrorKind::NameResolution if self.0.stage == Stage::Proxy => {
                "check the spelling of the proxy's host and that this machine can resolve names"
            }
            ErrorKind::ConnectionRefused | ErrorKind::ConnectFailed | ErrorKind::ConnectionLost
                if self.0.stage == Stage::Proxy =>
            {
                "check the proxy's host, port and scheme (http or https), and that it is running there"
            }
            ErrorKind::Silent { .. } if self.0.stage == Stage::Proxy => {
                "check that an HTTP proxy listens at this host and port, and whether it speaks http or https"
            }
            ErrorKind::ConnectionLost
                if matches!(self.0.stage, Stage::Authenticate | Stage::WebSocket) =>
            {
                "the server closed the connection without an answer: check that this transport is spoken at this host and port, then try again"
            }
            ErrorKind::NameResolution => {
                "check the endpoint's spelling and that this machine can resolve names"
            }
            ErrorKind::ConnectionRefused => {
                "check the endpoint's host and port, and that the service is running there"
            }
            ErrorKind::ConnectFailed => "check the network and any firewall on the way",
            ErrorKind::ConnectionLost if self.0.stage == Stage::Hub => {
                "connect again; a hub lets each device in once only, so another program with this device's identity may have taken its place"
            }
            ErrorKind::ConnectionLost => {
                "something closed the connection: check proxies and firewalls, then try again"
            }
            ErrorKind::Silent { .. } => {
                "the server accepts connections but does not answer: check that the endpoint is a provisioning service, or try later"
            }
            ErrorKind::ServerCertificate(problem) => match problem {
                CertificateProblem::UnknownIssuer => {
                    "if this is a local or private service, give its CA certificate as trusted; otherwise something on the way intercepts TLS"
                }
                CertificateProblem::SelfSigned => {
                    "if this is your own server, give its certificate as trusted; otherwise something on the way intercepts TLS"
                }
                CertificateProblem::WrongName => {
                    "use a host name that the server's certificate carries"
                }
                CertificateProblem::Expired | CertificateProblem::NotYetValid => {
                    "check this machine's clock; if it is right, the server needs a new certificate"
                }
                CertificateProblem::Revoked | CertificateProblem::Other => {
                    "do not trust this server; ask its operator for a valid certificate"
                }
            },
            ErrorKind::TrustAnchors => {
                "install the system's CA certificates, or give the service's CA certificate in PEM as trusted"
            }
            ErrorKind::ClientCertificate => {
                "check that the device's certificate is valid now, that its whole chain is given, and that the key belongs to it"
            }
            ErrorKind::Tls => "check that the endpoint's port speaks TLS 1.2 or 1.3",
            ErrorKind::ConnectRejected { code: 3 } => "the service is unavailable: try later",
            ErrorKind::ConnectRejected { .. } if self.0.stage == Stage::Hub => {
                "check that the hub still knows the device (register again if not), that the key or certificate is the one it registered with, and this machine's clock"
            }
            ErrorKind::SaslRejected { code: 1 } if self.0.attestation == Some(Attestation::Tpm) => {
                TPM_ENROLLMENT
            }
            ErrorKind::ConnectRejected { .. } | ErrorKind::SaslRejected { code: 1 } => {
                "check the ID scope, the registration id and the key"
            }
            // Some proxies answer 401 to wrong credentials, and 407 to none.
            ErrorKind::ProxyRejected { status: 401 | 407 } => {
                "give the proxy's user name and password; only the scheme Basic is spoken"
            }
            ErrorKind::ProxyRejected { status: 500.. } => {
                "the proxy could not reach the service: check the endpoint's host and port as the proxy sees them, or try later"
            }
            ErrorKind::ProxyRejected { .. } => {
                "the proxy does not allow this connection: have its operator allow the service's host and port, or choose a transport on port 443"
            }
            ErrorKind::WebSocketRejected { status: 429 | 500.. } => {
                "the service has a fault or limits the rate of requests: try later"
            }
            ErrorKind::WebSocketRejected { .. } => {
                "check that the endpoint is a provisioning service, and that nothing on the way filters WebSockets; or choose another transport"
            }
            ErrorKind::Protocol if self.0.stage == Stage::Proxy => {
                "check that an HTTP proxy listens at this host and port, and whether it speaks http or https"
            }
            ErrorKind::SaslRejected { .. } => "the service has a fault: try later",
            ErrorKind::SubscribeRejected
            | ErrorKind::Protocol
            | ErrorKind::MalformedReply
            | ErrorKind::IncompleteReply
                if self.0.stage == Stage::Hub =>
            {
                "check that the host is an IoT hub and that nothing on the way changes its data"
            }
            ErrorKind::SubscribeRejected
            | ErrorKind::Protocol
            | ErrorKind::MalformedReply
            | ErrorKind::IncompleteReply => {
                "check that the endpoint is a provisioning service and that nothing on the way changes its data"
            }
            ErrorKind::MalformedHubKey => {
                "the service sends something else than a key to the device's TPM: check that the endpoint is a provisioning service, and that nothing on the way changes its data"
            }
            ErrorKind::HubKey => {
                "the device has a hub, but cannot speak with it: check that the TPM is present, that nothing else uses it, and that it has room for a key, then register again"
            }
            ErrorKind::TooLarge { .. } => "make the payload smaller",
            ErrorKind::Service { .. } if self.0.stage == Stage::Hub => {
                "check that the reported properties are a JSON object of less than 32 KB"
            }
            ErrorKind::Service { .. } => self.service_hint(),
            ErrorKind::Unavailable { status: 429 } => {
                "the service limits the rate of requests: try later"
            }
            ErrorKind::Unavailable { .. } => "the service has a fault: try later",
            ErrorKind::RegistrationFailed => match self.error_code() {
                Some(400_208) => "link an IoT hub to the provisioning service",
                Some(400_209) => {
                    "the hub refused the provisioning service: renew the hub's connection string in the linked hubs"
                }
                Some(400_207) => "check the custom allocation webhook",
                _ => "look at the enrollment and its allocation settings in the service",
            },
            ErrorKind::Disabled => "enable the enrollment in the service",
            ErrorKind::Blacklisted => "ask the service's operator to release the device",
            ErrorKind::DeadlineExceeded { during, .. } => match during {
                Stage::Resolve | Stage::Connect | Stage::Proxy => {
                    "check the endpoint, the network and any firewall on the way, or allow more time"
                }
                Stage::Tls | Stage::WebSocket | Stage::Authenticate => {
                    "the server accepts connections but does not answer: check that the endpoint is a provisioning service, or allow more time"
                }
                _ => "the service takes longer than allowed: check its state, or allow more time",
            },
        }
    }

    fn error_code(&self) -> Option<u32> {
        self.0.service.as_ref().and_then(|service| service.error_code)
    }

    fn service_hint(&self) -> &'static str {
        let status = match self.0.kind {
            ErrorKind::Service { status } => status,
            _ => 0,
        };
        if self.0.service.is_none() {
            return "whatever answers there may not be a provisioning service: check the endpoint, and whether something on the way (a login page, a firewall) answers in its place";
        }
        if self.0.attestation == Some(Attestation::Tpm) && matches!(status, 401 | 404) {
            return TPM_ENROLLMENT;
        }
        match (self.error_code(), status) {
            (Some(401_002), _) if self.says_invalid_certificate() => {
                "check that the certificate or one of its issuers is enrolled, that the whole chain is sent and valid now, and that the certificate's common name is the registration id"
            }
            (Some(401_000..=401_999), _) | (_, 401) => {
                "check that the key belongs to this registration id (a device of a group needs its derived key, see dps derive-key), the ID scope, and this machine's clock"
            }
            (Some(404_203), _) => "the service no longer knows the operation: register again",
            (Some(404_000..=404_999), _) | (_, 404) => {
                "add an enrollment for this registration id, and check the ID scope"
            }
            (_, 400) => "check the registration id and the payload",
            (_, 403) => "check the service's IP filter and access settings",
            _ => "look up the error code in the service's documentation",
        }
    }

    /// The service's words for an X.509 device (`wire-protocol.md` section 2.6).
    fn says_invalid_certificate(&self) -> bool {
        let message = self.0.service.as_ref().and_then(|service| service.message.as_deref());
        message.is_some_and(|message| message.starts_with("Invalid certificate"))
    }

    fn headline(&self) -> String {
        match &self.0.kind {
            ErrorKind::InvalidConfig => "the configuration is not valid".into(),
            ErrorKind::Hsm => "the security module failed".into(),
            ErrorKind::HsmBusy => {
                "the security module is still at work for an earlier registration".into()
            }
            ErrorKind::NameResolution => "the host name could not be resolved".into(),
            ErrorKind::ConnectionRefused => "the connection was refused".into(),
            ErrorKind::ConnectFailed => "no connection could be opened".into(),
            ErrorKind::ConnectionLost => "the connection was lost".into(),
            ErrorKind::Silent { after } => {
                format!("the server was silent for {} s", after.as_secs())
            }
            ErrorKind::ServerCertificate(problem) => match problem {
                CertificateProblem::UnknownIssuer => {
                    "no trust anchor leads to the server's certificate".into()
                }
                CertificateProblem::SelfSigned => {
                    "the server's certificate is self-signed and not trusted".into()
                }
                CertificateProblem::WrongName => {
                    "the server's certificate is for another name".into()
                }
                CertificateProblem::Expired => "the server's certificate has expired".into(),
                CertificateProblem::NotYetValid => {
                    "the server's certificate is not valid yet".into()
                }
                CertificateProblem::Revoked => "the server's certificate was revoked".into(),
                CertificateProblem::Other => "the server's certificate is not acceptable".into(),
            },
            ErrorKind::TrustAnchors => "the certificates to trust cannot be used".into(),
            ErrorKind::ClientCertificate => {
                "the server does not accept the device's certificate".into()
            }
            ErrorKind::Tls => "the TLS handshake failed".into(),
            ErrorKind::ConnectRejected { code } => {
                let words = match code {
                    1 => "protocol version not accepted",
                    2 => "identifier rejected",
                    3 => "server unavailable",
                    4 => "bad user name or password",
                    5 => "not authorized",
                    _ => "unknown reason",
                };
                format!("the service refused the connection: {words} (return code {code})")
            }
            ErrorKind::ProxyRejected { status } => {
                format!("the proxy refused the tunnel (status {status})")
            }
            ErrorKind::WebSocketRejected { status } => {
                format!("the server refused the WebSocket (status {status})")
            }
            ErrorKind::SaslRejected { code } => {
                let words = match code {
                    1 => "bad credentials",
                    2 | 3 => "a fault of the service",
                    4 => "a passing fault of the service",
                    _ => "unknown reason",
                };
                format!("the service refused the connection: {words} (SASL outcome {code})")
            }
            ErrorKind::SubscribeRejected => "the service refused the subscription".into(),
            ErrorKind::Protocol => "the peer broke the protocol".into(),
            ErrorKind::TooLarge { limit } => format!("a message exceeds {limit} bytes"),
            ErrorKind::MalformedReply => "the service's reply makes no sense".into(),
            ErrorKind::IncompleteReply => "the service's reply lacks something".into(),
            ErrorKind::MalformedHubKey => "the key for the hub is not one for a TPM".into(),
            ErrorKind::HubKey => "the TPM could not take the key for the hub".into(),
            ErrorKind::Service { status } => {
                format!("the service refused the request with {status}")
            }
            ErrorKind::Unavailable { status: 429 } => "the service is throttling (429)".into(),
            ErrorKind::Unavailable { status } => format!("the service answered {status}"),
            ErrorKind::RegistrationFailed => "the service could not assign the device".into(),
            ErrorKind::Disabled => "the enrollment is disabled".into(),
            ErrorKind::Blacklisted => "the device is blacklisted".into(),
            ErrorKind::DeadlineExceeded { during, limit } => format!(
                "{} s have passed while waiting for {} (stage {during})",
                limit.as_secs(),
                during.awaited()
            ),
        }
    }
}

/// Whether a character could hide or rearrange text around it.
fn misleads(character: char) -> bool {
    character.is_control()
        || matches!(
            character,
            '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}'
        )
}

/// Whether a text can be shown as it is.
pub(crate) fn is_plain(text: &str) -> bool {
    !text.chars().any(misleads)
}

/// Text from the network, made harmless for terminals and logs.
struct Printable<'a>(&'a str);

impl fmt::Display for Printable<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        use fmt::Write as _;
        for character in self.0.chars().take(500) {
            f.write_char(if misleads(character) { ' ' } else { character })?;
        }
        Ok(())
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "status {}", self.status)?;
        if let Some(code) = self.error_code {
            write!(f, ", error code {code}")?;
        }
        if let Some(message) = &self.message {
            write!(f, ", message \"{}\"", Printable(message))?;
        }
        if let Some(id) = &self.tracking_id {
            write!(f, ", tracking id {}", Printable(id))?;
        }
        Ok(())
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.0.stage, self.headline())?;
        if let Some(detail) = &self.0.detail {
            write!(f, ": {}", Printable(detail))?;
        }
        if let Some(service) = &self.0.service {
            write!(f, " ({service})")?;
        }
        if let Some(source) = &self.0.source {
            // An earlier failure of the same registration explains a deadline.
            write!(f, "; before that: {source}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Error")
            .field("stage", &self.0.stage)
            .field("kind", &self.0.kind)
            .field("detail", &self.0.detail)
            .field("service", &self.0.service)
            .field("source", &self.0.source.as_ref().map(ToString::to_string))
            .finish()
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

impl From<IdError> for Error {
    fn from(error: IdError) -> Self {
        Error::new(Stage::Config, ErrorKind::InvalidConfig).with_detail(error.to_string())
    }
}

impl From<KeyError> for Error {
    fn from(error: KeyError) -> Self {
        Error::new(Stage::Config, ErrorKind::InvalidConfig).with_detail(error.to_string())
    }
}

impl From<HsmError> for Error {
    fn from(error: HsmError) -> Self {
        Error::new(Stage::Hsm, ErrorKind::Hsm).with_detail(error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_text_carries_stage_service_words_and_no_control_characters() {
        let error = Error::new(Stage::Register, ErrorKind::Service { status: 401 }).with_service(
            ServiceError {
                status: 401,
                error_code: Some(401_002),
                tracking_id: Some("abc".into()),
                message: Some("Unauth\u{1b}[31morized\n".into()),
                timestamp: None,
            },
        );
        let text = error.to_string();
        assert!(text.starts_with("register: "), "{text}");
        for part in ["401002", "tracking id abc", "Unauth [31morized"] {
            assert!(text.contains(part), "{text}");
        }
        assert!(!text.contains('\u{1b}') && !text.contains('\n'), "{text:?}");
        assert!(error.hint().contains("key"), "{}", error.hint());
    }

    #[test]
    fn transience_follows_the_retry_rules() {
        let transient = |kind| Error::new(Stage::Connect, kind).is_transient();
        assert!(transient(ErrorKind::ConnectionRefused));
        assert!(transient(ErrorKind::ConnectionLost));
        assert!(transient(ErrorKind::ConnectRejected { code: 3 }));
        assert!(transient(ErrorKind::Unavailable { status: 429 }));
        assert!(transient(ErrorKind::Unavailable { status: 503 }));
        for code in [1, 2, 4, 5, 6] {
            assert!(!transient(ErrorKind::ConnectRejected { code }), "{code}");
        }
        for code in [1, 2, 3, 4, 5] {
            assert_eq!(transient(ErrorKind::SaslRejected { code }), code == 4, "{code}");
        }
        assert!(!transient(ErrorKind::Service { status: 401 }));
        assert!(!transient(ErrorKind::Disabled));
        assert!(!transient(ErrorKind::ServerCertificate(CertificateProblem::UnknownIssuer)));
        assert!(!transient(ErrorKind::InvalidConfig));
    }
}
