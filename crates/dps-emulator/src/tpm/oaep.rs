//! RSA-OAEP with SHA-256 (RFC 8017 section 7.1), to encrypt only.
//!
//! There is no private key on this side, so no oracle of any kind; the crate `rsa`, which would do
//! this too, has an open advisory about its private-key operations (RUSTSEC-2023-0071).

use super::public_key::PublicKey;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

const HASH: usize = 32;
/// The masked part of a block: all but its first byte and the seed.
const DATA: usize = PublicKey::MODULUS_BYTES - HASH - 1;

/// Encrypts 32 bytes. `label` is without the NUL that ends it on the wire; `seed` must be random
/// and used once.
pub(super) fn encrypt(key: &PublicKey, secret: &[u8; 32], label: &str, seed: &[u8; 32]) -> Vec<u8> {
    // DB = hash of the label, zeroes, 01, message.
    let mut data = Zeroizing::new(Vec::with_capacity(DATA));
    let label = Sha256::new().chain_update(label).chain_update([0]).finalize();
    data.extend_from_slice(&label);
    data.resize(DATA - secret.len() - 1, 0);
    data.push(1);
    data.extend_from_slice(secret);
    mask(&mut data, seed);
    let mut masked_seed = Zeroizing::new(*seed);
    mask(masked_seed.as_mut_slice(), &data);

    let mut block = Zeroizing::new(Vec::with_capacity(PublicKey::MODULUS_BYTES));
    block.push(0);
    block.extend_from_slice(masked_seed.as_slice());
    block.extend_from_slice(&data);
    key.encrypt_raw(&block)
}

/// MGF1 with SHA-256, applied by exclusive or.
fn mask(data: &mut [u8], seed: &[u8]) {
    for (counter, chunk) in (0u32..).zip(data.chunks_mut(HASH)) {
        let block = Sha256::new().chain_update(seed).chain_update(counter.to_be_bytes()).finalize();
        chunk.iter_mut().zip(block).for_each(|(byte, mask)| *byte ^= mask);
    }
}
