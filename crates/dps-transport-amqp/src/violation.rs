//! How a peer can break the protocol.

use dps_core::{Error, ErrorKind, Stage};

#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Violation {
    #[error("the server does not speak AMQP")]
    NotAmqp,
    #[error("the server does not speak AMQP 1.0")]
    OtherVersion,
    #[error("the service's challenge for the TPM does not fit: {0}")]
    TpmChallenge(&'static str),
    #[error("the service asks for a TPM's proof where none belongs")]
    NotChallenged,
    #[error("the server has no SASL layer")]
    NoSasl,
    #[error("a frame of {0} bytes")]
    FrameSize(u32),
    #[error("a frame with a data offset of {0}")]
    DataOffset(u8),
    #[error("a frame of type {0}")]
    FrameType(u8),
    #[error("a frame on channel {0}, which has no session")]
    Channel(u16),
    #[error("a value that is not well-formed")]
    Malformed,
    #[error("values nested too deep")]
    TooDeep,
    #[error("too many values")]
    TooMany,
    #[error("an unexpected frame with descriptor {0:#04x}")]
    Unexpected(u64),
    #[error("a frame whose {0} is missing or of another type")]
    Field(&'static str),
    #[error("a maximum frame size of {0}; the least that AMQP allows is 512")]
    SmallFrames(u32),
    #[error("the server does not offer SASL {0}")]
    MechanismNotOffered(&'static str),
    #[error("a link that nobody asked for")]
    UnknownLink,
    #[error("a message larger than {0} bytes")]
    MessageTooLarge(usize),
    #[error("a message without credit for it")]
    NoCredit,
}

impl Violation {
    pub(crate) fn at(self, stage: Stage) -> Error {
        Error::new(stage, ErrorKind::Protocol).with_detail(self.to_string())
    }
}
