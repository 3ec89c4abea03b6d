//! A device certificate's key that stays in the TPM.

use crate::connection::{Connection, StoredKey};
use crate::template::{self, Area};
use crate::tpm::Secret;
use crate::{Tpm, TpmError, primary};
use core::fmt;
use dps_core::{ClientKey, HsmError, SignatureScheme};
use sha2::{Digest as _, Sha256, Sha384};
use tss_esapi::constants::StructureTag;
use tss_esapi::constants::tss::TPM2_RH_NULL;
use tss_esapi::handles::ObjectHandle;
use tss_esapi::interface_types::algorithm::HashingAlgorithm;
use tss_esapi::structures::{
    Digest, EccSignature, HashScheme, HashcheckTicket, Signature, SignatureScheme as TpmScheme,
};
use tss_esapi::tss2_esys::TPMT_TK_HASHCHECK;

const WANTED: &str = "an EC key that signs on P-256 with SHA-256 or on P-384 with SHA-384 (tpm2_create -G ecc256:ecdsa-sha256 or ecc384:ecdsa-sha384 makes one)";

/// An EC key at a persistent handle of a TPM, for the first certificate of a chain. Hand it to
/// `X509Hsm::from_pem_with_key` of dps-hsm-x509.
///
/// Every signature opens the TPM anew, so one key may be used by several threads.
pub struct TpmSigningKey {
    tpm: Tpm,
    handle: u32,
    auth: Secret,
    curve: Curve,
    point: Vec<u8>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Curve {
    P256,
    P384,
}

impl Curve {
    fn of(number: u16) -> Option<Self> {
        match number {
            3 => Some(Self::P256),
            4 => Some(Self::P384),
            _ => None,
        }
    }

    /// The length of a coordinate in bytes.
    fn length(self) -> usize {
        match self {
            Self::P256 => 32,
            Self::P384 => 48,
        }
    }

    fn scheme(self) -> SignatureScheme {
        match self {
            Self::P256 => SignatureScheme::EcdsaP256Sha256,
            Self::P384 => SignatureScheme::EcdsaP384Sha384,
        }
    }

    fn hash(self) -> HashingAlgorithm {
        match self {
            Self::P256 => HashingAlgorithm::Sha256,
            Self::P384 => HashingAlgorithm::Sha384,
        }
    }

    fn digest(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::P256 => Sha256::digest(message).to_vec(),
            Self::P384 => Sha384::digest(message).to_vec(),
        }
    }
}

impl TpmSigningKey {
    /// The key at a persistent handle, 0x81000000 to 0x817fffff: one on P-256 or P-384 that may
    /// sign anything, as `tpm2_create -G ecc256:ecdsa-sha256`,
    /// `tpm2_create -G ecc384:ecdsa-sha384` and `tpm2_evictcontrol` make it.
    ///
    /// # Errors
    ///
    /// [`TpmError`]: the TPM cannot be reached, there is no key, or another kind.
    pub fn at(tpm: Tpm, handle: u32) -> Result<Self, TpmError> {
        let mut connection = Connection::open(&tpm)?;
        let stored =
            connection.stored(handle)?.ok_or(TpmError::NoKey { handle, wanted: WANTED })?;
        drop(connection);
        let (curve, point) = public_point(&stored, handle)?;
        Ok(Self { tpm, handle, auth: Secret::default(), curve, point })
    }

    /// The same with the key's own authorization value, of 64 bytes at most.
    ///
    /// # Errors
    ///
    /// [`TpmError::AuthTooLong`].
    pub fn with_auth(self, value: &[u8]) -> Result<Self, TpmError> {
        Ok(Self { auth: Secret::new(value)?, ..self })
    }

    /// Makes a key on P-256 below the storage root key, without an authorization value of its own,
    /// and stores it at a persistent handle that is free.
    ///
    /// # Errors
    ///
    /// [`TpmError`]: the TPM cannot be reached, the handle is taken, or the owner's authorization
    /// value is wrong.
    pub fn create(tpm: Tpm, handle: u32) -> Result<Self, TpmError> {
        let mut connection = Connection::open(&tpm)?;
        if let Some(stored) = connection.stored(handle)? {
            let area = Area::parse(&stored.marshalled);
            let found = area.map_or_else(|| "a key".into(), |area| area.description());
            return Err(TpmError::Occupied { handle, found });
        }
        let root = primary::storage_root_key(&mut connection)?;
        let public = template::public(&template::p256_signing_key())?;
        let made = connection.run_with_password("TPM2_Create", |context| {
            context.create(root.key, public.clone(), None, None, None, None)
        })?;
        let loaded = connection.run_with_password("TPM2_Load", |context| {
            context.load(root.key, made.out_private.clone(), made.out_public.clone())
        })?;
        connection.store(loaded, handle)?;
        drop(connection);
        Self::at(tpm, handle)
    }

    /// The public point, uncompressed: 0x04 and two coordinates.
    pub fn public_point(&self) -> &[u8] {
        &self.point
    }

    /// The public key as a DER `SubjectPublicKeyInfo`, for a certificate.
    pub fn public_key_der(&self) -> Vec<u8> {
        // RFC 5480: a sequence of (a sequence of id-ecPublicKey and the curve) and a bit string.
        let head: &[u8] = match self.curve {
            Curve::P256 => &[
                0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
                0x08, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
            ],
            Curve::P384 => &[
                0x30, 0x76, 0x30, 0x10, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06,
                0x05, 0x2b, 0x81, 0x04, 0x00, 0x22, 0x03, 0x62, 0x00,
            ],
        };
        [head, self.point.as_slice()].concat()
    }

    /// Where the key is.
    pub fn handle(&self) -> u32 {
        self.handle
    }

    fn signature(&self, message: &[u8]) -> Result<Vec<u8>, TpmError> {
        const COMMAND: &str = "TPM2_Sign";
        let of = |error| TpmError::of(COMMAND, error);
        let mut connection = Connection::open(&self.tpm)?;
        let handle = self.handle;
        let stored =
            connection.stored(handle)?.ok_or(TpmError::NoKey { handle, wanted: WANTED })?;
        let object = ObjectHandle::from(stored.key);
        let auth = self.auth.auth()?;
        connection.run("Esys_TR_SetAuth", |context| context.tr_set_auth(object, auth.clone()))?;
        let digest = Digest::try_from(self.curve.digest(message)).map_err(of)?;
        let scheme = TpmScheme::EcDsa { hash_scheme: HashScheme::new(self.curve.hash()) };
        let ticket = no_ticket().map_err(of)?;
        let signature = connection.run_with_password(COMMAND, |context| {
            context.sign(stored.key, digest.clone(), scheme, ticket.clone())
        })?;
        match signature {
            Signature::EcDsa(signature) => Ok(der(&signature)),
            _ => Err(TpmError::Library {
                action: COMMAND,
                reason: "it is no ECDSA signature".into(),
            }),
        }
    }
}

fn public_point(stored: &StoredKey, handle: u32) -> Result<(Curve, Vec<u8>), TpmError> {
    let area = Area::parse(&stored.marshalled);
    let found = area.as_ref().and_then(Area::ec_signing_key);
    let point = found.and_then(|(curve, x, y)| {
        let curve = Curve::of(curve)?;
        let mut point = vec![4];
        for coordinate in [x, y] {
            // Some TPMs leave leading zeros out.
            let missing = curve.length().checked_sub(coordinate.len())?;
            point.extend(core::iter::repeat_n(0, missing));
            point.extend(coordinate);
        }
        Some((curve, point))
    });
    point.ok_or_else(|| TpmError::OtherKey {
        handle,
        found: area.map_or_else(|| "a key".into(), |area| area.description()),
        wanted: WANTED,
    })
}

/// The digest was not made by the TPM, and need not be.
fn no_ticket() -> tss_esapi::Result<HashcheckTicket> {
    HashcheckTicket::try_from(TPMT_TK_HASHCHECK {
        tag: StructureTag::Hashcheck.into(),
        hierarchy: TPM2_RH_NULL,
        digest: Default::default(),
    })
}

/// RFC 3279, section 2.2.3: a sequence of two integers.
fn der(signature: &EccSignature) -> Vec<u8> {
    let mut content = integer(signature.signature_r().value());
    content.extend(integer(signature.signature_s().value()));
    // Two integers of 48 bytes at most have 102 bytes: the short form of the length.
    let mut der = vec![0x30, content.len() as u8];
    der.extend(content);
    der
}

fn integer(bytes: &[u8]) -> Vec<u8> {
    let start = bytes.iter().position(|byte| *byte != 0).unwrap_or(bytes.len());
    let digits = bytes.get(start..).unwrap_or_default();
    // A leading bit would make it negative, and nothing at all is not a number.
    let zero = digits.first().is_none_or(|first| first & 0x80 != 0);
    let mut der = vec![2, (digits.len() + usize::from(zero)) as u8];
    der.extend(zero.then_some(0));
    der.extend(digits);
    der
}

impl ClientKey for TpmSigningKey {
    fn schemes(&self) -> Vec<SignatureScheme> {
        vec![self.curve.scheme()]
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, HsmError> {
        if scheme != self.curve.scheme() {
            return Err(HsmError::NotSupported { operation: "sign under this scheme" });
        }
        self.signature(message).map_err(|error| error.failed("sign with the certificate's key"))
    }
}

impl fmt::Debug for TpmSigningKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TpmSigningKey")
            .field("tpm", &self.tpm)
            .field("handle", &format_args!("{:#010x}", self.handle))
            .field("curve", &self.curve)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn integers_are_positive_and_short() {
        assert_eq!(integer(&[0, 0, 1, 2]), [2, 2, 1, 2]);
        assert_eq!(integer(&[0x80]), [2, 2, 0, 0x80]);
        assert_eq!(integer(&[0, 0]), [2, 1, 0]);
    }
}
