//! What faults make of this door's answers.

use super::*;
use crate::doors::outlet::SILENCE_PATIENCE;
use crate::faults::{Fault, FaultKind, FaultOperation, FaultScope};

fn struck_by(fault: Fault) -> MqttConnection {
    let connection = open();
    connection.service.set_fault("fault", fault).unwrap();
    connection
}

/// A subscribed client that has asked to register, and what came back for that alone.
fn registering(fault: Fault) -> (MqttConnection, Vec<u8>) {
    let mut connection = connected();
    connection.service.set_fault("fault", fault).unwrap();
    connection.receive(NOW, &publish(REGISTER, QoS::AtLeastOnce, ""));
    let output = connection.transmit();
    (connection, output)
}

#[test]
fn a_throttled_request_is_told_so_in_the_topic() {
    let throttle = FaultKind::Throttle { retry_after_seconds: Some(5) };
    let (mut connection, output) = registering(Fault::new(throttle).times(1));
    let output = packets(&output);
    assert_eq!(output[0], Packet::PubAck(PubAck::new(7)));
    let (topic, body, _) = response(&output[1]);
    assert_eq!(topic, "$dps/registrations/res/429/?$rid=1&retry-after=5");
    assert_eq!(body["errorCode"], 429_001);
    // It has struck as often as it may.
    let output = exchange(&mut connection, NOW, &publish(REGISTER, QoS::AtMostOnce, ""));
    assert!(response(&output[0]).0.starts_with("$dps/registrations/res/202/"));
}

#[test]
fn an_answer_is_cut_after_exactly_so_many_bytes_and_the_connection_with_it() {
    let whole = registering(Fault::new(FaultKind::Malformed { form: Default::default() })).1;
    for after in [0, 1, 4, 5, 50, whole.len() as u32, 100_000] {
        let (mut connection, output) =
            registering(Fault::new(FaultKind::Drop { after_bytes: after }));
        assert!(connection.is_closed() && connection.is_cut(), "{after}");
        assert!(
            output.starts_with(&bytes(Packet::PubAck(PubAck::new(7)))[..(after as usize).min(4)])
        );
        match after {
            100_000 => assert_eq!(packets(&output).len(), 2, "all of it"),
            _ => assert_eq!(output.len(), after as usize),
        }
        assert!(exchange(&mut connection, NOW, &bytes(Packet::PingReq)).is_empty());
    }
}

#[test]
fn what_comes_before_a_struck_answer_still_goes_out() {
    let mut connection =
        struck_by(Fault::new(FaultKind::Drop { after_bytes: 0 }).at(FaultOperation::Register));
    let output = exchange(&mut connection, NOW, &flight(QoS::AtLeastOnce));
    let expected = [accepted(), suback(SubscribeReasonCode::Success(QoS::AtLeastOnce))];
    assert_eq!(output, expected);
    assert!(connection.is_cut());
}

#[test]
fn a_delayed_answer_comes_at_its_time_with_what_follows_it() {
    let (mut connection, output) =
        registering(Fault::new(FaultKind::Delay { milliseconds: 9_500 }));
    assert!(output.is_empty());
    let due = NOW + Duration::from_millis(9_500);
    assert_eq!(connection.next_timeout(), Some(due));
    assert!(exchange(&mut connection, NOW + SECOND, &bytes(Packet::PingReq)).is_empty());
    connection.handle_timeout(due);
    let output = packets(&connection.transmit());
    assert_eq!(output.len(), 3);
    assert_eq!(output[2], Packet::PingResp);
    assert!(!connection.is_closed());
    // The client's time begins when it has its answer.
    assert_eq!(connection.next_timeout(), Some(due + IDLE_PATIENCE));
}

#[test]
fn a_goodbye_behind_a_delayed_answer_waits_too() {
    let (mut connection, _) = registering(Fault::new(FaultKind::Delay { milliseconds: 2_000 }));
    connection.receive(NOW, &bytes(Packet::Disconnect));
    assert!(!connection.is_closed());
    connection.handle_timeout(NOW + 2 * SECOND);
    assert_eq!(packets(&connection.transmit()).len(), 2);
    assert!(connection.is_closed() && !connection.is_cut());
}

#[test]
fn a_connection_without_answers_hears_nothing_and_ends_after_its_time() {
    let (mut connection, output) = registering(Fault::new(FaultKind::NeverAnswer));
    assert!(output.is_empty());
    for input in [bytes(Packet::PingReq), publish(REGISTER, QoS::AtLeastOnce, ""), vec![0; 300_000]]
    {
        assert!(exchange(&mut connection, NOW + SECOND, &input).is_empty());
        assert!(!connection.is_closed());
    }
    assert_eq!(connection.service.faults()[0].struck, 1, "what is not heard is not struck");
    assert_eq!(connection.input.len(), 0, "nor kept");
    assert_eq!(connection.next_timeout(), Some(NOW + SILENCE_PATIENCE));
    connection.handle_timeout(NOW + SILENCE_PATIENCE);
    assert!(connection.is_closed() && connection.transmit().is_empty());
}

#[test]
fn a_connection_can_be_refused_for_now_or_disturbed_itself() {
    let throttle = FaultKind::Throttle { retry_after_seconds: None };
    let mut connection = struck_by(Fault::new(throttle).at(FaultOperation::Connect));
    let refused = ConnAck::new(ConnectReturnCode::ServiceUnavailable, false);
    assert_eq!(exchange(&mut connection, NOW, &connect()), [Packet::ConnAck(refused)]);
    assert!(connection.is_closed() && !connection.is_cut());

    let half = FaultKind::Drop { after_bytes: 2 };
    let mut connection = struck_by(Fault::new(half).at(FaultOperation::Connect));
    connection.receive(NOW, &flight(QoS::AtLeastOnce));
    assert_eq!(connection.transmit(), [0x20, 2]);
    assert!(connection.is_cut());

    let late = FaultKind::Delay { milliseconds: 60_000 };
    let mut connection = struck_by(Fault::new(late).at(FaultOperation::Connect));
    assert!(exchange(&mut connection, NOW, &flight(QoS::AtLeastOnce)).is_empty());
    connection.handle_timeout(NOW + 60 * SECOND);
    assert_eq!(packets(&connection.transmit()).len(), 4);
}

#[test]
fn a_group_is_known_by_the_token_also_at_the_connection() {
    let id = RegistrationId::new("dev1").unwrap();
    for (scope, expected) in [
        (FaultScope::Enrollment(id), ConnectReturnCode::ServiceUnavailable),
        (FaultScope::EnrollmentGroup("mylegacydevices".to_owned()), ConnectReturnCode::Success),
    ] {
        let throttle = FaultKind::Throttle { retry_after_seconds: None };
        let fault = Fault::new(throttle).at(FaultOperation::Connect).for_scope(scope);
        let output = exchange(&mut struck_by(fault), NOW, &connect());
        assert_eq!(output, [Packet::ConnAck(ConnAck::new(expected, false))]);
    }
}
