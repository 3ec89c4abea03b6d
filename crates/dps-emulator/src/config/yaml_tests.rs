use super::super::{AttestationType, ProvisioningStatus};
use super::*;

const KEY: &str = "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";

fn message(text: &str) -> String {
    read(text).unwrap_err().to_string()
}

#[test]
fn an_empty_document_is_the_built_in_default() {
    for text in ["", "# nothing\n", "{}", "---\n"] {
        let config = read(text).unwrap();
        assert_eq!(config.address.to_string(), "127.0.0.1", "{text:?}");
        assert_eq!((config.mqtt_port, config.amqp_port, config.https_port), (8883, None, None));
        assert_eq!(config.id_scope.as_str(), "0ne00111111");
        assert_eq!(config.hubs, ["contoso-hub.localhost"]);
        assert_eq!(config.enrollment_groups.len(), 1);
        assert_eq!(config.enrollment_groups[0].enrollment_group_id, "mylegacydevices");
        assert!(config.enrollments.is_empty());
        assert_eq!((config.retry_after_seconds, config.assignment_delay.as_secs()), (2, 1));
        assert_eq!(config.clock_skew.as_secs(), 300);
        assert!(!config.reject_at_connect);
        assert_eq!(config.disabled_reply, DisabledReply::Disabled);
    }
}

#[test]
fn every_key_is_read() {
    let config = read(&format!(
        "
address: '::1'
mqttPort: 0
httpsPort: 8443
serverNames: [dps.test, 10.0.0.1]
idScope: 0neABCDEF00
hubs: [hub-1.localhost, hub-2.localhost]
retryAfterSeconds: 5
assignmentDelaySeconds: 0.25
clockSkewSeconds: 0
rejectAtConnect: true
disabledReply: unauthorized
enrollments:
  - registrationId: Dev:1.a_b-c
    deviceId: line-1
    attestation:
      type: symmetricKey
      symmetricKey:
        primaryKey: {KEY}
        secondaryKey: {KEY}
    provisioningStatus: disabled
    iotHubHostName: hub-2.localhost
  - registrationId: plain
enrollmentGroups:
  - enrollmentGroupId: line-2
    attestation: {{type: symmetricKey, symmetricKey: {{primaryKey: {KEY}}}}}
"
    ))
    .unwrap();
    assert_eq!(config.address.to_string(), "::1");
    assert_eq!((config.mqtt_port, config.https_port), (0, Some(8443)));
    assert_eq!(config.server_names, ["dps.test", "10.0.0.1"]);
    assert_eq!(config.id_scope.as_str(), "0neABCDEF00");
    assert_eq!(config.hubs, ["hub-1.localhost", "hub-2.localhost"]);
    assert_eq!(config.retry_after_seconds, 5);
    assert_eq!(config.assignment_delay, Duration::from_millis(250));
    assert_eq!(config.clock_skew, Duration::ZERO);
    assert!(config.reject_at_connect);
    assert_eq!(config.disabled_reply, DisabledReply::Unauthorized);

    let device = &config.enrollments[0];
    assert_eq!(device.registration_id.as_str(), "Dev:1.a_b-c");
    assert_eq!(device.device_id.as_deref(), Some("line-1"));
    assert_eq!(device.provisioning_status, ProvisioningStatus::Disabled);
    assert_eq!(device.iot_hub_host_name.as_deref(), Some("hub-2.localhost"));
    let key = device.attestation.symmetric_key.primary_key.as_ref().unwrap();
    assert_eq!(*key.to_base64(), KEY);
    assert!(config.enrollments[1].attestation.symmetric_key.primary_key.is_none());
    let group = &config.enrollment_groups[0];
    assert_eq!(group.enrollment_group_id, "line-2");
    assert!(group.attestation.symmetric_key.primary_key.is_some());
    assert!(group.attestation.symmetric_key.secondary_key.is_none());
}

#[test]
fn the_built_in_group_gives_way_to_configured_enrollments() {
    let config = read("enrollments: [{registrationId: dev1}]").unwrap();
    assert!(config.enrollment_groups.is_empty());
    let config = read("enrollmentGroups: []").unwrap();
    assert!(config.enrollment_groups.is_empty());
    let config = read("mqttPort: 1").unwrap();
    assert_eq!(config.enrollment_groups.len(), 1);
}

#[test]
fn errors_name_the_position_and_the_reason() {
    for (text, words) in [
        ("mqttPort: 1\nidscope: x\n", &["idscope", "line 2", "idScope"][..]),
        ("mqttPort: many\n", &["line 1"]),
        ("mqttPort: 70000\n", &["line 1"]),
        ("\n\nidScope: 0ne/1\n", &["ID scope has '/'", "line 3"]),
        ("enrollments:\n  - registrationId: has space\n", &["' ' at position 4", "line 2"]),
        ("enrollments:\n  - deviceId: a\n", &["registrationId", "line 2"]),
        ("enrollments:\n  - registrationId: a\n    attestation: {type: pin}\n", &["pin", "line 3"]),
        ("enrollments:\n  - registrationId: a\n    deviceID: b\n", &["deviceID", "line 3"]),
        ("assignmentDelaySeconds: -1\n", &["seconds from 0", "line 1"]),
        ("assignmentDelaySeconds: .nan\n", &["line 1"]),
        ("disabledReply: no\n", &["line 1"]),
        ("hubs: [a.b\n", &["line"]),
        ("mqttPort: 1\nmqttPort: 2\n", &["mqttPort", "line 2"]),
    ] {
        let message = message(text);
        for word in words {
            assert!(message.contains(word), "{text:?}: {word:?} is not in: {message}");
        }
    }
}

#[test]
fn a_key_that_stands_twice_should_be_merged() {
    for (text, words) in [
        ("enrollmentGroups: []\nenrollmentGroups: []\n", "the key enrollmentGroups stands"),
        ("enrollments:\n- registrationId: a\n  registrationId: b\n", "the key registrationId"),
    ] {
        let message = message(text);
        assert!(message.contains(words) && message.contains("under one"), "{message}");
        assert!(message.contains("line "), "{message}");
        assert!(!message.contains("Options") && !message.contains("KeyPolicy"), "{message}");
    }
}

#[test]
fn no_error_gives_advice_for_programmers() {
    for text in ["a: 1\n---\na: 2\n", "idScope: !!binary /w==\n", "hubs: [~]\n", "*x\n"] {
        let message = message(text);
        for word in ["Options", "option", "Option<", "use ", "KeyPolicy", "from_"] {
            assert!(!message.contains(word), "{text:?}: {message}");
        }
    }
}

#[test]
fn a_bad_key_is_not_repeated() {
    let message = message(
        "enrollments:\n  - registrationId: a\n    attestation:\n      type: symmetricKey\n      \
         symmetricKey: {primaryKey: c2VjcmV0IQ==, secondaryKey: c2VjcmV0IQ==}\n",
    );
    assert!(message.contains("16 to 64") && message.contains("line 5"), "{message}");
    assert!(!message.contains("c2Vj"), "{message}");
}

#[test]
fn an_id_that_looks_like_a_number_is_kept_as_text() {
    for text in ["00123", "1e3", "0x10", "1_000", "true", "no"] {
        let yaml = format!("enrollments: [{{registrationId: {text}, deviceId: {text}}}]");
        let config = read(&yaml).unwrap();
        assert_eq!(config.enrollments[0].registration_id.as_str(), text);
        assert_eq!(config.enrollments[0].device_id.as_deref(), Some(text));
    }
}

#[test]
fn a_key_in_the_wrong_place_is_not_repeated() {
    for text in [
        format!("enrollments: [{{registrationId: a, attestation: {KEY}}}]"),
        format!(
            "enrollments: [{{registrationId: a, attestation: {{type: symmetricKey, symmetricKey: {KEY}}}}}]"
        ),
        format!(
            "enrollments: [{{registrationId: a, attestation: {{type: symmetricKey, symmetricKey: {{primaryKey: [{KEY}]}}}}}}]"
        ),
        format!("enrollments: [{{registrationId: {KEY}}}]"),
        format!("mqttPort: {KEY}"),
        format!(
            "enrollments:\n- registrationId: a\n  attestation: {{type: symmetricKey, symmetricKey: {{primaryKey: {KEY}\nx: y"
        ),
    ] {
        let message = message(&text);
        assert!(!message.contains("AAECAwQF"), "{message}");
    }
}

#[test]
fn certificates_stand_in_the_service_apis_members() {
    let config = read(
        "
enrollments:
  - registrationId: a
    attestation: {type: x509, x509: {clientCertificates: {primary: {certificate: AA}, secondary: {certificate: BB}}}}
enrollmentGroups:
  - enrollmentGroupId: g
    attestation:
      type: x509
      x509:
        signingCertificates:
          primary:
            certificate: |
              one
              two
",
    )
    .unwrap();
    let device = &config.enrollments[0].attestation;
    assert_eq!(device.kind, AttestationType::X509);
    let certificates = device.x509.client_certificates.as_ref().unwrap();
    assert_eq!(certificates.primary.certificate, "AA");
    assert_eq!(certificates.secondary.as_ref().unwrap().certificate, "BB");
    let group = &config.enrollment_groups[0].attestation.x509;
    let certificates = group.signing_certificates.as_ref().unwrap();
    assert_eq!(certificates.primary.certificate, "one\ntwo\n");
}

#[test]
fn a_service_on_a_free_port_has_all_doors_on_free_ports_unless_told_otherwise() {
    for (text, port) in [
        ("mqttPort: 0", 0),
        ("mqttPort: 1883", 5671),
        ("{mqttPort: 0, amqpPort: 5672}", 5672),
        ("amqpPort: 0", 0),
    ] {
        let config = read(text).unwrap();
        assert_eq!(config.port(config.amqp_port, 5671), port, "{text}");
    }
}

#[test]
fn a_webhook_may_take_from_a_millisecond_to_five_minutes() {
    for (seconds, is_good) in [("0.001", true), ("300", true), ("0", false), ("301", false)] {
        let config = EmulatorConfig::from_yaml(&format!("webhookTimeoutSeconds: {seconds}"));
        let started = crate::webhook::Caller::new(&config.unwrap());
        assert_eq!(started.is_ok(), is_good, "{seconds}");
        if let Err(error) = started {
            assert!(error.to_string().contains("webhookTimeoutSeconds"), "{error}");
        }
    }
}
