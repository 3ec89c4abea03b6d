//! `dps demo`: the whole way on one machine, with every credential really checked.

use crate::arguments::Demo;
use crate::exit;
use crate::failure::Failure;
use crate::{output, report};
use dps_client::{
    Endpoint, IdScope, ProvisioningClient, RegistrationId, SymmetricKey, Transport, TrustAnchors,
};
use dps_emulator::{Emulator, EmulatorConfig};
use dps_hsm_symm_key::SymmetricKeyHsm;
use serde_json::json;
use std::time::{Duration, Instant};

pub(crate) fn run(options: &Demo) -> Result<(), Failure> {
    let started = Instant::now();
    let id = RegistrationId::new(options.registration_id.as_str())?;
    let say = |text: &str| {
        if !options.json {
            output::line(text);
        }
    };

    let emulator = start_service()?;
    let (door, address) = match options.transport {
        Transport::Http => ("HTTPS", emulator.https_address()),
        Transport::MqttWs => ("MQTT in WebSockets", emulator.https_address()),
        Transport::AmqpWs => ("AMQP in WebSockets", emulator.https_address()),
        Transport::Amqp => ("AMQP over TLS", emulator.amqp_address()),
        _ => ("MQTT over TLS", emulator.mqtt_address()),
    };
    let scope = emulator.id_scope().to_owned();
    say(&format!(
        "1. Local provisioning service: {door} on {address}, ID scope {scope}, hub {}",
        emulator.hubs().join(", ")
    ));

    let (group_id, group_key) = emulator
        .groups()
        .first()
        .and_then(|group| {
            Some((group.enrollment_group_id.clone(), group.symmetric_keys()?.primary.clone()))
        })
        .ok_or_else(|| Failure::new(exit::OTHER, "the local service has no enrollment group"))?;
    say(&format!("2. Enrollment group {group_id} with a new group key"));

    let mut key = group_key.derive(&id);
    say(&format!("3. Device key for {id}: HMAC-SHA256(group key, registration id)"));
    if options.corrupt_key {
        key = corrupt(&key)?;
        say("   ... with one byte changed");
    }

    say("4. Registering the device\n");
    let mut client = ProvisioningClient::builder()
        .transport(options.transport)
        .endpoint(Endpoint::parse(&address.to_string()).map_err(|e| failed(&e.into()))?)
        .id_scope(IdScope::new(scope.as_str())?)
        .trust_anchors(TrustAnchors::pem(emulator.ca_pem()))
        .hsm(SymmetricKeyHsm::new(id.clone(), key))
        .build()
        .map_err(|error| failed(&error))?;
    let mut statuses = Vec::new();
    let result = client.register_with(|status| {
        let name = report::status_name(status);
        say(&format!("Provisioning Status: {name}"));
        statuses.push(name);
    });

    if options.json {
        let outcome = match &result {
            Ok(assignment) => report::assignment(assignment),
            Err(error) => report::error(error),
        };
        let document = json!({
            "transport": options.transport.as_str(),
            "endpoint": address.to_string(),
            "idScope": scope,
            "enrollmentGroupId": group_id,
            "registrationId": id.as_str(),
            "statuses": statuses,
            "elapsedMilliseconds": u64::try_from(started.elapsed().as_millis()).unwrap_or(u64::MAX),
            "result": outcome,
        });
        output::line(format_args!("{document:#}"));
    }
    emulator.stop();
    let assignment = result.map_err(|error| match options.json {
        true => failed(&error).reported(),
        false => failed(&error),
    })?;
    say(&format!(
        "\nRegistration Information received from service: {}, deviceId: {}",
        assignment.hub, assignment.device_id
    ));
    say(&format!(
        "Done in {:.1} s. Try again with --corrupt-key.",
        started.elapsed().as_secs_f32()
    ));
    Ok(())
}

fn failed(error: &dps_client::Error) -> Failure {
    Failure::registration(error)
}

fn start_service() -> Result<Emulator, Failure> {
    let mut config = EmulatorConfig::default();
    config.mqtt_port = 0;
    // Quick enough to watch.
    config.retry_after_seconds = 1;
    config.assignment_delay = Duration::from_millis(500);
    Emulator::start(config)
        .map_err(|error| Failure::new(exit::OTHER, "the local service did not start").why(error))
}

/// Changes the first byte of a key: its upper six bits are the first base64 digit.
fn corrupt(key: &SymmetricKey) -> Result<SymmetricKey, Failure> {
    let text = key.to_base64();
    let rest = text.get(1..).unwrap_or_default();
    let first = if text.starts_with('A') { 'B' } else { 'A' };
    Ok(SymmetricKey::from_base64(&format!("{first}{rest}"))?)
}
