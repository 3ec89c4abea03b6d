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
    /// A text is not text.
    #[error(
        "the {what} is not PEM: the byte at position {position} is not UTF-8; make PEM of DER with \"openssl x509 -inform DER\" or \"openssl pkey -inform DER\""
    )]
    NotText {
        /// Which of the two: "text with the certificates", "text with the private key".
        what: &'static str,
        /// Of the first such byte, counted from 1.
        position: usize,
    },
    /// The key is protected by a passphrase, and none was given.
    #[error(
        "the private key is encrypted: give its passphrase, or decrypt it, for example with \"openssl pkey -in key.pem -out plain.pem\""
    )]
    EncryptedKey,
    /// The key is protected by a passphrase in the form that OpenSSL had before PKCS#8, with a
    /// line `Proc-Type: 4,ENCRYPTED`.
    #[error(
        "the private key is encrypted in OpenSSL's old form (Proc-Type: 4,ENCRYPTED), which is not supported: convert it with \"openssl pkcs8 -topk8 -v2 aes-256-cbc -in key.pem -out new.pem\""
    )]
    LegacyEncryptedKey,
    /// The key is encrypted in a way that is not supported.
    #[error(
        "the private key is encrypted with {0}, which is not supported: convert it with \"openssl pkcs8 -topk8 -v2 aes-256-cbc -in key.pem -out new.pem\""
    )]
    UnsupportedEncryption(String),
    /// The passphrase is not that of the key, or the encrypted key is damaged.
    #[error("the passphrase does not decrypt the private key")]
    WrongPassphrase,
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
