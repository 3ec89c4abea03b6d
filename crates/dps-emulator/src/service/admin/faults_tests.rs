use crate::service::admin::tests::{ask_as, bearer, service};
use serde_json::{Value, json};

/// Asks with the page token.
fn ask(on: &crate::Service, line: &str, body: &Value) -> (u16, Value) {
    let body = if body.is_null() { String::new() } else { body.to_string() };
    ask_as(on, Some(&bearer(on)), line, &body)
}

#[test]
fn a_fault_is_set_shown_and_removed() {
    let service = service("{}");
    let all = json!({
        "registrationId": "Dev-1", "transport": "mqtt-ws", "operation": "register",
        "kind": "serverError", "status": 503, "retryAfterSeconds": 7, "count": 3,
    });
    let (status, told) = ask(&service, "PUT /admin/faults/first", &all);
    let mut expected = all.clone();
    expected["name"] = "first".into();
    expected["struck"] = 0.into();
    assert_eq!((status, &told), (200, &expected));
    // What was read can be written again.
    assert_eq!(ask(&service, "PUT /admin/faults/FIRST", &told).0, 200);
    assert_eq!(ask(&service, "PUT /admin/faults/second", &json!({"kind": "neverAnswer"})).0, 200);
    expected["name"] = "FIRST".into();
    let second = json!({"name": "second", "kind": "neverAnswer", "struck": 0});
    assert_eq!(
        ask(&service, "GET /admin/faults", &Value::Null),
        (200, json!({"faults": [expected, second]}))
    );
    assert_eq!(ask(&service, "GET /admin/faults/Second", &Value::Null), (200, second));

    assert_eq!(ask(&service, "DELETE /admin/faults/first", &Value::Null), (204, Value::Null));
    assert_eq!(ask(&service, "DELETE /admin/faults/first", &Value::Null).0, 404);
    assert_eq!(ask(&service, "GET /admin/faults/first", &Value::Null).0, 404);
    assert_eq!(ask(&service, "DELETE /admin/faults/", &Value::Null).0, 404);
    assert_eq!(service.faults().len(), 1);
    assert_eq!(ask(&service, "DELETE /admin/faults", &Value::Null), (204, Value::Null));
    assert_eq!(ask(&service, "GET /admin/faults", &Value::Null), (200, json!({"faults": []})));
}

#[test]
fn what_makes_no_sense_is_refused_with_the_reason() {
    let service = service("{}");
    for (body, words) in [
        (json!([]), "not a JSON object"),
        (json!({}), "missing field `kind`"),
        (json!({"kind": "explode"}), "unknown variant `explode`"),
        (json!({"kind": "delay"}), "delayMs is needed with the kind delay"),
        (json!({"kind": "delay", "delayMs": 0}), "delayMs is a number from 1 to 600000"),
        (json!({"kind": "throttle", "delayMs": 5}), "delayMs does not go with the kind throttle"),
        (json!({"kind": "throttle", "count": 0}), "count is a number from 1"),
        (json!({"kind": "throttle", "retryAfterSeconds": 86401}), "from 0 to 86400"),
        (json!({"kind": "serverError", "status": 404}), "status is a number from 500 to 599"),
        (json!({"kind": "drop", "afterBytes": -1}), "invalid value"),
        (json!({"kind": "drop", "bytes": 1}), "unknown field `bytes`"),
        (json!({"kind": "malformed", "operation": "connect"}), "a connection has no document"),
        (json!({"kind": "drop", "operation": "connect", "transport": "https"}), "over https"),
        (json!({"kind": "drop", "registrationId": "a/"}), "registrationId is no name"),
        (json!({"kind": "drop", "enrollmentGroupId": ""}), "enrollmentGroupId is no name"),
        (json!({"kind": "drop", "enrollment": "a", "registrationId": "a"}), "only one of"),
        (json!({"kind": "drop", "name": "other"}), "not that of the path"),
    ] {
        let (status, told) = ask(&service, "PUT /admin/faults/x", &body);
        assert_eq!((status, &told["errorCode"]), (400, &400_004.into()), "{body}: {told}");
        assert!(told["message"].as_str().unwrap().contains(words), "{body}: {told}");
    }
    let (status, told) = ask(&service, "PUT /admin/faults/a%2Fb", &json!({"kind": "drop"}));
    assert_eq!(status, 400, "{told}");
    assert_eq!(ask(&service, "POST /admin/faults", &json!({"kind": "drop"})).0, 405);
    assert_eq!(ask(&service, "GET /admin/faults/a/b", &Value::Null).0, 404);
    assert_eq!(ask_as(&service, None, "GET /admin/faults", "").0, 401);
    assert!(service.faults().is_empty());
}
