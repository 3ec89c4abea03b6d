//! Hubs that are linked and unlinked while the service runs, and their devices.

use super::*;
use crate::service::{Credentials, DeviceIdentity};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dps_core::{IdScope, RegistrationId, SymmetricKey};
use serde_json::json;
use std::path::{Path, PathBuf};

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const ONE: &str = "{hubs: [{hostName: one.test, region: eastus}], assignmentDelaySeconds: 0}";

/// One hub, and a group whose devices have keys that are derived from `KEY`.
fn grouped(more: &str) -> String {
    let keys = format!("symmetricKey: {{primaryKey: {KEY}, secondaryKey: {KEY}}}");
    format!(
        "
assignmentDelaySeconds: 0
hubs: [one.test]
enrollmentGroups:
  - {{enrollmentGroupId: line, attestation: {{type: symmetricKey, {keys}}}{more}}}
"
    )
}

/// Registers a device; gives its `registrationState`.
fn register(service: &Service, id: &str) -> Value {
    let id = RegistrationId::new(id).unwrap();
    let scope = service.id_scope().to_owned();
    let (sr, se) = (format!("{scope}/registrations/{id}"), NOW.as_secs() + 600);
    let key = SymmetricKey::from_base64(KEY).unwrap().derive(&id);
    let sig = STANDARD.encode(key.hmac_sha256(format!("{sr}\n{se}").as_bytes()));
    let sig = sig.replace('+', "%2B");
    let token = format!("SharedAccessSignature sr={sr}&sig={sig}&se={se}");
    let with = Credentials::sas_token(token);
    let device = DeviceIdentity::new(IdScope::new(scope).unwrap().to_string(), id);
    let reply = service.register(&device, &with, b"", NOW);
    assert_eq!(reply.status, 202, "{}", reply.body);
    let operation: Value = serde_json::from_str(&reply.body).unwrap();
    let operation = operation["operationId"].as_str().unwrap();
    let done = service.poll(&device, &with, operation, NOW);
    serde_json::from_str::<Value>(&done.body).unwrap()["registrationState"].clone()
}

fn names(service: &Service) -> Vec<String> {
    let (status, told) = ask(service, "GET /admin/hubs", "");
    assert_eq!(status, 200);
    let hubs = told["hubs"].as_array().unwrap().clone();
    hubs.iter().map(|hub| hub["hostName"].as_str().unwrap().to_owned()).collect()
}

fn kinds(service: &Service) -> Vec<String> {
    let (_, told) = ask(service, "GET /admin/events", "");
    let events = told["events"].as_array().unwrap().clone();
    events.iter().map(|event| event["kind"].as_str().unwrap().to_owned()).collect()
}

#[test]
fn hubs_that_come_and_go_leave_no_names_for_the_certificate() {
    let service = service(ONE);
    let before = service.iot_hubs().names();
    for number in 0..200 {
        let path = format!("/admin/hubs/hub-{number}.test");
        assert_eq!(ask(&service, &format!("PUT {path}"), "").0, 200);
        assert_eq!(ask(&service, &format!("DELETE {path}"), "").0, 204);
    }
    assert_eq!(service.iot_hubs().names(), before);
}

#[test]
fn a_hub_is_linked_changed_and_unlinked() {
    let service = service(ONE);
    let first = json!({"hostName": "one.test", "linked": true, "allocationWeight": 1,
        "applyAllocationPolicy": true, "region": "eastus", "deviceCount": 0, "connectedCount": 0});
    assert_eq!(ask(&service, "GET /admin/hubs", ""), (200, json!({"hubs": [first.clone()]})));
    let second = json!({"hostName": "Two.test", "linked": true, "allocationWeight": 1,
        "applyAllocationPolicy": true, "deviceCount": 0, "connectedCount": 0});
    assert_eq!(ask(&service, "PUT /admin/hubs/Two.test", ""), (200, second));
    let (status, third) = ask(
        &service,
        "PUT /admin/hubs/TWO.test",
        r#"{"allocationWeight":7,"applyAllocationPolicy":false}"#,
    );
    let changed = json!({"hostName": "Two.test", "linked": true, "allocationWeight": 7,
        "applyAllocationPolicy": false, "deviceCount": 0, "connectedCount": 0});
    assert_eq!((status, &third), (200, &changed));
    let (_, told) = ask(&service, "PUT /admin/hubs/two.test", r#"{"region":"westus2"}"#);
    assert_eq!((&told["region"], &told["allocationWeight"]), (&json!("westus2"), &json!(7)));
    let (_, told) = ask(&service, "PUT /admin/hubs/two.test", r#"{"allocationWeight":7}"#);
    assert_eq!(told["region"], "westus2", "it was not named");
    let cleared = ask(&service, "PUT /admin/hubs/two.test", r#"{"region":null}"#);
    assert_eq!(cleared, (200, changed));
    assert_eq!(service.hubs(), ["one.test", "Two.test"]);

    assert_eq!(ask(&service, "DELETE /admin/hubs/two.TEST", "").0, 204);
    assert_eq!(ask(&service, "GET /admin/hubs", ""), (200, json!({"hubs": [first]})));
    for line in ["GET /admin/hubs/two.test", "DELETE /admin/hubs/two.test"] {
        let (status, told) = ask(&service, line, "");
        assert_eq!((status, &told["errorCode"]), (404, &json!(404_201)));
        let message = told["message"].as_str().unwrap();
        assert_eq!(message, r#"There is no hub "two.test"; there are: one.test."#);
    }
    let kinds = kinds(&service);
    assert_eq!(kinds.last().map(String::as_str), Some("hubUnlinked"));
    assert_eq!(kinds.iter().filter(|kind| *kind == "hubLinked").count(), 5);
}

#[test]
fn what_is_no_hub_is_not_linked() {
    let service = service(ONE);
    let long = format!("PUT /admin/hubs/{}.test", "x".repeat(64));
    for (line, body, words) in [
        ("PUT /admin/hubs/nodot", "", "needs a dot"),
        ("PUT /admin/hubs/two.test:8883", "", "has no port"),
        ("PUT /admin/hubs/-two.test", "", "host name"),
        ("PUT /admin/hubs/%C3%A9.test", "", "host name"),
        ("PUT /admin/hubs/two%0Atest.x", "", "host name"),
        (&long, "", "host name"),
        ("PUT /admin/hubs/two.test", r#"{"region":""}"#, "1 to 64"),
        ("PUT /admin/hubs/two.test", r#"{"region":"a\nb"}"#, "printable"),
        ("PUT /admin/hubs/two.test", r#"{"weight":1}"#, "unknown field `weight`"),
        ("PUT /admin/hubs/two.test", r#"{"allocationWeight":-1}"#, "allocationWeight"),
        ("PUT /admin/hubs/two.test", "[]", "not a JSON object"),
    ] {
        let (status, told) = ask(&service, line, body);
        let message = told["message"].as_str().unwrap();
        assert_eq!((status, &told["errorCode"]), (400, &json!(400_004)), "{line}: {message}");
        if words != "allocationWeight" {
            assert!(message.contains(words), "{line}: {message}");
        }
    }
    assert_eq!(names(&service), ["one.test"]);
    for number in 1..100 {
        assert_eq!(ask(&service, &format!("PUT /admin/hubs/h{number}.test"), "").0, 200);
    }
    let (status, told) = ask(&service, "PUT /admin/hubs/h100.test", "");
    assert_eq!((status, &told["errorCode"]), (409, &json!(409_000)));
    assert_eq!(ask(&service, "PUT /admin/hubs/h99.test", "").0, 200, "it is there already");
}

#[test]
fn allocation_follows_at_once() {
    let service = service(&grouped(""));
    assert_eq!(register(&service, "dev-1")["assignedHub"], "one.test");
    ask(&service, "PUT /admin/hubs/two.test", r#"{"allocationWeight":1000000}"#);
    assert_eq!(register(&service, "dev-2")["assignedHub"], "two.test");
    ask(&service, "PUT /admin/hubs/two.test", r#"{"allocationWeight":0}"#);
    assert_eq!(register(&service, "dev-3")["assignedHub"], "one.test");
    assert_eq!(ask(&service, "DELETE /admin/hubs/one.test", "").0, 204);
    let none = register(&service, "dev-4");
    assert_eq!((&none["status"], &none["errorCode"]), (&json!("failed"), &json!(400_208)));
    assert_eq!(ask(&service, "DELETE /admin/hubs/two.test", "").0, 204);
    assert_eq!(register(&service, "dev-5")["errorCode"], 400_208, "there is no hub at all");
    ask(&service, "PUT /admin/hubs/one.test", "");
    assert_eq!(register(&service, "dev-5")["assignedHub"], "one.test");
}

#[test]
fn devices_of_a_hub_that_is_unlinked_stay_there_until_they_register_again() {
    let service = service(&grouped(""));
    ask(&service, "PUT /admin/hubs/two.test", r#"{"allocationWeight":0}"#);
    assert_eq!(register(&service, "dev-1")["assignedHub"], "one.test");
    assert_eq!(ask(&service, "DELETE /admin/hubs/one.test", "").0, 204);
    let (status, told) = ask(&service, "GET /admin/hubs/one.test", "");
    assert_eq!((status, &told["linked"], &told["deviceCount"]), (200, &json!(false), &json!(1)));
    assert!(told.get("allocationWeight").is_none());
    assert_eq!(ask(&service, "GET /admin/hubs/one.test/devices/dev-1", "").0, 200);
    assert_eq!(names(&service), ["two.test", "one.test"]);

    ask(&service, "PUT /admin/hubs/two.test", r#"{"allocationWeight":1}"#);
    let moved = register(&service, "dev-1");
    assert_eq!(moved["assignedHub"], "two.test");
    assert_eq!(moved["substatus"], "deviceDataMigrated");
    assert_eq!(ask(&service, "GET /admin/hubs/one.test", "").0, 404, "nothing is left of it");
    assert_eq!(service.iot_hubs().names(), ["two.test"], "nor in the certificate");

    assert_eq!(ask(&service, "DELETE /admin/hubs/two.test", "").0, 204);
    assert_eq!(service.iot_hubs().names(), ["two.test"], "as long as it has a device");
    assert_eq!(ask(&service, "DELETE /admin/hubs/two.test/devices/dev-1", "").0, 204);
    assert!(service.iot_hubs().names().is_empty());
}

#[test]
fn an_enrollment_that_names_an_unlinked_hub_has_none_and_cannot_be_written() {
    let service = service(&grouped(", iotHubHostName: one.test"));
    ask(&service, "PUT /admin/hubs/two.test", "");
    assert_eq!(ask(&service, "DELETE /admin/hubs/one.test", "").0, 204);
    assert_eq!(register(&service, "dev-1")["errorCode"], 400_208);
    let body = json!({"registrationId": "x", "attestation": {"type": "symmetricKey"},
        "iotHubs": ["one.test"]});
    let line = "PUT /enrollments/x?api-version=2021-10-01";
    let (status, told) = ask(&service, line, &body.to_string());
    assert_eq!(status, 400);
    assert!(told["message"].as_str().unwrap().contains("(two.test)"), "{told}");
    ask(&service, "PUT /admin/hubs/one.test", "");
    assert_eq!(ask(&service, line, &body.to_string()).0, 200);
    assert_eq!(register(&service, "dev-1")["assignedHub"], "one.test");
}

#[test]
fn a_webhook_that_names_a_hub_which_was_unlinked_meanwhile_names_none() {
    let custom = ", allocationPolicy: custom, customAllocationDefinition: {webhookUrl: 'https://x.y/', apiVersion: '1'}";
    let service = service(&grouped(custom));
    ask(&service, "PUT /admin/hubs/two.test", "");
    let asking = |id: &str| {
        assert_eq!(register(&service, id)["status"], "assigning");
        let call = service.next_webhook_call().unwrap();
        let question: Value = serde_json::from_str(&call.body).unwrap();
        (call.call_id, question["linkedHubs"].clone())
    };
    let (first, linked) = asking("dev-1");
    assert_eq!(linked, json!(["one.test", "two.test"]));
    assert_eq!(ask(&service, "DELETE /admin/hubs/two.test", "").0, 204);
    let body = br#"{"iotHubHostName":"two.test"}"#.to_vec();
    let answer = crate::service::WebhookAnswer::Response { status: 200, body };
    service.answer_webhook_call(&first, &answer, NOW);
    let record = &service.registrations(NOW)[0];
    assert_eq!((record.error_code, record.assigned_hub.as_deref()), (Some(400_209), None));
    assert_eq!(asking("dev-2").1, json!(["one.test"]));
}

#[test]
fn a_device_is_shown_with_its_twin_and_without_keys() {
    let more = ", initialTwin: {tags: {line: 7}, properties: {desired: {interval: 5}}}";
    let service = service(&grouped(more));
    register(&service, "dev-2");
    register(&service, "dev-1");
    let (status, told) = ask(&service, "GET /admin/hubs/ONE.test/devices/dev-1", "");
    let expected = json!({
        "deviceId": "dev-1", "registrationId": "dev-1", "connected": false,
        "authenticationType": "sas", "telemetryCount": 0, "waitingMessages": 0,
        "capabilities": {"iotEdge": false}, "createdDateTimeUtc": "2026-09-21T14:13:20.0000000Z",
        "twin": {"tags": {"line": 7}, "properties": {
            "desired": {"interval": 5, "$version": 1}, "reported": {"$version": 1}}},
    });
    assert_eq!((status, told), (200, expected));
    let (_, told) = ask(&service, "GET /admin/hubs/one.test/devices?limit=1", "");
    assert_eq!(told["devices"].as_array().unwrap().len(), 1);
    assert!(told["devices"][0].get("twin").is_none());
    assert_eq!(told["next"], "dev-1");
    let (_, told) = ask(&service, "GET /admin/hubs/one.test/devices?after=dev-1&limit=1", "");
    assert_eq!(told["devices"][0]["deviceId"], "dev-2");
    assert!(told.get("next").is_none());

    for (line, code) in [
        ("GET /admin/hubs/one.test/devices/dev-9", 404_201),
        ("GET /admin/hubs/no.test/devices/dev-1", 404_201),
        ("GET /admin/hubs/one.test/devices?limit=0", 400_002),
        ("GET /admin/hubs/one.test/devices?first=1", 400_002),
        ("GET /admin/hubs/one.test/things", 404_000),
        ("GET /admin/hubs/one.test/devices/dev-1/things", 404_000),
        ("PUT /admin/hubs/one.test/devices/dev-1", 405_000),
        ("DELETE /admin/hubs", 405_000),
    ] {
        assert_eq!(ask(&service, line, "").1["errorCode"], code, "{line}");
    }
}

#[test]
fn a_twin_is_patched_as_a_whole_or_not_at_all() {
    let service = service(&grouped(""));
    register(&service, "dev-1");
    let line = "PATCH /admin/hubs/one.test/devices/dev-1/twin";
    let patch = json!({"tags": {"a": 1, "b": {"c": 2}}, "properties": {"desired": {"d": 3}}});
    let (status, told) = ask(&service, line, &patch.to_string());
    let expected = json!({"tags": {"a": 1, "b": {"c": 2}}, "properties": {
        "desired": {"d": 3, "$version": 2}, "reported": {"$version": 1}}});
    assert_eq!((status, told), (200, expected));
    let (_, told) = ask(&service, line, r#"{"tags":{"a":null,"b":{"e":4}}}"#);
    assert_eq!(told["tags"], json!({"b": {"c": 2, "e": 4}}));
    assert_eq!(told["properties"]["desired"]["$version"], 2);
    for bad in [
        "{}",
        r#"{"properties":{}}"#,
        r#"{"tags":[1]}"#,
        r#"{"tags":{"z":1},"properties":{"desired":7}}"#,
        r#"{"tags":{"z":1},"properties":{"reported":{}}}"#,
        r#"{"desired":{}}"#,
    ] {
        let (status, told) = ask(&service, line, bad);
        assert_eq!((status, &told["errorCode"]), (400, &json!(400_004)), "{bad}: {told}");
    }
    let (_, told) = ask(&service, "GET /admin/hubs/one.test/devices/dev-1", "");
    assert_eq!(told["twin"]["tags"], json!({"b": {"c": 2, "e": 4}}));
}

#[test]
fn messages_wait_for_a_device_up_to_fifty() {
    let service = service(&grouped(""));
    register(&service, "dev-1");
    let line = "POST /admin/hubs/one.test/devices/dev-1/messages";
    for (count, body) in
        [r#"{"body":"hello","properties":{"a":"1","$.mid":"m"}}"#, r#"{"bodyBase64":"AAH/"}"#, "{}"]
            .iter()
            .enumerate()
    {
        assert_eq!(ask(&service, line, body), (200, json!({"waitingMessages": count + 1})));
    }
    for (bad, code) in [
        (r#"{"body":"a","bodyBase64":"AA=="}"#, 400_004),
        (r#"{"bodyBase64":"*"}"#, 400_004),
        (r#"{"text":"a"}"#, 400_004),
        (&json!({"body": "x".repeat(300_000)}).to_string(), 413_000),
    ] {
        assert_eq!(ask(&service, line, bad).1["errorCode"], code);
    }
    for _ in 3..50 {
        assert_eq!(ask(&service, line, "{}").0, 200);
    }
    assert_eq!(ask(&service, line, "{}").1["errorCode"], 409_000);
}

#[test]
fn telemetry_is_read_from_a_number_on() {
    let service = service(&grouped(""));
    register(&service, "dev-1");
    let hub = crate::hub::Hub::new(service.iot_hubs(), "one.test").unwrap();
    let large = "x".repeat(250_000);
    for body in ["a", "\u{e9}", &large, &large, &large, &large, &large] {
        hub.keep_for_test("dev-1", NOW, body.as_bytes());
    }
    hub.keep_for_test("dev-1", NOW, &[0xff, 0]);
    let get = |query: &str| {
        let line = format!("GET /admin/hubs/one.test/devices/dev-1/messages{query}");
        let (status, told) = ask(&service, &line, "");
        assert_eq!((status, &told["telemetryCount"]), (200, &json!(8)));
        told["messages"].as_array().unwrap().clone()
    };
    let first = get("?limit=2");
    assert_eq!(
        first[0],
        json!({"sequence": 1, "enqueuedTimeUtc": "2026-09-21T14:13:20.0000000Z",
            "properties": {}, "body": "a"})
    );
    assert_eq!((first.len(), &first[1]["body"]), (2, &json!("\u{e9}")));
    assert_eq!(get("").len(), 6, "an answer has about 1 MB");
    let last = get("?after=7&waitSeconds=30");
    assert_eq!((last.len(), &last[0]["bodyBase64"]), (1, &json!("/wA=")));
    assert!(get("?after=8&waitSeconds=30").is_empty());
}

#[test]
fn events_tell_what_became_of_a_registration_and_hold_no_secret() {
    let service = service(&grouped(""));
    register(&service, "dev-1");
    let device =
        DeviceIdentity::new(service.id_scope().to_owned(), RegistrationId::new("dev-2").unwrap());
    let bad = format!(
        "SharedAccessSignature sr={}/registrations/dev-2&sig=c2VjcmV0&se=9999999999",
        service.id_scope()
    );
    let payload = br#"{"registrationId":"dev-2","payload":{"very":"private"}}"#;
    let reply = service.register(&device, &Credentials::sas_token(bad), payload, NOW);
    assert_eq!(reply.status, 401);
    let (_, told) = ask(&service, "GET /admin/events", "");
    let events = told["events"].as_array().unwrap();
    assert_eq!(told["last"], 3);
    assert_eq!(
        events[..],
        [
            json!({"number": 1, "timeUtc": "2026-09-21T14:13:20.0000000Z",
                "kind": "registrationRequested", "registrationId": "dev-1"}),
            json!({"number": 2, "timeUtc": "2026-09-21T14:13:20.0000000Z",
                "kind": "registrationAssigned", "registrationId": "dev-1", "hub": "one.test",
                "deviceId": "dev-1", "reason": "initialAssignment"}),
            json!({"number": 3, "timeUtc": "2026-09-21T14:13:20.0000000Z",
                "kind": "requestRefused", "registrationId": "dev-2", "status": 401,
                "errorCode": 401_000,
                "reason": "no key of the enrollment gives the SAS token's signature"}),
        ]
    );
    let (_, told) = ask(&service, "GET /admin/events?after=2", "");
    assert_eq!(told["events"].as_array().unwrap().len(), 1);
    assert!(!service.admits(&device, &Credentials::None, NOW));
    let (_, told) = ask(&service, "GET /admin/events?after=3", "");
    assert_eq!(told["events"][0]["kind"], "connectionRefused");
    assert_eq!(told["events"][0]["reason"], "the request has no SAS token");
    for query in ["after=x", "waitSeconds=31", "waitSeconds=-1", "limit=1001"] {
        let (status, _) = ask(&service, &format!("GET /admin/events?{query}"), "");
        assert_eq!(status, 400, "{query}");
    }
}

fn path(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("dps-admin-{}-{name}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    std::fs::create_dir_all(&folder).unwrap();
    folder.join("state.db")
}

fn open(path: &Path, yaml: &str) -> Service {
    let mut config = EmulatorConfig::from_yaml(yaml).unwrap();
    config.state_file = Some(path.to_owned());
    Service::open(&config, Random::from_os().unwrap(), NOW).unwrap()
}

#[test]
fn a_device_that_is_deleted_from_its_hub_is_a_new_one_when_it_registers_again() {
    let path = path("deleted");
    let yaml = grouped(", initialTwin: {tags: {line: 7}}");
    let service = open(&path, &yaml);
    // The store writes on its own thread; a device is told only afterwards.
    for id in ["dev-1", "dev-2"] {
        while register(&service, id)["assignedHub"] != "one.test" {
            std::thread::sleep(Duration::from_millis(1));
        }
    }
    let device = "/admin/hubs/one.test/devices/dev-1";
    ask(&service, &format!("PATCH {device}/twin"), r#"{"tags":{"line":8}}"#);
    assert_eq!(ask(&service, &format!("DELETE {device}"), "").0, 204);
    assert_eq!(ask(&service, &format!("DELETE {device}"), "").1["errorCode"], 404_201);
    drop(service);

    let service = open(&path, &yaml);
    assert_eq!(ask(&service, &format!("GET {device}"), "").0, 404);
    assert_eq!(ask(&service, "GET /admin/hubs/one.test/devices/dev-2", "").0, 200);
    let mut again = register(&service, "dev-1");
    while again["status"] == "assigning" {
        std::thread::sleep(Duration::from_millis(1));
        again = register(&service, "dev-1");
    }
    assert_eq!(again["assignedHub"], "one.test");
    let (_, told) = ask(&service, &format!("GET {device}"), "");
    assert_eq!(told["twin"]["tags"], json!({"line": 7}), "nothing is left of the twin before");
}

#[test]
fn what_was_linked_unlinked_and_patched_is_so_after_a_restart() {
    let path = path("restart");
    let yaml = grouped("");
    let service = open(&path, &yaml);
    let first_token = service.page_token().to_owned();
    let weighty = r#"{"allocationWeight":9,"region":"westus2"}"#;
    ask(&service, "PUT /admin/hubs/two.test", weighty);
    ask(&service, "PUT /admin/hubs/gone.test", "");
    ask(&service, "DELETE /admin/hubs/gone.test", "");
    ask(&service, "DELETE /admin/hubs/one.test", "");
    // The store writes on its own thread; a device is told only afterwards.
    while register(&service, "dev-1")["assignedHub"] != "two.test" {
        std::thread::sleep(Duration::from_millis(1));
    }
    let patch = r#"{"tags":{"line":7},"properties":{"desired":{"interval":5}}}"#;
    let line = "PATCH /admin/hubs/two.test/devices/dev-1/twin";
    assert_eq!(ask(&service, line, patch).0, 200);
    drop(service);

    let service = open(&path, &yaml);
    assert_ne!(service.page_token(), first_token, "each start has its own");
    assert_eq!(service.hubs(), ["two.test"]);
    let (_, told) = ask(&service, "GET /admin/hubs/two.test", "");
    assert_eq!((&told["allocationWeight"], &told["region"]), (&json!(9), &json!("westus2")));
    let (_, told) = ask(&service, "GET /admin/hubs/two.test/devices/dev-1", "");
    assert_eq!(told["twin"]["tags"], json!({"line": 7}));
    assert_eq!(told["twin"]["properties"]["desired"]["interval"], 5);
    // A hub of the configuration comes back when it is linked again, and stays.
    ask(&service, "PUT /admin/hubs/one.test", r#"{"region":"eastus"}"#);
    ask(&service, "PUT /admin/hubs/one.test", r#"{"region":null}"#);
    ask(&service, "DELETE /admin/hubs/two.test", "");
    drop(service);
    let service = open(&path, &yaml);
    assert_eq!(service.hubs(), ["one.test"]);
    assert_eq!(ask(&service, "GET /admin/hubs/one.test", "").1.get("region"), None);
    assert_eq!(names(&service), ["one.test", "two.test"], "it has a device yet");
}
