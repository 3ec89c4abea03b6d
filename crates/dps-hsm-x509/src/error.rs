//! What can be wrong with a chain or its key.

/// Why a certificate chain and key cannot be used. No text repeats any part of a key.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum X509Error {
    /// The certificates' text has none.
    #[error("there is no certificate: the text has no \"-----BEGIN CERTIFICATE-----\"")]
    NoCertificate,
    /// The key's text has none.
    #[error("there is no private key: the text has no \"-----BEGIN PRIVATE KEY-----\"")]
    NoKey,
    /// A PEM block is damaged.
    #[error("the PEM block \"{label}\" is damaged: {problem}")]
    Pem {
        /// What the block says it is.
        label: String,
        /// What is wrong with it.
        problem: &'static str,
    },
    /// A certificate cannot be read.
    #[error("certificate {number} is not an X.509 certificate")]
    Certificate {
        /// Counted from 1, in the order of the text.
        number: usize,
    },
    /// Two certificates that follow each other do not belong together.
    #[error(
        "the certificate of {issuer:?}, which issued the one of {subject:?}, is missing in the chain: {next:?} follows"
    )]
    BrokenChain {
        /// The certificate whose issuer is missing.
        subject: String,
        /// The issuer.
        issuer: String,
        /// What stands in its place.
        next: String,
    },
    /// The key is protected by a passphrase.
    #[error(
        "the private key is encrypted; decrypt it, for example with \"openssl pkey -in key.pem -out plain.pem\""
    )]
    EncryptedKey,
    /// The key is of a kind that is not supported.
    #[error("{0} is not supported: use RSA of 2048 to 4096 bits, or EC on P-256 or P-384")]
    UnsupportedKey(String),
    /// The key cannot be read.
    #[error("the private key is malformed")]
    MalformedKey,
    /// The key is that of another certificate.
    #[error("the private key does not belong to the certificate of {subject:?}")]
    KeyMismatch {
        /// The certificate's subject.
        subject: String,
    },
    /// The certificate is no longer valid.
    #[error("the certificate of {subject:?} expired on {not_after}")]
    Expired {
        /// The certificate's subject.
        subject: String,
        /// Its last moment.
        not_after: String,
    },
    /// The certificate is not valid yet.
    #[error(
        "the certificate of {subject:?} is only valid from {not_before} on; check this machine's clock"
    )]
    NotYetValid {
        /// The certificate's subject.
        subject: String,
        /// Its first moment.
        not_before: String,
    },
}
