//! The deterministic vectors of `wire-protocol.md` section 5.6, which a real TPM has accepted.

use super::blob::{Seeds, credential, private_area, public_area};
use super::kdf::{hmac, kdfa};
use super::public_key::name;
use super::*;
use crate::random::Random;
use zeroize::Zeroizing;

fn run<const N: usize>(from: u8) -> Zeroizing<[u8; N]> {
    Zeroizing::new(std::array::from_fn(|index| from + u8::try_from(index).unwrap()))
}

fn seeds() -> Seeds {
    Seeds {
        credential: run(0x80),
        credential_key: run(0x10),
        import: run(0xc0),
        obfuscation: run(0x40),
        oaep: [run(0), run(0)],
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn object_name() -> Vec<u8> {
    [&[0x00, 0x0b][..], run::<32>(0xa0).as_slice()].concat()
}

#[test]
fn the_credential_is_that_of_the_vectors() {
    let seed = run::<32>(0x80);
    let symmetric = kdfa(seed.as_slice(), "STORAGE", &object_name(), 128);
    assert_eq!(hex(&symmetric), "10bf1c377f5d7e37160a185cecfe4033");
    let integrity = kdfa(seed.as_slice(), "INTEGRITY", &[], 256);
    assert_eq!(hex(&integrity), "341d57cb90c0195844bb22792d813979c0281ae7df204307fb1c4f04e9e4d419");
    assert_eq!(
        hex(&credential(&seeds(), 128, &object_name())),
        "0020d8e9b5bd6fa9f201bd2771815cc14f4aea4d571d4297c33f70f89afa61579a1d\
         d962bd92bc2e48583e4235644401e38bd34c"
    );
}

#[test]
fn the_wrapped_key_is_that_of_the_vectors() {
    let key = run::<32>(0);
    let public = public_area(key.as_slice(), &run(0x40));
    assert_eq!(
        hex(&public),
        "0008000b0004044000000005000b00207fcae223fa8aa951b003ef172fb37bd1a758a42cc3b7f6c528461da6f26aae7c"
    );
    let name = name(&public);
    assert_eq!(hex(&name), "000b696da87102f7f9b274e1004b4dea86f789590a2828dbed7cbfd9f425e2ab2242");
    assert_eq!(
        hex(&kdfa(run::<32>(0xc0).as_slice(), "STORAGE", &name, 128)),
        "b757ec6f331ad2b42adbcd158dba23da"
    );
    assert_eq!(
        hex(&private_area(key.as_slice(), &seeds(), 128, &name)),
        "00205dd3da8217234257f00aa9c50f3e44a0fdbb807f5440fed4e2dc566e2dfba70d\
         75d889b78c72e3855d4628a24b53804b1060ce4f0ed40b8c40da8322490b3820e5f5230ef348955945a6fbe7cb4fce6f7269906cb2bfca144cd0a745ecfb69d1b770c17b21307e12e8ce18fa066200613cb9653d9da6492826b77f7879cf7b004f7903dbd23993a9adceb6cc"
    );
}

#[test]
fn hmac_is_over_all_parts() {
    assert_eq!(hmac(b"k", &[b"ab", b"", b"c"]), hmac(b"k", &[b"abc"]));
}

/// The synthetic keys of `wire-protocol.md` section 5.2.
fn marshalled(attributes: u32, policy: &[u8]) -> Vec<u8> {
    let mut area = vec![0x00, 0x01, 0x00, 0x0b];
    area.extend_from_slice(&attributes.to_be_bytes());
    area.extend_from_slice(&u16::try_from(policy.len()).unwrap().to_be_bytes());
    area.extend_from_slice(policy);
    area.extend_from_slice(&[0x00, 0x06, 0x00, 0x80, 0x00, 0x43, 0x00, 0x10]);
    area.extend_from_slice(&[0x08, 0x00, 0, 0, 0, 0, 0x01, 0x00]);
    area.push(0x81);
    area.extend((1..256u32).map(|index| (7 * index + 1) as u8));
    let mut bytes = u16::try_from(area.len()).unwrap().to_be_bytes().to_vec();
    bytes.extend(area);
    bytes
}

fn endorsement_key() -> Vec<u8> {
    marshalled(0x0003_00b2, &[0xaa; 32])
}

fn storage_root_key() -> Vec<u8> {
    // The last byte of the modulus of the synthetic key is even, which no modulus is.
    marshalled(0x0003_0472, &[])
}

fn odd(mut bytes: Vec<u8>) -> Vec<u8> {
    *bytes.last_mut().unwrap() |= 1;
    bytes
}

#[test]
fn keys_are_read_and_named() {
    let bytes = odd(storage_root_key());
    assert_eq!((endorsement_key().len(), bytes.len()), (316, 284));
    let key = PublicKey::parse(&bytes).unwrap();
    assert_eq!(key.as_bytes(), bytes);
    assert_eq!(key.name(), name(&bytes[2..]));
    assert_eq!(
        hex(&name(&storage_root_key()[2..])),
        "000b1a513db74dc7e0f2f12023ab786744fba2cbcdb1a669564ec33567009de16b74"
    );
    assert!(PublicKey::parse(&odd(endorsement_key())).is_ok());
}

#[test]
fn every_truncation_and_every_addition_is_refused() {
    for whole in [odd(endorsement_key()), odd(storage_root_key())] {
        for length in 0..whole.len() {
            let mut short = whole[..length].to_vec();
            assert!(PublicKey::parse(&short).is_err(), "{length}");
            // The same with a size that fits.
            if let Some(rest) = u16::try_from(length).unwrap().checked_sub(2) {
                short[..2].copy_from_slice(&rest.to_be_bytes());
                assert!(PublicKey::parse(&short).is_err(), "{length}");
            }
        }
        let mut long = whole.clone();
        long.push(0);
        assert_eq!(PublicKey::parse(&long), Err(PublicKeyError::Malformed));
        let size = u16::try_from(long.len()).unwrap() - 2;
        long[..2].copy_from_slice(&size.to_be_bytes());
        assert_eq!(PublicKey::parse(&long), Err(PublicKeyError::Malformed));
    }
}

#[test]
fn other_kinds_of_keys_have_their_own_reasons() {
    let good = odd(storage_root_key());
    let changed = |at: usize, bytes: &[u8]| {
        let mut key = good.clone();
        key[at..at + bytes.len()].copy_from_slice(bytes);
        PublicKey::parse(&key).unwrap_err()
    };
    assert_eq!(changed(2, &[0x00, 0x23]), PublicKeyError::NotRsa2048);
    assert_eq!(changed(4, &[0x00, 0x0c]), PublicKeyError::NotSha256);
    assert_eq!(changed(6, &[0x00, 0x06, 0x04, 0x72]), PublicKeyError::NotStorage);
    assert_eq!(changed(12, &[0x00, 0x10]), PublicKeyError::NotStorage);
    assert_eq!(changed(14, &[0x00, 0xc0]), PublicKeyError::NotAesCfb);
    assert_eq!(changed(16, &[0x00, 0x42]), PublicKeyError::NotAesCfb);
    assert_eq!(changed(18, &[0x00, 0x14]), PublicKeyError::NotStorage);
    assert_eq!(changed(20, &[0x10, 0x00]), PublicKeyError::NotRsa2048);
    assert_eq!(changed(22, &[0, 0, 0, 2]), PublicKeyError::BadNumber);
    assert_eq!(changed(28, &[0x01]), PublicKeyError::BadNumber);
    assert_eq!(PublicKey::parse(&storage_root_key()), Err(PublicKeyError::BadNumber));
}

#[test]
fn blobs_have_the_sizes_of_section_5_3_and_never_repeat() {
    let endorsement = PublicKey::parse(&odd(endorsement_key())).unwrap();
    let storage = PublicKey::parse(&odd(storage_root_key())).unwrap();
    let mut random = Random::from_seed([3; 32]);
    let mut make =
        || ActivationKey::generate(&endorsement, &storage, "a uri of some length", &mut random);
    let (one, two) = (make(), make());
    assert_ne!(one.blob(), two.blob());
    assert_ne!(one.key().to_base64(), two.key().to_base64());
    let mut rest = one.blob();
    let mut sizes = Vec::new();
    while let Some((size, behind)) = rest.split_first_chunk::<2>() {
        let size = usize::from(u16::from_be_bytes(*size));
        sizes.push(size);
        rest = &behind[size..];
    }
    assert_eq!(sizes, [52, 256, 142, 256, 48, 20]);
    let text = format!("{one:?} {endorsement:?}");
    assert!(text.len() < 80, "{text}");
}
