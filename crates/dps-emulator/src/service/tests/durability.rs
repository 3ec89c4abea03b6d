//! What is shown is kept: nobody is told what the next start would not know.

use super::super::api::tests::call_as;
use super::*;
use serde_json::json;

/// How long to wait for an answer that must not come.
const WHILE: Duration = Duration::from_millis(20);

fn get(service: &Service, path: &str) -> ApiAnswer {
    let policy = service.connection_string("x.test");
    call_as(service, &policy, "GET", path, None, "")
}

fn post(service: &Service, path: &str) -> ApiAnswer {
    let policy = service.connection_string("x.test");
    call_as(service, &policy, "POST", path, None, r#"{"query": "*"}"#)
}

#[tokio::test]
async fn an_assignment_is_shown_to_nobody_before_it_is_kept() {
    let mut service = service();
    let (store, disk) = Store::held();
    service.store = store;
    let later = NOW + 2 * SECOND;
    let (id, with) = (device("dev1"), token("dev1", &key(KEY_1)));
    let reply = service.register(&id, &with, b"", NOW);
    let operation = json(&reply)["operationId"].as_str().unwrap().to_owned();

    let poll = service.poll(&id, &with, &operation, later);
    assert_eq!((poll.status, &json(&poll)["status"]), (202, &json!("assigning")));
    let lookup = service.lookup(&id, &with, b"", later);
    assert_eq!((lookup.status, &json(&lookup)["status"]), (200, &json!("assigning")));
    assert!(json(&lookup).get("assignedHub").is_none(), "{}", lookup.body);
    assert_eq!(service.registrations(later)[0].status, RegistrationStatus::Assigning);
    for path in ["/registrations/dev1", "/enrollments/dev1"] {
        let answer = get(&service, path);
        let early = tokio::time::timeout(WHILE, service.kept(answer, later)).await;
        assert!(early.is_err(), "{path} waits for the disk");
    }
    let answer = post(&service, "/registrations/line-2/query");
    assert!(tokio::time::timeout(WHILE, service.kept(answer, later)).await.is_err());

    disk.write();
    assert_eq!(json(&service.poll(&id, &with, &operation, later))["status"], "assigned");
    assert_eq!(json(&service.lookup(&id, &with, b"", later))["status"], "assigned");
    assert_eq!(service.registrations(later)[0].status, RegistrationStatus::Assigned);
    let answer = service.kept(get(&service, "/registrations/dev1"), later).await;
    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn a_record_that_waits_for_the_disk_hides_no_other() {
    let mut service = service();
    let (store, disk) = Store::held();
    service.store = store;
    let later = NOW + 2 * SECOND;
    let (id, with) = (device("dev1"), token("dev1", &key(KEY_1)));
    service.register(&id, &with, b"", NOW);
    disk.write();
    let other = token("sn-1", &derived(GROUP_1, "sn-1"));
    service.register(&device("sn-1"), &other, b"", NOW);
    assert_eq!(json(&service.lookup(&id, &with, b"", later))["status"], "assigned");
    let waiting = service.lookup(&device("sn-1"), &other, b"", later);
    assert_eq!(json(&waiting)["status"], "assigning");
}

#[tokio::test]
async fn what_was_never_kept_is_not_shown_and_the_answer_says_why() {
    let mut service = service();
    let (store, disk) = Store::held();
    service.store = store;
    let policy = service.connection_string("x.test");
    let body = json!({"registrationId": "dev2", "attestation": {"type": "symmetricKey"}});
    let written = call_as(&service, &policy, "PUT", "/enrollments/dev2", None, &body.to_string());
    let read = get(&service, "/enrollments/dev2");
    assert_eq!((written.status, read.status), (200, 200), "both wait for the disk");
    let with = token("dev1", &key(KEY_1));
    service.register(&device("dev1"), &with, b"", NOW);
    disk.fail();
    for answer in [service.kept(written, NOW).await, service.kept(read, NOW).await] {
        assert_eq!((answer.status, answer.error_code), (500, Some(500_000)));
    }
    for answer in [
        get(&service, "/enrollments/dev2"),
        get(&service, "/enrollments/dev1"),
        post(&service, "/enrollments/query"),
        post(&service, "/enrollmentGroups/query"),
        post(&service, "/enrollments/dev2/attestationmechanism"),
        get(&service, "/registrations/dev1"),
    ] {
        assert_eq!(answer.status, 500);
        let body = answer.body.unwrap();
        assert!(body.contains("state file") && body.contains("start"), "{body}");
    }
    assert_eq!(service.lookup(&device("dev1"), &with, b"", NOW).status, 500);
    assert!(service.registrations(NOW + 2 * SECOND).is_empty());
}
