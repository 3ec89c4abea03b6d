//! Through real proxies: tinyproxy, and stunnel in front of it for one over TLS.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{Error, ErrorKind, Policy, Proxy, Stage, Status, Transport, TrustAnchors};
use dps_tests::{Fleet, KeyKind, Proof, RunningProxy, self_signed_server};
use std::net::TcpListener;
use std::time::Duration;

fn proxy(running: &RunningProxy) -> Proxy {
    Proxy::parse(&format!("http://{}", running.address())).unwrap()
}

fn refused(fleet: &Fleet, proxy: Proxy) -> Error {
    let policy = Policy { max_connections: Some(1), ..Policy::default() };
    let client = fleet.device(Transport::Mqtt, Proof::KeyIndividual, "key-device").policy(policy);
    client.proxy(proxy).build().unwrap().register().unwrap_err()
}

#[test]
fn the_order_of_settings_does_not_matter_and_a_proxy_may_come_and_go() {
    let fleet = Fleet::start();
    let running = RunningProxy::start(None);
    let first = fleet.device(Transport::Mqtt, Proof::X509Individual, "x509-device");
    let mut client = first.proxy(proxy(&running)).transport(Transport::MqttWs);
    client = client.endpoint(fleet.endpoint(Transport::MqttWs));
    let mut client = client.build().unwrap();
    client.register().unwrap();
    assert_eq!(running.tunnels(), 1);
    client.set_proxy(None);
    client.register().unwrap();
    assert_eq!(running.tunnels(), 1);
    client.set_proxy(proxy(&running));
    client.register().unwrap();
    assert_eq!(running.tunnels(), 2);
}

#[test]
fn the_async_driver_goes_through_the_proxy_too() {
    let fleet = Fleet::start();
    let running = RunningProxy::start(Some(("user", "pass")));
    let proxy = proxy(&running).basic_auth("user", "pass").unwrap();
    let mut client = fleet
        .device(Transport::Http, Proof::KeyIndividual, "key-device")
        .proxy(proxy)
        .build()
        .unwrap();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let assignment = runtime.block_on(client.register_async()).unwrap();
    assert_eq!((assignment.device_id.as_str(), running.tunnels()), ("key-device", 1));
}

#[test]
fn wrong_or_missing_credentials_are_the_proxys_refusal() {
    let fleet = Fleet::start();
    let running = RunningProxy::start(Some(("user", "right")));
    let wrong = proxy(&running).basic_auth("user", "wrong").unwrap();
    for (proxy, status) in [(wrong, 401), (proxy(&running), 407)] {
        let error = refused(&fleet, proxy);
        assert_eq!(error.stage(), Stage::Proxy, "{error}");
        // tinyproxy answers 401 to wrong credentials, and 407 to none.
        assert_eq!(*error.kind(), ErrorKind::ProxyRejected { status }, "{error}");
        assert!(!error.to_string().contains("wrong"), "{error}");
    }
    assert_eq!(running.tunnels(), 0);
}

#[test]
fn a_proxy_that_is_not_there_or_is_none_is_told() {
    let fleet = Fleet::start();
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let error = refused(&fleet, Proxy::http("127.0.0.1", gone.port()).unwrap());
    assert_eq!((error.stage(), error.kind()), (Stage::Proxy, &ErrorKind::ConnectionRefused));
    assert!(error.hint().contains("proxy"), "{}", error.hint());
    let error = refused(&fleet, Proxy::http("proxy.invalid", 3128).unwrap());
    assert_eq!((error.stage(), error.kind()), (Stage::Proxy, &ErrorKind::NameResolution));
    assert!(error.hint().contains("proxy"), "{}", error.hint());
    // The service itself is no proxy: it waits for TLS and gets text.
    let address = fleet.emulator.mqtt_address();
    let error = refused(&fleet, Proxy::http("127.0.0.1", address.port()).unwrap());
    assert_eq!(error.stage(), Stage::Proxy, "{error}");
}

#[test]
fn a_service_that_the_proxy_cannot_reach_is_told() {
    let fleet = Fleet::start();
    let running = RunningProxy::start(None);
    let gone = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let policy = Policy { max_connections: Some(1), ..Policy::default() };
    let client = fleet.device(Transport::Mqtt, Proof::KeyIndividual, "key-device").policy(policy);
    let client = client.endpoint(gone.to_string().parse().unwrap()).proxy(proxy(&running));
    let error = client.build().unwrap().register().unwrap_err();
    assert_eq!(error.stage(), Stage::Proxy, "{error}");
    assert!(matches!(error.kind(), ErrorKind::ProxyRejected { status: 500.. }), "{error}");
}

#[test]
fn an_https_proxy_is_verified_before_anything_is_asked_of_it() {
    let fleet = Fleet::start();
    let certificate = self_signed_server("localhost", KeyKind::P256);
    let running =
        RunningProxy::start_tls(Some(("user", "pass")), &certificate, KeyKind::P256.pem());
    let proxy = Proxy::https("localhost", running.address().port()).unwrap();
    let proxy = proxy.basic_auth("user", "pass").unwrap();

    // The service's anchors do not vouch for it.
    let error = refused(&fleet, proxy.clone());
    assert_eq!(error.stage(), Stage::Proxy, "{error}");
    assert!(matches!(error.kind(), ErrorKind::ServerCertificate(_)), "{error}");
    assert_eq!(running.tunnels(), 0);

    let trusted = proxy.trust_anchors(TrustAnchors::pem(certificate));
    for transport in Transport::ALL {
        let mut statuses = Vec::new();
        let mut client = fleet
            .device(transport, Proof::X509Group, "behind-a-proxy")
            .proxy(trusted.clone())
            .build()
            .unwrap();
        let assignment = client.register_with(|status| statuses.push(status));
        assert_eq!(assignment.unwrap().device_id, "behind-a-proxy", "{transport}");
        assert_eq!(statuses, [Status::Connected, Status::Assigning], "{transport}");
    }
    assert_eq!(running.tunnels(), Transport::ALL.len());
}

#[test]
fn a_silent_proxy_ends_with_its_stage() {
    let fleet = Fleet::start();
    let silent = TcpListener::bind("127.0.0.1:0").unwrap();
    let policy = Policy { deadline: Some(Duration::from_secs(2)), ..Policy::default() };
    let client = fleet.device(Transport::Amqp, Proof::KeyIndividual, "key-device").policy(policy);
    let proxy = Proxy::http("127.0.0.1", silent.local_addr().unwrap().port()).unwrap();
    let error = client.proxy(proxy).build().unwrap().register().unwrap_err();
    assert!(
        matches!(error.kind(), ErrorKind::DeadlineExceeded { during: Stage::Proxy, .. }),
        "{error}"
    );
}
