//! One connection to a hub in virtual time, by bytes.

use super::session::HubSession;
use dps_core::{Credentials, Error, ErrorKind, Now, Stage, Timestamp};
use dps_hub_mqtt::{Event, HubOpening, Message, Request};
use dps_transport::Link;
use std::time::Duration;

fn at(seconds: u64) -> Now {
    Now::new(Timestamp::new(Duration::from_secs(seconds)), 1_790_000_000 + seconds)
}

fn session() -> HubSession {
    let opening = HubOpening {
        hub: "hub.example".into(),
        device_id: "device".into(),
        credentials: Credentials::ClientCertificate,
    };
    HubSession::new(opening, Duration::from_secs(60), Duration::from_secs(30), at(0))
}

/// The bytes that a hub greets with: CONNACK, and SUBACK for three filters.
const WELCOME: [u8; 11] = [0x20, 2, 0, 0, 0x90, 5, 0, 1, 1, 1, 1];

fn connected() -> HubSession {
    let mut session = session();
    session.opened(at(1), Link::plain());
    session.receive(at(2), &WELCOME);
    session.transmit(at(2), &mut Vec::new());
    assert_eq!(session.poll_event(), Some(Event::Connected));
    assert!(session.is_connected());
    session
}

fn end(session: &mut HubSession) -> Error {
    session.take_end().expect("it must be over")
}

#[test]
fn a_connection_has_its_deadline_and_tells_how_far_it_came() {
    for (stage, opened) in [(Stage::Resolve, false), (Stage::Connect, false), (Stage::Hub, true)] {
        let mut session = session();
        session.reached(stage);
        if opened {
            session.opened(at(1), Link::plain());
            // Half a greeting.
            session.receive(at(2), &WELCOME[..6]);
        }
        assert_eq!(session.next_timeout(), Some(at(60).at));
        session.handle_timeout(at(59));
        assert!(!session.has_output());
        session.handle_timeout(at(60));
        let error = end(&mut session);
        let limit = Duration::from_secs(60);
        assert_eq!(*error.kind(), ErrorKind::DeadlineExceeded { during: stage, limit });
        assert_eq!((session.next_timeout(), session.has_output()), (None, false), "one end only");
    }
}

#[test]
fn a_request_has_its_deadline() {
    let mut session = connected();
    session.request(at(10), &Request::GetTwin).unwrap();
    assert_eq!(session.next_timeout(), Some(at(40).at));
    session.handle_timeout(at(40));
    let error = end(&mut session);
    let limit = Duration::from_secs(30);
    assert_eq!(*error.kind(), ErrorKind::DeadlineExceeded { during: Stage::Hub, limit });
}

#[test]
fn an_answered_request_has_none_and_stray_answers_are_dropped() {
    let mut session = connected();
    let request = session.request(at(10), &Request::Telemetry(Message::new("x"))).unwrap();
    let mut wire = Vec::new();
    session.transmit(at(10), &mut wire);
    // PUBACK for the packet id that stands before the one byte of the body.
    let id = &wire[wire.len() - 3..wire.len() - 1];
    session.receive(at(11), &[0x40, 2, id[0], id[1]]);
    assert_eq!(session.poll_event(), Some(Event::Acknowledged { request }));
    let topic = b"$iothub/twin/res/200/?$rid=99";
    let mut stray = vec![0x30, u8::try_from(topic.len() + 2).unwrap(), 0, 29];
    stray.extend_from_slice(topic);
    session.receive(at(12), &stray);
    assert_eq!(session.poll_event(), None);
    session.handle_timeout(at(40));
    assert!(!session.has_output());
}

#[test]
fn what_came_before_the_end_is_told_before_it() {
    let mut session = connected();
    let topic = b"devices/device/messages/devicebound/";
    let mut message = vec![0x30, u8::try_from(topic.len() + 4).unwrap(), 0, 36];
    message.extend_from_slice(topic);
    message.extend_from_slice(b"hi");
    // A packet that no hub sends, in the same bytes.
    message.extend_from_slice(&[0xc0, 0]);
    session.receive(at(3), &message);
    assert!(session.take_end().is_none());
    assert_eq!(session.poll_event(), Some(Event::Message(Message::new("hi"))));
    assert_eq!(*end(&mut session).kind(), ErrorKind::Protocol);
    assert!(!session.is_connected());
}

#[test]
fn a_lost_connection_is_lost_where_it_stood() {
    let mut session = connected();
    session.lost(Error::new(Stage::Connect, ErrorKind::ConnectionLost));
    let error = end(&mut session);
    assert_eq!((error.stage(), error.kind()), (Stage::Hub, &ErrorKind::ConnectionLost));
    assert!(error.hint().contains("connect again"));
    assert_eq!(session.close(at(5)), [0xe0, 0]);
}
