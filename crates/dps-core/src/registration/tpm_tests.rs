//! A TPM's proof, in virtual time.

use super::*;
use crate::{IdScope, RegistrationId};

const CHALLENGE: &str =
    r#"{"message":"Authorization required","authenticationKey":"AAEC","keyName":"registration"}"#;
const ASSIGNING: &str = r#"{"operationId":"4.abc.def","status":"assigning"}"#;

fn assigned(tpm: &str) -> String {
    format!(
        r#"{{"operationId":"4.abc.def","status":"assigned","registrationState":{{{tpm}"assignedHub":"hub.example","deviceId":"dev1"}}}}"#
    )
}

fn with_hub_key() -> String {
    assigned(r#""tpm":{"authenticationKey":"AwQF"},"#)
}

struct Rig {
    registration: Registration,
    now: Now,
}

impl Rig {
    /// One that has shown its keys and opens its first connection.
    fn new() -> Self {
        Self::with(Policy { max_connections: None, ..Policy::default() })
    }

    fn with(policy: Policy) -> Self {
        let mut rig = Self::asked_for_keys(policy);
        let keys = TpmKeys { endorsement_key: vec![1, 2, 3], storage_root_key: vec![4, 5, 6] };
        rig.tell(Event::TpmKeys(Ok(keys)));
        rig
    }

    fn asked_for_keys(policy: Policy) -> Self {
        let now = Now::new(Timestamp::new(Duration::from_secs(1000)), 1_700_000_000);
        let identity = Identity {
            id_scope: IdScope::new("0ne00111111").unwrap(),
            registration_id: RegistrationId::new("dev1").unwrap(),
        };
        let attestation = Attestation::Tpm;
        let config = RegistrationConfig { identity, attestation, payload: None, policy };
        let mut rig = Self { registration: Registration::new(config, Box::new(|| 500), now), now };
        assert_eq!(rig.actions(), ["read keys"]);
        rig
    }

    fn tell(&mut self, event: Event) {
        self.registration.handle(self.now, event);
    }

    fn reply(&mut self, status: u16, body: &str) {
        let reply = Reply { status, retry_after: None, body: body.as_bytes().to_vec() };
        self.tell(Event::Reply(reply));
    }

    fn challenge(&mut self) {
        let blob = ActivationBlob::new(vec![0, 1, 2]).unwrap();
        self.tell(Event::Challenge(Challenge::new(blob)));
    }

    /// The module does what it is asked to.
    fn prove(&mut self) {
        assert_eq!(self.actions(), ["activate [0, 1, 2]"]);
        self.tell(Event::Activated(Ok(())));
        assert_eq!(self.actions(), ["sign"]);
        self.tell(Event::Signed(Ok(Mac::new([7; 32]))));
    }

    fn lose(&mut self) {
        self.tell(Event::Lost(Error::new(Stage::Register, ErrorKind::ConnectionLost)));
    }

    fn wait(&mut self) -> Duration {
        let pause = self.registration.next_timeout().expect("a timeout").since(self.now.at);
        self.pass(pause);
        pause
    }

    fn pass(&mut self, time: Duration) {
        self.now.at = self.now.at + time;
        self.now.unix_seconds += time.as_secs();
        self.registration.handle_timeout(self.now);
    }

    fn actions(&mut self) -> Vec<String> {
        std::iter::from_fn(|| self.registration.poll_action()).map(|a| describe(&a)).collect()
    }

    fn error(&mut self) -> Error {
        let finish = std::iter::from_fn(|| self.registration.poll_action()).last();
        assert!(self.registration.is_finished());
        match finish {
            Some(Action::Finish(result)) => result.unwrap_err(),
            other => panic!("{other:?}"),
        }
    }
}

fn describe(action: &Action) -> String {
    let question = |request: &Request| match request {
        Request::Register { body } => {
            let keys = r#""tpm":{"endorsementKey":"AQID","storageRootKey":"BAUG"}"#;
            assert!(body.contains(keys), "{body}");
            "register"
        }
        Request::Poll { .. } => "poll",
    };
    match action {
        Action::ReadTpmKeys => "read keys".into(),
        Action::Activate(blob) => format!("activate {:?}", blob.as_bytes()),
        Action::Sign(text) => {
            assert!(text.starts_with("0ne00111111%2Fregistrations%2Fdev1\n"), "{text}");
            "sign".into()
        }
        Action::Authenticate(token) => {
            assert!(token.as_str().ends_with("&skn=registration"), "{}", token.as_str());
            "authenticate".into()
        }
        Action::Connect(opening) => {
            let Credentials::Tpm { keys, token } = &opening.credentials else {
                panic!("{opening:?}")
            };
            assert_eq!(keys.endorsement_key, [1, 2, 3]);
            let with = if token.is_some() { "with" } else { "without" };
            format!("connect {with} token, {}", question(&opening.request))
        }
        Action::Send(request) => question(request).into(),
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
fn a_challenge_by_reply_is_answered_and_the_request_sent_again() {
    let mut rig = Rig::new();
    assert_eq!(rig.actions(), ["connect without token, register"]);
    rig.tell(Event::Connected);
    assert_eq!(rig.actions(), ["Connected"]);
    rig.reply(401, CHALLENGE);
    assert_eq!(
        rig.registration.next_timeout().unwrap().since(rig.now.at),
        Duration::from_secs(120)
    );
    rig.prove();
    assert_eq!(rig.actions(), ["authenticate", "register"]);
    assert_eq!(rig.registration.stage(), Stage::Register);
    rig.reply(202, ASSIGNING);
    assert_eq!(rig.actions(), ["Assigning"]);
    rig.wait();
    assert_eq!(rig.actions(), ["poll"]);
    rig.reply(200, &with_hub_key());
    assert_eq!(rig.actions(), ["disconnect", "activate [3, 4, 5]"]);
    assert!(!rig.registration.is_finished());
    rig.tell(Event::Activated(Ok(())));
    assert_eq!(rig.actions(), ["finish ok"]);
}

#[test]
fn a_challenge_before_the_connection_is_accepted_is_answered_and_it_goes_on() {
    let mut rig = Rig::new();
    rig.actions();
    rig.tell(Event::Reached(Stage::Authenticate));
    rig.challenge();
    rig.prove();
    assert_eq!(rig.actions(), ["authenticate"]);
    assert_eq!(rig.registration.stage(), Stage::Authenticate);
    rig.tell(Event::Connected);
    rig.reply(202, ASSIGNING);
    assert_eq!(rig.actions(), ["Connected", "Assigning"]);
    // Lost in the pause: the next connection is challenged again, and polls.
    rig.lose();
    rig.wait();
    assert_eq!(rig.actions(), ["connect with token, poll"]);
    rig.challenge();
    rig.prove();
    assert_eq!(rig.actions(), ["authenticate"]);
    rig.tell(Event::Connected);
    rig.reply(200, &with_hub_key());
    rig.tell(Event::Activated(Ok(())));
    assert_eq!(rig.actions(), ["disconnect", "activate [3, 4, 5]", "finish ok"]);
}

#[test]
fn a_module_that_cannot_show_its_keys_ends_it_before_any_connection() {
    let mut rig = Rig::asked_for_keys(Policy::default());
    rig.tell(Event::TpmKeys(Err(HsmError::NotSupported { operation: "show" })));
    let error = rig.error();
    assert_eq!((error.stage(), error.kind()), (Stage::Hsm, &ErrorKind::Hsm));
}

#[test]
fn a_key_that_cannot_be_recovered_is_final() {
    let failed = || Err(HsmError::Failed { operation: "activate", reason: "no".into() });
    let mut rig = Rig::new();
    rig.tell(Event::Connected);
    rig.reply(401, CHALLENGE);
    rig.tell(Event::Activated(failed()));
    let error = rig.error();
    assert_eq!((error.stage(), error.kind()), (Stage::Hsm, &ErrorKind::Hsm));
    assert!(error.to_string().contains("challenge"), "{error}");

    let mut rig = Rig::new();
    rig.tell(Event::Connected);
    rig.reply(401, CHALLENGE);
    rig.tell(Event::Activated(Ok(())));
    rig.tell(Event::Signed(Err(HsmError::NotSupported { operation: "sign" })));
    assert_eq!(*rig.error().kind(), ErrorKind::Hsm);

    let mut rig = Rig::new();
    rig.tell(Event::Connected);
    rig.reply(200, &with_hub_key());
    rig.tell(Event::Activated(failed()));
    let error = rig.error();
    assert_eq!((error.stage(), error.kind()), (Stage::Hsm, &ErrorKind::HubKey));
    assert!(error.to_string().contains("hub.example as dev1"), "{error}");
}

#[test]
fn a_challenge_after_a_fresh_token_is_a_refusal() {
    let mut rig = Rig::new();
    rig.tell(Event::Connected);
    rig.actions();
    rig.reply(401, CHALLENGE);
    rig.prove();
    rig.reply(401, CHALLENGE);
    let error = rig.error();
    assert_eq!(*error.kind(), ErrorKind::Service { status: 401 });
    assert!(error.hint().contains("endorsement key"), "{}", error.hint());
}

#[test]
fn a_token_of_a_lost_connection_is_tried_again_and_may_be_challenged() {
    let mut rig = Rig::new();
    rig.tell(Event::Connected);
    rig.actions();
    rig.reply(401, CHALLENGE);
    rig.prove();
    rig.actions();
    rig.lose();
    rig.wait();
    assert_eq!(rig.actions(), ["connect with token, register"]);
    rig.tell(Event::Connected);
    rig.reply(401, CHALLENGE);
    rig.prove();
    assert_eq!(rig.actions(), ["authenticate", "register"]);
    rig.reply(401, CHALLENGE);
    assert_eq!(*rig.error().kind(), ErrorKind::Service { status: 401 });
}

#[test]
fn a_service_that_does_nothing_but_challenge_is_given_up() {
    let endless = Policy { deadline: None, max_connections: None, ..Policy::default() };
    let mut rig = Rig::with(endless);
    rig.actions();
    for _ in 0..16 {
        rig.tell(Event::Connected);
        rig.reply(401, CHALLENGE);
        rig.actions();
        rig.tell(Event::Activated(Ok(())));
        rig.tell(Event::Signed(Ok(Mac::new([7; 32]))));
        rig.lose();
        rig.wait();
        assert!(rig.actions().iter().any(|action| action == "connect with token, register"));
    }
    rig.tell(Event::Connected);
    rig.reply(401, CHALLENGE);
    assert_eq!(*rig.error().kind(), ErrorKind::Service { status: 401 });
}

#[test]
fn a_challenge_after_a_reply_that_puts_the_device_off_is_no_refusal() {
    for status in [429, 503] {
        let mut rig = Rig::new();
        rig.tell(Event::Connected);
        rig.actions();
        rig.reply(401, CHALLENGE);
        rig.prove();
        rig.reply(status, "");
        assert_eq!(rig.actions(), ["authenticate", "register"]);
        rig.wait();
        assert_eq!(rig.actions(), ["register"]);
        rig.reply(401, CHALLENGE);
        rig.prove();
        assert_eq!(rig.actions(), ["authenticate", "register"]);
        rig.reply(401, CHALLENGE);
        assert_eq!(*rig.error().kind(), ErrorKind::Service { status: 401 });
    }
}

#[test]
fn a_proof_that_opened_its_connection_is_accepted_however_often_that_is_lost() {
    let mut rig = Rig::with(Policy { deadline: None, max_connections: None, ..Policy::default() });
    rig.actions();
    for _ in 0..40 {
        rig.challenge();
        rig.prove();
        assert_eq!(rig.actions(), ["authenticate"]);
        rig.tell(Event::Connected);
        rig.lose();
        rig.wait();
        assert_eq!(rig.actions().last().unwrap(), "connect with token, register");
    }
}

#[test]
fn proofs_that_open_no_connection_are_given_up() {
    let mut rig = Rig::with(Policy { deadline: None, max_connections: None, ..Policy::default() });
    rig.actions();
    for _ in 0..16 {
        rig.challenge();
        rig.prove();
        rig.lose();
        rig.wait();
        assert_eq!(rig.actions(), ["authenticate", "connect with token, register"]);
    }
    rig.challenge();
    assert_eq!(*rig.error().kind(), ErrorKind::Service { status: 401 });
}

#[test]
fn a_connection_that_is_lost_while_the_module_works_is_opened_again_with_the_token() {
    for (event, waits) in [
        (Event::Lost(Error::new(Stage::Register, ErrorKind::ConnectionLost)), true),
        (Event::Closed, false),
    ] {
        let mut rig = Rig::new();
        rig.tell(Event::Connected);
        rig.actions();
        rig.reply(401, CHALLENGE);
        rig.tell(event);
        rig.prove();
        if waits {
            assert_eq!(rig.actions(), [""; 0]);
            rig.wait();
        }
        assert_eq!(rig.actions(), ["connect with token, register"]);
        rig.tell(Event::Connected);
        rig.reply(202, ASSIGNING);
        assert_eq!(rig.actions(), ["Assigning"]);
    }
}

#[test]
fn a_refusal_that_comes_while_the_module_works_is_final() {
    let mut rig = Rig::new();
    rig.actions();
    rig.challenge();
    let refusal = ErrorKind::SaslRejected { code: 1 };
    rig.tell(Event::Lost(Error::new(Stage::Authenticate, refusal.clone())));
    rig.prove();
    let error = rig.error();
    assert_eq!(*error.kind(), refusal);
    assert!(error.hint().contains("endorsement key"));
}

#[test]
fn an_expired_token_is_not_presented_again() {
    let mut rig = Rig::with(Policy { deadline: None, ..Policy::default() });
    rig.tell(Event::Connected);
    rig.actions();
    rig.reply(401, CHALLENGE);
    rig.prove();
    rig.reply(202, ASSIGNING);
    rig.actions();
    rig.lose();
    rig.pass(Policy::default().token_lifetime);
    assert_eq!(rig.actions(), ["connect without token, poll"]);
}

#[test]
fn a_slow_module_does_not_run_into_the_silence_but_into_the_deadline() {
    let mut rig = Rig::new();
    rig.tell(Event::Connected);
    rig.reply(401, CHALLENGE);
    rig.actions();
    rig.pass(Duration::from_secs(60));
    assert!(rig.actions().is_empty());
    rig.pass(Duration::from_secs(60));
    assert!(matches!(rig.error().kind(), ErrorKind::DeadlineExceeded { .. }));
    rig.tell(Event::Activated(Ok(())));
    assert!(rig.actions().is_empty(), "too late");
}

#[test]
fn an_assignment_needs_a_key_for_the_hub() {
    for (tpm, kind) in [
        ("", ErrorKind::IncompleteReply),
        (r#""tpm":null,"#, ErrorKind::IncompleteReply),
        (r#""tpm":{},"#, ErrorKind::IncompleteReply),
        (r#""tpm":{"authenticationKey":null},"#, ErrorKind::MalformedHubKey),
        (r#""tpm":{"authenticationKey":7},"#, ErrorKind::MalformedHubKey),
        (r#""tpm":{"authenticationKey":"*"},"#, ErrorKind::MalformedHubKey),
        (r#""tpm":{"authenticationKey":""},"#, ErrorKind::MalformedHubKey),
    ] {
        let mut rig = Rig::new();
        rig.tell(Event::Connected);
        rig.reply(200, &assigned(tpm));
        assert_eq!(*rig.error().kind(), kind, "{tpm}");
    }
}

#[test]
fn a_bad_challenge_is_malformed_and_an_error_document_a_refusal() {
    for (body, kind) in [
        (r#"{"authenticationKey":"*"}"#, ErrorKind::MalformedReply),
        (r#"{"authenticationKey":""}"#, ErrorKind::MalformedReply),
        (r#"{"errorCode":401002,"message":"Unauthorized"}"#, ErrorKind::Service { status: 401 }),
        ("", ErrorKind::Service { status: 401 }),
    ] {
        let mut rig = Rig::new();
        rig.tell(Event::Connected);
        rig.reply(401, body);
        assert_eq!(*rig.error().kind(), kind, "{body}");
    }
}

#[test]
fn a_keys_name_cannot_break_out_of_the_token() {
    let mut rig = Rig::new();
    rig.tell(Event::Connected);
    rig.reply(401, r#"{"authenticationKey":"AAEC","keyName":"a&b\r\nc"}"#);
    rig.tell(Event::Activated(Ok(())));
    rig.tell(Event::Signed(Ok(Mac::new([7; 32]))));
    let token =
        std::iter::from_fn(|| rig.registration.poll_action()).find_map(|action| match action {
            Action::Authenticate(token) => Some(token),
            _ => None,
        });
    assert!(token.unwrap().as_str().ends_with("&skn=a%26b%0D%0Ac"));
}
