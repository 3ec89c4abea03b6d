//! Why a request of the service API is refused, and with what (`wire-protocol.md` section 6.3).

use crate::model::DocumentError;
use crate::service::policies::Forbidden;

/// `Display` is for the log; the caller is told [`message`](Self::message).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum ApiError {
    #[error("{0}")]
    Forbidden(Forbidden),
    #[error("the service API has no such path")]
    NoSuchPath,
    #[error("the path is not percent-encoded UTF-8")]
    BadPath,
    #[error("the path is not for this method")]
    WrongMethod,
    #[error("the query has no api-version")]
    NoApiVersion,
    #[error("the body is not what is expected: {0}")]
    BadBody(String),
    #[error("{0}")]
    Document(#[from] DocumentError),
    #[error("the body names another enrollment than the path")]
    OtherName,
    #[error("a bulk operation has {0} items: 1 to 10 are allowed")]
    BulkSize(usize),
    #[error("{0} is not as the service gave it, or not a number from 1 to 1000")]
    BadPage(&'static str),
    #[error("there is no such enrollment")]
    NoEnrollment,
    #[error("there is no such registration")]
    NoRegistration,
    #[error("there is such an enrollment already, and the request has no etag to change it")]
    Exists,
    #[error("the etag is not that of the present state")]
    EtagMismatch,
    #[error("the state file cannot be written")]
    Storage,
}

impl ApiError {
    /// Whether it tells what there is.
    pub(super) fn is_of_state(&self) -> bool {
        matches!(
            self,
            Self::NoEnrollment | Self::NoRegistration | Self::Exists | Self::EtagMismatch
        )
    }

    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::Forbidden(_) => 401,
            Self::NoSuchPath | Self::NoEnrollment | Self::NoRegistration => 404,
            Self::BadPath
            | Self::NoApiVersion
            | Self::BadBody(_)
            | Self::Document(_)
            | Self::OtherName
            | Self::BulkSize(_)
            | Self::BadPage(_) => 400,
            Self::WrongMethod => 405,
            Self::Exists => 409,
            Self::EtagMismatch => 412,
            Self::Storage => 500,
        }
    }

    /// The status times 1000, plus a number where one is known.
    pub(crate) fn error_code(&self) -> u32 {
        let known = match self {
            Self::Forbidden(_) => 2,
            Self::NoEnrollment | Self::NoRegistration => 201,
            Self::BadBody(_) | Self::Document(_) | Self::OtherName | Self::BulkSize(_) => 4,
            Self::BadPath | Self::NoApiVersion | Self::BadPage(_) => 2,
            _ => 0,
        };
        u32::from(self.status()) * 1000 + known
    }

    /// The words for the caller.
    pub(crate) fn message(&self) -> String {
        match self {
            Self::Forbidden(_) => "Unauthorized".to_owned(),
            Self::NoSuchPath => "Path not found.".to_owned(),
            Self::WrongMethod => "Method not allowed.".to_owned(),
            Self::NoEnrollment => "Enrollment not found.".to_owned(),
            Self::NoRegistration => "Registration not found.".to_owned(),
            Self::Exists => "Enrollment already exists.".to_owned(),
            Self::EtagMismatch => "Precondition failed: the etag does not match.".to_owned(),
            Self::Storage => {
                "Internal server error: the state file cannot be written, and what is known now may never have been kept. Make room for it, and start the service again."
                    .to_owned()
            }
            other => format!("Invalid request: {other}."),
        }
    }
}
