//! The activation blob (`wire-protocol.md` sections 5.3 and 5.5).

use super::kdf::{aes_cfb, hmac, kdfa};
use super::oaep;
use super::public_key::{PublicKey, name};
use crate::random::Random;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use core::fmt;
use dps_core::SymmetricKey;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

const TPM_ALG_KEYEDHASH: u16 = 0x0008;
/// SHA-256 for the name, userWithAuth | noDA | sign, no policy, HMAC with SHA-256: as the service's
/// own are.
const KEY_TEMPLATE: [u8; 14] =
    [0x00, 0x08, 0x00, 0x0b, 0x00, 0x04, 0x04, 0x40, 0x00, 0x00, 0x00, 0x05, 0x00, 0x0b];

/// A key for one TPM, and the blob in which only that TPM can recover it. `Debug` shows
/// neither.
#[derive(Clone)]
pub struct ActivationKey {
    key: SymmetricKey,
    blob: Vec<u8>,
}

/// What is random in a blob besides the key. Each is used once.
pub(super) struct Seeds {
    /// Of the credential: field 2 brings it.
    pub(super) credential: Zeroizing<[u8; 32]>,
    /// W: the credential itself, with which the rest is encrypted.
    pub(super) credential_key: Zeroizing<[u8; 16]>,
    /// Of the import: field 4 brings it.
    pub(super) import: Zeroizing<[u8; 32]>,
    /// Makes the key's public area hide the key.
    pub(super) obfuscation: Zeroizing<[u8; 32]>,
    /// Of the two encryptions.
    pub(super) oaep: [Zeroizing<[u8; 32]>; 2],
}

impl Seeds {
    fn draw(random: &mut Random) -> Self {
        let mut credential_key = Zeroizing::new([0; 16]);
        let block = random.bytes();
        credential_key.iter_mut().zip(block.iter()).for_each(|(to, from)| *to = *from);
        Self {
            credential: random.bytes(),
            credential_key,
            import: random.bytes(),
            obfuscation: random.bytes(),
            oaep: [random.bytes(), random.bytes()],
        }
    }
}

impl ActivationKey {
    /// A new random key for the TPM with these keys. `uri` goes along encrypted; clients make no
    /// use of it, but need it to be there (section 5.3).
    pub fn generate(
        endorsement_key: &PublicKey,
        storage_root_key: &PublicKey,
        uri: &str,
        random: &mut Random,
    ) -> Self {
        let key = random.tpm_key();
        Self::wrap(&key, endorsement_key, storage_root_key, uri, random)
    }

    /// A key that there is already, in a fresh blob.
    pub fn wrap(
        key: &SymmetricKey,
        endorsement_key: &PublicKey,
        storage_root_key: &PublicKey,
        uri: &str,
        random: &mut Random,
    ) -> Self {
        let seeds = Seeds::draw(random);
        let mut bytes = Zeroizing::new(Vec::with_capacity(96));
        if STANDARD.decode_vec(key.to_base64().as_bytes(), &mut bytes).is_err() {
            unreachable!("a key's base64 is base64")
        }
        let blob = blob(&bytes, endorsement_key, storage_root_key, uri, &seeds);
        Self { key: key.clone(), blob }
    }

    /// The key, with which the TPM signs once it has it.
    pub fn key(&self) -> &SymmetricKey {
        &self.key
    }

    /// What the TPM recovers it from.
    pub fn blob(&self) -> &[u8] {
        &self.blob
    }
}

impl fmt::Debug for ActivationKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ActivationKey").finish_non_exhaustive()
    }
}

fn blob(
    key: &[u8],
    endorsement_key: &PublicKey,
    storage_root_key: &PublicKey,
    uri: &str,
    seeds: &Seeds,
) -> Vec<u8> {
    let public = public_area(key, &seeds.obfuscation);
    let mut uri = uri.as_bytes().to_vec();
    aes_cfb(seeds.credential_key.as_slice(), &mut uri);
    let [first, second] = &seeds.oaep;
    let fields = [
        credential(seeds, endorsement_key.aes_bits(), &storage_root_key.name()),
        oaep::encrypt(endorsement_key, &seeds.credential, "IDENTITY", first),
        private_area(key, seeds, storage_root_key.aes_bits(), &name(&public)),
        oaep::encrypt(storage_root_key, &seeds.import, "DUPLICATE", second),
        public,
        uri,
    ];
    let mut blob = Vec::with_capacity(1024);
    fields.iter().for_each(|field| push_sized(&mut blob, field));
    blob
}

/// Field 1: W, which the TPM gives out only for the storage root key of this name.
pub(super) fn credential(seeds: &Seeds, aes_bits: u16, storage_root_name: &[u8]) -> Vec<u8> {
    let seed = seeds.credential.as_slice();
    let mut secret = Vec::with_capacity(18);
    push_sized(&mut secret, seeds.credential_key.as_slice());
    aes_cfb(&kdfa(seed, "STORAGE", storage_root_name, aes_bits), &mut secret);
    let integrity_key = kdfa(seed, "INTEGRITY", &[], 256);
    let integrity = hmac(&integrity_key, &[&secret, storage_root_name]);
    let mut field = Vec::with_capacity(34 + secret.len());
    push_sized(&mut field, integrity.as_slice());
    field.extend_from_slice(&secret);
    field
}

/// Field 5: what the key is.
pub(super) fn public_area(key: &[u8], obfuscation: &[u8; 32]) -> Vec<u8> {
    let unique = Sha256::new().chain_update(obfuscation).chain_update(key).finalize();
    let mut area = KEY_TEMPLATE.to_vec();
    push_sized(&mut area, &unique);
    area
}

/// Field 3: the key, encrypted with W, and again for the storage root key.
pub(super) fn private_area(key: &[u8], seeds: &Seeds, aes_bits: u16, key_name: &[u8]) -> Vec<u8> {
    let mut sensitive = Zeroizing::new(Vec::with_capacity(40 + key.len()));
    sensitive.extend_from_slice(&TPM_ALG_KEYEDHASH.to_be_bytes());
    // No authorization value.
    push_sized(&mut sensitive, &[]);
    push_sized(&mut sensitive, seeds.obfuscation.as_slice());
    push_sized(&mut sensitive, key);
    let mut sized = Zeroizing::new(Vec::with_capacity(42 + key.len()));
    push_sized(&mut sized, &sensitive);

    // Inner wrapper.
    let hash = Sha256::new().chain_update(sized.as_slice()).chain_update(key_name).finalize();
    let mut wrapped = Zeroizing::new(Vec::with_capacity(76 + key.len()));
    push_sized(&mut wrapped, &hash);
    wrapped.extend_from_slice(&sized);
    aes_cfb(seeds.credential_key.as_slice(), &mut wrapped);

    // Outer wrapper.
    let seed = seeds.import.as_slice();
    aes_cfb(&kdfa(seed, "STORAGE", key_name, aes_bits), &mut wrapped);
    let mac = hmac(&kdfa(seed, "INTEGRITY", &[], 256), &[&wrapped, key_name]);
    let mut field = Vec::with_capacity(34 + wrapped.len());
    push_sized(&mut field, mac.as_slice());
    field.extend_from_slice(&wrapped);
    field
}

/// A `TPM2B`: size of two bytes, and the bytes.
fn push_sized(out: &mut Vec<u8>, bytes: &[u8]) {
    // Nothing here has more than 1024 bytes.
    out.extend_from_slice(&u16::try_from(bytes.len()).unwrap_or(u16::MAX).to_be_bytes());
    out.extend_from_slice(bytes);
}
