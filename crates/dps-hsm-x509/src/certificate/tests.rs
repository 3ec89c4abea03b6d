//! Certificates well-formed and hostile, compared with another parser's reading.

use super::*;
use rcgen::string::{BmpString, Ia5String, PrintableString, TeletexString, UniversalString};
use rcgen::{
    BasicConstraints, CertificateParams, DistinguishedName, DnType, DnValue, IsCa, KeyPair,
    date_time_ymd,
};
use x509_parser::prelude::{FromDer as _, X509Certificate, X509Name};

fn certificate(name: DistinguishedName, first: i32, last: i32) -> Vec<u8> {
    let mut params = CertificateParams::new(vec!["device.example".to_owned()]).unwrap();
    params.distinguished_name = name;
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.not_before = date_time_ymd(first, 2, 28);
    params.not_after = date_time_ymd(last, 12, 31);
    let key = KeyPair::from_pem(include_str!("../../test-keys/p256.pkcs8.pem")).unwrap();
    params.self_signed(&key).unwrap().der().to_vec()
}

/// With each kind of string, and each kind of attribute that has a name of its own here.
fn colourful_name() -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(
        DnType::CountryName,
        DnValue::PrintableString(PrintableString::try_from("DE").unwrap()),
    );
    name.push(DnType::StateOrProvinceName, "Hürth");
    name.push(
        DnType::LocalityName,
        DnValue::TeletexString(TeletexString::try_from("Koeln").unwrap()),
    );
    name.push(
        DnType::OrganizationName,
        DnValue::BmpString(BmpString::try_from("Größe €").unwrap()),
    );
    let unusual = UniversalString::try_from("ab").unwrap();
    name.push(DnType::OrganizationalUnitName, DnValue::UniversalString(unusual));
    let arcs: [&[u64]; 7] = [
        &[0, 9, 2342, 19_200_300, 100, 1, 25],
        &[0, 9, 2342, 19_200_300, 100, 1, 1],
        &[1, 2, 840, 113_549, 1, 9, 1],
        &[1, 2, 840, 113_549, 1, 9, 2],
        &[1, 3, 6, 1, 4, 1, 99_999, 1],
        &[2, 5, 29, 99],
        &[0, 39, 0],
    ];
    for arc in arcs {
        let value = DnValue::Ia5String(Ia5String::try_from("x@y.example").unwrap());
        name.push(DnType::CustomDnType(arc.to_vec()), value);
    }
    for attribute in
        (4..=17).chain(41..=46).filter(|attribute| ![6, 7, 8, 10, 11, 14].contains(attribute))
    {
        name.push(DnType::CustomDnType(vec![2, 5, 4, attribute]), format!("value {attribute}"));
    }
    name.push(DnType::CommonName, "dev1");
    name
}

fn plain_name() -> DistinguishedName {
    let mut name = DistinguishedName::new();
    name.push(DnType::OrganizationName, "Fabrikam");
    name.push(DnType::CommonName, "dev1");
    name
}

/// What is read of a certificate.
#[derive(Debug, PartialEq)]
struct Reading {
    subject: String,
    issuer: String,
    common_name: Option<String>,
    dates: String,
    key: String,
}

impl Reading {
    fn ours(der: &[u8]) -> Option<Self> {
        let read = Certificate::parse(der, 1).ok()?;
        let (first, last) = (&read.not_before, &read.not_after);
        Some(Self {
            dates: format!("{} {first} {} {last}", first.unix_seconds(), last.unix_seconds()),
            key: format!("{:?} {:?} {:?}", read.key_algorithm, read.public_key, read.curve),
            common_name: read.subject.common_name,
            subject: read.subject.text,
            issuer: read.issuer.text,
        })
    }

    fn theirs(der: &[u8]) -> Option<Self> {
        let (rest, read) = X509Certificate::from_der(der).ok()?;
        let (first, last) = (read.validity().not_before, read.validity().not_after);
        let key = read.public_key();
        // It takes anything for an object identifier that it is asked to take for one.
        let curve = key.algorithm.parameters.as_ref();
        let curve = curve.filter(|any| any.header.raw_tag() == Some(&[OBJECT_IDENTIFIER]));
        let curve = curve.and_then(|any| any.as_oid().ok());
        let curve = curve.as_ref().map(|oid| oid.as_bytes());
        let key = (key.algorithm.algorithm.as_bytes(), &key.subject_public_key.data, curve);
        let common_name = read.subject().iter_common_name().next();
        let text = |name: &X509Name<'_>| name.to_string().replace(THEIR_INVALID, "<not text>");
        rest.is_empty().then(|| Self {
            subject: text(read.subject()),
            issuer: text(read.issuer()),
            common_name: common_name.and_then(|name| name.as_str().ok()).map(str::to_owned),
            dates: format!("{} {first} {} {last}", first.timestamp(), last.timestamp()),
            key: format!("{:?} {:?} {:?}", key.0, key.1, key.2),
        })
    }

    /// The other parser has names for more kinds of attributes, and takes the first byte of any
    /// object identifier for two numbers of it.
    fn without_kinds(mut self) -> Self {
        for name in [&mut self.subject, &mut self.issuer] {
            let attributes =
                name.split(", ").map(|part| part.split_once('=').unwrap_or((part, "")).1);
            *name = attributes.collect::<Vec<_>>().join(", ");
        }
        self
    }
}

const THEIR_INVALID: &str = "<X509Error: Invalid X.509 name>";

#[test]
fn names_dates_and_keys_are_read_as_another_parser_reads_them() {
    for name in [colourful_name(), plain_name(), DistinguishedName::new()] {
        for (first, last) in [(1950, 1999), (1970, 2049), (2000, 2050), (2051, 9999)] {
            let der = certificate(name.clone(), first, last);
            let ours = Reading::ours(&der).expect("readable");
            assert_eq!(ours, Reading::theirs(&der).expect("readable"));
        }
    }
}

#[test]
fn every_truncation_is_refused() {
    let der = certificate(colourful_name(), 2020, 2060);
    for length in 0..der.len() {
        let error = Certificate::parse(&der[..length], 3).unwrap_err();
        assert_eq!(error, X509Error::Certificate { number: 3 });
    }
    let longer = [der.as_slice(), &[0]].concat();
    assert_eq!(Certificate::parse(&longer, 1).unwrap_err(), X509Error::Certificate { number: 1 });
}

#[test]
fn every_changed_byte_is_refused_or_read_as_another_parser_reads_it() {
    let der = certificate(plain_name(), 2020, 2060);
    // The other parser looks at five of the eight bits of the tag of a name's value.
    let string_tags: Vec<usize> = der
        .windows(5)
        .enumerate()
        .filter(|(_, bytes)| matches!(bytes, [0x06, 3, 0x55, 4, 3 | 10]))
        .map(|(position, _)| position + 5)
        .collect();
    assert_eq!(string_tags.len(), 4);
    let mut read = 0;
    for position in 0..der.len() {
        let mut changed = der.clone();
        for byte in 0..=255 {
            changed[position] = byte;
            let Some(ours) = Reading::ours(&changed) else { continue };
            read += 1;
            if string_tags.contains(&position) {
                continue;
            }
            let theirs = Reading::theirs(&changed);
            assert_eq!(
                Some(ours.without_kinds()),
                theirs.map(Reading::without_kinds),
                "byte {position} is {byte:#04x}"
            );
        }
    }
    // Most bytes are of keys, signatures and text.
    assert!(read > der.len() * 150, "{read}");
}

fn date(tag: u8, text: &str) -> Option<(i64, String)> {
    let der = [&[tag, u8::try_from(text.len()).unwrap()], text.as_bytes()].concat();
    let date = Date::take(&mut der.as_slice())?;
    Some((date.unix_seconds(), date.to_string()))
}

#[test]
fn dates_are_of_the_century_that_their_form_says() {
    for (tag, text, seconds, shown) in [
        (0x17, "700101000000Z", 0, "Jan  1 00:00:00 1970 +00:00"),
        (0x17, "500101000000Z", -631_152_000, "Jan  1 00:00:00 1950 +00:00"),
        (0x17, "491231235959Z", 2_524_607_999, "Dec 31 23:59:59 2049 +00:00"),
        (0x18, "20500101000000Z", 2_524_608_000, "Jan  1 00:00:00 2050 +00:00"),
        (0x17, "000229120000Z", 951_825_600, "Feb 29 12:00:00 2000 +00:00"),
        (0x18, "00000101000000Z", -62_167_219_200, "Jan  1 00:00:00 0 +00:00"),
        // RFC 5280's way to say that a certificate never expires.
        (0x18, "99991231235959Z", 253_402_300_799, "Dec 31 23:59:59 9999 +00:00"),
    ] {
        assert_eq!(date(tag, text), Some((seconds, shown.to_owned())), "{text}");
    }
}

#[test]
fn dates_that_do_not_exist_are_refused() {
    for (tag, text) in [
        (0x17, "250229000000Z"),
        (0x18, "21000229000000Z"),
        (0x17, "250431000000Z"),
        (0x17, "250001000000Z"),
        (0x17, "251301000000Z"),
        (0x17, "250100000000Z"),
        (0x17, "250101240000Z"),
        (0x17, "250101006000Z"),
        (0x17, "250101000060Z"),
        (0x17, "250101000000"),
        (0x17, "250101000000Zx"),
        (0x17, "25010100000xZ"),
        (0x17, "20250101000000Z"),
        (0x18, "250101000000Z"),
        (0x18, "20250101000000.5Z"),
        (0x0c, "250101000000Z"),
        (0x17, ""),
    ] {
        assert_eq!(date(tag, text), None, "{text}");
    }
}

#[test]
fn names_that_are_no_text_are_shown_as_such() {
    let common_name = |tag: u8, value: &[u8]| {
        let length = u8::try_from(value.len()).unwrap();
        let attribute = [&[0x06, 3, 0x55, 4, 3, tag, length], value].concat();
        let attribute = [&[0x30, length + 7], attribute.as_slice()].concat();
        let name = [&[0x31, length + 9], attribute.as_slice()].concat();
        let name = Name::read(&name).unwrap();
        (name.text, name.common_name)
    };
    let named = |text: &str, name: Option<&str>| (text.to_owned(), name.map(str::to_owned));
    for tag in [0x0c, 0x12, 0x13, 0x16] {
        assert_eq!(common_name(tag, b"dev*1"), named("CN=dev*1", Some("dev*1")));
        assert_eq!(common_name(tag, b"\xff"), named("<not text>", None));
    }
    // TeletexString and VisibleString can be shown, but are no registration id.
    assert_eq!(common_name(0x14, b"dev1"), named("CN=dev1", None));
    assert_eq!(common_name(0x1a, b"dev1"), named("CN=dev1", None));
    assert_eq!(common_name(0x14, b"K\xf6ln"), named("<not text>", None));
    assert_eq!(common_name(0x1e, b"\x00d\x20\xac"), named("CN=d€", None));
    // Half a character, half a pair, and what is no string at all.
    assert_eq!(common_name(0x1e, b"\x00d\x00"), named("<not text>", None));
    assert_eq!(common_name(0x1e, b"\xd8\x00"), named("<not text>", None));
    assert_eq!(common_name(0x04, b"\x01\xab"), named("CN=01AB", None));
}

#[test]
fn the_first_common_name_counts_and_sets_are_kept_together() {
    let text =
        b"\x31\x19\x30\x0a\x06\x03\x55\x04\x0a\x0c\x03Oil\x30\x0b\x06\x03\x55\x04\x0b\x0c\x04Well\
        \x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01a\x31\x0a\x30\x08\x06\x03\x55\x04\x03\x0c\x01b\
        \x31\x0a\x30\x08\x06\x03\x88\x37\x03\x0c\x01c";
    let name = Name::read(text).unwrap();
    assert_eq!(name.text, "O=Oil + OU=Well, CN=a, CN=b, OID(2.999.3)=c");
    assert_eq!(name.common_name.as_deref(), Some("a"));
    assert!(Name::read(b"\x31\x00").is_none(), "a set without an attribute");
}
