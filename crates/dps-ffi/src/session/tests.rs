use super::*;
use crate::options::Setting;
use crate::secret::SecretText;
use crate::threaded::Threaded;
use crate::tpm::Tpm;
use dps_client::{Attestation, Hsm, HsmError, RegistrationId, TlsVersion, TpmKeys};
use std::sync::mpsc;
use std::thread;
use std::time::Instant;
use zeroize::Zeroizing;

const KEY: &str = "Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=";

fn session_with(uri: &str, scope: &str, id: &str, key: &str) -> Session {
    let proof = Proof::SymmetricKey { registration_name: id.into(), key: secret(key) };
    Session::new(uri.into(), scope.into(), Transport::Mqtt, proof)
}

fn session() -> Session {
    session_with("localhost:1", "0ne00000000", "device", KEY)
}

/// The failure after a registration that must end in its first pass.
fn end_of(session: &Session) -> (PROV_DEVICE_RESULT, String) {
    assert_eq!(session.register(Callbacks::ignored()), OK);
    session.pass();
    let state = session.lock();
    assert_eq!(state.phase, Phase::Ready);
    drop(state);
    let shown = session.show_failure().result;
    let state = session.lock();
    (shown, state.failure.to_string())
}

#[test]
fn an_id_can_be_set_once_and_before_it_is_used() {
    let id = |text: &str| Setting::RegistrationId(text.into());
    let one = session();
    assert_eq!(one.set_option(id("a")), OK);
    assert_eq!(one.set_option(id("b")), ERROR);

    let other = session();
    assert_eq!(other.register(Callbacks::ignored()), OK);
    assert_eq!(other.set_option(id("a")), ERROR, "under way");
    other.disarm("test".into());
    assert_eq!(other.set_option(id("a")), ERROR, "loaded");
}

#[test]
fn a_second_registration_is_refused_while_one_is_under_way() {
    let session = session();
    assert_eq!(session.register(Callbacks::ignored()), OK);
    assert_eq!(session.register(Callbacks::ignored()), ERROR);
    assert_eq!(session.lock().phase, Phase::Armed);
}

#[test]
fn what_cannot_work_ends_with_the_originals_code() {
    use PROV_DEVICE_RESULT::{
        PROV_DEVICE_RESULT_DEV_AUTH_ERROR as REFUSED, PROV_DEVICE_RESULT_TRANSPORT as TRANSPORT,
    };
    let (host, scope, id) = ("localhost", "0ne00000000", "device");
    for (uri, scope, id, key, expected, words) in [
        ("", scope, id, KEY, TRANSPORT, "no host name"),
        ("https://x", scope, id, KEY, TRANSPORT, "without https://"),
        (host, "", id, KEY, REFUSED, "ID scope is empty"),
        (host, "a/b", id, KEY, REFUSED, "position 2"),
        (host, scope, "", KEY, REFUSED, "registration id is empty"),
        (host, scope, "a b", KEY, REFUSED, "position 2"),
        (host, scope, id, "", TRANSPORT, "key is empty"),
        (host, scope, id, "secret!", TRANSPORT, "not valid base64"),
        (host, scope, id, "c2hvcnQ=", REFUSED, "5 bytes"),
    ] {
        let (result, text) = end_of(&session_with(uri, scope, id, key));
        assert_eq!(result, expected, "{text}");
        assert!(text.contains(words) && !text.contains("secret"), "{text}");
    }
    // Over AMQP the original cannot tell a refusal from a failing transport.
    let proof = Proof::SymmetricKey { registration_name: id.into(), key: secret(KEY) };
    let amqp = Session::new(host.into(), String::new(), Transport::Amqp, proof);
    assert_eq!(end_of(&amqp).0, TRANSPORT);

    let session = session();
    session.set_payload(Some(b"{secret".to_vec()));
    let (result, text) = end_of(&session);
    assert_eq!(result, TRANSPORT);
    assert!(text.contains("not JSON") && !text.contains("secret"), "{text}");
    // The handle is as good as new.
    session.set_payload(None);
    assert_eq!(session.register(Callbacks::ignored()), OK);
    assert_eq!(session.show_failure().result, OK);
}

#[test]
fn the_policy_goes_both_ways() {
    let session = session();
    let first = session.policy();
    assert_eq!((first.deadline_ms, first.silence_ms, first.max_connections), (0, 60_000, 3));
    assert_eq!((first.poll_interval_ms, first.token_lifetime_s), (1000, 2400));
    let changed = DPS_POLICY {
        deadline_ms: 5000,
        max_connections: 0,
        conservative: 1,
        all_statuses: 1,
        key_errors: 1,
        uniform_results: 1,
        ..first
    };
    assert_eq!(session.set_policy(&changed), OK);
    assert_eq!(session.policy(), changed);
    for wrong in [
        DPS_POLICY { silence_ms: 0, ..first },
        DPS_POLICY { token_lifetime_s: 0, ..first },
        DPS_POLICY { conservative: 2, ..first },
        DPS_POLICY { all_statuses: 2, ..first },
        DPS_POLICY { key_errors: 2, ..first },
        DPS_POLICY { uniform_results: 2, ..first },
        DPS_POLICY { reserved: 1, ..first },
    ] {
        assert_eq!(session.set_policy(&wrong), INVALID_ARG);
        assert_eq!(session.policy(), changed);
    }
}

#[test]
fn options_arrive_where_they_are_used() {
    let session = session();
    assert_eq!(session.set_option(Setting::Timeout(7)), OK);
    assert_eq!(session.lock().settings.policy.request_timeout, Some(Duration::from_secs(7)));
    assert_eq!(session.set_option(Setting::Timeout(0)), OK);
    assert_eq!(session.lock().settings.policy.request_timeout, None);
    assert_eq!(session.set_option(Setting::TrustedCerts(b"pem".to_vec())), OK);
    assert_eq!(session.lock().settings.trusted_certs.as_deref(), Some(&b"pem"[..]));
    let versions = TlsVersions::only(TlsVersion::V1_3);
    assert_eq!(session.set_option(Setting::TlsVersions(versions)), OK);
    assert_eq!(session.lock().settings.tls_versions, versions);
    let proxy = Proxy::http("proxy", 3128).unwrap();
    assert_eq!(session.set_option(Setting::Proxy(proxy.clone())), OK);
    assert_eq!(session.lock().settings.proxy.as_ref(), Some(&proxy));
    assert_eq!(session.set_option(Setting::DoWorkFrequency(20)), OK);
    assert_eq!(session.lock().settings.pass_interval, Duration::from_millis(20));
}

fn x509_session() -> Session {
    Session::new("localhost:1".into(), "0ne00000000".into(), Transport::Mqtt, Proof::X509)
}

fn secret(text: &str) -> SecretText {
    SecretText::new(&Zeroizing::new(text.into()))
}

#[test]
fn a_certificate_is_set_once_between_registrations_and_for_its_kind_only() {
    let certificate = || Setting::Certificate(b"certificate".to_vec());
    let key = || Setting::PrivateKey(secret("key"));
    let keyed = session();
    assert_eq!(keyed.set_option(certificate()), ERROR);
    assert_eq!(keyed.set_option(key()), ERROR);
    assert!(keyed.lock().failure.to_string().contains("SECURE_DEVICE_TYPE_X509"));

    let one = x509_session();
    assert_eq!(one.set_option(certificate()), OK);
    assert_eq!(one.set_option(certificate()), ERROR);
    assert_eq!(one.set_option(key()), OK);
    assert_eq!(one.set_option(key()), ERROR);
    // A second client has its own.
    let other = x509_session();
    assert_eq!(other.set_option(key()), OK);
    assert_eq!(other.register(Callbacks::ignored()), ERROR);
    assert!(other.lock().failure.to_string().contains("x509certificate has not been set"));

    let id = || Setting::RegistrationId("device".into());
    assert_eq!(one.set_option(id()), OK);
    assert_eq!(one.register(Callbacks::ignored()), OK);
    assert_eq!(one.set_option(Setting::TlsVersions(TlsVersions::default())), ERROR);
    assert_eq!(one.set_option(certificate()), ERROR);
}

#[test]
fn a_certificate_that_cannot_be_read_has_no_name_to_register_by() {
    let session = x509_session();
    assert_eq!(session.set_option(Setting::Certificate(b"nonsense".to_vec())), OK);
    assert_eq!(session.set_option(Setting::PrivateKey(secret("nonsense"))), OK);
    assert_eq!(session.register(Callbacks::ignored()), ERROR);
    assert!(session.lock().failure.to_string().contains("there is no certificate"));
    assert_eq!(session.set_option(Setting::RegistrationId("device".into())), OK);
    let (result, text) = end_of(&session);
    assert_eq!(result, PROV_DEVICE_RESULT::PROV_DEVICE_RESULT_TRANSPORT, "{text}");
    assert!(text.starts_with("hsm: "), "{text}");
}

#[test]
fn nothing_happens_after_destroy() {
    let session = session();
    assert_eq!(session.register(Callbacks::ignored()), OK);
    session.destroy();
    session.pass();
    assert_eq!(session.lock().phase, Phase::Armed);
    assert_eq!(session.register(Callbacks::ignored()), INVALID_ARG);
    session.destroy();
}

/// A TPM that is at work until it may end.
struct Hanging {
    begun: mpsc::Sender<()>,
    may_end: mpsc::Receiver<()>,
}

impl Hsm for Hanging {
    fn attestation(&self) -> Attestation {
        Attestation::Tpm
    }

    fn registration_id(&mut self) -> Result<Option<RegistrationId>, HsmError> {
        Ok(RegistrationId::new("device").ok())
    }

    fn tpm_keys(&mut self) -> Result<TpmKeys, HsmError> {
        self.begun.send(()).unwrap();
        let _ = self.may_end.recv();
        Err(HsmError::NotSupported { operation: "do anything" })
    }
}

#[test]
fn nobody_waits_for_a_tpm_that_hangs() {
    let at_once = |what: &str, call: &dyn Fn()| {
        let began = Instant::now();
        call();
        assert!(began.elapsed() < Duration::from_secs(1), "{what}: {:?}", began.elapsed());
    };
    let ((begun, has_begun), (let_end, may_end)) = (mpsc::channel(), mpsc::channel());
    let tpm = Tpm::new(Hanging { begun, may_end });
    let new = || {
        let proof = Proof::Tpm(tpm.clone());
        Session::new("localhost:1".into(), "0ne00000000".into(), Transport::Http, proof)
    };
    let low_level = new();
    assert_eq!(low_level.register(Callbacks::ignored()), OK);
    at_once("the first pass", &|| low_level.pass());
    has_begun.recv().unwrap();
    at_once("another pass", &|| low_level.pass());
    assert_eq!(low_level.lock().phase, Phase::Running);
    at_once("Destroy", &|| low_level.destroy());

    // The TPM is at work still; who wants it waits a while, on no thread of the program.
    let threaded = Threaded::new(new());
    threaded.session.lock().registration_id = Some("device".into());
    assert_eq!(threaded.register(Callbacks::ignored()), OK);
    while threaded.session.lock().phase != Phase::Running {
        thread::yield_now();
    }
    thread::sleep(Duration::from_millis(100));
    at_once("Destroy of a threaded one", &|| threaded.destroy());

    let last = new();
    last.lock().registration_id = Some("device".into());
    assert_eq!(last.register(Callbacks::ignored()), OK);
    let began = Instant::now();
    while last.lock().phase != Phase::Ready {
        at_once("a pass of the next one", &|| last.pass());
        thread::sleep(Duration::from_millis(5));
        assert!(began.elapsed() < Duration::from_secs(30));
    }
    let text = last.lock().failure.to_string();
    assert!(text.contains("still at work on something else"), "{text}");
    drop(let_end);
}
