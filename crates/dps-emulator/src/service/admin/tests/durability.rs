//! What the admin API shows is kept, like what the service API shows.

use super::*;
use crate::store::{HeldDisk, Store};

const LINK: (&str, &str) = ("PUT /admin/hubs/new.test", r#"{"allocationWeight": 2}"#);

fn held() -> (Service, HeldDisk) {
    let mut service = service("{}");
    let (store, disk) = Store::held();
    service.store = store;
    (service, disk)
}

fn answer(service: &Service, line: &str, body: &str) -> ApiAnswer {
    let (method, path) = line.split_once(' ').unwrap();
    let authorization = bearer(service);
    let request = ApiRequest {
        method: &method.parse().unwrap(),
        path,
        query: "",
        host: HOST,
        authorization: Some(&authorization),
        if_match: None,
        continuation: None,
        max_item_count: None,
        body: body.as_bytes(),
    };
    service.manage(&request, &Provenance::default(), NOW)
}

#[tokio::test]
async fn what_was_just_changed_is_shown_when_it_is_kept() {
    let (service, disk) = held();
    let written = answer(&service, LINK.0, LINK.1);
    assert!(written.status < 300, "{written:?}");
    for line in ["GET /admin/hubs", "GET /admin/hubs/new.test", "GET /admin/events"] {
        let read = answer(&service, line, "");
        assert_eq!(read.status, 200, "{line}");
        let early = service.kept(read, NOW);
        let early = tokio::time::timeout(Duration::from_millis(20), early).await;
        assert!(early.is_err(), "{line} waits for the disk");
    }
    // Nor is it told that something is gone.
    let gone = answer(&service, "DELETE /admin/hubs/new.test", "");
    assert!(gone.status < 300, "{gone:?}");
    let none = answer(&service, "GET /admin/hubs/new.test", "");
    assert_eq!(none.status, 404);
    let early = service.kept(none, NOW);
    assert!(tokio::time::timeout(Duration::from_millis(20), early).await.is_err());
    answer(&service, LINK.0, LINK.1);
    disk.write();
    let read = answer(&service, "GET /admin/hubs/new.test", "");
    assert_eq!(service.kept(read, NOW).await.status, 200);
}

#[tokio::test]
async fn whoever_waits_for_events_is_told_of_a_hub_when_it_is_kept_and_never_if_it_is_not() {
    for is_kept in [true, false] {
        let (service, disk) = held();
        let mut happenings = service.happenings();
        answer(&service, LINK.0, LINK.1);
        answer(&service, "DELETE /admin/hubs/new.test", "");
        happenings.changed().await.unwrap();
        let told = answer(&service, "GET /admin/events", "");
        let kinds = told.body.clone().unwrap();
        assert!(kinds.contains("hubLinked") && kinds.contains("hubUnlinked"), "{kinds}");
        let waiting = service.kept(told, NOW);
        tokio::pin!(waiting);
        assert!(tokio::time::timeout(Duration::from_millis(20), &mut waiting).await.is_err());
        if is_kept {
            disk.write()
        } else {
            disk.fail()
        }
        let told = waiting.await;
        assert_eq!(told.status, if is_kept { 200 } else { 500 });
        assert_eq!(told.body.unwrap().contains("hubLinked"), is_kept);
    }
}

#[test]
fn what_was_never_kept_is_not_shown() {
    let (service, disk) = held();
    answer(&service, LINK.0, LINK.1);
    disk.fail();
    for line in ["GET /admin/hubs", "GET /admin/events", "GET /admin/service"] {
        let (status, body) = ask(&service, line, "");
        assert_eq!((status, &body["errorCode"]), (500, &500_000.into()), "{line}: {body}");
        assert!(body["message"].as_str().unwrap().contains("state file"), "{body}");
    }
}
