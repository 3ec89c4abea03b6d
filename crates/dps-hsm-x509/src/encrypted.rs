//! Private keys under a passphrase: PBES2 of RFC 8018, as `openssl pkcs8 -topk8` and
//! `openssl genpkey -aes256` write it.

use crate::X509Error;
use crate::der::{INTEGER, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, take};
use aes::cipher::block_padding::Pkcs7;
use aes::cipher::{BlockModeDecrypt, KeyIvInit};
use aes::{Aes128, Aes192, Aes256};
use cbc::Decryptor;
use core::num::NonZeroU32;
use ring::pbkdf2::{
    self, Algorithm, PBKDF2_HMAC_SHA1, PBKDF2_HMAC_SHA256, PBKDF2_HMAC_SHA384, PBKDF2_HMAC_SHA512,
};
use zeroize::Zeroizing;

/// 1.2.840.113549.1.5, the arc of PKCS#5.
const PKCS5: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05];
/// 1.2.840.113549.1.12.1, the arc of the encryption of PKCS#12.
const PKCS12: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x0c, 0x01];
/// 1.2.840.113549.1.5.13.
const PBES2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0d];
/// 1.2.840.113549.1.5.12.
const PBKDF2: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x01, 0x05, 0x0c];
/// 1.3.6.1.4.1.11591.4.11.
const SCRYPT: &[u8] = &[0x2b, 0x06, 0x01, 0x04, 0x01, 0xda, 0x47, 0x04, 0x0b];
/// 1.2.840.113549.2, the arc of the HMACs.
const HMACS: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x02];
/// 1.2.840.113549.3.7.
const DES_EDE3_CBC: &[u8] = &[0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 0x03, 0x07];
/// 2.16.840.1.101.3.4.1, the arc of AES.
const AES: &[u8] = &[0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x01];

/// Many more than anybody uses; without a limit a damaged file would cost minutes.
const MAX_ITERATIONS: u32 = 10_000_000;

/// How a key was encrypted.
struct Scheme<'a> {
    hmac: Algorithm,
    salt: &'a [u8],
    iterations: NonZeroU32,
    cipher: Cipher,
    iv: &'a [u8],
}

enum Cipher {
    Aes128,
    Aes192,
    Aes256,
}

impl Cipher {
    fn key_length(&self) -> usize {
        match self {
            Self::Aes128 => 16,
            Self::Aes192 => 24,
            Self::Aes256 => 32,
        }
    }
}

/// Decrypts an EncryptedPrivateKeyInfo (RFC 5958 section 3) to the PrivateKeyInfo in it.
pub(crate) fn decrypt(der: &[u8], passphrase: &[u8]) -> Result<Zeroizing<Vec<u8>>, X509Error> {
    let parts = || {
        let mut outer = der;
        let mut fields = take(&mut outer, SEQUENCE)?;
        Some((take(&mut fields, SEQUENCE)?, take(&mut fields, OCTET_STRING)?))
    };
    let (algorithm, encrypted) = parts().ok_or(X509Error::MalformedKey)?;
    let scheme = scheme(algorithm)?;

    let mut buffer = Zeroizing::new([0; 32]);
    let (key, _) = buffer.split_at_mut(scheme.cipher.key_length());
    pbkdf2::derive(scheme.hmac, scheme.iterations, scheme.salt, passphrase, key);
    let plain = match scheme.cipher {
        Cipher::Aes128 => decrypt_cbc::<Decryptor<Aes128>>(key, scheme.iv, encrypted),
        Cipher::Aes192 => decrypt_cbc::<Decryptor<Aes192>>(key, scheme.iv, encrypted),
        Cipher::Aes256 => decrypt_cbc::<Decryptor<Aes256>>(key, scheme.iv, encrypted),
    };
    // A wrong key leaves noise, which looks well padded once in 256 times, but not like a key.
    plain.filter(|plain| is_key(plain)).ok_or(X509Error::WrongPassphrase)
}

fn decrypt_cbc<Mode>(key: &[u8], iv: &[u8], encrypted: &[u8]) -> Option<Zeroizing<Vec<u8>>>
where
    Mode: KeyIvInit + BlockModeDecrypt,
{
    let mut buffer = Zeroizing::new(encrypted.to_vec());
    let mode = Mode::new_from_slices(key, iv).ok()?;
    let length = mode.decrypt_padded::<Pkcs7>(&mut buffer).ok()?.len();
    // What is cut off is wiped as well: all of the capacity is.
    buffer.truncate(length);
    Some(buffer)
}

/// Whether these are one SEQUENCE that begins with a version.
fn is_key(plain: &[u8]) -> bool {
    let mut outer = plain;
    let fields = take(&mut outer, SEQUENCE);
    outer.is_empty() && fields.is_some_and(|mut fields| take(&mut fields, INTEGER).is_some())
}

fn scheme(mut algorithm: &[u8]) -> Result<Scheme<'_>, X509Error> {
    let unsupported = |what: &str| Err(X509Error::UnsupportedEncryption(what.to_owned()));
    let malformed = X509Error::MalformedKey;
    let kind = take(&mut algorithm, OBJECT_IDENTIFIER).ok_or(malformed.clone())?;
    if kind != PBES2 {
        return match kind {
            _ if kind.starts_with(PKCS12) => unsupported("a scheme of PKCS#12"),
            _ if kind.starts_with(PKCS5) => unsupported("PBES1"),
            _ => unsupported("a scheme that is not PBES2"),
        };
    }
    let mut parts = || {
        let mut parameters = take(&mut algorithm, SEQUENCE)?;
        let mut derivation = take(&mut parameters, SEQUENCE)?;
        let mut cipher = take(&mut parameters, SEQUENCE)?;
        let derivation_kind = take(&mut derivation, OBJECT_IDENTIFIER)?;
        let cipher_kind = take(&mut cipher, OBJECT_IDENTIFIER)?;
        Some((derivation_kind, derivation, cipher_kind, cipher))
    };
    let (derivation_kind, mut derivation, cipher_kind, mut cipher_parameters) =
        parts().ok_or(malformed.clone())?;
    let cipher = match (cipher_kind.strip_prefix(AES), cipher_kind) {
        (Some([2]), _) => Cipher::Aes128,
        (Some([22]), _) => Cipher::Aes192,
        (Some([42]), _) => Cipher::Aes256,
        (Some(_), _) => return unsupported("AES in another mode than CBC"),
        (None, DES_EDE3_CBC) => return unsupported("triple DES"),
        (None, _) => return unsupported("another cipher than AES"),
    };
    match derivation_kind {
        PBKDF2 => {}
        SCRYPT => return unsupported("scrypt"),
        _ => return unsupported("another key derivation than PBKDF2"),
    }
    let (salt, iterations, hmac) = pbkdf2_parameters(&mut derivation).ok_or(malformed.clone())?;
    let hmac = match hmac {
        // As RFC 8018 has it when none is named.
        None | Some([7]) => PBKDF2_HMAC_SHA1,
        Some([9]) => PBKDF2_HMAC_SHA256,
        Some([10]) => PBKDF2_HMAC_SHA384,
        Some([11]) => PBKDF2_HMAC_SHA512,
        Some(_) => return unsupported("PBKDF2 with another HMAC than SHA-1 and SHA-2"),
    };
    let iterations = match iterations {
        Some(iterations) if iterations.get() <= MAX_ITERATIONS => iterations,
        _ => return unsupported("more than 10,000,000 rounds of PBKDF2"),
    };
    let iv = take(&mut cipher_parameters, OCTET_STRING).filter(|iv| iv.len() == 16);
    Ok(Scheme { hmac, salt, iterations, cipher, iv: iv.ok_or(malformed)? })
}

/// Salt, iterations unless there are too many to count, and the last part of the HMAC's
/// identifier if there is one.
type Pbkdf2Parameters<'a> = (&'a [u8], Option<NonZeroU32>, Option<&'a [u8]>);

fn pbkdf2_parameters<'a>(input: &mut &'a [u8]) -> Option<Pbkdf2Parameters<'a>> {
    let mut fields = take(input, SEQUENCE)?;
    let salt = take(&mut fields, OCTET_STRING)?;
    let iterations = take(&mut fields, INTEGER)?;
    let iterations = match iterations {
        [0x80..=0xff, ..] | [] => return None,
        [0, rest @ ..] | rest => rest,
    };
    let iterations = match iterations.len() {
        0..=4 => {
            let value = iterations.iter().fold(0, |sum: u32, byte| sum << 8 | u32::from(*byte));
            Some(NonZeroU32::new(value)?)
        }
        _ => None,
    };
    // The key's length may follow; the cipher knows it.
    let _ = take(&mut fields, INTEGER);
    let hmac = match take(&mut fields, SEQUENCE) {
        Some(mut hmac) => {
            let kind = take(&mut hmac, OBJECT_IDENTIFIER)?;
            Some(kind.strip_prefix(HMACS).unwrap_or_default())
        }
        None => None,
    };
    Some((salt, iterations, hmac))
}
