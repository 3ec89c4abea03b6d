//! Devices that register again, and webhooks that choose (`wire-protocol.md` sections 7.5, 7.6).

use super::super::api::tests::call_as;
use super::*;
use crate::config::HubConfig;
use crate::hub::Hub;
use serde_json::json;

/// The devices of group `line-2` get whatever hub its document names.
struct Line {
    service: Service,
    version: u64,
}

impl Line {
    fn new() -> Self {
        let mut config = EmulatorConfig::from_yaml(
            "{enrollments: [], hubs: [one.test, two.test], assignmentDelaySeconds: 0}",
        )
        .unwrap();
        config.hubs.push(HubConfig::new("three.test"));
        let service = Service::new(&config, Random::from_seed([9; 32])).unwrap();
        Self { service, version: 0 }
    }

    /// Puts an enrollment group in place of the one before.
    fn put(&mut self, mut members: Value) {
        members["attestation"] = json!({
            "type": "symmetricKey",
            "symmetricKey": {"primaryKey": GROUP_1, "secondaryKey": GROUP_2},
        });
        self.version += 1;
        let connection = self.service.connection_string("x.test");
        let body = members.to_string();
        let answer = call_as(
            &self.service,
            &connection,
            "PUT",
            "/enrollmentGroups/line",
            (self.version > 1).then_some("*"),
            &body,
        );
        assert_eq!(answer.status, 200, "{answer:?}");
    }

    fn register(&self) -> Value {
        self.register_with("")
    }

    fn register_with(&self, body: &str) -> Value {
        let operation = self.begin(body);
        self.poll(&operation)
    }

    fn begin(&self, body: &str) -> String {
        let (id, with) = (device("sn-1"), token("sn-1", &derived(GROUP_1, "sn-1")));
        let reply = self.service.register(&id, &with, body.as_bytes(), NOW);
        assert_eq!(reply.status, 202, "{}", reply.body);
        json(&reply)["operationId"].as_str().unwrap().to_owned()
    }

    fn poll(&self, operation: &str) -> Value {
        let (id, with) = (device("sn-1"), token("sn-1", &derived(GROUP_1, "sn-1")));
        json(&self.service.poll(&id, &with, operation, NOW))
    }

    fn tags(&self, hub: &str) -> Option<Value> {
        let device = self.service.hub_device(hub, "sn-1")?;
        Some(device.twin.tags.map_or(Value::Null, Value::Object))
    }
}

#[track_caller]
fn assert_in(reply: &Value, hub: &str, substatus: &str) {
    let state = &reply["registrationState"];
    assert_eq!((&state["assignedHub"], &state["substatus"]), (&json!(hub), &json!(substatus)));
}

fn tagged(tag: &str) -> Value {
    json!({"tags": {"line": tag}, "properties": {"desired": {"n": 1}}})
}

#[test]
fn a_first_registration_makes_an_identity_with_the_initial_twin() {
    let mut line = Line::new();
    line.put(json!({"iotHubs": ["one.test"], "initialTwin": tagged("a"),
        "capabilities": {"iotEdge": true}}));
    assert_in(&line.register(), "one.test", "initialAssignment");
    let device = line.service.hub_device("ONE.test", "sn-1").unwrap();
    assert_eq!(serde_json::to_value(&device.twin).unwrap(), tagged("a"));
    assert!(device.capabilities.iot_edge);
    assert_eq!((device.registration_id.as_str(), device.created), ("sn-1", NOW));
}

#[test]
fn to_another_hub_a_twin_is_migrated_or_reset_as_the_policy_says() {
    for (migrates, substatus, tags) in
        [(true, "deviceDataMigrated", "a"), (false, "deviceDataReset", "b")]
    {
        let mut line = Line::new();
        line.put(json!({"iotHubs": ["one.test"], "initialTwin": tagged("a")}));
        line.register();
        let hub = |name| Hub::new(line.service.iot_hubs(), name).unwrap();
        let (one, two) = (hub("one.test"), hub("two.test"));
        one.update_desired("sn-1", &json!({"n": 7})).unwrap();
        line.put(json!({"iotHubs": ["two.test"], "initialTwin": tagged("b"),
            "reprovisionPolicy": {"updateHubAssignment": true, "migrateDeviceData": migrates}}));
        assert_in(&line.register(), "two.test", substatus);
        assert_eq!(line.tags("two.test"), Some(json!({"line": tags})));
        assert_eq!(line.tags("one.test"), None, "removed from the old hub");
        // The same where devices connect, with what has changed there.
        assert_eq!((one.devices().len(), two.devices().len()), (0, 1));
        let twin = two.twin("sn-1").unwrap();
        let n = if migrates { 7 } else { 1 };
        assert_eq!((&twin.tags["line"], &twin.desired["n"]), (&json!(tags), &json!(n)));
        // Once more to the same hub: nothing happens to it.
        assert_in(&line.register(), "two.test", "initialAssignment");
        assert_eq!(line.tags("two.test"), Some(json!({"line": tags})));
    }
}

#[test]
fn without_updating_the_assignment_a_device_stays_where_it_is() {
    let mut line = Line::new();
    line.put(json!({"iotHubs": ["one.test"]}));
    line.register();
    line.put(json!({"iotHubs": ["two.test"], "reprovisionPolicy": {"updateHubAssignment": false}}));
    assert_in(&line.register(), "one.test", "initialAssignment");
}

#[test]
fn an_identity_that_somebody_removed_is_made_again() {
    let mut line = Line::new();
    line.put(json!({"iotHubs": ["one.test"], "initialTwin": tagged("a")}));
    line.register();
    line.service.state().devices.remove("one.test", "sn-1").unwrap();
    assert_in(&line.register(), "one.test", "reprovisionedToInitialAssignment");
    assert_eq!(line.tags("one.test"), Some(json!({"line": "a"})));
}

#[test]
fn a_device_whose_registration_was_forgotten_has_one_twin_and_not_two() {
    let mut line = Line::new();
    line.put(json!({"iotHubs": ["one.test"], "initialTwin": tagged("a")}));
    line.register();
    line.put(json!({"iotHubs": ["one.test"], "initialTwin": tagged("b")}));
    let policy = line.service.connection_string("x.test");
    let forgotten = call_as(&line.service, &policy, "DELETE", "/registrations/sn-1", None, "");
    assert_eq!(forgotten.status, 204, "{forgotten:?}");
    assert_in(&line.register(), "one.test", "initialAssignment");
    let hub = Hub::new(line.service.iot_hubs(), "one.test").unwrap();
    assert_eq!(hub.twin("sn-1").unwrap().tags["line"], "a");
    // What a state file keeps, and the next service begins with.
    assert_eq!(line.tags("one.test"), Some(json!({"line": "a"})));
}

fn custom() -> Value {
    json!({
        "allocationPolicy": "custom",
        "iotHubs": ["one.test", "two.test"],
        "initialTwin": tagged("a"),
        "customAllocationDefinition":
            {"webhookUrl": "https://allocate.test/api?code=k3y", "apiVersion": "2019-03-31"},
    })
}

fn answered(status: u16, body: &Value) -> WebhookAnswer {
    WebhookAnswer::Response { status, body: body.to_string().into_bytes() }
}

#[test]
fn a_webhook_is_asked_as_documented_and_its_answer_counts() {
    let mut line = Line::new();
    line.put(custom());
    let operation = line.begin(r#"{"registrationId":"sn-1","payload":{"size":1.50}}"#);
    assert_eq!(line.poll(&operation)["status"], "assigning");
    let call = line.service.next_webhook_call().unwrap();
    assert_eq!(call.url, "https://allocate.test/api?code=k3y");
    let asked: Value = serde_json::from_str(&call.body).unwrap();
    let group = &asked["enrollmentGroup"];
    assert_eq!(group["attestation"], json!({"type": "symmetricKey"}), "no keys");
    assert_eq!(group["enrollmentGroupId"], "line");
    let etag = group["etag"].as_str().unwrap();
    assert!(etag.starts_with('"') && etag.ends_with('"') && etag.len() == 38, "{etag}");
    assert!(asked.get("individualEnrollment").is_none());
    assert_eq!(asked["linkedHubs"], json!(["one.test", "two.test"]));
    let context = json!({"registrationId": "sn-1", "symmetricKey": {}, "payload": {"size": 1.5}});
    assert_eq!(asked["deviceRuntimeContext"], context);
    assert!(call.body.contains("1.50"), "the payload as it came");
    let shown = format!("{call:?}");
    assert!(!shown.contains("size") && !shown.contains("k3y"), "and not in logs: {shown}");

    let answer = answered(
        200,
        &json!({"iotHubHostName": "TWO.test",
        "initialTwin": {"tags": {"line": "hook"}}, "payload": {"welcome": true}}),
    );
    line.service.answer_webhook_call(&call.call_id, &answer, NOW);
    let done = line.poll(&operation);
    assert_in(&done, "two.test", "initialAssignment");
    assert_eq!(done["registrationState"]["payload"], json!({"welcome": true}));
    assert_eq!(line.tags("two.test"), Some(json!({"line": "hook"})));
    assert!(line.service.next_webhook_call().is_none());

    // The second time it is told where the device is; its twin goes before migration.
    let operation = line.begin("");
    let call = line.service.next_webhook_call().unwrap();
    let asked: Value = serde_json::from_str(&call.body).unwrap();
    let context = &asked["deviceRuntimeContext"];
    assert_eq!(context["currentIotHubHostName"], "two.test");
    assert_eq!(context["currentDeviceId"], "sn-1");
    let answer = answered(200, &json!({"iotHubHostName": "one.test", "initialTwin": tagged("z")}));
    line.service.answer_webhook_call(&call.call_id, &answer, NOW);
    assert_in(&line.poll(&operation), "one.test", "deviceDataReset");
    assert_eq!(line.tags("one.test"), Some(json!({"line": "z"})));
}

#[test]
fn each_failure_of_a_webhook_ends_the_registration_with_its_code() {
    let mut line = Line::new();
    line.put(custom());
    for (answer, code, words) in [
        (answered(400, &json!({})), 400_207, "status code: 400"),
        (answered(500, &json!("x")), 400_207, "status code: 500"),
        (answered(302, &json!({})), 400_207, "status code: 302"),
        (answered(200, &json!([1])), 400_207, "not JSON of the expected form"),
        (WebhookAnswer::TimedOut, 400_207, "in time"),
        (WebhookAnswer::Unreachable, 400_207, "reached"),
        (answered(200, &json!({})), 400_208, "No IoT hub"),
        (answered(200, &json!({"iotHubHostName": ""})), 400_208, "No IoT hub"),
        (answered(200, &json!({"iotHubHostName": "three.test"})), 400_209, "IotHubUnauthorized"),
    ] {
        let operation = line.begin("");
        let call = line.service.next_webhook_call().unwrap();
        line.service.answer_webhook_call(&call.call_id, &answer, NOW);
        let done = line.poll(&operation);
        let state = &done["registrationState"];
        assert_eq!((&done["status"], &state["errorCode"]), (&json!("failed"), &json!(code)));
        assert!(state["errorMessage"].as_str().unwrap().contains(words), "{state}");
    }
    // What nobody waits for changes nothing.
    let answer = answered(200, &json!({"iotHubHostName": "one.test"}));
    line.service.answer_webhook_call("gone", &answer, NOW);
    assert_eq!(line.service.registrations(NOW)[0].status, RegistrationStatus::Failed);
}

#[test]
fn a_device_waits_for_one_webhook_at_a_time_however_often_it_asks() {
    let mut line = Line::new();
    line.put(custom());
    let operation = line.begin("");
    for _ in 0..5 {
        assert_eq!(line.begin(""), operation);
    }
    let call = line.service.next_webhook_call().unwrap();
    assert!(line.service.next_webhook_call().is_none());
    let answer = answered(200, &json!({"iotHubHostName": "two.test"}));
    line.service.answer_webhook_call(&call.call_id, &answer, NOW);
    assert_eq!(line.poll(&operation)["status"], "assigned");
    assert_ne!(line.begin(""), operation, "the next one is another");
    assert!(line.service.next_webhook_call().is_some());
}

#[test]
fn an_answer_to_an_operation_that_made_room_decides_nothing() {
    let mut line = Line::new();
    line.put(custom());
    line.begin("");
    let old = line.service.next_webhook_call().unwrap();
    line.service.state().operations = Operations::default();
    let operation = line.begin("");
    let new = line.service.next_webhook_call().unwrap();
    for (call, hub) in [(new, "two.test"), (old, "one.test")] {
        let answer = answered(200, &json!({"iotHubHostName": hub}));
        line.service.answer_webhook_call(&call.call_id, &answer, NOW);
    }
    assert_in(&line.poll(&operation), "two.test", "initialAssignment");
    assert_eq!(line.service.registrations(NOW)[0].assigned_hub.as_deref(), Some("two.test"));
    assert!(line.service.state().waiting.is_empty());
}

/// Many rounds of what would be decided by chance, if it were.
#[test]
fn nobody_gets_in_by_an_enrollment_whose_deletion_was_told() {
    let service = service();
    let with = token("sn-1", &derived(GROUP_1, "sn-1"));
    let policy = service.connection_string("x.test");
    let body = json!({"attestation": {"type": "symmetricKey",
        "symmetricKey": {"primaryKey": GROUP_1, "secondaryKey": GROUP_2}}});
    for _ in 0..300 {
        std::thread::scope(|scope| {
            for _ in 0..2 {
                scope.spawn(|| {
                    while service.register(&device("sn-1"), &with, b"", NOW).status == 202 {}
                });
            }
            let path = "/enrollmentGroups/line-2";
            assert_eq!(call_as(&service, &policy, "DELETE", path, Some("*"), "").status, 204);
            let etag = |state: MutexGuard<'_, State>| {
                state.records.all().map(|record| record.etag.clone()).collect::<Vec<_>>()
            };
            let told = etag(service.state());
            std::thread::sleep(Duration::from_micros(300));
            assert_eq!(etag(service.state()), told);
        });
        let made =
            call_as(&service, &policy, "PUT", "/enrollmentGroups/line-2", None, &body.to_string());
        assert_eq!(made.status, 200, "{made:?}");
    }
}

#[test]
fn an_enrollment_that_changes_while_its_webhook_is_asked_lets_nobody_in() {
    let answer = answered(200, &json!({"iotHubHostName": "two.test"}));
    for change in ["disable", "rekey", "delete"] {
        let mut line = Line::new();
        line.put(custom());
        line.begin("");
        let call = line.service.next_webhook_call().unwrap();
        let policy = line.service.connection_string("x.test");
        let key = if change == "rekey" { KEY_1 } else { GROUP_1 };
        let mut changed = custom();
        changed["attestation"] = json!({"type": "symmetricKey",
            "symmetricKey": {"primaryKey": key, "secondaryKey": GROUP_2}});
        let status = if change == "disable" { "disabled" } else { "enabled" };
        changed["provisioningStatus"] = json!(status);
        let method = if change == "delete" { "DELETE" } else { "PUT" };
        let (path, body) = ("/enrollmentGroups/line", changed.to_string());
        let done = call_as(&line.service, &policy, method, path, Some("*"), &body);
        assert!(done.status < 300, "{done:?}");
        line.service.answer_webhook_call(&call.call_id, &answer, NOW);
        let record = &line.service.registrations(NOW + SECOND)[0];
        assert_eq!(record.status, RegistrationStatus::Failed, "{change}");
        assert_eq!((record.error_code, &record.assigned_hub), (Some(401_002), &None));
        assert!(line.service.hub_device("two.test", "sn-1").is_none());
    }
}

#[test]
fn a_device_that_is_refused_once_is_still_where_it_was() {
    let mut line = Line::new();
    line.put(json!({"iotHubs": ["one.test"], "initialTwin": tagged("a")}));
    line.register();
    line.put(custom());
    let operation = line.begin("");
    let call = line.service.next_webhook_call().unwrap();
    line.service.answer_webhook_call(&call.call_id, &WebhookAnswer::TimedOut, NOW);
    let state = &line.poll(&operation)["registrationState"];
    assert_eq!((state.get("assignedHub"), state.get("deviceId")), (None, None));
    line.put(json!({"iotHubs": ["two.test"]}));
    assert_in(&line.register(), "two.test", "deviceDataMigrated");
    assert_eq!(line.tags("one.test"), None);
}

#[test]
fn an_enrollment_of_the_first_versions_keeps_its_devices_where_they_are() {
    let mut line = Line::new();
    let connection = line.service.connection_string("x.test");
    let body = |hub: &str| {
        json!({"iotHubs": [hub], "attestation": {"type": "symmetricKey",
            "symmetricKey": {"primaryKey": GROUP_1, "secondaryKey": GROUP_2}}})
        .to_string()
    };
    for (hub, etag) in [("one.test", None), ("two.test", Some("*"))] {
        let answer = super::super::api::tests::call_version(
            &line.service,
            &connection,
            "2018-04-01",
            "PUT",
            "/enrollmentGroups/line",
            etag,
            &body(hub),
        );
        assert_eq!(answer.status, 200);
        assert_in(&line.register(), "one.test", "initialAssignment");
    }
    line.version = 1;
    line.put(json!({"iotHubs": ["two.test"]}));
    assert_in(&line.register(), "two.test", "deviceDataMigrated");
}

#[test]
fn a_device_that_moves_leaves_alone_who_has_taken_its_device_id() {
    let mut config = EmulatorConfig::from_yaml(
        "{enrollments: [], hubs: [one.test, two.test], assignmentDelaySeconds: 0}",
    )
    .unwrap();
    for id in ["first", "second"] {
        let mut item =
            crate::config::IndividualEnrollmentConfig::new(RegistrationId::new(id).unwrap());
        item.device_id = Some("pump".into());
        item.iot_hubs = vec!["one.test".into()];
        let (one, two) = if id == "first" { (KEY_1, KEY_2) } else { (GROUP_1, GROUP_2) };
        item.attestation = crate::config::AttestationConfig::with_keys(key(one), key(two));
        config.enrollments.push(item);
    }
    let service = Service::new(&config, Random::from_seed([9; 32])).unwrap();
    provision(&service, "first", &token("first", &key(KEY_1)), NOW);
    provision(&service, "second", &token("second", &key(GROUP_1)), NOW);
    let policy = service.connection_string("x.test");
    let moved = json!({"deviceId": "pump", "iotHubs": ["two.test"],
        "attestation": {"type": "symmetricKey"}});
    let answer =
        call_as(&service, &policy, "PUT", "/enrollments/first", Some("*"), &moved.to_string());
    assert_eq!(answer.status, 200, "{answer:?}");
    let done = provision(&service, "first", &token("first", &key(KEY_1)), NOW);
    assert_in(&done, "two.test", "deviceDataReset");

    let left = service.hub_device("one.test", "pump").map(|device| device.registration_id);
    assert_eq!(left.as_deref(), Some("second"));
    let with = |hub: &str, text: &str| hub_token(hub, "pump", &key(text));
    let hubs = service.iot_hubs();
    assert!(hubs.takes("one.test", "pump", &with("one.test", GROUP_1), NOW));
    assert!(hubs.takes("two.test", "pump", &with("two.test", KEY_1), NOW));
}

#[test]
fn a_device_that_asks_with_something_else_is_asked_about_anew() {
    let mut line = Line::new();
    line.put(custom());
    let operation = line.begin(r#"{"payload":{"size":1}}"#);
    let first = line.service.next_webhook_call().unwrap();
    assert_eq!(line.begin(r#"{"payload":{"size":1}}"#), operation);
    assert!(line.service.next_webhook_call().is_none(), "the same question is under way");

    // Not yet called, and never will be.
    assert_eq!(line.begin(r#"{"payload":{"size":2}}"#), operation);
    assert_eq!(line.begin(r#"{"payload":{"size":3}}"#), operation, "it polls one operation");
    let last = line.service.next_webhook_call().unwrap();
    assert!(line.service.next_webhook_call().is_none());
    let asked: Value = serde_json::from_str(&last.body).unwrap();
    assert_eq!(asked["deviceRuntimeContext"]["payload"], json!({"size": 3}));

    let answer = |hub: &str| answered(200, &json!({"iotHubHostName": hub}));
    line.service.answer_webhook_call(&first.call_id, &answer("one.test"), NOW);
    assert_eq!(line.poll(&operation)["status"], "assigning", "an answer to an old question");
    line.service.answer_webhook_call(&last.call_id, &answer("two.test"), NOW);
    assert_in(&line.poll(&operation), "two.test", "initialAssignment");
}

#[test]
fn a_device_whose_hub_needs_no_asking_any_more_waits_for_no_webhook() {
    let mut line = Line::new();
    line.put(custom());
    let operation = line.begin("");
    let call = line.service.next_webhook_call().unwrap();
    line.put(json!({"iotHubs": ["one.test"]}));
    assert_eq!(line.begin(""), operation);
    assert_in(&line.poll(&operation), "one.test", "initialAssignment");
    let answer = answered(200, &json!({"iotHubHostName": "two.test"}));
    line.service.answer_webhook_call(&call.call_id, &answer, NOW);
    assert_in(&line.poll(&operation), "one.test", "initialAssignment");
}

#[test]
fn when_too_many_devices_wait_for_webhooks_the_next_is_put_off() {
    let mut line = Line::new();
    line.put(custom());
    let ask = |name: &str| {
        let with = token(name, &derived(GROUP_1, name));
        line.service.register(&device(name), &with, b"", NOW)
    };
    for number in 0..MOST_WAITING {
        assert_eq!(ask(&format!("many-{number}")).status, 202);
    }
    let refused = ask("one-more");
    assert_eq!((refused.status, refused.retry_after), (429, Some(2)), "{}", refused.body);
    assert_eq!(json(&refused)["errorCode"], 429_000);
    assert_eq!(ask("many-7").status, 202, "who waits already may ask again");
    let call = line.service.next_webhook_call().unwrap();
    let answer = answered(200, &json!({"iotHubHostName": "two.test"}));
    line.service.answer_webhook_call(&call.call_id, &answer, NOW);
    assert_eq!(ask("one-more").status, 202, "there is room again");
}

#[test]
fn no_text_for_people_shows_a_webhooks_secrets() {
    let url = "https://user:pa55@allocate.test:8443/api?code=k3y#fr4g";
    let mut line = Line::new();
    let mut document = custom();
    document["customAllocationDefinition"]["webhookUrl"] = json!(url);
    line.put(document);
    line.begin("");
    let call = line.service.next_webhook_call().unwrap();
    assert_eq!(call.place(), "https://allocate.test:8443/api");
    let group = line.service.groups().pop().unwrap();
    for shown in [format!("{call:?}"), format!("{group:?}"), format!("{:?}", group.placement)] {
        assert!(shown.contains("allocate.test:8443/api"), "{shown}");
        for secret in ["user", "pa55", "k3y", "fr4g"] {
            assert!(!shown.contains(secret), "{secret}: {shown}");
        }
    }
}

#[test]
fn members_of_a_webhooks_answer_that_are_not_known_change_nothing() {
    let mut line = Line::new();
    line.put(custom());
    let operation = line.begin("");
    let call = line.service.next_webhook_call().unwrap();
    let answer = answered(
        200,
        &json!({"iotHubHostName": "two.test", "iotHubHostname": "x", "initialTwin":
            {"tags": {"line": "t"}, "version": 3, "properties": {"reported": {}, "desired": {}}}}),
    );
    line.service.answer_webhook_call(&call.call_id, &answer, NOW);
    assert_in(&line.poll(&operation), "two.test", "initialAssignment");
    assert_eq!(line.tags("two.test"), Some(json!({"line": "t"})));
}
