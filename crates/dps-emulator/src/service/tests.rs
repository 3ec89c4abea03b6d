mod durability;
mod reprovisioning;
mod state_file;

use super::*;
use crate::config::EmulatorConfig;
use crate::model::EnrollmentRef;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dps_core::wire::RegistrationStatus;
use dps_core::{RegistrationId, SymmetricKey};
use serde_json::Value;

const SCOPE: &str = "0ne00111111";
const NOW: Duration = Duration::from_secs(1_790_000_000);
const SECOND: Duration = Duration::from_secs(1);
/// Keys of `service`: the individual's and the group's.
const KEY_1: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
const KEY_2: &str = "ICEiIyQlJicoKSorLC0uLzAxMjM0NTY3ODk6Ozw9Pj8=";
const GROUP_1: &str = "QEFCQ0RFRkdISUpLTE1OT1BRUlNUVVZXWFlaW1xdXl8=";
const GROUP_2: &str = "YGFiY2RlZmdoaWprbG1ub3BxcnN0dXZ3eHl6e3x9fn8=";

fn service_with(extra: &str) -> Service {
    let keys = |one: &str, two: &str| {
        format!(
            "attestation: {{type: symmetricKey, symmetricKey: {{primaryKey: {one}, secondaryKey: {two}}}}}"
        )
    };
    let yaml = format!(
        "
hubs: [hub-1.localhost, hub-2.localhost]
enrollments:
  - registrationId: Dev1
    deviceId: line-1
    iotHubHostName: hub-2.localhost
    {single}
  - registrationId: off
    provisioningStatus: disabled
    {single}
enrollmentGroups:
  - enrollmentGroupId: line-off
    provisioningStatus: disabled
    {off}
  - enrollmentGroupId: line-2
    {group}
{extra}
",
        single = keys(KEY_1, KEY_2),
        off = keys(KEY_1, KEY_2),
        group = keys(GROUP_1, GROUP_2),
    );
    let config = EmulatorConfig::from_yaml(&yaml).unwrap();
    Service::new(&config, Random::from_seed([9; 32])).unwrap()
}

fn service() -> Service {
    service_with("")
}

fn device(id: &str) -> DeviceIdentity {
    DeviceIdentity::new(SCOPE, RegistrationId::new(id).unwrap())
}

fn key(text: &str) -> SymmetricKey {
    SymmetricKey::from_base64(text).unwrap()
}

fn derived(group: &str, id: &str) -> SymmetricKey {
    key(group).derive(&RegistrationId::new(id).unwrap())
}

/// A token in the style of the Java client.
fn token_until(id: &str, key: &SymmetricKey, expiry: Duration) -> Credentials {
    let (sr, se) = (format!("{SCOPE}/registrations/{id}"), expiry.as_secs());
    let sig = STANDARD.encode(key.hmac_sha256(format!("{sr}\n{se}").as_bytes()));
    let sig = sig.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    Credentials::sas_token(format!("SharedAccessSignature sr={sr}&sig={sig}&se={se}&skn="))
}

fn token(id: &str, key: &SymmetricKey) -> Credentials {
    token_until(id, key, NOW + 3600 * SECOND)
}

/// A device's token for its hub.
fn hub_token(hub: &str, device: &str, key: &SymmetricKey) -> Credentials {
    let (sr, se) = (format!("{hub}%2Fdevices%2F{device}"), (NOW + 3600 * SECOND).as_secs());
    let sig = STANDARD.encode(key.hmac_sha256(format!("{sr}\n{se}").as_bytes()));
    let sig = sig.replace('+', "%2B").replace('/', "%2F").replace('=', "%3D");
    Credentials::sas_token(format!("SharedAccessSignature sr={sr}&sig={sig}&se={se}"))
}

fn json(reply: &Reply) -> Value {
    serde_json::from_str(&reply.body).unwrap()
}

#[track_caller]
fn assert_error(reply: &Reply, status: u16, code: u64, message: &str) {
    let body = json(reply);
    assert_eq!((reply.status, body["errorCode"].as_u64()), (status, Some(code)), "{body}");
    assert_eq!(reply.retry_after, None);
    assert_eq!(body["message"], message);
    assert_eq!(body["trackingId"].as_str().unwrap().len(), 36);
    assert!(body["timestampUtc"].as_str().unwrap().ends_with('Z'));
    assert!(body.get("status").is_none(), "an error has no status: clients tell it by that");
}

/// Registers and polls to the end; gives the last reply's document.
fn provision(service: &Service, id: &str, credentials: &Credentials, now: Duration) -> Value {
    let reply = service.register(&device(id), credentials, b"", now);
    assert_eq!(reply.status, 202, "{}", reply.body);
    let operation = json(&reply)["operationId"].as_str().unwrap().to_owned();
    let reply = service.poll(&device(id), credentials, &operation, now + SECOND);
    assert_eq!((reply.status, reply.retry_after), (200, None), "{}", reply.body);
    json(&reply)
}

#[test]
fn an_individual_device_is_assigned_after_the_delay() {
    let service = service();
    let (id, with) = (device("dev1"), token("dev1", &key(KEY_1)));
    let reply = service.register(&id, &with, br#"{"registrationId":"dev1"}"#, NOW);
    assert_eq!((reply.status, reply.retry_after), (202, Some(2)));
    let body = json(&reply);
    assert_eq!(body["status"], "assigning");
    assert_eq!(body.as_object().unwrap().len(), 2, "operationId and status only: {body}");
    let operation = body["operationId"].as_str().unwrap();

    let early = service.poll(&id, &with, operation, NOW + SECOND / 2);
    assert_eq!((early.status, early.retry_after), (202, Some(2)));
    assert_eq!(
        json(&early),
        serde_json::json!({
            "operationId": operation,
            "status": "assigning",
            "registrationState": {"registrationId": "Dev1", "status": "assigning"},
        })
    );

    let done = service.poll(&id, &with, operation, NOW + SECOND);
    assert_eq!((done.status, done.retry_after), (200, None));
    let body = json(&done);
    assert_eq!(body["operationId"], operation);
    assert_eq!(body["status"], "assigned");
    let state = &body["registrationState"];
    assert_eq!(state["registrationId"], "Dev1", "in the case first stored");
    assert_eq!(state["deviceId"], "line-1");
    assert_eq!(state["assignedHub"], "hub-2.localhost");
    assert_eq!(state["status"], "assigned");
    assert_eq!(state["substatus"], "initialAssignment");
    assert_eq!(state["createdDateTimeUtc"], "2026-09-21T14:13:20.0000000Z");
    assert_eq!(state["lastUpdatedDateTimeUtc"], "2026-09-21T14:13:21.0000000Z");
    assert!(!state["etag"].as_str().unwrap().is_empty());
    assert!(state.get("symmetricKey").is_none(), "groups only");
    // It can be asked again, the whole time.
    assert_eq!(service.poll(&id, &with, operation, NOW + 60 * SECOND), done);
}

#[test]
fn either_key_of_an_enrollment_lets_in_and_no_other() {
    let service = service();
    for good in [KEY_1, KEY_2] {
        provision(&service, "dev1", &token("dev1", &key(good)), NOW);
    }
    // Not even a group's derived key: the individual enrollment alone decides.
    for bad in [key(GROUP_1), derived(GROUP_1, "dev1"), derived(KEY_1, "dev1")] {
        let reply = service.register(&device("dev1"), &token("dev1", &bad), b"", NOW);
        assert_error(&reply, 401, 401_000, "Unauthorized");
    }
}

#[test]
fn a_device_of_a_group_proves_itself_with_a_derived_key() {
    let service = service();
    for group_key in [GROUP_1, GROUP_2] {
        let body = provision(&service, "sn-1", &token("sn-1", &derived(group_key, "sn-1")), NOW);
        let state = &body["registrationState"];
        assert_eq!(state["symmetricKey"]["enrollmentGroupId"], "line-2");
        assert_eq!(
            (&state["registrationId"], &state["deviceId"]),
            (&"sn-1".into(), &"sn-1".into())
        );
    }
    // The group's key itself, a key derived for another device, or in another case.
    for bad in [key(GROUP_1), derived(GROUP_1, "sn-2"), derived(GROUP_1, "SN-1")] {
        let reply = service.register(&device("sn-1"), &token("sn-1", &bad), b"", NOW);
        assert_error(&reply, 401, 401_000, "Unauthorized");
    }
}

#[test]
fn registering_again_keeps_hub_and_creation_time() {
    let service = service();
    for number in 0..20 {
        let id = format!("sn-{number}");
        let with = token(&id, &derived(GROUP_1, &id));
        let first = provision(&service, &id, &with, NOW);
        let again = provision(&service, &id, &with, NOW + 100 * SECOND);
        let (first, again) = (&first["registrationState"], &again["registrationState"]);
        for member in ["assignedHub", "deviceId", "createdDateTimeUtc", "substatus"] {
            assert_eq!(first[member], again[member], "{member}");
        }
        assert_eq!(again["substatus"], "initialAssignment");
        for member in ["lastUpdatedDateTimeUtc", "etag"] {
            assert_ne!(first[member], again[member], "{member}");
        }
    }
    assert_eq!(service.registrations(NOW + 200 * SECOND).len(), 20);
}

#[test]
fn another_case_is_the_same_device() {
    let service = service();
    let first = provision(&service, "Sn-1", &token("Sn-1", &derived(GROUP_1, "Sn-1")), NOW);
    let again = provision(&service, "sN-1", &token("sN-1", &derived(GROUP_1, "sN-1")), NOW);
    assert_eq!(again["registrationState"]["registrationId"], "Sn-1");
    assert_eq!(first["registrationState"]["deviceId"], again["registrationState"]["deviceId"]);
    assert_eq!(service.registrations(NOW + SECOND).len(), 1);
}

#[test]
fn records_show_a_decision_only_after_the_delay() {
    let service = service();
    assert!(service.registrations(NOW).is_empty());
    service.register(&device("dev1"), &token("dev1", &key(KEY_1)), b"", NOW);
    let early = &service.registrations(NOW)[0];
    assert_eq!((&early.status, &early.assigned_hub), (&RegistrationStatus::Assigning, &None));
    let done = &service.registrations(NOW + SECOND)[0];
    assert_eq!(done.status, RegistrationStatus::Assigned);
    assert_eq!(done.assigned_hub.as_deref(), Some("hub-2.localhost"));
    assert_eq!(done.device_id.as_deref(), Some("line-1"));
    assert_eq!(done.enrollment, EnrollmentRef::Individual(RegistrationId::new("Dev1").unwrap()));
}

#[test]
fn a_disabled_individual_enrollment_blocks_even_a_group_member() {
    let service = service();
    let body = provision(&service, "off", &token("off", &key(KEY_1)), NOW);
    assert_eq!(body["status"], "disabled");
    assert_eq!(body["registrationState"]["status"], "disabled");
    assert_eq!(body["registrationState"]["registrationId"], "off");
    assert!(body["registrationState"].get("assignedHub").is_none());
    let as_member = token("off", &derived(GROUP_1, "off"));
    let reply = service.register(&device("off"), &as_member, b"", NOW);
    assert_error(&reply, 401, 401_000, "Unauthorized");
}

#[test]
fn a_disabled_group_is_found_by_its_derived_key() {
    let service = service();
    let body = provision(&service, "sn-1", &token("sn-1", &derived(KEY_2, "sn-1")), NOW);
    assert_eq!(body["status"], "disabled");
    assert_eq!(service.registrations(NOW + SECOND)[0].status, RegistrationStatus::Disabled);
}

#[test]
fn an_enabled_group_wins_over_a_disabled_one_with_the_same_key() {
    let same = format!(
        "  - enrollmentGroupId: line-3\n    attestation: {{type: symmetricKey, symmetricKey: {{primaryKey: {KEY_1}}}}}"
    );
    let service = service_with(&same);
    let body = provision(&service, "sn-1", &token("sn-1", &derived(KEY_1, "sn-1")), NOW);
    assert_eq!(body["registrationState"]["symmetricKey"]["enrollmentGroupId"], "line-3");
}

#[test]
fn disabled_can_be_told_in_other_ways() {
    let service = service_with("disabledReply: failed");
    let body = provision(&service, "off", &token("off", &key(KEY_1)), NOW);
    assert_eq!(body["status"], "failed");
    assert_eq!(body["registrationState"]["status"], "failed");
    assert_eq!(body["registrationState"]["errorCode"], 401_002);
    assert_eq!(body["registrationState"]["errorMessage"], "The enrollment is disabled.");

    let service = service_with("disabledReply: unauthorized");
    let reply = service.register(&device("off"), &token("off", &key(KEY_1)), b"", NOW);
    assert_error(&reply, 401, 401_002, "Unauthorized");
    // The key is checked all the same.
    let reply = service.register(&device("off"), &token("off", &key(GROUP_1)), b"", NOW);
    assert_error(&reply, 401, 401_000, "Unauthorized");
}

#[test]
fn tokens_that_are_not_good_are_refused() {
    let service = service();
    let id = device("dev1");
    let good = key(KEY_1);
    for bad in [
        Credentials::None,
        Credentials::sas_token(""),
        Credentials::sas_token("SharedAccessSignature sr=x"),
        Credentials::sas_token("Bearer x"),
        token("other", &good),
        token_until("dev1", &good, NOW - 300 * SECOND),
    ] {
        let reply = service.register(&id, &bad, b"", NOW);
        assert_error(&reply, 401, 401_002, "Unauthorized");
    }
    let late = token_until("dev1", &good, NOW - 299 * SECOND);
    assert_eq!(service.register(&id, &late, b"", NOW).status, 202, "within the skew");
}

#[test]
fn a_device_without_any_enrollment_is_not_found() {
    let config = EmulatorConfig::from_yaml("enrollments: [{registrationId: dev1}]").unwrap();
    let service = Service::new(&config, Random::from_seed([1; 32])).unwrap();
    let reply = service.register(&device("dev2"), &token("dev2", &key(KEY_1)), b"", NOW);
    assert_error(&reply, 404, 404_201, "Enrollment not found.");
    let mut other_scope = device("dev1");
    other_scope.id_scope = "0ne00999999".to_owned();
    let reply = service.register(&other_scope, &token("dev1", &key(KEY_1)), b"", NOW);
    assert_error(&reply, 404, 404_201, "Enrollment not found.");
}

#[test]
fn a_poll_belongs_to_the_device_that_registered() {
    let service = service();
    let (id, with) = (device("dev1"), token("dev1", &key(KEY_1)));
    let reply = service.register(&id, &with, b"", NOW);
    let operation = json(&reply)["operationId"].as_str().unwrap().to_owned();
    let later = NOW + SECOND;

    let other = token("sn-1", &derived(GROUP_1, "sn-1"));
    let reply = service.poll(&device("sn-1"), &other, &operation, later);
    assert_error(&reply, 404, 404_203, "Operation not found.");
    let reply = service.poll(&id, &with, "4.d0a671905ea5b2c8.e7173b7b", later);
    assert_error(&reply, 404, 404_203, "Operation not found.");
    let reply = service.poll(&id, &token("dev1", &key(GROUP_1)), &operation, later);
    assert_error(&reply, 401, 401_000, "Unauthorized");
    assert_eq!(service.poll(&id, &with, &operation, later).status, 200);
    assert_eq!(service.poll(&id, &with, &operation, NOW + 601 * SECOND).status, 404, "too old");
}

#[test]
fn a_token_may_expire_while_the_device_polls() {
    let service = service_with("assignmentDelaySeconds: 400");
    let (id, with) = (device("dev1"), token_until("dev1", &key(KEY_1), NOW + 30 * SECOND));
    let reply = service.register(&id, &with, b"", NOW);
    let operation = json(&reply)["operationId"].as_str().unwrap().to_owned();
    assert_eq!(service.poll(&id, &with, &operation, NOW + 399 * SECOND).status, 202);
    assert_eq!(service.poll(&id, &with, &operation, NOW + 401 * SECOND).status, 200);
    // One that had run out before the registration began proves nothing.
    let old = token_until("dev1", &key(KEY_1), NOW - 301 * SECOND);
    let reply = service.poll(&id, &old, &operation, NOW + 401 * SECOND);
    assert_eq!((reply.status, json(&reply)["errorCode"].as_u64()), (401, Some(401_002)));
}

#[test]
fn bodies_of_real_clients_are_accepted() {
    let service = service();
    let (id, with) = (device("dev1"), token("dev1", &key(KEY_1)));
    for body in [
        "",
        " ",
        "\r\n",
        "{}",
        r#"{"registrationId":"dev1"}"#,
        r#"{"registrationId":"DEV1","payload":{"a":[1,2.50]}}"#,
        r#"{"payload": null, "registrationId": "dev1"}"#,
        r#"{"registrationId":"dev1","payload":"{\"a\":1}"}"#,
        r#"{"registrationId":"dev1","csr":"AAAA","tpm":{"endorsementKey":"AAAA"}}"#,
    ] {
        let reply = service.register(&id, &with, body.as_bytes(), NOW);
        assert_eq!(reply.status, 202, "{body:?}: {}", reply.body);
    }
}

#[test]
fn malformed_bodies_are_refused() {
    let service = service();
    let (id, with) = (device("dev1"), token("dev1", &key(KEY_1)));
    for body in [
        &b"{"[..],
        b"[]",
        b"null",
        b"\"dev1\"",
        b"{\"registrationId\":1}",
        b"{\"registrationId\":\"dev1\"",
        b"{\"registrationId\":\"dev1\"} x",
        b"{\"registrationId\":\"dev2\"}",
        b"{\"registrationId\":\"\xff\"}",
        b"\0",
    ] {
        let reply = service.register(&id, &with, body, NOW);
        assert_eq!(json(&reply)["errorCode"], 400_004, "{body:?}");
        assert_eq!(reply.status, 400);
    }
}

#[test]
fn connections_are_admitted_unless_configured_otherwise() {
    let lenient = service();
    let strict = service_with("rejectAtConnect: true");
    let good = token("dev1", &key(KEY_1));
    let bad = token("dev1", &key(GROUP_1));
    let id = device("dev1");
    let mut elsewhere = device("dev1");
    elsewhere.id_scope = "0ne00999999".to_owned();
    for service in [&lenient, &strict] {
        assert!(service.admits(&id, &good, NOW));
        assert!(!service.admits(&id, &Credentials::None, NOW));
        assert!(!service.admits(&elsewhere, &good, NOW));
    }
    assert!(lenient.admits(&id, &bad, NOW));
    assert!(!strict.admits(&id, &bad, NOW));
    assert!(strict.admits(&device("off"), &token("off", &key(KEY_1)), NOW), "told later");
}

#[test]
fn debug_shows_no_key_and_no_token() {
    let service = service();
    let with = token("dev1", &key(KEY_1));
    service.register(&device("dev1"), &with, b"", NOW);
    let text = format!("{service:?} {with:?}");
    assert!(!text.contains("AAECAwQF") && !text.contains("sig="), "{text}");
}

#[test]
fn an_id_scope_that_leads_to_the_services_own_paths_is_refused() {
    for name in ["admin", "Admin", "enrollments", "enrollmentGroups", "REGISTRATIONS", "page"] {
        let config = EmulatorConfig::from_yaml(&format!("idScope: {name}")).unwrap();
        let opened = Service::open(&config, Random::from_seed([9; 32]), NOW).map(drop);
        let OpenError::Config(refused) = opened.unwrap_err() else { panic!("{name}") };
        assert_eq!(refused, crate::ConfigError::ReservedIdScope { id_scope: name.to_owned() });
        assert!(refused.to_string().contains("take another, for example"), "{refused}");
        assert_eq!(Service::new(&config, Random::from_seed([9; 32])).map(drop), Err(refused));
    }
    let config = EmulatorConfig::from_yaml("idScope: administration").unwrap();
    assert!(Service::new(&config, Random::from_seed([9; 32])).is_ok());
}
