//! Why a request is answered with an error, and with which (`wire-protocol.md` section 6.3).

use crate::sas::SasError;
use crate::tpm::PublicKeyError;
use crate::x509::ChainProblem;

/// `Display` is for the log of the person who runs the emulator and says what is wrong; the
/// device is only told what the service tells.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    #[error("the request has no SAS token")]
    NoCredentials,
    #[error("the connection is not that of a device with credentials for what it asks")]
    Connection,
    #[error("{0}")]
    Sas(#[from] SasError),
    #[error("{0}")]
    Certificate(#[from] ChainProblem),
    #[error("the enrollment asks for a proof of another kind than the device gave")]
    OtherAttestation,
    #[error("the enrollment is for another TPM: its endorsement key is not the device's")]
    OtherEndorsementKey,
    #[error("the request has neither a token nor the keys of the TPM that is enrolled")]
    NoTpm,
    #[error("the TPM's {0} cannot be used: {1}")]
    BadTpmKey(&'static str, PublicKeyError),
    #[error("the ID scope is not this service's")]
    UnknownScope,
    #[error("no enrollment has this registration id, and there is no group that could match")]
    NoEnrollment,
    #[error("the enrollment is disabled")]
    Disabled,
    #[error("the body is not a JSON object of the expected form")]
    BadBody,
    #[error("the body names another device than the connection")]
    OtherDevice,
    #[error("this device has no operation of that id")]
    UnknownOperation,
    #[error("this device has never registered")]
    NoRegistration,
    #[error("the request is invalid: {0}")]
    InvalidRequest(&'static str),
    #[error("the service has no such path")]
    NoSuchPath,
    #[error("the path is not for this method")]
    WrongMethod,
    #[error("the body did not come in time")]
    TooSlow,
    #[error("the body has more than 96 KB")]
    TooLarge,
    #[error("too many devices wait for their webhooks")]
    Busy,
    #[error("the port has as many connections as it takes at a time")]
    Full,
    #[error("the state file cannot be written")]
    Storage,
    #[error("the path is for WebSockets only: {0}")]
    UpgradeRequired(&'static str),
}

impl Refusal {
    /// The HTTP status.
    pub(crate) fn status(&self) -> u16 {
        match self {
            Self::NoCredentials
            | Self::Connection
            | Self::Sas(_)
            | Self::Disabled
            | Self::Certificate(_)
            | Self::OtherEndorsementKey
            | Self::NoTpm
            | Self::OtherAttestation => 401,
            Self::UnknownScope
            | Self::NoEnrollment
            | Self::UnknownOperation
            | Self::NoRegistration
            | Self::NoSuchPath => 404,
            Self::BadBody | Self::OtherDevice | Self::BadTpmKey(..) | Self::InvalidRequest(_) => {
                400
            }
            Self::WrongMethod => 405,
            Self::TooSlow => 408,
            Self::TooLarge => 413,
            Self::UpgradeRequired(_) => 426,
            Self::Busy => 429,
            Self::Storage => 500,
            Self::Full => 503,
        }
    }

    /// The errorCode: the status times 1000, plus a number.
    pub(crate) fn error_code(&self) -> u32 {
        match self {
            Self::Sas(SasError::Signature) => 401_000,
            Self::NoCredentials
            | Self::Connection
            | Self::Sas(_)
            | Self::Disabled
            | Self::Certificate(_)
            | Self::OtherEndorsementKey
            | Self::NoTpm
            | Self::OtherAttestation => 401_002,
            Self::UnknownScope | Self::NoEnrollment | Self::NoRegistration => 404_201,
            Self::UnknownOperation => 404_203,
            Self::InvalidRequest(_) => 400_002,
            Self::BadBody | Self::OtherDevice | Self::BadTpmKey(..) => 400_004,
            // Of these only the status is known.
            Self::NoSuchPath
            | Self::WrongMethod
            | Self::TooSlow
            | Self::TooLarge
            | Self::Busy
            | Self::Full
            | Self::Storage
            | Self::UpgradeRequired(_) => u32::from(self.status()) * 1000,
        }
    }

    /// The words for the device.
    pub(crate) fn message(&self) -> &'static str {
        match self {
            Self::NoCredentials
            | Self::Sas(_)
            | Self::Disabled
            | Self::OtherEndorsementKey
            | Self::NoTpm
            | Self::OtherAttestation => "Unauthorized",
            Self::BadTpmKey("endorsementKey", _) => "The TPM's endorsementKey is not valid.",
            Self::BadTpmKey(..) => "The TPM's storageRootKey is not valid.",
            // `wire-protocol.md` section 4.1.
            Self::Connection => "IotHubUnauthorizedAccess",
            // `wire-protocol.md` section 2.6.
            Self::Certificate(_) => "Invalid certificate.",
            Self::UnknownScope | Self::NoEnrollment => "Enrollment not found.",
            Self::UnknownOperation => "Operation not found.",
            Self::BadBody => "The request body is not a valid DeviceRegistration.",
            Self::OtherDevice => "The registrationId of the body is not that of the request.",
            Self::NoRegistration => "Registration not found.",
            Self::InvalidRequest(problem) | Self::UpgradeRequired(problem) => problem,
            Self::NoSuchPath => "Path not found.",
            Self::WrongMethod => "Method not allowed.",
            Self::TooSlow => "The request body did not come in time.",
            Self::Busy => "Too many requests.",
            Self::Full => "Too many connections.",
            Self::Storage => "Internal server error.",
            Self::TooLarge => "The request body is larger than 96 KB.",
        }
    }
}
