//! Faults on purpose: how the service misbehaves so that a device's own code can be tested. How a
//! real service's 429 and 500 look is in `wire-protocol.md` sections 2.5, 2.6, 4.4 and 6.3.
//!
//! A [`Fault`] says whom it strikes, where, how and how often. Of several that fit, the one that was
//! set first strikes, and no other: setting a fault again under its name leaves its place as it is,
//! and begins to count anew.

mod document;
mod list;
#[cfg(test)]
mod tests;

pub use document::FaultConfig;
pub(crate) use document::FaultDocument;
pub(crate) use list::{FaultList, Occasion};

use core::fmt;
use core::time::Duration;
use dps_core::{IdError, RegistrationId};
use serde::{Deserialize, Serialize};

/// The longest delay: ten minutes, as long as idle clients are borne.
const MOST_DELAY_MS: u32 = 600_000;
/// The longest pause that is asked for: a day.
const MOST_RETRY_AFTER: u32 = 86_400;
/// The most bytes before a drop. Answers are far smaller.
const MOST_BYTES: u32 = 1024 * 1024;

/// How the service misbehaves on purpose, and to whom.
///
/// ```
/// use dps_emulator::{DeviceTransport, Emulator, EmulatorConfig, Fault, FaultKind};
///
/// let mut config = EmulatorConfig::default();
/// config.mqtt_port = 0;
/// let emulator = Emulator::start(config)?;
/// // The first two requests over MQTT are answered with 429.
/// let throttle = Fault::new(FaultKind::Throttle { retry_after_seconds: Some(1) })
///     .over(DeviceTransport::Mqtt)
///     .times(2);
/// emulator.set_fault("throttle", throttle)?;
/// assert_eq!(emulator.faults()[0].struck, 0);
/// emulator.clear_faults();
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Fault {
    /// Whom it strikes.
    pub scope: FaultScope,
    /// Over which transport; over all when absent.
    pub transport: Option<DeviceTransport>,
    /// At what. When absent: at requests, of either kind, but never at the connection itself, so
    /// that it strikes as often over each transport.
    pub operation: Option<FaultOperation>,
    /// What happens.
    pub kind: FaultKind,
    /// How often it strikes, 1 or more; until it is removed when absent.
    pub count: Option<u32>,
}

impl Fault {
    /// A fault that strikes every request of every device until it is removed.
    pub fn new(kind: FaultKind) -> Self {
        Self { scope: FaultScope::Everything, transport: None, operation: None, kind, count: None }
    }

    /// The same for this scope only.
    #[must_use]
    pub fn for_scope(mut self, scope: FaultScope) -> Self {
        self.scope = scope;
        self
    }

    /// The same over this transport only.
    #[must_use]
    pub fn over(mut self, transport: DeviceTransport) -> Self {
        self.transport = Some(transport);
        self
    }

    /// The same at this operation only.
    #[must_use]
    pub fn at(mut self, operation: FaultOperation) -> Self {
        self.operation = Some(operation);
        self
    }

    /// The same as often as this.
    #[must_use]
    pub fn times(mut self, count: u32) -> Self {
        self.count = Some(count);
        self
    }

    /// Whether it makes sense.
    pub(crate) fn check(&self) -> Result<(), FaultError> {
        let range = |member, value: u32, lowest, highest| match (lowest..=highest).contains(&value)
        {
            true => Ok(()),
            false => Err(FaultError::Range { member, lowest, highest }),
        };
        if let Some(count) = self.count {
            range("count", count, 1, u32::MAX)?;
        }
        match self.kind {
            FaultKind::Delay { milliseconds } => {
                range("delayMs", milliseconds, 1, MOST_DELAY_MS)?;
            }
            FaultKind::ServerError { status, .. } => {
                range("status", status.into(), 500, 599)?;
            }
            FaultKind::Drop { after_bytes } => range("afterBytes", after_bytes, 0, MOST_BYTES)?,
            FaultKind::Throttle { .. } | FaultKind::NeverAnswer | FaultKind::Malformed { .. } => {}
        }
        if let FaultKind::Throttle { retry_after_seconds: Some(seconds) }
        | FaultKind::ServerError { retry_after_seconds: Some(seconds), .. } = self.kind
        {
            range("retryAfterSeconds", seconds, 0, MOST_RETRY_AFTER)?;
        }
        if let FaultScope::EnrollmentGroup(name) = &self.scope {
            let named = |problem| FaultError::ScopeName { member: "enrollmentGroupId", problem };
            RegistrationId::new(name.as_str()).map_err(named)?;
        }
        if self.operation == Some(FaultOperation::Connect) {
            if let FaultKind::Malformed { .. } = self.kind {
                return Err(FaultError::MalformedConnect);
            }
            if self.transport == Some(DeviceTransport::Https) {
                return Err(FaultError::HttpsConnect);
            }
        }
        Ok(())
    }
}

/// Whom a fault strikes. Names compare without regard to case.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultScope {
    /// Every device, also one that nobody knows.
    Everything,
    /// What claims to be this device, before its credentials are looked at.
    RegistrationId(RegistrationId),
    /// The device that the individual enrollment of this registration id lets in.
    Enrollment(RegistrationId),
    /// Devices that the enrollment group of this name lets in.
    EnrollmentGroup(String),
}

/// How a device has come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
#[non_exhaustive]
pub enum DeviceTransport {
    /// MQTT over TLS.
    Mqtt,
    /// MQTT in a WebSocket.
    MqttWs,
    /// AMQP over TLS.
    Amqp,
    /// AMQP in a WebSocket.
    AmqpWs,
    /// HTTPS.
    #[serde(alias = "http")]
    Https,
}

/// What a fault can strike.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum FaultOperation {
    /// Where a connection says whose it is: CONNECT of MQTT; of AMQP SASL PLAIN or TPM, or with a
    /// certificate the first link. There is none over HTTPS.
    Connect,
    /// A request to register.
    Register,
    /// A question how a registration stands.
    Poll,
}

/// What a fault does. With [`Throttle`](Self::Throttle) and [`ServerError`](Self::ServerError) the
/// request is not looked at; with all others it is worked off as ever, and only what the device
/// hears of it differs.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum FaultKind {
    /// The answer comes later, and so does all that follows it on the connection.
    Delay {
        /// 1 to 600,000.
        milliseconds: u32,
    },
    /// The status 429. At the connection, which has none: CONNACK 3, SASL outcome 4, or a link
    /// and connection closed with an error.
    Throttle {
        /// 0 to 86,400; not said when absent.
        retry_after_seconds: Option<u32>,
    },
    /// A status from 500 to 599; at the connection as [`Throttle`](Self::Throttle).
    ServerError {
        /// The status.
        status: u16,
        /// 0 to 86,400; not said when absent.
        retry_after_seconds: Option<u32>,
    },
    /// The connection is dropped, without a farewell of TLS, WebSocket or protocol, after the first
    /// bytes of the answer; when that is no longer, after all of it. Counted is what is inside TLS
    /// and WebSocket: HTTP's head and body, MQTT's PUBACK and PUBLISH (or CONNACK), AMQP's
    /// disposition and transfer (or outcome, or attach).
    Drop {
        /// 0 to 1,048,576.
        after_bytes: u32,
    },
    /// Nothing comes on the connection any more. It stays open until the client closes it, or ten
    /// minutes have passed.
    NeverAnswer,
    /// The answer's document is not what the service promises, its status and all around it is. Not
    /// for connections, which have no document.
    Malformed {
        /// What is wrong with it.
        form: MalformedForm,
    },
}

/// What is wrong with a document.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "camelCase")]
#[non_exhaustive]
pub enum MalformedForm {
    /// It is a page in HTML, as gateways send.
    #[default]
    NotJson,
    /// Its second half is missing.
    TruncatedJson,
    /// It is JSON, but has members that nobody knows, and none that there must be.
    WrongMembers,
    /// It has no bytes at all.
    Empty,
}

impl MalformedForm {
    /// What becomes of a document.
    pub(crate) fn of(self, document: &str) -> String {
        match self {
            Self::NotJson => "<html><body>502 Bad Gateway</body></html>".to_owned(),
            // Replies are ASCII.
            Self::TruncatedJson => document.chars().take(document.len() / 2).collect(),
            Self::WrongMembers => r#"{"id":1,"state":"done"}"#.to_owned(),
            Self::Empty => String::new(),
        }
    }
}

/// A fault of a service, and how it stands.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct FaultStatus {
    /// Its name.
    pub name: String,
    /// What it does.
    pub fault: Fault,
    /// How often it has struck.
    pub struck: u32,
}

/// What is wrong with a fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FaultError {
    /// The name breaks the rules, which are those of registration ids.
    #[error("the fault's name follows the rules of registration ids: {0}")]
    Name(IdError),
    /// The scope's name breaks the rules.
    #[error("{member} is no name that a device or group can have: {problem}")]
    ScopeName {
        /// The kind of scope.
        member: &'static str,
        /// The rule it breaks.
        problem: IdError,
    },
    /// There are too many.
    #[error("there are {0} faults already: remove those that are not needed")]
    TooMany(usize),
    /// A number is out of range.
    #[error("{member} is a number from {lowest} to {highest}")]
    Range {
        /// The number's name.
        member: &'static str,
        /// The least.
        lowest: u32,
        /// The most.
        highest: u32,
    },
    /// Something is needed for this kind of fault.
    #[error("{member} is needed with the kind {kind}")]
    Missing {
        /// What is missing.
        member: &'static str,
        /// The kind.
        kind: &'static str,
    },
    /// Something belongs to other kinds of faults.
    #[error("{member} does not go with the kind {kind}")]
    Misplaced {
        /// What is there.
        member: &'static str,
        /// The kind.
        kind: &'static str,
    },
    /// Several scopes are named.
    #[error("only one of registrationId, enrollment and enrollmentGroupId can be the scope")]
    SeveralScopes,
    /// A malformed answer to a connection.
    #[error(
        "the kind malformed is for the operations register and poll: a connection has no document"
    )]
    MalformedConnect,
    /// There is no connecting over HTTPS.
    #[error("over https there is no operation connect: a device is known by its requests only")]
    HttpsConnect,
}

/// What a door does with an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Disturbance {
    /// Sends it so much later.
    Delay(Duration),
    /// Sends this many bytes of it, and then drops the connection.
    Cut(usize),
    /// Sends nothing any more.
    Silence,
}

impl fmt::Display for DeviceTransport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Mqtt => "mqtt",
            Self::MqttWs => "mqtt-ws",
            Self::Amqp => "amqp",
            Self::AmqpWs => "amqp-ws",
            Self::Https => "https",
        })
    }
}
