//! The state machine in virtual time.

use super::*;
use crate::{IdScope, RegistrationId};

const ASSIGNING: &str = r#"{"operationId":"4.abc.def","status":"assigning"}"#;
const ASSIGNED: &str = r#"{"operationId":"4.abc.def","status":"assigned","registrationState":{"registrationId":"dev1","assignedHub":"hub.example","deviceId":"dev1","status":"assigned","substatus":"initialAssignment"}}"#;

/// A registration and its clock.
struct Rig {
    registration: Registration,
    now: Now,
}

impl Rig {
    fn new(policy: Policy) -> Self {
        let now = Now::new(Timestamp::new(Duration::from_secs(1000)), 1_700_000_000);
        let identity = Identity {
            id_scope: IdScope::new("0ne00111111").unwrap(),
            registration_id: RegistrationId::new("dev1").unwrap(),
        };
        let attestation = Attestation::SymmetricKey;
        let config = RegistrationConfig { identity, attestation, payload: None, policy };
        // Jitter at half of its range, so that pauses are neither zero nor the ceiling.
        let mut rig = Self { registration: Registration::new(config, Box::new(|| 500), now), now };
        rig.sign();
        rig
    }

    /// Answers the sign request that every connection starts with.
    fn sign(&mut self) {
        match self.registration.poll_action() {
            Some(Action::Sign(text)) => {
                assert!(text.starts_with("0ne00111111%2Fregistrations%2Fdev1\n"), "{text}");
            }
            other => panic!("expected Sign, got {other:?}"),
        }
        self.tell(Event::Signed(Ok(Mac::new([7; 32]))));
    }

    fn tell(&mut self, event: Event) {
        self.registration.handle(self.now, event);
    }

    fn reply(&mut self, status: u16, retry_after: Option<u64>, body: impl AsRef<[u8]>) {
        let retry_after = retry_after.map(Duration::from_secs);
        self.tell(Event::Reply(Reply { status, retry_after, body: body.as_ref().to_vec() }));
    }

    fn pass(&mut self, time: Duration) {
        self.now.at = self.now.at + time;
        self.now.unix_seconds += time.as_secs();
        self.registration.handle_timeout(self.now);
    }

    /// Moves the clock to the next timeout; gives how long that took.
    fn wait(&mut self) -> Duration {
        let pause = self.registration.next_timeout().expect("a timeout").since(self.now.at);
        self.pass(pause);
        pause
    }

    fn actions(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.registration.poll_action()).map(|a| describe(&a)).collect()
    }

    fn connected(&mut self) {
        assert!(matches!(self.registration.poll_action(), Some(Action::Connect(_))));
        for stage in [Stage::Resolve, Stage::Connect, Stage::Tls, Stage::Authenticate] {
            self.tell(Event::Reached(stage));
        }
        self.tell(Event::Connected);
    }

    fn lose(&mut self, stage: Stage) {
        self.tell(Event::Lost(Error::new(stage, ErrorKind::ConnectionLost)));
    }

    /// The outcome, which must be the last action.
    fn outcome(&mut self) -> Result<Assignment, Error> {
        let mut outcome = None;
        while let Some(action) = self.registration.poll_action() {
            assert!(outcome.is_none(), "{action:?} after the end");
            if let Action::Finish(result) = action {
                outcome = Some(*result);
            }
        }
        assert!(self.registration.is_finished());
        assert_eq!(self.registration.next_timeout(), None);
        outcome.expect("an outcome")
    }
}

fn describe(action: &Action) -> String {
    match action {
        Action::Sign(_) => "sign".into(),
        Action::ReadTpmKeys | Action::Activate(_) | Action::Authenticate(_) => {
            panic!("{action:?} without a TPM")
        }
        Action::Connect(opening) => match &opening.request {
            Request::Register { .. } => "connect+register".into(),
            Request::Poll { operation_id } => format!("connect+poll {operation_id}"),
        },
        Action::Send(Request::Register { body }) => format!("register {body}"),
        Action::Send(Request::Poll { operation_id }) => format!("poll {operation_id}"),
        Action::Disconnect => "disconnect".into(),
        Action::Notify(status) => format!("{status:?}"),
        Action::Finish(result) => {
            if result.is_ok() {
                "finish ok".into()
            } else {
                "finish error".into()
            }
        }
    }
}

#[test]
fn assigning_then_assigned() {
    let mut rig = Rig::new(Policy::default());
    rig.connected();
    assert_eq!(rig.actions(), ["Connected"]);
    rig.reply(202, Some(3), ASSIGNING);
    assert_eq!(rig.actions(), ["Assigning"]);
    assert_eq!(rig.wait(), Duration::from_secs(3));
    assert_eq!(rig.actions(), ["poll 4.abc.def"]);
    rig.reply(200, None, ASSIGNED);
    let assignment = rig.outcome().unwrap();
    assert_eq!((assignment.hub.as_str(), assignment.device_id.as_str()), ("hub.example", "dev1"));
    assert_eq!(assignment.substatus.as_deref(), Some("initialAssignment"));
}

#[test]
fn the_register_body_names_the_device_and_keeps_the_payload_as_written() {
    let now = Now::new(Timestamp::default(), 0);
    let identity = Identity {
        id_scope: IdScope::new("s").unwrap(),
        registration_id: RegistrationId::new("dev1").unwrap(),
    };
    let payload =
        RawValue::from_string(r#"{"n": 1.10,"big":12345678901234567890}"#.into()).unwrap();
    let config = RegistrationConfig {
        identity,
        attestation: Attestation::SymmetricKey,
        payload: Some(payload),
        policy: Policy::default(),
    };
    let registration = Registration::new(config, Box::new(|| 0), now);
    assert_eq!(
        registration.request(),
        Request::Register {
            body: r#"{"registrationId":"dev1","payload":{"n": 1.10,"big":12345678901234567890}}"#
                .into()
        }
    );
}

#[test]
fn without_a_retry_after_the_policy_interval_is_used() {
    let mut rig = Rig::new(Policy::default());
    rig.connected();
    rig.reply(202, None, ASSIGNING);
    assert_eq!(rig.wait(), Duration::from_secs(2));
}

#[test]
fn throttling_never_comes_back_sooner_than_asked() {
    let mut rig = Rig::new(Policy { deadline: None, ..Policy::default() });
    rig.connected();
    let _ = rig.actions();
    for round in 0..20 {
        rig.reply(429, Some(10), "");
        let pause = rig.wait();
        assert!(pause >= Duration::from_secs(10), "round {round}: {pause:?}");
        assert!(pause <= Duration::from_secs(70), "round {round}: {pause:?}");
        let actions = rig.actions();
        assert_eq!(actions.len(), 1, "{actions:?}");
        assert!(actions[0].starts_with("register"), "{actions:?}");
    }
    rig.reply(500, None, "not even JSON");
    assert!(rig.wait() >= Duration::from_secs(1));
    let _ = rig.actions();
    rig.reply(200, None, ASSIGNED);
    assert!(rig.outcome().is_ok());
}

#[test]
fn a_lost_connection_is_opened_again_and_polls_the_same_operation() {
    let mut rig = Rig::new(Policy::default());
    rig.connected();
    rig.reply(202, Some(1), ASSIGNING);
    rig.wait();
    let _ = rig.actions();
    rig.lose(Stage::Poll);
    assert!(rig.actions().is_empty());
    rig.wait();
    rig.sign();
    assert_eq!(rig.actions(), ["connect+poll 4.abc.def"]);
    rig.tell(Event::Connected);
    assert!(rig.actions().is_empty(), "connected is told once");
    rig.reply(200, None, ASSIGNED);
    assert!(rig.outcome().is_ok());
}

#[test]
fn a_connection_lost_during_a_pause_waits_for_the_end_of_the_pause() {
    let mut rig = Rig::new(Policy::default());
    rig.connected();
    rig.reply(202, Some(30), ASSIGNING);
    let _ = rig.actions();
    rig.pass(Duration::from_secs(1));
    rig.lose(Stage::Poll);
    assert_eq!(rig.wait(), Duration::from_secs(29));
    rig.sign();
    assert_eq!(rig.actions(), ["connect+poll 4.abc.def"]);
}

#[test]
fn retry_after_outlives_the_connection_that_brought_it() {
    let mut rig = Rig::new(Policy::default());
    rig.connected();
    rig.reply(429, Some(20), "");
    rig.lose(Stage::Register);
    let pause = rig.wait();
    assert!(pause >= Duration::from_secs(20), "{pause:?}");
}

#[test]
fn the_connection_budget_delivers_the_last_error() {
    let policy = Policy { max_connections: Some(3), deadline: None, ..Policy::default() };
    let mut rig = Rig::new(policy);
    for attempt in 1..=3 {
        if attempt > 1 {
            rig.sign();
        }
        assert_eq!(rig.actions(), ["connect+register"], "attempt {attempt}");
        rig.tell(Event::Lost(Error::new(Stage::Connect, ErrorKind::ConnectionRefused)));
        if attempt < 3 {
            rig.wait();
        }
    }
    let error = rig.outcome().unwrap_err();
    assert_eq!(*error.kind(), ErrorKind::ConnectionRefused);
}

#[test]
fn the_connection_budget_also_holds_for_connections_lost_in_pauses() {
    let policy = Policy { max_connections: Some(3), deadline: None, ..Policy::default() };
    let mut rig = Rig::new(policy);
    rig.connected();
    rig.reply(202, Some(1), ASSIGNING);
    let mut connections = 1;
    let _ = rig.actions();
    rig.lose(Stage::Poll);
    let error = loop {
        match rig.registration.poll_action() {
            Some(Action::Sign(_)) => rig.tell(Event::Signed(Ok(Mac::new([0; 32])))),
            Some(Action::Connect(_)) => {
                connections += 1;
                rig.lose(Stage::Connect);
            }
            Some(Action::Finish(result)) => break result.unwrap_err(),
            Some(other) => panic!("unexpected {other:?}"),
            None => drop(rig.wait()),
        }
    };
    assert_eq!(connections, 3);
    assert_eq!(*error.kind(), ErrorKind::ConnectionLost);
}

#[test]
fn a_service_that_drops_after_each_assigning_uses_up_the_budget() {
    let policy = Policy { max_connections: Some(3), deadline: None, ..Policy::default() };
    let mut rig = Rig::new(policy);
    let mut connections = 0;
    let error = loop {
        match rig.registration.poll_action() {
            Some(Action::Sign(_)) => rig.tell(Event::Signed(Ok(Mac::new([0; 32])))),
            Some(Action::Connect(_)) => {
                connections += 1;
                rig.tell(Event::Connected);
                rig.reply(202, Some(1), ASSIGNING);
                rig.lose(Stage::Poll);
            }
            Some(Action::Finish(result)) => break result.unwrap_err(),
            Some(_) => {}
            None => drop(rig.wait()),
        }
    };
    assert_eq!(connections, 3);
    assert_eq!(*error.kind(), ErrorKind::ConnectionLost);
}

#[test]
fn a_service_that_closes_politely_after_each_reply_uses_up_no_budget() {
    let mut rig = Rig::new(Policy { max_connections: Some(2), ..Policy::default() });
    rig.connected();
    assert_eq!(rig.actions(), ["Connected"]);
    for _ in 0..5 {
        rig.reply(202, Some(3), ASSIGNING);
        rig.tell(Event::Closed);
        assert_eq!(rig.actions(), ["Assigning"], "the driver has closed it already");
        assert_eq!(rig.wait(), Duration::from_secs(3));
        rig.sign();
        rig.connected();
    }
    // A connection that is lost still counts.
    rig.lose(Stage::Poll);
    rig.wait();
    rig.sign();
    rig.connected();
    rig.lose(Stage::Poll);
    assert_eq!(*rig.outcome().unwrap_err().kind(), ErrorKind::ConnectionLost);
}

#[test]
fn the_request_timeout_holds_after_a_connection_lost_in_a_pause() {
    let limit = Duration::from_secs(10);
    let policy = Policy { deadline: None, request_timeout: Some(limit), ..Policy::default() };
    let mut rig = Rig::new(policy);
    rig.connected();
    rig.reply(202, Some(5), ASSIGNING);
    let _ = rig.actions();
    rig.lose(Stage::Poll);
    assert_eq!(rig.wait(), Duration::from_secs(5));
    let reconnected = rig.now.at;
    // From here on nothing ever answers.
    let error = loop {
        match rig.registration.poll_action() {
            Some(Action::Sign(_)) => rig.tell(Event::Signed(Ok(Mac::new([0; 32])))),
            Some(Action::Connect(_) | Action::Disconnect) => {}
            Some(Action::Finish(result)) => break result.unwrap_err(),
            Some(other) => panic!("unexpected {other:?}"),
            None => drop(rig.wait()),
        }
    };
    assert_eq!(rig.now.at.since(reconnected), limit);
    assert!(matches!(error.kind(), ErrorKind::DeadlineExceeded { .. }));
}

#[test]
fn an_operation_id_that_could_change_a_topic_or_path_is_refused() {
    for id in ["a&$rid=9", "../../x?y=/", "a%2f", "a b", "a#", "a+", ""] {
        let mut rig = Rig::new(Policy::default());
        rig.connected();
        rig.reply(202, None, format!(r#"{{"status":"assigning","operationId":"{id}"}}"#));
        assert_eq!(*rig.outcome().unwrap_err().kind(), ErrorKind::IncompleteReply, "{id}");
    }
}

#[test]
fn silence_counts_as_a_lost_connection() {
    let policy = Policy { max_connections: Some(1), deadline: None, ..Policy::default() };
    let mut rig = Rig::new(policy);
    rig.connected();
    let _ = rig.actions();
    assert_eq!(rig.wait(), Duration::from_secs(30));
    let error = rig.outcome().unwrap_err();
    assert_eq!(error.stage(), Stage::Register);
    assert_eq!(*error.kind(), ErrorKind::Silent { after: Duration::from_secs(30) });
}

#[test]
fn silence_disconnects_before_it_connects_again() {
    let mut rig = Rig::new(Policy::default());
    let _ = rig.actions();
    assert_eq!(rig.wait(), Duration::from_secs(30));
    assert_eq!(rig.actions(), ["disconnect"]);
    rig.wait();
    rig.sign();
    assert_eq!(rig.actions(), ["connect+register"]);
}

#[test]
fn the_deadline_names_the_stage_and_what_came_before() {
    let mut rig = Rig::new(Policy::default());
    let start = rig.now.at;
    // A server that accepts connections and drops each one.
    let error = loop {
        match rig.registration.poll_action() {
            Some(Action::Sign(_)) => rig.tell(Event::Signed(Ok(Mac::new([0; 32])))),
            Some(Action::Connect(_)) => rig.lose(Stage::Tls),
            Some(Action::Finish(result)) => break result.unwrap_err(),
            Some(other) => panic!("unexpected {other:?}"),
            None => drop(rig.wait()),
        }
    };
    assert_eq!(error.stage(), Stage::Deadline);
    assert!(
        matches!(error.kind(), ErrorKind::DeadlineExceeded { limit, .. } if limit.as_secs() == 120)
    );
    assert!(error.to_string().contains("the connection was lost"), "{error}");
    assert_eq!(rig.now.at.since(start), Duration::from_secs(120));
}

#[test]
fn assigning_for_ever_ends_at_the_deadline_and_says_so() {
    let mut rig = Rig::new(Policy::default());
    rig.connected();
    let mut waited = Duration::ZERO;
    while !rig.registration.is_finished() {
        let _ = rig.actions();
        rig.reply(202, Some(5), ASSIGNING);
        waited += rig.wait();
    }
    let error = rig.outcome().unwrap_err();
    assert_eq!(waited, Duration::from_secs(120));
    assert!(matches!(error.kind(), ErrorKind::DeadlineExceeded { during: Stage::Poll, .. }));
    assert!(error.to_string().contains("assigning"), "{error}");
}

#[test]
fn the_request_timeout_spans_retries_but_not_pauses_the_service_asked_for() {
    let policy = Policy {
        deadline: None,
        request_timeout: Some(Duration::from_secs(5)),
        ..Policy::default()
    };
    let mut rig = Rig::new(policy);
    rig.connected();
    // Assigning with a long pause: no time-out, because the service answered.
    rig.reply(202, Some(60), ASSIGNING);
    assert_eq!(rig.wait(), Duration::from_secs(60));
    assert!(rig.actions().contains(&"poll 4.abc.def".to_owned()));
    // Throttled from then on: the phase ends 5 s after the poll was first sent.
    rig.reply(429, Some(2), "");
    let mut waited = Duration::ZERO;
    while !rig.registration.is_finished() {
        waited += rig.wait();
        if !rig.registration.is_finished() {
            let _ = rig.actions();
            rig.reply(503, Some(2), "");
        }
    }
    assert_eq!(waited, Duration::from_secs(5));
    let error = rig.outcome().unwrap_err();
    assert!(matches!(error.kind(), ErrorKind::DeadlineExceeded { during: Stage::Poll, .. }));
    assert!(error.to_string().contains("503"), "{error}");
}

#[test]
fn refusals_are_final_and_carry_the_services_words() {
    let body = r#"{"errorCode":401002,"trackingId":"t-1","message":"Unauthorized","timestampUtc":"2020-04-10T05:24:22.4718526Z"}"#;
    let mut rig = Rig::new(Policy::default());
    rig.connected();
    rig.reply(401, None, body);
    let error = rig.outcome().unwrap_err();
    assert_eq!(error.stage(), Stage::Register);
    assert_eq!(*error.kind(), ErrorKind::Service { status: 401 });
    let service = error.service().unwrap();
    assert_eq!(service.error_code, Some(401_002));
    assert_eq!(service.tracking_id.as_deref(), Some("t-1"));
}

#[test]
fn a_connection_can_be_refused_with_a_reply() {
    let mut rig = Rig::new(Policy::default());
    assert!(matches!(rig.registration.poll_action(), Some(Action::Connect(_))));
    rig.tell(Event::Reached(Stage::Authenticate));
    rig.reply(401, None, r#"{"errorCode":401002,"message":"IotHubUnauthorizedAccess"}"#);
    let error = rig.outcome().unwrap_err();
    assert_eq!(error.stage(), Stage::Authenticate);
    assert_eq!(error.service().unwrap().error_code, Some(401_002));

    // One that may pass is followed by another connection.
    let mut rig = Rig::new(Policy::default());
    let _ = rig.actions();
    rig.tell(Event::Reached(Stage::Authenticate));
    rig.reply(503, Some(5), "");
    rig.lose(Stage::Authenticate);
    assert!(rig.actions().is_empty());
    rig.wait();
    rig.sign();
    assert_eq!(rig.actions(), ["connect+register"]);
}

#[test]
fn each_terminal_status_has_its_own_kind() {
    let cases = [
        (r#"{"status":"disabled"}"#, ErrorKind::Disabled),
        (r#"{"status":"blacklisted"}"#, ErrorKind::Blacklisted),
        (
            r#"{"status":"failed","registrationState":{"errorCode":400208,"errorMessage":"no hub"}}"#,
            ErrorKind::RegistrationFailed,
        ),
        (r#"{"status":"novel"}"#, ErrorKind::RegistrationFailed),
        (r#"{"status":"unassigned"}"#, ErrorKind::IncompleteReply),
        (r#"{"status":"unassigned","authenticationKey":null}"#, ErrorKind::IncompleteReply),
        (r#"{"status":"unassigned","authenticationKey":"AA=="}"#, ErrorKind::MalformedReply),
        (r#"{"status":"assigning"}"#, ErrorKind::IncompleteReply),
        (r#"{"status":"assigned"}"#, ErrorKind::IncompleteReply),
        (
            r#"{"status":"assigned","registrationState":{"assignedHub":"h;x","deviceId":"d"}}"#,
            ErrorKind::IncompleteReply,
        ),
        (r#"{"errorCode":401002}"#, ErrorKind::Service { status: 200 }),
        ("{}", ErrorKind::RegistrationFailed),
        (r#"{"status":7}"#, ErrorKind::RegistrationFailed),
        (r#"{"status":"assigned","registrationState":"x"}"#, ErrorKind::IncompleteReply),
        ("[]", ErrorKind::MalformedReply),
        ("[1,2]", ErrorKind::MalformedReply),
        ("\"assigned\"", ErrorKind::MalformedReply),
        ("", ErrorKind::MalformedReply),
    ];
    for (body, kind) in cases {
        let mut rig = Rig::new(Policy::default());
        rig.connected();
        rig.reply(200, None, body);
        assert_eq!(*rig.outcome().unwrap_err().kind(), kind, "{body}");
    }
}

#[test]
fn a_reply_that_is_not_utf8_is_malformed() {
    for body in [&b"{\"status\":\"assigning\",\"operationId\":\"\xff\"}"[..], b"{\"new\":\"\xff\"}"]
    {
        let mut rig = Rig::new(Policy::default());
        rig.connected();
        rig.reply(200, None, body);
        let error = rig.outcome().unwrap_err();
        assert_eq!(*error.kind(), ErrorKind::MalformedReply);
        assert!(error.to_string().contains("utf-8"), "{error}");
    }
}

#[test]
fn a_failing_security_module_ends_it_at_once() {
    let now = Now::new(Timestamp::default(), 0);
    let identity = Identity {
        id_scope: IdScope::new("s").unwrap(),
        registration_id: RegistrationId::new("d").unwrap(),
    };
    let config = RegistrationConfig {
        identity,
        attestation: Attestation::SymmetricKey,
        payload: None,
        policy: Policy::default(),
    };
    let mut registration = Registration::new(config, Box::new(|| 0), now);
    assert!(matches!(registration.poll_action(), Some(Action::Sign(_))));
    registration.handle(now, Event::Signed(Err(HsmError::NotSupported { operation: "sign" })));
    let Some(Action::Finish(result)) = registration.poll_action() else { panic!("no end") };
    assert_eq!(result.unwrap_err().stage(), Stage::Hsm);
    assert!(registration.poll_action().is_none());
}

#[test]
fn nothing_happens_after_the_end() {
    let mut rig = Rig::new(Policy::default());
    rig.connected();
    rig.reply(200, None, ASSIGNED);
    assert!(rig.outcome().is_ok());
    rig.reply(200, None, ASSIGNED);
    rig.lose(Stage::Poll);
    rig.tell(Event::Connected);
    rig.pass(Duration::from_secs(10_000));
    assert!(rig.actions().is_empty());
}

#[test]
fn a_device_with_a_certificate_connects_without_signing() {
    let now = Now::new(Timestamp::default(), 0);
    let identity = Identity {
        id_scope: IdScope::new("s").unwrap(),
        registration_id: RegistrationId::new("dev1").unwrap(),
    };
    let config = RegistrationConfig {
        identity,
        attestation: Attestation::X509,
        payload: None,
        policy: Policy::default(),
    };
    let mut registration = Registration::new(config, Box::new(|| 0), now);
    match registration.poll_action() {
        Some(Action::Connect(opening)) => {
            assert!(matches!(opening.credentials, Credentials::ClientCertificate));
        }
        other => panic!("expected Connect, got {other:?}"),
    }
    assert_eq!(registration.stage(), Stage::Resolve);
    registration.handle(now, Event::Connected);
    let body = r#"{"operationId":"4.a","status":"assigned","registrationState":{"assignedHub":"h.example","deviceId":"d","x509":{"enrollmentGroupId":"fleet"}}}"#;
    let reply = Reply { status: 200, retry_after: None, body: body.into() };
    registration.handle(now, Event::Reply(reply));
    let finished = core::iter::from_fn(|| registration.poll_action()).last();
    match finished {
        Some(Action::Finish(result)) => {
            assert_eq!(result.unwrap().enrollment_group_id.as_deref(), Some("fleet"));
        }
        other => panic!("expected Finish, got {other:?}"),
    }
}
