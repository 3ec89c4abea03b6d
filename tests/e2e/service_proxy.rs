//! dps-service through HTTP proxies: one that leads to the service by any name, and a real one.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_service::{AttestationMechanism, Error, IndividualEnrollment, ServiceClient};
use dps_tests::{ConnectProxy, Fleet, RunningProxy};

/// No name server knows it.
const NAME: &str = "dps.test.invalid";

fn named() -> Fleet {
    Fleet::start_with(|config| config.server_names = vec![NAME.into()])
}

fn builder(fleet: &Fleet, host: &str) -> dps_service::Builder {
    let connection = fleet.emulator.connection_string();
    let (_, policy) = connection.split_once(';').unwrap();
    ServiceClient::builder(format!("HostName={host};{policy}").parse().unwrap())
        .trusted_certificates(fleet.emulator.ca_pem())
}

#[test]
fn a_service_that_only_the_proxy_knows_is_managed() {
    let fleet = named();
    let proxy = ConnectProxy::start(fleet.emulator.https_address(), None);
    let url = format!("http://{}", proxy.address());
    let client = builder(&fleet, NAME).proxy(&url).unwrap().build().unwrap();
    let item = IndividualEnrollment::new("far", AttestationMechanism::symmetric_key());
    client.enrollments().create(&item).unwrap();
    assert_eq!(client.enrollments().get("far").unwrap().registration_id, "far");
    let asked = proxy.requests();
    assert!(!asked.is_empty());
    let wanted = format!("CONNECT {NAME}:443 HTTP/1.1");
    assert!(asked.iter().all(|line| *line == wanted), "{asked:?}");

    let direct = builder(&fleet, NAME).build().unwrap().enrollments().get("far").unwrap_err();
    assert!(matches!(direct, Error::Unreachable { .. }), "{direct}");
}

#[test]
fn a_proxy_gets_its_password_and_says_when_it_is_wrong() {
    let fleet = Fleet::start();
    let proxy = RunningProxy::start(Some(("us", "p4ss")));
    let service = fleet.emulator.https_address();
    let via = |user: &str| {
        let url = format!("http://{user}@{}", proxy.address());
        builder(&fleet, &service.to_string()).proxy(&url).unwrap().build().unwrap()
    };
    assert!(via("us:p4ss").enrollments().get("key-device").is_ok());
    assert_eq!(proxy.tunnels(), 1);
    let error = via("us:wr0ng").enrollments().get("key-device").unwrap_err();
    assert!(matches!(error, Error::Unreachable { .. }), "{error}");
    // tinyproxy says so, not 407.
    assert!(error.to_string().contains("401"), "{error}");
    assert!(!error.to_string().contains("wr0ng"), "{error}");
    assert_eq!(proxy.tunnels(), 1);
}

#[test]
fn a_url_that_is_no_proxy_is_refused_and_not_repeated() {
    let fleet = Fleet::start();
    for url in ["", "socks5://us:s3cret@p:1", "ftp://us:s3cret@p", "http://us:s3cret@"] {
        let error = builder(&fleet, "localhost").proxy(url).unwrap_err();
        assert!(matches!(error, Error::BadProxy), "{url}: {error}");
        assert!(!format!("{error} {error:?}").contains("s3cret"));
    }
}
