use super::*;

/// `wire-protocol.md` section 1.5.
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const SE: u64 = 1_893_456_000;
const SCOPE: &str = "0ne00111111";

/// Style, registration id, sr, sig.
const VECTORS: [(&str, &str, &str, &str); 7] = [
    (
        "S1 upper",
        "my-symkey-device",
        "0ne00111111%2Fregistrations%2Fmy-symkey-device",
        "Gmhsw1xVyKiX%2B7bAvtP4wNHekGirhLqEo1WC6wDN0xc%3D",
    ),
    (
        "S2 lower",
        "my-symkey-device",
        "0ne00111111%2fregistrations%2fmy-symkey-device",
        "4%2fSgEGcImMiNW7%2faqtxQUGkSuXNXAdWn1b%2frF2yusvQ%3d",
    ),
    (
        "S3 raw",
        "my-symkey-device",
        "0ne00111111/registrations/my-symkey-device",
        "%2B98XUJckYlH5c%2BIYEtqM2puIo9QUpZlUpwhdxmsPOMo%3D",
    ),
    (
        "upper, special characters",
        "Dev:1.a_b-c",
        "0ne00111111%2Fregistrations%2FDev%3A1.a_b-c",
        "m%2BUjDiCca1DR8eWN3oxHSBSOlwlKo1Er0wpLlxTyxNA%3D",
    ),
    (
        "lower, special characters",
        "Dev:1.a_b-c",
        "0ne00111111%2fregistrations%2fDev%3a1.a_b-c",
        "tXMjoGm59F46eldmY957kYnCqrtbaFvqcmjuOtSovKs%3D",
    ),
    (
        "raw, special characters",
        "Dev:1.a_b-c",
        "0ne00111111/registrations/Dev:1.a_b-c",
        "ijLoFYuJhCiVf%2FURNyJAtOVe2emf6eCiEGXmWlkvk9k%3D",
    ),
    (
        "raw lower-cased (iot-identity-service)",
        "Dev:1.a_b-c",
        "0ne00111111/registrations/dev:1.a_b-c",
        "IphxHCsGo7ZHFC%2BqA9tH5g3oxHk6ZyWTgC7kBEd6SG4%3D",
    ),
];

fn key() -> SymmetricKey {
    SymmetricKey::from_base64(KEY).unwrap()
}

fn check(token: &str, registration_id: &str, now: u64) -> Result<(), SasError> {
    let token = SasToken::parse(token)?;
    token.verify_signature(&key())?;
    token.verify_device(SCOPE, registration_id)?;
    token.verify_expiry(Duration::from_secs(now), Duration::from_secs(300))
}

#[test]
fn every_style_of_every_client_is_accepted() {
    for (style, id, sr, sig) in VECTORS {
        for token in [
            format!("SharedAccessSignature sr={sr}&sig={sig}&se={SE}&skn=registration"),
            format!("SharedAccessSignature sr={sr}&sig={sig}&se={SE}"),
            format!("SharedAccessSignature sr={sr}&sig={sig}&skn=registration&se={SE}"),
            format!("SharedAccessSignature sr={sr}&sig={sig}&se={SE}&skn="),
            format!("SharedAccessSignature se={SE}&new=x&&flag&sig={sig}&sr={sr}"),
            // A client that failed to encode the signature.
            format!(
                "SharedAccessSignature sr={sr}&se={SE}&sig={}",
                String::from_utf8(percent_decode(sig).unwrap()).unwrap()
            ),
        ] {
            assert_eq!(check(&token, id, SE - 1), Ok(()), "{style}: {token}");
        }
    }
}

#[test]
fn every_corruption_of_one_byte_is_refused() {
    for (style, id, sr, sig) in VECTORS {
        let good = format!("SharedAccessSignature sr={sr}&sig={sig}&se={SE}");
        let parsed = SasToken::parse(&good).unwrap();
        for at in 0..good.len() {
            for byte in (0..128u8).filter(|byte| *byte != good.as_bytes()[at]) {
                let mut bytes = good.clone().into_bytes();
                bytes[at] = byte;
                let bad = String::from_utf8(bytes).unwrap();
                // Escapes of the signature may change the case of their digits: it means the
                // same. So may nothing else.
                if SasToken::parse(&bad).as_ref() == Ok(&parsed) {
                    assert!(bad.eq_ignore_ascii_case(&good), "{style}: {bad}");
                    continue;
                }
                assert!(check(&bad, id, SE - 1).is_err(), "{style}: {bad}");
            }
        }
    }
}

#[test]
fn the_signature_covers_the_raw_text() {
    let (_, id, _, sig) = VECTORS[0];
    // The same resource in another encoding is another text.
    let sr = "0ne00111111%2fregistrations%2fmy-symkey-device";
    let token = format!("SharedAccessSignature sr={sr}&sig={sig}&se={SE}");
    assert_eq!(check(&token, id, 0), Err(SasError::Signature));
    // The same number in another form likewise.
    let (_, id, sr, sig) = VECTORS[0];
    let token = format!("SharedAccessSignature sr={sr}&sig={sig}&se=0{SE}");
    assert_eq!(check(&token, id, 0), Err(SasError::Signature));
}

#[test]
fn another_scope_or_device_is_refused() {
    for (_, id, sr, sig) in VECTORS {
        let token = format!("SharedAccessSignature sr={sr}&sig={sig}&se={SE}");
        let token = SasToken::parse(&token).unwrap();
        assert_eq!(token.verify_device(SCOPE, id), Ok(()));
        assert_eq!(token.verify_device(&SCOPE.to_uppercase(), &id.to_uppercase()), Ok(()));
        assert_eq!(token.verify_device("0ne00111112", id), Err(SasError::Audience));
        assert_eq!(token.verify_device(SCOPE, "other"), Err(SasError::Audience));
        assert_eq!(token.verify_device(SCOPE, &format!("{id}x")), Err(SasError::Audience));
        assert_eq!(token.verify_device(SCOPE, ""), Err(SasError::Audience));
    }
}

#[test]
fn expiry_allows_for_the_skew_and_no_more() {
    let (_, id, sr, sig) = VECTORS[0];
    let token = format!("SharedAccessSignature sr={sr}&sig={sig}&se={SE}");
    assert_eq!(check(&token, id, SE + 299), Ok(()));
    assert_eq!(check(&token, id, SE + 300), Err(SasError::Expired));
    assert_eq!(check(&token, id, u64::MAX), Err(SasError::Expired));
    let token = SasToken::parse(&token).unwrap();
    let at = Duration::from_secs;
    assert_eq!(token.verify_expiry(at(SE - 1), Duration::ZERO), Ok(()));
    assert_eq!(token.verify_expiry(at(SE), Duration::ZERO), Err(SasError::Expired));
}

#[test]
fn garbage_is_malformed_and_never_panics() {
    let long = format!("SharedAccessSignature sr={}&sig=x&se=1", "x".repeat(5000));
    for text in [
        "",
        " ",
        "SharedAccessSignature",
        "SharedAccessSignature ",
        "SharedAccessSignature &&&===",
        "sharedaccesssignature sr=a&sig=b&se=1",
        "SharedAccessSignature  sr=a&sig=b&se=1",
        "SharedAccessSignature sr=a&sig=b",
        "SharedAccessSignature sr=a&se=1",
        "SharedAccessSignature sig=b&se=1",
        "SharedAccessSignature sr=a&sig=b&se=1&se=2",
        "SharedAccessSignature sr=a&sr=a&sig=b&se=1",
        "SharedAccessSignature sr=a&sig=%&se=1",
        "SharedAccessSignature sr=a&sig=%4&se=1",
        "SharedAccessSignature sr=a&sig=%zz&se=1",
        "SharedAccessSignature sr=a&sig=b&se=",
        "SharedAccessSignature sr=a&sig=b&se=-1",
        "SharedAccessSignature sr=a&sig=b&se=+1",
        "SharedAccessSignature sr=a&sig=b&se=1.5",
        "SharedAccessSignature sr=a&sig=b&se=99999999999999999999999999",
        "\u{fffd}é\0\n",
        &long,
    ] {
        assert!(matches!(SasToken::parse(text), Err(SasError::Malformed(_))), "{text:?}");
    }
    // Well-formed, but an escape of the resource is broken: it is no device's resource.
    let odd = SasToken::parse("SharedAccessSignature sr=%&sig=é&se=18446744073709551615").unwrap();
    assert_eq!(odd.verify_signature(&key()), Err(SasError::Signature));
    assert_eq!(odd.verify_device(SCOPE, "x"), Err(SasError::Audience));
    assert_eq!(odd.verify_expiry(Duration::MAX, Duration::from_secs(300)), Err(SasError::Expired));
    assert_eq!(odd.verify_expiry(Duration::from_secs(u64::MAX), Duration::from_secs(1)), Ok(()));
}

#[test]
fn debug_leaves_out_the_signature() {
    let (_, _, sr, sig) = VECTORS[0];
    let token = format!("SharedAccessSignature sr={sr}&sig={sig}&se={SE}");
    let text = format!("{:?}", SasToken::parse(&token).unwrap());
    assert!(text.contains("my-symkey-device") && !text.contains("Gmhsw1"), "{text}");
}
