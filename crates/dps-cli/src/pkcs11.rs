//! Keys in PKCS#11 tokens, in builds that have them.

#[cfg_attr(feature = "pkcs11", path = "pkcs11/tokens.rs")]
#[cfg_attr(not(feature = "pkcs11"), path = "pkcs11/none.rs")]
mod tokens;

pub(crate) use tokens::{TokenKey, list, symmetric_key, x509, x509_from_token};

/// Whether an argument names something on a token instead of a file or a key.
pub(crate) fn is_uri(text: &str) -> bool {
    const SCHEME: &str = "pkcs11:";
    text.get(..SCHEME.len()).is_some_and(|start| start.eq_ignore_ascii_case(SCHEME))
}
