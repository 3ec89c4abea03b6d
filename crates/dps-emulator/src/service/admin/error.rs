//! Why a request of the admin API is refused, and with what: the service API's codes, in words that
//! say what to do, since whoever reads them runs the service.

use super::session::Stranger;
use crate::hub::HubError;
use crate::model::MOST_HUBS;
use crate::service::api::ApiError;
use crate::service::policies::Forbidden;

/// `Display` is for the log; the caller is told [`message`](Self::message). Neither repeats a token,
/// key or payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AdminError {
    #[error("{0}")]
    Api(#[from] ApiError),
    #[error("the query has no parameter {name:?}")]
    UnknownParameter { name: String },
    #[error("{name} must be {want}")]
    BadParameter { name: &'static str, want: &'static str },
    #[error(
        "there is no hub {name:?}; there are: {}", if known.is_empty() { "none".to_owned() } else { known.join(", ") }
    )]
    NoHub { name: String, known: Vec<String> },
    #[error(
        "{name:?} is not a hub's host name; it needs a dot and has no port, for example contoso-hub.localhost"
    )]
    BadHubName { name: String },
    #[error("a region has 1 to 64 printable ASCII characters")]
    BadRegion,
    #[error("{MOST_HUBS} hubs are linked already: unlink one first")]
    TooManyHubs,
    #[error("{0}")]
    Hub(#[from] HubError),
    #[error("the patch has neither tags nor properties.desired")]
    EmptyPatch,
    #[error("the message cannot be sent: {0}")]
    BadMessage(&'static str),
    #[error("the page token is not given to whoever asks so: {0}")]
    Stranger(#[from] Stranger),
    #[error("there is no such fault")]
    NoFault,
}

impl From<Forbidden> for AdminError {
    fn from(forbidden: Forbidden) -> Self {
        Self::Api(forbidden.into())
    }
}

impl AdminError {
    /// Whether it tells what there is, of what a state file keeps.
    pub(super) fn is_of_state(&self) -> bool {
        matches!(self, Self::NoHub { .. } | Self::TooManyHubs | Self::Hub(HubError::NoDevice))
    }

    pub(super) fn status(&self) -> u16 {
        match self {
            Self::Api(error) => error.status(),
            Self::Stranger(_) => 401,
            Self::NoFault | Self::NoHub { .. } | Self::Hub(HubError::NoDevice) => 404,
            Self::TooManyHubs | Self::Hub(HubError::QueueFull) => 409,
            Self::Hub(HubError::TooLarge) => 413,
            Self::UnknownParameter { .. }
            | Self::BadParameter { .. }
            | Self::BadHubName { .. }
            | Self::BadRegion
            | Self::Hub(_)
            | Self::EmptyPatch
            | Self::BadMessage(_) => 400,
        }
    }

    /// The status times 1000, plus a number where one is known.
    pub(super) fn error_code(&self) -> u32 {
        let known = match self {
            Self::Api(error) => return error.error_code(),
            Self::Stranger(_) | Self::UnknownParameter { .. } | Self::BadParameter { .. } => 2,
            Self::NoHub { .. } | Self::Hub(HubError::NoDevice) => 201,
            Self::NoFault
            | Self::TooManyHubs
            | Self::Hub(HubError::QueueFull | HubError::TooLarge) => 0,
            Self::BadHubName { .. }
            | Self::BadRegion
            | Self::Hub(_)
            | Self::EmptyPatch
            | Self::BadMessage(_) => 4,
        };
        u32::from(self.status()) * 1000 + known
    }

    /// The words for the caller.
    pub(super) fn message(&self) -> String {
        match self {
            Self::Api(ApiError::Forbidden(forbidden)) => format!(
                "Unauthorized: {forbidden}. Use a SAS token of a policy with the right ServiceConfig, or the page token that was printed when the service started."
            ),
            Self::Api(error) => error.message(),
            Self::NoFault => "Fault not found.".to_owned(),
            Self::Stranger(_) => {
                "Unauthorized: use the page token that was printed when the service started."
                    .to_owned()
            }
            other => {
                let text = other.to_string();
                let mut letters = text.chars();
                let first = letters.next().map(|letter| letter.to_ascii_uppercase());
                first.into_iter().chain(letters).chain(['.']).collect()
            }
        }
    }
}
