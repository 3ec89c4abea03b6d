//! What faults make of this door's answers.

use super::*;
use crate::doors::outlet::SILENCE_PATIENCE;
use crate::faults::{Fault, FaultKind, FaultOperation};

/// A client with both links at a service with this fault.
fn ready(fault: Fault) -> Client {
    let service = service(|_| ());
    service.set_fault("fault", fault).unwrap();
    let token = token(&device_key(&service));
    Client::ready(&service, &token)
}

fn ask() -> Vec<u8> {
    transfer(0, false, false, &register(&[]))
}

fn connecting(kind: FaultKind) -> Arc<Service> {
    let service = service(|_| ());
    service.set_fault("fault", Fault::new(kind).at(FaultOperation::Connect)).unwrap();
    service
}

#[test]
fn a_throttled_request_is_rejected_with_the_pause_in_the_error() {
    let throttle = FaultKind::Throttle { retry_after_seconds: Some(5) };
    let mut client = ready(Fault::new(throttle).times(1));
    let got = client.send(&ask());
    assert_eq!(codes(&got), [DISPOSITION]);
    let rejected = Performative::try_from(got[0].fields().get(4).clone()).unwrap();
    assert_eq!(rejected.code, 0x25);
    let (condition, document) = error_of(rejected.fields.get(0));
    assert_eq!(condition, "amqp:resource-limit-exceeded");
    assert_eq!(document["errorCode"], 429_001);
    let error = Performative::try_from(rejected.fields.get(0).clone()).unwrap();
    let Value::Map(info) = error.fields.get(2) else { panic!("no info") };
    for key in ["retry-after", "Retry-After"] {
        assert_eq!(info.get(&symbol(key)), Some(&Value::Int(5)));
    }
    let got = client.send(&transfer(1, false, false, &register(&[])));
    assert_eq!(codes(&got), [DISPOSITION, TRANSFER]);
}

#[test]
fn disposition_and_transfer_are_cut_after_exactly_so_many_bytes() {
    for after in [0, 1, 30, 60] {
        let mut client = ready(Fault::new(FaultKind::Drop { after_bytes: after }));
        client.door.receive(NOW, &ask());
        assert_eq!(client.door.transmit().len(), after as usize);
        assert!(client.door.is_closed() && client.door.is_cut());
    }
    let mut client = ready(Fault::new(FaultKind::Drop { after_bytes: 100_000 }));
    assert_eq!(codes(&client.send(&ask())), [DISPOSITION, TRANSFER]);
    assert!(client.door.is_cut());
}

#[test]
fn a_delayed_answer_comes_at_its_time_with_what_follows_it() {
    let mut client = ready(Fault::new(FaultKind::Delay { milliseconds: 400_000 }));
    assert!(client.send(&ask()).is_empty());
    assert!(client.send(&attach(2, false, DEVICE)).is_empty());
    let due = NOW + Duration::from_secs(400);
    assert_eq!(client.door.next_timeout(), Some(due));
    client.door.handle_timeout(due);
    assert_eq!(codes(&client.got()), [DISPOSITION, TRANSFER, ATTACH, FLOW]);
    assert!(!client.door.is_closed(), "a client that waits owes nothing");
    assert_eq!(client.door.next_timeout(), Some(due + IDLE_PATIENCE));
}

#[test]
fn a_connection_without_answers_hears_nothing_and_ends_after_its_time() {
    let mut client = ready(Fault::new(FaultKind::NeverAnswer));
    assert!(client.send(&ask()).is_empty());
    assert!(client.send(&amqp(CLOSE, vec![])).is_empty());
    assert!(client.send(&[0xff; 4096]).is_empty());
    assert!(!client.door.is_closed());
    assert_eq!(client.door.next_timeout(), Some(NOW + SILENCE_PATIENCE));
    client.door.handle_timeout(NOW + SILENCE_PATIENCE);
    assert!(client.door.is_closed() && client.got().is_empty());
}

#[test]
fn a_connection_is_refused_for_now_by_sasl() {
    let service = connecting(FaultKind::ServerError { status: 500, retry_after_seconds: None });
    let mut client = Client::new(&service);
    let got = client.send(&opening(DEVICE, "any token"));
    assert_eq!(codes(&got), [0x103, 0x40, 0x44]);
    assert_eq!(*got[2].fields().get(0), Value::Ubyte(4));
    assert!(client.door.is_closed() && !client.door.is_cut());
}

#[test]
fn a_sasl_outcome_can_be_late_or_cut() {
    let late = connecting(FaultKind::Delay { milliseconds: 60_000 });
    let mut client = Client::new(&late);
    assert_eq!(codes(&client.send(&opening(DEVICE, "any token"))), [0x103, 0x40]);
    client.door.handle_timeout(NOW + Duration::from_secs(60));
    assert_eq!(codes(&client.got()), [0x44, 0x100, OPEN, BEGIN]);
    assert!(!client.door.is_closed());

    let mut client = Client::new(&connecting(FaultKind::Drop { after_bytes: 7 }));
    client.send(&wire::SASL);
    client.door.receive(NOW, &init("PLAIN", &format!("\0{DEVICE}\0any token")));
    assert_eq!(client.door.transmit().len(), 7);
    assert!(client.door.is_cut());
}

#[test]
fn a_connection_with_a_certificate_is_struck_at_its_first_link() {
    let stream = [wire::AMQP.to_vec(), open(), begin(), attach(0, true, DEVICE)].concat();
    let connect = |kind| {
        let service = connecting(kind);
        let mut client = Client::new(&service);
        client.door = client.door.with_peer_certificates(vec![b"a certificate".to_vec()]);
        client
    };
    let mut client = connect(FaultKind::Throttle { retry_after_seconds: Some(3) });
    let got = client.send(&[stream.clone(), attach(1, false, DEVICE)].concat());
    assert_eq!(codes(&got), [0x100, OPEN, BEGIN, ATTACH, DETACH, CLOSE]);
    for error in [got[4].fields().get(2), got[5].fields().get(0)] {
        let (condition, document) = error_of(error);
        assert_eq!(condition, "amqp:resource-limit-exceeded");
        assert_eq!(document["errorCode"], 429_001);
    }
    assert!(client.door.is_closed());

    let mut client = connect(FaultKind::NeverAnswer);
    assert_eq!(codes(&client.send(&stream)), [0x100, OPEN, BEGIN]);
    assert!(client.send(&attach(1, false, DEVICE)).is_empty());
    assert!(!client.door.is_closed());
}

#[test]
fn what_was_said_before_a_bad_attach_is_still_heard() {
    let service = service(|_| ());
    let mut client = Client::new(&service);
    let stream = [wire::AMQP.to_vec(), open(), begin(), attach(u32::MAX, true, DEVICE)].concat();
    client.door = client.door.with_peer_certificates(vec![b"a certificate".to_vec()]);
    assert_eq!(codes(&client.send(&stream)), [0x100, OPEN, BEGIN, CLOSE]);
    assert!(client.door.is_closed());
}
