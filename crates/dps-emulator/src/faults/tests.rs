use super::*;
use crate::config::{ConfigError, EmulatorConfig};
use crate::model::EnrollmentRef;
use crate::random::Random;
use crate::service::{Credentials, DeviceIdentity, Service};
use core::time::Duration;

const NOW: Duration = Duration::from_secs(1_790_000_000);

fn id(name: &str) -> RegistrationId {
    RegistrationId::new(name).unwrap()
}

fn at(operation: FaultOperation, name: &RegistrationId) -> Occasion<'_> {
    let transport = Some(DeviceTransport::Mqtt);
    Occasion { operation, transport, registration_id: name, enrollment: None }
}

fn delay(milliseconds: u32) -> Fault {
    Fault::new(FaultKind::Delay { milliseconds })
}

/// The delay that strikes.
fn strike_of(list: &mut FaultList, asked: &Occasion<'_>) -> u32 {
    match list.strike(asked).map(|struck| struck.fault.kind.clone()) {
        Some(FaultKind::Delay { milliseconds }) => milliseconds,
        other => panic!("{other:?}"),
    }
}

fn list(yaml: &str) -> Result<FaultList, ConfigError> {
    FaultList::new(&EmulatorConfig::from_yaml(yaml)?)
}

#[test]
fn the_first_fault_that_was_set_strikes_and_counts() {
    let (name, mut list) = (id("a"), FaultList::default());
    list.set("one", delay(1).times(2)).unwrap();
    list.set("two", delay(2)).unwrap();
    let asked = at(FaultOperation::Register, &name);
    let mut strike = || strike_of(&mut list, &asked);
    assert_eq!([strike(), strike(), strike(), strike()], [1, 1, 2, 2]);
    let struck: Vec<u32> = list.all().iter().map(|one| one.struck).collect();
    assert_eq!(struck, [2, 2]);
    // Set again, it keeps its place and begins anew.
    list.set("ONE", delay(3).times(1)).unwrap();
    assert_eq!(strike_of(&mut list, &asked), 3);
    assert_eq!(strike_of(&mut list, &asked), 2);
}

#[test]
fn without_an_operation_requests_are_struck_and_connections_are_not() {
    let (name, mut list) = (id("a"), FaultList::default());
    list.set("any", delay(1)).unwrap();
    assert!(list.strike(&at(FaultOperation::Connect, &name)).is_none());
    assert!(list.strike(&at(FaultOperation::Register, &name)).is_some());
    assert!(list.strike(&at(FaultOperation::Poll, &name)).is_some());
    list.set("any", delay(1).at(FaultOperation::Connect)).unwrap();
    assert!(list.strike(&at(FaultOperation::Connect, &name)).is_some());
    assert!(list.strike(&at(FaultOperation::Poll, &name)).is_none());
}

#[test]
fn a_scope_and_a_transport_leave_all_others_alone() {
    let own = EnrollmentRef::Individual(id("Dev"));
    let group = EnrollmentRef::Group("Line-7".to_owned());
    let cases = [
        (FaultScope::Everything, [true, true, true]),
        (FaultScope::RegistrationId(id("DEV")), [true, true, true]),
        (FaultScope::RegistrationId(id("dev2")), [false, false, false]),
        (FaultScope::Enrollment(id("DEV")), [false, true, false]),
        (FaultScope::EnrollmentGroup("LINE-7".to_owned()), [false, false, true]),
        (FaultScope::EnrollmentGroup("dev".to_owned()), [false, false, false]),
    ];
    let name = id("dev");
    for (scope, expected) in cases {
        let found = [None, Some(&own), Some(&group)].map(|enrollment| {
            let mut list = FaultList::default();
            list.set("x", delay(1).for_scope(scope.clone())).unwrap();
            let asked = Occasion { enrollment, ..at(FaultOperation::Register, &name) };
            list.strike(&asked).is_some()
        });
        assert_eq!(found, expected, "{scope:?}");
    }
    let mut list = FaultList::default();
    list.set("x", delay(1).over(DeviceTransport::AmqpWs)).unwrap();
    assert!(list.strike(&at(FaultOperation::Register, &name)).is_none());
    let asked = Occasion {
        transport: Some(DeviceTransport::AmqpWs),
        ..at(FaultOperation::Register, &name)
    };
    assert!(list.strike(&asked).is_some());
}

#[test]
fn a_configuration_has_faults_for_all_and_for_enrollments() {
    let list = list(
        "
faults:
  - {name: slow, transport: http, kind: delay, delayMs: 5}
  - {kind: drop}
enrollments:
  - registrationId: dev
    faults: [{kind: malformed, form: truncatedJson}, {kind: throttle, retryAfterSeconds: 0}]
enrollmentGroups:
  - enrollmentGroupId: line
    faults: [{name: fault-2, operation: connect, kind: neverAnswer, count: 1}]
",
    )
    .unwrap();
    let (own, group) = (id("dev"), FaultScope::EnrollmentGroup("line".to_owned()));
    let truncated = FaultKind::Malformed { form: MalformedForm::TruncatedJson };
    let throttle = FaultKind::Throttle { retry_after_seconds: Some(0) };
    let expected = [
        ("slow", delay(5).over(DeviceTransport::Https)),
        ("fault-1", Fault::new(FaultKind::Drop { after_bytes: 0 })),
        ("fault-3", Fault::new(truncated).for_scope(FaultScope::Enrollment(own.clone()))),
        ("fault-4", Fault::new(throttle).for_scope(FaultScope::Enrollment(own))),
        (
            "fault-2",
            Fault::new(FaultKind::NeverAnswer)
                .for_scope(group)
                .at(FaultOperation::Connect)
                .times(1),
        ),
    ];
    let found: Vec<(&str, Fault)> =
        list.all().iter().map(|one| (one.name.as_str(), one.fault.clone())).collect();
    assert_eq!(found, expected);
}

#[test]
fn a_wrong_fault_in_a_configuration_is_named() {
    for (yaml, words) in [
        ("faults: [{}]", "kind"),
        ("faults: [{kind: explode}]", "explode"),
        ("faults: [{kind: drop, bytes: 5}]", "bytes"),
        ("faults: [{kind: delay}]", "delayMs is needed with the kind delay"),
        ("faults: [{kind: drop, form: empty}]", "form does not go with the kind drop"),
        ("faults: [{kind: drop, registrationId: 'a b'}]", "registrationId is no name"),
        ("faults: [{kind: drop, name: 'a b'}]", "faults: \"a b\": the fault's name"),
        ("faults: [{kind: drop, name: a}, {kind: drop, name: A}]", "two faults \"a\""),
        (
            "enrollments: [{registrationId: a, faults: [{kind: drop, enrollmentGroupId: g}]}]",
            "a: faults: one that stands with an enrollment",
        ),
        (
            "{faults: [{kind: drop, name: a}], enrollments: [{registrationId: a, faults: [{kind: drop, name: a}]}]}",
            "two faults \"a\"",
        ),
    ] {
        let message = list(yaml).unwrap_err().to_string();
        assert!(message.contains(words), "{yaml}: {message}");
    }
    let message = list("faults:\n  - kind: throttle\n    count: 0\n").unwrap_err().to_string();
    assert!(message.contains("line 2"), "{message}");
    let config = EmulatorConfig::from_yaml("faults: [{kind: drop, name: ''}]").unwrap();
    let error = Service::new(&config, Random::from_seed([1; 32])).unwrap_err();
    assert!(matches!(error, ConfigError::BadFault { .. }), "{error}");
}

#[test]
fn faults_have_a_number_that_is_not_exceeded() {
    let mut list = FaultList::default();
    for n in 0..1000 {
        list.set(&format!("f{n}"), delay(1)).unwrap();
    }
    assert_eq!(list.set("more", delay(1)).unwrap_err(), FaultError::TooMany(1000));
    list.set("f7", delay(2)).unwrap();
    assert!(list.remove("F7") && !list.remove("f7"));
    list.set("more", delay(1)).unwrap();
}

#[test]
fn documents_are_spoilt_each_in_its_way() {
    let document = r#"{"operationId":"4.x","status":"assigning"}"#;
    let parsed =
        |form: MalformedForm| serde_json::from_str::<serde_json::Value>(&form.of(document));
    assert!(parsed(MalformedForm::NotJson).is_err());
    assert!(parsed(MalformedForm::TruncatedJson).is_err());
    assert!(document.starts_with(&MalformedForm::TruncatedJson.of(document)));
    assert!(parsed(MalformedForm::WrongMembers).unwrap().get("status").is_none());
    assert_eq!(MalformedForm::Empty.of(document), "");
}

#[test]
fn a_refused_request_is_not_looked_at_and_a_disturbed_one_is() {
    let config = EmulatorConfig::from_yaml("enrollments: [{registrationId: dev}]").unwrap();
    let service = Service::new(&config, Random::from_seed([1; 32])).unwrap();
    let identity = DeviceIdentity::new(service.id_scope(), id("dev"));
    let ask = || service.register(&identity, &Credentials::None, b"", NOW);
    service
        .set_fault("x", Fault::new(FaultKind::Throttle { retry_after_seconds: Some(9) }))
        .unwrap();
    let reply = ask();
    assert_eq!((reply.status, reply.retry_after, reply.error_code), (429, Some(9), Some(429_001)));
    let error = FaultKind::ServerError { status: 503, retry_after_seconds: None };
    service.set_fault("x", Fault::new(error)).unwrap();
    let reply = ask();
    assert_eq!((reply.status, reply.retry_after, reply.error_code), (503, None, Some(503_000)));
    service.set_fault("x", delay(1500)).unwrap();
    let reply = ask();
    let late = Some(Disturbance::Delay(Duration::from_millis(1500)));
    assert_eq!((reply.status, reply.disturbance), (401, late));
    service.clear_faults();
    assert_eq!(ask().disturbance, None);
}

#[test]
fn the_documented_configuration_is_taken() {
    let page = include_str!("../../../../docs/emulator.md");
    let (_, section) = page.split_once("\n## Faults\n").unwrap();
    let (_, block) = section.split_once("```yaml\n").unwrap();
    let (yaml, _) = block.split_once("```").unwrap();
    let list = list(yaml).unwrap();
    let names: Vec<&str> = list.all().iter().map(|one| one.name.as_str()).collect();
    assert_eq!(names, ["busy-monday", "slow-polls", "fault-1"]);
}
