//! What can go wrong between a caller and the service.

use core::fmt;
use dps_core::wire::ErrorDocument;

/// Why there is no answer that was asked for. No message holds a key or a token.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The service refuses: what it says is in [`ServiceError`].
    #[error("the service refuses: {0}")]
    Service(ServiceError),
    /// The service could not be reached, or the connection was lost.
    #[error("the service at {host} cannot be reached: {problem}")]
    Unreachable {
        /// The host of the connection string.
        host: String,
        /// What the network says.
        problem: String,
    },
    /// TLS failed, for example because the service's certificate is not trusted.
    #[error("no TLS connection to {host}: {problem}")]
    Tls {
        /// The host of the connection string.
        host: String,
        /// What TLS says.
        problem: String,
    },
    /// The time allowed ran out.
    #[error("the service at {host} did not answer in time")]
    TimedOut {
        /// The host of the connection string.
        host: String,
    },
    /// The answer is not what the service API gives.
    #[error("the answer is not one of the service API: {problem}")]
    Malformed {
        /// What is wrong with it.
        problem: String,
    },
    /// The answer is larger than the client takes.
    #[error("the answer has more than {most_bytes} bytes")]
    TooLarge {
        /// The most that it takes.
        most_bytes: u64,
    },
    /// A name is empty, which would be a request about something else: nothing was sent.
    #[error("the name is empty")]
    EmptyName,
    /// The proxy cannot be used.
    #[error("the proxy is not a URL of the form http://host:port")]
    BadProxy,
    /// The trusted certificates cannot be used.
    #[error("the trusted certificates cannot be used: {problem}")]
    TrustAnchors {
        /// What is wrong with them.
        problem: &'static str,
    },
}

/// A refusal in the service's words (`wire-protocol.md` section 6.3).
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct ServiceError {
    /// The HTTP status.
    pub status: u16,
    /// The errorCode, if there is one.
    pub code: Option<u32>,
    /// The message, if there is one.
    pub message: Option<String>,
    /// For the service's support, if there is one.
    pub tracking_id: Option<String>,
}

impl ServiceError {
    pub(crate) fn read(status: u16, body: &[u8]) -> Self {
        let document: ErrorDocument = serde_json::from_slice(body).unwrap_or_default();
        Self {
            status,
            code: document.error_code,
            message: document.message,
            tracking_id: document.tracking_id,
        }
    }
}

impl fmt::Display for ServiceError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        if let Some(code) = self.code {
            write!(f, ", code {code}")?;
        }
        if let Some(message) = &self.message {
            write!(f, ", \"{message}\"")?;
        }
        if let Some(id) = &self.tracking_id {
            write!(f, ", tracking id {id}")?;
        }
        Ok(())
    }
}

impl Error {
    /// The service's refusal, if this is one.
    pub fn service(&self) -> Option<&ServiceError> {
        match self {
            Self::Service(error) => Some(error),
            _ => None,
        }
    }

    /// What to do about it.
    pub fn hint(&self) -> &'static str {
        match self {
            Self::Service(error) => match error.status {
                400 => "correct what the service's message names",
                401 => {
                    "check the policy's name, key and rights in the connection string, and this machine's clock"
                }
                404 => "check the name, and whether it is an enrollment, a group or a registration",
                405 => {
                    "check that HostName is that of a provisioning service, and that it knows such requests"
                }
                409 => "it exists already: update it instead of creating it",
                412 => "somebody else has changed it: read it again, and update what you read",
                429 | 500.. => "try again later",
                _ => "give the service's support the tracking id",
            },
            Self::Unreachable { .. } => {
                "check HostName in the connection string, and the way to it (name, firewall, proxy)"
            }
            Self::Tls { .. } => {
                "the service's certificate must be trusted: for a local service, name its CA certificate"
            }
            Self::TimedOut { .. } => "check the way to the service, and try again",
            Self::Malformed { .. } => "check that HostName is that of a provisioning service",
            Self::TooLarge { .. } => "ask for less at a time, or allow larger answers",
            Self::EmptyName => {
                "give a name; where a script puts it in, look whether its variable is set"
            }
            Self::BadProxy => "give http://host:port or https://user:password@host:port",
            Self::TrustAnchors { .. } => "give a file with certificates in PEM",
        }
    }
}
