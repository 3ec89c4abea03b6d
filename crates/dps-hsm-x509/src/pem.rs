//! PEM blocks (RFC 7468), read so that the text of a key is wiped afterwards.

use crate::X509Error;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use zeroize::Zeroizing;

const BEGIN: &str = "-----BEGIN ";
const END: &str = "-----END ";
const DASHES: &str = "-----";

/// A private key in DER, by its outer form.
pub(crate) enum PrivateKey {
    /// "PRIVATE KEY".
    Pkcs8(Zeroizing<Vec<u8>>),
    /// "EC PRIVATE KEY".
    Sec1(Zeroizing<Vec<u8>>),
    /// "RSA PRIVATE KEY".
    Pkcs1(Zeroizing<Vec<u8>>),
    /// "ENCRYPTED PRIVATE KEY": PKCS#8 under a passphrase.
    EncryptedPkcs8(Vec<u8>),
}

/// The certificates of a text, in DER.
pub(crate) fn certificates(text: &[u8]) -> Result<Vec<Vec<u8>>, X509Error> {
    let mut found = Vec::new();
    for block in blocks(utf8(text, "text with the certificates")?) {
        if ["CERTIFICATE", "X509 CERTIFICATE"].contains(&block.label) {
            found.push(block.decode()?.to_vec());
        }
    }
    if found.is_empty() { Err(X509Error::NoCertificate) } else { Ok(found) }
}

/// The first private key of a text.
pub(crate) fn private_key(text: &[u8]) -> Result<PrivateKey, X509Error> {
    for block in blocks(utf8(text, "text with the private key")?) {
        let wrap = match block.label {
            "PRIVATE KEY" => PrivateKey::Pkcs8,
            "EC PRIVATE KEY" => PrivateKey::Sec1,
            "RSA PRIVATE KEY" => PrivateKey::Pkcs1,
            "ENCRYPTED PRIVATE KEY" => {
                |der: Zeroizing<Vec<u8>>| PrivateKey::EncryptedPkcs8(der.to_vec())
            }
            label if label.ends_with("PRIVATE KEY") => {
                return Err(X509Error::UnsupportedKey(format!("a key of the form {label:?}")));
            }
            _ => continue,
        };
        // The old way to say so, in a header line.
        if block.body.clone().any(|line| line.starts_with("Proc-Type:")) {
            return Err(X509Error::LegacyEncryptedKey);
        }
        return Ok(wrap(block.decode()?));
    }
    Err(X509Error::NoKey)
}

/// The lines between two boundaries.
struct Block<'a> {
    label: &'a str,
    body: core::iter::Map<std::str::Lines<'a>, fn(&'a str) -> &'a str>,
    is_closed: bool,
}

impl Block<'_> {
    fn decode(self) -> Result<Zeroizing<Vec<u8>>, X509Error> {
        let fault = |problem| X509Error::Pem { label: self.label.to_owned(), problem };
        if !self.is_closed {
            return Err(fault("it has no end"));
        }
        let length = self.body.clone().map(str::len).sum();
        let mut text = Zeroizing::new(String::with_capacity(length));
        for line in self.body.clone() {
            text.push_str(line);
        }
        // Room for all of it, since a buffer that grows leaves copies behind.
        let mut der = Zeroizing::new(Vec::with_capacity(length));
        STANDARD.decode_vec(text.as_bytes(), &mut der).map_err(|_| fault("it is not base64"))?;
        Ok(der)
    }
}

/// Whether a text can stand in a boundary.
fn is_label(text: &str) -> bool {
    text.len() <= 40
        && text
            .bytes()
            .all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b' ')
}

/// A file in DER or UTF-16 would otherwise count as one without blocks.
fn utf8<'a>(text: &'a [u8], what: &'static str) -> Result<&'a str, X509Error> {
    std::str::from_utf8(text).map_err(|error| X509Error::NotText {
        what,
        position: error.valid_up_to().saturating_add(1),
    })
}

/// The blocks of a text. What stands between blocks is no block.
fn blocks(text: &str) -> Vec<Block<'_>> {
    let mut rest = text;
    let mut found = Vec::new();
    while let Some((_, after)) = rest.split_once(BEGIN) {
        let Some((label, body)) = after.split_once(DASHES) else { break };
        if !is_label(label) {
            // A damaged boundary: the "label" may be anything, even a key, and is never repeated.
            rest = after;
            continue;
        }
        let (body, is_closed) = match body.split_once(END) {
            Some((body, after)) => {
                rest = after;
                (body, true)
            }
            None => {
                rest = "";
                (body, false)
            }
        };
        let trim: fn(&str) -> &str = str::trim;
        found.push(Block { label, body: body.lines().map(trim), is_closed });
    }
    found
}
