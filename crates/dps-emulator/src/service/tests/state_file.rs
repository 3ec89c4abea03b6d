//! A service that finds what an earlier one has left.

use super::super::api::tests::call_as;
use super::*;
use crate::store::StoreError;
use serde_json::json;
use std::fs;
use std::path::PathBuf;

fn path(name: &str) -> PathBuf {
    let folder = std::env::temp_dir().join(format!("dps-service-{}-{name}", std::process::id()));
    let _ = fs::remove_dir_all(&folder);
    fs::create_dir_all(&folder).unwrap();
    folder.join("state.db")
}

fn open(path: &std::path::Path, yaml: &str) -> Result<Service, OpenError> {
    let mut config = EmulatorConfig::from_yaml(yaml).unwrap();
    config.state_file = Some(path.to_owned());
    Service::open(&config, Random::from_os().unwrap(), NOW)
}

#[tokio::test]
async fn everything_is_there_again() {
    let path = path("again");
    let yaml = "{enrollments: [{registrationId: seed}], hubs: [one.test, two.test]}";
    let service = open(&path, yaml).unwrap();
    let connection = service.connection_string("x.test");
    let document = json!({
        "registrationId": "Dev1", "deviceId": "line-1", "iotHubs": ["two.test"],
        "attestation": {"type": "symmetricKey"}, "provisioningStatus": "enabled",
        "initialTwin": {"tags": {"a": [1, {"b": null}]}}, "capabilities": {"iotEdge": true},
        "optionalDeviceInformation": {"made": "here"},
    });
    let answer =
        call_as(&service, &connection, "PUT", "/enrollments/Dev1", None, &document.to_string());
    assert_eq!(service.kept(answer, NOW).await.status, 200);
    let keys = service.enrollments()[0].symmetric_keys().unwrap().clone();
    let with = token("dev1", &keys.secondary);
    let reply = service.register(&device("dev1"), &with, b"", NOW);
    let operation = json(&reply)["operationId"].as_str().unwrap().to_owned();
    let done = loop {
        let reply = service.poll(&device("dev1"), &with, &operation, NOW + SECOND);
        if reply.status == 200 {
            break json(&reply);
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    };
    let get = |service: &Service| {
        call_as(service, &connection, "GET", "/enrollments/dev1", None, "").body.unwrap()
    };
    let before = get(&service);
    let mechanism = |service: &Service| {
        let path = "/enrollments/dev1/attestationmechanism";
        call_as(service, &connection, "POST", path, None, "").body.unwrap()
    };
    let keys_before = mechanism(&service);
    let identity = service.hub_device("two.test", "line-1").unwrap();
    drop(service);

    // The configuration's enrollments are for new files only; its hubs and settings are for all.
    let service =
        open(&path, "{enrollments: [{registrationId: other}], hubs: [two.test]}").unwrap();
    let names: Vec<String> =
        service.enrollments().iter().map(|item| item.registration_id.to_string()).collect();
    assert_eq!(names, ["Dev1", "seed"]);
    assert_eq!(service.connection_string("x.test"), connection, "the policy's key, too");
    assert_eq!((get(&service), mechanism(&service)), (before, keys_before));
    assert_eq!(service.hub_device("two.test", "line-1"), Some(identity));
    let hub = crate::hub::Hub::new(service.iot_hubs(), "two.test").unwrap();
    assert_eq!(hub.twin("line-1").unwrap().tags["a"], json!([1, {"b": null}]));
    let record = &service.registrations(NOW + SECOND)[0];
    assert_eq!(record.etag, done["registrationState"]["etag"]);
    assert_eq!(record.enrollment, EnrollmentRef::Individual(RegistrationId::new("Dev1").unwrap()));

    let answer = call_as(&service, &connection, "DELETE", "/registrations/dev1", None, "");
    assert_eq!(service.kept(answer, NOW).await.status, 204);
    let answer = call_as(&service, &connection, "DELETE", "/enrollments/seed", None, "");
    assert_eq!(service.kept(answer, NOW).await.status, 204);
    drop(service);
    let service = open(&path, yaml).unwrap();
    assert_eq!(service.enrollments().len(), 1, "what is deleted does not come back");
    assert!(service.registrations(NOW + SECOND).is_empty());
}

#[test]
fn a_hub_that_is_not_linked_any_more_is_no_hub() {
    let path = path("unlinked");
    let keys = format!("symmetricKey: {{primaryKey: {KEY_1}, secondaryKey: {KEY_2}}}");
    let yaml = format!(
        "{{hubs: [one.test, two.test], assignmentDelaySeconds: 0, enrollments: [{{registrationId: dev1, iotHubHostName: two.test, attestation: {{type: symmetricKey, {keys}}}}}]}}"
    );
    drop(open(&path, &yaml).unwrap());
    let service = open(&path, "{hubs: [one.test], assignmentDelaySeconds: 0}").unwrap();
    let with = token("dev1", &key(KEY_1));
    let reply = service.register(&device("dev1"), &with, b"", NOW);
    let operation = json(&reply)["operationId"].as_str().unwrap().to_owned();
    let done = loop {
        let reply = service.poll(&device("dev1"), &with, &operation, NOW);
        if reply.status == 200 {
            break json(&reply);
        }
        std::thread::sleep(Duration::from_millis(1));
    };
    assert_eq!(done["registrationState"]["errorCode"], 400_208);
}

#[test]
fn a_damaged_row_is_named() {
    let path = path("damaged");
    drop(open(&path, "{enrollments: [{registrationId: dev1}]}").unwrap());
    let connection = rusqlite::Connection::open(&path).unwrap();
    connection.execute("UPDATE enrollments SET document = '{}'", []).unwrap();
    drop(connection);
    let error = open(&path, "{}").unwrap_err();
    assert!(matches!(error, OpenError::Store(StoreError::Damaged { .. })));
    assert!(error.to_string().contains("enrollments \"dev1\" cannot be read"), "{error}");
}

#[test]
fn a_new_file_has_policies_and_enrollments_before_the_service_is_there() {
    let path = path("first");
    let service = open(&path, "{enrollments: [{registrationId: dev1}]}").unwrap();
    let copy = path.with_file_name("copy.db");
    for suffix in ["", "-wal"] {
        let from = format!("{}{suffix}", path.display());
        if std::path::Path::new(&from).exists() {
            fs::copy(&from, format!("{}{suffix}", copy.display())).unwrap();
        }
    }
    let connection = service.connection_string("x.test");
    let found = open(&copy, "{}").unwrap();
    assert_eq!(found.enrollments().len(), 1);
    assert_eq!(found.connection_string("x.test"), connection);
}

#[tokio::test]
async fn after_a_failed_write_nothing_changes_any_more() {
    let keys = format!("symmetricKey: {{primaryKey: {KEY_1}, secondaryKey: {KEY_2}}}");
    let yaml = format!(
        "{{enrollments: [{{registrationId: dev1, attestation: {{type: symmetricKey, {keys}}}}}]}}"
    );
    let mut service =
        Service::new(&EmulatorConfig::from_yaml(&yaml).unwrap(), Random::from_seed([9; 32]))
            .unwrap();
    let (file, _) = crate::store::File::open(&path("broken"), &[]).unwrap();
    file.break_for_test();
    service.store = Store::in_file(file).unwrap();
    let policy = service.connection_string("x.test");
    let call = |method, path| call_as(&service, &policy, method, path, None, "");
    let first = call("DELETE", "/enrollments/nobody");
    assert_eq!(first.status, 404);
    let put =
        json!({"registrationId": "dev2", "attestation": {"type": "symmetricKey"}}).to_string();
    let answer = call_as(&service, &policy, "PUT", "/enrollments/dev2", None, &put);
    assert_eq!(service.kept(answer, NOW).await.status, 500);

    assert_eq!(call("DELETE", "/enrollments/dev1").status, 500);
    assert_eq!(call("GET", "/enrollments/dev1").status, 500, "nobody knows what is kept");
    assert_eq!(call("GET", "/registrations/dev1").status, 500);
    let with = token("dev1", &key(KEY_1));
    assert_eq!(service.register(&device("dev1"), &with, b"", NOW).status, 500);
    assert_eq!(service.lookup(&device("dev1"), &with, b"", NOW).status, 500);
    assert!(service.registrations(NOW).is_empty());
}

const TWO_HUBS: &str = "{enrollments: [], hubs: [one.test, two.test], assignmentDelaySeconds: 0}";

/// Registers a device of a group with the keys of `service_with`, and waits until that is kept.
fn assign(service: &Service, id: &str, with: &Credentials) -> Value {
    let reply = service.register(&device(id), with, b"", NOW);
    assert_eq!(reply.status, 202, "{}", reply.body);
    decided(service, id, with, &reply)
}

/// Waits until what was decided is kept.
fn decided(service: &Service, id: &str, with: &Credentials, accepted: &Reply) -> Value {
    let operation = json(accepted)["operationId"].as_str().unwrap().to_owned();
    loop {
        let reply = service.poll(&device(id), with, &operation, NOW + SECOND);
        if reply.status == 200 {
            return json(&reply)["registrationState"].clone();
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn manage(service: &Service, method: &str, path: &str, body: &Value) {
    let policy = service.connection_string("x.test");
    let body = if body.is_null() { String::new() } else { body.to_string() };
    let answer = call_as(service, &policy, method, path, None, &body);
    assert!(answer.status < 300, "{method} {path}: {answer:?}");
    while service.store.durability(answer.ticket) == Durability::Underway {
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn group(id: &str) -> Value {
    json!({"enrollmentGroupId": id, "attestation": {"type": "symmetricKey",
        "symmetricKey": {"primaryKey": GROUP_1, "secondaryKey": GROUP_2}}})
}

#[test]
fn a_hub_knows_its_devices_again_whatever_became_of_their_enrollments() {
    let path = path("identities");
    let service = open(&path, TWO_HUBS).unwrap();
    manage(&service, "PUT", "/enrollmentGroups/Line", &group("Line"));
    // Derived keys depend on the spelling, and the device has changed its own.
    let mut hub = String::new();
    for id in ["SN-1", "sn-1"] {
        let state = assign(&service, id, &token(id, &derived(GROUP_1, id)));
        assert_eq!(state["deviceId"], "SN-1");
        hub = state["assignedHub"].as_str().unwrap().to_owned();
    }
    let comes_in = |service: &Service, id: &str, group: &str| {
        let with = hub_token(&hub, "SN-1", &derived(group, id));
        service.iot_hubs().takes(&hub, "SN-1", &with, NOW)
    };
    let check = |service: &Service, step: &str| {
        assert!(comes_in(service, "sn-1", GROUP_1), "{step}");
        assert!(!comes_in(service, "SN-1", GROUP_1), "{step}: an earlier proof");
    };
    check(&service, "assigned");
    // A change of the twin is one of the same row.
    let twin = serde_json::from_value(json!({"tags": {"a": 1}})).unwrap();
    let change = service.state().devices.set_twin(&hub, "SN-1", twin, 7);
    service.store.append(change);
    drop(service);
    let service = open(&path, TWO_HUBS).unwrap();
    check(&service, "started again");
    let twin = crate::hub::Hub::new(service.iot_hubs(), &hub).unwrap().twin("SN-1").unwrap();
    assert_eq!((&twin.tags["a"], twin.desired_version), (&json!(1), 7));
    // The group is another one now, spelt in another way.
    manage(&service, "DELETE", "/enrollmentGroups/line", &Value::Null);
    let mut other = group("LINE");
    other["attestation"]["symmetricKey"]["primaryKey"] = json!(KEY_1);
    manage(&service, "PUT", "/enrollmentGroups/LINE", &other);
    drop(service);
    let service = open(&path, TWO_HUBS).unwrap();
    check(&service, "another group");
    assert!(!comes_in(&service, "sn-1", KEY_1), "it has not registered with that");
    manage(&service, "DELETE", "/registrations/sn-1", &Value::Null);
    manage(&service, "DELETE", "/enrollmentGroups/LINE", &Value::Null);
    check(&service, "neither record nor group");
    drop(service);
    check(&open(&path, TWO_HUBS).unwrap(), "neither record nor group, started again");
}

#[test]
fn identities_of_a_file_without_proofs_get_those_of_their_enrollments() {
    let path = path("old-identities");
    let service = open(&path, TWO_HUBS).unwrap();
    manage(&service, "PUT", "/enrollmentGroups/Line", &group("Line"));
    let state = assign(&service, "SN-1", &token("SN-1", &derived(GROUP_1, "SN-1")));
    let hub = state["assignedHub"].as_str().unwrap();
    drop(service);
    // As an earlier version has written it, for a group whose name was spelt otherwise.
    let connection = rusqlite::Connection::open(&path).unwrap();
    let changed = connection
        .execute(
            "UPDATE hub_devices SET key = lower(key), document = json_remove(document, '$.proof')",
            [],
        )
        .unwrap();
    assert_eq!(changed, 1);
    connection
        .execute("UPDATE registrations SET document = json_set(document, '$.group', 'line')", [])
        .unwrap();
    drop(connection);
    let service = open(&path, TWO_HUBS).unwrap();
    let with = hub_token(hub, "SN-1", &derived(GROUP_1, "SN-1"));
    assert!(service.iot_hubs().takes(hub, "SN-1", &with, NOW));
    drop(service);
    let keys: Vec<String> = rusqlite::Connection::open(&path)
        .unwrap()
        .prepare("SELECT key FROM hub_devices")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .map(Result::unwrap)
        .collect();
    assert_eq!(keys, [format!("{hub}/SN-1")], "once, and where it belongs");
}

#[test]
fn device_ids_that_differ_in_case_only_are_two_devices_after_a_restart_too() {
    let path = path("case");
    let service = open(&path, "{enrollments: [], hubs: [one.test], assignmentDelaySeconds: 0}");
    let service = service.unwrap();
    for (id, device_id, one) in [("first", "Pump", KEY_1), ("second", "pump", KEY_2)] {
        let body = json!({"deviceId": device_id, "attestation": {"type": "symmetricKey",
            "symmetricKey": {"primaryKey": one}}});
        manage(&service, "PUT", &format!("/enrollments/{id}"), &body);
        assert_eq!(assign(&service, id, &token(id, &key(one)))["deviceId"], device_id);
    }
    let check = |service: &Service| {
        for (device_id, one) in [("Pump", KEY_1), ("pump", KEY_2)] {
            let with = hub_token("one.test", device_id, &key(one));
            assert!(service.iot_hubs().takes("one.test", device_id, &with, NOW), "{device_id}");
        }
    };
    check(&service);
    drop(service);
    check(&open(&path, "{enrollments: [], hubs: [one.test]}").unwrap());
}

#[test]
fn certificates_are_proofs_that_outlive_the_service_too() {
    let authority = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let signer = params.self_signed(&authority).unwrap();
    for identity in [
        crate::hub::HubIdentity::Certificates(vec![
            crate::x509::Certificate::from_text(&signer.pem()).unwrap(),
        ]),
        crate::hub::HubIdentity::Authorities(vec![
            crate::x509::Certificate::from_text(&signer.pem()).unwrap(),
        ]),
    ] {
        let row = serde_json::to_string(&crate::hub::ProofRow::from(&identity)).unwrap();
        let read: crate::hub::ProofRow = serde_json::from_str(&row).unwrap();
        assert!(crate::hub::HubIdentity::try_from(read).unwrap().is_same(&identity));
    }
}

/// So many lists in each other.
fn lists(count: usize) -> Value {
    (1..count).fold(json!([]), |inner, _| json!([inner]))
}

#[test]
fn what_a_webhook_answers_is_readable_after_a_restart_however_deep_it_is() {
    let path = path("deep");
    let service = open(&path, TWO_HUBS).unwrap();
    let mut group = group("line");
    group["allocationPolicy"] = json!("custom");
    group["customAllocationDefinition"] = json!({"webhookUrl": "https://x.y/", "apiVersion": "1"});
    manage(&service, "PUT", "/enrollmentGroups/line", &group);
    let answered = |id: &str, levels: usize| {
        let with = token(id, &derived(GROUP_1, id));
        let reply = service.register(&device(id), &with, b"", NOW);
        assert_eq!(reply.status, 202, "{}", reply.body);
        let call = service.next_webhook_call().unwrap();
        let body = json!({"iotHubHostName": "one.test", "payload": lists(levels - 1),
            "initialTwin": {"tags": {"a": lists(levels - 3)}}});
        let body = body.to_string().into_bytes();
        let answer = WebhookAnswer::Response { status: 200, body };
        service.answer_webhook_call(&call.call_id, &answer, NOW);
        decided(&service, id, &with, &reply)
    };
    for levels in [101, 120, 127, 128, 500] {
        let state = answered("too-deep", levels);
        assert_eq!((&state["status"], &state["errorCode"]), (&json!("failed"), &json!(400_207)));
        let message = state["errorMessage"].as_str().unwrap();
        assert!(message.contains("more than 100 deep"), "{message}");
    }
    assert_eq!(answered("deep", 100)["payload"], lists(99));
    drop(service);
    let service = open(&path, TWO_HUBS).unwrap();
    let hub = crate::hub::Hub::new(service.iot_hubs(), "one.test").unwrap();
    assert_eq!(hub.devices(), ["deep"]);
    assert_eq!(hub.twin("deep").unwrap().tags["a"], lists(97));
}

#[test]
fn rows_that_an_earlier_version_wrote_deeper_are_read() {
    let path = path("deeper");
    let service = open(&path, TWO_HUBS).unwrap();
    manage(&service, "PUT", "/enrollmentGroups/line", &group("line"));
    let state = assign(&service, "sn-1", &token("sn-1", &derived(GROUP_1, "sn-1")));
    let hub = state["assignedHub"].as_str().unwrap();
    drop(service);
    let connection = rusqlite::Connection::open(&path).unwrap();
    for (table, place) in
        [("hub_devices", "$.twin.tags"), ("enrollment_groups", "$.document.initialTwin.tags")]
    {
        let deep = json!({"a": lists(150)}).to_string();
        // SQLite's own reader makes an object first, since the group has no twin yet.
        let twin = "json_set(document, '$.document.initialTwin', json('{}'))";
        let from = if table == "hub_devices" { "document" } else { twin };
        let sql = format!("UPDATE {table} SET document = json_set({from}, '{place}', json(?1))");
        assert_eq!(connection.execute(&sql, [&deep]).unwrap(), 1);
    }
    drop(connection);
    let service = open(&path, TWO_HUBS).unwrap();
    let found = crate::hub::Hub::new(service.iot_hubs(), hub).unwrap();
    assert_eq!(found.twin("sn-1").unwrap().tags["a"], lists(150));
    // Changes of such a row are written, too.
    let other = token("sn-2", &derived(GROUP_1, "sn-2"));
    let state = assign(&service, "sn-2", &other);
    let found = service.hub_device(state["assignedHub"].as_str().unwrap(), "sn-2").unwrap();
    assert_eq!(found.twin.tags.unwrap()["a"], lists(150));
    drop(service);
    open(&path, TWO_HUBS).unwrap();
}
