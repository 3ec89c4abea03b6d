mod durability;
mod hubs;

use super::*;
use crate::config::EmulatorConfig;
use crate::random::Random;
use crate::service::api::tests::token;
use http::Method;
use serde_json::Value;

const NOW: Duration = Duration::from_secs(1_790_000_000);
const HOST: &str = "x.test";

fn service(yaml: &str) -> Service {
    let config = EmulatorConfig::from_yaml(yaml).unwrap();
    Service::new(&config, Random::from_seed([9; 32])).unwrap()
}

fn ask_as(service: &Service, authorization: Option<&str>, line: &str, body: &str) -> (u16, Value) {
    let (method, path) = line.split_once(' ').unwrap();
    let (path, query) = path.split_once('?').unwrap_or((path, ""));
    let method: Method = method.parse().unwrap();
    let request = ApiRequest {
        method: &method,
        path,
        query,
        host: HOST,
        authorization,
        if_match: None,
        continuation: None,
        max_item_count: None,
        body: body.as_bytes(),
    };
    let answer = match Service::is_admin(path) {
        true => service.manage(&request, &Provenance::default(), NOW),
        false => service.administer(&request, NOW),
    };
    let body = answer.body.map_or(Value::Null, |body| serde_json::from_str(&body).unwrap());
    (answer.status, body)
}

/// What the page token gets.
fn ask(service: &Service, line: &str, body: &str) -> (u16, Value) {
    ask_as(service, Some(&bearer(service)), line, body)
}

fn bearer(service: &Service) -> String {
    format!("Bearer {}", service.page_token())
}

fn sas(service: &Service, policy: usize) -> String {
    let strings = service.policies.connection_strings(HOST, &Permission::ALL);
    token(&strings[policy].2, HOST, NOW + Duration::from_secs(60))
}

#[test]
fn the_page_token_opens_the_admin_api_and_the_service_api() {
    let service = service("{}");
    let good = bearer(&service);
    assert_eq!(ask_as(&service, Some(&good), "GET /admin/service", "").0, 200);
    let query = (r#"{"query":"*"}"#, "POST /enrollments/query?api-version=2021-10-01");
    assert_eq!(ask_as(&service, Some(&good), query.1, query.0).0, 200);
    let scheme = good.replace("Bearer", "bearer");
    assert_eq!(ask_as(&service, Some(&scheme), "GET /admin/service/", "").0, 200);
    let longer = format!("{good}x");
    for wrong in [None, Some("Bearer "), Some("Bearer x"), Some("Basic eDp4"), Some(&longer)] {
        for (line, body) in [("GET /admin/service", ""), (query.1, query.0)] {
            let (status, told) = ask_as(&service, wrong, line, body);
            assert_eq!((status, &told["errorCode"]), (401, &401_002.into()), "{wrong:?}");
            assert!(!told.to_string().contains(service.page_token()));
        }
    }
}

#[test]
fn a_policy_needs_the_right_to_configure_and_learns_no_greater_key() {
    let service = service(
        "
sharedAccessPolicies:
  - keyName: owner
  - {keyName: config, rights: [ServiceConfig]}
  - {keyName: enroller, rights: [EnrollmentWrite, RegistrationStatusWrite]}
",
    );
    let names = |policy| {
        let (status, told) =
            ask_as(&service, Some(&sas(&service, policy)), "GET /admin/service", "");
        assert_eq!(status, 200, "{told}");
        let strings = told["connectionStrings"].as_array().unwrap().clone();
        strings.iter().map(|one| one["keyName"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(names(0), ["owner", "config", "enroller"]);
    assert_eq!(names(1), ["config"]);
    let (status, told) = ask_as(&service, Some(&sas(&service, 2)), "GET /admin/service", "");
    assert_eq!(status, 401);
    assert!(told["message"].as_str().unwrap().contains("ServiceConfig"), "{told}");
}

#[test]
fn the_service_tells_what_it_is() {
    let service = service(
        "
idScope: 0ne00AAAAAA
hubs: [{hostName: a.test, region: eastus}, b.test]
allocationPolicy: geoLatency
deviceNetworks: [{network: 10.0.0.0/8, latencyMs: {eastus: 5}}]
serverNames: [dps.test]
",
    );
    let (status, told) = ask_as(&service, Some(&bearer(&service)), "GET /admin/service", "");
    assert_eq!(status, 200);
    let expected = serde_json::json!({
        "idScope": "0ne00AAAAAA",
        "version": env!("CARGO_PKG_VERSION"),
        "serverNames": ["dps.test"],
        "hubs": ["a.test", "b.test"],
        "allocationPolicy": "geoLatency",
        "deviceNetworks": [{"network": "10.0.0.0/8", "latencyMs": {"eastus": 5}}],
        "connectionStrings": [{
            "keyName": "provisioningserviceowner",
            "rights": ["ServiceConfig", "EnrollmentRead", "EnrollmentWrite",
                "RegistrationStatusRead", "RegistrationStatusWrite"],
            "connectionString": service.connection_string(HOST).as_str(),
        }],
    });
    assert_eq!(told, expected);
}

#[test]
fn paths_and_methods_that_there_are_not_are_refused() {
    let service = service("{}");
    let token = bearer(&service);
    for (line, status) in [
        ("POST /admin/service", 405),
        ("GET /admin/service/x", 404),
        ("GET /admin/nothing", 404),
        ("GET /admin", 404),
        ("GET /admin/%ff", 400),
        ("POST /admin/session", 405),
        ("OPTIONS /admin/service", 405),
        ("GET /admin/session/x", 404),
    ] {
        assert_eq!(ask_as(&service, Some(&token), line, "").0, status, "{line}");
    }
    assert_eq!(ask_as(&service, None, "GET /admin/nothing", "").0, 401);
    assert_eq!(ask_as(&service, Some(&token), "GET /admin/session", "").0, 401, "no connection");
}
