//! What TPMs make keys with, and encrypt with (`wire-protocol.md` section 5.5).

use aes::cipher::{BlockCipherEncrypt, KeyInit as _};
use aes::{Aes128, Aes256};
use hmac::{Hmac, Mac as _};
use sha2::Sha256;
use zeroize::Zeroizing;

const BLOCK: usize = 16;

/// HMAC-SHA256 over all the parts.
pub(super) fn hmac(key: &[u8], parts: &[&[u8]]) -> Zeroizing<[u8; 32]> {
    let Ok(mut mac) = Hmac::<Sha256>::new_from_slice(key) else {
        unreachable!("HMAC accepts keys of any length")
    };
    parts.iter().for_each(|part| mac.update(part));
    Zeroizing::new(mac.finalize().into_bytes().into())
}

/// KDFa with SHA-256: up to 256 `bits`, of which each part of a blob needs no more. `label` is
/// without a NUL.
pub(super) fn kdfa(key: &[u8], label: &str, u: &[u8], bits: u16) -> Zeroizing<Vec<u8>> {
    let (counter, size) = (1u32.to_be_bytes(), u32::from(bits).to_be_bytes());
    let block = hmac(key, &[&counter, label.as_bytes(), &[0], u, &size]);
    Zeroizing::new(block.iter().copied().take(usize::from(bits / 8)).collect())
}

/// Encrypts in place with AES in full-block CFB mode. The initial vector is zero, which is sound
/// since no key is used twice. `key` has 16 or 32 bytes.
pub(super) fn aes_cfb(key: &[u8], data: &mut [u8]) {
    match (Aes128::new_from_slice(key), Aes256::new_from_slice(key)) {
        (Ok(cipher), _) => cfb(&cipher, data),
        (_, Ok(cipher)) => cfb(&cipher, data),
        _ => unreachable!("keys have 16 or 32 bytes"),
    }
}

fn cfb(cipher: &impl BlockCipherEncrypt<BlockSize = aes::cipher::consts::U16>, data: &mut [u8]) {
    let mut previous = [0; BLOCK];
    for chunk in data.chunks_mut(BLOCK) {
        let mut stream = previous.into();
        cipher.encrypt_block(&mut stream);
        chunk.iter_mut().zip(&stream).for_each(|(byte, key)| *byte ^= key);
        // Only the last chunk is shorter, and nothing follows it.
        previous.iter_mut().zip(chunk).for_each(|(to, from)| *to = *from);
    }
}
