//! `dps tpm` and `dps register --tpm`, on swtpm.
// A helper of a test may stop the test where it stands.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, clippy::indexing_slicing)]

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use dps_client::{RegistrationId, Transport};
use dps_emulator::{AttestationConfig, EnrollmentGroupConfig, IndividualEnrollmentConfig};
use dps_tests::{AccessBroker, DeviceFile, Finished, Fleet, Folder, Swtpm, TpmSimulator, run};
use std::fs;
use std::process::Command;
use std::time::Duration;

fn dps(arguments: &[&str]) -> Finished {
    dps_at("unix:path=/no/bus", arguments)
}

/// With this session bus.
fn dps_at(bus: &str, arguments: &[&str]) -> Finished {
    let mut command = Command::new(env!("CARGO_BIN_EXE_dps"));
    // tss2 would tell of its own troubles in between.
    command.args(arguments).env_remove("TPM2TOOLS_TCTI").env("TSS2_LOG", "all+none");
    command.env("DBUS_SESSION_BUS_ADDRESS", bus);
    run(&mut command, Duration::from_secs(60))
}

fn member<'a>(json: &'a str, name: &str) -> &'a str {
    let (_, rest) = json.split_once(&format!("\"{name}\":\"")).unwrap();
    rest.split_once('"').unwrap().0
}

#[test]
fn info_tells_what_an_enrollment_needs() {
    let swtpm = Swtpm::start();
    let text = dps(&["tpm", "info", "--tcti", &swtpm.tcti()]).success().stdout;
    let json = dps(&["tpm", "info", "--json", "--tcti", &swtpm.tcti()]).success().stdout;
    let (id, key) = (member(&json, "registrationId"), member(&json, "endorsementKey"));
    assert_eq!(id.len(), 52);
    assert!(
        key.starts_with("AToAAQALAAMAsgAgg3GXZ0SEs/gakMyNRqXXJP1S124GUgtk8qHaGzMUaaoABgCAAEMAEAg")
    );
    for words in [id, key, member(&json, "storageRootKey"), "service: none"] {
        assert!(text.contains(words), "{text}");
    }
    assert!(json.contains("\"enrollment\":{") && json.contains("\"type\":\"tpm\""), "{json}");
    // The tss2 tools' own variable works, too.
    let mut command = Command::new(env!("CARGO_BIN_EXE_dps"));
    command.args(["tpm", "info"]).env("TPM2TOOLS_TCTI", swtpm.tcti());
    assert_eq!(run(&mut command, Duration::from_secs(60)).success().stdout, text);
}

#[test]
fn failures_say_what_to_do() {
    let mut swtpm = Swtpm::start();
    swtpm.stop();
    let finished = dps(&["tpm", "info", "--json", "--tcti", &swtpm.tcti()]);
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(finished.stdout.contains("\"stage\":\"hsm\""), "{}", finished.stdout);
    assert!(finished.stderr.contains("simulator runs there"), "{}", finished.stderr);
    let finished = dps(&["tpm", "info", "--tcti", "swtpm:hots=x"]);
    assert_eq!(finished.code, Some(2), "{finished:?}");
    assert!(finished.stderr.contains("host=... and port=..."), "{}", finished.stderr);
    let finished = dps(&["tpm", "info", "--tcti", "device:/nonexistent"]);
    assert!(finished.stderr.contains("/nonexistent cannot be opened"), "{}", finished.stderr);
}

#[test]
fn authorization_values_come_from_files() {
    let swtpm = Swtpm::start();
    let folder = Folder::new("cli-tpm");
    let file = folder.path().join("auth");
    fs::write(&file, "own\n").unwrap();
    swtpm.tool("tpm2_changeauth", &["-c", "owner", "own"]);
    let without = dps(&["tpm", "info", "--tcti", &swtpm.tcti()]);
    assert_eq!(without.code, Some(3));
    assert!(without.stderr.contains("TPM_RC_BAD_AUTH"), "{}", without.stderr);
    let option = ["--tpm-owner-auth-file", file.to_str().unwrap()];
    dps(&[&["tpm", "info", "--tcti", &swtpm.tcti()], &option[..]].concat()).success();
}

#[test]
fn an_identity_key_that_is_not_there_can_be_removed() {
    let swtpm = Swtpm::start();
    let text = dps(&["tpm", "clear-identity", "--tcti", &swtpm.tcti()]).success().stdout;
    assert_eq!(text, "There was no identity key.\n");
}

#[test]
fn a_certificates_key_is_made_once_and_shown_as_openssl_does() {
    let swtpm = Swtpm::start();
    let create = || dps(&["tpm", "create-key", "--handle", "0x81000201", "--tcti", &swtpm.tcti()]);
    let pem = create().success().stdout;
    let folder = Folder::new("cli-tpm-key");
    let file = folder.path().join("public.pem");
    fs::write(&file, &pem).unwrap();
    let mut command = Command::new("openssl");
    command.args(["pkey", "-pubin", "-in"]).arg(&file);
    assert_eq!(run(&mut command, Duration::from_secs(30)).success().stdout, pem);
    let again = create();
    assert_eq!(again.code, Some(2));
    assert!(again.stderr.contains("0x81000201 is taken"), "{}", again.stderr);
}

/// A service that knows the TPM of which `dps tpm info --json` has said this.
fn fleet_for(info: &str) -> Fleet {
    let key = STANDARD.decode(member(info, "endorsementKey")).unwrap();
    Fleet::start_with(|config| {
        let id = RegistrationId::new(member(info, "registrationId")).unwrap();
        let mut enrollment = IndividualEnrollmentConfig::new(id);
        enrollment.attestation = AttestationConfig::with_endorsement_key(&key);
        config.enrollments.push(enrollment);
    })
}

/// A service, and what `dps register` needs to reach it by this transport.
fn register(fleet: &Fleet, folder: &Folder, transport: Transport, more: &[&str]) -> Finished {
    register_by(fleet, folder, transport, more, dps)
}

fn register_by(
    fleet: &Fleet,
    folder: &Folder,
    transport: Transport,
    more: &[&str],
    dps: impl Fn(&[&str]) -> Finished,
) -> Finished {
    let ca = folder.path().join("ca.pem");
    fs::write(&ca, fleet.emulator.ca_pem()).unwrap();
    let endpoint = fleet.endpoint(transport).to_string();
    let scope = fleet.emulator.id_scope();
    let common = ["register", "--endpoint", &endpoint, "--id-scope", scope, "--no-proxy"];
    let trust = ["--trusted-cert", ca.to_str().unwrap()];
    dps(&[&common[..], &trust, more].concat())
}

#[test]
fn a_tpm_registers_and_its_identity_can_be_removed() {
    let swtpm = Swtpm::start();
    let (tcti, folder) = (swtpm.tcti(), Folder::new("cli-tpm-register"));
    let json = dps(&["tpm", "info", "--json", "--tcti", &tcti]).success().stdout;
    let id = member(&json, "registrationId");
    let fleet = fleet_for(&json);
    let tpm = ["--tpm", "--tcti", &tcti];
    // AMQP unless another one is named.
    let amqp = register(&fleet, &folder, Transport::Amqp, &tpm).success().stdout;
    assert!(amqp.contains(&format!("contoso-hub.localhost, deviceId: {id}")), "{amqp}");
    let http = [&tpm[..], &["--transport", "http", "--output", "json"]].concat();
    let http = register(&fleet, &folder, Transport::Http, &http).success().stdout;
    assert!(http.contains(&format!("\"deviceId\":\"{id}\"")), "{http}");
    let mqtt = [&tpm[..], &["--transport", "mqtt"]].concat();
    let mqtt = register(&fleet, &folder, Transport::Mqtt, &mqtt);
    assert!(mqtt.code == Some(2) && mqtt.stderr.contains("choose http, amqp"), "{mqtt:?}");

    let info = || dps(&["tpm", "info", "--tcti", &tcti]).success().stdout;
    assert!(info().contains("service: present"));
    let cleared = dps(&["tpm", "clear-identity", "--tcti", &tcti]).success().stdout;
    assert!(cleared.starts_with("The identity key is removed."), "{cleared}");
    assert!(info().contains("service: none"));
}

#[test]
fn a_certificate_registers_with_its_key_in_the_tpm() {
    let swtpm = Swtpm::start();
    let (tcti, folder) = (swtpm.tcti(), Folder::new("cli-tpm-x509"));
    let file = |name: &str| folder.path().join(name).to_str().unwrap().to_owned();
    fs::write(file("key.pem"), dps(&["tpm", "create-key", "--tcti", &tcti]).success().stdout)
        .unwrap();
    // As docs/tpm.md has it.
    let openssl = |arguments: &[&str]| {
        let mut command = Command::new("openssl");
        command.args(arguments).current_dir(folder.path());
        run(&mut command, Duration::from_secs(30)).success();
    };
    let ca = ["ca", "--name", "root", "--out", &file("root.pem"), "--key-out", &file("root.key")];
    dps(&[&["cert"], &ca[..]].concat()).success();
    let subject = ["-new", "-subj", "/CN=tpm-device", "-newkey", "ec", "-nodes"];
    let curve = ["-pkeyopt", "ec_paramgen_curve:P-256", "-keyout", "unused.key"];
    openssl(&[&["req"], &subject[..], &curve, &["-out", "request.pem"]].concat());
    let issuer = ["-CA", "root.pem", "-CAkey", "root.key", "-CAcreateserial", "-days", "365"];
    let extensions = "keyUsage=critical,digitalSignature\nextendedKeyUsage=clientAuth\n";
    fs::write(file("device.ext"), extensions).unwrap();
    let files = ["-in", "request.pem", "-force_pubkey", "key.pem", "-out", "device.pem"];
    let files = [&files[..], &["-extfile", "device.ext"]].concat();
    openssl(&[&["x509", "-req"], &files[..], &issuer].concat());
    let fleet = Fleet::start_with(|config| {
        let mut group = EnrollmentGroupConfig::new("tpm-group");
        let root = fs::read_to_string(file("root.pem")).unwrap();
        group.attestation = AttestationConfig::with_signing_certificate(root);
        config.enrollment_groups.push(group);
    });
    let certificate = file("device.pem");
    let key = ["--cert", &certificate, "--cert-tpm-key", "0x81000200", "--tcti", &tcti];
    let text = register(&fleet, &folder, Transport::Mqtt, &key).success().stdout;
    assert!(text.contains("deviceId: tpm-device"), "{text}");
    #[cfg(feature = "openssl")]
    the_same_key_registers_by_openssls_provider(&fleet, &folder, &tcti, &certificate);
    let other = ["--cert", &certificate, "--cert-tpm-key", "0x81000300", "--tcti", &tcti];
    let other = register(&fleet, &folder, Transport::Mqtt, &other);
    assert!(other.code == Some(3) && other.stderr.contains("0x81000300"), "{other:?}");
    dps(&["tpm", "create-key", "--handle", "0x81000400", "--tcti", &tcti]).success();
    let wrong = ["--cert", &certificate, "--cert-tpm-key", "0x81000400", "--tcti", &tcti];
    let wrong = register(&fleet, &folder, Transport::Mqtt, &wrong);
    assert!(wrong.code == Some(2) && wrong.stderr.contains("does not belong"), "{wrong:?}");
}

/// The TPM's key at 0x81000200 is the certificate's.
#[cfg(feature = "openssl")]
fn the_same_key_registers_by_openssls_provider(
    fleet: &Fleet,
    folder: &Folder,
    tcti: &str,
    certificate: &str,
) {
    let run_with = |arguments: &[&str]| {
        let mut command = Command::new(env!("CARGO_BIN_EXE_dps"));
        command.args(arguments).env("TPM2OPENSSL_TCTI", tcti).env("TSS2_LOG", "all+none");
        run(&mut command, Duration::from_secs(60))
    };
    let go = |uri: &str, provider: &str| {
        let key =
            ["--cert", certificate, "--cert-openssl-key", uri, "--openssl-provider", provider];
        register_by(fleet, folder, Transport::Mqtt, &key, run_with)
    };
    let text = go("handle:0x81000200", "tpm2").success().stdout;
    assert!(text.contains("deviceId: tpm-device"), "{text}");
    let nothing = go("handle:0x81000300", "tpm2");
    assert_eq!(nothing.code, Some(3), "{nothing:?}");
    assert!(nothing.stderr.contains("finds no private key"), "{nothing:?}");
    let unknown = go("handle:0x81000200", "no-such-provider");
    assert_eq!(unknown.code, Some(2), "{unknown:?}");
    assert!(unknown.stderr.contains("openssl list -providers"), "{unknown:?}");
}

/// Everything that `dps` does with a TPM, by another way to one that it already knows.
fn works_the_same_by(tcti: &str, before: &str, dps: impl Fn(&[&str]) -> Finished) {
    let info = || dps(&["tpm", "info", "--json", "--tcti", tcti]).success().stdout;
    assert_eq!(info(), before);
    let (fleet, folder) = (fleet_for(before), Folder::new("cli-tpm-way"));
    for transport in [Transport::Http, Transport::Amqp] {
        let by = ["--tpm", "--tcti", tcti, "--transport", transport.as_str()];
        let text = register_by(&fleet, &folder, transport, &by, &dps).success().stdout;
        assert!(text.contains("contoso-hub.localhost"), "{text}");
    }
    assert_ne!(info(), before, "it has the hub's key now");
    dps(&["tpm", "clear-identity", "--tcti", tcti]).success();
    assert_eq!(info(), before);
    let create = ["tpm", "create-key", "--handle", "0x81000201", "--tcti", tcti];
    assert!(dps(&create).success().stdout.starts_with("-----BEGIN PUBLIC KEY-----"));
    // There is room for three loaded objects only: by now one that stays would be noticed, except
    // behind the broker, which makes room.
    assert_eq!(info(), before);
}

#[test]
fn a_tpm_is_reached_by_the_simulators_protocol() {
    let swtpm = Swtpm::start_without_startup();
    let simulator = TpmSimulator::start(&swtpm);
    // Nobody has started it up: a simulator's client does.
    dps(&["tpm", "info", "--tcti", &simulator.tcti()]).success();
    let before = dps(&["tpm", "info", "--json", "--tcti", &swtpm.tcti()]).success().stdout;
    works_the_same_by(&simulator.tcti(), &before, dps);
}

#[test]
fn a_tpm_is_reached_by_its_device_file() {
    let swtpm = Swtpm::start();
    let before = dps(&["tpm", "info", "--json", "--tcti", &swtpm.tcti()]).success().stdout;
    works_the_same_by(&DeviceFile::start(&swtpm).tcti(), &before, dps);
}

#[test]
fn a_tpm_is_reached_by_the_access_broker() {
    let swtpm = Swtpm::start();
    let before = dps(&["tpm", "info", "--json", "--tcti", &swtpm.tcti()]).success().stdout;
    let broker = AccessBroker::start(&swtpm);
    works_the_same_by(broker.tcti(), &before, |arguments| dps_at(broker.bus(), arguments));
    // Without a bus it says what to do.
    let finished = dps(&["tpm", "info", "--tcti", broker.tcti()]);
    assert_eq!(finished.code, Some(3), "{finished:?}");
    assert!(finished.stderr.contains("resource manager"), "{}", finished.stderr);
}
