use super::*;
use crate::secret::SecretText;
use zeroize::Zeroizing;

const KEY: &str = "Jsm0lyGpjaVYVP2g3FnmnmG9dI/9qU24wNoykUmermc=";

fn session_with(uri: &str, scope: &str, id: &str, key: &str) -> Session {
    let key = SecretText::new(&Zeroizing::new(key.into()));
    let proof = Proof::SymmetricKey { registration_name: id.into(), key };
    Session::new(uri.into(), scope.into(), proof)
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
    let changed = DPS_POLICY { deadline_ms: 5000, max_connections: 0, conservative: 1, ..first };
    assert_eq!(session.set_policy(&changed), OK);
    assert_eq!(session.policy(), changed);
    for wrong in [
        DPS_POLICY { silence_ms: 0, ..first },
        DPS_POLICY { token_lifetime_s: 0, ..first },
        DPS_POLICY { conservative: 2, ..first },
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
    assert_eq!(session.set_option(Setting::DoWorkFrequency(20)), OK);
    assert_eq!(session.lock().settings.pass_interval, Duration::from_millis(20));
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
