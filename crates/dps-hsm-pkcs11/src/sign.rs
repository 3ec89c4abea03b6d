//! TLS's signature schemes by PKCS#11's mechanisms.

use cryptoki::mechanism::rsa::{PkcsMgfType, PkcsPssParams};
use cryptoki::mechanism::{Mechanism, MechanismType};
use dps_core::SignatureScheme;
use sha2::{Digest as _, Sha256, Sha384, Sha512};

/// How a token is to sign.
#[derive(Debug)]
pub(crate) struct Way {
    pub(crate) mechanism: Mechanism<'static>,
    /// What the mechanism is given: the message, or what stands for it.
    prepare: Prepare,
    /// Whether the signature is two numbers side by side, which TLS wants in a DER sequence.
    is_ecdsa: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Prepare {
    /// The token digests.
    Message,
    Digest(Hash),
    DigestInfo(Hash),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hash {
    Sha256,
    Sha384,
    Sha512,
}

impl Hash {
    fn digest(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Sha256 => Sha256::digest(message).to_vec(),
            Self::Sha384 => Sha384::digest(message).to_vec(),
            Self::Sha512 => Sha512::digest(message).to_vec(),
        }
    }

    const fn length(self) -> u8 {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }

    /// DigestInfo (RFC 8017 section 9.2, note 1).
    fn digest_info(self, message: &[u8]) -> Vec<u8> {
        // 2.16.840.1.101.3.4.2 and the number of the hash.
        let number = match self {
            Self::Sha256 => 1,
            Self::Sha384 => 2,
            Self::Sha512 => 3,
        };
        let length = self.length();
        let mut info = vec![0x30, 17 + length, 0x30, 13, 0x06, 9];
        info.extend([0x60, 0x86, 0x48, 0x01, 0x65, 0x03, 0x04, 0x02, number]);
        info.extend([0x05, 0, 0x04, length]);
        info.extend(self.digest(message));
        info
    }

    fn pss(self) -> PkcsPssParams {
        let (hash_alg, mgf) = match self {
            Self::Sha256 => (MechanismType::SHA256, PkcsMgfType::MGF1_SHA256),
            Self::Sha384 => (MechanismType::SHA384, PkcsMgfType::MGF1_SHA384),
            Self::Sha512 => (MechanismType::SHA512, PkcsMgfType::MGF1_SHA512),
        };
        // RFC 8446 section 4.2.3: the salt is as long as the digest.
        PkcsPssParams { hash_alg, mgf, s_len: std::ffi::c_ulong::from(self.length()).into() }
    }
}

/// The way to sign under a scheme with a token that has these mechanisms; nothing when it has
/// none. Digests are made here if possible: it saves sending long messages, and tokens know the
/// plain mechanisms best. A key that wants its PIN for each signature must be used in parts, which
/// the plain mechanisms do not allow: then the token digests.
pub(crate) fn way(
    scheme: SignatureScheme,
    offered: &[MechanismType],
    token_digests: bool,
) -> Option<Way> {
    let (hash, family) = parts(scheme)?;
    let plain = match family {
        Family::Ecdsa => (Mechanism::Ecdsa, Prepare::Digest(hash)),
        Family::Pkcs1 => (Mechanism::RsaPkcs, Prepare::DigestInfo(hash)),
        Family::Pss => (Mechanism::RsaPkcsPss(hash.pss()), Prepare::Digest(hash)),
    };
    let whole = match (family, hash) {
        (Family::Ecdsa, Hash::Sha256) => Mechanism::EcdsaSha256,
        (Family::Ecdsa, Hash::Sha384) => Mechanism::EcdsaSha384,
        (Family::Ecdsa, Hash::Sha512) => Mechanism::EcdsaSha512,
        (Family::Pkcs1, Hash::Sha256) => Mechanism::Sha256RsaPkcs,
        (Family::Pkcs1, Hash::Sha384) => Mechanism::Sha384RsaPkcs,
        (Family::Pkcs1, Hash::Sha512) => Mechanism::Sha512RsaPkcs,
        (Family::Pss, Hash::Sha256) => Mechanism::Sha256RsaPkcsPss(hash.pss()),
        (Family::Pss, Hash::Sha384) => Mechanism::Sha384RsaPkcsPss(hash.pss()),
        (Family::Pss, Hash::Sha512) => Mechanism::Sha512RsaPkcsPss(hash.pss()),
    };
    let ways = [plain, (whole, Prepare::Message)];
    ways.into_iter()
        .filter(|(_, prepare)| !token_digests || *prepare == Prepare::Message)
        .find(|(mechanism, _)| offered.contains(&mechanism.mechanism_type()))
        .map(|(mechanism, prepare)| Way { mechanism, prepare, is_ecdsa: family == Family::Ecdsa })
}

impl Way {
    /// What to give to the mechanism.
    pub(crate) fn input(&self, message: &[u8]) -> Vec<u8> {
        match self.prepare {
            Prepare::Message => message.to_vec(),
            Prepare::Digest(hash) => hash.digest(message),
            Prepare::DigestInfo(hash) => hash.digest_info(message),
        }
    }

    /// TLS's form of what the mechanism gave; nothing when that cannot be a signature.
    pub(crate) fn output(&self, signature: Vec<u8>) -> Option<Vec<u8>> {
        if self.is_ecdsa { der_signature(&signature) } else { Some(signature) }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Family {
    Ecdsa,
    Pkcs1,
    Pss,
}

fn parts(scheme: SignatureScheme) -> Option<(Hash, Family)> {
    Some(match scheme {
        SignatureScheme::EcdsaP256Sha256 => (Hash::Sha256, Family::Ecdsa),
        SignatureScheme::EcdsaP384Sha384 => (Hash::Sha384, Family::Ecdsa),
        SignatureScheme::RsaPkcs1Sha256 => (Hash::Sha256, Family::Pkcs1),
        SignatureScheme::RsaPkcs1Sha384 => (Hash::Sha384, Family::Pkcs1),
        SignatureScheme::RsaPkcs1Sha512 => (Hash::Sha512, Family::Pkcs1),
        SignatureScheme::RsaPssSha256 => (Hash::Sha256, Family::Pss),
        SignatureScheme::RsaPssSha384 => (Hash::Sha384, Family::Pss),
        SignatureScheme::RsaPssSha512 => (Hash::Sha512, Family::Pss),
        _ => return None,
    })
}

/// ECDSA-Sig-Value (RFC 3279 section 2.2.3) of two numbers of the same length.
fn der_signature(numbers: &[u8]) -> Option<Vec<u8>> {
    // P-384's is the longest: two numbers of 48 bytes, so that every length is one byte.
    if numbers.is_empty() || !numbers.len().is_multiple_of(2) || numbers.len() > 96 {
        return None;
    }
    let (r, s) = numbers.split_at(numbers.len() / 2);
    let mut content = Vec::with_capacity(numbers.len() + 6);
    for number in [r, s] {
        let zeros = number.iter().take_while(|byte| **byte == 0).count();
        let digits = number.get(zeros..).unwrap_or_default();
        // A first bit of one would make it negative; zero itself is one byte.
        let pad = digits.first().is_none_or(|first| *first >= 0x80);
        content.push(0x02);
        content.push(u8::try_from(digits.len() + usize::from(pad)).ok()?);
        if pad {
            content.push(0);
        }
        content.extend_from_slice(digits);
    }
    let mut signature = vec![0x30, u8::try_from(content.len()).ok().filter(|n| *n < 0x80)?];
    signature.append(&mut content);
    Some(signature)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn two_numbers_become_a_sequence() {
        let der = |numbers: &[u8]| der_signature(numbers);
        assert_eq!(der(&[1, 2]), Some(vec![0x30, 6, 2, 1, 1, 2, 1, 2]));
        assert_eq!(der(&[0, 0x80, 0x7f, 0]), Some(vec![0x30, 8, 2, 2, 0, 0x80, 2, 2, 0x7f, 0]));
        assert_eq!(der(&[0, 0, 0, 1]), Some(vec![0x30, 6, 2, 1, 0, 2, 1, 1]));
        assert_eq!(der(&[0xff; 96]).map(|signature| signature.len()), Some(2 + 2 * (3 + 48)));
        for wrong in [&[][..], &[1], &[1; 65], &[1; 132]] {
            assert_eq!(der(wrong), None);
        }
    }

    #[test]
    fn a_token_digests_when_it_must() {
        let raw = [MechanismType::ECDSA, MechanismType::RSA_PKCS];
        let whole = [MechanismType::ECDSA_SHA256];
        let prepare = |scheme, offered: &[_], token_digests| {
            way(scheme, offered, token_digests).map(|way| way.prepare)
        };
        let scheme = SignatureScheme::EcdsaP256Sha256;
        assert_eq!(prepare(scheme, &raw, false), Some(Prepare::Digest(Hash::Sha256)));
        assert_eq!(prepare(scheme, &whole, false), Some(Prepare::Message));
        assert_eq!(prepare(scheme, &whole, true), Some(Prepare::Message));
        assert_eq!(prepare(scheme, &raw, true), None);
        assert_eq!(prepare(SignatureScheme::RsaPssSha256, &raw, false), None);
        assert_eq!(
            prepare(SignatureScheme::RsaPkcs1Sha512, &raw, false),
            Some(Prepare::DigestInfo(Hash::Sha512))
        );
    }

    #[test]
    fn digest_infos_have_their_lengths() {
        for hash in [Hash::Sha256, Hash::Sha384, Hash::Sha512] {
            let info = hash.digest_info(b"message");
            assert_eq!(info.len(), 19 + usize::from(hash.length()));
            assert_eq!(usize::from(info[1]), info.len() - 2);
        }
    }
}
