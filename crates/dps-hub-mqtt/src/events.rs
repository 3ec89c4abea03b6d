//! What the engine has to tell.

use crate::engine::RequestId;
use crate::message::Message;
use core::fmt;

/// New desired properties.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct DesiredUpdate {
    /// The version of the desired properties with this change, if the hub says.
    pub version: Option<u64>,
    /// The change, a JSON merge patch: `null` deletes.
    pub patch: String,
}

impl DesiredUpdate {
    pub(crate) fn new(version: Option<u64>, patch: String) -> Self {
        Self { version, patch }
    }
}

impl fmt::Debug for DesiredUpdate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DesiredUpdate")
            .field("version", &self.version)
            .field("patch_bytes", &self.patch.len())
            .finish()
    }
}

/// Something that happened on the connection.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum Event {
    /// The hub has let the device in and granted its subscriptions.
    Connected,
    /// The hub has the telemetry.
    Acknowledged {
        /// Which.
        request: RequestId,
    },
    /// The answer to a request about the twin.
    Answered {
        /// Which.
        request: RequestId,
        /// HTTP-like: 200 for a twin, 204 for a report.
        status: u16,
        /// The version of the reported properties after a report, if the hub says.
        version: Option<u64>,
        /// The twin as JSON; empty after a report.
        body: Vec<u8>,
    },
    /// A message from the hub.
    Message(Message),
    /// New desired properties.
    Desired(DesiredUpdate),
}

impl fmt::Debug for Event {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connected => f.write_str("Connected"),
            Self::Acknowledged { request } => write!(f, "Acknowledged({request:?})"),
            Self::Answered { request, status, version, body } => f
                .debug_struct("Answered")
                .field("request", request)
                .field("status", status)
                .field("version", version)
                .field("body_bytes", &body.len())
                .finish(),
            Self::Message(message) => message.fmt(f),
            Self::Desired(update) => update.fmt(f),
        }
    }
}
