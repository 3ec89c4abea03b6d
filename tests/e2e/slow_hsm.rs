//! Security modules that take their time, or hang: nobody else waits for them, and the registration
//! ends in time.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use dps_client::{
    Assignment, Attestation, ClientIdentity, ClientKey, Error, ErrorKind, Hsm, HsmError, Now,
    Policy, Progress, ProvisioningClient, RegistrationId, SignatureScheme, Stage, Transport,
};
use dps_emulator::{AttestationConfig, IndividualEnrollmentConfig};
use dps_hsm_x509::X509Hsm;
use dps_tests::{Fleet, KeyKind, SoftwareTpm};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::{Duration, Instant};

const SLOW: Duration = Duration::from_millis(700);
const FOREVER: Duration = Duration::from_secs(3600);
const DEADLINE: Duration = Duration::from_secs(1);
/// A hundred times what is needed: how long others may have to wait.
const AT_ONCE: Duration = Duration::from_millis(250);

fn tpm_fleet(tpm: &SoftwareTpm) -> Fleet {
    let mut own = IndividualEnrollmentConfig::new(tpm.id());
    own.attestation = AttestationConfig::with_endorsement_key(&tpm.keys().endorsement_key);
    Fleet::start_with(|config| config.enrollments.push(own))
}

/// A certificate's key that takes so many milliseconds for each signature.
#[derive(Debug)]
struct SlowKey {
    key: Arc<dyn ClientKey>,
    takes_ms: Arc<AtomicU64>,
}

impl ClientKey for SlowKey {
    fn schemes(&self) -> Vec<SignatureScheme> {
        self.key.schemes()
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, HsmError> {
        thread::sleep(Duration::from_millis(self.takes_ms.load(Ordering::SeqCst)));
        self.key.sign(scheme, message)
    }
}

/// A certificate with a key of the test's around its own.
struct KeyedCertificate<F> {
    hsm: X509Hsm,
    around: F,
}

impl<F: Fn(Arc<dyn ClientKey>) -> Arc<dyn ClientKey> + Send> Hsm for KeyedCertificate<F> {
    fn attestation(&self) -> Attestation {
        Attestation::X509
    }

    fn registration_id(&mut self) -> Result<Option<RegistrationId>, HsmError> {
        self.hsm.registration_id()
    }

    fn client_identity(&mut self, now: Now) -> Result<ClientIdentity, HsmError> {
        let identity = self.hsm.client_identity(now)?;
        let key = (self.around)(identity.key().clone());
        Ok(ClientIdentity::new(identity.chain().to_vec(), key))
    }
}

/// A client whose security module takes so long, and how to change that.
type Slowed = (ProvisioningClient, Box<dyn Fn(Duration)>);

fn with_tpm(fleet: &Fleet, transport: Transport, takes: Duration) -> Slowed {
    let tpm = SoftwareTpm::new(11).slow(takes);
    let client = fleet.client(transport, tpm.clone()).policy(policy(takes)).build().unwrap();
    (client, Box::new(move |takes| drop(tpm.clone().slow(takes))))
}

fn certificate(fleet: &Fleet) -> X509Hsm {
    let chain = fleet.chain("slow-device", KeyKind::P256);
    X509Hsm::from_pem(chain.as_bytes(), KeyKind::P256.pem().as_bytes()).unwrap()
}

fn slow_certificate(fleet: &Fleet, takes_ms: &Arc<AtomicU64>) -> impl Hsm + 'static {
    let takes_ms = takes_ms.clone();
    let around =
        move |key| -> Arc<dyn ClientKey> { Arc::new(SlowKey { key, takes_ms: takes_ms.clone() }) };
    KeyedCertificate { hsm: certificate(fleet), around }
}

fn with_certificate(fleet: &Fleet, transport: Transport, takes: Duration) -> Slowed {
    let takes_ms = Arc::new(AtomicU64::new(takes.as_millis() as u64));
    let hsm = slow_certificate(fleet, &takes_ms);
    let client = fleet.client(transport, hsm).policy(policy(takes)).build().unwrap();
    let change = move |takes: Duration| takes_ms.store(takes.as_millis() as u64, Ordering::SeqCst);
    (client, Box::new(change))
}

fn policy(takes: Duration) -> Policy {
    let deadline = if takes == FOREVER { DEADLINE } else { Duration::from_secs(20) };
    Policy { deadline: Some(deadline), ..Policy::default() }
}

/// One for each place where a module is at work: a TPM over both protocols, and TLS handshakes.
fn each(takes: Duration, check: impl Fn(&str, ProvisioningClient, Box<dyn Fn(Duration)>)) {
    let tpm = SoftwareTpm::new(11);
    let fleet = tpm_fleet(&tpm);
    for transport in [Transport::Http, Transport::Amqp] {
        let (client, change) = with_tpm(&fleet, transport, takes);
        check(&format!("a TPM over {transport}"), client, change);
    }
    for transport in [Transport::Mqtt, Transport::Http, Transport::AmqpWs] {
        let (client, change) = with_certificate(&fleet, transport, takes);
        check(&format!("a certificate over {transport}"), client, change);
    }
}

fn assert_ended_in_time(case: &str, began: Instant, result: Result<Assignment, Error>) {
    let error = result.expect_err(case);
    let took = began.elapsed();
    assert!(took >= DEADLINE && took < DEADLINE + Duration::from_secs(2), "{case}: {took:?}");
    assert_eq!(error.stage(), Stage::Deadline, "{case}: {error}");
    let during = matches!(error.kind(), ErrorKind::DeadlineExceeded { during: Stage::Hsm, .. });
    assert!(during, "{case}: {error:?}");
    assert!(error.hint().contains("security module"), "{case}: {}", error.hint());
}

fn assert_busy(case: &str, result: Result<Assignment, Error>) {
    let error = result.expect_err(case);
    assert_eq!((error.stage(), error.kind()), (Stage::Hsm, &ErrorKind::HsmBusy), "{case}");
    assert!(error.is_transient());
    assert!(error.to_string().contains("still at work"), "{error}");
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap()
}

#[test]
fn other_tasks_of_the_runtime_go_on_meanwhile() {
    each(SLOW, |case, mut client, _| {
        runtime().block_on(async {
            let longest = Arc::new(Mutex::new(Duration::ZERO));
            let kept = longest.clone();
            let other = tokio::spawn(async move {
                loop {
                    let began = Instant::now();
                    tokio::time::sleep(Duration::from_millis(5)).await;
                    let mut longest = kept.lock().unwrap();
                    *longest = longest.max(began.elapsed());
                }
            });
            let began = Instant::now();
            client.register_async().await.unwrap_or_else(|error| panic!("{case}: {error}"));
            other.abort();
            assert!(began.elapsed() >= SLOW, "{case}: the module was at work");
            let longest = *longest.lock().unwrap();
            assert!(longest > Duration::ZERO && longest < AT_ONCE, "{case}: {longest:?}");
        });
    });
}

#[test]
fn a_module_that_hangs_does_not_hold_up_the_end_of_an_async_registration() {
    each(FOREVER, |case, mut client, _| {
        // The runtime itself can be given up as well.
        runtime().block_on(async {
            let began = Instant::now();
            assert_ended_in_time(case, began, client.register_async().await);
            assert_busy(case, client.register_async().await);
        });
    });
}

#[test]
fn a_module_that_hangs_does_not_hold_up_the_end_of_a_blocking_registration() {
    each(FOREVER, |case, mut client, _| {
        let began = Instant::now();
        assert_ended_in_time(case, began, client.register());
        assert_busy(case, client.register());
    });
}

#[test]
fn no_call_of_poll_waits_for_the_module() {
    each(SLOW, |case, mut client, _| {
        let began = Instant::now();
        client.start().unwrap();
        loop {
            let call = Instant::now();
            let progress = client.poll();
            assert!(call.elapsed() < AT_ONCE, "{case}: {:?}", call.elapsed());
            match progress {
                Progress::Finished(result) => {
                    result.unwrap_or_else(|error| panic!("{case}: {error}"));
                    break;
                }
                // What is set meanwhile counts, and a second start is refused.
                Progress::Pending => {
                    assert!(client.start().unwrap_err().to_string().contains("already running"));
                    client.set_payload_json(Some("{}".into())).unwrap();
                    client.wait(Duration::from_secs(1));
                }
                _ => {}
            }
        }
        assert!(began.elapsed() >= SLOW, "{case}");
    });
}

#[test]
fn a_future_that_is_dropped_leaves_the_module_which_can_be_used_when_it_is_done() {
    each(SLOW, |case, mut client, change| {
        runtime().block_on(async {
            let cut = tokio::time::timeout(SLOW / 2, client.register_async()).await;
            assert!(cut.is_err(), "{case}: it is slow");
            assert_busy(case, client.register_async().await);
            change(Duration::ZERO);
            tokio::time::sleep(SLOW).await;
            let again = client.register_async().await;
            again.unwrap_or_else(|error| panic!("{case}: {error}"));
        });
        client.register().unwrap_or_else(|error| panic!("{case}: {error}"));
    });
}

#[test]
fn a_registration_that_is_cancelled_leaves_the_module_which_can_be_used_when_it_is_done() {
    each(SLOW, |case, mut client, change| {
        client.start().unwrap();
        let began = Instant::now();
        while began.elapsed() < SLOW / 2 {
            assert!(!matches!(client.poll(), Progress::Finished(_)), "{case}");
            client.wait(Duration::from_millis(10));
        }
        client.cancel();
        assert!(matches!(client.poll(), Progress::Idle), "{case}");
        assert_busy(case, client.register());
        change(Duration::ZERO);
        thread::sleep(SLOW);
        // By being woken when the module is done, and not by a timer.
        let began = Instant::now();
        client.register().unwrap_or_else(|error| panic!("{case}: {error}"));
        assert!(began.elapsed() < Duration::from_secs(8), "{case}: {:?}", began.elapsed());
    });
}

/// Notes on which threads it is asked.
struct Watched {
    hsm: Box<dyn Hsm>,
    in_place: bool,
    elsewhere: Arc<AtomicU32>,
    here: thread::ThreadId,
}

impl Hsm for Watched {
    fn attestation(&self) -> Attestation {
        self.hsm.attestation()
    }

    fn works_in_place(&self) -> bool {
        self.in_place
    }

    fn registration_id(&mut self) -> Result<Option<RegistrationId>, HsmError> {
        self.hsm.registration_id()
    }

    fn sign(&mut self, data: &[u8]) -> Result<dps_client::Mac, HsmError> {
        self.elsewhere.fetch_add(u32::from(thread::current().id() != self.here), Ordering::SeqCst);
        self.hsm.sign(data)
    }
}

#[test]
fn a_module_that_works_in_place_is_asked_by_the_thread_that_registers() {
    let fleet = Fleet::start();
    for (in_place, expected) in [(true, 0), (false, 1)] {
        let elsewhere = Arc::new(AtomicU32::new(0));
        let hsm = Watched {
            hsm: Box::new(fleet.key_device()),
            in_place,
            elsewhere: elsewhere.clone(),
            here: thread::current().id(),
        };
        fleet.client(Transport::Mqtt, hsm).build().unwrap().register().unwrap();
        assert_eq!(elsewhere.load(Ordering::SeqCst), expected);
    }
}

#[test]
fn time_that_a_key_takes_is_not_the_services_silence() {
    let fleet = Fleet::start();
    let silence = Duration::from_secs(1);
    let takes_ms = Arc::new(AtomicU64::new(2 * silence.as_millis() as u64));
    let policy = Policy { silence, max_connections: Some(1), ..Policy::default() };
    for transport in [Transport::Mqtt, Transport::Http] {
        let hsm = slow_certificate(&fleet, &takes_ms);
        let mut client = fleet.client(transport, hsm).policy(policy.clone()).build().unwrap();
        client.register().unwrap_or_else(|error| panic!("{transport}: {error}"));
        runtime()
            .block_on(client.register_async())
            .unwrap_or_else(|error| panic!("{transport}, async: {error}"));
    }
}

#[test]
fn a_limit_that_is_set_while_a_key_hangs_ends_the_registration() {
    let fleet = Fleet::start();
    let takes_ms = Arc::new(AtomicU64::new(FOREVER.as_millis() as u64));
    let policy = Policy { deadline: None, ..Policy::default() };
    let hsm = slow_certificate(&fleet, &takes_ms);
    let mut client = fleet.client(Transport::Mqtt, hsm).policy(policy).build().unwrap();
    client.start().unwrap();
    let began = Instant::now();
    let mut is_set = false;
    let result = loop {
        if let Progress::Finished(result) = client.poll() {
            break result;
        }
        client.wait(Duration::from_millis(20));
        if !is_set && began.elapsed() > DEADLINE / 2 {
            client.set_request_timeout(Some(DEADLINE));
            is_set = true;
        }
        assert!(began.elapsed() < Duration::from_secs(20), "it has no end");
    };
    assert_ended_in_time("a late limit", began, result);
}

#[derive(Debug)]
struct WatchedKey {
    key: Arc<dyn ClientKey>,
    in_place: bool,
    elsewhere: Arc<AtomicU32>,
    here: thread::ThreadId,
}

impl ClientKey for WatchedKey {
    fn works_in_place(&self) -> bool {
        self.in_place
    }

    fn schemes(&self) -> Vec<SignatureScheme> {
        self.key.schemes()
    }

    fn sign(&self, scheme: SignatureScheme, message: &[u8]) -> Result<Vec<u8>, HsmError> {
        self.elsewhere.fetch_add(u32::from(thread::current().id() != self.here), Ordering::SeqCst);
        self.key.sign(scheme, message)
    }
}

#[test]
fn a_key_that_works_in_place_signs_on_the_thread_that_registers() {
    let fleet = Fleet::start();
    assert!(fleet.key_device().works_in_place(), "keys in memory need no thread");
    for (in_place, expected) in [(true, 0), (false, 2)] {
        let elsewhere = Arc::new(AtomicU32::new(0));
        let (counted, here) = (elsewhere.clone(), thread::current().id());
        let around = move |key: Arc<dyn ClientKey>| -> Arc<dyn ClientKey> {
            assert!(key.works_in_place(), "keys in memory need no thread");
            Arc::new(WatchedKey { key, in_place, elsewhere: counted.clone(), here })
        };
        let hsm = KeyedCertificate { hsm: certificate(&fleet), around };
        let mut client = fleet.client(Transport::Mqtt, hsm).build().unwrap();
        client.register().unwrap();
        runtime().block_on(client.register_async()).unwrap();
        assert_eq!(elsewhere.load(Ordering::SeqCst), expected);
    }
}
