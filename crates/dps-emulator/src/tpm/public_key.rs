//! A TPM's public keys (`wire-protocol.md` section 5.1).

use core::fmt;
use num_bigint::BigUint;
use sha2::{Digest, Sha256};

const TPM_ALG_RSA: u16 = 0x0001;
const TPM_ALG_AES: u16 = 0x0006;
const TPM_ALG_SHA256: u16 = 0x000b;
const TPM_ALG_NULL: u16 = 0x0010;
const TPM_ALG_CFB: u16 = 0x0043;
/// Of the object attributes: may only decrypt what has the TPM's own form, and may decrypt.
const RESTRICTED: u32 = 0x0001_0000;
const DECRYPT: u32 = 0x0002_0000;

/// Why bytes are not a key that the service can send keys to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum PublicKeyError {
    /// The bytes end early, go on behind the key, or have sizes that do not fit.
    #[error("it is not a TPM2B_PUBLIC")]
    Malformed,
    /// The key is not an RSA key of 2048 bits.
    #[error("it is not an RSA key of 2048 bits")]
    NotRsa2048,
    /// The key's name is made with another hash than SHA-256.
    #[error("its name algorithm is not SHA-256")]
    NotSha256,
    /// The key protects others with another cipher than AES-CFB of 128 or 256 bits.
    #[error("its symmetric algorithm is not AES-128-CFB or AES-256-CFB")]
    NotAesCfb,
    /// The key does not protect other keys: it is no storage or endorsement key.
    #[error("it is not a restricted decryption key")]
    NotStorage,
    /// The modulus or the exponent is no such number.
    #[error("its modulus or exponent is not one of an RSA key")]
    BadNumber,
}

/// A storage or endorsement key, as a `TPM2B_PUBLIC` states it.
#[derive(Clone, PartialEq, Eq)]
pub struct PublicKey {
    bytes: Vec<u8>,
    modulus: BigUint,
    exponent: BigUint,
    aes_bits: u16,
}

impl PublicKey {
    /// The bytes of its modulus, and of all that is encrypted for it.
    pub(super) const MODULUS_BYTES: usize = 256;

    /// Reads a marshalled `TPM2B_PUBLIC`, with its size of two bytes and nothing behind it. Clients
    /// make keys by several templates, so only what matters here is asked for: RSA of 2048 bits,
    /// names by SHA-256, AES-CFB of 128 or 256 bits, and that the key protects others.
    ///
    /// # Errors
    ///
    /// [`PublicKeyError`] names what is wrong first.
    pub fn parse(bytes: &[u8]) -> Result<Self, PublicKeyError> {
        let mut outer = Reader(bytes);
        let mut area = Reader(outer.sized()?);
        outer.end()?;
        let kind = area.u16()?;
        let name_algorithm = area.u16()?;
        let attributes = area.u32()?;
        let _policy = area.sized()?;
        if kind != TPM_ALG_RSA {
            return Err(PublicKeyError::NotRsa2048);
        }
        if name_algorithm != TPM_ALG_SHA256 {
            return Err(PublicKeyError::NotSha256);
        }
        let cipher = area.u16()?;
        if cipher == TPM_ALG_NULL {
            return Err(PublicKeyError::NotStorage);
        }
        let (aes_bits, mode) = (area.u16()?, area.u16()?);
        let is_cfb = cipher == TPM_ALG_AES && mode == TPM_ALG_CFB;
        if !is_cfb || !matches!(aes_bits, 128 | 256) {
            return Err(PublicKeyError::NotAesCfb);
        }
        let scheme = area.u16()?;
        if scheme != TPM_ALG_NULL || attributes & (RESTRICTED | DECRYPT) != RESTRICTED | DECRYPT {
            return Err(PublicKeyError::NotStorage);
        }
        let (bits, exponent) = (area.u16()?, area.u32()?);
        let modulus = area.sized()?;
        area.end()?;
        if bits != 2048 || modulus.len() != Self::MODULUS_BYTES {
            return Err(PublicKeyError::NotRsa2048);
        }
        let exponent = if exponent == 0 { 65_537 } else { exponent };
        let modulus = BigUint::from_bytes_be(modulus);
        if modulus.bits() != 2048 || !modulus.bit(0) || exponent < 3 || exponent % 2 == 0 {
            return Err(PublicKeyError::BadNumber);
        }
        Ok(Self { bytes: bytes.to_vec(), modulus, exponent: exponent.into(), aes_bits })
    }

    /// The bytes it was read from.
    pub fn as_bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// By which other objects refer to it: `000b`, and the SHA-256 of all but the leading size.
    pub fn name(&self) -> [u8; 34] {
        name(self.bytes.get(2..).unwrap_or_default())
    }

    /// The size in bits of the AES keys with which it protects other keys.
    pub(super) fn aes_bits(&self) -> u16 {
        self.aes_bits
    }

    /// RSA with the public key, to as many bytes as the modulus has.
    pub(super) fn encrypt_raw(&self, block: &[u8]) -> Vec<u8> {
        let block = BigUint::from_bytes_be(block);
        let number = block.modpow(&self.exponent, &self.modulus).to_bytes_be();
        let mut bytes = vec![0; Self::MODULUS_BYTES - number.len().min(Self::MODULUS_BYTES)];
        bytes.extend_from_slice(&number);
        bytes
    }
}

impl fmt::Debug for PublicKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PublicKey").field("aes_bits", &self.aes_bits).finish_non_exhaustive()
    }
}

/// The name of an object with this public area, by SHA-256.
pub(super) fn name(area: &[u8]) -> [u8; 34] {
    let mut name = [0; 34];
    let (algorithm, hash) = name.split_at_mut(2);
    algorithm.copy_from_slice(&TPM_ALG_SHA256.to_be_bytes());
    hash.copy_from_slice(&Sha256::digest(area));
    name
}

/// Numbers and sized bytes, big-endian.
struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, count: usize) -> Result<&'a [u8], PublicKeyError> {
        let (taken, rest) = self.0.split_at_checked(count).ok_or(PublicKeyError::Malformed)?;
        self.0 = rest;
        Ok(taken)
    }

    fn u16(&mut self) -> Result<u16, PublicKeyError> {
        let bytes = self.take(2)?.try_into().map_err(|_| PublicKeyError::Malformed)?;
        Ok(u16::from_be_bytes(bytes))
    }

    fn u32(&mut self) -> Result<u32, PublicKeyError> {
        let bytes = self.take(4)?.try_into().map_err(|_| PublicKeyError::Malformed)?;
        Ok(u32::from_be_bytes(bytes))
    }

    fn sized(&mut self) -> Result<&'a [u8], PublicKeyError> {
        let length = self.u16()?;
        self.take(length.into())
    }

    fn end(&self) -> Result<(), PublicKeyError> {
        if self.0.is_empty() { Ok(()) } else { Err(PublicKeyError::Malformed) }
    }
}
