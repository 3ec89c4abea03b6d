//! The client's session against scripted HTTP replies, in virtual time.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{
    Assignment, Error, ErrorKind, Hsm as _, IdScope, Identity, Now, Output, Policy, RegistrationId,
    Session, Stage, SymmetricKey, Timestamp,
};
use dps_core::{Attestation, RegistrationConfig};
use dps_hsm_symm_key::SymmetricKeyHsm;
use dps_transport::Link;
use dps_transport_http::HttpTransport;
use std::time::Duration;

const ASSIGNING: &str = r#"{"operationId":"1.2","status":"assigning"}"#;
const ASSIGNED: &str = r#"{"operationId":"1.2","status":"assigned","registrationState":{"assignedHub":"h.x","deviceId":"d"}}"#;

fn response(line: &str, headers: &str, body: &str) -> String {
    format!("HTTP/1.1 {line}\r\n{headers}Content-Length: {}\r\n\r\n{body}", body.len())
}

/// Registers with a service that answers one request after the other with `script`, and is silent
/// from then on. Gives the outcome, what was asked on each connection, and the time it took.
fn scripted(
    policy: Policy,
    script: &[String],
) -> (Result<Assignment, Error>, Vec<Vec<String>>, Duration) {
    scripted_with(policy, script, |_, _| {})
}

/// The same, where something else happens after each reply.
fn scripted_with(
    policy: Policy,
    script: &[String],
    mut after: impl FnMut(&mut Session, Now),
) -> (Result<Assignment, Error>, Vec<Vec<String>>, Duration) {
    let id = RegistrationId::new("device").unwrap();
    let mut hsm = SymmetricKeyHsm::new(id.clone(), SymmetricKey::from_bytes(&[1; 32]).unwrap());
    let config = RegistrationConfig {
        identity: Identity { id_scope: IdScope::new("scope").unwrap(), registration_id: id },
        attestation: Attestation::SymmetricKey,
        payload: None,
        policy,
    };
    let mut elapsed = Duration::ZERO;
    let reading = |at: Duration| Now::new(Timestamp::new(at), 1_800_000_000 + at.as_secs());
    let engine = Box::new(HttpTransport::new("dps.test", 443));
    let mut session = Session::new(config, engine, Box::new(|| 0), reading(elapsed));
    let mut script = script.iter();
    let mut asked: Vec<Vec<String>> = Vec::new();
    for _ in 0..1000 {
        let now = reading(elapsed);
        while let Some(output) = session.poll_output() {
            match output {
                Output::Sign(text) => session.signed(now, hsm.sign(text.as_bytes())),
                Output::Connect => {
                    asked.push(Vec::new());
                    session.opened(now, Link::plain());
                }
                Output::Finished(result) => return (*result, asked, elapsed),
                _ => {}
            }
        }
        let mut wire = Vec::new();
        session.transmit(now, &mut wire);
        if wire.is_empty() {
            elapsed = session.next_timeout().expect("a timer").since_origin();
            session.handle_timeout(reading(elapsed));
            continue;
        }
        let request = String::from_utf8(wire).unwrap();
        asked.last_mut().unwrap().push(request.split(' ').next().unwrap().to_owned());
        if let Some(reply) = script.next() {
            session.receive(now, reply.as_bytes());
            after(&mut session, now);
        }
    }
    panic!("no outcome");
}

#[test]
fn a_service_that_closes_after_each_reply_is_connected_to_again_for_each_poll() {
    let close = "Connection: close\r\nRetry-After: 3\r\n";
    let busy = response("503 Away", close, "");
    let assigning = response("202 Accepted", close, ASSIGNING);
    let script = [busy, assigning.clone(), assigning, response("200 OK", "", ASSIGNED)];
    // Not one of these connections has failed.
    let policy = Policy { max_connections: Some(1), ..Policy::default() };
    let (result, asked, elapsed) = scripted(policy, &script);
    assert_eq!(result.unwrap().hub, "h.x");
    assert_eq!(asked, [["PUT"], ["PUT"], ["GET"], ["GET"]]);
    assert_eq!(elapsed.as_secs(), 9, "each pause is kept");
}

#[test]
fn a_service_that_closes_without_a_word_while_nothing_is_asked_has_not_failed() {
    let busy = response("503 Away", "Retry-After: 3\r\n", "");
    let assigning = response("202 Accepted", "Retry-After: 3\r\n", ASSIGNING);
    let script = [busy, assigning.clone(), assigning, response("200 OK", "", ASSIGNED)];
    let reset = || Error::new(Stage::Connect, ErrorKind::ConnectionLost).with_detail("reset");
    for error in [None, Some(reset())] {
        let policy = Policy { max_connections: Some(1), ..Policy::default() };
        let end = |session: &mut Session, now| {
            let error = error.as_ref().map(|_| reset());
            session.closed(now, error);
        };
        let (result, asked, elapsed) = scripted_with(policy, &script, end);
        assert_eq!(result.unwrap().hub, "h.x");
        assert_eq!(asked, [["PUT"], ["PUT"], ["GET"], ["GET"]]);
        assert_eq!(elapsed.as_secs(), 9, "each pause is kept");
    }
}

#[test]
fn a_service_that_closes_before_its_reply_is_complete_has_failed() {
    let whole = response("202 Accepted", "", ASSIGNING);
    let script = [whole[..whole.len() - 1].to_owned()];
    let policy = Policy { max_connections: Some(1), ..Policy::default() };
    let (result, asked, _) =
        scripted_with(policy, &script, |session, now| session.closed(now, None));
    assert_eq!(*result.unwrap_err().kind(), ErrorKind::ConnectionLost);
    assert_eq!(asked, [["PUT"]]);
}

#[test]
fn throttling_and_faults_are_waited_out_on_the_same_connection() {
    let script = [
        response("429 Too Many Requests", "Retry-After: 7\r\n", ""),
        response("500 Internal Server Error", "", r#"{"errorCode":500000}"#),
        response("202 Accepted", "Retry-After: 2\r\n", ASSIGNING),
        response("429 Too Many Requests", "Retry-After: Fri, 15 Jan 2027 08:00:30 GMT\r\n", ""),
        response("200 OK", "", ASSIGNED),
    ];
    let (result, asked, elapsed) = scripted(Policy::default(), &script);
    assert_eq!(result.unwrap().device_id, "d");
    assert_eq!(asked, [["PUT", "PUT", "PUT", "GET", "GET"]]);
    // 7 s, then 1 s, then 2 s; the date is 30 s after the start.
    assert_eq!(elapsed.as_secs(), 30);
}

#[test]
fn a_service_that_never_answers_owes_a_reply_to_the_register_request() {
    let policy = Policy { max_connections: Some(2), ..Policy::default() };
    let (result, asked, elapsed) = scripted(policy, &[]);
    let error = result.unwrap_err();
    assert_eq!((error.stage(), asked.len()), (Stage::Register, 2));
    assert!(matches!(error.kind(), ErrorKind::Silent { .. }), "{error}");
    assert!(error.to_string().contains("a reply to the register request"), "{error}");
    assert_eq!(elapsed.as_secs(), 60);
}

#[test]
fn replies_that_cannot_be_right_end_it() {
    for (script, kind) in [
        (
            response("302 Found", "Location: https://evil.example/\r\n", "x"),
            ErrorKind::Service { status: 302 },
        ),
        ("HTTP/1.1 200 OK\r\n\r\n{}".to_owned(), ErrorKind::Protocol),
        (response("200 OK", "Transfer-Encoding: chunked\r\n", "{}"), ErrorKind::Protocol),
        (response("202 Accepted", "", "<html>"), ErrorKind::MalformedReply),
        (response("204 No Content", "", ""), ErrorKind::MalformedReply),
    ] {
        let (result, asked, _) = scripted(Policy::default(), &[script]);
        assert_eq!(*result.unwrap_err().kind(), kind);
        assert_eq!(asked, [["PUT"]], "nothing is tried again, and no redirect followed");
    }
}
