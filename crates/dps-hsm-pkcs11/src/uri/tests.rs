//! The examples of RFC 7512 section 3, and texts that are none.

use super::*;

fn parse(text: &str) -> Pkcs11Uri {
    Pkcs11Uri::parse(text).unwrap_or_else(|error| panic!("{text}: {error}"))
}

fn refusal(text: &str) -> String {
    Pkcs11Uri::parse(text).unwrap_err().to_string()
}

#[test]
fn the_rfcs_examples_are_read() {
    assert_eq!(parse("pkcs11:"), Pkcs11Uri::default());
    let uri = parse("pkcs11:object=my-pubkey;type=public");
    assert_eq!((uri.object.as_deref(), uri.kind), (Some("my-pubkey"), Some(ObjectType::Public)));
    let uri = parse("pkcs11:object=my-key;type=private?pin-source=file:/etc/token");
    assert_eq!(uri.pin_source.as_deref(), Some("file:/etc/token"));
    let uri = parse(
        "pkcs11:token=The%20Software%20PKCS%2311%20Softtoken;manufacturer=Snake%20Oil,%20Inc.;model=1.0;object=my-certificate;type=cert;id=%69%95%3E%5C%F4%BD%EC%91;serial=?pin-source=file:/etc/token_pin",
    );
    assert_eq!(uri.token.as_deref(), Some("The Software PKCS#11 Softtoken"));
    assert_eq!(uri.manufacturer.as_deref(), Some("Snake Oil, Inc."));
    assert_eq!(uri.id.as_deref(), Some(&[0x69, 0x95, 0x3e, 0x5c, 0xf4, 0xbd, 0xec, 0x91][..]));
    assert_eq!(uri.serial.as_deref(), Some(""), "an empty value is a value");
    let uri = parse("pkcs11:object=my-sign-key;type=private?module-name=mypkcs11");
    assert_eq!(uri.module_name.as_deref(), Some("mypkcs11"));
    let uri = parse("pkcs11:object=my-sign-key;type=private?module-path=/mnt/libmypkcs11.so.1");
    assert_eq!(uri.module_path, Some("/mnt/libmypkcs11.so.1".into()));
    let uri = parse(
        "pkcs11:token=Software%20PKCS%2311%20softtoken;manufacturer=Snake%20Oil,%20Inc.?pin-value=the-pin",
    );
    assert_eq!(uri.pin_value.as_ref().map(|pin| pin.to_vec()), Some(b"the-pin".to_vec()));
    let uri = parse("pkcs11:slot-description=Sun%20Metaslot");
    assert_eq!(uri.slot_description.as_deref(), Some("Sun Metaslot"));
    let uri = parse(
        "pkcs11:library-manufacturer=Snake%20Oil,%20Inc.;library-description=Soft%20Token%20Library;library-version=1.23",
    );
    assert_eq!(uri.library_version, Some((1, 23)));
    let uri = parse(
        "pkcs11:token=My%20token%25%20created%20by%20Joe;library-version=3;id=%01%02%03%Ba%dd%Ca%fe%04%05%06",
    );
    assert_eq!(uri.token.as_deref(), Some("My token% created by Joe"));
    assert_eq!(uri.library_version, Some((3, 0)));
    assert_eq!(uri.id.as_deref(), Some(&[1, 2, 3, 0xba, 0xdd, 0xca, 0xfe, 4, 5, 6][..]));
    let uri = parse(
        "pkcs11:token=A%20name%20with%20a%20substring%20%25%3B;object=my-certificate;type=cert",
    );
    assert_eq!(uri.token.as_deref(), Some("A name with a substring %;"));
    let uri = parse(
        "pkcs11:token=my-token;object=my-certificate;type=cert;vendor-aaa=value-a?pin-source=file:/etc/token_pin&vendor-bbb=value-b&vendor-bbb=value-c",
    );
    assert_eq!(uri.unknown, ["vendor-aaa"]);
}

#[test]
fn slots_are_decimal_numbers() {
    assert_eq!(parse("pkcs11:slot-id=327").slot_id, Some(327));
    assert_eq!(parse("pkcs11:slot-id=18446744073709551615").slot_id, Some(u64::MAX));
    for wrong in ["", "0x1", "-1", "+1", "1%20", "18446744073709551616"] {
        let text = refusal(&format!("pkcs11:slot-id={wrong}"));
        assert_eq!(text, "the URI's attribute slot-id must be a decimal number", "{wrong}");
    }
}

#[test]
fn a_refusal_names_the_attribute_and_repeats_no_value() {
    for (text, words) in [
        ("", "begins with"),
        ("pkcs11", "begins with"),
        ("/etc/key.pem", "begins with"),
        ("pkcs11:token", "attribute 1 of the URI's path is not of the form"),
        ("pkcs11:token=a;=b", "attribute 2 of the URI's path"),
        ("pkcs11:token=a;", "attribute 2 of the URI's path"),
        ("pkcs11:token=a?pin-value", "attribute 1 of the URI's query"),
        ("pkcs11:to ken=a", "the name of attribute 1"),
        ("pkcs11:token=a b", "attribute token has a character at position 2"),
        ("pkcs11:token=a/b", "attribute token has a character at position 2"),
        ("pkcs11:object=\u{e4}", "attribute object has a character at position 1"),
        ("pkcs11:object=a#b", "attribute object has a character at position 2"),
        ("pkcs11:object=ab%", "attribute object has a % at position 3"),
        ("pkcs11:object=%g0", "attribute object has a % at position 1"),
        ("pkcs11:object=%+1", "attribute object has a % at position 1"),
        ("pkcs11:object=%2", "attribute object has a % at position 1"),
        ("pkcs11:object=%ff", "attribute object is not UTF-8"),
        ("pkcs11:token=a;token=a", "attribute token twice"),
        ("pkcs11:x-a=1;x-a=1", "attribute x-a twice"),
        ("pkcs11:?pin-value=a&pin-value=a", "attribute pin-value twice"),
        ("pkcs11:?pin-value=hidden&pin-source=hidden", "both pin-value and pin-source"),
        ("pkcs11:?pin-value=hid den", "attribute pin-value has a character at position 4"),
        ("pkcs11:type=key", "attribute type must be one of public, private, cert"),
        ("pkcs11:type=Private", "attribute type must be one of"),
        ("pkcs11:library-version=1.256", "attribute library-version must be"),
        ("pkcs11:library-version=1.", "attribute library-version must be"),
    ] {
        let refusal = refusal(text);
        assert!(refusal.contains(words), "{text}: {refusal}");
        assert!(!refusal.contains("hid"), "{refusal}");
    }
}

#[test]
fn the_scheme_has_no_case_and_the_rest_has() {
    assert_eq!(parse("PKCS11:token=a").token.as_deref(), Some("a"));
    assert_eq!(parse("pkcs11:Token=a").unknown, ["Token"]);
    assert!(!Pkcs11Uri::is_one("pkcs1") && !Pkcs11Uri::is_one("p\u{e4}cs11:"));
}

#[test]
fn a_pin_is_shown_nowhere() {
    let uri = parse("pkcs11:token=a%20b;id=%0A?module-path=/lib/x%20y.so&pin-value=hid%2Fden");
    assert_eq!(
        uri.to_string(),
        "pkcs11:token=a%20b;id=%0a?module-path=/lib/x%20y.so&pin-value=(secret)"
    );
    assert!(!format!("{uri:?}").contains("den"));
}

/// A small generator of numbers, so that the texts are the same in every run.
struct Numbers(u64);

impl Numbers {
    fn next(&mut self, below: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % below
    }

    fn text(&mut self) -> String {
        (0..self.next(12)).map(|_| char::from_u32(1 + self.next(0x2ff) as u32).unwrap()).collect()
    }
}

#[test]
fn what_is_written_is_read_again() {
    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    for _ in 0..5000 {
        let uri = Pkcs11Uri {
            token: (numbers.next(2) == 0).then(|| numbers.text()),
            serial: (numbers.next(2) == 0).then(|| numbers.text()),
            slot_id: (numbers.next(2) == 0).then(|| numbers.next(u64::MAX)),
            library_version: (numbers.next(4) == 0).then(|| (numbers.next(256) as u8, 40)),
            object: (numbers.next(2) == 0).then(|| numbers.text()),
            id: (numbers.next(2) == 0)
                .then(|| (0..numbers.next(9)).map(|_| numbers.next(256) as u8).collect()),
            kind: ObjectType::ALL.get(numbers.next(8) as usize).copied(),
            pin_source: (numbers.next(2) == 0).then(|| numbers.text()),
            module_name: (numbers.next(2) == 0).then(|| numbers.text()),
            ..Pkcs11Uri::default()
        };
        assert_eq!(parse(&uri.to_string()), uri, "{uri}");
    }
}

#[test]
fn any_text_is_read_or_refused() {
    let pieces = ["pkcs11:", "token", "id", "type", "=", ";", "?", "&", "%", "%4", "%41", "\u{e4}"];
    let more = ["pin-value", "pin-source", "private", " ", "/", "\0", "slot-id", "9", "x-y"];
    let pieces: Vec<&str> = pieces.into_iter().chain(more).collect();
    let mut numbers = Numbers(7);
    let mut read = 0;
    for _ in 0..50_000 {
        let mut text = String::from("pkcs11:");
        for _ in 0..numbers.next(10) {
            text.push_str(pieces[numbers.next(pieces.len() as u64) as usize]);
        }
        if let Ok(uri) = Pkcs11Uri::parse(&text) {
            read += 1;
            // What has no secret and nothing unknown is the same when it is written and read.
            if uri.pin_value.is_none() && uri.unknown.is_empty() {
                assert_eq!(parse(&uri.to_string()), uri, "{text}");
            }
        }
    }
    assert!(read > 100, "only {read} texts were URIs");
}
