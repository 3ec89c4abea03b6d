//! Keys in PKCS#11 tokens, which is SoftHSM here: over real TLS and TCP against the local service.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use cryptoki::context::{CInitializeArgs, CInitializeFlags, Pkcs11};
use dps_client::{ClientKey, Hsm as _, RegistrationId, TlsVersion, TlsVersions, Transport};
use dps_client::{ErrorKind, SymmetricKey};
use dps_core::conformance::{Expectations, check, check_debug};
use dps_hsm_pkcs11::{
    Access, ObjectType, PinSource, Pkcs11Error, Pkcs11SymmetricKey, Pkcs11Uri, list, x509,
    x509_from_token,
};
use dps_hsm_x509::X509Hsm;
use dps_tests::{Authority, Fleet, KeyKind, PIN, SoftHsm};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

const VERSIONS: [TlsVersion; 2] = [TlsVersion::V1_2, TlsVersion::V1_3];
const KINDS: [(KeyKind, &str); 3] =
    [(KeyKind::Rsa, "rsa"), (KeyKind::P256, "p256"), (KeyKind::P384, "p384")];

fn access() -> Access {
    Access::new().module(SoftHsm::module()).pin(PinSource::value(PIN))
}

fn uri(text: &str) -> Pkcs11Uri {
    Pkcs11Uri::parse(text).unwrap()
}

fn load(chain: &str, key: &str) -> Result<X509Hsm, Pkcs11Error> {
    x509(chain.as_bytes(), &uri(key), &access())
}

/// The key that a security module presents.
fn key_of(hsm: &X509Hsm) -> Arc<dyn ClientKey> {
    let now = dps_client::dps_core::Now::new(Default::default(), 1_900_000_000);
    hsm.clone().client_identity(now).unwrap().key().clone()
}

fn sign(key: &Arc<dyn ClientKey>) -> Result<Vec<u8>, String> {
    key.sign(key.schemes()[0], b"message").map_err(|error| error.to_string())
}

#[test]
fn every_transport_registers_with_a_private_key_in_the_token() {
    SoftHsm::run("every_transport_registers_with_a_private_key_in_the_token", &["fleet"], |hsm| {
        for (number, (kind, label)) in KINDS.into_iter().enumerate() {
            hsm.import_pair("fleet", label, &format!("0{number}"), kind.pem());
        }
        let fleet = Fleet::start();
        // All at once: every key has a session of its own.
        thread::scope(|scope| {
            for transport in Transport::ALL {
                for (kind, label) in KINDS {
                    for version in VERSIONS {
                        let fleet = &fleet;
                        scope.spawn(move || {
                            let name = format!("{label}-{}-{version:?}", transport.as_str())
                                .to_lowercase();
                            let key = format!("pkcs11:token=fleet;object={label}");
                            let hsm = load(&fleet.chain(&name, kind), &key).unwrap();
                            let assignment = fleet
                                .client(transport, hsm)
                                .tls_versions(TlsVersions::only(version))
                                .build()
                                .unwrap()
                                .register()
                                .unwrap_or_else(|error| panic!("{name}: {error}"));
                            assert_eq!(assignment.device_id, name);
                            assert_eq!(
                                assignment.enrollment_group_id.as_deref(),
                                Some("x509-group")
                            );
                        });
                    }
                }
            }
        });
    });
}

/// The key's bytes: what the token gets must be what the service has.
fn bytes(key: &SymmetricKey) -> Vec<u8> {
    BASE64.decode(key.to_base64().as_bytes()).unwrap()
}

#[test]
fn every_transport_registers_with_a_symmetric_key_in_the_token() {
    SoftHsm::run(
        "every_transport_registers_with_a_symmetric_key_in_the_token",
        &["fleet"],
        |hsm| {
            let fleet = Fleet::start();
            hsm.import_secret("fleet", "device", &bytes(fleet.key_device().key()));
            hsm.import_secret("fleet", "other", &[7; 32]);
            let id = RegistrationId::new("key-device").unwrap();
            let find = |key| Pkcs11SymmetricKey::find(id.clone(), &uri(key), &access());
            let device = find("pkcs11:token=fleet;object=device;type=secret-key").unwrap();
            for transport in Transport::ALL {
                let assignment =
                    fleet.client(transport, device.clone()).build().unwrap().register().unwrap();
                assert_eq!(assignment.device_id, "key-device", "{transport:?}");
            }
            // Another key of the token is one that the service refuses.
            let other = find("pkcs11:token=fleet;object=other").unwrap();
            let refusal =
                fleet.client(Transport::Mqtt, other).build().unwrap().register().unwrap_err();
            assert_eq!(refusal.kind(), &ErrorKind::Service { status: 401 }, "{refusal}");
            let several = find("pkcs11:token=fleet").unwrap_err().to_string();
            assert!(
                several.contains("several secret keys") && several.contains("\"other\""),
                "{several}"
            );
            assert!(format!("{device:?}").contains("object=device"), "{device:?}");
        },
    );
}

#[test]
fn keys_in_a_token_keep_to_what_every_security_module_must() {
    SoftHsm::run("keys_in_a_token_keep_to_what_every_security_module_must", &["fleet"], |hsm| {
        let key = SymmetricKey::from_bytes(&[7; 32]).unwrap();
        hsm.import_secret("fleet", "mac", &[7; 32]);
        let id = RegistrationId::new("dev").unwrap();
        let expected = Expectations::default().with_registration_id(id.clone()).with_secret(PIN);
        let mac = uri("pkcs11:token=fleet;object=mac");
        let mut mac = Pkcs11SymmetricKey::find(id, &mac, &access()).unwrap();
        let of_key = expected.clone().with_key(key);
        check(&mut mac, &of_key).unwrap();
        check_debug(&mac, &of_key).unwrap();
        let authority = Authority::root("Root");
        for (number, (kind, label)) in KINDS.into_iter().enumerate() {
            hsm.import_pair("fleet", label, &format!("1{number}"), kind.pem());
            let chain = authority.device("dev", kind);
            let mut hsm = load(&chain, "pkcs11:token=fleet").unwrap();
            check(&mut hsm, &expected.clone().at(1_900_000_000)).unwrap();
            check_debug(&hsm, &expected).unwrap();
        }
    });
}

/// Chains for three different keys on P-256, and the keys.
fn three() -> Vec<(String, String)> {
    let authority = Authority::root("Three");
    (0..3).map(|number| authority.device_with_new_key(&format!("dev{number}"))).collect()
}

#[test]
fn the_right_key_is_chosen_among_three() {
    SoftHsm::run("the_right_key_is_chosen_among_three", &["pairs", "private"], |hsm| {
        let three = three();
        for (number, (_, key)) in three.iter().enumerate() {
            // Only the public halves tell them apart.
            hsm.import_pair("pairs", "same", &format!("0{number}"), key);
            // Nothing does but a signature: the ids are the same, too.
            hsm.import_private("private", "same", "01", key, &[]);
        }
        hsm.import_pair("pairs", "rsa", "07", KeyKind::Rsa.pem());
        let fleet = Fleet::start();
        for token in ["pairs", "private"] {
            for (certificate, _) in &three {
                let hsm = load(certificate, &format!("pkcs11:token={token}")).unwrap();
                assert_eq!(sign(&key_of(&hsm)).map(|s| s[0]), Ok(0x30));
            }
            // And it is that one which signs the handshake: the service has let it in.
            let foreign =
                load(&fleet.chain("dev", KeyKind::P256), &format!("pkcs11:token={token}"));
            let foreign = foreign.unwrap_err();
            assert!(matches!(foreign, Pkcs11Error::KeyMismatch { .. }), "{foreign}");
            let text = foreign.to_string();
            assert!(text.contains("CN=dev") && text.matches("\"same\"").count() == 3, "{text}");
        }
        // A key that the URI names and that is another's is not used either.
        for uri in ["pkcs11:token=pairs;id=%00", "pkcs11:token=pairs;object=rsa"] {
            let wrong = load(&three[1].0, uri).unwrap_err();
            assert!(matches!(wrong, Pkcs11Error::KeyMismatch { .. }), "{wrong}");
        }
    });
}

#[test]
fn what_is_missing_or_wrong_is_told_apart() {
    SoftHsm::run("what_is_missing_or_wrong_is_told_apart", &["fleet", "spare"], |hsm| {
        hsm.import_pair("fleet", "p256", "01", KeyKind::P256.pem());
        hsm.import_secret("fleet", "mac", &[7; 32]);
        let chain = Authority::root("Root").device("dev", KeyKind::P256);
        let text = |key: &str, access: &Access| {
            x509(chain.as_bytes(), &uri(key), access).unwrap_err().to_string()
        };
        let module = || Access::new().module(SoftHsm::module());
        let key = "pkcs11:token=fleet;object=p256";

        let no_pin = text(key, &module());
        assert!(no_pin.contains("\"fleet\" needs a PIN, and none is given"), "{no_pin}");
        let wrong_pin = text(key, &module().pin(PinSource::value("0000")));
        assert!(wrong_pin.contains("the PIN is wrong"), "{wrong_pin}");
        assert!(!wrong_pin.contains("0000"), "{wrong_pin}");
        let no_file = text(&format!("{key}?pin-source=file:/no/such"), &module());
        assert!(no_file.contains("the PIN cannot be had: the file /no/such"), "{no_file}");
        let no_token = text("pkcs11:token=flet;object=p256;tokn=fleet", &access());
        assert!(no_token.contains("no token matches pkcs11:token=flet;"), "{no_token}");
        assert!(no_token.contains("there is \"fleet\" (serial "), "{no_token}");
        assert!(no_token.contains("passed over: tokn"), "{no_token}");
        let several = text("pkcs11:object=p256", &access());
        assert!(several.contains("several tokens match"), "{several}");
        let no_key = text("pkcs11:token=fleet;object=p265", &access());
        assert!(no_key.contains("no private key on the token \"fleet\""), "{no_key}");
        assert!(no_key.contains("it has \"p256\" (id %01)"), "{no_key}");
        let no_kind = text("pkcs11:token=fleet;type=cert", &access());
        assert!(no_kind.contains("type must be private"), "{no_kind}");
        let no_module = text(&format!("{key}?module-path=/no/such.so"), &access());
        assert!(no_module.contains("/no/such.so does not exist"), "{no_module}");
        let no_library = hsm.file("text.so", "text");
        let no_library = text(key, &Access::new().module(no_library));
        assert!(no_library.contains("cannot be loaded as a PKCS#11 module"), "{no_library}");

        // All of them are different, and the right one works.
        let pin = hsm.file("pin", format!("{PIN}\n"));
        let right = format!("{key}?pin-source=file:{}", pin.display());
        assert!(sign(&key_of(&x509(chain.as_bytes(), &uri(&right), &module()).unwrap())).is_ok());
    });
}

#[test]
fn a_token_that_was_taken_away_is_said_to_be_gone_and_found_when_it_is_back() {
    SoftHsm::run(
        "a_token_that_was_taken_away_is_said_to_be_gone_and_found_when_it_is_back",
        &["fleet"],
        |hsm| {
            hsm.import_pair("fleet", "p256", "01", KeyKind::P256.pem());
            hsm.import_secret("fleet", "mac", &[7; 32]);
            let fleet = Fleet::start();
            let chain = fleet.chain("dev", KeyKind::P256);
            let loaded = load(&chain, "pkcs11:token=fleet;object=p256").unwrap();
            let id = RegistrationId::new("key-device").unwrap();
            let mac = uri("pkcs11:token=fleet;object=mac");
            let mut mac = Pkcs11SymmetricKey::find(id, &mac, &access()).unwrap();
            let key = key_of(&loaded);
            assert!(sign(&key).is_ok() && mac.sign(b"text").is_ok());

            hsm.take_away();
            let gone = sign(&key).unwrap_err();
            assert!(gone.contains("the token \"fleet\" is gone"), "{gone}");
            let gone = mac.sign(b"text").unwrap_err().to_string();
            assert!(gone.contains("the token \"fleet\" is gone"), "{gone}");
            // The registration ends with it, and does not try again and again.
            let failed = fleet
                .client(Transport::Mqtt, loaded.clone())
                .build()
                .unwrap()
                .register()
                .unwrap_err();
            assert_eq!(failed.kind(), &ErrorKind::Hsm, "{failed}");
            assert!(failed.to_string().contains("is gone"), "{failed}");

            hsm.put_back();
            // SoftHSM looks for tokens only when it starts; a reader of cards would notice.
            Pkcs11::new(SoftHsm::module()).unwrap().finalize().unwrap();
            assert_eq!(sign(&key).map(|signature| signature[0]), Ok(0x30));
            assert!(mac.sign(b"text").is_ok());
            fleet.client(Transport::Mqtt, loaded).build().unwrap().register().unwrap();
        },
    );
}

#[test]
fn a_session_that_another_part_of_the_program_closes_is_opened_again() {
    SoftHsm::run(
        "a_session_that_another_part_of_the_program_closes_is_opened_again",
        &["fleet"],
        |hsm| {
            hsm.import_pair("fleet", "p256", "01", KeyKind::P256.pem());
            let chain = Authority::root("Root").device("dev", KeyKind::P256);
            let asked = Arc::new(AtomicUsize::new(0));
            let counter = asked.clone();
            let pin = PinSource::callback(move |token| {
                assert_eq!(token, "fleet");
                counter.fetch_add(1, Ordering::Relaxed);
                Some(PIN.as_bytes().to_vec().into())
            });
            let access = Access::new().module(SoftHsm::module()).pin(pin);
            let uri = uri("pkcs11:token=fleet");
            let key = key_of(&x509(chain.as_bytes(), &uri, &access).unwrap());
            assert_eq!((sign(&key).is_ok(), asked.load(Ordering::Relaxed)), (true, 1));

            let other = Pkcs11::new(SoftHsm::module()).unwrap();
            let again = CInitializeArgs::new(CInitializeFlags::OS_LOCKING_OK);
            // The module tells that it is in use already; so both may have it.
            assert!(other.initialize(again).is_err());
            other.finalize().unwrap();
            assert_eq!(sign(&key).map(|signature| signature[0]), Ok(0x30));
            assert_eq!(asked.load(Ordering::Relaxed), 2, "one more login, and one only");
        },
    );
}

#[test]
fn what_a_token_answers_is_told_and_what_can_help_is_tried_once() {
    SoftHsm::run(
        "what_a_token_answers_is_told_and_what_can_help_is_tried_once",
        &["fleet"],
        |hsm| {
            hsm.import_pair("fleet", "p256", "01", KeyKind::P256.pem());
            let chain = Authority::root("Root").device("dev", KeyKind::P256);
            let right = Arc::new(AtomicBool::new(true));
            let asked = Arc::new(AtomicUsize::new(0));
            let (is_right, counter) = (right.clone(), asked.clone());
            let pin = PinSource::callback(move |_| {
                counter.fetch_add(1, Ordering::Relaxed);
                let pin = if is_right.load(Ordering::Relaxed) { PIN } else { "0000" };
                Some(pin.as_bytes().to_vec().into())
            });
            let access = Access::new().module(hsm.faulty_module()).pin(pin);
            let find = || x509(chain.as_bytes(), &uri("pkcs11:token=fleet"), &access);

            // At the login.
            for (code, words) in [
                (0xa4, "the PIN of the token \"fleet\" is locked"),
                (0xa3, "the PIN of the token \"fleet\" is not set up: it has expired"),
                (0x102, "the PIN of the token \"fleet\" is not set up: no user PIN"),
                (0x30, "the token failed to log in: CKR_DEVICE_ERROR"),
                (0x8000_0007, "a failure of its maker's own, 0x80000007"),
            ] {
                hsm.fail("login", code, 1);
                let error = find().unwrap_err().to_string();
                assert!(error.contains(words), "{code:x}: {error}");
            }
            let key = key_of(&find().unwrap());

            // While signing: what may be a lost session is opened once more.
            for code in [0x32, 0x30, 0xb3, 0xb0, 0x101, 0x82, 0x60, 0xe0] {
                for function in ["sign_init", "sign"] {
                    hsm.fail(function, code, 1);
                    assert_eq!(sign(&key).map(|s| s[0]), Ok(0x30), "{function} {code:x}");
                }
            }
            hsm.fail("sign_init", 0x32, 2);
            let gone = sign(&key).unwrap_err();
            assert!(gone.contains("is gone: CKR_DEVICE_REMOVED"), "{gone}");
            assert!(sign(&key).is_ok(), "and it is back");
            // What is not, is not.
            let before = asked.load(Ordering::Relaxed);
            hsm.fail("sign", 0x31, 1);
            let failed = sign(&key).unwrap_err();
            assert!(failed.contains("CKR_DEVICE_MEMORY"), "{failed}");
            assert_eq!(asked.load(Ordering::Relaxed), before);

            // A PIN that is refused is not tried again by the same key.
            right.store(false, Ordering::Relaxed);
            hsm.fail("sign_init", 0x101, 1);
            let wrong = sign(&key).unwrap_err();
            assert!(wrong.contains("the PIN is wrong"), "{wrong}");
            assert_eq!(asked.load(Ordering::Relaxed), before + 1);
            right.store(true, Ordering::Relaxed);
            assert!(sign(&key).unwrap_err().contains("the PIN is wrong"));
            assert_eq!(asked.load(Ordering::Relaxed), before + 1);
            assert!(sign(&key_of(&find().unwrap())).is_ok(), "a new one may");
        },
    );
}

#[test]
fn a_key_that_wants_its_pin_for_each_signature_gets_it() {
    SoftHsm::run("a_key_that_wants_its_pin_for_each_signature_gets_it", &["fleet"], |hsm| {
        hsm.import_private("fleet", "rsa", "01", KeyKind::Rsa.pem(), &["--always-auth"]);
        hsm.import_private("fleet", "p256", "02", KeyKind::P256.pem(), &["--always-auth"]);
        let fleet = Fleet::start();
        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let access = Access::new().module(SoftHsm::module()).pin(PinSource::callback(move |_| {
            counter.fetch_add(1, Ordering::Relaxed);
            Some(PIN.as_bytes().to_vec().into())
        }));
        let chain = fleet.chain("dev", KeyKind::Rsa);
        let rsa = uri("pkcs11:object=rsa");
        let hsm = x509(chain.as_bytes(), &rsa, &access).unwrap();
        let before = asked.load(Ordering::Relaxed);
        for version in VERSIONS {
            let versions = TlsVersions::only(version);
            let client = fleet.client(Transport::Mqtt, hsm.clone()).tls_versions(versions);
            client.build().unwrap().register().unwrap();
        }
        assert_eq!(asked.load(Ordering::Relaxed) - before, 2, "once for each handshake");
        // SoftHSM has no mechanism for that with an EC key, and that is said beforehand.
        let chain = fleet.chain("dev", KeyKind::P256);
        let ec = x509(chain.as_bytes(), &uri("pkcs11:object=p256"), &access).unwrap_err();
        assert!(matches!(ec, Pkcs11Error::Unsuitable { .. }), "{ec}");
    });
}

#[test]
fn the_certificate_may_be_on_the_token_as_well_and_all_is_listed() {
    SoftHsm::run(
        "the_certificate_may_be_on_the_token_as_well_and_all_is_listed",
        &["fleet", "spare"],
        |hsm| {
            let fleet = Fleet::start();
            let chain = fleet.chain("dev", KeyKind::P256);
            let (leaf, issuer) = chain.split_once("-----END CERTIFICATE-----").unwrap();
            hsm.import_certificate(
                "fleet",
                "dev",
                "01",
                &format!("{leaf}-----END CERTIFICATE-----\n"),
            );
            hsm.import_certificate("fleet", "factory", "02", issuer);
            hsm.import_pair("fleet", "dev", "01", KeyKind::P256.pem());
            let (certificate, key) =
                (uri("pkcs11:token=fleet;object=dev;type=cert"), uri("pkcs11:token=fleet;id=%01"));
            let loaded = x509_from_token(&certificate, &key, &access()).unwrap();
            assert_eq!(loaded.common_name(), Some("dev"));
            assert_eq!(loaded.missing_issuer(), Some("CN=Fleet root"), "the issuer's was found");
            fleet.client(Transport::Mqtt, loaded).build().unwrap().register().unwrap();
            let several = x509_from_token(&uri("pkcs11:token=fleet"), &key, &access()).unwrap_err();
            assert!(matches!(several, Pkcs11Error::SeveralObjects { .. }), "{several}");

            // What is listed can be used as it stands; who has not logged in sees no private key.
            let kinds = |access: &Access, uri: &Pkcs11Uri| -> Vec<ObjectType> {
                let tokens = list(uri, access).unwrap();
                tokens.iter().flat_map(|token| &token.objects).map(|object| object.kind).collect()
            };
            // Nobody is logged in any more once the last session is gone.
            let module = Access::new().module(SoftHsm::module());
            let public = [ObjectType::Public, ObjectType::Certificate, ObjectType::Certificate];
            drop(several);
            assert_eq!(kinds(&module, &uri("pkcs11:token=fleet")), public);
            assert_eq!(list(&uri("pkcs11:"), &module).unwrap().len(), 2);
            let all = list(&uri("pkcs11:token=fleet"), &access()).unwrap();
            for object in &all[0].objects {
                let uri = uri(&object.uri.to_string());
                assert_eq!(kinds(&access(), &uri), [object.kind], "{uri}");
            }
            let private =
                all[0].objects.iter().find(|one| one.kind == ObjectType::Private).unwrap();
            assert_eq!(private.algorithm, "EC");
            assert!(x509(chain.as_bytes(), &private.uri, &access()).is_ok());
        },
    );
}
