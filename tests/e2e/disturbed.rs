//! The local service's faults, each over each transport: the client recovers where trying again can
//! help, says what is wrong where it cannot, and is never kept beyond its deadline.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

#[path = "disturbed/wire.rs"]
mod wire;

use dps_client::{
    Builder, Error, ErrorKind, Policy, ProvisioningClient, RegistrationId, Stage, Status, Transport,
};
use dps_emulator::{
    AttestationConfig, DeviceTransport, EnrollmentGroupConfig, Fault, FaultConfig, FaultKind,
    FaultOperation, FaultScope, IndividualEnrollmentConfig, MalformedForm,
};
use dps_tests::{Fleet, Proof, SoftwareTpm};
use std::thread;
use std::time::{Duration, Instant};

const REQUESTS: [FaultOperation; 2] = [FaultOperation::Register, FaultOperation::Poll];
/// Where a connection says whose it is; HTTPS has no such thing.
const WITH_CONNECT: [Transport; 4] =
    [Transport::Mqtt, Transport::MqttWs, Transport::Amqp, Transport::AmqpWs];

/// Runs `check` for several things at the same time: most of each is waiting.
fn for_each<T: Copy + Send + Sync + std::fmt::Debug>(all: &[T], check: impl Fn(T) + Sync) {
    let check = &check;
    thread::scope(|scope| {
        for &one in all {
            let run = move || check(one);
            thread::Builder::new().name(format!("{one:?}")).spawn_scoped(scope, run).unwrap();
        }
    });
}

fn for_each_request(check: impl Fn(Transport, FaultOperation) + Sync) {
    let all: Vec<_> =
        Transport::ALL.iter().flat_map(|t| REQUESTS.map(|operation| (*t, operation))).collect();
    for_each(&all, |(transport, operation)| check(transport, operation));
}

fn quick() -> Policy {
    Policy {
        deadline: Some(Duration::from_secs(25)),
        backoff_base: Duration::from_millis(20),
        ..Policy::default()
    }
}

/// A device that alone is struck, so that many can be tried at one service at the same time.
struct Trial<'a> {
    fleet: &'a Fleet,
    name: String,
    builder: Builder,
}

/// What became of it.
struct Told {
    result: Result<dps_client::Assignment, Error>,
    statuses: Vec<Status>,
    took: Duration,
    struck: u32,
}

impl<'a> Trial<'a> {
    fn new(fleet: &'a Fleet, transport: Transport, name: &str, fault: Fault) -> Self {
        Self::of(fleet, transport, Proof::KeyGroup, name, fault)
    }

    fn of(fleet: &'a Fleet, transport: Transport, proof: Proof, name: &str, fault: Fault) -> Self {
        let place = fault.operation.map_or("any".to_owned(), |operation| format!("{operation:?}"));
        let name = format!("{name}-{place}-{transport}-{proof:?}").to_lowercase();
        let scope = FaultScope::RegistrationId(RegistrationId::new(name.as_str()).unwrap());
        fleet.emulator.set_fault(&name, fault.for_scope(scope)).unwrap();
        let builder = fleet.device(transport, proof, &name).policy(quick());
        Self { fleet, name, builder }
    }

    fn policy(mut self, policy: Policy) -> Self {
        self.builder = self.builder.policy(policy);
        self
    }

    fn run(self) -> Told {
        let mut client: ProvisioningClient = self.builder.build().unwrap();
        let (mut statuses, started) = (Vec::new(), Instant::now());
        let result = client.register_with(|status| statuses.push(status));
        let faults = self.fleet.emulator.faults();
        let struck = faults.iter().find(|one| one.name == self.name).unwrap().struck;
        Told { result, statuses, took: started.elapsed(), struck }
    }

    /// The device gets in, and the fault has struck so often.
    fn gets_in(self, struck: u32) -> Told {
        let name = self.name.clone();
        let told = self.run();
        let assignment = told.result.as_ref().unwrap_or_else(|error| panic!("{name}: {error}"));
        assert_eq!(assignment.device_id, name);
        assert_eq!(told.struck, struck, "{name}: {:?}", told.statuses);
        told
    }

    /// It ends at its deadline, and not before.
    fn ends_at_the_deadline(self, during: Stage) -> Error {
        let (name, deadline) = (self.name.clone(), Duration::from_secs(3));
        let told = self.policy(Policy { deadline: Some(deadline), ..quick() }).run();
        let error = told.result.expect_err(&name);
        assert!(told.took >= deadline, "{name}: {:?}: {error}", told.took);
        assert!(told.took < deadline * 3, "{name}: {:?}", told.took);
        assert!(told.struck >= 1, "{name}");
        assert_eq!(error.stage(), Stage::Deadline, "{name}: {error}");
        match error.kind() {
            ErrorKind::DeadlineExceeded { during: found, .. } => {
                assert_eq!(*found, during, "{name}")
            }
            other => panic!("{name}: {other:?}"),
        }
        error
    }
}

fn stage_of(operation: FaultOperation) -> Stage {
    match operation {
        FaultOperation::Register => Stage::Register,
        FaultOperation::Poll => Stage::Poll,
        _ => Stage::Authenticate,
    }
}

fn throttle(seconds: u32) -> FaultKind {
    FaultKind::Throttle { retry_after_seconds: Some(seconds) }
}

#[test]
fn a_delayed_answer_is_waited_for_on_the_same_connection() {
    let fleet = Fleet::start();
    let fault = Fault::new(FaultKind::Delay { milliseconds: 1200 }).times(1);
    for_each_request(|transport, operation| {
        let trial = Trial::new(&fleet, transport, "delay", fault.clone().at(operation));
        let told = trial.policy(Policy { max_connections: Some(1), ..quick() }).gets_in(1);
        assert!(told.took >= Duration::from_millis(1200), "{transport} {operation:?}");
    });
}

#[test]
fn a_throttled_device_comes_back_after_retry_after_and_gets_in() {
    let fleet = Fleet::start();
    for_each_request(|transport, operation| {
        let fault = Fault::new(throttle(2)).at(operation).times(2);
        let told = Trial::new(&fleet, transport, "throttle", fault).gets_in(2);
        // A whole second more than the pauses would be without it.
        assert!(told.took >= Duration::from_secs(4), "{transport} {operation:?}: {:?}", told.took);
    });
}

#[test]
fn a_server_error_is_tried_again() {
    let fleet = Fleet::start();
    for_each_request(|transport, operation| {
        let (status, retry_after_seconds) = (503, None);
        let kind = FaultKind::ServerError { status, retry_after_seconds };
        Trial::new(&fleet, transport, "error", Fault::new(kind).at(operation).times(2)).gets_in(2);
    });
}

#[test]
fn a_connection_that_is_dropped_anywhere_in_an_answer_is_replaced() {
    let fleet = Fleet::start();
    for after_bytes in [0, 1, 20, 1_000_000] {
        for_each_request(|transport, operation| {
            let fault = Fault::new(FaultKind::Drop { after_bytes }).at(operation).times(1);
            let name = format!("drop-{after_bytes}");
            Trial::new(&fleet, transport, &name, fault).gets_in(1);
        });
    }
}

#[test]
fn an_answer_that_never_comes_is_asked_for_on_another_connection() {
    let fleet = Fleet::start();
    for_each_request(|transport, operation| {
        let fault = Fault::new(FaultKind::NeverAnswer).at(operation).times(1);
        let policy = Policy { silence: Duration::from_secs(1), ..quick() };
        let told = Trial::new(&fleet, transport, "never", fault).policy(policy).gets_in(1);
        assert!(told.took >= Duration::from_secs(1), "{transport} {operation:?}");
    });
}

#[test]
fn a_service_that_never_answers_or_always_throttles_ends_at_the_deadline() {
    let fleet = Fleet::start();
    for kind in [FaultKind::NeverAnswer, throttle(1)] {
        for_each_request(|transport, operation| {
            let fault = Fault::new(kind.clone()).at(operation);
            let name = if kind == FaultKind::NeverAnswer { "mute" } else { "busy" };
            let trial = Trial::new(&fleet, transport, name, fault);
            trial.ends_at_the_deadline(stage_of(operation));
        });
    }
}

#[test]
fn a_malformed_answer_is_final_and_said_to_be_one() {
    let fleet = Fleet::start();
    let forms = [
        MalformedForm::NotJson,
        MalformedForm::TruncatedJson,
        MalformedForm::WrongMembers,
        MalformedForm::Empty,
    ];
    for form in forms {
        for_each_request(|transport, operation| {
            let fault = Fault::new(FaultKind::Malformed { form }).at(operation).times(1);
            let name = format!("{form:?}");
            let told = Trial::new(&fleet, transport, &name, fault).run();
            let error = told.result.expect_err(&name);
            let which = format!("{transport} {operation:?} {form:?}: {error}");
            // JSON without a status is no assignment, but JSON (as the original client judges it).
            let expected = match form {
                MalformedForm::WrongMembers => ErrorKind::RegistrationFailed,
                _ => ErrorKind::MalformedReply,
            };
            assert_eq!(*error.kind(), expected, "{which}");
            assert_eq!(error.stage(), stage_of(operation), "{which}");
            assert_eq!(told.struck, 1, "{which}");
        });
    }
}

#[test]
fn a_connection_that_is_refused_for_now_is_tried_again() {
    let fleet = Fleet::start();
    for proof in [Proof::KeyGroup, Proof::X509Group] {
        for_each(&WITH_CONNECT, |transport| {
            for (name, kind) in [
                ("busy", throttle(1)),
                ("broken", FaultKind::ServerError { status: 500, retry_after_seconds: None }),
            ] {
                let fault = Fault::new(kind).at(FaultOperation::Connect).times(1);
                Trial::of(&fleet, transport, proof, name, fault).gets_in(1);
            }
        });
    }
}

#[test]
fn a_connection_that_is_late_dropped_or_mute_is_borne() {
    let fleet = Fleet::start();
    let kinds = [
        ("late", FaultKind::Delay { milliseconds: 700 }),
        ("gone", FaultKind::Drop { after_bytes: 0 }),
        ("half", FaultKind::Drop { after_bytes: 3 }),
        ("mute", FaultKind::NeverAnswer),
    ];
    for proof in [Proof::KeyGroup, Proof::X509Group] {
        for_each(&WITH_CONNECT, |transport| {
            for (name, kind) in kinds.clone() {
                let fault = Fault::new(kind).at(FaultOperation::Connect).times(1);
                let policy = Policy { silence: Duration::from_secs(2), ..quick() };
                Trial::of(&fleet, transport, proof, name, fault).policy(policy).gets_in(1);
            }
        });
    }
}

#[test]
fn only_whom_a_fault_is_for_is_struck() {
    let fleet = Fleet::start_with(|config| {
        let is_keyed =
            |group: &&mut EnrollmentGroupConfig| group.enrollment_group_id == "key-group";
        let group = config.enrollment_groups.iter_mut().find(is_keyed).unwrap();
        group.faults = vec![FaultConfig::new("group", Fault::new(FaultKind::NeverAnswer))];
        let over = Fault::new(FaultKind::NeverAnswer).over(DeviceTransport::AmqpWs);
        config.faults = vec![FaultConfig::new("amqp-ws", over)];
    });
    let short = Policy { deadline: Some(Duration::from_secs(2)), ..quick() };
    let struck = |name: &str| {
        let faults = fleet.emulator.faults();
        faults.iter().find(|one| one.name == name).unwrap().struck
    };
    for_each(&Transport::ALL, |transport| {
        let mut kept_out =
            fleet.device(transport, Proof::KeyGroup, "one").policy(short.clone()).build().unwrap();
        // While one waits in vain, others get in.
        thread::scope(|scope| {
            let waits = scope.spawn(move || kept_out.register().unwrap_err());
            for proof in [Proof::X509Group, Proof::KeyIndividual] {
                let other = fleet.device(transport, proof, "other").policy(short.clone());
                let result = other.build().unwrap().register();
                match transport {
                    Transport::AmqpWs => assert_eq!(result.unwrap_err().stage(), Stage::Deadline),
                    _ => drop(result.unwrap_or_else(|e| panic!("{transport} {proof:?}: {e}"))),
                }
            }
            assert_eq!(waits.join().unwrap().stage(), Stage::Deadline, "{transport}");
        });
    });
    // Over AMQP in a WebSocket the service's own fault comes first.
    assert_eq!(struck("group"), 4);
    assert_eq!(struck("amqp-ws"), 3);
    assert!(fleet.emulator.remove_fault("group") && !fleet.emulator.remove_fault("group"));
    fleet.device(Transport::Mqtt, Proof::KeyGroup, "one").build().unwrap().register().unwrap();
}

#[test]
fn a_service_stops_while_clients_wait_for_answers_that_never_come() {
    let fleet = Fleet::start();
    fleet.emulator.set_fault("mute", Fault::new(FaultKind::NeverAnswer)).unwrap();
    let policy = Policy { max_connections: Some(1), ..quick() };
    let clients: Vec<_> = Transport::ALL
        .iter()
        .map(|transport| {
            let client = fleet.device(*transport, Proof::KeyGroup, "waits").policy(policy.clone());
            let mut client = client.build().unwrap();
            thread::spawn(move || client.register())
        })
        .collect();
    while fleet.emulator.faults()[0].struck < 5 {
        thread::sleep(Duration::from_millis(10));
    }
    let started = Instant::now();
    fleet.emulator.stop();
    assert!(started.elapsed() < Duration::from_secs(4), "{:?}", started.elapsed());
    for client in clients {
        client.join().unwrap().unwrap_err();
    }
}

#[test]
fn a_device_with_a_tpm_bears_them_too() {
    let with_tpm = [Transport::Http, Transport::Amqp, Transport::AmqpWs];
    let tpms = [1, 2, 3].map(SoftwareTpm::new);
    let fleet = Fleet::start_with(|config| {
        config.enrollments.extend(tpms.iter().map(|tpm| {
            let mut own = IndividualEnrollmentConfig::new(tpm.id());
            own.attestation = AttestationConfig::with_endorsement_key(&tpm.keys().endorsement_key);
            own
        }));
    });
    for_each(&[0, 1, 2], |index| {
        let (transport, tpm) = (with_tpm[index], &tpms[index]);
        let name = tpm.id().to_string();
        for (kind, at) in [
            (throttle(1), FaultOperation::Register),
            (FaultKind::Drop { after_bytes: 20 }, FaultOperation::Register),
            (FaultKind::NeverAnswer, FaultOperation::Register),
            (throttle(1), FaultOperation::Connect),
            (FaultKind::Drop { after_bytes: 5 }, FaultOperation::Connect),
        ] {
            if at == FaultOperation::Connect && transport == Transport::Http {
                continue;
            }
            let case = format!("{transport} {kind:?} {at:?}");
            let fault =
                Fault::new(kind).for_scope(FaultScope::Enrollment(tpm.id())).at(at).times(1);
            fleet.emulator.set_fault(&name, fault).unwrap();
            let policy = Policy { silence: Duration::from_secs(4), ..quick() };
            let mut client = fleet.client(transport, tpm.clone()).policy(policy).build().unwrap();
            client.register().unwrap_or_else(|error| panic!("{case}: {error}"));
            let faults = fleet.emulator.faults();
            let struck = faults.iter().find(|one| one.name == name).unwrap().struck;
            assert_eq!(struck, 1, "{case}");
        }
    });
}
