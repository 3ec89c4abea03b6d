use super::*;
use crate::config::EmulatorConfig;
use crate::random::Random;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dps_core::SymmetricKey;
use serde_json::{Value, json};

const NOW: Duration = Duration::from_secs(1_790_000_000);
const HOST: &str = "x.test";
const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

pub(in crate::service) fn token(connection: &str, resource: &str, expiry: Duration) -> String {
    let part = |name: &str| {
        let prefix = format!("{name}=");
        let mut parts = connection.split(';').filter_map(|part| part.strip_prefix(&prefix));
        parts.next().unwrap().to_owned()
    };
    let key = SymmetricKey::from_base64(&part("SharedAccessKey")).unwrap();
    let se = expiry.as_secs();
    let sig = STANDARD.encode(key.hmac_sha256(format!("{resource}\n{se}").as_bytes()));
    let sig = sig.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    let skn = part("SharedAccessKeyName");
    format!("SharedAccessSignature sr={resource}&sig={sig}&skn={skn}&se={se}")
}

/// A request with a good token.
pub(in crate::service) fn call_version(
    service: &Service,
    connection: &str,
    version: &str,
    method: &str,
    path: &str,
    if_match: Option<&str>,
    body: &str,
) -> ApiAnswer {
    let token = token(connection, HOST, NOW + Duration::from_secs(60));
    service.administer(
        &ApiRequest {
            method: &method.parse().unwrap(),
            path,
            query: &format!("api-version={version}"),
            host: HOST,
            authorization: Some(&token),
            if_match,
            continuation: None,
            max_item_count: None,
            body: body.as_bytes(),
        },
        NOW,
    )
}

pub(in crate::service) fn call_as(
    service: &Service,
    connection: &str,
    method: &str,
    path: &str,
    if_match: Option<&str>,
    body: &str,
) -> ApiAnswer {
    call_version(service, connection, "2021-10-01", method, path, if_match, body)
}

fn service() -> Service {
    let config = EmulatorConfig::from_yaml("{enrollments: [], hubs: [a.test, b.test]}").unwrap();
    Service::new(&config, Random::from_seed([9; 32])).unwrap()
}

fn call(
    service: &Service,
    method: &str,
    path: &str,
    if_match: Option<&str>,
    body: &Value,
) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let connection = service.connection_string(HOST);
    let answer = call_as(service, &connection, method, path, if_match, &body);
    let body = answer.body.map_or(Value::Null, |body| serde_json::from_str(&body).unwrap());
    (answer.status, body)
}

fn simple(id: &str) -> Value {
    json!({"registrationId": id, "attestation": {"type": "symmetricKey"}})
}

#[track_caller]
fn assert_refused((status, body): (u16, Value), code: u32, words: &str) {
    assert_eq!((u32::from(status), body["errorCode"].as_u64()), (code / 1000, Some(code.into())));
    assert_eq!(body["trackingId"].as_str().unwrap().len(), 36);
    assert!(body["timestampUtc"].as_str().unwrap().ends_with('Z'));
    assert!(body["message"].as_str().unwrap().contains(words), "{body}");
}

#[test]
fn an_enrollment_is_created_read_updated_and_deleted() {
    let service = service();
    let document = json!({
        "registrationId": "Dev-1",
        "deviceId": "line-1",
        "attestation": {"type": "symmetricKey",
            "symmetricKey": {"primaryKey": KEY, "secondaryKey": null}},
        "optionalDeviceInformation": {"made": {"where": "here"}},
        "capabilities": {"iotEdge": true},
        "iotHubs": ["A.test"],
        "allocationPolicy": "static",
        "initialTwin": {"tags": {"t": 1}, "properties": {"desired": {"d": [null]}}},
        "provisioningStatus": "enabled",
        "etag": null,
        "somethingNew": {"x": 1},
    });
    let (status, created) = call(&service, "PUT", "/enrollments/dev-1", None, &document);
    assert_eq!(status, 200, "{created}");
    let etag = created["etag"].as_str().unwrap().to_owned();
    assert_eq!(
        created,
        json!({
            "registrationId": "Dev-1",
            "deviceId": "line-1",
            "attestation": {"type": "symmetricKey"},
            "optionalDeviceInformation": {"made": {"where": "here"}},
            "capabilities": {"iotEdge": true},
            "iotHubs": ["a.test"],
            "allocationPolicy": "static",
            "initialTwin": {"tags": {"t": 1}, "properties": {"desired": {"d": [null]}}},
            "provisioningStatus": "enabled",
            "reprovisionPolicy": {"updateHubAssignment": true, "migrateDeviceData": true},
            "etag": etag,
            "createdDateTimeUtc": "2026-09-21T14:13:20.0000000Z",
            "lastUpdatedDateTimeUtc": "2026-09-21T14:13:20.0000000Z",
        }),
        "keys are not shown"
    );
    assert_eq!(call(&service, "GET", "/Enrollments/DEV-1/", None, &Value::Null), (200, created));

    let mechanism = "/enrollments/dev-1/attestationMechanism";
    let (_, keys) = call(&service, "POST", mechanism, None, &Value::Null);
    assert_eq!(
        (&keys["type"], &keys["symmetricKey"]["primaryKey"]),
        (&json!("symmetricKey"), &json!(KEY))
    );
    assert_eq!(keys["symmetricKey"]["secondaryKey"].as_str().unwrap().len(), 88, "made up");

    let disabled = json!({"registrationId": "dev-1", "provisioningStatus": "disabled",
        "attestation": {"type": "symmetricKey"}});
    assert_refused(call(&service, "PUT", "/enrollments/dev-1", None, &disabled), 409_000, "exists");
    let wrong = call(&service, "PUT", "/enrollments/dev-1", Some("\"other\""), &disabled);
    assert_refused(wrong, 412_000, "etag");
    // With its quotes, without them, or in two pairs, as C# has it.
    let (status, updated) = call(&service, "PUT", "/enrollments/dev-1", Some(&etag), &disabled);
    assert_eq!((status, &updated["provisioningStatus"]), (200, &json!("disabled")), "{updated}");
    assert_ne!(updated["etag"], etag);
    assert_eq!(call(&service, "POST", mechanism, None, &Value::Null).1, keys, "keys are kept");
    assert_refused(
        call(&service, "DELETE", "/enrollments/dev-1", Some(&etag), &Value::Null),
        412_000,
        "",
    );
    let bare = updated["etag"].as_str().unwrap().trim_matches('"').to_owned();
    let gone = call(&service, "DELETE", "/enrollments/dev-1", Some(&bare), &Value::Null);
    assert_eq!(gone, (204, Value::Null));
    for (method, if_match) in [("GET", None), ("DELETE", None), ("PUT", Some("*"))] {
        let refused = call(&service, method, "/enrollments/dev-1", if_match, &disabled);
        assert_refused(refused, 404_201, "Enrollment not found.");
    }
}

#[test]
fn groups_have_their_own_names_and_keys() {
    let service = service();
    let group = json!({"enrollmentGroupId": "Line", "attestation": {"type": "symmetricKey"}});
    let (status, created) = call(&service, "PUT", "/enrollmentgroups/line", None, &group);
    assert_eq!((status, &created["enrollmentGroupId"]), (200, &json!("Line")));
    assert!(created.get("registrationId").is_none() && created.get("deviceId").is_none());
    assert_eq!(call(&service, "GET", "/enrollments/line", None, &Value::Null).0, 404);
    let path = "/enrollmentgroups/LINE/attestationmechanism";
    let (status, keys) = call(&service, "POST", path, None, &Value::Null);
    assert_eq!((status, keys["symmetricKey"]["primaryKey"].as_str().unwrap().len()), (200, 88));
}

#[test]
fn documents_that_cannot_be_are_refused_with_the_reason() {
    let service = service();
    let sym = json!({"type": "symmetricKey"});
    for (path, document, words) in [
        ("/enrollments/a", json!([1]), "not a JSON object"),
        ("/enrollments/a", json!({"registrationId": 5}), "invalid type"),
        (
            "/enrollments/a",
            json!({"registrationId": "b", "attestation": sym}),
            "another enrollment",
        ),
        ("/enrollments/a%2Fb", json!({"attestation": sym}), "'/' at position 2"),
        ("/enrollmentGroups/a%20b", json!({"attestation": sym}), "' ' at position 2"),
        ("/enrollmentGroups/ends_", json!({"attestation": sym}), "enrollment group \"ends_\""),
        ("/enrollments/a", json!({}), "attestation.type is missing"),
        ("/enrollments/a", json!({"attestation": {"type": "none"}}), "unknown variant"),
        (
            "/enrollments/a",
            json!({"attestation": {"type": "symmetricKey", "symmetricKey": {"primaryKey": "c2VjcmV0"}}}),
            "",
        ),
        (
            "/enrollments/a",
            json!({"attestation": {"type": "x509"}}),
            "primary certificate is needed",
        ),
        (
            "/enrollmentGroups/a",
            json!({"attestation": {"type": "x509", "x509": {"caReferences": {"primary": "x"}}}}),
            "caReferences",
        ),
        (
            "/enrollments/a",
            json!({"attestation": sym, "iotHubs": ["c.test"]}),
            "not one of the hubs",
        ),
        (
            "/enrollments/a",
            json!({"attestation": sym, "allocationPolicy": "custom"}),
            "customAllocationDefinition",
        ),
        (
            "/enrollments/a",
            json!({"attestation": sym, "allocationPolicy": "best"}),
            "unknown variant",
        ),
        ("/enrollments/a", json!({"attestation": sym, "deviceId": "a b"}), "device id"),
    ] {
        let (status, body) = call(&service, "PUT", path, None, &document);
        assert_refused((status, body.clone()), 400_004, words);
        assert!(!body.to_string().contains("c2VjcmV0"), "{body}");
    }
    let answer =
        call_as(&service, &service.connection_string(HOST), "PUT", "/enrollments/a", None, "{");
    assert_eq!(answer.status, 400);
    assert!(service.enrollments().is_empty() && service.groups().is_empty());
}

#[test]
fn only_good_tokens_with_the_right_get_in() {
    let config = EmulatorConfig::from_yaml(&format!(
        "
enrollments: [{{registrationId: dev1}}]
sharedAccessPolicies:
  - {{keyName: owner, primaryKey: {KEY}}}
  - {{keyName: reader, primaryKey: {KEY}, rights: [EnrollmentRead, RegistrationStatusRead]}}
"
    ))
    .unwrap();
    let service = Service::new(&config, Random::from_seed([9; 32])).unwrap();
    let connection =
        |name: &str, key: &str| format!("SharedAccessKeyName={name};SharedAccessKey={key}");
    let good = connection("owner", KEY);
    assert_eq!(
        *service.connection_string("h.x"),
        format!("HostName=h.x;SharedAccessKeyName=owner;SharedAccessKey={KEY}")
    );
    let other = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
    let ask = |token: Option<&str>, method: &str, path: &str| {
        let request = ApiRequest {
            method: &method.parse().unwrap(),
            path,
            query: "API-Version=2019-03-31",
            host: "X.test:8443",
            authorization: token,
            if_match: None,
            continuation: None,
            max_item_count: None,
            body: b"",
        };
        service.administer(&request, NOW).status
    };
    let soon = NOW + Duration::from_secs(60);
    let past = NOW - Duration::from_secs(301);
    for (token, expected) in [
        (token(&good, "x.test", soon), 200),
        (token(&good, "x.test%3a8443", soon), 200),
        (token(&good, "X.TEST", soon), 200),
        (token(&good, "y.test", soon), 401),
        (token(&good, "x.test", past), 401),
        (token(&connection("owner", other), "x.test", soon), 401),
        (token(&connection("nobody", KEY), "x.test", soon), 401),
        (token(&connection("reader", KEY), "x.test", soon), 200),
        ("Bearer x".to_owned(), 401),
    ] {
        assert_eq!(ask(Some(&token), "GET", "/enrollments/dev1"), expected, "{token}");
    }
    assert_eq!(ask(None, "GET", "/enrollments/dev1"), 401);
    let reader = token(&connection("reader", KEY), "x.test", soon);
    assert_eq!(ask(Some(&reader), "DELETE", "/enrollments/dev1"), 401);
    assert_eq!(ask(Some(&reader), "GET", "/registrations/dev1"), 404);
    assert_eq!(ask(Some(&reader), "DELETE", "/registrations/dev1"), 401);
    let owner = token(&good, "x.test", soon);
    for (method, path, status) in [
        ("GET", "/enrollments", 405),
        ("PATCH", "/enrollments/dev1", 405),
        ("GET", "/enrollments/dev1/attestationmechanism", 405),
        ("GET", "/enrollments/dev1/other", 404),
        ("POST", "/registrations/dev1", 405),
        ("GET", "/enrollments/%ff", 400),
        ("DELETE", "/enrollments/dev1", 204),
    ] {
        assert_eq!(ask(Some(&owner), method, path), status, "{method} {path}");
    }
}

/// All pages of a query: the names in each.
fn pages(service: &Service, path: &str, member: &str, size: &str) -> Vec<Vec<String>> {
    let connection = service.connection_string(HOST);
    let token = token(&connection, HOST, NOW + Duration::from_secs(60));
    let mut pages = Vec::new();
    let mut continuation = None;
    loop {
        let request = ApiRequest {
            method: &Method::POST,
            path,
            query: "api-version=2021-10-01",
            host: HOST,
            authorization: Some(&token),
            if_match: None,
            continuation: continuation.as_deref(),
            max_item_count: Some(size),
            body: br#"{"query": "SELECT * FROM enrollments"}"#,
        };
        let answer = service.administer(&request, NOW);
        assert_eq!(answer.status, 200, "{answer:?}");
        let items: Vec<Value> = serde_json::from_str(&answer.body.unwrap()).unwrap();
        pages.push(items.iter().map(|item| item[member].as_str().unwrap().to_owned()).collect());
        let header = |name| answer.headers.iter().find(|(known, _)| *known == name).map(|(_, v)| v);
        assert!(header("x-ms-item-type").is_some());
        continuation = header("x-ms-continuation").cloned();
        if continuation.is_none() {
            return pages;
        }
    }
}

#[test]
fn queries_come_in_pages_that_end() {
    let service = service();
    for id in ["b", "A", "c", "e", "D"] {
        assert_eq!(call(&service, "PUT", &format!("/enrollments/{id}"), None, &simple(id)).0, 200);
    }
    let of = |size| pages(&service, "/enrollments/query", "registrationId", size);
    assert_eq!(of("2"), [vec!["A", "b"], vec!["c", "D"], vec!["e"]]);
    assert_eq!(of("5"), [["A", "b", "c", "D", "e"]]);
    assert_eq!(of("").len(), 1);
    let none = pages(&service, "/enrollmentGroups/query", "enrollmentGroupId", "1");
    assert_eq!(none, [Vec::<String>::new()]);
    assert_refused(
        call(&service, "POST", "/enrollments/query", None, &json!({})),
        400_004,
        "query",
    );
}

#[test]
fn bulk_operations_tell_what_went_wrong_with_which() {
    let service = service();
    let bulk = |mode: &str, items: Value| {
        call(&service, "POST", "/enrollments/", None, &json!({"mode": mode, "enrollments": items}))
    };
    let done = bulk("create", json!([simple("a"), simple("b"), simple("c")]));
    assert_eq!(done, (200, json!({"isSuccessful": true, "errors": []})));
    let (status, body) = bulk("create", json!([simple("b"), simple("d"), {"registrationId": "e"}]));
    assert_eq!((status, &body["isSuccessful"]), (200, &json!(false)));
    let errors = body["errors"].as_array().unwrap();
    assert_eq!(errors.len(), 2);
    assert_eq!(
        (&errors[0]["registrationId"], &errors[0]["errorCode"]),
        (&json!("b"), &json!(409_000))
    );
    assert_eq!(
        (&errors[1]["registrationId"], &errors[1]["errorCode"]),
        (&json!("e"), &json!(400_004))
    );
    assert!(errors[1]["errorStatus"].as_str().unwrap().contains("attestation.type"));

    let with_etag = |etag: &str| {
        let mut item = simple("a");
        item["etag"] = json!(etag);
        item
    };
    let (_, one) = call(&service, "GET", "/enrollments/a", None, &Value::Null);
    let (_, wrong) = bulk("updateIfMatchETag", json!([with_etag("x"), simple("b")]));
    let codes: Vec<_> =
        wrong["errors"].as_array().unwrap().iter().map(|e| &e["errorCode"]).collect();
    assert_eq!(codes, [412_000, 412_000]);
    let right = bulk("updateIfMatchETag", json!([with_etag(one["etag"].as_str().unwrap())]));
    assert_eq!(right.1["isSuccessful"], true);
    assert_eq!(bulk("update", json!([simple("nobody")])).1["errors"][0]["errorCode"], 404_201);
    let (_, gone) = bulk("delete", json!([simple("a"), simple("b"), simple("nobody")]));
    assert_eq!(gone["errors"].as_array().unwrap().len(), 1);
    let left: Vec<_> =
        service.enrollments().iter().map(|e| e.registration_id.to_string()).collect();
    assert_eq!(left, ["c", "d"]);

    let many: Vec<Value> = (0..11).map(|n| simple(&format!("x{n}"))).collect();
    assert_refused(bulk("create", json!(many)), 400_004, "11 items");
    assert_refused(bulk("create", json!([])), 400_004, "0 items");
    assert_refused(bulk("destroy", json!([simple("x")])), 400_004, "unknown variant");
    let groups = json!({"mode": "create", "enrollmentGroups":
        [{"enrollmentGroupId": "g", "attestation": {"type": "symmetricKey"}}]});
    assert_eq!(call(&service, "POST", "/enrollmentGroups", None, &groups).1["isSuccessful"], true);
    assert_eq!(service.groups().len(), 1);
}

#[test]
fn slashes_before_a_path_and_the_name_query_mislead_nobody() {
    let service = service();
    let group = json!({"attestation": {"type": "symmetricKey"}});
    assert_eq!(call(&service, "PUT", "//enrollments", None, &group).0, 405);
    assert!(service.groups().is_empty());
    assert_eq!(call(&service, "PUT", "//enrollments/query", None, &simple("query")).0, 200);
    assert_eq!(call(&service, "GET", "/enrollments/query", None, &Value::Null).0, 200);
    assert_eq!(call(&service, "POST", "/enrollments/query", None, &json!({"query": "*"})).0, 200);
}

fn certificate() -> String {
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    params.self_signed(&key).unwrap().pem()
}

#[test]
fn certificates_must_be_there_when_an_enrollment_is_made_and_are_kept_when_it_changes() {
    for (path, member) in
        [("/enrollments/a", "clientCertificates"), ("/enrollmentGroups/a", "signingCertificates")]
    {
        let service = service();
        for x509 in [
            Value::Null,
            json!({}),
            json!({member: null}),
            json!({member: {}}),
            json!({member: {"primary": null}}),
            json!({member: {"primary": {}}}),
            json!({member: {"primary": {"certificate": null}}}),
            json!({member: {"primary": {"certificate": ""}}}),
            json!({member: {"secondary": {"certificate": certificate()}}}),
        ] {
            let document = json!({"attestation": {"type": "x509", "x509": x509}});
            let refused = call(&service, "PUT", path, None, &document);
            assert_refused(refused, 400_004, "certificate");
        }
        let pem = certificate();
        let document = json!({"attestation": {"type": "x509",
            "x509": {member: {"primary": {"certificate": pem}}}}});
        let (status, created) = call(&service, "PUT", path, None, &document);
        assert_eq!(status, 200, "{created}");
        let info = &created["attestation"]["x509"][member]["primary"]["info"];
        let thumbprint = info["sha256Thumbprint"].clone();
        assert!(thumbprint.is_string(), "{info}");
        for x509 in [
            Value::Null,
            json!({}),
            json!({member: null}),
            json!({member: {}}),
            json!({member: {"primary": {"info": info}}}),
        ] {
            let document = json!({"provisioningStatus": "disabled",
                "attestation": {"type": "x509", "x509": x509}});
            let (status, updated) = call(&service, "PUT", path, Some("*"), &document);
            assert_eq!(status, 200, "{x509}: {updated}");
            let kept = &updated["attestation"]["x509"][member]["primary"]["info"];
            assert_eq!(kept["sha256Thumbprint"], thumbprint, "{x509}");
        }
    }
}

#[test]
fn members_that_are_not_known_are_passed_over_at_every_depth() {
    let service = service();
    let document = json!({
        "registrationId": "a", "provisioningStatsu": "disabled",
        "attestation": {"type": "symmetricKey", "symmetricKey": {"primarykey": KEY}},
        "capabilities": {"iotEdge": true, "more": 1},
        "initialTwin": {"tags": {"any": 1}, "version": 2, "properties":
            {"desired": {"x": 1}, "reported": {}}},
        "reprovisionPolicy": {"updateHubAssignment": false, "x": 1},
        "customAllocationDefinition":
            {"webhookUrl": "http://w.test/", "apiVersion": "1", "more": {}},
    });
    let (status, created) = call(&service, "PUT", "/enrollments/a", None, &document);
    assert_eq!(status, 200, "{created}");
    assert_eq!(created["provisioningStatus"], "enabled");
    assert_eq!(created["capabilities"], json!({"iotEdge": true}));
    assert_eq!(
        created["initialTwin"],
        json!({"tags": {"any": 1}, "properties": {"desired": {"x": 1}}})
    );
    assert_eq!(created["reprovisionPolicy"]["updateHubAssignment"], false);
    assert!(created["customAllocationDefinition"].get("more").is_none());
}

#[test]
fn a_page_of_large_items_is_a_short_one() {
    let service = service();
    for number in 0..12 {
        let mut document = simple(&format!("large-{number:02}"));
        document["optionalDeviceInformation"] = json!({"text": "x".repeat(900_000)});
        let path = format!("/enrollments/large-{number:02}");
        assert_eq!(call(&service, "PUT", &path, None, &document).0, 200);
    }
    let pages = pages(&service, "/enrollments/query", "registrationId", "");
    assert_eq!(pages.iter().map(Vec::len).collect::<Vec<_>>(), [5, 5, 2]);
    assert_eq!(pages.concat().len(), 12);
}
