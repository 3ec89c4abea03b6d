//! Templates of the keys (`wire-protocol.md` section 5.1), marshalled `TPMT_PUBLIC`.

use crate::TpmError;
use tss_esapi::structures::Public;
use tss_esapi::traits::{Marshall as _, UnMarshall as _};

/// PolicySecret of the endorsement hierarchy.
const ENDORSEMENT_POLICY: [u8; 32] = [
    0x83, 0x71, 0x97, 0x67, 0x44, 0x84, 0xb3, 0xf8, 0x1a, 0x90, 0xcc, 0x8d, 0x46, 0xa5, 0xd7, 0x24,
    0xfd, 0x52, 0xd7, 0x6e, 0x06, 0x52, 0x0b, 0x64, 0xf2, 0xa1, 0xda, 0x1b, 0x33, 0x14, 0x69, 0xaa,
];

/// AES-128-CFB, no scheme, 2048 bits, the default exponent, an empty unique.
const RSA_STORAGE: [u8; 16] = [0, 6, 0, 0x80, 0, 0x43, 0, 0x10, 8, 0, 0, 0, 0, 0, 0, 0];

const RSA: u16 = 1;
const KEYED_HASH: u16 = 8;
const SHA256: u16 = 0x0b;
const SHA384: u16 = 0x0c;
const ECC: u16 = 0x23;
const SYMMETRIC_CIPHER: u16 = 0x25;

const FIXED_TPM: u32 = 0x2;
const FIXED_PARENT: u32 = 0x10;
const SENSITIVE_DATA_ORIGIN: u32 = 0x20;
const USER_WITH_AUTH: u32 = 0x40;
const ADMIN_WITH_POLICY: u32 = 0x80;
const NO_DA: u32 = 0x400;
const RESTRICTED: u32 = 0x1_0000;
const DECRYPT: u32 = 0x2_0000;
const SIGN: u32 = 0x4_0000;
const STORAGE: u32 = FIXED_TPM | FIXED_PARENT | SENSITIVE_DATA_ORIGIN | RESTRICTED | DECRYPT;

/// A template as the TPM is given it.
pub(crate) type Template = Vec<u8>;

fn rsa_storage(attributes: u32, policy: &[u8]) -> Template {
    let mut bytes = vec![0, 1, 0, 0x0b];
    bytes.extend(attributes.to_be_bytes());
    bytes.extend((policy.len() as u16).to_be_bytes());
    bytes.extend(policy);
    bytes.extend(RSA_STORAGE);
    bytes
}

pub(crate) fn endorsement_key() -> Template {
    rsa_storage(STORAGE | ADMIN_WITH_POLICY, &ENDORSEMENT_POLICY)
}

pub(crate) fn storage_root_key() -> Template {
    rsa_storage(STORAGE | USER_WITH_AUTH | NO_DA, &[])
}

/// An ECDSA key on P-256 for SHA-256.
pub(crate) fn p256_signing_key() -> Template {
    let mut bytes = vec![0, 0x23, 0, 0x0b];
    let attributes =
        FIXED_TPM | FIXED_PARENT | SENSITIVE_DATA_ORIGIN | USER_WITH_AUTH | NO_DA | SIGN;
    bytes.extend(attributes.to_be_bytes());
    // No policy; no symmetric algorithm; ECDSA with SHA-256; P-256; no KDF; an empty point.
    bytes.extend([0, 0, 0, 0x10, 0, 0x18, 0, 0x0b, 0, 3, 0, 0x10, 0, 0, 0, 0]);
    bytes
}

/// In tss-esapi's terms.
pub(crate) fn public(template: &[u8]) -> Result<Public, TpmError> {
    Public::unmarshall(template).map_err(|error| TpmError::of("reading a template", error))
}

/// A `TPM2B_PUBLIC` with its size of two bytes.
pub(crate) fn marshalled(public: &Public) -> Result<Vec<u8>, TpmError> {
    let area = public.marshall().map_err(|error| TpmError::of("marshalling a key", error))?;
    let mut bytes = (area.len() as u16).to_be_bytes().to_vec();
    bytes.extend(area);
    Ok(bytes)
}

/// What a public area says about its key.
pub(crate) struct Area<'a> {
    algorithm: u16,
    name_hash: u16,
    attributes: u32,
    policy: &'a [u8],
    /// Parameters and unique.
    rest: &'a [u8],
}

impl<'a> Area<'a> {
    /// Reads a `TPM2B_PUBLIC`.
    pub(crate) fn parse(marshalled: &'a [u8]) -> Option<Self> {
        let (_, bytes) = marshalled.split_first_chunk::<2>()?;
        let (algorithm, bytes) = bytes.split_first_chunk::<2>()?;
        let (name_hash, bytes) = bytes.split_first_chunk::<2>()?;
        let (attributes, bytes) = bytes.split_first_chunk::<4>()?;
        let (length, bytes) = bytes.split_first_chunk::<2>()?;
        let (policy, rest) = bytes.split_at_checked(u16::from_be_bytes(*length).into())?;
        Some(Self {
            algorithm: u16::from_be_bytes(*algorithm),
            name_hash: u16::from_be_bytes(*name_hash),
            attributes: u32::from_be_bytes(*attributes),
            policy,
            rest,
        })
    }

    /// Whether an endorsement key can be used. What made it may have filled `unique`, which makes
    /// another key and is fine (section 5.1, quirks).
    pub(crate) fn is_endorsement_key(&self) -> bool {
        self.is_rsa_storage()
            && self.attributes & ADMIN_WITH_POLICY != 0
            && self.policy == ENDORSEMENT_POLICY
    }

    /// Whether a storage root key can be used.
    pub(crate) fn is_storage_root_key(&self) -> bool {
        self.is_rsa_storage() && self.attributes & USER_WITH_AUTH != 0
    }

    fn is_rsa_storage(&self) -> bool {
        // AES-128 or AES-256.
        let ([0, 6, 0, 0x80, rest @ ..] | [0, 6, 1, 0, rest @ ..]) = self.rest else {
            return false;
        };
        let [0, 0x43, 0, 0x10, 8, 0, ..] = rest else { return false };
        let wanted = RESTRICTED | DECRYPT;
        (self.algorithm, self.name_hash) == (RSA, SHA256) && self.attributes & wanted == wanted
    }

    /// Whether it is a key as the service sends it, for HMAC-SHA256 with the key's own
    /// authorization (section 5.3).
    pub(crate) fn is_identity_key(&self) -> bool {
        let [0, 5, 0, 0x0b, ..] = self.rest else { return false };
        let wanted = SIGN | USER_WITH_AUTH;
        (self.algorithm, self.name_hash) == (KEYED_HASH, SHA256)
            && self.attributes & (wanted | RESTRICTED) == wanted
    }

    /// The number of the curve and the two coordinates, if it is an EC key that signs anything
    /// as TLS wants it: with the curve's own hash, or any.
    pub(crate) fn ec_signing_key(&self) -> Option<(u16, &'a [u8], &'a [u8])> {
        let EcdsaKey { curve, hash, x, y } = self.ecdsa()?;
        let is_usable = match (curve, hash) {
            (3, Some(hash)) => hash == SHA256,
            (4, Some(hash)) => hash == SHA384,
            _ => true,
        };
        is_usable.then_some((curve, x, y))
    }

    /// The same with the hash that an EC key is bound to, whichever it is.
    fn ecdsa(&self) -> Option<EcdsaKey<'a>> {
        if self.algorithm != ECC || self.attributes & (SIGN | RESTRICTED) != SIGN {
            return None;
        }
        // A key that signs has no symmetric algorithm; a null scheme has no hash.
        let rest = self.rest.strip_prefix(&[0, 0x10])?;
        let (hash, rest) = match rest {
            [0, 0x10, rest @ ..] => (None, rest),
            [0, 0x18, high, low, rest @ ..] => (Some(u16::from_be_bytes([*high, *low])), rest),
            _ => return None,
        };
        let (curve, rest) = rest.split_first_chunk::<2>()?;
        let rest = rest.strip_prefix(&[0, 0x10])?;
        let (x, rest) = sized(rest)?;
        let (y, _) = sized(rest)?;
        Some(EcdsaKey { curve: u16::from_be_bytes(*curve), hash, x, y })
    }

    /// What kind of key it is, for errors.
    pub(crate) fn description(&self) -> String {
        let kind = match self.algorithm {
            RSA => "an RSA key",
            ECC => "an EC key",
            KEYED_HASH => "a keyed hash or sealed data",
            SYMMETRIC_CIPHER => "a symmetric key",
            _ => "a key of an unknown algorithm",
        };
        let bound = match self.ecdsa().map(|key| key.hash) {
            Some(Some(SHA256)) => " that signs with SHA-256 only",
            Some(Some(SHA384)) => " that signs with SHA-384 only",
            Some(Some(_)) => " that signs with another hash only",
            _ => "",
        };
        format!("{kind}{bound} with the attributes {:#010x}", self.attributes)
    }
}

/// What a public area says of an EC key that signs.
struct EcdsaKey<'a> {
    curve: u16,
    /// The only one that it signs with, if there is one.
    hash: Option<u16>,
    x: &'a [u8],
    y: &'a [u8],
}

/// A field with its size of two bytes, and what follows.
fn sized(bytes: &[u8]) -> Option<(&[u8], &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<2>()?;
    rest.split_at_checked(u16::from_be_bytes(*length).into())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(text: &str) -> Vec<u8> {
        let digits = text.as_bytes().chunks(2);
        digits
            .map(|pair| u8::from_str_radix(core::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect()
    }

    #[test]
    fn templates_are_those_of_the_c_sdk() {
        // `wire-protocol.md` section 5.1, without the modulus.
        let policy = "837197674484b3f81a90cc8d46a5d724fd52d76e06520b64f2a1da1b331469aa";
        let rsa = "0006008000430010080000000000";
        let endorsement = format!("0001000b000300b20020{policy}{rsa}0000");
        assert_eq!(endorsement_key(), hex(&endorsement));
        assert_eq!(storage_root_key(), hex(&format!("0001000b000304720000{rsa}0000")));
    }

    #[test]
    fn tss_reads_the_templates_and_writes_the_same() {
        for template in [endorsement_key(), storage_root_key(), p256_signing_key()] {
            let marshalled = marshalled(&public(&template).unwrap()).unwrap();
            assert_eq!(marshalled.get(2..).unwrap(), template);
        }
    }

    #[test]
    fn keys_are_told_apart() {
        let with_size = |template: Template| marshalled(&public(&template).unwrap()).unwrap();
        let (ek, srk) = (with_size(endorsement_key()), with_size(storage_root_key()));
        let signing = with_size(p256_signing_key());
        let identity = hex(concat!(
            "00300008000b0004044000000005000b0020",
            "7fcae223fa8aa951b003ef172fb37bd1a758a42cc3b7f6c528461da6f26aae7c"
        ));
        for (bytes, wanted) in [
            (&ek, [true, false, false, false]),
            (&srk, [false, true, false, false]),
            (&identity, [false, false, true, false]),
            (&signing, [false, false, false, true]),
        ] {
            let area = Area::parse(bytes).unwrap();
            let found = [
                area.is_endorsement_key(),
                area.is_storage_root_key(),
                area.is_identity_key(),
                area.ec_signing_key().is_some(),
            ];
            assert_eq!(found, wanted, "{}", area.description());
        }
        assert!(Area::parse(ek.get(..40).unwrap()).is_none());
    }
}
