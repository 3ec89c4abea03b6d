//! `dps simulate`: the whole life of a device, as short as it may be.

use super::register::{self, Proof, Registered};
use crate::arguments::{OutputFormat, Register, SimulateDevice, Work};
use crate::exit;
use crate::failure::Failure;
use crate::output::printable;
use crate::proxy::Choice;
use crate::{output, pkcs11, report};
use dps_client::hub::{HubBuilder, HubClient, Incoming, Message, Twin};
use dps_client::{Assignment, Endpoint, Error, Transport};
use dps_hsm_symm_key::SymmetricKeyHsm;
use dps_hsm_x509::X509Hsm;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub(crate) fn run(options: SimulateDevice) -> Result<(), Failure> {
    let SimulateDevice { register: asked, work } = options;
    let text = asked.output == OutputFormat::Text;
    // A mistake in it should be known before the device registers.
    let given = work.hub_endpoint.as_deref().map(Endpoint::parse).transpose();
    let given =
        given.map_err(|error| Failure::new(exit::CONFIG, format!("--hub-endpoint: {error}")))?;
    let registered = register::register(asked, |registered| {
        if text {
            registered.print();
        }
    })?;
    let hub_failed = |error: Error| {
        let failure = Failure::hub(&error);
        if text {
            return failure;
        }
        output::line(report::error(&error));
        failure.reported()
    };
    let transport = work.hub_transport.unwrap_or(match registered.options.transport() {
        Transport::Mqtt | Transport::Amqp => Transport::Mqtt,
        _ => Transport::MqttWs,
    });
    let mut hub = client(&registered, transport, given)?.build().map_err(&hub_failed)?;
    let twin = be_at_work(&work, &mut hub, text).map_err(&hub_failed)?;
    hub.disconnect();
    if text {
        output::line(format_args!("Twin: {}", printable(&twin_json(&twin).to_string())));
    } else {
        let mut value = registered.document();
        if let Some(members) = value.as_object_mut() {
            members.insert("hubTransport".into(), transport.as_str().into());
            members.insert("messagesSent".into(), work.messages.into());
            members.insert("twin".into(), twin_json(&twin));
        }
        output::line(value);
    }
    Ok(())
}

fn client(
    Registered { options, proof, assignment }: &Registered,
    transport: Transport,
    given: Option<Endpoint>,
) -> Result<HubBuilder, Failure> {
    let connect_to = match given {
        Some(endpoint) => Some(endpoint),
        None => beside_the_service(options, assignment, transport),
    };
    let target = match &connect_to {
        Some(endpoint) => endpoint.clone(),
        None => Endpoint::parse(&assignment.hub)
            .map_err(|error| Failure::new(exit::OTHER, format!("the assigned hub: {error}")))?,
    };
    let limit = Duration::from_secs(options.timeout);
    let builder = HubClient::of(assignment)
        .transport(transport)
        .proxy(Choice::from(&options.proxy).proxy(&target, transport.default_port())?)
        .connect_to(connect_to)
        .trust_anchors(register::trust_anchors(options)?)
        .tls_versions(register::tls_versions(options)?)
        .connect_timeout(limit)
        .request_timeout(limit);
    Ok(match proof {
        Proof::Key(id, key) => builder.hsm(SymmetricKeyHsm::new(id.clone(), key.clone())),
        Proof::Certificate(hsm) => builder.hsm(X509Hsm::clone(hsm)),
        Proof::TokenKey(key) => builder.hsm(pkcs11::TokenKey::clone(key)),
        #[cfg(feature = "tpm")]
        Proof::Tpm(hsm) => builder.hsm(hsm.clone()),
    })
}

/// A local service's hubs are behind its own doors: at the port that was given for the service,
/// if it is the same door.
fn beside_the_service(
    options: &Register,
    assignment: &Assignment,
    transport: Transport,
) -> Option<Endpoint> {
    let service = register::endpoint(&options.endpoint).ok()?;
    let same_door = options.transport().default_port() == transport.default_port();
    (assignment.hub.ends_with(".localhost") && same_door && service.port().is_some())
        .then_some(service)
}

/// Connects, sends the telemetry, says what comes from the hub, and gets the twin.
fn be_at_work(options: &Work, hub: &mut HubClient, text: bool) -> Result<Twin, Error> {
    hub.connect()?;
    if text {
        output::line("Connected to the hub");
    }
    let interval = Duration::from_secs_f64(options.interval);
    for number in 1..=options.messages {
        let (body, alert) = measurement(number);
        let message = Message::json(body.to_string())
            .property("$.mid", number.to_string())
            .property("temperatureAlert", alert.to_string());
        hub.send(&message)?;
        if text {
            output::line(format_args!("Message {number} is with the hub: {body}"));
        }
        if number < options.messages {
            listen(hub, interval, text)?;
        }
    }
    let twin = hub.twin()?;
    listen(hub, Duration::ZERO, text)?;
    Ok(twin)
}

/// Spends the time between two messages listening.
fn listen(hub: &mut HubClient, time: Duration, text: bool) -> Result<(), Error> {
    let until = Instant::now() + time;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        match hub.receive(left)? {
            Some(Incoming::Message(message)) if text => {
                let body = String::from_utf8_lossy(&message.body).into_owned();
                output::line(format_args!("From the hub: {}", body.escape_debug()));
            }
            Some(Incoming::Desired(update)) if text => {
                output::line(format_args!("Desired properties: {}", printable(&update.patch)));
            }
            Some(_) => {}
            None => return Ok(()),
        }
    }
}

/// What the tutorials' devices measure, as a slow wave: 20 to 32 degrees, and humidity against it.
fn measurement(number: u32) -> (Value, bool) {
    let wave = (f64::from(number) / 3.0).sin();
    let tenths = |value: f64| (value * 10.0).round() / 10.0;
    let (temperature, humidity) = (tenths(26.0 + 6.0 * wave), tenths(70.0 - 10.0 * wave));
    (json!({"temperature": temperature, "humidity": humidity}), temperature > 30.0)
}

fn twin_json(twin: &Twin) -> Value {
    json!({"desired": twin.desired, "reported": twin.reported})
}
