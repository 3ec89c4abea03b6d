//! Why a request of the admin API is refused, and with what: the service API's codes, in words that
//! say what to do, since whoever reads them runs the service.

use super::session::Stranger;
use crate::service::api::ApiError;
use crate::service::policies::Forbidden;

/// `Display` is for the log; the caller is told [`message`](Self::message). Neither repeats a token,
/// key or payload.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum AdminError {
    #[error("{0}")]
    Api(#[from] ApiError),
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
    pub(super) fn status(&self) -> u16 {
        match self {
            Self::Api(error) => error.status(),
            Self::Stranger(_) => 401,
            Self::NoFault => 404,
        }
    }

    /// The status times 1000, plus a number where one is known.
    pub(super) fn error_code(&self) -> u32 {
        match self {
            Self::Api(error) => error.error_code(),
            Self::Stranger(_) => 401_002,
            Self::NoFault => 404_000,
        }
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
        }
    }
}
