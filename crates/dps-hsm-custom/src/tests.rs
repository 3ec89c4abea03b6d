//! Plug-ins written in Rust, with C's rules.
#![allow(unsafe_code)]

use crate::*;
use core::cell::Cell;
use core::ffi::{CStr, c_char, c_int, c_uchar, c_void};
use core::ptr;
use dps_core::{Attestation, Hsm, HsmError, Now, SignatureScheme, Timestamp};
use std::time::Duration;

const KEY: &CStr = c"AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

thread_local! {
    /// What the functions give next; each test runs on a thread of its own.
    static TEXT: Cell<Option<&'static CStr>> = const { Cell::new(None) };
    static CODE: Cell<c_int> = const { Cell::new(0) };
    static ALIVE: Cell<i32> = const { Cell::new(0) };
    static TOLD_NULL: Cell<bool> = const { Cell::new(false) };
    static CERTIFICATE: Cell<*const rcgen::CertifiedKey<rcgen::KeyPair>> =
        const { Cell::new(ptr::null()) };
}

unsafe extern "C" fn create() -> *mut c_void {
    ALIVE.set(ALIVE.get() + 1);
    ptr::without_provenance_mut(7)
}

unsafe extern "C" fn create_nothing() -> *mut c_void {
    ptr::null_mut()
}

unsafe extern "C" fn destroy(handle: *mut c_void) {
    assert_eq!(handle.addr(), 7);
    ALIVE.set(ALIVE.get() - 1);
}

fn given(text: &CStr) -> *mut c_char {
    // SAFETY: a C string; the copy belongs to the caller.
    unsafe { libc::strdup(text.as_ptr()) }
}

unsafe extern "C" fn get_text(_: *mut c_void) -> *mut c_char {
    TEXT.get().map_or(ptr::null_mut(), given)
}

unsafe extern "C" fn set_info(_: *mut c_void, name: *const c_char, _: *const c_char) -> c_int {
    TOLD_NULL.set(name.is_null());
    CODE.get()
}

fn certified() -> &'static rcgen::CertifiedKey<rcgen::KeyPair> {
    if CERTIFICATE.get().is_null() {
        let mut params = rcgen::CertificateParams::new(vec![]).unwrap();
        params.distinguished_name = rcgen::DistinguishedName::new();
        params.distinguished_name.push(rcgen::DnType::CommonName, "plugged");
        let signing_key = rcgen::KeyPair::generate().unwrap();
        let cert = params.self_signed(&signing_key).unwrap();
        CERTIFICATE.set(Box::leak(Box::new(rcgen::CertifiedKey { cert, signing_key })));
    }
    // SAFETY: leaked on purpose, so it lives for ever.
    unsafe { &*CERTIFICATE.get() }
}

unsafe extern "C" fn get_cert(_: *mut c_void) -> *mut c_char {
    given(&std::ffi::CString::new(certified().cert.pem()).unwrap())
}

unsafe extern "C" fn get_key(_: *mut c_void) -> *mut c_char {
    given(&std::ffi::CString::new(certified().signing_key.serialize_pem()).unwrap())
}

unsafe extern "C" fn get_name(_: *mut c_void) -> *mut c_char {
    given(c"plugged")
}

unsafe extern "C" fn sign(
    _: *mut c_void,
    scheme: u32,
    message: *const c_uchar,
    length: usize,
    signature: *mut *mut c_uchar,
    signature_length: *mut usize,
) -> c_int {
    use rcgen::SigningKey as _;
    assert_eq!(scheme, 0x0403);
    if CODE.get() < 0 {
        return CODE.get();
    }
    // SAFETY: the caller's promise: a readable message, and writable places.
    unsafe {
        let message = core::slice::from_raw_parts(message, length);
        let signed = match CODE.get() {
            0 => certified().signing_key.sign(message).unwrap(),
            _ => vec![1; 64],
        };
        let target = libc::malloc(signed.len()).cast::<c_uchar>();
        target.copy_from_nonoverlapping(signed.as_ptr(), signed.len());
        *signature = target;
        // Two: a length that has nothing to do with what was allocated.
        *signature_length = if CODE.get() == 2 { usize::MAX } else { signed.len() };
    }
    0
}

fn key_table() -> KeyInterface {
    KeyInterface {
        hsm_client_key_create: Some(create),
        hsm_client_key_destroy: Some(destroy),
        hsm_client_get_symm_key: Some(get_text),
        hsm_client_get_registration_name: Some(get_text),
        hsm_client_set_symm_key_info: Some(set_info),
    }
}

fn x509_table() -> X509Interface {
    X509Interface {
        hsm_client_x509_create: Some(create),
        hsm_client_x509_destroy: Some(destroy),
        hsm_client_get_cert: Some(get_cert),
        hsm_client_get_key: Some(get_key),
        hsm_client_get_common_name: Some(get_name),
    }
}

fn signer_table() -> SignerInterface {
    SignerInterface {
        size: size_of::<SignerInterface>(),
        create: Some(create),
        destroy: Some(destroy),
        get_cert: Some(get_cert),
        get_common_name: Some(get_name),
        sign: Some(sign),
    }
}

fn key_plugin(info: Option<(&CStr, &CStr)>) -> Result<KeyPlugin, PluginError> {
    // SAFETY: the functions above keep the rules.
    unsafe { KeyPlugin::create(key_table(), Purpose::Provisioning, info) }
}

fn x509_plugin(table: X509Interface) -> Result<X509Plugin, PluginError> {
    // SAFETY: the functions above keep the rules.
    unsafe { X509Plugin::create(table, Purpose::Provisioning) }
}

fn signer() -> X509Plugin {
    // SAFETY: the functions above keep the rules.
    unsafe { X509Plugin::create_signer(signer_table()) }.unwrap()
}

fn now() -> Now {
    Now::new(Timestamp::new(Duration::ZERO), 1_900_000_000)
}

/// `c-abi.md` section 5.
#[test]
#[cfg(target_pointer_width = "64")]
fn tables_have_the_sizes_of_c() {
    assert_eq!(size_of::<KeyInterface>(), 40);
    assert_eq!(size_of::<X509Interface>(), 40);
    assert_eq!(core::mem::offset_of!(X509Interface, hsm_client_get_common_name), 32);
    assert_eq!(core::mem::offset_of!(KeyInterface, hsm_client_set_symm_key_info), 32);
    assert_eq!(size_of::<SignerInterface>(), 48);
}

#[test]
fn a_missing_function_is_named() {
    let mut table = key_table();
    table.hsm_client_set_symm_key_info = None;
    // SAFETY: the functions above keep the rules.
    let refusal = unsafe { KeyPlugin::create(table, Purpose::Provisioning, None) };
    let refusal = refusal.unwrap_err().to_string();
    assert_eq!(refusal, "hsm_client_set_symm_key_info of the plug-in is NULL");
    let missing = |change: fn(&mut X509Interface)| {
        let mut table = x509_table();
        change(&mut table);
        match x509_plugin(table).unwrap_err() {
            PluginError::MissingSlot(slot) => slot,
            other => panic!("{other}"),
        }
    };
    assert_eq!(missing(|t| t.hsm_client_x509_create = None), "hsm_client_x509_create");
    assert_eq!(missing(|t| t.hsm_client_x509_destroy = None), "hsm_client_x509_destroy");
    assert_eq!(missing(|t| t.hsm_client_get_cert = None), "hsm_client_get_cert");
    assert_eq!(missing(|t| t.hsm_client_get_key = None), "hsm_client_get_key");
    assert_eq!(missing(|t| t.hsm_client_get_common_name = None), "hsm_client_get_common_name");
    let table = SignerInterface { sign: None, ..signer_table() };
    assert_eq!(table.check().unwrap_err().to_string().split(' ').next(), Some("sign"));
    assert_eq!(ALIVE.get(), 0);
}

#[test]
fn handles_end_with_the_last_clone() {
    let plugin = key_plugin(None).unwrap();
    assert!(TOLD_NULL.get() && ALIVE.get() == 1);
    let clone = plugin.clone();
    drop(plugin);
    assert_eq!(ALIVE.get(), 1);
    drop(clone);
    assert_eq!(ALIVE.get(), 0);
    key_plugin(Some((c"name", KEY))).unwrap();
    assert!(!TOLD_NULL.get());

    CODE.set(3);
    let refusal = key_plugin(None).unwrap_err().to_string();
    assert_eq!(refusal, "hsm_client_set_symm_key_info of the plug-in failed with code 3");
    assert_eq!(ALIVE.get(), 0, "a refused handle ends too");
    let table = X509Interface { hsm_client_x509_create: Some(create_nothing), ..x509_table() };
    let refusal = x509_plugin(table).unwrap_err().to_string();
    assert_eq!(refusal, "hsm_client_x509_create of the plug-in returned NULL");
}

#[test]
fn a_key_signs_like_the_same_key_in_memory() {
    let mut plugin = key_plugin(None).unwrap();
    TEXT.set(Some(KEY));
    let key: dps_core::SymmetricKey = KEY.to_str().unwrap().parse().unwrap();
    assert_eq!(plugin.sign(b"data").unwrap().as_bytes(), &key.hmac_sha256(b"data"));
    assert_eq!(plugin.attestation(), Attestation::SymmetricKey);
    TEXT.set(Some(c"device-1"));
    assert_eq!(plugin.registration_id().unwrap().unwrap().as_str(), "device-1");
    assert!(matches!(plugin.client_identity(now()), Err(HsmError::NotSupported { .. })));
}

#[test]
fn what_is_no_text_is_refused_by_the_functions_name() {
    let mut plugin = key_plugin(None).unwrap();
    for (text, words) in [
        (None, "hsm_client_get_symm_key of the plug-in returned NULL"),
        (Some(c""), "hsm_client_get_symm_key of the plug-in returned an empty text"),
        (
            Some(c"a\xff"),
            "hsm_client_get_symm_key of the plug-in returned a text that is not UTF-8",
        ),
        (Some(c"hidden!"), "not valid base64"),
    ] {
        TEXT.set(text);
        let refusal = plugin.sign(b"data").unwrap_err().to_string();
        assert!(refusal.contains(words) && !refusal.contains("hidden"), "{refusal}");
    }
    TEXT.set(Some(c"a b"));
    let refusal = plugin.registration_id().unwrap_err().to_string();
    assert!(refusal.contains("hsm_client_get_registration_name"), "{refusal}");
    let table = X509Interface { hsm_client_get_cert: Some(get_text), ..x509_table() };
    let mut plugin = x509_plugin(table).unwrap();
    for (text, words) in [
        (None, "hsm_client_get_cert of the plug-in returned NULL"),
        (Some(c"/etc/device.pem"), "there is no certificate"),
    ] {
        TEXT.set(text);
        let refusal = plugin.client_identity(now()).unwrap_err().to_string();
        assert!(refusal.contains(words), "{refusal}");
    }
}

#[test]
fn a_signing_plugin_presents_a_certificate_without_giving_its_key() {
    use rcgen::PublicKeyData as _;
    use ring::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
    let mut pem = x509_plugin(x509_table()).unwrap();
    let mut plugin = signer();
    for plugin in [&mut pem, &mut plugin] {
        assert_eq!(plugin.registration_id().unwrap().unwrap().as_str(), "plugged");
        let identity = plugin.client_identity(now()).unwrap();
        assert_eq!(identity.chain(), [certified().cert.der().to_vec()]);
        assert_eq!(identity.key().schemes(), [SignatureScheme::EcdsaP256Sha256]);
        let signature = identity.key().sign(SignatureScheme::EcdsaP256Sha256, b"message").unwrap();
        let public = certified().signing_key.der_bytes();
        UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, public)
            .verify(b"message", &signature)
            .unwrap();
        let other = identity.key().sign(SignatureScheme::RsaPssSha256, b"message");
        assert!(matches!(other, Err(HsmError::NotSupported { .. })));
    }
    assert!(pem.key_text().is_ok() && plugin.certificate_text().is_ok());
    assert!(matches!(plugin.key_text(), Err(PluginError::KeyStaysInside)));
    let identity = plugin.client_identity(now()).unwrap();
    for (code, words) in [(-5, "sign of the plug-in failed with code -5"), (1, "DER sequence")] {
        CODE.set(code);
        let refusal = identity.key().sign(SignatureScheme::EcdsaP256Sha256, b"m").unwrap_err();
        assert!(refusal.to_string().contains(words), "{refusal}");
    }
}

#[test]
fn a_length_that_cannot_be_is_not_believed() {
    let identity = signer().client_identity(now()).unwrap();
    CODE.set(2);
    let refusal = identity.key().sign(SignatureScheme::EcdsaP256Sha256, b"message").unwrap_err();
    CODE.set(0);
    assert!(refusal.to_string().contains("more than there can be"), "{refusal}");
}

const EK: &[u8] = b"Endorsement key\r\n";

/// Gives bytes of `TEXT`; with a code, that and nothing.
unsafe extern "C" fn get_bytes(
    _: *mut c_void,
    bytes: *mut *mut c_uchar,
    length: *mut usize,
) -> c_int {
    let given = TEXT.get().map_or(EK, CStr::to_bytes);
    // SAFETY: the caller's promise: writable places.
    unsafe {
        if CODE.get() != 0 {
            return CODE.get();
        }
        let target = libc::malloc(given.len().max(1)).cast::<c_uchar>();
        target.copy_from_nonoverlapping(given.as_ptr(), given.len());
        (*bytes, *length) = (target, given.len());
    }
    0
}

unsafe extern "C" fn activate(_: *mut c_void, _: *const c_uchar, length: usize) -> c_int {
    c_int::try_from(length).unwrap()
}

unsafe extern "C" fn sign_bytes(
    handle: *mut c_void,
    _: *const c_uchar,
    _: usize,
    bytes: *mut *mut c_uchar,
    length: *mut usize,
) -> c_int {
    // SAFETY: the same contract.
    unsafe { get_bytes(handle, bytes, length) }
}

fn tpm_table() -> TpmInterface {
    TpmInterface {
        hsm_client_tpm_create: Some(create),
        hsm_client_tpm_destroy: Some(destroy),
        hsm_client_activate_identity_key: Some(activate),
        hsm_client_get_ek: Some(get_bytes),
        hsm_client_get_srk: Some(get_bytes),
        hsm_client_sign_with_identity: Some(sign_bytes),
    }
}

/// `c-abi.md` section 5, and the golden vector of section 1.7.
#[test]
fn a_tpm_plugin_shows_its_keys_and_signs_with_the_one_that_it_is_sent() {
    assert_eq!(size_of::<TpmInterface>(), 6 * size_of::<usize>());
    // SAFETY: the functions above keep the rules.
    let mut plugin = unsafe { TpmPlugin::create(tpm_table(), Purpose::Provisioning) }.unwrap();
    assert_eq!(plugin.attestation(), Attestation::Tpm);
    assert_eq!(
        plugin.registration_id().unwrap().unwrap().as_str(),
        "peaiyuv4dp7nrghsnr3sroo5errsotviungqd546j6hp7w76v76q"
    );
    let keys = plugin.tpm_keys().unwrap();
    assert_eq!((keys.endorsement_key.as_slice(), keys.storage_root_key.as_slice()), (EK, EK));
    plugin.activate(b"").unwrap();
    let refusal = plugin.activate(b"blob").unwrap_err().to_string();
    assert!(refusal.contains("hsm_client_activate_identity_key of the plug-in failed with code 4"));
    let refusal = plugin.sign(b"data").unwrap_err().to_string();
    assert!(refusal.contains("returned 17 bytes; an HMAC-SHA256 has 32"), "{refusal}");
    TEXT.set(Some(c"0123456789abcdef0123456789abcdef"));
    assert_eq!(plugin.sign(b"data").unwrap().as_bytes(), b"0123456789abcdef0123456789abcdef");
    TEXT.set(Some(c""));
    let refusal = plugin.tpm_keys().unwrap_err().to_string();
    assert!(refusal.contains("hsm_client_get_ek of the plug-in returned"), "{refusal}");
    CODE.set(3);
    let refusal = plugin.registration_id().unwrap_err().to_string();
    assert!(refusal.contains("hsm_client_get_ek of the plug-in failed with code 3"), "{refusal}");
    drop(plugin);
    assert_eq!(ALIVE.get(), 0);
}

/// `c-abi.md` section 5: the hub's side takes fewer functions.
#[test]
fn each_side_asks_for_the_functions_that_it_takes() {
    use Purpose::{Hub, Provisioning};
    let key = KeyInterface { hsm_client_get_registration_name: None, ..key_table() };
    let x509 = X509Interface { hsm_client_get_common_name: None, ..x509_table() };
    let tpm = TpmInterface {
        hsm_client_activate_identity_key: None,
        hsm_client_get_ek: None,
        hsm_client_get_srk: None,
        ..tpm_table()
    };
    assert!(key.check(Hub).is_ok() && x509.check(Hub).is_ok() && tpm.check(Hub).is_ok());
    for (refusal, slot) in [
        (key.check(Provisioning), "hsm_client_get_registration_name"),
        (x509.check(Provisioning), "hsm_client_get_common_name"),
        (tpm.check(Provisioning), "hsm_client_activate_identity_key"),
        (KeyInterface::default().check(Hub), "hsm_client_key_create"),
        (X509Interface { hsm_client_get_key: None, ..x509 }.check(Hub), "hsm_client_get_key"),
        (
            TpmInterface { hsm_client_sign_with_identity: None, ..tpm }.check(Hub),
            "hsm_client_sign_with_identity",
        ),
    ] {
        assert_eq!(refusal.unwrap_err().to_string(), format!("{slot} of the plug-in is NULL"));
    }
}

thread_local! {
    /// Which of the functions of a library were called, in order.
    static CALLS: std::cell::RefCell<String> = const { std::cell::RefCell::new(String::new()) };
}

fn note(call: &str) {
    CALLS.with_borrow_mut(|calls| calls.push_str(call));
}

unsafe extern "C" fn x509_init() -> c_int {
    note("X");
    CODE.get()
}

unsafe extern "C" fn tpm_init() -> c_int {
    note("T");
    0
}

unsafe extern "C" fn x509_deinit() {
    note("x");
}

unsafe extern "C" fn tpm_deinit() {
    note("t");
}

unsafe extern "C" fn no_table<T>() -> *const T {
    ptr::null()
}

unsafe extern "C" fn some_table() -> *const KeyInterface {
    static TABLE: KeyInterface = KeyInterface {
        hsm_client_key_create: None,
        hsm_client_key_destroy: None,
        hsm_client_get_symm_key: Some(get_text),
        hsm_client_get_registration_name: None,
        hsm_client_set_symm_key_info: None,
    };
    &raw const TABLE
}

/// `c-abi.md` section 5, the sequence of calls.
#[test]
fn a_library_is_told_of_its_use_in_order() {
    let functions = LibraryInterface {
        size: size_of::<LibraryInterface>(),
        x509_init: Some(x509_init),
        x509_deinit: Some(x509_deinit),
        tpm_init: Some(tpm_init),
        tpm_deinit: Some(tpm_deinit),
        tpm_interface: Some(no_table),
        x509_interface: Some(no_table),
        key_interface: Some(some_table),
    };
    let words = 8;
    assert_eq!(LibraryInterface::FIRST_SIZE, words * size_of::<usize>());
    // SAFETY: the functions above keep the rules.
    let library = unsafe { Library::new(functions) }.unwrap();
    library.initialize().unwrap();
    library.deinitialize();
    CODE.set(9);
    let refusal = library.initialize().unwrap_err().to_string();
    assert_eq!(refusal, "hsm_client_x509_init of the plug-in failed with code 9");
    CALLS.with_borrow(|calls| assert_eq!(calls, "XTxtX"));
    assert!(library.key().unwrap().hsm_client_get_symm_key.is_some());
    assert!(matches!(library.tpm(), Err(PluginError::ReturnedNull("hsm_client_tpm_interface"))));
    assert!(matches!(library.x509(), Err(PluginError::ReturnedNull("hsm_client_x509_interface"))));

    type Change = fn(&mut LibraryInterface);
    let without: [Change; 7] = [
        |l| l.x509_init = None,
        |l| l.x509_deinit = None,
        |l| l.tpm_init = None,
        |l| l.tpm_deinit = None,
        |l| l.tpm_interface = None,
        |l| l.x509_interface = None,
        |l| l.key_interface = None,
    ];
    for (change, name) in without.into_iter().zip(LibraryInterface::NAMES) {
        let mut functions = functions;
        change(&mut functions);
        // SAFETY: the functions above keep the rules.
        let refusal = unsafe { Library::new(functions) }.unwrap_err();
        assert!(matches!(refusal, PluginError::MissingFunction(missing) if missing == name));
    }
}

#[test]
fn plugins_keep_to_the_contract() {
    use dps_core::conformance::{Expectations, check};
    let expected = Expectations::default()
        .with_registration_id(dps_core::RegistrationId::new("plugged").unwrap())
        .at(1_900_000_000);
    let table = KeyInterface { hsm_client_get_registration_name: Some(get_name), ..key_table() };
    // SAFETY: the functions above keep the rules.
    let mut plugin = unsafe { KeyPlugin::create(table, Purpose::Provisioning, None) }.unwrap();
    TEXT.set(Some(KEY));
    let key = KEY.to_str().unwrap().parse().unwrap();
    check(&mut plugin, &expected.clone().with_key(key)).unwrap();
    for mut plugin in [x509_plugin(x509_table()).unwrap(), signer()] {
        let secret = certified().signing_key.serialize_der();
        check(&mut plugin, &expected.clone().with_secret(secret)).unwrap();
    }
}
